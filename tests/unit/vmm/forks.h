/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that fork (machine.h). */
#pragma once

#include <time.h>

#include "machine.h"
#include "vmm/fork.h"
#include "vmm/x86/kvm.h"

static inline uint64_t microseconds(void)
{
	struct timespec now;

	CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct child {
	int control_fd, out_fd;
	struct og_fork_answer answer;
};

static inline void give(struct og_fork_command *fork, int *fds, const char *id, int fd)
{
	struct og_fork_given *given = &fork->given[fork->n];

	*given = (struct og_fork_given){};
	memcpy(given->id, id, strlen(id));
	fds[fork->n++] = fd;
}

static inline int ask(int control_fd, const struct og_fork_command *fork, const int *fds,
		      struct og_fork_answer *ret_answer, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_FORK, .bytes = sizeof(*fork) };
	struct og_answer answer;
	int r;

	memcpy(command.body, fork, sizeof(*fork));
	r = og_control_call(control_fd, &command, fds, fork->n, &answer, err);
	if (r == 0)
		memcpy(ret_answer, answer.body, sizeof(*ret_answer));
	return r;
}

/* Forks whoever is asked at @control_fd; the child says what it says into the file @out. */
static inline void fork_into(struct child *child, int control_fd, const char *out, const char *disk,
			     bool paused)
{
	struct og_fork_command fork = { .start_paused = paused };
	int fds[OG_COMMAND_FDS_MAX], ends[2];
	struct og_answer answer;
	struct og_err err = {};

	child->out_fd = new_file(out);
	CHECK_OK(og_control_pair(ends, NULL));
	give(&fork, fds, OG_FORK_CONTROL, ends[1]);
	give(&fork, fds, OG_FORK_KVM, og_kvm_open(NULL));
	give(&fork, fds, OG_FORK_SERIAL_OUT, child->out_fd);
	if (disk != NULL)
		give(&fork, fds, "disk", open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	if (ask(control_fd, &fork, fds, &child->answer, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	og_close(ends[1]);
	og_close(fds[1]);
	if (disk != NULL)
		og_close(fds[3]);
	if (og_control_wait(ends[0], &answer, &err) < 0)
		fprintf(stderr, "child: %s\n", err.text);
	CHECK_EQ(err.code, 0);
	child->control_fd = ends[0];
}

static inline void end_child(struct child *child)
{
	child->control_fd = og_close(child->control_fd);
	child->out_fd = og_close(child->out_fd);
}

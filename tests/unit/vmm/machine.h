/* SPDX-License-Identifier: Apache-2.0 */
/* Machines in processes of their own with the test guest (tests/guest), for tests that command them. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "vmm/control.h"
#include "vmm/process.h"
#include "vmm/snapshot/memory_file.h"

struct machine {
	struct og_vmm_config config;
	struct og_disk_part part;
	struct og_process process;
	int out_fd;
};

static inline void need_guest(void)
{
	if (getenv("OG_TEST_GUEST") == NULL || access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("# no /dev/kvm, or no test guest\n");
		exit(TEST_SKIP_STATUS);
	}
}

static inline int new_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	return fd;
}

/* A machine told @word, whose serial port writes into the file @out. */
static inline void describe_machine(struct machine *m, const char *word, const char *out)
{
	*m = (struct machine){};
	og_vmm_config_init(&m->config);
	m->config.kernel_fd = open(getenv("OG_TEST_GUEST"), O_RDONLY | O_CLOEXEC);
	m->config.kernel_name = "test-guest";
	m->config.cmdline = word;
	m->config.memory_mib = 32;
	m->config.serial = true;
	m->config.rng.present = true;
	m->out_fd = m->config.serial_out_fd =
		open(out, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	CHECK(m->config.kernel_fd >= 0 && m->out_fd >= 0);
	og_vmm_config_keep(&m->config, m->config.kernel_fd);
	og_vmm_config_keep(&m->config, m->out_fd);
}

static inline void give_disk(struct machine *m, const char *path)
{
	m->part.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(m->part.fd >= 0 && ftruncate(m->part.fd, 65536) == 0);
	m->config.disks[0] = (struct og_blk_config){
		.id = "disk",
		.name = path,
		.parts = &m->part,
		.n_parts = 1,
	};
	m->config.n_disks = 1;
	og_vmm_config_keep(&m->config, m->part.fd);
}

static inline void start_machine(struct machine *m)
{
	struct og_err err = {};

	if (og_process_start(&m->config, &m->process, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK(m->process.pid > 0);
}

static inline void end_machine(struct machine *m)
{
	(void)og_process_end(&m->process);
	og_close(m->out_fd);
	og_close(m->config.kernel_fd);
	og_close(m->config.kvm_fd);
	if (m->config.n_disks > 0)
		og_close(m->part.fd);
}

static inline void tell_fd(int control_fd, enum og_command_kind kind)
{
	struct og_err err = {};

	if (og_control_tell(control_fd, kind, &err) < 0)
		fprintf(stderr, "command %u: %s\n", kind, err.text);
	CHECK(err.code == 0);
}

static inline void tell(struct machine *m, enum og_command_kind kind)
{
	tell_fd(m->process.control_fd, kind);
}

static inline off_t said(int out_fd)
{
	struct stat st;

	CHECK_OK(fstat(out_fd, &st));
	return st.st_size;
}

/* Waits until the guest has said @more characters. */
static inline void hear(int out_fd, off_t more)
{
	off_t from = said(out_fd);

	for (unsigned i = 0; i < 30000 && said(out_fd) < from + more; i++)
		(void)poll(NULL, 0, 1);
	CHECK(said(out_fd) >= from + more);
}

/* Waits until it has said that much since its beginning. */
static inline void hear_first(int out_fd, off_t all)
{
	for (unsigned i = 0; i < 30000 && said(out_fd) < all; i++)
		(void)poll(NULL, 0, 1);
	CHECK(said(out_fd) >= all);
}

/* All that was said: what went wrong is in it. */
static inline void check_said(int out_fd, const char *nothing_of, unsigned generations)
{
	size_t len = (size_t)said(out_fd);
	og_auto_free char *text = calloc(1, len + 1);
	unsigned seen = 0;

	CHECK(text != NULL && pread(out_fd, text, len, 0) == (ssize_t)len);
	if (strstr(text, nothing_of) != NULL)
		fprintf(stderr, "%s\n", text);
	CHECK(strstr(text, nothing_of) == NULL);
	for (size_t i = 0; i < len; i++)
		seen += text[i] == 'G';
	CHECK_EQ(seen, generations);
}

/* Of a paused machine, which is commanded at @control_fd. */
static inline int save_fd(int control_fd, int state_fd, int memory_fd, bool diff,
			  struct og_snapshot_answer *ret_answer, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_SNAPSHOT,
				      .bytes = sizeof(struct og_snapshot_command) };
	const struct og_snapshot_command body = { .diff = diff };
	const int fds[] = { state_fd, memory_fd };
	struct og_answer answer;
	int r;

	memcpy(command.body, &body, sizeof(body));
	r = og_control_call(control_fd, &command, fds, 2, &answer, err);
	if (r == 0)
		memcpy(ret_answer, answer.body, sizeof(*ret_answer));
	return r;
}

static inline int save(struct machine *m, int state_fd, int memory_fd, bool diff,
		       struct og_snapshot_answer *ret_answer, struct og_err *err)
{
	return save_fd(m->process.control_fd, state_fd, memory_fd, diff, ret_answer, err);
}

static inline void *read_file(int fd, size_t *ret_len)
{
	size_t len = (size_t)said(fd);
	void *bytes = malloc(len + 1);

	CHECK(bytes != NULL && pread(fd, bytes, len, 0) == (ssize_t)len);
	*ret_len = len;
	return bytes;
}

/* Makes @to, an empty file, hold what @from does, without its holes. */
static inline void copy_file(int to, int from)
{
	CHECK_OK(ftruncate(to, said(from)));
	CHECK_OK(og_memory_file_merge(to, from, NULL));
}

/* For as long as the test lasts. */
static inline const void *map_file(int fd, size_t *ret_len)
{
	void *bytes;

	*ret_len = (size_t)said(fd);
	bytes = mmap(NULL, *ret_len, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(bytes != MAP_FAILED);
	return bytes;
}

/* Makes @m begin from the files "state" and @memory in place of its kernel. */
static inline void begin_from(struct machine *m, const char *state, const char *memory)
{
	og_auto_fd fd = open(state, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	m->config.snapshot.state = map_file(fd, &m->config.snapshot.state_bytes);
	m->config.snapshot.memory_fd = open(memory, O_RDONLY | O_CLOEXEC);
	CHECK(m->config.snapshot.memory_fd >= 0);
	og_vmm_config_keep(&m->config, m->config.snapshot.memory_fd);
}

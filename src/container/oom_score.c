/* SPDX-License-Identifier: Apache-2.0 */
#include "container/oom_score.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

static int fail(int code, const struct og_oci_process *process, struct og_err *err)
{
	return og_fail(err, code,
		       "process.oomScoreAdj %d (below our own it needs CAP_SYS_RESOURCE)",
		       (int)process->oom_score_adj.value);
}

int og_oom_score_set(pid_t pid, const struct og_oci_process *process, struct og_err *err)
{
	char path[48];
	char text[16];
	int r;

	if (!process->oom_score_adj.set)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	(void)snprintf(text, sizeof(text), "%d", (int)process->oom_score_adj.value);
	r = og_write_file(AT_FDCWD, path, text, NULL);
	return r < 0 ? fail(r, process, err) : 0;
}

void og_oom_score_open(struct og_oom_score *score, const struct og_oci_process *process)
{
	ssize_t n = 0;

	score->fd = -EBADF;
	score->wanted = process->oom_score_adj.set && geteuid() != 0;
	if (!score->wanted)
		return;
	score->fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (score->fd >= 0)
		n = pread(score->fd, score->own, sizeof(score->own) - 1, 0);
	score->own[n > 0 ? n : 0] = '\0';
}

int og_oom_score_lend(struct og_oom_score *score, const struct og_oci_process *process,
		      struct og_err *err)
{
	char text[16];

	if (score->fd < 0)
		return score->wanted ? fail(-EACCES, process, err) : 0;
	(void)snprintf(text, sizeof(text), "%d", (int)process->oom_score_adj.value);
	return pwrite(score->fd, text, strlen(text), 0) < 0 ? fail(-errno, process, err) : 0;
}

void og_oom_score_take_back(const struct og_oom_score *score)
{
	if (score->fd >= 0)
		(void)!pwrite(score->fd, score->own, strlen(score->own), 0);
}

void og_oom_score_done(struct og_oom_score *score)
{
	score->fd = og_close(score->fd);
}

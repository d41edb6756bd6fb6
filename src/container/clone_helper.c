/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process where a user namespace and a joined namespace meet. Joining wants rights in
 * the user namespace that owns what is joined, which a process in a new or foreign one has no
 * more; and what is new has to belong to the user namespace, or nothing could be mounted there. So
 * a helper joins all the others while it still has the host's rights, the user namespace last, and
 * then clones a process that is its sibling: the runtime's child.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/spawn.h"
#include "container/launch.h"

static pid_t join_and_clone(const struct og_namespaces *namespaces, struct og_err *err)
{
	int r = og_namespaces_join(namespaces, err);
	pid_t pid;

	if (r < 0)
		return r;
	pid = og_clone(namespaces->clone_flags | CLONE_PARENT, -1);
	return pid < 0 ? og_fail(err, pid, "make the workload's first process and its namespaces")
		       : pid;
}

struct answer {
	pid_t pid; /* as this process's pid namespace numbers it, or a negative errno */
	struct og_err err;
};

pid_t og_clone_by_helper(const struct og_namespaces *namespaces, struct og_err *err)
{
	struct answer answer = {};
	og_auto_fd from_fd = -EBADF;
	og_auto_fd to_fd = -EBADF;
	int ends[2];
	pid_t helper;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make a pipe");
	from_fd = ends[0];
	to_fd = ends[1];
	helper = og_clone(0, -1);
	if (helper == 0) {
		answer.pid = join_and_clone(namespaces, &answer.err);
		if (answer.pid == 0)
			return 0;
		_exit(og_write_all(to_fd, &answer, sizeof(answer)) < 0 ? 1 : 0);
	}
	if (helper < 0)
		return og_fail(err, helper, "make a process");
	to_fd = og_close(to_fd);
	if (og_read_upto(from_fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		answer.pid = og_fail(&answer.err, -EPIPE, "join the workload's namespaces");
	(void)og_wait_status(helper);
	if (answer.pid < 0)
		return og_fail_as(err, answer.pid, answer.err.text);
	return answer.pid;
}

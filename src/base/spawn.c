/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * The child's numbers may be the parent's numbers of other descriptors, so they are moved in two
 * steps: first all of them above every number that is wanted, then each to its place. The rest is
 * closed one by one, since a descriptor that we inherited ourselves may lack close-on-exec.
 */
struct moved_fds {
	int fds[OG_SPAWN_FDS_MAX];
	size_t count;
	int top; /* the child's highest number */
};

static void moved_fds_done(struct moved_fds *moved)
{
	for (size_t i = 0; i < moved->count; i++)
		og_close(moved->fds[i]);
}

static int move_fds(const struct og_spawn *spawn, struct moved_fds *moved)
{
	moved->top = 2;
	if (spawn->fd_count > OG_SPAWN_FDS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < spawn->fd_count; i++)
		moved->top = spawn->fds[i].child_fd > moved->top ? spawn->fds[i].child_fd
								 : moved->top;
	for (size_t i = 0; i < spawn->fd_count; i++) {
		int fd = spawn->fds[i].parent_fd;

		fd = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
		moved->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, moved->top + 1);
		if (spawn->fds[i].parent_fd < 0)
			og_close(fd);
		if (moved->fds[i] < 0)
			return -errno;
		moved->count++;
	}
	return 0;
}

static bool names_fd(const struct og_spawn *spawn, int child_fd)
{
	for (size_t i = 0; i < spawn->fd_count; i++) {
		if (spawn->fds[i].child_fd == child_fd)
			return true;
	}
	return false;
}

static int add_actions(const struct og_spawn *spawn, const struct moved_fds *moved,
		       posix_spawn_file_actions_t *actions)
{
	int r = 0;

	for (int fd = 0; fd <= 2 && r == 0; fd++) {
		if (!names_fd(spawn, fd))
			r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	}
	for (size_t i = 0; i < spawn->fd_count && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(actions, moved->fds[i],
						     spawn->fds[i].child_fd);
	for (int fd = 3; fd < moved->top && r == 0; fd++) {
		if (!names_fd(spawn, fd))
			r = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, moved->top + 1);
	if (spawn->cwd != NULL && r == 0)
		r = posix_spawn_file_actions_addchdir_np(actions, spawn->cwd);
	return -r;
}

static int set_attributes(const struct og_spawn *spawn, posix_spawnattr_t *attr)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none;
	sigset_t all;

	if (spawn->new_session)
		flags |= POSIX_SPAWN_SETSID;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_setsigmask(attr, &none);
	(void)posix_spawnattr_setsigdefault(attr, &all);
	return -posix_spawnattr_setflags(attr, flags);
}

int og_spawn(const struct og_spawn *spawn, pid_t *ret_pid, struct og_err *err)
{
	og_cleanup(moved_fds_done) struct moved_fds moved = {};
	char *const *envp = spawn->envp != NULL ? spawn->envp : environ;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	r = move_fds(spawn, &moved);
	if (r < 0)
		return og_fail(err, r, "pass descriptors to '%s'", spawn->path);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return og_fail(err, -ENOMEM, "run '%s'", spawn->path);
	if (posix_spawnattr_init(&attr) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return og_fail(err, -ENOMEM, "run '%s'", spawn->path);
	}
	r = add_actions(spawn, &moved, &actions);
	if (r == 0)
		r = set_attributes(spawn, &attr);
	if (r == 0)
		r = -posix_spawnp(ret_pid, spawn->path, &actions, &attr, spawn->argv, envp);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r < 0 ? og_fail(err, r, "run '%s'", spawn->path) : 0;
}

int og_wait_status(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads to the end of file, so that the program never blocks, and keeps the first @max_bytes. */
static char *collect(int fd, size_t max_bytes)
{
	char *kept = calloc(1, max_bytes + 1);
	char buf[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		size_t room = max_bytes - len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return kept;
		room = (size_t)n < room ? (size_t)n : room;
		if (kept != NULL)
			memcpy(kept + len, buf, room);
		len += room;
	}
}

int og_spawn_wait(const struct og_spawn *spawn, size_t max_bytes, char **ret_output,
		  struct og_err *err)
{
	og_auto_fd read_fd = -EBADF;
	og_auto_fd write_fd = -EBADF;
	struct og_spawn_fd fds[OG_SPAWN_FDS_MAX];
	struct og_spawn with_pipe = *spawn;
	pid_t pid;
	int r;

	if (ret_output != NULL) {
		int pipe_fds[2];

		if (spawn->fd_count + 2 > OG_SPAWN_FDS_MAX)
			return og_fail(err, -E2BIG, "pass descriptors to '%s'", spawn->path);
		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return og_fail(err, -errno, "make pipe");
		read_fd = pipe_fds[0];
		write_fd = pipe_fds[1];
		if (spawn->fd_count > 0)
			memcpy(fds, spawn->fds, spawn->fd_count * sizeof(fds[0]));
		fds[spawn->fd_count] = (struct og_spawn_fd){ 1, write_fd };
		fds[spawn->fd_count + 1] = (struct og_spawn_fd){ 2, write_fd };
		with_pipe.fds = fds;
		with_pipe.fd_count = spawn->fd_count + 2;
	}
	r = og_spawn(&with_pipe, &pid, err);
	if (r < 0)
		return r;
	write_fd = og_close(write_fd);
	if (ret_output != NULL)
		*ret_output = collect(read_fd, max_bytes);
	r = og_wait_status(pid);
	return r < 0 ? og_fail(err, r, "wait for '%s'", spawn->path) : r;
}

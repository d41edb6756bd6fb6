/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order decides. The namespaces come with the process, so that its parent, which still has the
 * power, writes whom they know. The folder is found through the working folder, which the kernel
 * takes along into the new mount namespace; as a mount by itself it becomes the root, and what was
 * there before is gone. /proc/self/fd, as a mount by itself, too, is the way from a descriptor that
 * opens nothing to one that does. The capabilities and the system calls go last.
 */
#include "vmm/fs/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/weak.h"
#include "vmm/fs/caps.h"
#include "vmm/fs/node.h"
#include "vmm/fs/server.h"
#include "vmm/jail.h"

#define NAMESPACES \
	(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Descriptors beside those of files. */
#define FDS_OWN 32U

/* Where the server finds what it keeps. */
enum {
	SOCKET_FD = 3,
	ROOT_FD,
	PROC_FD,
	PARENT_FD,
	FIRST_OTHER_FD
};

/* A single file is shared in a folder of its own. */
#define FILE_NAME "file"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE false /* the sanitizers make system calls of their own */
#else
#define CONFINE true
#endif

/* What the child is told and tells, and what both inherit. */
struct start {
	const struct og_fs_share *share;
	int tree_fd; /* the folder as a mount; negative: it is the working folder */
	bool is_file;
	int socket_fd; /* the server's end */
	int parent_fd; /* the child's end of a pair */
};

struct go {
	bool becomes_others;
};

/* A process's name in the /proc that both see, which may be of an outer PID namespace. */
struct self {
	char name[16];
};

static int open_tree_of(int dir_fd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir_fd, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

/* ---- the child ---- */

/* What is mounted in the folder comes along where it cannot be left behind, and is not served. */
static int take_folder(const struct start *start, struct og_err *err)
{
	int fd = start->tree_fd >= 0 ? start->tree_fd : open_tree_of(AT_FDCWD, ".", 0);

	if (fd < 0)
		fd = open_tree_of(AT_FDCWD, ".", AT_RECURSIVE);
	return fd >= 0 ? fd : og_fail(err, -errno, "take the folder along");
}

static int restrict_mount(int fd, bool readonly, struct og_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC };

	if (readonly)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) <
	    0)
		return og_fail(err, -errno, "restrict the folder's mount");
	return 0;
}

/* Any folder that every system has: the new root is there for a moment. */
#define MOUNT_POINT "/proc"

static int mount_file(int tree_fd, struct og_err *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("none", MOUNT_POINT, "tmpfs", flags, "size=4k,nr_inodes=2,mode=755") < 0 ||
	    mknod(MOUNT_POINT "/" FILE_NAME, S_IFREG | 0644, 0) < 0)
		return og_fail(err, -errno, "make a folder for the file");
	if (syscall(SYS_move_mount, tree_fd, "", AT_FDCWD, MOUNT_POINT "/" FILE_NAME,
		    MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount(NULL, MOUNT_POINT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		return og_fail(err, -errno, "mount the file");
	return 0;
}

static int mount_folder(int tree_fd, struct og_err *err)
{
	if (syscall(SYS_move_mount, tree_fd, "", AT_FDCWD, MOUNT_POINT, MOVE_MOUNT_F_EMPTY_PATH) <
	    0)
		return og_fail(err, -errno, "mount the folder");
	return 0;
}

/* The folder becomes all there is. Returns a descriptor of /proc/self/fd. */
static int enter_folder(const struct start *start, struct og_err *err)
{
	og_auto_fd tree_fd = -EBADF, proc_fd = -EBADF;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return og_fail(err, -errno, "make mounts private");
	proc_fd = open_tree_of(AT_FDCWD, "/proc/self/fd", 0);
	if (proc_fd < 0)
		return og_fail(err, -errno, "open /proc/self/fd");
	tree_fd = take_folder(start, err);
	if (tree_fd < 0)
		return tree_fd;
	r = restrict_mount(tree_fd, start->share->readonly, err);
	if (r == 0)
		r = start->is_file ? mount_file(tree_fd, err) : mount_folder(tree_fd, err);
	if (r < 0)
		return r;
	if (og_weak("A75"))
		return chdir(MOUNT_POINT) < 0 ? -errno : og_take_fd(&proc_fd);
	if (chdir(MOUNT_POINT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return og_fail(err, -errno, "enter the folder");
	return og_take_fd(&proc_fd);
}

/* Puts what is kept where it belongs, and closes all else. */
static int arrange(const int *fds, unsigned n, struct og_err *err)
{
	int safe[FIRST_OTHER_FD];

	for (unsigned i = 0; i < n; i++) {
		safe[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
		if (safe[i] < 0)
			return og_fail(err, -errno, "keep descriptors");
	}
	for (unsigned i = 0; i < n; i++)
		if (dup2(safe[i], (int)i) < 0)
			return og_fail(err, -errno, "keep descriptors");
	return syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, 0) < 0 ? -errno : 0;
}

/* All descriptors that this host lets it have: returns how many are there for files. */
static uint32_t raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > 2 * OG_FS_NODE_FDS_MAX)
		return 2 * OG_FS_NODE_FDS_MAX;
	return limit.rlim_cur > FDS_OWN ? (uint32_t)limit.rlim_cur - FDS_OWN : 0;
}

static int confine_process(const struct start *start, bool others, struct og_err *err)
{
	uint64_t caps = !others ? 0 : start->share->readonly ? OG_FS_CAPS_READ : OG_FS_CAPS_WRITE;
	int r;

	if (others && setgroups(0, NULL) < 0)
		return og_fail(err, -errno, "give up groups");
	r = og_jail_keep_capabilities(caps, err);
	return r == 0 ? og_jail_prepare(err) : r;
}

static int become_server(struct start *start, bool others, struct og_fs_server **ret_server,
			 struct og_err *err)
{
	bool readonly = start->share->readonly;
	og_auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC), root = -EBADF, proc = -EBADF;
	uint32_t fds_max = raise_limit();
	int r;

	(void)prctl(PR_SET_NAME, "onggi-fs");
	(void)umask(0);
	proc = enter_folder(start, err);
	if (proc < 0)
		return proc;
	root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (null < 0 || root < 0)
		return og_fail(err, -errno, "open the folder");
	r = arrange((int[]){ null, null, null, start->socket_fd, root, proc, start->parent_fd },
		    FIRST_OTHER_FD, err);
	null = root = proc = -EBADF; /* closed, with all others */
	start->parent_fd = PARENT_FD;
	if (r == 0 && fchdir(PROC_FD) < 0)
		r = og_fail(err, -errno, "enter /proc/self/fd");
	if (r == 0)
		r = confine_process(start, others, err);
	if (r < 0)
		return r;
	if (fds_max < OG_FS_NODE_FDS_MIN)
		return og_fail(err, -EMFILE, "serve files with %u descriptors", fds_max);
	*ret_server = og_fs_server_new(ROOT_FD, readonly, others && !readonly, fds_max);
	if (*ret_server == NULL)
		return og_fail(err, -ENOMEM, "make the server");
	if (start->is_file)
		og_fs_server_cross_mounts(*ret_server);
	return CONFINE && !og_weak("A80-seccomp") ? og_jail_fs(readonly, err) : 0;
}

__attribute__((noreturn)) static void be_child(struct start *start)
{
	struct og_fs_server *server = NULL;
	struct og_err err = {};
	struct self self = {};
	struct go go;

	if (readlink("/proc/self", self.name, sizeof(self.name) - 1) < 0 ||
	    send(start->parent_fd, &self, sizeof(self), MSG_NOSIGNAL) < 0 ||
	    recv(start->parent_fd, &go, sizeof(go), 0) != sizeof(go))
		_exit(1);
	if (become_server(start, go.becomes_others, &server, &err) == 0)
		err.code = 0;
	(void)send(start->parent_fd, &err, sizeof(err), MSG_NOSIGNAL);
	(void)close(start->parent_fd);
	if (err.code < 0 || server == NULL)
		_exit(1);
	og_fs_serve(server, SOCKET_FD);
	_exit(0);
}

/* ---- the parent ---- */

static int write_proc(const struct self *child, const char *file, const char *text)
{
	char path[48];
	og_auto_fd fd = -EBADF;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", child->name, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Root knows everybody by their own numbers; anybody else knows one user. */
static int write_maps(const struct self *child, bool *ret_others, struct og_err *err)
{
	const char *everybody = "0 0 4294967295";
	char text[48];
	int r;

	if (geteuid() == 0 && write_proc(child, "uid_map", everybody) == 0 &&
	    write_proc(child, "gid_map", everybody) == 0) {
		*ret_others = true;
		return 0;
	}
	*ret_others = false;
	(void)snprintf(text, sizeof(text), "%u %u 1", geteuid(), geteuid());
	r = write_proc(child, "uid_map", text);
	if (r == 0)
		r = write_proc(child, "setgroups", "deny");
	(void)snprintf(text, sizeof(text), "%u %u 1", getegid(), getegid());
	if (r == 0)
		r = write_proc(child, "gid_map", text);
	return r < 0 ? og_fail(err, r, "write the maps of a user namespace") : 0;
}

/* Where a host gives no user namespace, root has all others without one. */
static pid_t clone_child(struct start *start, bool *ret_user_namespace)
{
	pid_t pid;

	*ret_user_namespace = true;
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | NAMESPACES | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0 && geteuid() == 0) {
		*ret_user_namespace = false;
		pid = (pid_t)syscall(SYS_clone, NAMESPACES | SIGCHLD, 0, 0, 0, 0);
	}
	if (pid == 0)
		be_child(start);
	return pid;
}

static int hear(int fd, void *message, size_t bytes, struct og_err *err)
{
	ssize_t n;

	do {
		n = recv(fd, message, bytes, 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)bytes
		       ? 0
		       : og_fail(err, -EPIPE, "the process that serves files has ended");
}

static int let_go(bool user_namespace, int fd, struct og_err *err)
{
	struct go go = { .becomes_others = true };
	struct og_err answer = {};
	struct self child;
	int r = hear(fd, &child, sizeof(child), err);

	if (r == 0 && user_namespace)
		r = write_maps(&child, &go.becomes_others, err);
	if (r < 0)
		return r;
	(void)send(fd, &go, sizeof(go), MSG_NOSIGNAL);
	r = hear(fd, &answer, sizeof(answer), err);
	if (r < 0)
		return r;
	answer.text[sizeof(answer.text) - 1] = '\0';
	return answer.code < 0 ? og_fail_as(err, answer.code, answer.text) : 0;
}

/* Clones the child where the folder is, and comes back. */
static int start_child(struct start *start, int fd, struct og_err *err)
{
	og_auto_fd here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool user_namespace;
	pid_t pid;
	int r;

	if (start->tree_fd < 0 && (here < 0 || fchdir(start->share->dir_fd) < 0))
		return og_fail(err, -errno, "enter the folder");
	pid = clone_child(start, &user_namespace);
	r = pid < 0 ? og_fail(err, -errno, "start the process that serves files") : 0;
	if (start->tree_fd < 0 && fchdir(here) < 0 && r == 0)
		r = og_fail(err, -errno, "come back to the working folder");
	start->parent_fd = og_close(start->parent_fd);
	if (r == 0)
		r = let_go(user_namespace, fd, err);
	if (r < 0 && pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return r;
}

/* A message has to fit into the socket as one. */
static int make_socket(int ret_fds[2], struct og_err *err)
{
	const int wanted = 2 * (int)OG_FUSE_MESSAGE_MAX;
	int got = 0;
	socklen_t len = sizeof(got);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return og_fail(err, -errno, "make pair of sockets");
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	(void)getsockopt(ret_fds[0], SOL_SOCKET, SO_SNDBUF, &got, &len);
	if ((unsigned)got < OG_FUSE_MESSAGE_MAX + 1024U) {
		og_close_all(ret_fds, 2);
		return og_fail(err, -ENOBUFS, "net.core.wmem_max lets a message have %d bytes",
			       got);
	}
	return 0;
}

int og_fs_start(const struct og_fs_share *share, int *ret_fd, struct og_err *err)
{
	struct start start = { .share = share };
	int sockets[2], parents[2], r;
	struct stat st;

	if (fstat(share->dir_fd, &st) < 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
		return og_fail(err, -ENOTDIR, "neither a folder nor a file");
	start.is_file = S_ISREG(st.st_mode);
	start.tree_fd = open_tree_of(share->dir_fd, "", AT_EMPTY_PATH);
	if (start.tree_fd < 0 && start.is_file)
		return og_fail(err, -errno, "share a single file");
	r = make_socket(sockets, err);
	if (r < 0) {
		og_close(start.tree_fd);
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, parents) < 0) {
		r = og_fail(err, -errno, "make pair of sockets");
	} else {
		start.socket_fd = sockets[1];
		start.parent_fd = parents[1];
		r = start_child(&start, parents[0], err);
		og_close(start.parent_fd);
		og_close(parents[0]);
	}
	og_close(start.tree_fd);
	og_close(sockets[1]);
	if (r < 0)
		og_close(sockets[0]);
	else
		*ret_fd = sockets[0];
	return r;
}

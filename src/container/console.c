/* SPDX-License-Identifier: Apache-2.0 */
#include "container/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "container/mount_ops.h"

#define MASTER_NAME "/dev/ptmx"

int og_console_connect(const char *path, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	og_auto_fd path_fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || path_fd < 0)
		return og_fail(err, -errno, "open console socket '%s'", path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path_fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return og_fail(err, -errno, "connect to console socket '%s'", path);
	return og_take_fd(&fd);
}

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int send_master(int socket_fd, int master_fd, struct og_err *err)
{
	int r = og_fdpass_send(socket_fd, MASTER_NAME, strlen(MASTER_NAME), &master_fd, 1, NULL);

	return r < 0 ? og_fail(err, r, "send the terminal to the console socket") : 0;
}

int og_console_receive(int socket_fd, struct og_err *err)
{
	union control control = {};
	char name[64];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC) < 0)
		return og_fail(err, -errno, "receive the terminal");
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return og_fail(err, -EPROTO, "no terminal came");
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

/* Only the multiplexer of a real devpts will do: an image may have anything at that path. */
static int open_master(int root_fd, struct og_err *err)
{
	og_auto_fd fd = og_open_plain(root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return og_fail(err, fd,
			       "process.terminal: /dev/pts/ptmx (mount devpts at /dev/pts)");
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at /dev/pts/ptmx");
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return og_fail(err, -EPERM,
			       "process.terminal: /dev/pts/ptmx is no terminal multiplexer");
	return og_take_fd(&fd);
}

int og_console_make(int root_fd, int socket_fd, const struct og_oci_process *process,
		    int *ret_slave_fd, struct og_err *err)
{
	og_auto_fd master_fd = open_master(root_fd, err);
	og_auto_fd slave_fd = -EBADF;
	int unlock = 0;
	int r;

	if (master_fd < 0)
		return master_fd;
	if (ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
		return og_fail(err, -errno, "unlock the terminal");
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0)
		return og_fail(err, -errno, "open the terminal");
	if (process->console_size.set) {
		struct winsize size = {
			.ws_row = (unsigned short)process->console_size.height,
			.ws_col = (unsigned short)process->console_size.width,
		};

		(void)ioctl(slave_fd, TIOCSWINSZ, &size);
	}
	if (fchown(slave_fd, (uid_t)process->user.uid, (gid_t)-1) < 0)
		return og_fail(err, -errno, "own the terminal");
	r = send_master(socket_fd, master_fd, err);
	if (r == 0)
		*ret_slave_fd = og_take_fd(&slave_fd);
	return r;
}

int og_console_take(int slave_fd, struct og_err *err)
{
	if (ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return og_fail(err, -errno, "take the terminal");
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(slave_fd, fd) < 0)
			return og_fail(err, -errno, "take the terminal");
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * og-fs DIR SOCKET [ro]: starts the server of a shared folder (src/vmm/fs) and passes its socket over
 * the Unix socket that is descriptor number SOCKET. For the tests, which speak FUSE to it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "vmm/fs/helper.h"

static int pass(int to, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };

	char byte = 0;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.space) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct og_fs_share share = { .readonly = argc > 3 };
	struct og_err err = {};
	int fd;

	if (argc < 3)
		return 2;
	share.dir_fd = open(argv[1], O_PATH | O_CLOEXEC);
	if (share.dir_fd < 0 || og_fs_start(&share, &fd, &err) < 0 || pass(atoi(argv[2]), fd) < 0) {
		fprintf(stderr, "og-fs: %s\n", err.text);
		return 1;
	}
	return 0;
}

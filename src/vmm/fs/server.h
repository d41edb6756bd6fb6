/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE server that passes one folder of the host through, for a process of its own (helper.h).
 *
 * It answers one request after the other. A request comes as one message: an envelope, then the
 * guest's bytes (message.h). Each one with room for an answer gets exactly one, in their order; those
 * without get none. The server trusts neither: the guest's bytes are judged, and nothing is done by
 * path but one entry of a known folder at a time (node.h).
 *
 * Files have the owners and modes that they have on the host. What is created belongs to the user
 * of the guest who creates it, where this process may become others. Locks (POSIX and BSD) are kept
 * by the guest's kernel. Of the extended attributes there are those that begin with "user.".
 * Devices cannot be made. What is mounted in the folder is not served.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/fs/message.h"

/* Open files and folders of a guest; each is a descriptor. */
#define OG_FS_HANDLES_MAX 8192U

/* Before each message. */
struct og_fs_envelope {
	uint32_t room; /* bytes there are for an answer, its header included; 0: none is sent */
	uint32_t zero;
};

struct og_fs_server;

/*
 * @root_fd is the folder, /proc/self/fd is the working folder. @becomes_others: the process has
 * CAP_SETUID, CAP_SETGID. @root_fd is taken. Returns NULL where there is no memory; what it
 * returns is there for as long as the process.
 */
struct og_fs_server *og_fs_server_new(int root_fd, bool readonly, bool becomes_others,
				      uint32_t fds_max);

/* For a folder that was made for one file, which is mounted in it. */
void og_fs_server_cross_mounts(struct og_fs_server *server);

/* Serves @socket_fd until its other end is closed. */
void og_fs_serve(struct og_fs_server *server, int socket_fd);

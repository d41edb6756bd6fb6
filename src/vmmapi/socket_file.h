/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place in the file system of a Unix socket that this process listens at, so that it is removed
 * at the end, and not what somebody else may have put there meanwhile.
 */
#pragma once

#include <sys/types.h>

#include "vmmapi/bodies.h"

/* Zeroed: there is none. */
struct og_socket_file {
	char path[OG_API_SOCKET_MAX];
	dev_t dev;
	ino_t ino;
};

/* Takes note of the socket that was just made at @path, which is shorter than OG_API_SOCKET_MAX. */
void og_socket_file_note(struct og_socket_file *file, const char *path);

/* Removes it where it is still there. Afterwards there is none. */
void og_socket_file_remove(struct og_socket_file *file);

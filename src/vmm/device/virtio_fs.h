/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of the host, served by a process of its own (Virtual I/O Device 1.2, section 5.11).
 *
 * The device moves messages between guest memory and that process (fs/helper.h) and understands
 * their headers alone. Answers come in the order of requests. When the process has ended, what waits
 * is answered by EIO and what comes by ENOTCONN; the guest runs on.
 *
 * While the guest has the folder mounted, the server knows its files and what it has open. That is
 * no state of the machine, so such a machine has no snapshot: save() says so.
 */
#pragma once

#include "vmm/device/virtio.h"
#include "vmm/limits.h"

/* The tag by which a guest mounts, NUL not included. */
#define OG_FS_TAG_MAX 36

/* Requests that the server has not answered; more wait in the queue. */
#define OG_FS_IN_FLIGHT_MAX 16U

/* A server that takes longer for what is under way holds up a pause no further. */
#define OG_FS_ANSWER_TIMEOUT_S 10

struct og_fs_config {
	char id[OG_VMM_ID_MAX];
	char tag[OG_FS_TAG_MAX + 1];
	int socket_fd; /* of og_fs_start(); borrowed */
};

int og_virtio_fs_new(const struct og_fs_config *config, const struct og_device_world *world,
		     struct og_virtio **ret_virtio, struct og_err *err);

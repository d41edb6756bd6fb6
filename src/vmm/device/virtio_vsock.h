/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams between programs of the guest and of the host (Virtual I/O Device 1.2, section 5.10),
 * towards the host over Unix sockets as Firecracker's:
 *
 *	A program of the host connects to the one socket, says "CONNECT PORT\n" and, when the guest
 *	took it, hears "OK PORT\n" with the host's own port. When it did not, the socket is closed.
 *
 *	A program of the guest that connects to port P of the host (context 2) reaches who listens
 *	at that socket's path with "_P" behind it. This process may not connect: it asks (broker.h).
 *
 * All memory is there from the beginning: a place a connection, and a buffer each for what the host
 * does not read, which is taken from the kernel when it is first used. A machine that goes on
 * elsewhere, restored or forked, has no connections, and the guest is told so.
 */
#pragma once

#include "vmm/device/virtio.h"

/* Also how many descriptors of this process the host's programs and the guest can take. */
#define OG_VSOCK_CONNS_MAX 256

/* Guests of the host's kernel begin with 3 (0 to 2 are reserved); 2^32 - 1 means any. */
#define OG_VSOCK_CID_MIN 3U
#define OG_VSOCK_CID_MAX (UINT32_MAX - 1)

struct og_vsock_config {
	bool present;
	char id[OG_VMM_ID_MAX];
	uint32_t guest_cid;
	int listen_fd; /* the listening Unix socket, non-blocking; borrowed; negative: no host's side */
};

/* Errors: -EINVAL (the context id), -ENOMEM. */
int og_virtio_vsock_new(const struct og_vsock_config *config, const struct og_device_world *world,
			struct og_virtio **ret_virtio, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One named byte stream between the guest and a socket (Virtual I/O Device 1.2, section 5.3, with
 * ports). Data goes between the socket and guest memory without a copy of ours and in large pieces;
 * nothing is buffered here, so either side waits for the other.
 */
#pragma once

#include <linux/virtio_console.h>

#include "vmm/device/virtio.h"

/* What one transfer may gather; no more than the kernel takes (IOV_MAX). */
#define OG_CONSOLE_IOV_MAX 1024

struct og_console_config {
	int fd;		  /* a stream socket; borrowed; negative: there is no console */
	const char *name; /* of its port; borrowed */
};

struct og_virtio_console {
	struct og_virtio virtio;
	struct virtio_console_config config;
	int fd; /* a stream socket; borrowed */
	const char *name;

	/* The socket: what it last told us, and whether its other end is gone. */
	bool can_read, can_write, closed;

	/* The guest: whether a program has the port open, and what the driver is yet to be told. */
	bool guest_open;
	unsigned untold;

	bool last;	   /* nothing more will come: wait for the socket */
	size_t last_bytes; /* how much of that is still waited for */

	size_t sent; /* bytes of the first waiting request that are in the socket already */

	struct iovec iov[OG_CONSOLE_IOV_MAX];
	struct og_chain chains[OG_VIRTQ_SIZE_MAX];
};

/* What @config borrows must outlive the device. */
int og_virtio_console_new(const struct og_console_config *config,
			  const struct og_device_world *world, struct og_virtio **ret_virtio,
			  struct og_err *err);

/* I/O thread: the socket became readable or writable (as EPOLLET reports it). */
void og_virtio_console_ready(struct og_virtio_console *console, bool readable, bool writable);

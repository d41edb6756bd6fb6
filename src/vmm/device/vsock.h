/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the vsock device: what virtio_vsock.c (the guest's queues) and vsock_host.c (sockets of
 * the host) share. All of it runs on the I/O thread with the device's lock held.
 */
#pragma once

#include "vmm/device/virtio_vsock.h"
#include "vmm/device/vsock_conn.h"

#define OG_VSOCK_SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* Ports of the host's ends begin here, as Firecracker's. */
#define OG_VSOCK_PORT_FIRST (1U << 30)

/* How long the guest, or who connects for us, may take to answer; as Firecracker. */
#define OG_VSOCK_ANSWER_MS 2000U

/* Resets of connections that are not there, at most as many as the guest can have asked for. */
#define OG_VSOCK_REFUSALS_MAX OG_VIRTQ_SIZE_MAX

struct og_vsock_place {
	struct og_vsock_conn conn;
	int fd;
	uint32_t generation; /* tells who had the place before from who has it now */
	bool can_read, can_write, hung_up;
	bool to_ask;	      /* the broker was too busy to be asked */
	uint64_t deadline_ms; /* 0: none */
};

struct og_vsock {
	struct og_virtio virtio;
	struct virtio_vsock_config config;
	struct og_vsock_metrics *metrics; /* borrowed, or the next */
	struct og_vsock_metrics no_metrics;
	int listen_fd, broker_fd; /* borrowed */
	int epoll_fd, timer_fd;	  /* owned, as the next two */
	int reset_fd;		  /* the driver reset the device */
	uint8_t *rings;		  /* OG_VSOCK_BUFFER_BYTES a place */
	uint64_t armed_ms;	  /* when the timer rings; 0: not at all */

	struct og_vsock_place places[OG_VSOCK_CONNS_MAX];
	unsigned top;  /* places from here on are free */
	unsigned turn; /* whose turn it is to fill the guest's buffers */
	uint32_t next_port;
	bool can_accept, was_full, broker_ready;
	bool stale;	  /* the driver reset the device: connections are to be dropped */
	bool reset_event; /* the guest is yet to be told that all connections are gone */

	struct virtio_vsock_hdr refusals[OG_VSOCK_REFUSALS_MAX];
	unsigned first_refusal, n_refusals;

	struct iovec iov[OG_CHAIN_MAX];
};

int og_vsock_host_init(struct og_vsock *vsock, struct og_err *err);
void og_vsock_host_done(struct og_vsock *vsock);

/* NULL: all places are taken. */
struct og_vsock_place *og_vsock_find_free(struct og_vsock *vsock);
void og_vsock_take(struct og_vsock *vsock, struct og_vsock_place *place);
void og_vsock_leave(struct og_vsock *vsock, struct og_vsock_place *place);
void og_vsock_drop_all(struct og_vsock *vsock);

/* The host's end is closed; the guest is told, and then the place is free. */
void og_vsock_reset(struct og_vsock *vsock, struct og_vsock_place *place);

/* Sees what became ready, takes programs that connect, moves what waits for them. */
void og_vsock_serve_host(struct og_vsock *vsock);

/* Has the host's end of a connection looked for that the guest wishes. */
void og_vsock_ask(struct og_vsock *vsock, struct og_vsock_place *place);

/* The guest took the offer: the program is told. */
void og_vsock_opened(struct og_vsock *vsock, struct og_vsock_place *place);

/* Hands the @bytes of @iov to the program, or keeps them until it takes them. */
void og_vsock_to_host(struct og_vsock *vsock, struct og_vsock_place *place, struct iovec *iov,
		      size_t n, uint32_t bytes);

/* What the guest shut is shut towards the program, once all that it sent before is there. */
void og_vsock_carry_out_shut(struct og_vsock *vsock, struct og_vsock_place *place);

/* Reads from the program into @iov. Returns the bytes, 0 where there is nothing, for now or ever. */
uint32_t og_vsock_from_host(struct og_vsock *vsock, struct og_vsock_place *place, struct iovec *iov,
			    size_t n);

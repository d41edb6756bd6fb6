/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vsock connection (Virtual I/O Device 1.2, section 5.10), without I/O: its states, the credit
 * of both sides, and what the guest is yet to be told. What the guest says is judged here.
 *
 * Credit: each side says how much it buffers for a connection (buf_alloc) and how much it has passed
 * on so far (fwd_cnt, which wraps); the other never has more than that under way.
 */
#pragma once

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What is buffered for one connection towards the host while nobody reads there; a power of two. */
#define OG_VSOCK_BUFFER_BYTES 65536U

/* The host's own context id, as the guest knows it. */
#define OG_VSOCK_HOST_CID 2

/* "CONNECT 4294967295\n" and a little. */
#define OG_VSOCK_LINE_MAX 32

enum og_vsock_state {
	OG_VSOCK_FREE,
	OG_VSOCK_HELLO,	  /* a program of the host connected and has not said where to */
	OG_VSOCK_ASKED,	  /* the guest wants to connect; the host's end is being looked for */
	OG_VSOCK_OFFERED, /* the host wants to connect; the guest has not answered */
	OG_VSOCK_OPEN,
	OG_VSOCK_DYING, /* the host's end is closed; the guest is yet to be told */
};

/* What the guest is yet to be told, in the order of urgency. */
enum og_vsock_tell {
	OG_VSOCK_TELL_REQUEST = 1 << 0,
	OG_VSOCK_TELL_RESPONSE = 1 << 1,
	OG_VSOCK_TELL_RST = 1 << 2, /* and then the connection is no more */
	OG_VSOCK_TELL_SHUTDOWN = 1 << 3,
	OG_VSOCK_TELL_UPDATE = 1 << 4,
	OG_VSOCK_TELL_ASK = 1 << 5, /* for credit */
};

struct og_vsock_conn {
	enum og_vsock_state state;
	uint32_t host_port, guest_port;
	unsigned tell; /* enum og_vsock_tell */

	/* Towards the guest. */
	uint32_t guest_alloc, guest_fwd, sent;
	bool asked; /* for credit, and nothing was heard since */

	/* Towards the host. */
	uint32_t received, fwd, told_fwd;

	/* VIRTIO_VSOCK_SHUTDOWN_* from each side's own point of view: RCV, it takes no more. */
	uint8_t guest_shut, host_shut;

	/* What waits for the host: @held bytes of @ring, from @first. */
	uint8_t *ring; /* OG_VSOCK_BUFFER_BYTES; borrowed */
	uint32_t first, held;
};

/* What a packet of the guest's means for the connection. */
enum og_vsock_event {
	OG_VSOCK_NOTHING,
	OG_VSOCK_OPENED, /* the guest took the host's offer */
	OG_VSOCK_DATA,	 /* the header's @len bytes are for the host */
	OG_VSOCK_SHUT,	 /* @guest_shut changed */
	OG_VSOCK_GONE,	 /* the guest reset it */
	OG_VSOCK_BROKEN, /* the guest broke the rules: reset it */
};

/*
 * Takes a packet's header out of @iov, once, and judges its length (A70). Errors: -EPROTO (no whole
 * header, or more bytes promised than there are).
 */
int og_vsock_read_header(const struct iovec *iov, size_t n, size_t bytes,
			 struct virtio_vsock_hdr *ret_header);

/* Begins a connection that the guest asks for, by its REQUEST, or one that the host asks for. */
void og_vsock_begin_guest(struct og_vsock_conn *conn, const struct virtio_vsock_hdr *header);
void og_vsock_begin_host(struct og_vsock_conn *conn, uint32_t host_port, uint32_t guest_port);

/* The host's end is there: the guest's wish is granted. */
void og_vsock_granted(struct og_vsock_conn *conn);

enum og_vsock_event og_vsock_hear(struct og_vsock_conn *conn,
				  const struct virtio_vsock_hdr *header);

/* How much the guest takes at this moment; asks it for more where there is none. */
uint32_t og_vsock_room(struct og_vsock_conn *conn);

/* @bytes went to the host, or nowhere because it takes no more. */
void og_vsock_passed(struct og_vsock_conn *conn, uint32_t bytes);

/* Our side takes no more (RCV) or sends no more (SEND). */
void og_vsock_shut(struct og_vsock_conn *conn, uint8_t flags);

/*
 * Fills the header of the next message of @conn->tell, which is taken from there; of data (@bytes
 * of it) where there is none.
 */
void og_vsock_compose(struct og_vsock_conn *conn, uint64_t guest_cid, uint32_t bytes,
		      struct virtio_vsock_hdr *ret_header);

/* The reset of a connection that is not there, in answer to @heard. */
void og_vsock_refuse(const struct virtio_vsock_hdr *heard, struct virtio_vsock_hdr *ret_header);

/* Puts the bytes of @iov behind those that wait: never more than the guest had credit for. */
void og_vsock_hold(struct og_vsock_conn *conn, const struct iovec *iov, size_t n);

/* What waits, in up to two pieces; returns how many. */
size_t og_vsock_held(const struct og_vsock_conn *conn, struct iovec ret_iov[2]);

/* The first @bytes of those that waited went. */
void og_vsock_release(struct og_vsock_conn *conn, uint32_t bytes);

/*
 * A host program's first words: "CONNECT PORT\n". Returns how many bytes they are, 0 when they are
 * not all there yet, or -EPROTO.
 */
int og_vsock_parse_connect(const char *text, size_t len, uint32_t *ret_port);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP connection from the server's side (RFC 9293), for requests and answers: the guest's request is
 * collected until the hook answers it, the answer is sent until it is acknowledged, then the next.
 *
 * What the guest may send is bounded by the window, which is what is free in the request's buffer. What
 * is not acknowledged is sent again from there on, later each time, and after that often the connection
 * is given up. Nothing is in flight but within the guest's window. No I/O, and no memory of its own.
 */
#pragma once

#include "vmm/mmds/hook.h"
#include "vmm/mmds/packet.h"

enum og_tcp_state {
	OG_TCP_FREE,
	OG_TCP_OPENING, /* its SYN is answered */
	OG_TCP_OPEN
};

struct og_tcp {
	enum og_tcp_state state;
	uint8_t mac[OG_MAC_BYTES];
	uint32_t guest_ipv4;
	uint16_t guest_port;
	uint16_t mss;

	uint32_t received;   /* the next number that is expected */
	bool guest_finished; /* its FIN came */
	bool must_ack;

	/* Numbers: our SYN is @first, the answer's bytes begin at @answer_at. */
	uint32_t first;
	uint32_t acked, sent, highest; /* the first not acknowledged, the next to send, ever sent */
	uint32_t answer_at;
	uint16_t window;
	bool closes; /* no request follows the answer under way: behind it is our FIN */
	bool reset;  /* a reset is to be sent, and that is the end */

	uint64_t active_ms; /* when something came last */
	uint64_t again_ms; /* when to send again; UINT64_MAX: nothing waits for an acknowledgement */
	unsigned again;	   /* how often that was */
	unsigned doubled;  /* acknowledgements of the same, in a row */

	char *request; /* OG_MMDS_REQUEST_ROOM bytes; borrowed */
	size_t request_len;
	char *answer; /* config->answer_max bytes; borrowed */
	size_t answer_len;
};

/* Begins with a guest's SYN. The buffers of @tcp are set. */
void og_tcp_open(struct og_tcp *tcp, const struct og_segment *syn, uint32_t first, uint64_t now_ms);

/* Takes a segment of this connection. */
void og_tcp_input(struct og_tcp *tcp, const struct og_segment *segment,
		  const struct og_mmds_config *config, uint64_t nonce, uint64_t now_ms);

/* Whether og_tcp_output() has something to say now. */
bool og_tcp_has_output(const struct og_tcp *tcp, uint64_t now_ms);

/*
 * The next segment to send: its data is in the connection's answer. The state is free afterwards where
 * that was the last of it. False: nothing.
 */
bool og_tcp_output(struct og_tcp *tcp, uint64_t now_ms, struct og_segment *ret_segment);

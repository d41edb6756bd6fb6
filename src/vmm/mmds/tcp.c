/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/mmds/tcp.h"

#include <string.h>

/* The other end is in the same machine, and nothing between the two loses anything. */
#define AGAIN_MS     300U
#define AGAIN_MS_MAX 10000U
/* Half a minute in all: then the guest is not there any more. */
#define AGAIN_MAX 8U

/* How long a guest may leave its half open when ours is closed. */
#define LINGER_MS 1000U

/* RFC 5681: what says that one segment got lost. */
#define DOUBLED_MAX 3U

/* What any host takes, and what fits a frame of ours. */
#define MSS_DEFAULT 536U
#define MSS_MAX	    1460U
/* Less would be frames of headers. */
#define MSS_MIN 64U

/* How far @to is behind @from in the stream, negative when it is before it: numbers wrap. */
static int32_t distance(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

static uint16_t window(const struct og_tcp *tcp)
{
	return (uint16_t)(OG_MMDS_REQUEST_ROOM - tcp->request_len);
}

static uint32_t answer_end(const struct og_tcp *tcp)
{
	return tcp->answer_at + (uint32_t)tcp->answer_len;
}

/* Behind the last byte to send, our FIN counted. */
static uint32_t end(const struct og_tcp *tcp)
{
	return answer_end(tcp) + (tcp->closes ? 1 : 0);
}

static bool is_fin_acked(const struct og_tcp *tcp)
{
	return tcp->closes && tcp->acked == end(tcp);
}

static void set_timer(struct og_tcp *tcp, uint64_t now_ms)
{
	uint64_t delay_ms = (uint64_t)AGAIN_MS << tcp->again;

	tcp->again_ms = now_ms + (delay_ms < AGAIN_MS_MAX ? delay_ms : AGAIN_MS_MAX);
}

void og_tcp_open(struct og_tcp *tcp, const struct og_segment *syn, uint32_t first, uint64_t now_ms)
{
	char *request = tcp->request, *answer = tcp->answer;
	uint16_t mss = syn->mss != 0 ? syn->mss : MSS_DEFAULT;

	*tcp = (struct og_tcp){
		.state = OG_TCP_OPENING,
		.guest_ipv4 = syn->guest_ipv4,
		.guest_port = syn->guest_port,
		.mss = mss > MSS_MAX   ? MSS_MAX
		       : mss < MSS_MIN ? MSS_MIN
				       : mss,
		.received = syn->seq + 1,
		.first = first,
		.acked = first,
		.sent = first,
		.highest = first,
		.answer_at = first + 1,
		.window = syn->window,
		.active_ms = now_ms,
		.again_ms = UINT64_MAX,
		.request = request,
		.answer = answer,
	};
	memcpy(tcp->mac, syn->mac, sizeof(tcp->mac));
}

/* The answer arrived as a whole: there is room for the next. */
static void finish_answer(struct og_tcp *tcp)
{
	if (tcp->answer_len == 0 || distance(answer_end(tcp), tcp->acked) < 0)
		return;
	tcp->answer_at = answer_end(tcp);
	tcp->answer_len = 0;
}

/* Returns whether the acknowledgement is of something that was sent. */
static bool take_ack(struct og_tcp *tcp, const struct og_segment *segment, uint64_t now_ms)
{
	int32_t news = distance(tcp->acked, segment->ack);

	if (distance(tcp->highest, segment->ack) > 0)
		return false;
	if (news > 0) {
		tcp->acked = segment->ack;
		if (distance(tcp->sent, tcp->acked) > 0)
			tcp->sent = tcp->acked;
		tcp->again = tcp->doubled = 0;
		tcp->again_ms = UINT64_MAX;
		if (tcp->acked != tcp->highest)
			set_timer(tcp, now_ms);
		tcp->state = OG_TCP_OPEN;
		finish_answer(tcp);
	} else if (news == 0 && segment->len == 0 && segment->window == tcp->window &&
		   tcp->highest != tcp->acked && ++tcp->doubled == DOUBLED_MAX) {
		tcp->sent = tcp->acked;
	}
	if (news >= 0)
		tcp->window = segment->window;
	return true;
}

/* Takes what is new of the segment's data, as far as there is room. */
static void take_data(struct og_tcp *tcp, const struct og_segment *segment)
{
	int32_t old = distance(segment->seq, tcp->received);
	bool fin = (segment->flags & OG_TCP_FIN) != 0;
	size_t skip, fresh, room = OG_MMDS_REQUEST_ROOM - tcp->request_len;

	if (segment->len == 0 && !fin) {
		tcp->must_ack |= old != 0; /* a probe whether we are there */
		return;
	}
	tcp->must_ack = true;
	if (old < 0 || (size_t)old > segment->len)
		return;
	skip = (size_t)old;
	fresh = segment->len - skip;
	if (tcp->closes) {
		tcp->received += (uint32_t)fresh; /* nobody reads it any more */
	} else {
		if (fresh > room)
			fresh = room;
		memcpy(tcp->request + tcp->request_len, segment->data + skip, fresh);
		tcp->request_len += fresh;
		tcp->received += (uint32_t)fresh;
	}
	if (fin && !tcp->guest_finished && tcp->received == segment->seq + segment->len) {
		tcp->received++;
		tcp->guest_finished = true;
	}
}

static void answer_request(struct og_tcp *tcp, const struct og_mmds_config *config, uint64_t nonce,
			   uint64_t now_ms)
{
	struct og_mmds_reply reply = {};
	size_t len = config->respond(config->data, tcp->request, tcp->request_len, now_ms, nonce,
				     tcp->answer, config->answer_max, &reply);

	if (len > config->answer_max || (len == 0 && tcp->request_len == OG_MMDS_REQUEST_ROOM)) {
		tcp->reset = true; /* it would never be answered */
		return;
	}
	if (len == 0)
		return;
	if (reply.taken == 0 || reply.taken > tcp->request_len)
		reply.taken = tcp->request_len;
	tcp->request_len -= reply.taken;
	memmove(tcp->request, tcp->request + reply.taken, tcp->request_len);
	tcp->answer_len = len;
	tcp->closes = !reply.keep_alive;
	tcp->must_ack = true;
}

/* How many bytes of the answer may go out now. */
static size_t sendable(const struct og_tcp *tcp, bool is_due)
{
	uint32_t from = is_due ? tcp->acked : tcp->sent;
	size_t left, room, flight = from - tcp->acked;

	if (tcp->state != OG_TCP_OPEN || distance(from, answer_end(tcp)) <= 0)
		return 0;
	left = answer_end(tcp) - from;
	room = tcp->window > flight ? tcp->window - flight : 0;
	if (room == 0 && is_due)
		room = 1; /* RFC 9293, 3.8.6.1: ask whether the window has opened */
	if (left > room)
		left = room;
	return left < tcp->mss ? left : tcp->mss;
}

/* One answer at a time: the next request waits for it. */
static void go_on(struct og_tcp *tcp, const struct og_mmds_config *config, uint64_t nonce,
		  uint64_t now_ms)
{
	if (tcp->state == OG_TCP_OPEN && tcp->answer_len == 0 && !tcp->closes) {
		if (tcp->request_len > 0)
			answer_request(tcp, config, nonce, now_ms);
		if (tcp->answer_len == 0 && tcp->guest_finished)
			tcp->closes = true;
	}
	if (is_fin_acked(tcp) && !tcp->guest_finished)
		tcp->again_ms = now_ms + LINGER_MS;
	else if (tcp->answer_len > 0 && tcp->again_ms == UINT64_MAX && sendable(tcp, false) == 0)
		set_timer(tcp, now_ms); /* the window is closed: nothing else would wake us */
}

void og_tcp_input(struct og_tcp *tcp, const struct og_segment *segment,
		  const struct og_mmds_config *config, uint64_t nonce, uint64_t now_ms)
{
	int32_t ahead = distance(tcp->received, segment->seq);

	if ((segment->flags & OG_TCP_RST) != 0) {
		/* RFC 5961: one that only guesses is not believed. */
		if (ahead == 0)
			tcp->state = OG_TCP_FREE;
		return;
	}
	if ((segment->flags & OG_TCP_SYN) != 0) {
		if (tcp->state == OG_TCP_OPENING && ahead == -1)
			tcp->sent = tcp->first; /* our answer got lost */
		else
			tcp->must_ack = true;
		return;
	}
	if ((segment->flags & OG_TCP_ACK) == 0)
		return;
	tcp->active_ms = now_ms;
	if (!take_ack(tcp, segment, now_ms)) {
		tcp->must_ack |= tcp->state == OG_TCP_OPEN;
		tcp->reset |= tcp->state == OG_TCP_OPENING;
		return;
	}
	if (tcp->state != OG_TCP_OPEN)
		return;
	take_data(tcp, segment);
	go_on(tcp, config, nonce, now_ms);
	if (is_fin_acked(tcp) && tcp->guest_finished && !tcp->must_ack)
		tcp->state = OG_TCP_FREE;
}

static bool is_due(const struct og_tcp *tcp, uint64_t now_ms)
{
	return now_ms >= tcp->again_ms;
}

static bool may_finish(const struct og_tcp *tcp, uint32_t from)
{
	return tcp->state == OG_TCP_OPEN && tcp->closes && from == answer_end(tcp);
}

bool og_tcp_has_output(const struct og_tcp *tcp, uint64_t now_ms)
{
	if (tcp->state == OG_TCP_FREE)
		return false;
	return tcp->reset || tcp->must_ack || is_due(tcp, now_ms) ||
	       (tcp->state == OG_TCP_OPENING && tcp->sent == tcp->first) ||
	       sendable(tcp, false) > 0 || may_finish(tcp, tcp->sent);
}

static void fill(const struct og_tcp *tcp, uint8_t flags, struct og_segment *ret_segment)
{
	*ret_segment = (struct og_segment){
		.guest_ipv4 = tcp->guest_ipv4,
		.guest_port = tcp->guest_port,
		.seq = tcp->sent,
		.ack = tcp->received,
		.window = window(tcp),
		.flags = flags,
	};
	memcpy(ret_segment->mac, tcp->mac, sizeof(ret_segment->mac));
}

/* After something that wants an acknowledgement. */
static void note_sent(struct og_tcp *tcp, uint32_t numbers, uint64_t now_ms)
{
	tcp->sent += numbers;
	if (distance(tcp->highest, tcp->sent) > 0)
		tcp->highest = tcp->sent;
	if (tcp->again_ms == UINT64_MAX)
		set_timer(tcp, now_ms);
}

/* The timer ran out. Returns false where that is the end of the connection. */
static bool try_again(struct og_tcp *tcp, uint64_t now_ms)
{
	if (is_fin_acked(tcp)) {
		tcp->state = OG_TCP_FREE;
		return false;
	}
	if (tcp->again == AGAIN_MAX) {
		tcp->reset = true;
		return true;
	}
	tcp->again++;
	tcp->sent = tcp->acked;
	set_timer(tcp, now_ms);
	return true;
}

static bool output_data(struct og_tcp *tcp, bool due, uint64_t now_ms,
			struct og_segment *ret_segment)
{
	size_t len = sendable(tcp, due);
	bool fin = may_finish(tcp, tcp->sent + (uint32_t)len);
	bool last = len > 0 && tcp->sent + (uint32_t)len == answer_end(tcp);

	if (len == 0 && !fin)
		return false;
	fill(tcp, (uint8_t)(OG_TCP_ACK | (fin ? OG_TCP_FIN : 0) | (last ? OG_TCP_PSH : 0)),
	     ret_segment);
	ret_segment->data = (const uint8_t *)tcp->answer + (tcp->sent - tcp->answer_at);
	ret_segment->len = len;
	note_sent(tcp, (uint32_t)len + (fin ? 1 : 0), now_ms);
	return true;
}

bool og_tcp_output(struct og_tcp *tcp, uint64_t now_ms, struct og_segment *ret_segment)
{
	bool due = tcp->state != OG_TCP_FREE && is_due(tcp, now_ms);

	if (!og_tcp_has_output(tcp, now_ms) || (due && !try_again(tcp, now_ms)))
		return false;
	if (tcp->reset) {
		fill(tcp, OG_TCP_RST | OG_TCP_ACK, ret_segment);
		tcp->state = OG_TCP_FREE;
		return true;
	}
	if (tcp->state == OG_TCP_OPENING) {
		fill(tcp, OG_TCP_SYN | OG_TCP_ACK, ret_segment);
		ret_segment->mss = MSS_MAX;
		note_sent(tcp, 1, now_ms);
	} else if (!output_data(tcp, due, now_ms, ret_segment)) {
		fill(tcp, OG_TCP_ACK, ret_segment);
	}
	tcp->must_ack = false;
	if (is_fin_acked(tcp) && tcp->guest_finished)
		tcp->state = OG_TCP_FREE;
	return true;
}

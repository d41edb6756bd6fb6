/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: each turn looks at what became ready on the host's side (vsock_host.c, an epoll set
 * of its own), takes what the guest sent, and fills the buffers that the guest offers, from one
 * connection after the other. Nothing is kept for the guest: what a program of the host writes is
 * read when the guest has both a buffer and credit for it.
 */
#include "vmm/device/virtio_vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "vmm/device/event.h"
#include "vmm/device/vsock.h"

enum {
	QUEUE_RX,
	QUEUE_TX,
	QUEUE_EVENT,
	QUEUES
};

#define HEADER_BYTES sizeof(struct virtio_vsock_hdr)

/* Packets each way before other devices have their turn. */
#define TURN_MAX OG_VIRTQ_SIZE_MAX

static struct og_vsock_place *find(struct og_vsock *vsock, const struct virtio_vsock_hdr *header)
{
	for (unsigned i = 0; i < vsock->top; i++) {
		const struct og_vsock_conn *conn = &vsock->places[i].conn;

		if (conn->state > OG_VSOCK_HELLO && conn->host_port == header->dst_port &&
		    conn->guest_port == header->src_port)
			return &vsock->places[i];
	}
	return NULL;
}

static void refuse(struct og_vsock *vsock, const struct virtio_vsock_hdr *heard)
{
	unsigned at = (vsock->first_refusal + vsock->n_refusals) % OG_VSOCK_REFUSALS_MAX;

	if (heard->op == VIRTIO_VSOCK_OP_RST)
		return;
	og_vsock_refuse(heard, &vsock->refusals[at]);
	vsock->n_refusals++;
}

static void wish(struct og_vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct og_vsock_place *place = og_vsock_find_free(vsock);

	if (place == NULL) {
		refuse(vsock, header);
		return;
	}
	og_vsock_take(vsock, place);
	og_vsock_begin_guest(&place->conn, header);
	og_vsock_ask(vsock, place);
}

/* @iov: the packet, its header included. */
static void hear(struct og_vsock *vsock, struct og_vsock_place *place,
		 const struct virtio_vsock_hdr *header, struct iovec *iov, size_t n)
{
	switch (og_vsock_hear(&place->conn, header)) {
	case OG_VSOCK_OPENED:
		og_vsock_opened(vsock, place);
		break;
	case OG_VSOCK_DATA:
		n = og_iov_slice(iov, n, HEADER_BYTES, header->len);
		og_vsock_to_host(vsock, place, iov, n, header->len);
		break;
	case OG_VSOCK_SHUT:
		og_vsock_carry_out_shut(vsock, place);
		break;
	case OG_VSOCK_GONE:
		og_vsock_leave(vsock, place);
		break;
	case OG_VSOCK_BROKEN:
		og_vsock_reset(vsock, place);
		break;
	case OG_VSOCK_NOTHING:
	default:
		break;
	}
}

static void sort_packet(struct og_vsock *vsock, const struct virtio_vsock_hdr *header, size_t n)
{
	struct og_vsock_place *place;

	if (header->src_cid != vsock->config.guest_cid)
		return; /* forged: there is nobody to answer */
	if (header->dst_cid != OG_VSOCK_HOST_CID || header->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(vsock, header);
		return;
	}
	place = find(vsock, header);
	if (place != NULL)
		hear(vsock, place, header, vsock->iov, n);
	else if (header->op == VIRTIO_VSOCK_OP_REQUEST)
		wish(vsock, header);
	else
		refuse(vsock, header);
}

static int take_packet(struct og_vsock *vsock, struct og_virtq *q, const struct og_chain *chain)
{
	struct virtio_vsock_hdr header;

	if (chain->n_in != 0 ||
	    og_vsock_read_header(vsock->iov, chain->n_out, chain->out_bytes, &header) < 0)
		return -EPROTO;
	og_counted(&vsock->metrics->tx_packets_count, 1);
	sort_packet(vsock, &header, chain->n_out);
	og_virtq_push(q, chain->head, 0);
	return 0;
}

/* While resets cannot be given to the guest, no more of them are earned (5.10.6.1.1). */
static bool may_take(const struct og_vsock *vsock)
{
	return vsock->n_refusals < OG_VSOCK_REFUSALS_MAX;
}

static int take_packets(struct og_vsock *vsock)
{
	struct og_virtq *q = &vsock->virtio.queues[QUEUE_TX];
	struct og_chain chain;
	unsigned taken = 0;
	int r = 0;

	og_virtq_mute(q);
	do {
		while (taken < TURN_MAX && may_take(vsock) &&
		       (r = og_virtq_pop(q, vsock->iov, &chain)) > 0) {
			r = take_packet(vsock, q, &chain);
			if (r < 0)
				return r;
			taken++;
		}
		if (r < 0)
			return r;
		if (taken == TURN_MAX) {
			og_virtio_kick(&vsock->virtio);
			break;
		}
	} while (may_take(vsock) && og_virtq_unmute(q));
	og_virtio_pushed(&vsock->virtio, q);
	return 0;
}

/* Whether there may be data for the guest; that it takes none now may be something to tell it. */
static bool wants_to_send(struct og_vsock_place *place)
{
	return place->conn.state == OG_VSOCK_OPEN && place->can_read &&
	       (place->conn.host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) == 0 &&
	       (place->conn.guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0 &&
	       og_vsock_room(&place->conn) > 0;
}

/* Whoever has something for the guest next; NULL where nobody has. */
static struct og_vsock_place *next_giver(struct og_vsock *vsock)
{
	for (unsigned i = 0; i < vsock->top; i++) {
		struct og_vsock_place *place = &vsock->places[(vsock->turn + i) % vsock->top];

		if (place->conn.state <= OG_VSOCK_HELLO)
			continue;
		if (wants_to_send(place) || place->conn.tell != 0) {
			vsock->turn = (unsigned)(place - vsock->places) + 1;
			return place;
		}
	}
	return NULL;
}

/* Where a packet's header goes: each entry has a byte at least. */
struct head {
	struct iovec iov[HEADER_BYTES];
	size_t n;
};

static uint32_t write_header(const struct head *head, const struct virtio_vsock_hdr *header)
{
	(void)og_iov_write(head->iov, head->n, 0, header, sizeof(*header));
	return (uint32_t)sizeof(*header) + header->len;
}

static uint32_t fill_refusal(struct og_vsock *vsock, const struct head *head)
{
	const struct virtio_vsock_hdr *header = &vsock->refusals[vsock->first_refusal];

	vsock->first_refusal = (vsock->first_refusal + 1) % OG_VSOCK_REFUSALS_MAX;
	vsock->n_refusals--;
	return write_header(head, header);
}

/* Fills one buffer of the guest's; returns the bytes, 0 where it came to none. */
static uint32_t fill(struct og_vsock *vsock, struct og_vsock_place *place,
		     const struct og_chain *chain)
{
	struct head head = { .n = chain->n_in < HEADER_BYTES ? chain->n_in : HEADER_BYTES };
	struct virtio_vsock_hdr header;
	uint32_t bytes = 0;

	memcpy(head.iov, vsock->iov, head.n * sizeof(head.iov[0]));
	if (place == NULL)
		return fill_refusal(vsock, &head);
	if (place->conn.tell == 0) {
		uint32_t room = og_vsock_room(&place->conn);
		size_t n;

		if (room > OG_VSOCK_BUFFER_BYTES)
			room = OG_VSOCK_BUFFER_BYTES;
		n = og_iov_slice(vsock->iov, chain->n_in, HEADER_BYTES, room);
		bytes = og_vsock_from_host(vsock, place, vsock->iov, n);
		if (bytes == 0 && place->conn.tell == 0)
			return 0;
	}
	og_vsock_compose(&place->conn, vsock->config.guest_cid, bytes, &header);
	if (header.op == VIRTIO_VSOCK_OP_RST)
		og_vsock_leave(vsock, place);
	return write_header(&head, &header);
}

/* Returns 1 when a buffer was filled or found unneeded, 0 when there is none, -EPROTO. */
static int give_packet(struct og_vsock *vsock, struct og_virtq *q, struct og_vsock_place *place)
{
	struct og_chain chain;
	uint32_t bytes;
	int r = og_virtq_pop(q, vsock->iov, &chain);

	if (r <= 0)
		return r < 0 ? r : og_virtq_unmute(q);
	if (chain.n_out != 0 || chain.in_bytes <= HEADER_BYTES)
		return -EPROTO;
	bytes = fill(vsock, place, &chain);
	if (bytes == 0) {
		og_virtq_unpop(q, 1);
		return 1;
	}
	og_counted(&vsock->metrics->rx_packets_count, 1);
	og_virtq_push(q, chain.head, bytes);
	return 1;
}

static int give_packets(struct og_vsock *vsock)
{
	struct og_virtq *q = &vsock->virtio.queues[QUEUE_RX];
	int r = 1;

	og_virtq_mute(q);
	for (unsigned turn = 0; r > 0; turn++) {
		struct og_vsock_place *place = vsock->n_refusals > 0 ? NULL : next_giver(vsock);

		if (place == NULL && vsock->n_refusals == 0)
			break;
		if (turn == TURN_MAX) {
			og_virtio_kick(&vsock->virtio);
			break;
		}
		r = give_packet(vsock, q, place);
	}
	og_virtio_pushed(&vsock->virtio, q);
	return r < 0 ? r : 0;
}

static int give_event(struct og_vsock *vsock)
{
	static const struct virtio_vsock_event event = { VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct og_virtq *q = &vsock->virtio.queues[QUEUE_EVENT];
	struct og_chain chain;
	int r;

	if (!vsock->reset_event)
		return 0;
	do {
		r = og_virtq_pop(q, vsock->iov, &chain);
	} while (r == 0 && og_virtq_unmute(q));
	if (r <= 0)
		return r;
	if (chain.n_out != 0)
		return -EPROTO;
	og_virtq_push(q, chain.head,
		      (uint32_t)og_iov_write(vsock->iov, chain.n_in, 0, &event, sizeof(event)));
	vsock->reset_event = false;
	og_virtio_pushed(&vsock->virtio, q);
	return 0;
}

/* The timer rings at the first deadline. */
static void arm(struct og_vsock *vsock)
{
	struct itimerspec when = {};
	uint64_t first = 0, now, wait;

	for (unsigned i = 0; i < vsock->top; i++) {
		const struct og_vsock_place *place = &vsock->places[i];

		if (place->conn.state != OG_VSOCK_FREE && place->deadline_ms != 0 &&
		    (first == 0 || place->deadline_ms < first))
			first = place->deadline_ms;
	}
	if (first == vsock->armed_ms)
		return;
	vsock->armed_ms = first;
	if (first != 0) {
		now = og_clock_ms();
		wait = first <= now ? 1 : first - now;
		when.it_value.tv_sec = (time_t)(wait / 1000);
		when.it_value.tv_nsec = (long)(wait % 1000) * 1000000;
	}
	(void)timerfd_settime(vsock->timer_fd, 0, &when, NULL);
}

static int work(struct og_virtio *virtio)
{
	struct og_vsock *vsock = virtio->device;
	bool held_up;
	int r;

	if (vsock->stale)
		og_vsock_drop_all(vsock);
	og_vsock_serve_host(vsock);
	r = give_event(vsock);
	if (r == 0)
		r = take_packets(vsock);
	held_up = !may_take(vsock);
	if (r == 0)
		r = give_packets(vsock);
	if (held_up && may_take(vsock))
		og_virtio_kick(virtio);
	arm(vsock);
	return r;
}

/* Any thread, and a vCPU's may close nothing: the I/O thread drops the connections. */
static void reset(struct og_virtio *virtio)
{
	struct og_vsock *vsock = virtio->device;

	vsock->reset_event = false;
	vsock->stale = true;
	og_event_signal(vsock->reset_fd);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	struct og_vsock *vsock = virtio->device;

	(void)err;
	og_pack_u32(pack, (uint32_t)vsock->config.guest_cid);
	og_pack_u32(pack, vsock->next_port);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct og_vsock *vsock = virtio->device;
	uint32_t cid = og_unpack_u32(unpack);
	uint32_t port = og_unpack_u32(unpack);

	if (cid != vsock->config.guest_cid)
		return og_fail(err, -EBADMSG, "the guest's context is %u, not %u", cid,
			       (uint32_t)vsock->config.guest_cid);
	if (port < OG_VSOCK_PORT_FIRST)
		return og_fail(err, -EBADMSG, "no port of the host's is %u", port);
	vsock->next_port = port;
	return 0;
}

static void resumed(struct og_virtio *virtio)
{
	struct og_vsock *vsock = virtio->device;

	og_vsock_drop_all(vsock);
	vsock->reset_event = true;
}

static void release(struct og_virtio *virtio)
{
	struct og_vsock *vsock = virtio->device;

	og_vsock_host_done(vsock);
	og_virtio_done(virtio);
	free(vsock);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-vsock",
	.device_id = VIRTIO_ID_VSOCK,
	.n_queues = QUEUES,
	.work = work,
	.reset = reset,
	.free = release,
	.save = save,
	.load = load,
	.resumed = resumed,
};

static void on_host(struct og_source *source, uint32_t events, void *data)
{
	struct og_vsock *vsock = data;

	(void)source;
	(void)events;
	(void)pthread_mutex_lock(&vsock->virtio.lock);
	if (vsock->stale)
		og_vsock_drop_all(vsock);
	(void)pthread_mutex_unlock(&vsock->virtio.lock);
	og_virtio_work(&vsock->virtio);
}

int og_virtio_vsock_new(const struct og_vsock_config *config, const struct og_device_world *world,
			struct og_virtio **ret_virtio, struct og_err *err)
{
	struct og_vsock *vsock;
	int r;

	if (config->guest_cid < OG_VSOCK_CID_MIN || config->guest_cid > OG_VSOCK_CID_MAX)
		return og_fail(err, -EINVAL, "no guest has the context %u (%u and up)",
			       config->guest_cid, OG_VSOCK_CID_MIN);
	vsock = calloc(1, sizeof(*vsock));
	if (vsock == NULL)
		return og_fail(err, -ENOMEM, "make vsock");
	r = og_virtio_init(&vsock->virtio, &ops, vsock, world->mem, err);
	if (r < 0) {
		free(vsock);
		return r;
	}
	vsock->metrics = world->metrics != NULL ? &world->metrics->vsock : &vsock->no_metrics;
	vsock->virtio.metrics = &vsock->metrics->virtio;
	vsock->config.guest_cid = config->guest_cid;
	vsock->virtio.config = &vsock->config;
	vsock->virtio.config_bytes = sizeof(vsock->config);
	vsock->listen_fd = config->listen_fd;
	vsock->broker_fd = world->broker_fd;
	vsock->next_port = OG_VSOCK_PORT_FIRST;
	vsock->can_accept = true;
	vsock->epoll_fd = vsock->timer_fd = vsock->reset_fd = -EBADF;
	r = og_vsock_host_init(vsock, err);
	if (r == 0 && world->loop != NULL)
		r = og_loop_add_fd(world->loop, vsock->epoll_fd, EPOLLIN | EPOLLET, on_host, vsock,
				   NULL, err);
	if (r < 0) {
		og_virtio_free(&vsock->virtio);
		return r;
	}
	*ret_virtio = &vsock->virtio;
	return 0;
}

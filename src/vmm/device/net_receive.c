/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/device/net_card.h"

#define ETHERNET_MTU 1500U
#define VLAN_BYTES   4U

/* Room that every frame fits which the tap may give now. */
static size_t room_needed(const struct net *net)
{
	size_t mtu = net->config.mtu > ETHERNET_MTU ? net->config.mtu : ETHERNET_MTU;

	if ((og_net_tap_offloads(net->virtio.features) & ~1U) != 0)
		return WHOLE_MAX;
	return OG_NET_HEADER_BYTES + OG_NET_ETHERNET_BYTES + VLAN_BYTES + mtu;
}

/* Pops requests until any frame fits, or there are no more; one alone where they are not merged. */
static int gather(struct net *net, struct og_virtq *q)
{
	bool merged = net_has(net, VIRTIO_NET_F_MRG_RXBUF);

	while (net->room < WHOLE_MAX && (merged || net->n_chains == 0) &&
	       net->n_chains < OG_VIRTQ_SIZE_MAX && net->n_iov + OG_CHAIN_MAX <= IOV_ROOM) {
		struct og_chain *chain = &net->chains[net->n_chains];
		int r = og_virtq_pop(q, net->iov + net->n_iov, chain);

		if (r < 0)
			return r;
		if (r == 0 && !og_virtq_unmute(q))
			break;
		if (r == 0)
			continue;
		net->n_chains++;
		if (chain->n_out != 0 || chain->in_bytes < OG_NET_HEADER_BYTES)
			return -EPROTO;
		net->n_iov += chain->n_in;
		net->room += chain->in_bytes;
	}
	if (net->room > net->most_room)
		net->most_room = net->room;
	return 0;
}

/*
 * Whether to read now. With too little room a large frame would be lost, so it is better to wait for
 * more buffers: but only for a driver that gave so many before.
 */
static bool has_room(struct net *net)
{
	size_t needed = room_needed(net);

	if (net->n_chains > 0 && (net->room >= needed || net->most_room < needed ||
				  !net_has(net, VIRTIO_NET_F_MRG_RXBUF)))
		return true;
	og_counted(&net->metrics->no_rx_avail_buffer, 1);
	return false;
}

/* Hands a frame of @bytes, header included, to the driver: all its buffers at one moment (5.1.6.4). */
static void complete(struct net *net, struct og_virtq *q, size_t bytes)
{
	struct og_virtq_used used[OG_VIRTQ_SIZE_MAX];
	size_t left = bytes, n_iov = 0, room = 0;
	uint16_t count = 0;

	while (left > 0) {
		const struct og_chain *chain = &net->chains[count];
		size_t part = left < chain->in_bytes ? left : chain->in_bytes;

		used[count++] = (struct og_virtq_used){ chain->head, (uint32_t)part };
		left -= part;
		n_iov += chain->n_in;
		room += chain->in_bytes;
	}
	(void)og_iov_write(net->iov, n_iov, offsetof(struct og_net_header, num_buffers), &count,
			   sizeof(count));
	og_virtq_push_all(q, used, count);

	net->n_chains -= count;
	net->n_iov -= n_iov;
	net->room -= room;
	memmove(net->chains, net->chains + count, net->n_chains * sizeof(net->chains[0]));
	memmove(net->iov, net->iov + n_iov, net->n_iov * sizeof(net->iov[0]));
}

/* Reads behind the guest's room as well: so a frame that does not fit shows. */
static ssize_t read_frame(struct net *net)
{
	size_t n = net->n_iov;

	for (size_t room = net->room; room < WHOLE_MAX; room += REST_BYTES)
		net->iov[n++] = (struct iovec){ net->rest, REST_BYTES };
	return og_net_transfer(net, net->iov, n, true);
}

static bool is_welcome(struct net *net, size_t bytes)
{
	struct og_net_header header;

	if (bytes < OG_NET_HEADER_BYTES + OG_NET_ETHERNET_BYTES || bytes > net->room)
		return false;
	(void)og_iov_read(net->iov, net->n_iov, 0, &header, sizeof(header));
	return og_net_driver_takes(&header, net->virtio.features);
}

/* Returns 1 when there may be more, 0 when not. */
static int receive_from_tap(struct net *net, struct og_virtq *q)
{
	ssize_t bytes;

	if (!og_ratelimit_may(&net->rx_limit)) {
		og_counted(&net->metrics->rx_rate_limiter_throttled, 1);
		return 0;
	}
	bytes = read_frame(net);
	if (bytes <= 0) {
		net->can_read = false;
		if (bytes != -EAGAIN)
			og_counted(&net->metrics->tap_read_fails, 1);
		return 0;
	}
	if (!is_welcome(net, (size_t)bytes)) {
		og_counted(&net->metrics->rx_fails, 1);
		return 1;
	}
	og_ratelimit_charge(&net->rx_limit, (uint64_t)bytes - OG_NET_HEADER_BYTES);
	og_counted(&net->metrics->rx_count, 1);
	og_counted(&net->metrics->rx_packets_count, 1);
	og_counted(&net->metrics->rx_bytes_count, (uint64_t)bytes - OG_NET_HEADER_BYTES);
	complete(net, q, (size_t)bytes);
	return 1;
}

static bool stack_waits(const struct net *net)
{
	return net->stack != NULL && og_mmds_stack_has_output(net->stack, net_now_ms());
}

/* What the metadata service says comes before what the tap has. */
static void receive_from_stack(struct net *net, struct og_virtq *q)
{
	static const struct og_net_header none;
	uint8_t frame[OG_MMDS_FRAME_MAX];
	size_t bytes = og_mmds_stack_output(net->stack, frame, net_now_ms());

	if (bytes == 0)
		return;
	if (bytes + OG_NET_HEADER_BYTES > net->room) {
		og_counted(&net->mmds_metrics->tx_errors, 1); /* it comes again, as any lost one */
		return;
	}
	(void)og_iov_write(net->iov, net->n_iov, 0, &none, sizeof(none));
	(void)og_iov_write(net->iov, net->n_iov, sizeof(none), frame, bytes);
	complete(net, q, bytes + OG_NET_HEADER_BYTES);
}

static int receive_frames(struct net *net, struct og_virtq *q)
{
	for (unsigned turn = 0; net->can_read || stack_waits(net); turn++) {
		int r;

		if (turn == TURNS_MAX) {
			og_virtio_kick(&net->virtio);
			return 0;
		}
		r = gather(net, q);
		if (r < 0)
			return r;
		if (!has_room(net))
			return 0;
		if (stack_waits(net))
			receive_from_stack(net, q);
		else if (receive_from_tap(net, q) == 0)
			return 0;
	}
	return 0;
}

int og_net_receive_waiting(struct net *net)
{
	struct og_virtq *q = &net->virtio.queues[QUEUE_RX];
	int r;

	og_virtq_mute(q);
	r = receive_frames(net, q);
	og_virtq_unpop(q, (uint16_t)net->n_chains);
	net->n_chains = 0;
	net->n_iov = net->room = 0;
	og_virtio_pushed(&net->virtio, q);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/weak.h"
#include "vmm/device/net_card.h"

#define SOURCE_MAC_AT 6

/* What is copied of a frame that the guest sends. */
struct head {
	struct og_net_header header;
	uint8_t frame[OG_MMDS_HEAD_BYTES];
};

/* Takes a frame for the metadata service in: the part that was judged, and the rest. */
static void divert(struct net *net, const struct head *head, size_t head_bytes,
		   const struct iovec *iov, const struct og_chain *chain, size_t frame_bytes)
{
	if (frame_bytes > OG_MMDS_INPUT_MAX) {
		og_counted(&net->mmds_metrics->rx_accepted_err, 1);
		return;
	}
	memcpy(net->stack_frame, head->frame, head_bytes);
	(void)og_iov_read(iov, chain->n_out, OG_NET_HEADER_BYTES + head_bytes,
			  net->stack_frame + head_bytes, frame_bytes - head_bytes);
	og_mmds_stack_input(net->stack, net->stack_frame, frame_bytes,
			    (head->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0, net_now_ms());
}

static bool is_spoofed(const struct net *net, const struct head *head)
{
	return net_has_mac(net->config.mac) &&
	       memcmp(head->frame + SOURCE_MAC_AT, net->config.mac, OG_NET_MAC_BYTES) != 0;
}

/* @iov has room for one entry in front. Returns 1 when the frame is done with, 0: not yet. */
static int write_frame(struct net *net, struct head *head, size_t head_bytes, struct iovec *iov,
		       const struct og_chain *chain, size_t frame_bytes)
{
	size_t skip = OG_NET_HEADER_BYTES + head_bytes;
	size_t n = og_iov_slice(iov + 1, chain->n_out, skip, frame_bytes - head_bytes);
	ssize_t r;

	iov[0] = (struct iovec){ .iov_base = head, .iov_len = skip };
	r = og_net_transfer(net, iov, n + 1, false);
	if (r == -EAGAIN) {
		og_ratelimit_give_back(&net->tx_limit, frame_bytes);
		net->can_write = false;
		return 0;
	}
	if (r < 0) {
		og_counted(&net->metrics->tap_write_fails, 1);
		og_counted(&net->metrics->tx_fails, 1);
		return 1;
	}
	og_counted(&net->metrics->tx_count, 1);
	og_counted(&net->metrics->tx_packets_count, 1);
	og_counted(&net->metrics->tx_bytes_count, frame_bytes);
	return 1;
}

/* Copies what decides, and judges it. False: no frame that may be sent. */
static bool read_head(struct net *net, const struct iovec *iov, const struct og_chain *chain,
		      struct head *ret_head, size_t *ret_head_bytes, size_t *ret_frame_bytes)
{
	size_t want = net->stack != NULL ? OG_MMDS_HEAD_BYTES : OG_NET_ETHERNET_BYTES;
	size_t frame_bytes;

	if (chain->n_in != 0 || chain->out_bytes < OG_NET_HEADER_BYTES + OG_NET_ETHERNET_BYTES ||
	    chain->out_bytes > WHOLE_MAX)
		return false;
	frame_bytes = chain->out_bytes - OG_NET_HEADER_BYTES;
	if (want > frame_bytes)
		want = frame_bytes;
	(void)og_iov_read(iov, chain->n_out, 0, ret_head, OG_NET_HEADER_BYTES + want);
	*ret_head_bytes = want;
	*ret_frame_bytes = frame_bytes;
	return og_weak("A74-header") ||
	       og_net_judge_header(&ret_head->header, frame_bytes, net->virtio.features);
}

/* Returns 1 when the frame is done with, whatever became of it; 0: it has to wait. */
static int send_frame(struct net *net, struct iovec *iov, const struct og_chain *chain)
{
	struct head head;
	size_t head_bytes, frame_bytes;

	if (!read_head(net, iov + 1, chain, &head, &head_bytes, &frame_bytes)) {
		og_counted(&net->metrics->tx_malformed_frames, 1);
		return 1;
	}
	if (!og_ratelimit_take(&net->tx_limit, frame_bytes)) {
		og_counted(&net->metrics->tx_rate_limiter_throttled, 1);
		return 0;
	}
	if (net->stack != NULL && og_mmds_stack_wants(net->stack, head.frame, head_bytes)) {
		divert(net, &head, head_bytes, iov + 1, chain, frame_bytes);
		return 1;
	}
	if (!og_weak("A74-spoof") && is_spoofed(net, &head)) {
		og_counted(&net->metrics->tx_spoofed_mac_count, 1);
		return 1;
	}
	return write_frame(net, &head, head_bytes, iov, chain, frame_bytes);
}

int og_net_send_waiting(struct net *net)
{
	struct og_virtq *q = &net->virtio.queues[QUEUE_TX];
	struct iovec iov[1 + OG_CHAIN_MAX];
	struct og_chain chain;
	int r = 0;

	og_virtq_mute(q);
	for (unsigned turn = 0; net->can_write; turn++) {
		if (turn == TURNS_MAX) {
			og_virtio_kick(&net->virtio);
			break;
		}
		r = og_virtq_pop(q, iov + 1, &chain);
		if (r == 0 && og_virtq_unmute(q))
			continue;
		if (r <= 0)
			break;
		if (send_frame(net, iov, &chain) == 0) {
			og_virtq_unpop(q, 1);
			break;
		}
		og_virtq_push(q, chain.head, 0);
	}
	og_virtio_pushed(&net->virtio, q);
	return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Private to virtio_net: what a card is, for the files that send, receive and manage. */
#pragma once

#include <linux/virtio_net.h>
#include <time.h>

#include "base/loop.h"
#include "vmm/device/net_header.h"
#include "vmm/device/virtio_net.h"
#include "vmm/mmds/stack.h"

enum {
	QUEUE_RX,
	QUEUE_TX,
	QUEUES
};

/* Frames of each direction in a row before other devices have their turn. */
#define TURNS_MAX 256

/* Entries of one readv(): what the kernel takes. The last ones catch what the guest has no room for. */
#define IOV_MAX_ENTRIES 1024
#define REST_BYTES	4096U
#define REST_ENTRIES	((OG_NET_FRAME_MAX + OG_NET_HEADER_BYTES) / REST_BYTES + 1)
#define IOV_ROOM	(IOV_MAX_ENTRIES - REST_ENTRIES)

/* The largest frame with its header. */
#define WHOLE_MAX (OG_NET_FRAME_MAX + OG_NET_HEADER_BYTES)

struct net {
	struct og_virtio virtio;
	struct og_net_config config;
	struct virtio_net_config space;
	struct og_net_metrics *metrics;	      /* never NULL */
	struct og_mmds_metrics *mmds_metrics; /* never NULL */
	struct og_net_metrics own_metrics;
	struct og_mmds_metrics own_mmds_metrics;

	struct og_loop *loop;
	struct og_source *source;
	bool is_socket;
	bool owns_tap; /* given by a command */
	bool can_read, can_write;
	bool offloads_set; /* for the features that the driver agreed on */
	bool mac_changed;  /* since the state that was loaded */
	struct og_ratelimit rx_limit, tx_limit;

	/* Requests for frames to come; popped and put back within one work(). */
	struct og_chain chains[OG_VIRTQ_SIZE_MAX];
	struct iovec iov[IOV_MAX_ENTRIES];
	unsigned n_chains;
	size_t n_iov, room;
	size_t most_room; /* that the driver ever gave at once */
	uint8_t rest[REST_BYTES];

	struct og_mmds_stack *stack; /* NULL: none */
	uint8_t *stack_frame;	     /* of OG_MMDS_INPUT_MAX bytes */
	int stack_timer_fd;
	uint64_t stack_timer_ms;
};

static inline uint64_t net_now_ms(void)
{
	struct timespec time = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static inline bool net_has(const struct net *net, unsigned feature)
{
	return (net->virtio.features & 1ULL << feature) != 0;
}

static inline bool net_has_mac(const uint8_t *mac)
{
	static const uint8_t none[OG_NET_MAC_BYTES];

	return memcmp(mac, none, sizeof(none)) != 0;
}

/*
 * One frame from or to the tap, which may be any number of entries. Returns its bytes, header included,
 * or a negative errno.
 */
ssize_t og_net_transfer(struct net *net, struct iovec *iov, size_t n, bool in);

/* Move what waits. A negative result means that the driver broke the rules. */
int og_net_send_waiting(struct net *net);
int og_net_receive_waiting(struct net *net);

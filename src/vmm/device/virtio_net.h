/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network card for the guest (Virtual I/O Device 1.2, section 5.1), on a tap of the host.
 *
 * Frames go between guest memory and the tap without a copy, but for the first bytes of what the guest
 * sends: those that decide something (net_header.h, the source address, whether the frame is for the
 * metadata service) are copied once, judged, and sent from the copy.
 *
 * A guest with an address of its own may send from that one alone: other frames are dropped and
 * counted. What the guest has no buffers for stays in the tap's queue, and there the kernel drops.
 */
#pragma once

#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio.h"
#include "vmm/mmds/hook.h"

#define OG_NET_MAC_BYTES 6

/* 5.1.4.1. The largest is what a frame of 65550 bytes may hold. */
#define OG_NET_MTU_MIN 68
#define OG_NET_MTU_MAX 65535

struct og_net_config {
	char id[OG_VMM_ID_MAX];
	/*
	 * A tap (tap.h), or a SEQPACKET socket whose packets have the same header in front; borrowed.
	 * Frames longer than 1500 bytes that a tap gives are lost where @mtu does not say so.
	 */
	int tap_fd;

	/* All zeros: the guest makes one up and may use any. */
	uint8_t mac[OG_NET_MAC_BYTES];
	uint16_t mtu;				   /* 0: the guest is told none */
	struct og_limit_config rx_limit, tx_limit; /* in: to the guest; out: from it */
	const struct og_mmds_config
		*mmds; /* the guest reaches it here; borrowed; NULL: it does not */
};

/*
 * The device's command(): what changes while the guest runs. With a descriptor it goes on with that
 * one, a tap that was prepared (tap.h), and keeps it.
 */
struct og_net_command {
	struct og_limit_update rx, tx;
	bool set_mac; /* tells the driver by an interrupt; Linux looks when it binds to the device */
	uint8_t mac[OG_NET_MAC_BYTES];
};

/* Errors: -EINVAL (a number out of range, a descriptor of another kind), -ENOMEM. */
int og_virtio_net_new(const struct og_net_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);

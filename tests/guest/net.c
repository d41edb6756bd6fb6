/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

enum {
	NET = 1
};

enum {
	RX,
	TX
};

#define CONFIG_REG   0x100
#define STATUS_REG   0x070
#define NEEDS_RESET  64
#define FEATURE_CSUM 1U
#define FEATURE_MAC  (1U << 5)
#define FEATURE_TSO4 (1U << 11)
#define FEATURE_MRG  (1U << 15)

#define HEADER	     12U
#define BUFFERS	     32U
#define BUFFER_BYTES 2048U

static struct queue queues[2];
static uint8_t buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static uint8_t frame[70000] __attribute__((aligned(4096)));
static uint8_t mac[6];
static unsigned device;

static int begin(uint32_t features)
{
	device = find_device(NET, 0);
	if (device == 99 || bring_up(device, features, queues, 2) != 0) {
		say("no net\n");
		return -1;
	}
	for (unsigned i = 0; i < 6; i++)
		mac[i] = *(volatile uint8_t *)(uintptr_t)(VIRTIO_GPA(device) + CONFIG_REG + i);
	return 0;
}

static void give_buffer(unsigned index)
{
	set_desc(&queues[RX], index, buffers[index], BUFFER_BYTES, WRITE, 0);
	offer(&queues[RX], (uint16_t)index);
}

static void copy(uint8_t *to, const uint8_t *from, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		to[i] = from[i];
}

/* Sends the @len bytes of a frame behind the header at @at, and waits. */
static int64_t send_frame(uint8_t *at, uint32_t len)
{
	set_desc(&queues[TX], 0, at, HEADER + len, 0, 0);
	offer(&queues[TX], 0);
	notify(device, TX);
	return wait_answer(device, &queues[TX]);
}

/* Takes a frame whose number of buffers may be more than one; returns its bytes. */
static uint32_t receive_frame(uint32_t *ret_buffers)
{
	uint32_t bytes = 0, left = 1;

	*ret_buffers = 0;
	for (; left > 0; left--) {
		uint16_t id = 0;
		int64_t got;

		while (READ_ONCE(queues[RX].used.idx) == queues[RX].seen)
			if ((reg_read(device, STATUS_REG) & NEEDS_RESET) != 0)
				return 0;
		barrier();
		id = (uint16_t)queues[RX].used.ring[queues[RX].seen % QUEUE_SIZE].id;
		got = queues[RX].used.ring[queues[RX].seen++ % QUEUE_SIZE].len;
		if (*ret_buffers == 0)
			left = *(uint16_t *)(void *)(buffers[id] + 10);
		copy(frame + bytes, buffers[id], (unsigned)got);
		bytes += (uint32_t)got;
		++*ret_buffers;
		give_buffer(id);
	}
	notify(device, RX);
	return bytes;
}

/* Sends each frame back to who sent it, until one says '.' behind its Ethernet header. */
void test_net(void)
{
	uint32_t bytes, pieces = 0;

	if (begin(FEATURE_MAC | FEATURE_MRG) != 0)
		return;
	for (unsigned i = 0; i < BUFFERS; i++)
		give_buffer(i);
	notify(device, RX);
	say_line("last byte of the address", mac[5]);
	do {
		bytes = receive_frame(&pieces);
		if (bytes < HEADER + 15)
			break;
		if (pieces > 1)
			say_line("pieces", pieces);
		copy(frame + HEADER, frame + HEADER + 6, 6);
		copy(frame + HEADER + 6, mac, 6);
		for (unsigned i = 0; i < HEADER; i++)
			frame[i] = 0;
		(void)send_frame(frame, bytes - HEADER);
	} while (frame[HEADER + 14] != '.');
}

static void make_frame(uint32_t len)
{
	for (unsigned i = 0; i < HEADER + len; i++)
		frame[i] = 0;
	for (unsigned i = 0; i < 6; i++)
		frame[HEADER + i] = 0xff;
	copy(frame + HEADER + 6, mac, 6);
	frame[HEADER + 12] = 0x88;
	frame[HEADER + 13] = 0xb5; /* for experiments */
}

/* 1000 frames, as fast as the device takes them. */
void test_net_flood(void)
{
	if (begin(FEATURE_MAC) != 0)
		return;
	make_frame(1000);
	say("sending\n");
	for (unsigned i = 0; i < 1000; i++) {
		unsigned slot = i % QUEUE_SIZE;

		if (i >= QUEUE_SIZE)
			(void)wait_answer(device, &queues[TX]);
		set_desc(&queues[TX], slot, frame, HEADER + 1000, 0, 0);
		offer(&queues[TX], (uint16_t)slot);
		notify(device, TX);
	}
	while (queues[TX].seen != queues[TX].added)
		(void)wait_answer(device, &queues[TX]);
	say("sent\n");
}

/* Offers one buffer only when it was told, on the serial port, that the host has sent. */
void test_net_slow(void)
{
	uint32_t pieces, frames = 0;

	if (begin(FEATURE_MAC | FEATURE_MRG) != 0)
		return;
	say("no buffers\n");
	while ((inb(0x3f8 + 5) & 1) == 0)
		;
	(void)inb(0x3f8);
	for (unsigned i = 0; i < BUFFERS; i++)
		give_buffer(i);
	notify(device, RX);
	while (receive_frame(&pieces) > 0 && frame[HEADER + 14] != '.')
		frames++;
	say_line("frames", frames);
}

static void hostile_frame(const char *what, uint32_t len)
{
	say(what);
	say(send_frame(frame, len) < 0 ? ": refused\n" : ": taken\n");
}

/* What must be dropped without a word, and then a good frame; and what costs a reset. */
void test_net_hostile(void)
{
	if (begin(FEATURE_MAC | FEATURE_CSUM | FEATURE_TSO4) != 0)
		return;
	for (uint32_t len = 0; len < 14; len++) {
		make_frame(len);
		(void)send_frame(frame, len);
	}
	make_frame(60);
	set_desc(&queues[TX], 0, frame, 11, 0, 0); /* not even a header */
	offer(&queues[TX], 0);
	notify(device, TX);
	(void)wait_answer(device, &queues[TX]);
	make_frame(69000);
	hostile_frame("too long", 69000);
	make_frame(60);
	frame[HEADER + 6] ^= 2;
	hostile_frame("spoofed", 60);
	make_frame(60);
	frame[0] = 1; /* a checksum at 65535 */
	frame[6] = frame[7] = 0xff;
	hostile_frame("checksum outside", 60);
	make_frame(60000);
	frame[0] = 1;
	frame[1] = 1; /* TCP over IPv4 in segments of one byte */
	frame[4] = 1;
	frame[6] = 34;
	frame[8] = 16;
	hostile_frame("tiny segments", 60000);
	make_frame(60);
	frame[HEADER + 14] = '!';
	hostile_frame("good", 60);

	set_desc(&queues[RX], 0, buffers[0], 11, WRITE, 0);
	offer(&queues[RX], 0);
	notify(device, RX);
	while ((reg_read(device, STATUS_REG) & NEEDS_RESET) == 0)
		;
	say("small buffer: refused\n");
	if (begin(FEATURE_MAC) != 0)
		return;
	make_frame(60);
	frame[HEADER + 14] = '?';
	hostile_frame("well again", 60);
}

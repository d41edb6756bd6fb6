/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

enum {
	VSOCK = 19
};

enum {
	RX,
	TX,
	EVENT
};

enum {
	REQUEST = 1,
	RESPONSE = 2,
	RST = 3,
	SHUTDOWN = 4,
	RW = 5,
	UPDATE = 6,
	ASK = 7
};

#define BUFFERS	     16U
#define BUFFER_BYTES 8192U
#define PORT_OF_OURS 1024U
#define PORT_TO_END  99U

struct header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static struct queue queues[3];
static uint8_t buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static uint32_t event;
static unsigned device;

/* Bytes of all connections together: enough for one at a time. */
static uint32_t passed_on;

static void give_buffer(unsigned index)
{
	set_desc(&queues[RX], index, buffers[index], BUFFER_BYTES, WRITE, 0);
	offer(&queues[RX], (uint16_t)index);
	notify(device, RX);
}

static void begin(void)
{
	device = find_device(VSOCK, 0);
	if (device == 99 || bring_up(device, 0, queues, 3) != 0) {
		say("no vsock\n");
		return;
	}
	set_desc(&queues[EVENT], 0, &event, sizeof(event), WRITE, 0);
	event = 99;
	offer(&queues[EVENT], 0);
	for (unsigned i = 0; i < BUFFERS; i++)
		give_buffer(i);
	say_line("context", reg_read(device, 0x100));
}

/* @data lies behind a header's room. */
static void send_packet(struct header *header, uint16_t op, uint32_t len, uint32_t flags)
{
	header->len = len;
	header->op = op;
	header->type = 1;
	header->flags = flags;
	header->buf_alloc = BUFFERS * (BUFFER_BYTES - sizeof(*header));
	header->fwd_cnt = passed_on;
	set_desc(&queues[TX], 0, header, (uint32_t)sizeof(*header) + len, 0, 0);
	offer(&queues[TX], 0);
	notify(device, TX);
	if (wait_answer(device, &queues[TX]) < 0)
		say("tx broken\n");
}

/* Waits for a packet; its buffer's number goes to *@ret_index. */
static struct header *wait_packet(unsigned *ret_index)
{
	if (wait_answer(device, &queues[RX]) < 0) {
		say("rx broken\n");
		return NULL;
	}
	*ret_index = queues[RX].used.ring[(queues[RX].seen - 1) % QUEUE_SIZE].id;
	return (struct header *)(void *)buffers[*ret_index];
}

static void turn_round(struct header *header)
{
	uint64_t cid = header->src_cid;
	uint32_t port = header->src_port;

	header->src_cid = header->dst_cid;
	header->dst_cid = cid;
	header->src_port = header->dst_port;
	header->dst_port = port;
}

/* Echoes what comes for any port, until a program connects to PORT_TO_END. */
void test_vsock(void)
{
	struct header *header;
	unsigned index;
	uint32_t port;

	begin();
	say("listening\n");
	while ((header = wait_packet(&index)) != NULL) {
		uint16_t op = header->op;

		port = header->dst_port;
		turn_round(header);
		if (op == REQUEST && port == PORT_TO_END) {
			send_packet(header, RST, 0, 0);
			break;
		}
		if (op == REQUEST) {
			passed_on = 0;
			send_packet(header, RESPONSE, 0, 0);
		} else if (op == RW) {
			passed_on += header->len;
			send_packet(header, RW, header->len, 0);
		} else if (op == SHUTDOWN) {
			send_packet(header, header->flags == 3 ? RST : SHUTDOWN, 0, 3);
		} else if (op == ASK) {
			send_packet(header, UPDATE, 0, 0);
		}
		give_buffer(index);
	}
	say_line("event", event);
}

/* Connects to port 52 of the host, says a word, tells the answer and shuts. */
void test_vsock_out(void)
{
	static const char word[] = "a word from the guest";

	static struct {
		struct header header;
		char text[sizeof(word)];
	} out;
	struct header *header;
	unsigned index;

	begin();
	out.header = (struct header){
		.src_cid = reg_read(device, 0x100),
		.dst_cid = 2,
		.src_port = PORT_OF_OURS,
		.dst_port = 52,
	};
	send_packet(&out.header, REQUEST, 0, 0);
	while ((header = wait_packet(&index)) != NULL) {
		uint16_t op = header->op;

		if (op == RST) {
			say("reset\n");
			break;
		}
		if (op == RESPONSE) {
			say("connected\n");
			for (unsigned i = 0; i < sizeof(word); i++)
				out.text[i] = word[i];
			send_packet(&out.header, RW, sizeof(word) - 1, 0);
		} else if (op == RW) {
			buffers[index][sizeof(*header) + header->len] = 0;
			say((const char *)buffers[index] + sizeof(*header));
			passed_on += header->len;
		} else if (op == SHUTDOWN) {
			say_line("shutdown", header->flags);
			send_packet(&out.header, SHUTDOWN, 0, 3);
		}
		give_buffer(index);
	}
}

/* Lengths that lie, and packets about nothing: the device asks for its reset or refuses. */
void test_vsock_hostile(void)
{
	static const uint32_t lies[] = { 1, 0x7fffffff, 0xffffffff, 0U - 44U };
	static struct header header;
	unsigned index;

	begin();
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		header = (struct header){ .src_cid = 3, .dst_cid = 2, .type = 1, .op = RW };
		header.len = lies[i];
		set_desc(&queues[TX], 0, &header, sizeof(header), 0, 0);
		offer(&queues[TX], 0);
		notify(device, TX);
		say(wait_answer(device, &queues[TX]) < 0 ? "refused\n" : "served\n");
		begin();
	}
	header = (struct header){ .src_cid = 3, .dst_cid = 2, .src_port = 5, .dst_port = 6 };
	send_packet(&header, RW, 0, 0);
	say_line("answer", wait_packet(&index)->op);
}

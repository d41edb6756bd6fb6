/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of vsock: a guest and its host, move by move. */
#pragma once

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/broker.h"
#include "vmm/device/virtio_vsock.h"
#include "vmm/device/vsock_conn.h"

#define SIZE	   16
#define CID	   3
#define PORT	   52
#define GUEST_PORT 1024
#define PATH	   "v.sock"

enum {
	RX,
	TX,
	EVENT
};

/* The buffers of each queue; the guest's are filled anew when they come back. */
#define RX_GPA(i) (0x20000U + 0x2000U * (i))
#define RX_BYTES  0x1800U
#define TX_GPA	  0x50000U

struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_device_world world;
	struct og_metrics metrics;
	int listen_fd, broker_fd;
	uint16_t heard;	   /* of the RX queue's answers */
	uint32_t received; /* the guest's fwd_cnt */
};

static inline void offer_rx(struct machine *m, unsigned n)
{
	for (uint16_t i = 0; i < n; i++) {
		driver_desc(&m->d, RX, i, RX_GPA(i), RX_BYTES, VRING_DESC_F_WRITE, 0);
		driver_offer(&m->d, RX, i);
	}
}

static inline void begin_bare(struct machine *m)
{
	int fds[2];
	struct og_vsock_config config = { .present = true, .guest_cid = CID };

	*m = (struct machine){};
	driver_init(&m->d, SIZE);
	CHECK_OK(og_broker_pair(fds, NULL));
	CHECK_OK(og_broker_listen(PATH, &m->listen_fd, NULL));
	m->broker_fd = fds[1];
	config.listen_fd = m->listen_fd;
	m->world = (struct og_device_world){ .mem = &m->d.mem,
					     .metrics = &m->metrics,
					     .broker_fd = fds[0] };
	CHECK_OK(og_virtio_vsock_new(&config, &m->world, &m->virtio, NULL));
	driver_bring_up(&m->d, m->virtio, OG_VIRTIO_RING_INDIRECT);
}

static inline void begin(struct machine *m)
{
	begin_bare(m);
	offer_rx(m, 8);
	og_virtio_work(m->virtio);
}

static inline void end(struct machine *m)
{
	og_virtio_free(m->virtio);
	og_close(m->world.broker_fd);
	og_close(m->broker_fd);
	og_close(m->listen_fd);
	driver_done(&m->d);
}

static inline struct virtio_vsock_hdr packet(uint16_t op, uint32_t host_port, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = OG_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 1U << 20,
	};
}

/* The guest sends a packet, its bytes all alike. */
static inline void send_packet(struct machine *m, const struct virtio_vsock_hdr *header,
			       uint8_t byte)
{
	memcpy(m->d.ram + TX_GPA, header, sizeof(*header));
	memset(m->d.ram + TX_GPA + sizeof(*header), byte, header->len);
	driver_desc(&m->d, TX, 0, TX_GPA, (uint32_t)sizeof(*header) + header->len, 0, 0);
	driver_offer(&m->d, TX, 0);
	og_virtio_work(m->virtio);
}

static inline void send_op(struct machine *m, uint16_t op, uint32_t host_port)
{
	struct virtio_vsock_hdr header = packet(op, host_port, 0);

	header.fwd_cnt = m->received;
	send_packet(m, &header, 0);
}

static inline bool heard_any(const struct machine *m)
{
	return driver_used(&m->d, RX) != m->heard;
}

/* The guest's next packet; its buffer goes back to the device. *@ret_data stays until then. */
static inline struct virtio_vsock_hdr hear(struct machine *m, const uint8_t **ret_data)
{
	struct vring_used_elem answer;
	struct virtio_vsock_hdr header;

	CHECK(heard_any(m));
	answer = driver_answer(&m->d, RX, m->heard++);
	memcpy(&header, m->d.ram + RX_GPA(answer.id), sizeof(header));
	CHECK_EQ(answer.len, sizeof(header) + header.len);
	if (ret_data != NULL)
		*ret_data = m->d.ram + RX_GPA(answer.id) + sizeof(header);
	m->received += header.len;
	driver_offer(&m->d, RX, (uint16_t)answer.id);
	return header;
}

static inline int connect_program(struct machine *m, const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PATH };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	CHECK_EQ(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	og_virtio_work(m->virtio);
	return fd;
}

static inline int listen_port(const char *path)
{
	int fd;

	CHECK_OK(og_broker_listen(path, &fd, NULL));
	return fd;
}

/* A connection of the guest's to PORT; returns the program's end. */
static inline int open_from_guest(struct machine *m)
{
	int listener = listen_port(PATH "_52"), fd;

	send_op(m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	CHECK_EQ(og_broker_serve(m->broker_fd, PATH), 1);
	og_virtio_work(m->virtio);
	CHECK_EQ(hear(m, NULL).op, VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	og_close(listener);
	CHECK_OK(unlink(PATH "_52"));
	return fd;
}

/* One of the host's; *@ret_port is the host's own. */
static inline int open_from_host(struct machine *m, uint32_t *ret_port)
{
	int fd = connect_program(m, "CONNECT 1024\n");
	struct virtio_vsock_hdr request = hear(m, NULL);
	char line[32] = {}, expected[32];

	CHECK_EQ(request.op, VIRTIO_VSOCK_OP_REQUEST);
	CHECK_EQ(request.dst_port, GUEST_PORT);
	CHECK_EQ(request.src_cid, OG_VSOCK_HOST_CID);
	CHECK_EQ(request.dst_cid, CID);
	*ret_port = request.src_port;
	send_op(m, VIRTIO_VSOCK_OP_RESPONSE, request.src_port);
	(void)snprintf(expected, sizeof(expected), "OK %u\n", request.src_port);
	CHECK_EQ(read(fd, line, sizeof(line)), (ssize_t)strlen(expected));
	CHECK(strcmp(line, expected) == 0);
	return fd;
}

static inline bool is_closed(int fd)
{
	char byte;
	ssize_t r = recv(fd, &byte, 1, MSG_DONTWAIT);

	return r == 0 || (r < 0 && errno == ECONNRESET);
}

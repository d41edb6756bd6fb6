/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker and the host's programs are played by the extra step: a connection comes, says its
 * line or half of it, writes, reads, shuts or goes; the guest's wish is granted or not.
 */
#include "replay.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virtio.h"
#include "vmm/broker.h"
#include "vmm/device/virtio_vsock.h"

#define PROGRAMS 8

struct host {
	struct og_virtio *virtio;
	int listen_fd, broker_fd;
	int fds[PROGRAMS];
};

static void come(struct host *h, int *fd)
{
	struct sockaddr_un address;
	socklen_t len = sizeof(address);

	if (*fd >= 0 || getsockname(h->listen_fd, (struct sockaddr *)&address, &len) < 0)
		return;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(*fd, (struct sockaddr *)&address, len) < 0)
		*fd = og_close(*fd);
}

static void answer(struct host *h, int *fd)
{
	struct og_broker_request request;
	struct og_broker_answer answer = {};
	struct iovec iov = { &answer, sizeof(answer) };

	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int pair[2];

	if (recv(h->broker_fd, &request, sizeof(request), MSG_DONTWAIT) != sizeof(request))
		return;
	answer.tag = request.tag;
	if (*fd >= 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		answer.code = -ECONNREFUSED;
		(void)!sendmsg(h->broker_fd, &msg, MSG_DONTWAIT);
		return;
	}
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &pair[1], sizeof(int));
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control.space);
	(void)!sendmsg(h->broker_fd, &msg, MSG_DONTWAIT);
	*fd = pair[0];
	og_close(pair[1]);
}

/* The low 3 bits say who, the others what. */
static void step(void *target, uint8_t argument)
{
	static uint8_t buf[65536];
	struct host *h = target;
	int *fd = &h->fds[argument % PROGRAMS];

	switch (argument / PROGRAMS) {
	case 0:
		come(h, fd);
		break;
	case 1:
		(void)!send(*fd, "CONNECT 1024\n", 13, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 2:
		(void)!send(*fd, "CONN", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3:
		(void)!send(*fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 4:
		(void)!recv(*fd, buf, sizeof(buf), MSG_DONTWAIT);
		break;
	case 5:
		(void)shutdown(*fd, SHUT_WR);
		break;
	case 6:
		(void)shutdown(*fd, SHUT_RD);
		break;
	case 7:
		*fd = og_close(*fd);
		break;
	case 8:
		h->virtio->ops->resumed(h->virtio);
		break;
	default:
		answer(h, fd);
		break;
	}
}

/* A name in the abstract space that the kernel chooses. */
static int listen_anywhere(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    listen(fd, PROGRAMS) < 0)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_vsock_config config = { .present = true, .guest_cid = 3 };
	struct host h = { .listen_fd = listen_anywhere() };
	struct og_device_world world = {};
	struct driver d;
	int fds[2];

	driver_init(&d, 16);
	if (og_broker_pair(fds, NULL) < 0)
		abort();
	for (unsigned i = 0; i < PROGRAMS; i++)
		h.fds[i] = -EBADF;
	h.broker_fd = fds[0];
	world = (struct og_device_world){ .mem = &d.mem, .broker_fd = fds[1] };
	config.listen_fd = h.listen_fd;
	if (og_virtio_vsock_new(&config, &world, &h.virtio, NULL) < 0)
		abort();
	drive(&d, h.virtio, (struct input){ data, size }, step, &h);
	og_virtio_free(h.virtio);
	og_close_all(h.fds, PROGRAMS);
	og_close_all(fds, 2);
	og_close(h.listen_fd);
	driver_done(&d);
	return 0;
}

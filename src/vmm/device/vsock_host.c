/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/broker.h"
#include "vmm/device/event.h"
#include "vmm/device/vsock.h"

#define EVENTS_MAX  64
#define RINGS_BYTES ((size_t)OG_VSOCK_CONNS_MAX * OG_VSOCK_BUFFER_BYTES)

/* What an event is about: a place's number with its generation above, or one of these. */
enum {
	ABOUT_LISTENER = OG_VSOCK_CONNS_MAX,
	ABOUT_BROKER,
	ABOUT_TIMER,
	ABOUT_RESET,
};

static uint64_t about(const struct og_vsock *vsock, const struct og_vsock_place *place)
{
	return (uint64_t)(place - vsock->places) | (uint64_t)place->generation << 32;
}

/* By edge: what is ready and not served now is remembered by us. */
static int watch(struct og_vsock *vsock, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.u64 = what };

	if (fd < 0)
		return 0;
	return epoll_ctl(vsock->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int og_vsock_host_init(struct og_vsock *vsock, struct og_err *err)
{
	int r;

	vsock->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	vsock->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	vsock->reset_fd = og_event_new();
	vsock->rings = mmap(NULL, RINGS_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vsock->rings == MAP_FAILED)
		vsock->rings = NULL;
	if (vsock->epoll_fd < 0 || vsock->timer_fd < 0 || vsock->reset_fd < 0 ||
	    vsock->rings == NULL)
		return og_fail(err, -errno, "make what vsock needs");

	r = watch(vsock, vsock->timer_fd, EPOLLIN, ABOUT_TIMER);
	if (r == 0)
		r = watch(vsock, vsock->reset_fd, EPOLLIN, ABOUT_RESET);
	if (r == 0)
		r = watch(vsock, vsock->listen_fd, EPOLLIN, ABOUT_LISTENER);
	if (r == 0)
		r = watch(vsock, vsock->broker_fd, EPOLLIN | EPOLLOUT, ABOUT_BROKER);
	return r < 0 ? og_fail(err, r, "watch the sockets of vsock") : 0;
}

/* A fork of the machine has the same sockets: they are let go of, and nothing else. */
void og_vsock_host_done(struct og_vsock *vsock)
{
	for (unsigned i = 0; i < OG_VSOCK_CONNS_MAX; i++)
		if (vsock->places[i].conn.state != OG_VSOCK_FREE)
			og_close(vsock->places[i].fd);
	og_close(vsock->epoll_fd);
	og_close(vsock->timer_fd);
	og_close(vsock->reset_fd);
	if (vsock->rings != NULL)
		(void)munmap(vsock->rings, RINGS_BYTES);
}

struct og_vsock_place *og_vsock_find_free(struct og_vsock *vsock)
{
	for (unsigned i = 0; i < OG_VSOCK_CONNS_MAX; i++)
		if (vsock->places[i].conn.state == OG_VSOCK_FREE)
			return &vsock->places[i];
	return NULL;
}

void og_vsock_take(struct og_vsock *vsock, struct og_vsock_place *place)
{
	unsigned index = (unsigned)(place - vsock->places);

	*place = (struct og_vsock_place){
		.fd = -EBADF,
		.generation = place->generation + 1,
		.conn.ring = vsock->rings + (size_t)index * OG_VSOCK_BUFFER_BYTES,
	};
	if (index >= vsock->top)
		vsock->top = index + 1;
	og_counted(&vsock->metrics->conns_added, 1);
}

static void detach(struct og_vsock *vsock, struct og_vsock_place *place)
{
	if (place->fd >= 0)
		(void)epoll_ctl(vsock->epoll_fd, EPOLL_CTL_DEL, place->fd, NULL);
	place->fd = og_close(place->fd);
	if (place->conn.first > 0 || place->conn.held > 0)
		(void)madvise(place->conn.ring, OG_VSOCK_BUFFER_BYTES, MADV_DONTNEED);
	place->conn.first = place->conn.held = 0;
	place->can_read = place->can_write = false;
	place->deadline_ms = 0;
}

void og_vsock_leave(struct og_vsock *vsock, struct og_vsock_place *place)
{
	detach(vsock, place);
	place->conn.state = OG_VSOCK_FREE;
	while (vsock->top > 0 && vsock->places[vsock->top - 1].conn.state == OG_VSOCK_FREE)
		vsock->top--;
	if (vsock->was_full)
		og_virtio_kick(&vsock->virtio); /* there are programs waiting to be taken */
	vsock->was_full = false;
	og_counted(&vsock->metrics->conns_removed, 1);
}

void og_vsock_drop_all(struct og_vsock *vsock)
{
	for (unsigned i = 0; i < OG_VSOCK_CONNS_MAX; i++)
		if (vsock->places[i].conn.state != OG_VSOCK_FREE)
			og_vsock_leave(vsock, &vsock->places[i]);
	vsock->n_refusals = 0;
	vsock->stale = false;
}

void og_vsock_reset(struct og_vsock *vsock, struct og_vsock_place *place)
{
	const struct og_vsock_conn *conn = &place->conn;

	if (conn->state == OG_VSOCK_HELLO ||
	    (conn->state == OG_VSOCK_OFFERED && (conn->tell & OG_VSOCK_TELL_REQUEST) != 0)) {
		og_vsock_leave(vsock, place); /* the guest never heard of it */
		return;
	}
	og_counted(&vsock->metrics->conns_killed, 1);
	detach(vsock, place);
	place->conn.state = OG_VSOCK_DYING;
	place->conn.tell = OG_VSOCK_TELL_RST;
}

static int attach(struct og_vsock *vsock, struct og_vsock_place *place, int fd)
{
	place->fd = fd;
	place->can_read = place->can_write = true;
	return watch(vsock, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, about(vsock, place));
}

/* Where both directions are shut, the guest confirms that; one that does not is not waited for. */
static void shut(struct og_vsock_place *place, uint8_t flags)
{
	og_vsock_shut(&place->conn, flags);
	if (place->conn.host_shut == OG_VSOCK_SHUT_BOTH && place->deadline_ms == 0)
		place->deadline_ms = og_clock_ms() + OG_VSOCK_ANSWER_MS;
}

/* The program takes no more: what waits for it goes nowhere. */
static void host_is_deaf(struct og_vsock_place *place)
{
	uint32_t held = place->conn.held;

	og_vsock_release(&place->conn, held);
	og_vsock_passed(&place->conn, held);
	shut(place, VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/* Returns the bytes that the program took at once, 0 where it must be waited for or is deaf. */
static uint32_t send_some(struct og_vsock *vsock, struct og_vsock_place *place, struct iovec *iov,
			  size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t sent;

	do {
		sent = sendmsg(place->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		og_counted(&vsock->metrics->tx_bytes_count, (uint64_t)sent);
		og_vsock_passed(&place->conn, (uint32_t)sent);
		return (uint32_t)sent;
	}
	place->can_write = false;
	if (errno != EAGAIN) {
		og_counted(&vsock->metrics->tx_write_fails, 1);
		host_is_deaf(place);
	}
	return 0;
}

static bool is_deaf(const struct og_vsock_place *place)
{
	return (place->conn.host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0;
}

void og_vsock_to_host(struct og_vsock *vsock, struct og_vsock_place *place, struct iovec *iov,
		      size_t n, uint32_t bytes)
{
	uint32_t sent = 0;

	if (place->conn.held == 0 && place->can_write && !is_deaf(place))
		sent = send_some(vsock, place, iov, n);
	if (is_deaf(place)) {
		og_vsock_passed(&place->conn, bytes - sent);
		return;
	}
	if (sent == bytes)
		return;
	place->can_write = false;
	n = og_iov_slice(iov, n, sent, bytes - sent);
	og_vsock_hold(&place->conn, iov, n);
}

void og_vsock_carry_out_shut(struct og_vsock *vsock, struct og_vsock_place *place)
{
	uint8_t flags = place->conn.guest_shut;

	if (place->conn.held > 0 || place->conn.state != OG_VSOCK_OPEN)
		return;
	if (flags == OG_VSOCK_SHUT_BOTH)
		og_vsock_reset(vsock, place); /* which confirms it (5.10.6.5) */
	else if (flags == VIRTIO_VSOCK_SHUTDOWN_SEND)
		(void)shutdown(place->fd, SHUT_WR);
	else if (flags == VIRTIO_VSOCK_SHUTDOWN_RCV)
		(void)shutdown(place->fd, SHUT_RD);
}

static void drain(struct og_vsock *vsock, struct og_vsock_place *place)
{
	struct iovec iov[2];

	while (place->conn.held > 0 && place->can_write) {
		size_t n = og_vsock_held(&place->conn, iov);
		uint32_t all = place->conn.held;
		uint32_t sent = send_some(vsock, place, iov, n);

		if (is_deaf(place))
			break;
		og_vsock_release(&place->conn, sent);
		place->can_write = sent == all;
	}
	if (place->conn.held == 0 && place->conn.guest_shut != 0)
		og_vsock_carry_out_shut(vsock, place);
}

uint32_t og_vsock_from_host(struct og_vsock *vsock, struct og_vsock_place *place, struct iovec *iov,
			    size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t got;

	do {
		got = recvmsg(place->fd, &msg, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		og_counted(&vsock->metrics->rx_bytes_count, (uint64_t)got);
		return (uint32_t)got;
	}
	place->can_read = false;
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0)
		og_counted(&vsock->metrics->rx_read_fails, 1);
	shut(place, VIRTIO_VSOCK_SHUTDOWN_SEND);
	if (got < 0 || place->hung_up)
		host_is_deaf(place);
	return 0;
}

void og_vsock_ask(struct og_vsock *vsock, struct og_vsock_place *place)
{
	struct og_broker_request request = {
		.kind = OG_BROKER_VSOCK_CONNECT,
		.port = place->conn.host_port,
		.tag = about(vsock, place),
	};
	int r = vsock->broker_fd < 0 ? -EPIPE : og_broker_ask(vsock->broker_fd, &request);

	place->deadline_ms = og_clock_ms() + OG_VSOCK_ANSWER_MS;
	place->to_ask = r == -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		og_vsock_reset(vsock, place);
}

/* The answer is to a wish of the guest's that may be none any more. */
static void hear_answer(struct og_vsock *vsock, const struct og_broker_answer *answer, int fd)
{
	uint32_t index = (uint32_t)answer->tag;
	struct og_vsock_place *place = &vsock->places[index % OG_VSOCK_CONNS_MAX];

	if (index >= OG_VSOCK_CONNS_MAX || place->generation != answer->tag >> 32 ||
	    place->conn.state != OG_VSOCK_ASKED) {
		og_close(fd);
		return;
	}
	place->deadline_ms = 0;
	if (answer->code < 0)
		og_close(fd); /* there should be none */
	if (answer->code < 0 || attach(vsock, place, fd) < 0)
		og_vsock_reset(vsock, place);
	else
		og_vsock_granted(&place->conn);
}

static void hear_broker(struct og_vsock *vsock)
{
	struct og_broker_answer answer;
	int fd, r;

	if (!vsock->broker_ready || vsock->broker_fd < 0)
		return;
	vsock->broker_ready = false;
	while ((r = og_broker_hear(vsock->broker_fd, &answer, &fd)) > 0)
		hear_answer(vsock, &answer, fd);
	if (r < 0)
		vsock->broker_fd = -EBADF;
	for (unsigned i = 0; i < vsock->top; i++)
		if (vsock->places[i].to_ask && vsock->places[i].conn.state == OG_VSOCK_ASKED)
			og_vsock_ask(vsock, &vsock->places[i]);
}

static void accept_programs(struct og_vsock *vsock)
{
	while (vsock->can_accept && vsock->listen_fd >= 0) {
		struct og_vsock_place *place = og_vsock_find_free(vsock);
		int fd;

		vsock->was_full = place == NULL;
		if (place == NULL)
			return; /* og_vsock_leave() lets it go on */
		fd = accept4(vsock->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			vsock->can_accept = errno == ECONNABORTED || errno == EINTR;
			continue;
		}
		og_vsock_take(vsock, place);
		place->conn.state = OG_VSOCK_HELLO;
		if (attach(vsock, place, fd) < 0)
			og_vsock_leave(vsock, place);
	}
}

static ssize_t receive(int fd, void *bytes, size_t len, int flags)
{
	struct iovec iov = { bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t got;

	do {
		got = recvmsg(fd, &msg, MSG_DONTWAIT | flags);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* The program's first line is looked at in place, so that what is behind it stays. */
static void hear_hello(struct og_vsock *vsock, struct og_vsock_place *place)
{
	char line[OG_VSOCK_LINE_MAX];
	uint32_t port = 0;
	ssize_t got = receive(place->fd, line, sizeof(line), MSG_PEEK);
	int r = 0;

	place->can_read = false;
	if (got == -EAGAIN)
		return;
	if (got > 0)
		r = og_vsock_parse_connect(line, (size_t)got, &port);
	if (got > 0 && r == 0 && !place->hung_up)
		return;
	if (r <= 0 || receive(place->fd, line, (size_t)r, 0) != r) {
		og_vsock_leave(vsock, place);
		return;
	}
	place->can_read = true;
	og_vsock_begin_host(&place->conn, vsock->next_port, port);
	place->deadline_ms = og_clock_ms() + OG_VSOCK_ANSWER_MS;
	vsock->next_port = vsock->next_port == UINT32_MAX ? OG_VSOCK_PORT_FIRST
							  : vsock->next_port + 1;
}

void og_vsock_opened(struct og_vsock *vsock, struct og_vsock_place *place)
{
	char line[OG_VSOCK_LINE_MAX];
	int len = snprintf(line, sizeof(line), "OK %u\n", place->conn.host_port);
	struct iovec iov = { line, (size_t)len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	place->deadline_ms = 0;
	/* Nothing was written before: there is room. */
	if (sendmsg(place->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != len)
		og_vsock_reset(vsock, place);
}

static void note(struct og_vsock *vsock, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;
	uint32_t gone = EPOLLHUP | EPOLLERR;
	struct og_vsock_place *place;

	if (index == ABOUT_LISTENER)
		vsock->can_accept = true;
	else if (index == ABOUT_BROKER)
		vsock->broker_ready = true;
	if (index >= OG_VSOCK_CONNS_MAX)
		return; /* deadlines and resets are looked at in each turn */
	place = &vsock->places[index];
	if (place->generation != event->data.u64 >> 32 || place->fd < 0)
		return;
	place->can_read |= (event->events & (EPOLLIN | EPOLLRDHUP | gone)) != 0;
	place->can_write |= (event->events & (EPOLLOUT | gone)) != 0;
	place->hung_up |= (event->events & gone) != 0;
}

static void look(struct og_vsock *vsock)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(vsock->epoll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		note(vsock, &events[i]);
	if (n == EVENTS_MAX)
		og_virtio_kick(&vsock->virtio);
}

static void serve_place(struct og_vsock *vsock, struct og_vsock_place *place, uint64_t now)
{
	if (place->conn.state == OG_VSOCK_HELLO && place->can_read)
		hear_hello(vsock, place);
	else if (place->conn.held > 0 && place->can_write)
		drain(vsock, place);

	/* Nothing is read where the guest takes no more: so the end of it shows here alone. */
	if (place->conn.state == OG_VSOCK_OPEN && place->hung_up &&
	    (place->conn.guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0)
		shut(place, VIRTIO_VSOCK_SHUTDOWN_SEND);

	/* It shut one direction before and has now closed the other as well. */
	if (place->conn.state == OG_VSOCK_OPEN && place->hung_up &&
	    place->conn.host_shut == VIRTIO_VSOCK_SHUTDOWN_SEND)
		host_is_deaf(place);
	if (place->conn.state != OG_VSOCK_FREE && place->deadline_ms != 0 &&
	    now >= place->deadline_ms)
		og_vsock_reset(vsock, place);
}

void og_vsock_serve_host(struct og_vsock *vsock)
{
	uint64_t now = og_clock_ms();

	look(vsock);
	hear_broker(vsock);
	accept_programs(vsock);
	for (unsigned i = 0; i < vsock->top; i++)
		serve_place(vsock, &vsock->places[i], now);
}

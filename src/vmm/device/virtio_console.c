/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_console.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/loop.h"

enum {
	QUEUE_IN,
	QUEUE_OUT,
	QUEUE_CONTROL_IN,
	QUEUE_CONTROL_OUT,
	QUEUES
};

/* What the driver is yet to be told, in this order. */
enum {
	TELL_ADD = 1,
	TELL_NAME = 2,
	TELL_OPEN = 4
};

/* Requests that one read fills: 64 KiB with Linux's buffers of a page. */
#define READ_BATCH 16

/* What a guest that stopped may have left: all of its buffers; a forged ring could say more. */
#define LAST_BYTES_MAX (64U << 20)

/* Transfers in a row before other devices have their turn. */
#define TURNS_MAX 8

static bool has_ports(const struct og_virtio *virtio)
{
	return (virtio->features & 1ULL << VIRTIO_CONSOLE_F_MULTIPORT) != 0;
}

/* Pops up to @max requests, all of them readable or all writable, into the shared arrays. */
static int gather(struct og_virtio_console *console, struct og_virtq *q, unsigned max, bool in,
		  size_t *ret_n, size_t *ret_bytes)
{
	size_t n = 0, bytes = 0;
	unsigned count = 0;

	while (count < max && n + OG_CHAIN_MAX <= OG_CONSOLE_IOV_MAX) {
		struct og_chain *chain = &console->chains[count];
		int r = og_virtq_pop(q, console->iov + n, chain);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		if ((in ? chain->n_out : chain->n_in) != 0)
			return -EPROTO;
		n += (size_t)chain->n_out + chain->n_in;
		bytes += chain->out_bytes + chain->in_bytes;
		count++;
	}
	*ret_n = n;
	*ret_bytes = bytes;
	return (int)count;
}

/* One transfer. Returns the bytes moved, -EAGAIN, or another negative errno. */
static ssize_t transfer(struct og_virtio_console *console, size_t n, bool in)
{
	struct msghdr msg = { .msg_iov = console->iov, .msg_iovlen = n };
	int out_flags = MSG_NOSIGNAL | (console->last ? 0 : MSG_DONTWAIT);
	ssize_t r;

	do {
		r = in ? recvmsg(console->fd, &msg, MSG_DONTWAIT)
		       : sendmsg(console->fd, &msg, out_flags);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* The other end is gone: what the guest still writes goes nowhere. */
static void hang_up(struct og_virtio_console *console)
{
	console->closed = true;
	console->can_read = false;
	console->untold |= TELL_OPEN;
}

/* Hands back the requests that @bytes cover and leaves the others waiting. */
static void complete_out(struct og_virtio_console *console, struct og_virtq *q, unsigned count,
			 size_t bytes)
{
	unsigned done = 0;

	while (done < count && bytes >= console->chains[done].out_bytes) {
		bytes -= console->chains[done].out_bytes;
		og_virtq_push(q, console->chains[done].head, 0);
		done++;
	}
	console->sent = done < count ? bytes : 0;
	og_virtq_unpop(q, (uint16_t)(count - done));
	og_virtio_pushed(&console->virtio, q);
}

/* Returns 1 when there may be more to do, 0 when not, -EPROTO. */
static int send_batch(struct og_virtio_console *console, struct og_virtq *q)
{
	size_t n, bytes, before = console->sent;
	ssize_t moved = 0;
	int count = gather(console, q, OG_VIRTQ_SIZE_MAX, false, &n, &bytes);

	if (count < 0)
		return count;
	if (count == 0)
		return og_virtq_unmute(q) ? 1 : 0;

	if (before > bytes) /* the driver changed a request under way */
		before = bytes;
	n = og_iov_slice(console->iov, n, before, console->last ? console->last_bytes : bytes);
	if (n > 0 && !console->closed)
		moved = transfer(console, n, false);
	if (moved < 0 && moved != -EAGAIN) {
		hang_up(console);
		moved = 0;
	}
	if (console->closed)
		moved = (ssize_t)(bytes - before);

	if (console->last && moved > 0)
		console->last_bytes -= (size_t)moved;
	console->can_write = moved >= 0 && (size_t)moved == bytes - before;
	complete_out(console, q, (unsigned)count, before + (moved > 0 ? (size_t)moved : 0));
	return console->can_write ? 1 : 0;
}

static int send_waiting(struct og_virtio_console *console)
{
	struct og_virtq *q = &console->virtio.queues[QUEUE_OUT];
	int r = 1;

	og_virtq_mute(q);
	for (unsigned turn = 0; r > 0 && console->can_write; turn++) {
		if (turn == TURNS_MAX && !console->last) {
			og_virtio_kick(&console->virtio);
			return 0;
		}
		r = send_batch(console, q);
	}
	return r < 0 ? r : 0;
}

static void complete_in(struct og_virtio_console *console, struct og_virtq *q, unsigned count,
			size_t bytes)
{
	unsigned done = 0;

	while (done < count && bytes > 0) {
		size_t part = console->chains[done].in_bytes;

		if (part > bytes)
			part = bytes;
		og_virtq_push(q, console->chains[done].head, (uint32_t)part);
		bytes -= part;
		done++;
	}
	og_virtq_unpop(q, (uint16_t)(count - done));
	og_virtio_pushed(&console->virtio, q);
}

/* Returns 1 when there may be more to read, 0 when not, -EPROTO. */
static int receive_batch(struct og_virtio_console *console, struct og_virtq *q)
{
	size_t n, bytes;
	ssize_t moved;
	int count = gather(console, q, READ_BATCH, true, &n, &bytes);

	if (count < 0)
		return count;
	if (count == 0)
		return og_virtq_unmute(q) ? 1 : 0;
	if (bytes == 0)
		return -EPROTO;

	moved = transfer(console, n, true);
	complete_in(console, q, (unsigned)count, moved > 0 ? (size_t)moved : 0);
	if (moved == -EAGAIN)
		console->can_read = false;
	else if (moved <= 0)
		hang_up(console);
	return console->can_read ? 1 : 0;
}

static int receive_waiting(struct og_virtio_console *console)
{
	struct og_virtq *q = &console->virtio.queues[QUEUE_IN];
	int r = 1;

	/* Before a program has the port open, Linux throws away what comes in. */
	if (has_ports(&console->virtio) && !console->guest_open)
		return 0;

	og_virtq_mute(q);
	for (unsigned turn = 0; r > 0 && console->can_read; turn++) {
		if (turn == TURNS_MAX) {
			og_virtio_kick(&console->virtio);
			return 0;
		}
		r = receive_batch(console, q);
	}
	return r < 0 ? r : 0;
}

/* A message of the driver (5.3.6.2). There is one port; what is about others is not answered. */
static int hear(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		struct iovec *iov)
{
	struct og_virtio_console *console = virtio->device;
	struct virtio_console_control message = {};

	(void)og_iov_read(iov, chain->n_out, 0, &message, sizeof(message));
	if (message.event == VIRTIO_CONSOLE_DEVICE_READY && message.value == 1)
		console->untold |= TELL_ADD;
	else if (message.event == VIRTIO_CONSOLE_PORT_READY && message.id == 0 &&
		 message.value == 1)
		console->untold |= TELL_NAME | TELL_OPEN;
	else if (message.event == VIRTIO_CONSOLE_PORT_OPEN && message.id == 0)
		console->guest_open = message.value == 1;

	og_virtq_push(q, chain->head, 0);
	return 0;
}

/* Writes the message for @what into a request of the driver's and returns its length. */
static size_t compose(const struct og_virtio_console *console, unsigned what,
		      const struct iovec *iov, size_t n)
{
	struct virtio_console_control message = {};
	const char *name = "";
	size_t len;

	if (what == TELL_ADD) {
		message.event = VIRTIO_CONSOLE_PORT_ADD;
	} else if (what == TELL_NAME) {
		message.event = VIRTIO_CONSOLE_PORT_NAME;
		name = console->name;
	} else {
		message.event = VIRTIO_CONSOLE_PORT_OPEN;
		message.value = console->closed ? 0 : 1;
	}
	len = og_iov_write(iov, n, 0, &message, sizeof(message));
	return len + og_iov_write(iov, n, sizeof(message), name, strlen(name));
}

static int tell(struct og_virtio *virtio)
{
	struct og_virtio_console *console = virtio->device;
	struct og_virtq *q = &virtio->queues[QUEUE_CONTROL_IN];

	while (console->untold != 0) {
		unsigned what = console->untold & -console->untold;
		struct og_chain chain;
		int r = og_virtq_pop(q, console->iov, &chain);

		if (r == 0 && !og_virtq_unmute(q))
			break;
		if (r <= 0) {
			if (r < 0)
				return r;
			continue;
		}
		if (chain.n_out != 0)
			return -EPROTO;
		og_virtq_push(q, chain.head,
			      (uint32_t)compose(console, what, console->iov, chain.n_in));
		console->untold &= ~what;
	}
	og_virtio_pushed(virtio, q);
	return 0;
}

static int work(struct og_virtio *virtio)
{
	struct og_virtio_console *console = virtio->device;
	int r;

	if (has_ports(virtio)) {
		r = og_virtio_serve(virtio, &virtio->queues[QUEUE_CONTROL_OUT], hear);
		if (r < 0)
			return r;
	}
	r = send_waiting(console);
	if (r < 0)
		return r;
	r = receive_waiting(console);
	if (r < 0)
		return r;
	return has_ports(virtio) ? tell(virtio) : 0;
}

static void reset(struct og_virtio *virtio)
{
	struct og_virtio_console *console = virtio->device;

	console->guest_open = false;
	console->untold = 0;
	console->sent = 0;
}

static void release(struct og_virtio *virtio)
{
	og_virtio_done(virtio);
	free(virtio->device);
}

/* Waits for whoever reads the socket, so that a last line is not lost. */
static void drain(struct og_virtio *virtio)
{
	struct og_virtio_console *console = virtio->device;

	console->last = true;
	console->last_bytes = LAST_BYTES_MAX;
	console->can_write = true;
	og_virtio_work(virtio);
}

/* The socket's own state is found anew: both directions are tried. */
static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct og_virtio_console *console = virtio->device;

	(void)err;
	og_pack_u8(pack, console->guest_open);
	og_pack_u32(pack, console->untold);
	og_pack_u64(pack, console->sent);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct og_virtio_console *console = virtio->device;

	(void)err;
	console->guest_open = og_unpack_bool(unpack);
	console->untold = og_unpack_u32(unpack) & (TELL_ADD | TELL_NAME | TELL_OPEN);
	console->sent = og_unpack_u64(unpack);
	return 0;
}

/* The host's end is another: what the guest last heard of the old one need not be so. */
static void resumed(struct og_virtio *virtio)
{
	struct og_virtio_console *console = virtio->device;

	if (has_ports(virtio))
		console->untold |= TELL_OPEN;
}

static const struct og_virtio_ops ops = {
	.name = "virtio-console",
	.device_id = VIRTIO_ID_CONSOLE,
	.features = 1ULL << VIRTIO_CONSOLE_F_MULTIPORT,
	.n_queues = QUEUES,
	.work = work,
	.reset = reset,
	.free = release,
	.save = save,
	.load = load,
	.resumed = resumed,
	.drain = drain,
};

static void on_ready(struct og_source *source, uint32_t events, void *data)
{
	uint32_t gone = EPOLLHUP | EPOLLERR;

	(void)source;
	og_virtio_console_ready(data, (events & (EPOLLIN | EPOLLRDHUP | gone)) != 0,
				(events & (EPOLLOUT | gone)) != 0);
}

int og_virtio_console_new(const struct og_console_config *config,
			  const struct og_device_world *world, struct og_virtio **ret_virtio,
			  struct og_err *err)
{
	og_auto_free struct og_virtio_console *console = calloc(1, sizeof(*console));
	int r;

	if (console == NULL)
		return og_fail(err, -ENOMEM, "make console");
	r = og_virtio_init(&console->virtio, &ops, console, world->mem, err);
	if (r < 0)
		return r;

	console->fd = config->fd;
	console->name = config->name;
	console->can_read = console->can_write = true;
	console->config = (struct virtio_console_config){ .max_nr_ports = 1 };
	console->virtio.config = &console->config;
	console->virtio.config_bytes = sizeof(console->config);
	if (world->loop != NULL)
		r = og_loop_add_fd(world->loop, console->fd,
				   EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_ready, console,
				   NULL, err);
	if (r < 0) {
		og_virtio_done(&console->virtio);
		return r;
	}
	*ret_virtio = &og_take_ptr(console)->virtio;
	return 0;
}

void og_virtio_console_ready(struct og_virtio_console *console, bool readable, bool writable)
{
	(void)pthread_mutex_lock(&console->virtio.lock);
	console->can_read |= readable && !console->closed;
	console->can_write |= writable;
	(void)pthread_mutex_unlock(&console->virtio.lock);
	og_virtio_work(&console->virtio);
}

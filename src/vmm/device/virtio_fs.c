/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_fs.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/fs/server.h"

/* struct virtio_fs_config of 5.11.4, which not every <linux/virtio_fs.h> has as we need it. */
struct fs_config {
	char tag[OG_FS_TAG_MAX];
	uint32_t num_request_queues;
} __attribute__((packed));

enum {
	HIPRIO,
	REQUESTS,
	QUEUES
};

/* A request that the server has, with the guest's room for its answer. */
struct flight {
	struct og_virtq *q;
	uint16_t head;
	uint64_t unique;
	uint16_t n;
	struct iovec iov[OG_CHAIN_MAX];
};

struct fs {
	struct og_virtio virtio;
	struct fs_config config;
	struct og_fs_metrics *metrics, no_metrics;
	int socket_fd;		  /* borrowed */
	struct og_source *source; /* owned; NULL in tests */
	bool dead;		  /* the server has ended, or says what cannot be */
	bool mounted;
	unsigned stale; /* answers to come for requests from before a reset */
	unsigned first, count;
	struct flight flights[OG_FS_IN_FLIGHT_MAX];
};

static void push(struct fs *fs, struct flight *flight, uint32_t bytes)
{
	og_virtq_push(flight->q, flight->head, bytes);
	og_virtio_pushed(&fs->virtio, flight->q);
	fs->first = (fs->first + 1) % OG_FS_IN_FLIGHT_MAX;
	fs->count--;
}

static uint32_t put_error(const struct iovec *iov, size_t n, uint64_t unique, int error)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = unique };

	return (uint32_t)og_iov_write(iov, n, 0, &out, sizeof(out));
}

/* Nobody is left to wait for. */
static void die(struct fs *fs)
{
	fs->dead = true;
	fs->stale = 0;
	while (fs->count > 0) {
		struct flight *flight = &fs->flights[fs->first];

		og_counted(&fs->metrics->request_fails, 1);
		push(fs, flight, put_error(flight->iov, flight->n, flight->unique, -EIO));
	}
}

/* An answer that nobody waits for any more: 1, 0 (none is there), or negative. */
static int drop_answer(struct fs *fs, int flags)
{
	uint8_t byte;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fs->socket_fd, &msg, flags); /* seccomp knows no recv() here */

	if (n <= 0)
		return n < 0 && errno == EINTR ? 1 : n < 0 && errno == EAGAIN ? 0 : -EPIPE;
	fs->stale--;
	return 1;
}

/* The next answer, straight into the guest's memory; returns as above. */
static int take_answer(struct fs *fs, int flags)
{
	struct flight *flight = &fs->flights[fs->first];
	struct msghdr msg = { .msg_iov = flight->iov, .msg_iovlen = flight->n };
	ssize_t n = recvmsg(fs->socket_fd, &msg, flags);

	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < (ssize_t)sizeof(struct fuse_out_header) || (msg.msg_flags & MSG_TRUNC) != 0)
		return -EPIPE;
	og_counted(&fs->metrics->read_bytes, (uint64_t)n);
	push(fs, flight, (uint32_t)n);
	return 1;
}

/* Until none waits, or, with @flags 0, until nothing is under way. */
static void take_answers(struct fs *fs, int flags)
{
	int r = 1;

	while (r > 0 && !fs->dead && fs->stale + fs->count > 0)
		r = fs->stale > 0 ? drop_answer(fs, flags) : take_answer(fs, flags);
	if (r < 0 || (r == 0 && flags == 0))
		die(fs);
}

/* What the device has to know of a request: it is copied once, and sent as it was judged. */
static int send_request(struct fs *fs, const struct og_chain *chain, struct iovec *iov,
			const struct fuse_in_header *header)
{
	struct og_fs_envelope envelope = { .room = (uint32_t)chain->in_bytes };
	struct iovec all[OG_CHAIN_MAX + 2] = {
		{ &envelope, sizeof(envelope) },
		{ (void *)(uintptr_t)header, sizeof(*header) },
	};
	size_t n = og_iov_slice(iov, chain->n_out, sizeof(*header),
				chain->out_bytes - sizeof(*header));
	struct msghdr msg = { .msg_iov = all, .msg_iovlen = n + 2 };

	memcpy(all + 2, iov, n * sizeof(*iov));
	if (sendmsg(fs->socket_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	og_counted(&fs->metrics->request_count, 1);
	og_counted(&fs->metrics->write_bytes, chain->out_bytes);
	return 0;
}

static void remember(struct fs *fs, struct og_virtq *q, const struct og_chain *chain,
		     const struct iovec *in, const struct fuse_in_header *header)
{
	struct flight *flight = &fs->flights[(fs->first + fs->count++) % OG_FS_IN_FLIGHT_MAX];

	flight->q = q;
	flight->head = chain->head;
	flight->unique = header->unique;
	flight->n = chain->n_in;
	memcpy(flight->iov, in, chain->n_in * sizeof(*in));
}

/* The guest's messages are longer than any that is served, or the server has ended. */
static void refuse(struct fs *fs, struct og_virtq *q, const struct og_chain *chain,
		   const struct iovec *in, uint64_t unique, int error)
{
	uint32_t bytes = chain->n_in > 0 ? put_error(in, chain->n_in, unique, error) : 0;

	og_counted(&fs->metrics->request_fails, 1);
	og_virtq_push(q, chain->head, bytes);
}

static int serve(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		 struct iovec *iov)
{
	struct fs *fs = virtio->device;
	const struct iovec *in = iov + chain->n_out;
	struct fuse_in_header header;
	int r;

	if (chain->out_bytes < sizeof(header) ||
	    (chain->n_in > 0 && chain->in_bytes < sizeof(struct fuse_out_header)) ||
	    chain->in_bytes > UINT32_MAX)
		return -EPROTO;
	(void)og_iov_read(iov, chain->n_out, 0, &header, sizeof(header));
	if (fs->dead || chain->out_bytes > OG_FUSE_MESSAGE_MAX) {
		refuse(fs, q, chain, in, header.unique, fs->dead ? -ENOTCONN : -EINVAL);
		return 0;
	}
	if (fs->count + fs->stale >= OG_FS_IN_FLIGHT_MAX)
		return OG_VIRTIO_WAIT;
	r = send_request(fs, chain, iov, &header);
	if (r == -EAGAIN || r == -EINTR)
		return OG_VIRTIO_WAIT;
	if (r < 0) {
		refuse(fs, q, chain, in, header.unique, -EIO);
		return 0;
	}
	if (header.opcode == FUSE_INIT || header.opcode == FUSE_DESTROY)
		fs->mounted = header.opcode == FUSE_INIT;
	if (chain->n_in > 0)
		remember(fs, q, chain, in, &header);
	else
		og_virtq_push(q, chain->head, 0);
	return 0;
}

static int work(struct og_virtio *virtio)
{
	struct fs *fs = virtio->device;
	int r;

	take_answers(fs, MSG_DONTWAIT);
	r = og_virtio_serve(virtio, &virtio->queues[HIPRIO], serve);
	return r < 0 ? r : og_virtio_serve(virtio, &virtio->queues[REQUESTS], serve);
}

static void reset(struct og_virtio *virtio)
{
	struct fs *fs = virtio->device;

	fs->stale += fs->count;
	fs->count = 0;
	fs->mounted = false; /* the next driver begins with a FUSE_INIT of its own */
}

/* With its timeout the socket ends this also where the server does not answer. */
static void quiesce(struct og_virtio *virtio)
{
	struct fs *fs = virtio->device;

	(void)pthread_mutex_lock(&virtio->lock);
	take_answers(fs, 0);
	(void)pthread_mutex_unlock(&virtio->lock);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct fs *fs = virtio->device;

	(void)pack;
	if (fs->mounted && !fs->dead)
		return og_fail(err, -EBUSY,
			       "the guest has the folder '%.*s' mounted: what it has open there is "
			       "no part of a snapshot; unmount it in the guest first",
			       OG_FS_TAG_MAX, fs->config.tag);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	(void)virtio;
	(void)unpack;
	(void)err;
	return 0;
}

static void release(struct og_virtio *virtio)
{
	struct fs *fs = virtio->device;

	if (fs->source != NULL)
		(void)og_source_remove(fs->source);
	og_virtio_done(virtio);
	free(fs);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-fs",
	.device_id = VIRTIO_ID_FS,
	.n_queues = QUEUES,
	.work = work,
	.reset = reset,
	.free = release,
	.quiesce = quiesce,
	.save = save,
	.load = load,
};

static void on_socket(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	og_virtio_work(data);
}

/* By edge: a socket that hung up stays readable, and nothing is read while the machine is paused. */
static int watch(struct fs *fs, const struct og_device_world *world, struct og_err *err)
{
	const struct timeval timeout = { .tv_sec = OG_FS_ANSWER_TIMEOUT_S };

	if (setsockopt(fs->socket_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return og_fail(err, -errno, "set the timeout of answers");
	if (world->loop == NULL)
		return 0;
	return og_loop_add_fd(world->loop, fs->socket_fd, EPOLLIN | EPOLLOUT | EPOLLET, on_socket,
			      &fs->virtio, &fs->source, err);
}

int og_virtio_fs_new(const struct og_fs_config *config, const struct og_device_world *world,
		     struct og_virtio **ret_virtio, struct og_err *err)
{
	og_auto_free struct fs *fs = calloc(1, sizeof(*fs));
	size_t len = strnlen(config->tag, sizeof(config->tag));
	int r;

	if (len == 0 || len > OG_FS_TAG_MAX)
		return og_fail(err, -EINVAL, "a tag has 1 to %d bytes", OG_FS_TAG_MAX);
	if (fs == NULL)
		return og_fail(err, -ENOMEM, "make shared folder");
	fs->socket_fd = config->socket_fd;
	fs->metrics = world->metrics != NULL ? &world->metrics->fs[world->index] : &fs->no_metrics;
	memcpy(fs->config.tag, config->tag, len);
	fs->config.num_request_queues = 1;
	r = og_virtio_init(&fs->virtio, &ops, fs, world->mem, err);
	if (r < 0)
		return r;
	fs->virtio.config = &fs->config;
	fs->virtio.config_bytes = sizeof(fs->config);
	fs->virtio.metrics = &fs->metrics->virtio;
	r = watch(fs, world, err);
	if (r < 0) {
		og_virtio_done(&fs->virtio);
		return r;
	}
	*ret_virtio = &og_take_ptr(fs)->virtio;
	return 0;
}

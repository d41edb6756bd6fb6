/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"
#include "vmm/device/net_card.h"
#include "vmm/tap.h"

ssize_t og_net_transfer(struct net *net, struct iovec *iov, size_t n, bool in)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	int fd = net->config.tap_fd;
	ssize_t r;

	do {
		if (net->is_socket)
			r = in ? recvmsg(fd, &msg, MSG_DONTWAIT)
			       : sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			r = in ? readv(fd, iov, (int)n) : writev(fd, iov, (int)n);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static void count_mmds(struct net *net)
{
	struct og_mmds_counts counts = og_mmds_stack_take_counts(net->stack);
	struct og_mmds_metrics *metrics = net->mmds_metrics;

	og_counted(&metrics->rx_count, counts.accepted);
	og_counted(&metrics->rx_accepted, counts.accepted);
	og_counted(&metrics->rx_accepted_err, counts.accepted_err);
	og_counted(&metrics->rx_accepted_unusual, counts.accepted_unusual);
	og_counted(&metrics->tx_count, counts.frames);
	og_counted(&metrics->tx_frames, counts.frames);
	og_counted(&metrics->tx_bytes, counts.bytes);
	og_counted(&metrics->connections_created, counts.created);
	og_counted(&metrics->connections_destroyed, counts.destroyed);
}

/* What is not acknowledged has to be said again without anything that wakes us. */
static void set_stack_timer(struct net *net)
{
	uint64_t when_ms = og_mmds_stack_next_ms(net->stack);
	struct itimerspec when = {};

	/* Due already, but the driver has no buffers: it is the driver that we wait for. */
	if (when_ms <= net_now_ms())
		when_ms = UINT64_MAX;
	if (when_ms == net->stack_timer_ms || net->stack_timer_fd < 0)
		return;
	net->stack_timer_ms = when_ms;
	if (when_ms != UINT64_MAX)
		when.it_value =
			(struct timespec){ .tv_sec = (time_t)(when_ms / 1000),
					   .tv_nsec = (long)(when_ms % 1000) * 1000000 + 1 };
	(void)timerfd_settime(net->stack_timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void set_offloads(struct net *net)
{
	net->offloads_set = true;
	if (!net->is_socket)
		(void)og_tap_set_offloads(net->config.tap_fd,
					  og_net_tap_offloads(net->virtio.features));
}

static int work(struct og_virtio *virtio)
{
	struct net *net = virtio->device;
	int r;

	if (net->source == NULL) /* nobody tells us: we try */
		net->can_read = net->can_write = true;
	if (!net->offloads_set)
		set_offloads(net);
	r = og_net_send_waiting(net);
	if (r == 0)
		r = og_net_receive_waiting(net);
	if (net->stack != NULL) {
		count_mmds(net);
		set_stack_timer(net);
	}
	return r;
}

static void reset(struct og_virtio *virtio)
{
	struct net *net = virtio->device;

	net->offloads_set = false;
	net->most_room = 0;
	if (net->stack != NULL)
		og_mmds_stack_reset(net->stack);
}

static void release(struct og_virtio *virtio)
{
	struct net *net = virtio->device;

	(void)og_source_remove(net->source);
	if (net->owns_tap)
		og_close(net->config.tap_fd);
	og_close(net->stack_timer_fd);
	og_ratelimit_done(&net->rx_limit);
	og_ratelimit_done(&net->tx_limit);
	og_mmds_stack_free(net->stack);
	free(net->stack_frame);
	og_virtio_done(virtio);
	free(net);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	struct net *net = virtio->device;

	(void)err;
	og_pack_bytes(pack, net->config.mac, OG_NET_MAC_BYTES);
	og_ratelimit_save(&net->rx_limit, pack);
	og_ratelimit_save(&net->tx_limit, pack);
	return 0;
}

static void set_mac(struct net *net, const uint8_t *mac)
{
	memcpy(net->config.mac, mac, OG_NET_MAC_BYTES);
	memcpy(net->space.mac, mac, OG_NET_MAC_BYTES);
}

/* An address that the configuration names is the new one; the guest still has the old. */
static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct net *net = virtio->device;
	uint8_t mac[OG_NET_MAC_BYTES];

	og_unpack_bytes(unpack, mac, sizeof(mac));
	if (og_ratelimit_load(&net->rx_limit, unpack) < 0 ||
	    og_ratelimit_load(&net->tx_limit, unpack) < 0)
		return og_fail(err, -EBADMSG, "rate limits that cannot be");
	if (net_has_mac(net->config.mac))
		net->mac_changed = memcmp(net->config.mac, mac, sizeof(mac)) != 0;
	else
		set_mac(net, mac);
	return 0;
}

static void resumed(struct og_virtio *virtio)
{
	struct net *net = virtio->device;

	(void)pthread_mutex_lock(&virtio->lock);
	if (net->mac_changed) {
		og_counted(&net->metrics->mac_address_updates, 1);
		og_virtio_config_changed(virtio);
	}
	net->mac_changed = false;
	(void)pthread_mutex_unlock(&virtio->lock);
}

static void on_tap(struct og_source *source, uint32_t events, void *data)
{
	struct net *net = data;
	uint32_t gone = EPOLLHUP | EPOLLERR;

	(void)source;
	net->can_read |= (events & (EPOLLIN | gone)) != 0;
	net->can_write |= (events & (EPOLLOUT | gone)) != 0;
	og_virtio_work(&net->virtio);
}

static void on_stack_timer(struct og_source *source, uint32_t events, void *data)
{
	struct net *net = data;

	(void)source;
	(void)events;
	og_event_clear(net->stack_timer_fd);
	net->stack_timer_ms = UINT64_MAX;
	og_virtio_work(&net->virtio);
}

/* By edge: a queue of the tap that the guest has no room for is not reported for ever. */
static int watch_tap(struct net *net, struct og_err *err)
{
	net->can_read = net->can_write = true;
	if (net->loop == NULL)
		return 0;
	return og_loop_add_fd(net->loop, net->config.tap_fd, EPOLLIN | EPOLLOUT | EPOLLET, on_tap,
			      net, &net->source, err);
}

static int change_tap(struct net *net, int *fd, struct og_err *err)
{
	(void)og_source_remove(net->source);
	net->source = NULL;
	if (net->owns_tap)
		og_close(net->config.tap_fd);
	net->config.tap_fd = og_take_fd(fd);
	net->owns_tap = true;
	net->offloads_set = false;
	return watch_tap(net, err);
}

static int command(struct og_virtio *virtio, const void *body, int *fds, unsigned n_fds,
		   void *reply, struct og_err *err)
{
	struct net *net = virtio->device;
	const struct og_net_command *change = body;
	int r = 0;

	(void)reply;
	(void)pthread_mutex_lock(&virtio->lock);
	og_ratelimit_update(&net->rx_limit, &change->rx);
	og_ratelimit_update(&net->tx_limit, &change->tx);
	if (change->set_mac) {
		set_mac(net, change->mac);
		og_counted(&net->metrics->mac_address_updates, 1);
		og_virtio_config_changed(virtio);
	}
	if (n_fds > 0)
		r = change_tap(net, &fds[0], err);
	(void)pthread_mutex_unlock(&virtio->lock);
	og_virtio_kick(virtio);
	return r;
}

static const struct og_virtio_ops ops = {
	.name = "virtio-net",
	.device_id = VIRTIO_ID_NET,
	.features = 1ULL << VIRTIO_NET_F_MRG_RXBUF,
	.n_queues = QUEUES,
	.work = work,
	.reset = reset,
	.free = release,
	.save = save,
	.load = load,
	.resumed = resumed,
	.command = command,
};

static int open_stack(struct net *net, struct og_err *err)
{
	uint64_t seed = 0;
	int r;

	net->stack_timer_fd = -EBADF;
	net->stack_timer_ms = UINT64_MAX;
	if (net->config.mmds == NULL || net->config.mmds->respond == NULL)
		return 0;
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	r = og_mmds_stack_new(net->config.mmds, seed, &net->stack, err);
	if (r < 0)
		return r;
	net->stack_frame = malloc(OG_MMDS_INPUT_MAX);
	if (net->stack_frame == NULL)
		return og_fail(err, -ENOMEM, "make metadata service");
	if (net->loop == NULL)
		return 0;
	net->stack_timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (net->stack_timer_fd < 0)
		return og_fail(err, -errno, "make timer of the metadata service");
	return og_loop_add_fd(net->loop, net->stack_timer_fd, EPOLLIN, on_stack_timer, net, NULL,
			      err);
}

static int prepare_tap(struct net *net, struct og_err *err)
{
	struct stat st;
	unsigned offloads = 1; /* over a socket: checksums alone */
	int r;

	if (fstat(net->config.tap_fd, &st) < 0)
		return og_fail(err, -errno, "look at descriptor %d", net->config.tap_fd);
	net->is_socket = S_ISSOCK(st.st_mode);
	r = net->is_socket ? 0 : og_tap_prepare(net->config.tap_fd, &offloads, err);
	if (r < 0)
		return r;
	net->virtio.extra_features |= og_net_offload_features(offloads);
	return watch_tap(net, err);
}

static int check(const struct og_net_config *config, struct og_err *err)
{
	if (config->mtu != 0 && config->mtu < OG_NET_MTU_MIN)
		return og_fail(err, -EINVAL, "an MTU of %u (%d to %d)", config->mtu, OG_NET_MTU_MIN,
			       OG_NET_MTU_MAX);
	if ((config->mac[0] & 1) != 0)
		return og_fail(err, -EINVAL, "a hardware address of a group");
	return 0;
}

static void set_up(struct net *net, const struct og_device_world *world)
{
	bool counted = world->metrics != NULL;

	net->loop = world->loop;
	net->metrics = counted ? &world->metrics->net[world->index] : &net->own_metrics;
	net->mmds_metrics = counted ? &world->metrics->mmds : &net->own_mmds_metrics;
	net->virtio.metrics = &net->metrics->virtio;
	net->space.mtu = net->config.mtu;
	net->space.max_virtqueue_pairs = 1;
	set_mac(net, net->config.mac);
	net->virtio.config = &net->space;
	net->virtio.config_bytes = sizeof(net->space);
	if (net_has_mac(net->config.mac))
		net->virtio.extra_features |= 1ULL << VIRTIO_NET_F_MAC;
	if (net->config.mtu != 0)
		net->virtio.extra_features |= 1ULL << VIRTIO_NET_F_MTU;
}

int og_virtio_net_new(const struct og_net_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	struct net *net;
	int r = check(config, err);

	if (r < 0)
		return r;
	net = calloc(1, sizeof(*net));
	if (net == NULL)
		return og_fail(err, -ENOMEM, "make network card");
	r = og_virtio_init(&net->virtio, &ops, net, world->mem, err);
	if (r < 0) {
		free(net);
		return r;
	}
	net->config = *config;
	net->rx_limit.timer_fd = net->tx_limit.timer_fd = net->stack_timer_fd = -EBADF;
	set_up(net, world);
	r = og_ratelimit_init(&net->rx_limit, &config->rx_limit, world->loop, &net->virtio, err);
	if (r == 0)
		r = og_ratelimit_init(&net->tx_limit, &config->tx_limit, world->loop, &net->virtio,
				      err);
	if (r == 0)
		r = open_stack(net, err);
	if (r == 0)
		r = prepare_tap(net, err);
	if (r < 0) {
		release(&net->virtio);
		return r;
	}
	*ret_virtio = &net->virtio;
	return 0;
}

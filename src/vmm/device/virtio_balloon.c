/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/device/pages.h"

#define PAGES_PER_MIB 256U

/* Ids of hinting rounds begin behind the words with a meaning of their own. */
#define CMD_ID_FIRST (VIRTIO_BALLOON_CMD_ID_DONE + 1)

#define NO_HEAD (-1)

struct balloon {
	struct og_virtio virtio;
	struct virtio_balloon_config space;
	struct og_balloon_config config;
	const struct og_mem *mem;	    /* borrowed */
	struct og_balloon_metrics *metrics; /* borrowed, or the next */
	struct og_balloon_metrics no_metrics;
	int timer_fd; /* owned; rings when statistics are due */

	int stats_head; /* the request that waits to be sent back; NO_HEAD: none does */
	uint32_t stats_known;
	uint64_t stats[OG_BALLOON_STATS];

	uint32_t guest_cmd;
	bool guest_cmd_known, acknowledge;
};

static bool has(const struct og_virtio *virtio, unsigned feature)
{
	return (virtio->features & 1ULL << feature) != 0;
}

static int inflate(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		   struct iovec *iov)
{
	struct balloon *balloon = virtio->device;
	uint32_t frames[OG_BALLOON_FRAMES_MAX];
	struct og_page_range ranges[OG_BALLOON_FRAMES_MAX];
	size_t n;

	if (chain->n_in != 0 || chain->out_bytes % sizeof(frames[0]) != 0 ||
	    chain->out_bytes > sizeof(frames))
		return -EPROTO;
	n = og_iov_read(iov, chain->n_out, 0, frames, chain->out_bytes) / sizeof(frames[0]);
	n = og_pages_to_ranges(frames, n, ranges);
	for (size_t i = 0; i < n; i++)
		if (og_mem_discard(balloon->mem, ranges[i].gpa, ranges[i].bytes) == -EFAULT)
			return -EPROTO;
	og_counted(&balloon->metrics->inflate_count, 1);
	og_virtq_push(q, chain->head, 0);
	return 0;
}

/* The guest takes pages back by touching them. */
static int deflate(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		   struct iovec *iov)
{
	struct balloon *balloon = virtio->device;

	(void)iov;
	og_counted(&balloon->metrics->deflate_count, 1);
	og_virtq_push(q, chain->head, 0);
	return 0;
}

static void note_stats(struct balloon *balloon, const struct iovec *iov, size_t n, size_t bytes)
{
	struct virtio_balloon_stat stats[OG_BALLOON_STATS_MAX];
	size_t count;

	if (bytes > sizeof(stats))
		bytes = sizeof(stats);
	count = og_iov_read(iov, n, 0, stats, bytes) / sizeof(stats[0]);
	for (size_t i = 0; i < count; i++) {
		if (stats[i].tag >= OG_BALLOON_STATS)
			continue;
		balloon->stats[stats[i].tag] = stats[i].val;
		balloon->stats_known |= 1U << stats[i].tag;
	}
}

static void return_stats(struct balloon *balloon, struct og_virtq *q)
{
	if (balloon->stats_head == NO_HEAD)
		return;
	og_virtq_push(q, (uint16_t)balloon->stats_head, 0);
	balloon->stats_head = NO_HEAD;
}

/* The request is kept: sending it back is how the next statistics are asked for (5.5.6.3). */
static int hear_stats(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		      struct iovec *iov)
{
	struct balloon *balloon = virtio->device;

	if (chain->n_in != 0) {
		og_counted(&balloon->metrics->stats_update_fails, 1);
		return -EPROTO;
	}
	return_stats(balloon, q); /* there should be no other */
	note_stats(balloon, iov, chain->n_out, chain->out_bytes);
	balloon->stats_head = chain->head;
	og_counted(&balloon->metrics->stats_updates_count, 1);
	return 0;
}

/* Gives back what the buffers of a request cover. Returns the bytes. */
static uint64_t discard(struct balloon *balloon, const struct iovec *iov, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += og_mem_discard_at(balloon->mem, iov[i].iov_base, iov[i].iov_len);
	return bytes;
}

static void hear_hint_id(struct balloon *balloon, const struct iovec *iov, size_t n)
{
	uint32_t id;

	if (og_iov_read(iov, n, 0, &id, sizeof(id)) != sizeof(id))
		return;
	balloon->guest_cmd = id;
	balloon->guest_cmd_known = true;
	if (id != VIRTIO_BALLOON_CMD_ID_STOP || !balloon->acknowledge)
		return;
	balloon->space.free_page_hint_cmd_id = VIRTIO_BALLOON_CMD_ID_DONE;
	og_virtio_config_changed(&balloon->virtio);
}

static bool is_hinting(const struct balloon *balloon)
{
	return balloon->guest_cmd_known && balloon->guest_cmd >= CMD_ID_FIRST &&
	       balloon->guest_cmd == balloon->space.free_page_hint_cmd_id;
}

static int hear_hint(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		     struct iovec *iov)
{
	struct balloon *balloon = virtio->device;

	if (chain->n_out > 0) {
		hear_hint_id(balloon, iov, chain->n_out);
	} else if (is_hinting(balloon)) {
		og_counted(&balloon->metrics->free_page_hint_count, 1);
		og_counted(&balloon->metrics->free_page_hint_freed,
			   discard(balloon, iov, chain->n_in));
	}
	og_virtq_push(q, chain->head, 0);
	return 0;
}

static int hear_report(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		       struct iovec *iov)
{
	struct balloon *balloon = virtio->device;

	if (chain->n_out != 0)
		return -EPROTO;
	og_counted(&balloon->metrics->free_page_report_count, 1);
	og_counted(&balloon->metrics->free_page_report_freed, discard(balloon, iov, chain->n_in));
	og_virtq_push(q, chain->head, 0);
	return 0;
}

/* In the order of their queues; those of features that were not agreed on are left out. */
static const struct role {
	int feature; /* negative: always there */
	og_virtio_serve_fn *serve;
} roles[] = {
	{ -1, inflate },
	{ -1, deflate },
	{ VIRTIO_BALLOON_F_STATS_VQ, hear_stats },
	{ VIRTIO_BALLOON_F_FREE_PAGE_HINT, hear_hint },
	{ VIRTIO_BALLOON_F_REPORTING, hear_report },
};

#define ROLES (sizeof(roles) / sizeof(roles[0]))
#define STATS 2

/* NULL: not agreed on. */
static struct og_virtq *queue_of(struct og_virtio *virtio, size_t role)
{
	unsigned index = 0;

	for (size_t i = 0; i <= role; i++) {
		bool there = roles[i].feature < 0 || has(virtio, (unsigned)roles[i].feature);

		if (i == role)
			return there ? &virtio->queues[index] : NULL;
		index += there;
	}
	return NULL;
}

static int work(struct og_virtio *virtio)
{
	for (size_t i = 0; i < ROLES; i++) {
		struct og_virtq *q = queue_of(virtio, i);
		int r = q != NULL ? og_virtio_serve(virtio, q, roles[i].serve) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static void ask_for_stats(struct balloon *balloon)
{
	struct og_virtio *virtio = &balloon->virtio;
	struct og_virtq *q;

	(void)pthread_mutex_lock(&virtio->lock);
	q = queue_of(virtio, STATS);
	if (q != NULL && q->ready && !virtio->stopped) {
		return_stats(balloon, q);
		og_virtio_pushed(virtio, q);
	}
	(void)pthread_mutex_unlock(&virtio->lock);
}

static void on_timer(struct og_source *source, uint32_t events, void *data)
{
	struct balloon *balloon = data;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(balloon->timer_fd, &count, sizeof(count)) == sizeof(count))
		ask_for_stats(balloon);
}

/* @soon: the first time at once. */
static void arm(struct balloon *balloon, bool soon)
{
	uint16_t every_s = balloon->config.stats_interval_s;
	struct itimerspec when = {
		.it_value = { .tv_sec = soon ? 0 : every_s, .tv_nsec = soon ? 1 : 0 },
		.it_interval = { .tv_sec = every_s },
	};

	(void)timerfd_settime(balloon->timer_fd, 0, &when, NULL);
}

static void reset(struct og_virtio *virtio)
{
	struct balloon *balloon = virtio->device;

	balloon->stats_head = NO_HEAD;
	balloon->space.actual = 0;
	balloon->guest_cmd_known = false;
}

/* The driver tells how large the balloon is; what page poison it uses does not matter here. */
static void write_config(struct og_virtio *virtio, uint64_t offset, uint64_t value, unsigned len)
{
	struct balloon *balloon = virtio->device;

	if (offset == offsetof(struct virtio_balloon_config, actual) && len == sizeof(uint32_t))
		balloon->space.actual = (uint32_t)value;
}

static uint64_t memory_mib(const struct balloon *balloon)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < balloon->mem->n_regions; i++)
		bytes += balloon->mem->regions[i].bytes;
	return bytes >> 20;
}

static int check_amount(const struct balloon *balloon, uint32_t mib, struct og_err *err)
{
	if (mib > memory_mib(balloon))
		return og_fail(err, -EINVAL, "a balloon of %u MiB in memory of %llu", mib,
			       (unsigned long long)memory_mib(balloon));
	return 0;
}

static int set_amount(struct balloon *balloon, const struct og_balloon_command *command,
		      struct og_err *err)
{
	int r = check_amount(balloon, command->amount_mib, err);

	if (r < 0)
		return r;
	balloon->config.amount_mib = command->amount_mib;
	balloon->space.num_pages = command->amount_mib * PAGES_PER_MIB;
	og_virtio_config_changed(&balloon->virtio);
	return 0;
}

static int set_stats(struct balloon *balloon, const struct og_balloon_command *command,
		     struct og_err *err)
{
	if ((command->stats_interval_s == 0) != (balloon->config.stats_interval_s == 0))
		return og_fail(err, -EINVAL, "statistics cannot be turned on or off");
	balloon->config.stats_interval_s = command->stats_interval_s;
	if (command->stats_interval_s > 0)
		arm(balloon, true);
	return 0;
}

static int hint_start(struct balloon *balloon, const struct og_balloon_command *command,
		      struct og_err *err)
{
	uint32_t id = balloon->space.free_page_hint_cmd_id;

	if (!balloon->config.hinting)
		return og_fail(err, -EINVAL, "the balloon was made without hinting");
	if (id < balloon->guest_cmd)
		id = balloon->guest_cmd;
	balloon->space.free_page_hint_cmd_id = id < CMD_ID_FIRST || id == UINT32_MAX ? CMD_ID_FIRST
										     : id + 1;
	balloon->acknowledge = command->acknowledge_on_stop;
	og_virtio_config_changed(&balloon->virtio);
	return 0;
}

static int hint_stop(struct balloon *balloon, const struct og_balloon_command *command,
		     struct og_err *err)
{
	(void)command;
	if (!balloon->config.hinting)
		return og_fail(err, -EINVAL, "the balloon was made without hinting");
	balloon->space.free_page_hint_cmd_id = VIRTIO_BALLOON_CMD_ID_DONE;
	og_virtio_config_changed(&balloon->virtio);
	return 0;
}

static void tell_status(const struct balloon *balloon, struct og_balloon_status *ret_status)
{
	*ret_status = (struct og_balloon_status){
		.config = balloon->config,
		.target_pages = balloon->space.num_pages,
		.actual_pages = balloon->space.actual,
		.stats_known = balloon->stats_known,
		.host_cmd = balloon->space.free_page_hint_cmd_id,
		.guest_cmd = balloon->guest_cmd,
		.guest_cmd_known = balloon->guest_cmd_known,
	};
	for (unsigned i = 0; i < OG_BALLOON_STATS; i++)
		ret_status->stats[i] = balloon->stats[i];
}

static int command(struct og_virtio *virtio, const void *bytes, int *fds, unsigned n_fds,
		   void *reply, struct og_err *err)
{
	static int (*const kinds[])(struct balloon * balloon,
				    const struct og_balloon_command *command,
				    struct og_err *err) = {
		[OG_BALLOON_SET_AMOUNT] = set_amount,
		[OG_BALLOON_SET_STATS] = set_stats,
		[OG_BALLOON_HINT_START] = hint_start,
		[OG_BALLOON_HINT_STOP] = hint_stop,
	};
	const struct og_balloon_command *what = bytes;
	struct balloon *balloon = virtio->device;
	int r = 0;

	(void)fds;
	(void)n_fds;
	if (what->kind > OG_BALLOON_HINT_STOP)
		return og_fail(err, -EINVAL, "a balloon knows no command %u", what->kind);
	(void)pthread_mutex_lock(&virtio->lock);
	if (kinds[what->kind] != NULL)
		r = kinds[what->kind](balloon, what, err);
	tell_status(balloon, reply);
	(void)pthread_mutex_unlock(&virtio->lock);
	return r < 0 ? r : (int)sizeof(struct og_balloon_status);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct balloon *balloon = virtio->device;

	(void)err;
	og_pack_u32(pack, balloon->config.amount_mib);
	og_pack_u16(pack, balloon->config.stats_interval_s);
	og_pack_u32(pack, balloon->space.actual);
	og_pack_u32(pack, balloon->space.free_page_hint_cmd_id);
	og_pack_u32(pack, balloon->guest_cmd);
	og_pack_u8(pack, balloon->guest_cmd_known);
	og_pack_u8(pack, balloon->acknowledge);
	og_pack_u32(pack, (uint32_t)balloon->stats_head);
	og_pack_u32(pack, balloon->stats_known);
	for (unsigned i = 0; i < OG_BALLOON_STATS; i++)
		og_pack_u64(pack, balloon->stats[i]);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct balloon *balloon = virtio->device;
	const struct og_virtq *q = queue_of(virtio, STATS);
	uint16_t interval;
	int64_t head;

	balloon->config.amount_mib = og_unpack_u32(unpack);
	interval = og_unpack_u16(unpack);
	balloon->space.actual = og_unpack_u32(unpack);
	balloon->space.free_page_hint_cmd_id = og_unpack_u32(unpack);
	balloon->guest_cmd = og_unpack_u32(unpack);
	balloon->guest_cmd_known = og_unpack_bool(unpack);
	balloon->acknowledge = og_unpack_bool(unpack);
	head = (int32_t)og_unpack_u32(unpack);
	balloon->stats_known = og_unpack_u32(unpack) & ((1U << OG_BALLOON_STATS) - 1);
	for (unsigned i = 0; i < OG_BALLOON_STATS; i++)
		balloon->stats[i] = og_unpack_u64(unpack);

	if (head != NO_HEAD && (q == NULL || !q->ready || head < 0 || head >= q->size))
		return og_fail(err, -EBADMSG, "no request is %lld", (long long)head);
	if ((interval == 0) != (balloon->config.stats_interval_s == 0))
		return og_fail(err, -EBADMSG, "statistics cannot be turned on or off");
	balloon->stats_head = (int)head;
	balloon->config.stats_interval_s = interval;
	balloon->space.num_pages = balloon->config.amount_mib * PAGES_PER_MIB;
	if (interval > 0)
		arm(balloon, false);
	return check_amount(balloon, balloon->config.amount_mib, err);
}

static void release(struct og_virtio *virtio)
{
	struct balloon *balloon = virtio->device;

	og_close(balloon->timer_fd);
	og_virtio_done(virtio);
	free(balloon);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-balloon",
	.device_id = VIRTIO_ID_BALLOON,
	.n_queues = ROLES,
	.work = work,
	.reset = reset,
	.free = release,
	.write_config = write_config,
	.save = save,
	.load = load,
	.command = command,
};

static uint64_t features_of(const struct og_balloon_config *config)
{
	return (config->deflate_on_oom ? 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM : 0) |
	       (config->stats_interval_s > 0 ? 1ULL << VIRTIO_BALLOON_F_STATS_VQ : 0) |
	       (config->hinting ? 1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT : 0) |
	       (config->reporting ? 1ULL << VIRTIO_BALLOON_F_REPORTING : 0);
}

static int set_up(struct balloon *balloon, const struct og_device_world *world, struct og_err *err)
{
	int r = check_amount(balloon, balloon->config.amount_mib, err);

	if (r < 0)
		return r;
	if (balloon->config.stats_interval_s == 0)
		return 0;
	balloon->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (balloon->timer_fd < 0)
		return og_fail(err, -errno, "make the timer of statistics");
	arm(balloon, false);
	return world->loop == NULL ? 0
				   : og_loop_add_fd(world->loop, balloon->timer_fd, EPOLLIN,
						    on_timer, balloon, NULL, err);
}

int og_virtio_balloon_new(const struct og_balloon_config *config,
			  const struct og_device_world *world, struct og_virtio **ret_virtio,
			  struct og_err *err)
{
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	int r;

	if (balloon == NULL)
		return og_fail(err, -ENOMEM, "make balloon");
	r = og_virtio_init(&balloon->virtio, &ops, balloon, world->mem, err);
	if (r < 0) {
		free(balloon);
		return r;
	}
	balloon->mem = world->mem;
	balloon->config = *config;
	balloon->timer_fd = -EBADF;
	balloon->stats_head = NO_HEAD;
	balloon->metrics = world->metrics != NULL ? &world->metrics->balloon : &balloon->no_metrics;
	balloon->virtio.metrics = &balloon->metrics->virtio;
	balloon->virtio.config = &balloon->space;
	balloon->virtio.config_bytes = sizeof(balloon->space);
	balloon->virtio.extra_features = features_of(config);
	balloon->space.num_pages = config->amount_mib * PAGES_PER_MIB;
	r = set_up(balloon, world, err);
	if (r < 0) {
		og_virtio_free(&balloon->virtio);
		return r;
	}
	*ret_virtio = &balloon->virtio;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/ratelimit.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/* No timer is shorter: a bucket takes a millisecond at least to fill, so no tokens are lost. */
#define WAIT_MIN_NS NS_PER_MS

__extension__ typedef unsigned __int128 wide;

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* @a * @b / @c, rounded down or up, at most UINT64_MAX. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c, bool up)
{
	wide result = ((wide)a * b + (up ? c - 1 : 0)) / c;

	return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

static bool is_limit(const struct og_bucket *bucket)
{
	return bucket->config.size > 0 && bucket->config.refill_time_ms > 0;
}

static uint64_t refill_ns(const struct og_bucket *bucket)
{
	uint64_t ms = bucket->config.refill_time_ms;

	return ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS;
}

static void start(struct og_bucket *bucket, const struct og_bucket_config *config, uint64_t now_ns)
{
	*bucket = (struct og_bucket){
		.config = *config,
		.burst = config->one_time_burst,
		.budget = config->size,
		.filled_ns = now_ns,
	};
}

/* Only the time that made whole tokens is counted, so that no fraction is lost. */
static void refill(struct og_bucket *bucket, uint64_t now_ns)
{
	uint64_t whole_ns = refill_ns(bucket), passed_ns, tokens;

	if (now_ns <= bucket->filled_ns)
		return;
	passed_ns = now_ns - bucket->filled_ns;
	if (passed_ns >= whole_ns) {
		bucket->budget = bucket->config.size;
		bucket->filled_ns = now_ns;
		return;
	}
	tokens = scale(passed_ns, bucket->config.size, whole_ns, false);
	bucket->budget = least(add(bucket->budget, tokens), bucket->config.size);
	bucket->filled_ns += scale(tokens, whole_ns, bucket->config.size, false);
}

/* Whether @tokens may be taken; where not, *@ready_ns is put off to when they may. */
static bool may_take(struct og_bucket *bucket, uint64_t tokens, uint64_t now_ns, uint64_t *ready_ns)
{
	uint64_t missing, when;

	if (!is_limit(bucket) || tokens <= bucket->burst)
		return true;
	tokens -= bucket->burst;
	if (tokens <= bucket->budget)
		return true;
	refill(bucket, now_ns);
	if (tokens <= bucket->budget || tokens > bucket->config.size)
		return true;

	missing = tokens - bucket->budget;
	when = add(bucket->filled_ns, scale(missing, refill_ns(bucket), bucket->config.size, true));
	if (when > *ready_ns)
		*ready_ns = when;
	return false;
}

/* Takes what may_take() allowed. Returns until when what was overdrawn is being paid for. */
static uint64_t take(struct og_bucket *bucket, uint64_t tokens, uint64_t now_ns)
{
	uint64_t part;

	if (!is_limit(bucket))
		return 0;
	part = least(tokens, bucket->burst);
	bucket->burst -= part;
	tokens -= part;
	if (tokens == 0) {
		bucket->filled_ns = now_ns; /* a burst is no time to refill in */
		return 0;
	}
	part = least(tokens, bucket->budget);
	bucket->budget -= part;
	tokens -= part;
	if (tokens == 0)
		return 0;
	/* The time that pays for the rest fills no bucket. */
	bucket->filled_ns =
		add(now_ns, scale(tokens, refill_ns(bucket), bucket->config.size, true));
	return bucket->filled_ns;
}

static void give_back(struct og_bucket *bucket, uint64_t tokens)
{
	if (!is_limit(bucket))
		return;
	if (bucket->burst > 0)
		bucket->burst = least(add(bucket->burst, tokens), bucket->config.one_time_burst);
	else
		bucket->budget = least(add(bucket->budget, tokens), bucket->config.size);
}

void og_limiter_init(struct og_limiter *limiter, const struct og_limit_config *config,
		     uint64_t now_ns)
{
	*limiter = (struct og_limiter){};
	start(&limiter->bytes, &config->bytes, now_ns);
	start(&limiter->ops, &config->ops, now_ns);
}

void og_limiter_update(struct og_limiter *limiter, const struct og_limit_update *update,
		       uint64_t now_ns)
{
	if (update->set_bytes)
		start(&limiter->bytes, &update->config.bytes, now_ns);
	if (update->set_ops)
		start(&limiter->ops, &update->config.ops, now_ns);
	if (update->set_bytes || update->set_ops)
		limiter->blocked_until_ns = 0;
}

bool og_limiter_is_active(const struct og_limiter *limiter)
{
	return is_limit(&limiter->bytes) || is_limit(&limiter->ops);
}

/* Whether an operation of @bytes may begin; where not, @ready_ns is set. */
static bool may(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	uint64_t ready_ns = add(now_ns, WAIT_MIN_NS);

	if (now_ns < limiter->blocked_until_ns) {
		if (limiter->blocked_until_ns > ready_ns)
			ready_ns = limiter->blocked_until_ns;
	} else if (may_take(&limiter->ops, 1, now_ns, &ready_ns) &&
		   may_take(&limiter->bytes, bytes, now_ns, &ready_ns)) {
		return true;
	}
	limiter->ready_ns = ready_ns;
	return false;
}

static void take_both(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	uint64_t by_ops = take(&limiter->ops, 1, now_ns);
	uint64_t by_bytes = take(&limiter->bytes, bytes, now_ns);

	limiter->blocked_until_ns = by_ops > by_bytes ? by_ops : by_bytes;
}

bool og_limiter_take(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	if (!may(limiter, bytes, now_ns))
		return false;
	take_both(limiter, bytes, now_ns);
	return true;
}

bool og_limiter_may(struct og_limiter *limiter, uint64_t now_ns)
{
	return may(limiter, 1, now_ns);
}

void og_limiter_charge(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	if (is_limit(&limiter->bytes))
		refill(&limiter->bytes, now_ns);
	take_both(limiter, bytes, now_ns);
}

void og_limiter_give_back(struct og_limiter *limiter, uint64_t bytes)
{
	give_back(&limiter->ops, 1);
	give_back(&limiter->bytes, bytes);
	limiter->blocked_until_ns = 0;
}

static void save(const struct og_bucket *bucket, uint64_t now_ns, struct og_pack *pack)
{
	og_pack_u64(pack, bucket->config.size);
	og_pack_u64(pack, bucket->config.one_time_burst);
	og_pack_u64(pack, bucket->config.refill_time_ms);
	og_pack_u64(pack, bucket->burst);
	og_pack_u64(pack, bucket->budget);
	og_pack_u64(pack, now_ns > bucket->filled_ns ? now_ns - bucket->filled_ns : 0);
}

static int load(struct og_bucket *bucket, uint64_t now_ns, struct og_unpack *unpack)
{
	struct og_bucket got = {};
	uint64_t passed_ns;

	got.config.size = og_unpack_u64(unpack);
	got.config.one_time_burst = og_unpack_u64(unpack);
	got.config.refill_time_ms = og_unpack_u64(unpack);
	got.burst = og_unpack_u64(unpack);
	got.budget = og_unpack_u64(unpack);
	passed_ns = og_unpack_u64(unpack);
	if (unpack->failed || got.burst > got.config.one_time_burst || got.budget > got.config.size)
		return -EBADMSG;

	/* A clock that began later than the saved one cannot tell all of the time that passed. */
	got.filled_ns = now_ns > passed_ns ? now_ns - passed_ns : 0;
	*bucket = got;
	return 0;
}

void og_limiter_save(const struct og_limiter *limiter, uint64_t now_ns, struct og_pack *pack)
{
	save(&limiter->bytes, now_ns, pack);
	save(&limiter->ops, now_ns, pack);
}

int og_limiter_load(struct og_limiter *limiter, uint64_t now_ns, struct og_unpack *unpack)
{
	struct og_limiter got = {};

	if (load(&got.bytes, now_ns, unpack) < 0 || load(&got.ops, now_ns, unpack) < 0)
		return -EBADMSG;
	*limiter = got;
	return 0;
}

static uint64_t now(void)
{
	struct timespec time = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void on_timer(struct og_source *source, uint32_t events, void *data)
{
	struct og_ratelimit *limit = data;

	(void)source;
	(void)events;
	og_event_clear(limit->timer_fd);
	og_virtio_work(limit->virtio);
}

int og_ratelimit_init(struct og_ratelimit *limit, const struct og_limit_config *config,
		      struct og_loop *loop, struct og_virtio *virtio, struct og_err *err)
{
	int r;

	*limit = (struct og_ratelimit){ .virtio = virtio, .timer_fd = -EBADF };
	og_limiter_init(&limit->limiter, config, now());
	if (loop == NULL)
		return 0;
	limit->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (limit->timer_fd < 0)
		return og_fail(err, -errno, "make timer of a rate limit");
	r = og_loop_add_fd(loop, limit->timer_fd, EPOLLIN, on_timer, limit, &limit->source, err);
	if (r < 0)
		limit->timer_fd = og_close(limit->timer_fd);
	return r;
}

void og_ratelimit_done(struct og_ratelimit *limit)
{
	limit->source = og_source_remove(limit->source);
	limit->timer_fd = og_close(limit->timer_fd);
}

static void arm(const struct og_ratelimit *limit)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(limit->limiter.ready_ns / NS_PER_S),
			      .tv_nsec = (long)(limit->limiter.ready_ns % NS_PER_S) },
	};

	if (limit->timer_fd >= 0)
		(void)timerfd_settime(limit->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

bool og_ratelimit_take(struct og_ratelimit *limit, uint64_t bytes)
{
	if (!og_limiter_is_active(&limit->limiter) ||
	    og_limiter_take(&limit->limiter, bytes, now()))
		return true;
	arm(limit);
	return false;
}

bool og_ratelimit_may(struct og_ratelimit *limit)
{
	if (!og_limiter_is_active(&limit->limiter) || og_limiter_may(&limit->limiter, now()))
		return true;
	arm(limit);
	return false;
}

void og_ratelimit_charge(struct og_ratelimit *limit, uint64_t bytes)
{
	if (og_limiter_is_active(&limit->limiter))
		og_limiter_charge(&limit->limiter, bytes, now());
}

void og_ratelimit_give_back(struct og_ratelimit *limit, uint64_t bytes)
{
	og_limiter_give_back(&limit->limiter, bytes);
}

void og_ratelimit_update(struct og_ratelimit *limit, const struct og_limit_update *update)
{
	og_limiter_update(&limit->limiter, update, now());
}

void og_ratelimit_save(const struct og_ratelimit *limit, struct og_pack *pack)
{
	og_limiter_save(&limit->limiter, now(), pack);
}

int og_ratelimit_load(struct og_ratelimit *limit, struct og_unpack *unpack)
{
	return og_limiter_load(&limit->limiter, now(), unpack);
}

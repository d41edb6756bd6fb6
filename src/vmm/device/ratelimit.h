/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a device may move in how much time: two token buckets, one of bytes and one of operations,
 * with the meaning that Firecracker's users know.
 *
 * A bucket begins full and fills up evenly, empty to full in its refill time. A burst, given once, is
 * used up first. An operation larger than a whole bucket is let through as soon as the bucket may be
 * taken from, and is paid for by the time that it would have taken, in which nothing else passes and
 * nothing fills up: what passes in the long run is what the bucket says, whatever the operations' size.
 *
 * og_limiter does no I/O: time is passed in, in nanoseconds that only grow. og_ratelimit is one with a
 * clock, and a timer on the loop of the I/O thread that calls the device's work when it may go on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/snapshot/pack.h"

struct og_loop;
struct og_source;
struct og_virtio;

/* Without a size or a refill time there is no limit. */
struct og_bucket_config {
	uint64_t size;
	uint64_t one_time_burst;
	uint64_t refill_time_ms;
};

/* All zeros: no limit. */
struct og_limit_config {
	struct og_bucket_config bytes;
	struct og_bucket_config ops;
};

/* What an operator changes at run time: the buckets named start anew. */
struct og_limit_update {
	struct og_limit_config config;
	bool set_bytes, set_ops;
};

struct og_bucket {
	struct og_bucket_config config;
	uint64_t burst;	    /* what is left of the one that is given once */
	uint64_t budget;    /* tokens, up to config.size, at @filled_ns */
	uint64_t filled_ns; /* up to when refilling was counted */
};

struct og_limiter {
	struct og_bucket bytes, ops;
	uint64_t blocked_until_ns; /* an operation larger than a bucket is being paid for */
	uint64_t ready_ns;	   /* after a refusal: when it is worth to try again */
};

void og_limiter_init(struct og_limiter *limiter, const struct og_limit_config *config,
		     uint64_t now_ns);
void og_limiter_update(struct og_limiter *limiter, const struct og_limit_update *update,
		       uint64_t now_ns);

/* Whether there is any limit at all. */
bool og_limiter_is_active(const struct og_limiter *limiter);

/* Takes one operation of @bytes. Refused: nothing is taken, and @ready_ns is set. */
bool og_limiter_take(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns);

/* Gives the last operation, of @bytes, back: it did not take place. */
void og_limiter_give_back(struct og_limiter *limiter, uint64_t bytes);

/*
 * For what shows its size only when it is done, as a frame that arrives: whether something may begin
 * (refused: @ready_ns is set), and what it then took, which nothing refuses: a bucket that it overdraws
 * is paid for by time.
 */
bool og_limiter_may(struct og_limiter *limiter, uint64_t now_ns);
void og_limiter_charge(struct og_limiter *limiter, uint64_t bytes, uint64_t now_ns);

/* With the limits themselves. Errors of load: -EBADMSG. */
void og_limiter_save(const struct og_limiter *limiter, uint64_t now_ns, struct og_pack *pack);
int og_limiter_load(struct og_limiter *limiter, uint64_t now_ns, struct og_unpack *unpack);

struct og_ratelimit {
	struct og_limiter limiter;
	struct og_virtio *virtio; /* whose work is called; borrowed */
	int timer_fd;		  /* owned; negative without a loop */
	struct og_source *source;
};

/*
 * I/O thread's all. @loop may be NULL, as in tests: nobody is called then. The timer is made here, so
 * that limits can be set later without a system call that makes descriptors. On success
 * og_ratelimit_done() is the caller's to call, while the loop still is.
 */
int og_ratelimit_init(struct og_ratelimit *limit, const struct og_limit_config *config,
		      struct og_loop *loop, struct og_virtio *virtio, struct og_err *err);
void og_ratelimit_done(struct og_ratelimit *limit);

/*
 * Takes one operation of @bytes. Where it is refused, stop working: og_virtio_work() is called when
 * there is room for it. Without limits the clock is not even read.
 */
bool og_ratelimit_take(struct og_ratelimit *limit, uint64_t bytes);
void og_ratelimit_give_back(struct og_ratelimit *limit, uint64_t bytes);

/* The same for what shows its size only when it is done. */
bool og_ratelimit_may(struct og_ratelimit *limit);
void og_ratelimit_charge(struct og_ratelimit *limit, uint64_t bytes);

/* The device's work is to be called afterwards: what waited may pass now. */
void og_ratelimit_update(struct og_ratelimit *limit, const struct og_limit_update *update);

void og_ratelimit_save(const struct og_ratelimit *limit, struct og_pack *pack);
int og_ratelimit_load(struct og_ratelimit *limit, struct og_unpack *unpack);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often somebody may ask: a bucket of tokens for each account or address (RFC 6585's 429 is what
 * an empty one is answered with). The table has a fixed size: of those who are in it the one whose
 * bucket is fullest makes room for a newcomer, so that strangers in any number take no memory, and
 * one who asks too often does not get a new bucket by it. May be used by many threads.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_RATE_SETS 1024U
#define OG_RATE_WAYS 8U /* of a set: where one name may be */

/* So long it takes at most until who owes has paid. */
#define OG_RATE_DEBT_S 3600U

struct og_rate;

/* @rate tokens a second, from 1, up to @burst. On success *@ret_rate is the caller's to free. */
int og_rate_new(uint64_t rate, uint64_t burst, struct og_rate **ret_rate, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_rate *og_rate_free(struct og_rate *rate);
OG_DEFINE_CLEANUP(struct og_rate, og_rate_free)

/*
 * Takes @tokens of @who at @now_ms (og_clock_ms()). False: there are not so many, and none was
 * taken; *@ret_wait_s, from 1, is when there will be. With 0 tokens it asks whether there is one. A NULL
 * @rate has always enough.
 */
bool og_rate_take(struct og_rate *rate, const char *who, unsigned tokens, uint64_t now_ms,
		  unsigned *ret_wait_s);

/*
 * Takes one token also where there is none: of who asked whether there is one, many times at once, and
 * only then used it. What is owed comes off what comes in. A NULL @rate counts nothing.
 */
void og_rate_charge(struct og_rate *rate, const char *who, uint64_t now_ms);

/*
 * The name of a numeric address in a table of rates: of IPv6 it is the network of 64 bits, since
 * whoever has one address of it has them all.
 */
void og_rate_name(const char *address, char ret_name[INET6_ADDRSTRLEN]);

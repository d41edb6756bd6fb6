/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/rate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/password.h"

#define SECRET_BYTES 16U

/* Tokens are counted in thousandths, so that a millisecond's share of one a second is a number. */
#define UNIT INT64_C(1000)

struct bucket {
	uint64_t name[2]; /* of a keyed hash: nobody can choose another's; 0, 0: empty */
	int64_t units;	  /* negative: owed */
	uint64_t at_ms;
};

struct og_rate {
	pthread_mutex_t lock;
	int64_t rate, full; /* units a second are rate * UNIT; @full in units */
	unsigned char secret[SECRET_BYTES];
	struct bucket buckets[OG_RATE_SETS][OG_RATE_WAYS];
};

int og_rate_new(uint64_t rate, uint64_t burst, struct og_rate **ret_rate, struct og_err *err)
{
	struct og_rate *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return og_fail(err, -ENOMEM, "rates");
	(void)pthread_mutex_init(&made->lock, NULL);
	made->rate = (int64_t)rate;
	made->full = (int64_t)burst * UNIT;
	for (size_t i = 0; i < OG_RATE_SETS; i++)
		for (size_t k = 0; k < OG_RATE_WAYS; k++)
			made->buckets[i][k].units = made->full;
	og_random(made->secret, sizeof(made->secret));
	*ret_rate = made;
	return 0;
}

struct og_rate *og_rate_free(struct og_rate *rate)
{
	if (rate == NULL)
		return NULL;
	(void)pthread_mutex_destroy(&rate->lock);
	free(rate);
	return NULL;
}

static void refill(const struct og_rate *rate, struct bucket *bucket, uint64_t now_ms)
{
	uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;

	/* A unit is a thousandth of a token: `rate` a second are `rate` units a millisecond. */
	if (passed > (uint64_t)((rate->full - bucket->units) / rate->rate))
		bucket->units = rate->full;
	else
		bucket->units += (int64_t)passed * rate->rate;
	if (bucket->units > rate->full)
		bucket->units = rate->full;
	bucket->at_ms = now_ms;
}

static struct bucket *find(struct og_rate *rate, const char *who, uint64_t now_ms)
{
	unsigned char mac[OG_HMAC_SHA256_BYTES];
	struct bucket *set, *fullest;
	uint64_t name[2];

	og_hmac_sha256(rate->secret, sizeof(rate->secret), who, strlen(who), mac);
	memcpy(name, mac, sizeof(name));
	set = rate->buckets[(mac[16] | (unsigned)mac[17] << 8) % OG_RATE_SETS];
	fullest = &set[0];
	for (size_t i = 0; i < OG_RATE_WAYS; i++) {
		refill(rate, &set[i], now_ms);
		if (set[i].name[0] == name[0] && set[i].name[1] == name[1])
			return &set[i];
		if (set[i].units > fullest->units)
			fullest = &set[i];
	}
	memcpy(fullest->name, name, sizeof(name));
	/* Where all are empty a newcomer is no better off than who was pushed out, but owes nothing. */
	if (fullest->units < 0)
		fullest->units = 0;
	fullest->at_ms = now_ms;
	return fullest;
}

bool og_rate_take(struct og_rate *rate, const char *who, unsigned tokens, uint64_t now_ms,
		  unsigned *ret_wait_s)
{
	int64_t wanted = (int64_t)(tokens > 0 ? tokens : 1) * UNIT, lacking;
	struct bucket *bucket;
	bool enough;

	if (rate == NULL)
		return true;
	(void)pthread_mutex_lock(&rate->lock);
	bucket = find(rate, who, now_ms);
	enough = bucket->units >= wanted;
	lacking = enough ? 0 : wanted - bucket->units;
	if (enough && tokens > 0)
		bucket->units -= wanted;
	(void)pthread_mutex_unlock(&rate->lock);
	if (!enough)
		*ret_wait_s = (unsigned)(lacking / (rate->rate * UNIT) + 1);
	return enough;
}

void og_rate_charge(struct og_rate *rate, const char *who, uint64_t now_ms)
{
	struct bucket *bucket;

	if (rate == NULL)
		return;
	(void)pthread_mutex_lock(&rate->lock);
	bucket = find(rate, who, now_ms);
	bucket->units -= UNIT;
	if (bucket->units < -rate->rate * UNIT * OG_RATE_DEBT_S)
		bucket->units = -rate->rate * UNIT * OG_RATE_DEBT_S;
	(void)pthread_mutex_unlock(&rate->lock);
}

void og_rate_name(const char *address, char ret_name[INET6_ADDRSTRLEN])
{
	struct in6_addr six;

	(void)snprintf(ret_name, INET6_ADDRSTRLEN, "%s", address);
	if (inet_pton(AF_INET6, address, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
		return;
	memset(&six.s6_addr[8], 0, 8);
	(void)inet_ntop(AF_INET6, &six, ret_name, INET6_ADDRSTRLEN);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata service as its guest sees it: one HTTP request to one answer, both as bytes. It runs
 * in the machine's process under its seccomp filter: no I/O, no memory of its own, no recursion.
 * What a guest may ask for is Firecracker's: V1 and V2 (sessions by token), output as JSON or as
 * EC2's IMDS has it, and the header names of both.
 *
 * A token is an expiry and a nonce with a MAC over both (SipHash-2-4 with a random key), so that
 * none has to be remembered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_MMDS_KEY_BYTES 32 /* two of SipHash, for a MAC of 128 bits */
/* The longest request: a head. It has no body that would be read. */
#define OG_MMDS_REQUEST_MAX 8192U
/* What an answer takes beside the data. */
#define OG_MMDS_ANSWER_EXTRA 512U
#define OG_MMDS_TTL_S_MAX    21600U

struct og_mmds {
	const char *text; /* the data as compact JSON; borrowed; NULL: there is none */
	size_t len;
	bool v2;	  /* a token must be shown */
	bool imds_compat; /* never JSON */
	uint8_t key[OG_MMDS_KEY_BYTES];
};

/* What a request did, for the counters of the same names. */
struct og_mmds_outcome {
	bool invalid_token, no_token;
	bool keep_alive; /* more requests may follow on this connection */
	size_t taken;	 /* bytes of the request */
};

/*
 * Answers the request at the front of @request. @now_ms is a clock that only grows, @nonce a random
 * number. Returns the bytes written to @answer, which needs og_mmds_answer_max() bytes; 0: the
 * request is not complete yet.
 */
size_t og_mmds_respond(const struct og_mmds *mmds, const char *request, size_t len, uint64_t now_ms,
		       uint64_t nonce, char *answer, size_t size,
		       struct og_mmds_outcome *ret_outcome);

static inline size_t og_mmds_answer_max(size_t data_max)
{
	return data_max + OG_MMDS_REQUEST_MAX + OG_MMDS_ANSWER_EXTRA;
}

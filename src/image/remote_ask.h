/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the registry client: one request with all that may come in its way. */
#pragma once

#include "image/remote.h"

/* What is asked of the registry, and by whom. Zero-initialise; og_inquiry_done() ends it. */
struct og_inquiry {
	struct og_remote *registry;
	struct og_http_client *client;
	const char *path;   /* below /v2/NAME/ ... */
	const char *root;   /* ... or below /ROOT/ */
	const char *url;    /* in place of both: an address that the registry named */
	const char *method; /* NULL: GET */
	const struct og_http_upload *upload;
	const char *const *headers;
	int accepted[4]; /* statuses that are success; none: 200 and 206 */
	size_t max_body_bytes;
	og_http_body_fn *body;
	int (*prepare)(void *data, struct og_err *err); /* before each sending; may be NULL */
	const uint64_t *progress; /* when it grows, there is hope again; may be NULL */
	void *data;		  /* for @body and @prepare */
	char *asked_url;	  /* owned; what was asked at last, to resolve a Location */
};

void og_inquiry_done(struct og_inquiry *inquiry);
#define og_auto_inquiry og_cleanup(og_inquiry_done) struct og_inquiry

/* One try, with authorization. Success is an accepted status. */
int og_inquire_once(struct og_inquiry *inquiry, struct og_http_response **ret_response,
		    struct og_err *err);

/* Tries until it works, as long as there is hope. */
int og_inquire(struct og_inquiry *inquiry, struct og_http_response **ret_response,
	       struct og_err *err);

/* For those who count tries by themselves. */
struct og_inquiry_tries {
	uint64_t progress;
	int count, fruitless;
};

bool og_may_pass_by_itself(int r);
/* After a failure: may it be tried again? */
bool og_inquiry_hope(struct og_inquiry_tries *tries, uint64_t progress);
/* Waits before the next try: 0.1 s, doubled each time, 3.2 s at most. Errors: the tick's. */
int og_inquiry_pause(struct og_inquiry *inquiry, int tries);

/* The token shall be for pulling from this repository, too. */
int og_remote_set_mount_from(struct og_remote *registry, const char *from, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry asks for in WWW-Authenticate (RFC 9110, section 11.6.1; the distribution
 * specification's token authentication): Bearer with a realm, service and scope, or Basic.
 * Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OG_CHALLENGE_FIELD_MAX 1024 /* chars; real realms and scopes are under 200 */

struct og_challenge {
	bool basic;				  /* Basic is offered */
	bool bearer;				  /* Bearer is offered, with a realm: */
	char realm[OG_CHALLENGE_FIELD_MAX + 1];	  /* the token server's URL */
	char service[OG_CHALLENGE_FIELD_MAX + 1]; /* "" where missing */
	char scope[OG_CHALLENGE_FIELD_MAX + 1];	  /* "" where missing */
};

/*
 * Reads one WWW-Authenticate value, which may hold several challenges, and adds to @challenge
 * (zeroed before the first value). Unknown schemes are passed over; the first Bearer counts.
 * Errors: -EBADMSG (not such a header), -E2BIG (a field too long); @challenge is then unchanged.
 */
int og_challenge_parse(const char *value, struct og_challenge *challenge, struct og_err *err);

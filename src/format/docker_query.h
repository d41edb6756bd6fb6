/* SPDX-License-Identifier: Apache-2.0 */
/* What else Docker's clients put into queries and headers: filters, and registry credentials. No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

/* A filter text, decoded from the query. docker ps with 100 labels has 10 KiB. */
#define OG_FILTERS_MAX_BYTES (64U * 1024U)

/* Decoded credentials; an identity token is the largest part, some KiB. */
#define OG_REGISTRY_AUTH_MAX_BYTES (32U * 1024U)

/*
 * Reads {"key":["value",...]} and the older {"key":{"value":true}} into the first form. @text may be
 * NULL or "": no filters. @accepted ends with NULL. *@ret_filters is the caller's.
 * Errors: -EINVAL, also for a key that is not accepted ("invalid filter 'x'").
 */
int og_filters_parse(const char *text, const char *const *accepted, struct og_json **ret_filters,
		     struct og_err *err);

/* Values of one key, NULL: not filtered by it. */
const struct og_json *og_filters_get(const struct og_json *filters, const char *key);

/* True when @key is not filtered, or @value is one of its values. */
bool og_filters_allow(const struct og_json *filters, const char *key, const char *value);

/* True when @labels (an object of strings, or NULL) has all of the filter `label`'s "key" and
 * "key=value". */
bool og_filters_allow_labels(const struct og_json *filters, const struct og_json *labels);

/* Credentials of X-Registry-Auth; what is missing is "". */
struct og_registry_auth {
	char *user;
	char *password;
	char *identity_token;
};

void og_registry_auth_done(struct og_registry_auth *auth);

/*
 * Reads base64url or base64 of {"username":…,"password":…,"identitytoken":…}, "auth" as an
 * alternative. NULL and "" are no credentials. Errors: -EINVAL; the text never has a part of them.
 */
int og_registry_auth_parse(const char *text, struct og_registry_auth *ret_auth, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a registry is convinced: the distribution specification's token authentication (Bearer) and
 * Basic. And who may be asked over what.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/http_client.h"

struct og_remote_options;

/* Is @domain ("host[:port]") this machine, or in the list @insecure (may be NULL)? */
bool og_remote_is_insecure(const char *domain, const char *const *insecure);

/* https always, http to those above alone. */
bool og_remote_may_ask(const char *url, const char *const *insecure);

#define OG_REMOTE_SCOPES_MAX 2

/*
 * Answers a 401 to a request that needs @scopes ("repository:NAME:pull"), NULL-terminated. *@ret_authorization is the value of the header to try
 * next, the caller's to free; untouched when nothing can be offered.
 *
 * Errors: -EACCES (the token server refuses), -EPROTO, -EPERM (a realm that may not be asked),
 * the network's.
 */
int og_remote_authorize(struct og_http_client *client, const struct og_http_response *response,
			const struct og_remote_options *options, const char *const *scopes,
			char **ret_authorization, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* Work on many blobs by a few threads, each with a connection of its own. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/http_client.h"

#define OG_CREW_THREADS_MAX \
	3 /* as Docker's downloads: one alone leaves the network idle at times */

/* Does the @index-th piece. Several are done at the same time. */
typedef int og_crew_fn(void *data, struct og_http_client *client, size_t index, struct og_err *err);

/*
 * Does pieces 0 to @count - 1. The first failure ends it all and is the result; @stop (may be NULL) is
 * then called once, so that what others have under way need not be waited for.
 */
int og_crew_run(size_t count, og_crew_fn *fn, void (*stop)(void *data), void *data,
		struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another registry, asked for what this one has not got: the client's side of the distribution
 * specification as far as a pull-through cache needs it. What comes is not judged here, but by whoever
 * takes it (by its digest).
 *
 * Redirects are followed (storage elsewhere is usual), credentials go to the upstream's own host and
 * to the token server it names over the same kind of connection. Where a redirect or a token server may
 * be is bounded by where the upstream itself is (A54): one in the world leads nowhere but into the world,
 * one in a private network not to what only a machine itself has, loopback and link-local. That is looked
 * at in the URL and once more in the address that is connected to, whatever a name resolves to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "registry/config.h"

#define OG_UPSTREAM_MANIFEST_MAX (4U << 20)
#define OG_UPSTREAM_TOKEN_MAX	 16384U

struct og_upstream;

/* @config must outlive it. On success *@ret_upstream is the caller's to free; for many threads. */
int og_upstream_new(const struct og_config_upstream *config, struct og_upstream **ret_upstream,
		    struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_upstream *og_upstream_free(struct og_upstream *upstream);
OG_DEFINE_CLEANUP(struct og_upstream, og_upstream_free)

/* What is being asked, and what would be, fails from now on: -ECANCELED. */
void og_upstream_stop(struct og_upstream *upstream);

/* How far away is who has an address? */
enum og_upstream_place {
	OG_UPSTREAM_MACHINE, /* loopback, link-local, unspecified */
	OG_UPSTREAM_SITE,    /* a private network */
	OG_UPSTREAM_WORLD,
};

struct sockaddr;

enum og_upstream_place og_upstream_place(const struct sockaddr *address);

/* May a request lead to @url, by a redirect or as the server of tokens? As far as its text says. */
bool og_upstream_may_ask(const struct og_upstream *upstream, const char *url);

struct og_upstream_manifest {
	char *buf; /* owned */
	size_t len;
	char media_type[128];
	char digest[160]; /* as the upstream says; "" where it does not */
};

void og_upstream_manifest_done(struct og_upstream_manifest *manifest);

/*
 * Fetches the manifest @reference (a tag or digest) of @repository, a name at the upstream. With
 * @known_digest ("" for none) one that still is that is not sent: returns 1, and no manifest. Errors:
 * -ENOENT, -EACCES, the network's (the upstream is away: -EHOSTUNREACH and the like), -EBADMSG.
 */
int og_upstream_manifest(struct og_upstream *upstream, const char *repository,
			 const char *reference, const char *known_digest,
			 struct og_upstream_manifest *ret_manifest, struct og_err *err);

typedef int og_upstream_sink_fn(void *data, const void *buf, size_t len, struct og_err *err);

/* Fetches a blob into @sink. Errors likewise, and what @sink returns. */
int og_upstream_blob(struct og_upstream *upstream, const char *repository, const char *digest,
		     og_upstream_sink_fn *sink, void *data, struct og_err *err);

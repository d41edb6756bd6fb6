/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of a registry: OCI distribution-spec, pull; Docker Registry HTTP API v2. One
 * og_registry speaks of one repository and is shared by the threads of one pull, each with a
 * client (og_http_client) of its own.
 *
 * HTTPS always, except to this machine (loopback) and to registries named as insecure: those may
 * show any certificate or, where HTTPS fails, speak HTTP. Credentials go to the registry itself
 * and to the token server it names, over the same kinds of connection and to nobody else.
 */
#pragma once

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/http_client.h"
#include "format/imageref.h"

struct og_registry;

struct og_registry_options {
	const char *user;
	const char *password;
	const char *identity_token;
	const char *const *insecure; /* "host[:port]", NULL-terminated, or NULL */
	int (*tick)(void *data);     /* a negative errno cancels what is under way; may be NULL */
	void *tick_data;
};

/* Does no I/O; what @options points to must outlive it. On success *@ret_registry is the caller's. */
int og_registry_new(const struct og_imageref *ref, const struct og_registry_options *options,
		    struct og_registry **ret_registry, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_registry *og_registry_free(struct og_registry *registry);
OG_DEFINE_CLEANUP(struct og_registry, og_registry_free)

/* A manifest as it came. */
struct og_document {
	char *buf; /* owned, NUL-terminated */
	size_t len;
	char media_type[128]; /* Content-Type, "" where missing */
	struct og_digest digest;
};

void og_document_done(struct og_document *document);

/*
 * Fetches a manifest by tag or by digest text. By digest its content is checked; by tag the digest
 * the registry names (Docker-Content-Digest) must be the content's.
 *
 * Errors: -ENOENT, -EACCES, -EBADMSG, -EPROTO, -E2BIG (OG_MANIFEST_BYTES_MAX), the network's.
 */
int og_registry_manifest(struct og_registry *registry, struct og_http_client *client,
			 const char *reference, struct og_document *ret_document,
			 struct og_err *err);

/* Takes the blob's bytes in order, each once, whatever breaks in between. */
typedef int og_registry_sink_fn(void *data, const void *buf, size_t len, struct og_err *err);

/*
 * Fetches a blob of exactly @size bytes. A transfer that breaks is taken up again by Range from the
 * byte where it broke, a few times. The content is not hashed here.
 *
 * Errors: as above; -EBADMSG: longer or shorter than @size; and what @sink returns.
 */
int og_registry_blob(struct og_registry *registry, struct og_http_client *client,
		     const struct og_digest *digest, uint64_t size, og_registry_sink_fn *sink,
		     void *data, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* One image in its registry, with the credentials of Docker's config.json. */
#pragma once

#include "client/credentials.h"
#include "client/options.h"
#include "image/remote.h"

/* Zero-initialise it; remote_done() ends it. */
struct remote {
	struct og_imageref ref;
	bool has_tag; /* as it was given; a missing tag alone is "latest" */
	struct og_credentials credentials;
	struct og_remote_options options;
	struct og_remote *registry;    /* owned */
	struct og_http_client *client; /* owned */
};

void remote_done(struct remote *remote);
#define auto_remote og_cleanup(remote_done) struct remote

/* Reads the reference and the credentials, and asks nothing yet. @insecure: registries without proof. */
int remote_open(struct remote *remote, const char *image, const struct og_words *insecure,
		unsigned int access, struct og_err *err);

/* The manifest or index that the reference names. The caller ends *@ret_document. */
int remote_resolve(struct remote *remote, struct og_document *ret_document, struct og_err *err);

/*
 * The manifest for @platform ("linux/arm64/v8") of the index @index, or the index itself when it is
 * none. Errors: -ENOENT (no such platform).
 */
int remote_choose(const struct og_document *index, const char *platform,
		  struct og_digest *ret_digest, struct og_err *err);

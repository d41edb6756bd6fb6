/* SPDX-License-Identifier: Apache-2.0 */
/* One image in its registry, with the credentials of Docker's config.json. */
#pragma once

#include "client/credentials.h"
#include "client/options.h"
#include "image/remote.h"
#include "trust/evidence.h"

/* Zero-initialise it; remote_done() ends it. It must not move while it is open. */
struct remote {
	struct og_imageref ref;
	bool has_tag; /* as it was given; a missing tag alone is "latest" */
	char reference[OG_IMAGEREF_TAG_MAX + 1]; /* what to ask for: the digest, else the tag */
	struct og_credentials credentials;
	struct og_remote_options options;
	struct og_remote *registry;    /* owned */
	struct og_http_client *client; /* owned */
};

void remote_done(struct remote *remote);
#define auto_remote og_cleanup(remote_done) struct remote

/*
 * Reads the reference @image and the user's credentials for @access (enum og_remote_access), and asks
 * nothing yet. @insecure: hosts that may speak HTTP or show any certificate; NULL: this machine alone.
 */
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

/*
 * What vouches for the image: the manifest for @platform with the index that names it, or, where that is
 * NULL, what the reference names as a whole. On success *@ret_evidence is the caller's.
 */
int remote_evidence(struct remote *remote, const char *platform, struct og_evidence **ret_evidence,
		    struct og_err *err);

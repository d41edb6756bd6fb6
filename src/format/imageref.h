/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references as people write them, "debian", "host:5000/a/b:tag", "x@sha256:...", by the
 * grammar and with the defaults of Docker (github.com/distribution/reference). Without I/O.
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"

#define OG_IMAGEREF_NAME_MAX 255 /* chars of domain and path together: Docker's bound */
#define OG_IMAGEREF_TAG_MAX  128 /* chars: OCI distribution-spec, pull.md */
#define OG_IMAGEREF_HUB	     "docker.io"

/* Plain data, always normalised: "debian" is docker.io, library/debian, latest. */
struct og_imageref {
	char domain[OG_IMAGEREF_NAME_MAX + 1]; /* "docker.io", "host:5000", "[::1]:5000" */
	char path[OG_IMAGEREF_NAME_MAX + 1];   /* "library/debian" */
	char tag[OG_IMAGEREF_TAG_MAX + 1];     /* "" only when there is a digest */
	bool has_digest;
	struct og_digest digest;
};

/* Room for any form below, NUL included; name, tag and digest are each far under it. */
#define OG_IMAGEREF_TEXT_MAX 768

struct og_imageref_text {
	char text[OG_IMAGEREF_TEXT_MAX];
};

/*
 * Reads a reference; a missing tag becomes "latest" unless there is a digest. Errors: -EINVAL, the
 * text says what is wrong with it.
 */
int og_imageref_parse(const char *text, struct og_imageref *ret_ref, struct og_err *err);

/* "docker.io/library/debian": the name that identifies a repository. */
struct og_imageref_text og_imageref_name(const struct og_imageref *ref);

/* "debian", "host:5000/a/b": the name as people write it. */
struct og_imageref_text og_imageref_familiar(const struct og_imageref *ref);

/* "debian:12", or "debian@sha256:..." where there is a digest. */
struct og_imageref_text og_imageref_format(const struct og_imageref *ref);

/*
 * Is @domain ("host", "host:port") this machine by itself: localhost, 127.0.0.0/8 or ::1? Such a
 * registry may speak HTTP.
 */
bool og_imageref_is_loopback(const char *domain);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image archive on its way in. Its members come in any order and the documents that say what
 * they are may come last, so each is taken by what it looks like: a layer (tar, gzip, zstd) goes
 * through one pass into the store at once, a small document stays in memory, the rest is passed
 * over. What the documents then do not speak for goes with the session.
 */
#pragma once

#include "base/text.h"
#include "format/tar_members.h"
#include "image/parts.h"

/* Documents: manifest.json, index.json, configurations, manifests. Hundreds of images' worth. */
#define OG_ARCHIVE_DOCUMENTS_MAX (64U << 20) /* bytes together */

enum og_member_kind {
	OG_MEMBER_OTHER, /* of no use, or none that is understood */
	OG_MEMBER_DOCUMENT,
	OG_MEMBER_LAYER,
	OG_MEMBER_BAD_LAYER, /* looked like one but is damaged: a failure only if it is needed */
};

struct og_member {
	const char *name; /* borrowed */
	enum og_member_kind kind;
	char *buf; /* of a document; owned, NUL-terminated */
	size_t len;
	struct og_record_layer layer; /* of a layer */
	struct og_err err;	      /* of a bad layer */
	int code;
};

struct og_archive {
	struct og_images *images;
	struct og_session *session;
	struct og_reporter *reporter;
	struct og_tar_members names;
	struct og_member *members; /* in the same order; owned */
	size_t document_bytes;

	/* the member under way */
	struct og_text head; /* its beginning, until it is told what it is; then a document's text */
	bool decided;
	struct og_intake intake;
	struct og_bar bar;
};

/*
 * Reads the whole archive. og_archive_done() takes one that was zeroed. Errors: -EBADMSG (no tar,
 * or cut short), -E2BIG, -ENOSPC, and what @read returns.
 */
int og_archive_read(struct og_archive *archive, og_source_fn *read, void *read_data,
		    struct og_err *err);
void og_archive_done(struct og_archive *archive);

/* The member @name, links followed; NULL when there is none. */
const struct og_member *og_archive_find(const struct og_archive *archive, const char *name);

/* Errors: -EBADMSG: no such document, or no such (sound) layer. */
int og_archive_document(const struct og_archive *archive, const char *name,
			const struct og_member **ret_member, struct og_err *err);
int og_archive_layer(const struct og_archive *archive, const char *name,
		     const struct og_member **ret_member, struct og_err *err);

/* ---- what it holds ---- */

#define OG_ARCHIVE_IMAGES_MAX 1024

/* An image found in an archive, verified, not yet recorded. */
struct og_found {
	struct og_record record;  /* owned */
	struct og_imageref *tags; /* owned */
	size_t tag_count;
};

struct og_found_list {
	struct og_found *items;
	size_t count;
};

void og_found_list_done(struct og_found_list *list);

/* One more image, zeroed; NULL when there are too many or memory ran out. Owned by the list. */
struct og_found *og_found_add(struct og_found_list *list);
int og_found_add_tag(struct og_found *found, const char *reference, struct og_err *err);

/* Reads manifest.json (Docker's), or index.json (OCI's) and what it leads to. */
int og_archive_find_docker(struct og_archive *archive, struct og_found_list *list,
			   struct og_err *err);
int og_archive_find_oci(struct og_archive *archive, const struct og_platform *platform,
			struct og_found_list *list, struct og_err *err);

/* Checks a configuration's layers against @layers and completes the record. */
int og_found_complete(struct og_archive *archive, struct og_found *found,
		      const struct og_member *config_member, const struct og_member **layers,
		      size_t layer_count, struct og_err *err);

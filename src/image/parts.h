/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind images.h share. */
#pragma once

#include <stdatomic.h>

#include "format/imageconfig.h"
#include "format/imageref.h"
#include "image/catalog.h"
#include "image/images.h"
#include "image/layer.h"
#include "image/relay.h"
#include "image/remote.h"
#include "image/store.h"

struct og_intake_worker; /* private */

struct og_images {
	struct og_store store;
};

/* ---- progress ---- */

/* Tells of progress from several threads, one at a time, and remembers that it was cancelled. */
struct og_reporter {
	og_progress_fn *fn;
	void *data;
	pthread_mutex_t lock;
	atomic_int code; /* a negative errno once somebody wants it all to end */
};

void og_reporter_init(struct og_reporter *reporter, og_progress_fn *fn, void *data);
void og_reporter_done(struct og_reporter *reporter);

/* Returns 0 or the code everything ends with. */
int og_report(struct og_reporter *reporter, const char *id, const char *text, uint64_t current,
	      uint64_t total);
/* The same without an ID, with a printf text. */
int og_reportf(struct og_reporter *reporter, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Everything shall end with @code; the first one counts. */
void og_reporter_end(struct og_reporter *reporter, int code);

/* An og_..._tick function: @data is the reporter. */
int og_reporter_tick(void *data);

/* One layer's bar: a line at most ten times a second. */
struct og_bar {
	struct og_reporter *reporter;
	char id[13]; /* 12 digits */
	const char *text;
	uint64_t current, total;
	uint64_t shown_ms;
};

int og_bar_advance(struct og_bar *bar, uint64_t bytes);

/* ---- layers on their way in ---- */

/*
 * A layer and the blob it comes as, verified and published together. The bytes of a compressed blob
 * go to its file on the caller's thread, and through og_layer on another; of one that is a plain tar
 * only a recipe is kept.
 */
struct og_intake {
	struct og_session *session;
	struct og_blob blob;		 /* of a plain one only its digest, in the end */
	struct og_intake_worker *worker; /* owned; what the other thread works on */
	struct og_relay *relay;		 /* owned */
	struct og_layer_info info;	 /* after og_intake_finish() */
	uint64_t bytes;			 /* taken so far */
	uint8_t head[4];		 /* the first of them */
	size_t head_len;
	bool decided; /* by its head: is it plain? */
	bool plain;
};

/* og_intake_done() takes one that was zeroed; what was not published is gone then. */
int og_intake_begin(struct og_session *session, struct og_intake *ret_intake, struct og_err *err);
void og_intake_done(struct og_intake *intake);
int og_intake_write(struct og_intake *intake, const void *buf, size_t len, struct og_err *err);

/* The end of the bytes: @intake->blob.digest and @intake->info are known. */
int og_intake_finish(struct og_intake *intake, struct og_err *err);

/* The finished layer as a record has it, its media type by what the blob looks like. */
struct og_record_layer og_intake_layer(const struct og_intake *intake);

/* Gives both files their names; the session pins them. */
int og_intake_publish(struct og_intake *intake, struct og_err *err);

/* Makes the layer of a blob that is in the store already; the session pins it. */
int og_intake_from_blob(struct og_session *session, const struct og_digest *blob,
			const struct og_digest *diff_id, struct og_layer_info *ret_info,
			struct og_err *err);

/* ---- records ---- */

/* A name that a new image gets: a tag (ref->tag) and/or a digest. */
struct og_naming {
	const struct og_imageref *tag;	  /* NULL: none */
	const struct og_imageref *digest; /* its repository gets *@digest_of; NULL: none */
	struct og_digest digest_of;
};

/* Joins the layers, then writes the record and its name in one transaction. */
int og_images_commit(struct og_images *images, struct og_session *session,
		     const struct og_record *record, const struct og_naming *naming,
		     struct og_err *err);

/* Names an image that is there; -ENOENT when it is gone. */
int og_images_name(struct og_images *images, const char *id, const struct og_naming *naming,
		   struct og_err *err);

/* The ID a person means by @name, as og_images_find(). The store's lock is held. */
int og_images_resolve(struct og_images *images, const char *name, struct og_image_id *ret_id,
		      struct og_err *err);

/* Puts the documents of an image into the store: its configuration and its manifest. */
int og_images_put_documents(struct og_session *session, const char *config, size_t config_len,
			    struct og_record *record, struct og_err *err);

/* The manifest we write for an image that came without one, the caller's to free. */
char *og_make_manifest(const struct og_record *record, uint64_t config_bytes);

/* The same in OCI's words, whatever words the image came with. */
char *og_make_oci_manifest(struct og_record *record, uint64_t config_bytes);

/* Pins what the image is made of. Errors: -ENOENT (some of it is gone). */
int og_session_pin_record(struct og_session *session, const struct og_record *record,
			  struct og_err *err);

/* First @count digits behind "sha256:". */
void og_short_id(const struct og_digest *digest, char ret_id[13]);

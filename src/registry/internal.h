/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this part share. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/http_server.h"
#include "format/registry_path.h"
#include "registry/engine_images.h"
#include "registry/layout.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/store.h"
#include "registry/uploads.h"

/* Documents over it are read one at a time: their trees take some ten times their length. */
#define PARSE_ALONE_BYTES (256U << 10)

struct og_registry {
	struct og_registry_options options;
	char *root; /* owned */
	struct og_blob_store store;
	struct og_records *records; /* owned */
	struct og_uploads uploads;
	struct og_engine_images *engine; /* owned; NULL: the root is no engine's */
	pthread_mutex_t parsing;

	/* background.c */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
};

/* One request. */
struct call {
	struct og_registry *registry;
	struct og_http_request *request;
	struct og_registry_caller caller;
	struct og_registry_path path;
	bool head;
};

/* ---- serve.c ---- */

/* Answers with the specification's form of an error. */
void reply_error(struct call *call, int status, const char *code, const char *message);

/* Likewise for what hooks and the store say; @code is for what was not found. */
void reply_failure(struct call *call, int r, const char *not_found, const struct og_err *err);

/* False: the answer is given, 401 or 403. */
bool may(struct call *call, enum og_registry_action action);

/* Without an answer. */
bool may_silently(const struct call *call, const char *repository, enum og_registry_action action);

/* An event of this call; hooks. before() answers when it is refused. */
struct og_registry_event event_of(const struct call *call, enum og_registry_change change,
				  const char *digest);
bool before(struct call *call, const struct og_registry_event *event);
void after(struct call *call, const struct og_registry_event *event);

/* What is not there may be fetched by the hook. True: look again. *@ret_answered: it failed, and an
 * answer is given. */
bool fetch_missing(struct call *call, const char *reference, bool is_manifest, bool *ret_answered);

/* Asks the hook about the tag of this call, which points to @digest. 1: look again. */
int refresh_tag(struct call *call, const char *digest, struct og_err *err);

/* ---- handlers ---- */

void serve_blob(struct call *call); /* GET, HEAD */
void serve_blob_delete(struct call *call);
void serve_upload_begin(struct call *call);
void serve_upload_status(struct call *call);
void serve_upload_patch(struct call *call);
void serve_upload_finish(struct call *call);
void serve_upload_cancel(struct call *call);
void serve_manifest(struct call *call); /* GET, HEAD */
void serve_manifest_put(struct call *call);
void serve_manifest_delete(struct call *call);
void serve_tags(struct call *call);
void serve_catalog(struct call *call);
void serve_referrers(struct call *call);

/* serve_manifests.c: also for those of an engine. Out of @fd, which is taken over, unless negative. */
void reply_manifest(struct call *call, const struct og_manifest_record *record, int fd,
		    const char *buf, size_t len);

/* Does who asks learn what an image is, by its content or by its tag? */
bool is_pull(const struct call *call);

/* serve_blobs.c: likewise. What was asked for of @size bytes. False: the answer is given. */
bool choose_range(struct call *call, uint64_t size, int *ret_status, uint64_t *ret_first,
		  uint64_t *ret_len);
void set_blob_headers(struct call *call, const struct og_blob_digest *digest);

/* ---- background.c ---- */

void background_stop(struct og_registry *registry);

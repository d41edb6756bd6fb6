/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry: OCI distribution-spec 1.1 over an OCI image layout (image-spec, image-layout.md).
 *
 * On disk the root is the layout (oci-layout, index.json, blobs/sha256/HEX, blobs/sha512/HEX) and
 * beside it registry.db, uploads/ and quarantine/. Where the root is an engine's data root (there is
 * an images.db) all of that is in its folder registry/, and the engine's own images are served too,
 * for reading. A blob has its name only when it is whole, verified and flushed; a record comes after
 * the file it speaks of, and goes before it.
 *
 * It knows nothing of accounts, quotas and the like: policy.h. It never follows what a manifest says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/http_server.h"
#include "registry/policy.h"

struct og_registry;

struct og_registry_options {
	const char *root;

	/* May an index name manifests that are not there? */
	bool sparse_indexes;

	/* What nothing refers to is kept so long since it was pushed, mounted or asked for. */
	unsigned grace_s;
	unsigned gc_interval_s;	   /* 0: only when asked to */
	unsigned scrub_interval_s; /* 0: likewise */
	unsigned untagged_s; /* manifests without tag, index or subject go after it; 0: they stay */
	unsigned upload_s;   /* an upload is given up so long after its last byte; 0: a day */
	unsigned uploads_max;	/* at a time that have bytes; 0: 10,000 */
	uint64_t uploads_bytes; /* of all open uploads together; 0: no limit of its own */

	/* Copied; what their data points to must outlive the registry. */
	struct og_registry_policy policy;
	struct og_registry_hooks hooks;

	void (*log)(void *data, const char *line);
	void *log_data;
};

#define OG_REGISTRY_GRACE_S 3600U

/*
 * Opens or makes it. On success *@ret_registry is the caller's to free. Errors: -EUCLEAN (damaged
 * records, or of a newer version), the kernel's.
 */
int og_registry_open(const struct og_registry_options *options, struct og_registry **ret_registry,
		     struct og_err *err);

/* When no request is running any more. Accepts NULL. Always returns NULL. */
struct og_registry *og_registry_free(struct og_registry *registry);
OG_DEFINE_CLEANUP(struct og_registry, og_registry_free)

/* Starts what runs at intervals: collection, scrub, index.json. */
int og_registry_start(struct og_registry *registry, struct og_err *err);

/* For struct og_http_config; data is the struct og_registry. */
void og_registry_handle(struct og_http_request *request, void *data);

/* Likewise. The specification's form of an error that is answered before a handler is asked. */
char *og_registry_error_body(int status, const char *text);

/* Likewise. Bytes of the largest body that such a request may have. */
uint64_t og_registry_body_max(const char *method, const char *path);

/* ---- collection and scrub; beside a registry that serves, of this process or another ---- */

struct og_registry_gc {
	uint64_t manifests, links, blobs, uploads; /* removed, or to be removed in a dry run */
	uint64_t bytes;				   /* of files */
};

/* Removes what nothing refers to and whose time of grace is over, from records and disk. */
int og_registry_collect(struct og_registry *registry, bool dry_run, struct og_registry_gc *ret_gc,
			struct og_err *err);

struct og_registry_scrub {
	uint64_t blobs, bytes; /* checked */
	uint64_t bad;	       /* moved to quarantine/ */
	uint64_t missing;      /* recorded, but not there */
};

/* Verifies every blob's content. @bytes_per_s: how fast to read, 0: as fast as it goes. */
int og_registry_scrub(struct og_registry *registry, uint64_t bytes_per_s,
		      struct og_registry_scrub *ret_scrub, struct og_err *err);

/* ---- what others need to know ---- */

/* Bytes of all blobs and manifests of a repository, each counted once. */
int og_registry_usage(struct og_registry *registry, const char *repository, uint64_t *ret_bytes,
		      struct og_err *err);

/* One tag; @pushed_at and @pulled_at (0: never) in seconds since 1970. Of one that is pulled all the
 * time @pulled_at is written down so often. Texts are borrowed. */
#define OG_REGISTRY_PULLED_EVERY_S 3600

struct og_registry_tag {
	const char *repository, *tag, *digest;
	int64_t pushed_at, pulled_at;
};

/* Calls @fn for each tag of @repository (NULL: of all), youngest push first. A negative result ends
 * it and is returned. Nothing is locked: @fn may delete. */
int og_registry_each_tag(struct og_registry *registry, const char *repository,
			 int (*fn)(void *data, const struct og_registry_tag *tag), void *data,
			 struct og_err *err);

/* With hooks, without policy. @digest: only while it points there; NULL: wherever. Errors: -ENOENT,
 * -EAGAIN (it has moved), and what before() says. */
int og_registry_delete_tag(struct og_registry *registry, const char *repository, const char *tag,
			   const char *digest, struct og_err *err);

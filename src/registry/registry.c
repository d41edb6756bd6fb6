/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"
#include "registry/internal.h"

#define UPLOAD_S      86400U
#define UPLOADS_MAX   10000U
#define ENGINE_LAYOUT "registry"

/* The layout's folder: the root, or within an engine's. */
static int open_layout(struct og_registry *registry, int root_fd, int *ret_fd, struct og_err *err)
{
	og_auto_fd made = -EBADF;
	int r;

	if (faccessat(root_fd, "images.db", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		*ret_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return *ret_fd < 0 ? og_fail(err, -errno, "open the root") : 0;
	}
	r = og_mkdirs_in_root(root_fd, ENGINE_LAYOUT, 0700, &made, err);
	if (r == 0)
		r = og_engine_images_open(root_fd, &registry->store, &registry->engine, err);
	if (r < 0)
		return r;
	*ret_fd = openat(root_fd, ENGINE_LAYOUT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? og_fail(err, -errno, "open '%s'", ENGINE_LAYOUT) : 0;
}

static void fill_defaults(struct og_registry *registry)
{
	struct og_registry_options *options = &registry->options;

	options->root = registry->root;
	if (options->upload_s == 0)
		options->upload_s = UPLOAD_S;
	if (options->uploads_max == 0)
		options->uploads_max = UPLOADS_MAX;
	registry->store.log = options->log;
	registry->store.log_data = options->log_data;
	registry->uploads.store = &registry->store;
	registry->uploads.lifetime_s = options->upload_s;
	registry->uploads.max = options->uploads_max;
	registry->uploads.max_bytes = options->uploads_bytes;
	(void)pthread_mutex_init(&registry->parsing, NULL);
	(void)pthread_mutex_init(&registry->lock, NULL);
	(void)pthread_cond_init(&registry->changed, NULL);
}

static int open_parts(struct og_registry *registry, int root_fd, struct og_err *err)
{
	int layout_fd = -EBADF;
	int r = open_layout(registry, root_fd, &layout_fd, err);
	int opened = og_blob_store_open(&registry->store, layout_fd, err);

	r = r < 0 ? r : opened;
	if (r == 0 && registry->engine != NULL)
		registry->store.other_fd = openat(root_fd, "blobs/sha256",
						  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0)
		r = og_records_open(registry->store.root_fd, &registry->records, err);
	if (r < 0)
		return r;
	registry->uploads.key = og_records_key(registry->records);
	registry->uploads.key_len = OG_RECORDS_KEY_BYTES;
	return og_uploads_open(&registry->uploads, err);
}

int og_registry_open(const struct og_registry_options *options, struct og_registry **ret_registry,
		     struct og_err *err)
{
	struct og_registry *registry = calloc(1, sizeof(*registry));
	og_auto_fd root_fd = -EBADF;
	int r;

	if (registry == NULL)
		return og_fail(err, -ENOMEM, "open a registry");
	registry->options = *options;
	registry->root = strdup(options->root);
	fill_defaults(registry);
	if (mkdir(options->root, 0700) < 0 && errno != EEXIST)
		r = og_fail(err, -errno, "make '%s'", options->root);
	else
		r = root_fd = open(options->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 && r == root_fd)
		r = og_fail(err, -errno, "open '%s'", options->root);
	else
		r = open_parts(registry, root_fd, err);
	if (r < 0) {
		(void)og_registry_free(registry);
		return og_fail_in(err, r, "registry '%s'", options->root);
	}
	*ret_registry = registry;
	return 0;
}

struct og_registry *og_registry_free(struct og_registry *registry)
{
	if (registry == NULL)
		return NULL;
	background_stop(registry);
	og_uploads_done(&registry->uploads);
	(void)og_records_free(registry->records);
	(void)og_engine_images_free(registry->engine);
	og_blob_store_done(&registry->store);
	(void)pthread_mutex_destroy(&registry->parsing);
	(void)pthread_mutex_destroy(&registry->lock);
	(void)pthread_cond_destroy(&registry->changed);
	free(registry->root);
	free(registry);
	return NULL;
}

/* ---- what others need to know ---- */

int og_registry_usage(struct og_registry *registry, const char *repository, uint64_t *ret_bytes,
		      struct og_err *err)
{
	int r = og_records_usage(og_records_read(registry->records), repository, ret_bytes, err);

	og_records_unread(registry->records);
	return r;
}

/* ---- tags, from within ---- */

/* What one was found to be, apart from its texts. */
struct tag_copy {
	char repository[OG_REPOSITORY_MAX], tag[OG_TAG_MAX], digest[OG_BLOB_DIGEST_MAX];
	int64_t pushed_at, pulled_at;
};

/* Tags that are read at a time: each page is sought anew. */
#define TAGS_PAGE 256

static void copy_tag(struct og_query *query, struct tag_copy *to)
{
	(void)snprintf(to->repository, sizeof(to->repository), "%s", og_query_text(query, 0));
	(void)snprintf(to->tag, sizeof(to->tag), "%s", og_query_text(query, 1));
	(void)snprintf(to->digest, sizeof(to->digest), "%s", og_query_text(query, 2));
	to->pushed_at = og_query_int(query, 3);
	to->pulled_at = og_query_int(query, 4);
}

/* The next tags after @last by repository, then youngest first. Returns how many. */
static int next_tags(struct og_registry *registry, const char *only, const struct tag_copy *last,
		     struct tag_copy page[TAGS_PAGE], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int count = 0;
	int r = og_db_query(og_records_read(registry->records), &query, err,
			    "SELECT r.name, t.name, b.digest, t.at, t.pulled_at"
			    " FROM tags t JOIN repositories r ON r.id = t.repository"
			    " JOIN manifests m ON m.id = t.manifest JOIN blobs b ON b.id = m.blob"
			    " WHERE (?1 IS NULL OR r.name = ?1)"
			    " AND (r.name, -t.at, t.name) > (?2, ?3, ?4)"
			    " ORDER BY r.name, -t.at, t.name LIMIT ?5",
			    "ssisi", only, last->repository, -last->pushed_at, last->tag,
			    (int64_t)TAGS_PAGE);

	while (r >= 0 && (r = og_query_next(query, err)) > 0)
		copy_tag(query, &page[count++]);
	return r < 0 ? r : count;
}

static int tell_tag(const struct tag_copy *copy,
		    int (*fn)(void *data, const struct og_registry_tag *tag), void *data)
{
	const struct og_registry_tag tag = {
		.repository = copy->repository,
		.tag = copy->tag,
		.digest = copy->digest,
		.pushed_at = copy->pushed_at,
		.pulled_at = copy->pulled_at,
	};

	return fn(data, &tag);
}

int og_registry_each_tag(struct og_registry *registry, const char *repository,
			 int (*fn)(void *data, const struct og_registry_tag *tag), void *data,
			 struct og_err *err)
{
	og_auto_free struct tag_copy *page = calloc(TAGS_PAGE, sizeof(*page));
	struct tag_copy last = { .pushed_at = INT64_MAX };
	int count;

	if (page == NULL)
		return og_fail(err, -ENOMEM, "list tags");
	do {
		count = next_tags(registry, repository, &last, page, err);
		og_records_unread(registry->records);
		for (int i = 0; i < count; i++) {
			int r = tell_tag(&page[i], fn, data);

			if (r < 0)
				return r;
		}
		if (count > 0)
			last = page[count - 1];
	} while (count == TAGS_PAGE);
	return count < 0 ? count : 0;
}

static int find_tag(struct og_registry *registry, const char *repository, const char *tag,
		    struct og_manifest_record *ret_record, struct og_err *err)
{
	int r = og_records_find_manifest(og_records_read(registry->records), repository, tag, NULL,
					 ret_record, err);

	og_records_unread(registry->records);
	return r == 0 ? og_fail(err, -ENOENT, "tag '%s:%s'", repository, tag) : r < 0 ? r : 0;
}

/* In a writer's turn, so that nothing moves it meanwhile. */
static int delete_tag(struct og_registry *registry, const struct og_registry_event *event,
		      struct og_err *err)
{
	struct og_db *db = og_records_db(registry->records);
	struct og_manifest_record record = {};
	int r = og_records_find_manifest(db, event->repository, event->tag, NULL, &record, err);

	if (r > 0 && !og_streq(record.digest.text, event->digest))
		return og_fail_plain(err, -EAGAIN, "tag '%s:%s' has moved", event->repository,
				     event->tag);
	if (r > 0)
		r = og_records_delete_tag(db, event->repository, event->tag, err);
	return r == 0 ? -ENOENT : r;
}

int og_registry_delete_tag(struct og_registry *registry, const char *repository, const char *tag,
			   const char *digest, struct og_err *err)
{
	const struct og_registry_hooks *hooks = &registry->options.hooks;
	struct og_manifest_record record = {};
	int r = find_tag(registry, repository, tag, &record, err);
	const struct og_registry_event event = {
		.change = OG_REGISTRY_DELETE_TAG,
		.repository = repository,
		.tag = tag,
		.digest = record.digest.text,
		.previous = "",
		.media_type = record.media_type,
		.artifact_type = record.artifact_type,
		.subject = record.subject.text,
		.from = "",
		.engine_name = "",
		.bytes = record.bytes,
	};

	if (r == 0 && digest != NULL && !og_streq(digest, record.digest.text))
		return og_fail_plain(err, -EAGAIN, "tag '%s:%s' has moved", repository, tag);
	if (r == 0 && hooks->before != NULL)
		r = hooks->before(hooks->data, registry, &event, err);
	if (r == 0)
		r = og_records_begin(registry->records, false, err);
	if (r < 0)
		return r;
	r = og_records_end(registry->records, delete_tag(registry, &event, err), err);
	if (r < 0)
		return r;
	if (hooks->after != NULL)
		hooks->after(hooks->data, registry, &event);
	return 0;
}

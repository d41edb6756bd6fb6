/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/engine_images.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/text.h"
#include "format/http_range.h"
#include "image/catalog.h"
#include "image/recipe.h"
#include "registry/internal.h"

#define HUB	    "docker.io/"
#define HUB_LIBRARY "docker.io/library/"
#define SEND_BLOCK  (64U << 10)
#define KNOWN_MAX   1024U

struct og_engine_images {
	struct og_store store; /* its descriptors alone: no lock of the engine's is taken */
	struct og_db *db;      /* owned */
	pthread_mutex_t lock;  /* over the database and what follows */
	struct og_store_verified known[KNOWN_MAX]; /* files whose content was hashed */
	const struct og_blob_store *log;
};

int og_engine_images_open(int root_fd, const struct og_blob_store *log,
			  struct og_engine_images **ret_images, struct og_err *err)
{
	static const char *const folders[] = { "blobs/sha256", "layers", "merged", "recipes" };
	og_cleanup(og_engine_images_freep) struct og_engine_images *images =
		calloc(1, sizeof(*images));
	int r;

	if (images == NULL)
		return og_fail(err, -ENOMEM, "open the engine's images");
	(void)pthread_mutex_init(&images->lock, NULL);
	images->log = log;
	images->store.root_fd = -EBADF;
	for (int i = 0; i < OG_FOLDER_COUNT; i++)
		images->store.folder_fds[i] = -EBADF;
	images->store.root_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A folder that is not there yet has nothing in it. */
	for (int i = 0; i < OG_FOLDER_COUNT; i++)
		images->store.folder_fds[i] =
			openat(root_fd, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = og_catalog_open(root_fd, &images->db, err);
	if (r < 0)
		return r;
	*ret_images = og_take_ptr(images);
	return 0;
}

struct og_engine_images *og_engine_images_free(struct og_engine_images *images)
{
	if (images == NULL)
		return NULL;
	(void)og_db_free(images->db);
	for (int i = 0; i < OG_FOLDER_COUNT; i++)
		(void)og_close(images->store.folder_fds[i]);
	(void)og_close(images->store.root_fd);
	(void)pthread_mutex_destroy(&images->lock);
	free(images);
	return NULL;
}

int og_engine_images_root(const struct og_engine_images *images)
{
	return images->store.root_fd;
}

/* ---- names ---- */

/* The part of a repository in images.db that it is served as. */
static const char *served_name(const char *repository)
{
	const char *slash = strchr(repository, '/');
	const char *colon = strchr(repository, ':');

	if (og_starts_with(repository, HUB_LIBRARY))
		return repository + strlen(HUB_LIBRARY);
	if (og_starts_with(repository, HUB))
		return repository + strlen(HUB);
	return slash != NULL && colon != NULL && colon < slash ? slash + 1 : repository;
}

/* With the lock held. The repository in images.db that is served as @name. 1, 0. */
static int find_repository(struct og_engine_images *images, const char *name,
			   char ret_repository[OG_IMAGEREF_TEXT_MAX], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	const char *plain = og_starts_with(name, "library/") ? name + strlen("library/") : name;
	int r = og_db_query(images->db, &query, err, "SELECT DISTINCT repository FROM tags", "");

	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		const char *repository = og_query_text(query, 0);

		if (!og_streq(served_name(repository), plain))
			continue;
		(void)snprintf(ret_repository, OG_IMAGEREF_TEXT_MAX, "%s", repository);
		return 1;
	}
	return r;
}

int og_engine_images_merge_next(struct og_engine_images *images, bool found, const char *previous,
				char name[OG_REPOSITORY_MAX])
{
	struct og_query *query = NULL;
	int r;

	(void)pthread_mutex_lock(&images->lock);
	r = og_db_query(images->db, &query, NULL, "SELECT DISTINCT repository FROM tags", "");
	while (r >= 0 && (r = og_query_next(query, NULL)) > 0) {
		const char *served = served_name(og_query_text(query, 0));

		if (!og_repository_is_valid(served) || strcmp(served, previous) <= 0 ||
		    (found && strcmp(served, name) >= 0))
			continue;
		(void)snprintf(name, OG_REPOSITORY_MAX, "%s", served);
		found = true;
	}
	(void)og_query_free(query);
	(void)pthread_mutex_unlock(&images->lock);
	return r < 0 ? r : found;
}

/* With the lock held. */
static int list_tags(struct og_engine_images *images, const char *repository, const char *last,
		     struct og_text *text, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	bool first = true;
	int r = og_db_query(images->db, &query, err,
			    "SELECT tag FROM tags WHERE repository = ? AND tag > ? ORDER BY tag",
			    "ss", repository, last);

	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		og_text_addf(text, "%s\"%s\"", first ? "" : ",", og_query_text(query, 0));
		first = false;
	}
	return r;
}

int og_engine_images_serve_tags(struct og_engine_images *images, struct call *call,
				struct og_err *err)
{
	const char *last = og_http_query(call->request, "last");
	char repository[OG_IMAGEREF_TEXT_MAX];
	og_auto_text text = {};
	int r;

	og_text_addf(&text, "{\"name\":\"%s\",\"tags\":[", call->path.name);
	(void)pthread_mutex_lock(&images->lock);
	r = find_repository(images, call->path.name, repository, err);
	if (r > 0)
		r = list_tags(images, repository, last != NULL ? last : "", &text, err);
	else
		r = r == 0 ? -ENOENT : r;
	(void)pthread_mutex_unlock(&images->lock);
	og_text_add(&text, "]}");
	if (r < 0 || text.failed)
		return r < 0 ? r : -ENOMEM;
	og_http_reply(call->request, 200, "application/json", text.buf, text.len);
	return 0;
}

/* ---- what an image has ---- */

/* With the lock held. The digest of a manifest of the repository, by tag or by itself. 1, 0. */
static int find_manifest(struct og_engine_images *images, const struct call *call,
			 char repository[OG_IMAGEREF_TEXT_MAX], struct og_digest *ret_digest,
			 struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = find_repository(images, call->path.name, repository, err);

	if (r <= 0)
		return r;
	if (call->path.by_digest)
		r = og_db_query(images->db, &query, err,
				"SELECT i.manifest FROM tags t JOIN images i ON i.id = t.image"
				" WHERE t.repository = ? AND i.manifest = ?",
				"ss", repository, call->path.digest.text);
	else
		r = og_db_query(images->db, &query, err,
				"SELECT i.manifest FROM tags t JOIN images i ON i.id = t.image"
				" WHERE t.repository = ? AND t.tag = ?",
				"ss", repository, call->path.tag);
	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0 && og_digest_parse(og_query_text(query, 0), ret_digest) < 0)
		return og_fail(err, -EUCLEAN, "images.db: a bad digest");
	return r;
}

/* With the lock held. Is it a configuration or layer of an image in the repository? 1, 0. */
static int has_blob(struct og_engine_images *images, const struct call *call, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	char repository[OG_IMAGEREF_TEXT_MAX];
	int r = find_repository(images, call->path.name, repository, err);

	if (r <= 0)
		return r;
	r = og_db_query(
		images->db, &query, err,
		"SELECT 1 FROM tags t JOIN images i ON i.id = t.image WHERE t.repository = ?1"
		" AND (i.id = ?2 OR i.manifest = ?2 OR EXISTS (SELECT 1 FROM layers"
		"  WHERE image = i.id AND blob = ?2)) LIMIT 1",
		"ss", repository, call->path.digest.text);
	return r < 0 ? r : og_query_next(query, err);
}

/* ---- manifests ---- */

static int read_verified(struct og_engine_images *images, const struct og_digest *digest,
			 struct og_blob_digest *ret_digest, char **ret_buf, size_t *ret_len,
			 struct og_err *err)
{
	og_auto_free char *buf = NULL;
	uint8_t hash[OG_HASH_BYTES_MAX];
	int r = og_blob_read(&images->store, digest, OG_MANIFEST_BYTES_MAX, &buf, ret_len, err);

	if (r == 0)
		r = og_hash_of(OG_HASH_SHA256, buf, *ret_len, hash);
	if (r == 0 && memcmp(hash, digest->sha256, sizeof(digest->sha256)) != 0)
		r = og_fail_plain(err, -ENOENT, "the engine's manifest is damaged");
	if (r < 0)
		return r;
	og_blob_digest_of(OG_HASH_SHA256, hash, ret_digest);
	*ret_buf = og_take_ptr(buf);
	return 0;
}

/* May it be pulled? Asked with the name that the engine has for it, too. False: the answer is given. */
static bool may_pull(struct call *call, const struct og_manifest_record *record,
		     const char *repository, const char *buf, size_t len)
{
	struct og_registry_event event =
		event_of(call, OG_REGISTRY_PULL_MANIFEST, record->digest.text);
	og_auto_text name = {};

	og_text_addf(&name, "%s%s%s", repository, call->path.by_digest ? "@" : ":",
		     call->path.by_digest ? record->digest.text : call->path.tag);
	if (name.failed) {
		reply_failure(call, -ENOMEM, "", NULL);
		return false;
	}
	event.media_type = record->media_type;
	event.bytes = len;
	event.body = buf;
	event.engine_name = name.buf;
	return !is_pull(call) || before(call, &event);
}

int og_engine_images_serve_manifest(struct og_engine_images *images, struct call *call,
				    struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *document = NULL;
	char repository[OG_IMAGEREF_TEXT_MAX] = "";
	struct og_manifest_record record = {};
	og_auto_free char *buf = NULL;
	struct og_digest digest;
	size_t len = 0;
	int r;

	(void)pthread_mutex_lock(&images->lock);
	r = find_manifest(images, call, repository, &digest, err);
	(void)pthread_mutex_unlock(&images->lock);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = read_verified(images, &digest, &record.digest, &buf, &len, err);
	if (r == 0)
		r = og_manifest_parse(buf, len, NULL, &document, err);
	if (r < 0)
		return r;
	(void)snprintf(record.media_type, sizeof(record.media_type), "%s", document->media_type);
	if (may_pull(call, &record, repository, buf, len))
		reply_manifest(call, &record, -EBADF, buf, len);
	return 0;
}

/* ---- blobs ---- */

/* Of all files that make up the blob: one that changes makes another identity. */
static struct og_store_verified identity(const struct og_engine_images *images, const char *hex)
{
	static const struct {
		enum og_folder folder;
		const char *suffix;
	} files[] = { { OG_FOLDER_BLOBS, "" },
		      { OG_FOLDER_RECIPES, "" },
		      { OG_FOLDER_LAYERS, ".erofs" } };
	struct og_store_verified sum = {};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[OG_BLOB_DIGEST_MAX + 8];
		struct stat st;

		(void)snprintf(name, sizeof(name), "%s%s", hex, files[i].suffix);
		if (fstatat(images->store.folder_fds[files[i].folder], name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum.inode = sum.inode * 1000003 + st.st_ino;
		sum.size += (uint64_t)st.st_size;
		sum.modified.tv_sec += st.st_mtim.tv_sec;
		sum.modified.tv_nsec += st.st_mtim.tv_nsec;
		sum.changed.tv_sec += st.st_ctim.tv_sec;
		sum.changed.tv_nsec += st.st_ctim.tv_nsec;
	}
	return sum;
}

static bool is_known(struct og_engine_images *images, const struct og_store_verified *file)
{
	bool known;

	(void)pthread_mutex_lock(&images->lock);
	known = memcmp(&images->known[file->inode % KNOWN_MAX], file, sizeof(*file)) == 0;
	(void)pthread_mutex_unlock(&images->lock);
	return known;
}

static void remember(struct og_engine_images *images, const struct og_store_verified *file)
{
	(void)pthread_mutex_lock(&images->lock);
	images->known[file->inode % KNOWN_MAX] = *file;
	(void)pthread_mutex_unlock(&images->lock);
}

static int compare(struct og_hash *hash, const struct og_digest *digest, struct og_err *err)
{
	uint8_t found[OG_HASH_BYTES_MAX];

	og_hash_finish(hash, found);
	return memcmp(found, digest->sha256, sizeof(digest->sha256)) == 0
		       ? 0
		       : og_fail_plain(err, -ENOENT, "it is damaged");
}

/* Reads it once to its end. */
static int verify(struct og_engine_images *images, const struct og_digest *digest,
		  struct og_err *err)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = NULL;
	og_cleanup(og_hash_freep) struct og_hash *hash = NULL;
	og_auto_free char *buf = malloc(SEND_BLOCK);
	ssize_t n = 1;
	int r = buf == NULL ? -ENOMEM : og_hash_new(OG_HASH_SHA256, &hash, err);

	if (r == 0)
		r = og_blob_reader_new(&images->store, digest, &reader, err);
	while (r == 0 && n > 0) {
		n = og_blob_reader_read(reader, buf, SEND_BLOCK, err);
		r = n < 0 ? (int)n : og_hash_add(hash, buf, (size_t)n, err);
	}
	return r < 0 ? r : compare(hash, digest, err);
}

static int send_part(struct call *call, struct og_blob_reader *reader, uint64_t first, uint64_t len)
{
	og_auto_free char *buf = malloc(SEND_BLOCK);
	uint64_t end = first + len, at = 0;
	int r = buf == NULL ? -ENOMEM : 0;

	while (r == 0 && at < end) {
		uint64_t want = end - at < SEND_BLOCK ? end - at : SEND_BLOCK, skip;
		ssize_t n = og_blob_reader_read(reader, buf, (size_t)want, NULL);

		if (n <= 0)
			return n < 0 ? (int)n : -EUCLEAN;
		skip = at >= first ? 0 : first - at;
		if (skip < (uint64_t)n)
			r = og_http_write(call->request, buf + skip, (size_t)((uint64_t)n - skip));
		at += (uint64_t)n;
	}
	return r;
}

/* Sends all of it while it is hashed; but the last piece waits for the digest. */
static int send_hashing(struct call *call, struct og_blob_reader *reader,
			const struct og_digest *digest, struct og_err *err)
{
	og_cleanup(og_hash_freep) struct og_hash *hash = NULL;
	og_auto_free char *buf = malloc(SEND_BLOCK);
	uint64_t left = og_blob_reader_size(reader);
	int r = buf == NULL ? -ENOMEM : og_hash_new(OG_HASH_SHA256, &hash, err);

	while (r == 0 && left > 0) {
		uint64_t want = left < SEND_BLOCK ? left : SEND_BLOCK;
		ssize_t n = og_blob_reader_read(reader, buf, (size_t)want, err);

		if (n <= 0)
			return n < 0 ? (int)n : og_fail_plain(err, -ENOENT, "it is too short");
		left -= (uint64_t)n;
		r = og_hash_add(hash, buf, (size_t)n, err);
		if (r == 0 && left == 0)
			r = compare(hash, digest, err);
		if (r == 0 && og_http_write(call->request, buf, (size_t)n) < 0)
			r = og_fail_plain(err, -EPIPE, "the client has left");
	}
	return r;
}

static void log_failure(const struct og_engine_images *images, const struct call *call,
			const struct og_err *err)
{
	og_blob_store_log(images->log, "the engine's blob %s: %s", call->path.digest.text,
			  err->text);
}

/* A part of one that is not known is sent when the whole was verified. */
static int verify_part(struct og_engine_images *images, struct call *call,
		       const struct og_digest *digest, const struct og_store_verified *file,
		       struct og_err *err)
{
	int r = verify(images, digest, err);

	if (r < 0)
		log_failure(images, call, err);
	else
		remember(images, file);
	return r;
}

static void send_body(struct og_engine_images *images, struct call *call,
		      struct og_blob_reader *reader, const struct og_digest *digest,
		      const struct og_store_verified *file)
{
	struct og_err err = {};
	int r = send_hashing(call, reader, digest, &err);

	if (r == 0) {
		remember(images, file);
		return;
	}
	if (r != -EPIPE)
		log_failure(images, call, &err);
	og_http_break(call->request);
}

static int send_blob(struct og_engine_images *images, struct call *call,
		     const struct og_digest *digest, struct og_err *err)
{
	const struct og_store_verified file =
		identity(images, og_blob_digest_hex(&call->path.digest));
	bool known = call->head || is_known(images, &file);
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = NULL;
	uint64_t size, first, len;
	int status, r;

	if (!known && og_http_request_header(call->request, "Range") != NULL) {
		r = verify_part(images, call, digest, &file, err);
		if (r < 0)
			return r;
		known = true;
	}
	r = og_blob_reader_new(&images->store, digest, &reader, err);
	if (r < 0)
		return r;
	size = og_blob_reader_size(reader);
	if (!choose_range(call, size, &status, &first, &len))
		return 0;
	set_blob_headers(call, &call->path.digest);
	if (call->head) {
		og_http_reply_file(call->request, status, "application/octet-stream", -EBADF, first,
				   len, NULL);
		return 0;
	}
	r = og_http_stream_sized(call->request, status, "application/octet-stream", len, err);
	if (r == 0 && !known)
		send_body(images, call, reader, digest, &file);
	else if (r == 0 && send_part(call, reader, first, len) < 0)
		og_http_break(call->request);
	return r;
}

int og_engine_images_serve_blob(struct og_engine_images *images, struct call *call,
				struct og_err *err)
{
	struct og_digest digest;
	int r;

	if (og_digest_parse(call->path.digest.text, &digest) < 0)
		return -ENOENT;
	(void)pthread_mutex_lock(&images->lock);
	r = has_blob(images, call, err);
	(void)pthread_mutex_unlock(&images->lock);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return send_blob(images, call, &digest, err);
}

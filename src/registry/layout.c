/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"

#define TEMPORARY "index.json.new"

/* Rows for which those who read wait. */
#define PAGE 256

struct writing {
	struct og_records *records;
	int fd;
	struct og_text text;
	bool first;
	int64_t row; /* where the next page begins */
	char name[OG_TAG_MAX];
};

static int flush(struct writing *writing, struct og_err *err)
{
	int r = writing->text.failed
			? -ENOMEM
			: og_write_all(writing->fd, writing->text.buf, writing->text.len);

	og_text_clear(&writing->text);
	return r < 0 ? og_fail(err, r, "write index.json") : 0;
}

/* Columns: digest, bytes, media type, artifact type; media types have no quotes but by malice. */
static void add_descriptor(struct writing *writing, struct og_query *query)
{
	const char *type = og_query_text(query, 2);

	og_text_add(&writing->text, writing->first ? "\n" : ",\n");
	writing->first = false;
	og_text_addf(&writing->text, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%" PRId64,
		     type, og_query_text(query, 0), og_query_int(query, 1));
}

static int add_tags(struct writing *writing, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int rows = 0;
	int r = og_db_query(
		og_records_read(writing->records), &query, err,
		"SELECT b.digest, b.bytes, m.media_type, t.repository, t.name, r.name"
		" FROM tags t JOIN manifests m ON m.id = t.manifest"
		" JOIN blobs b ON b.id = m.blob JOIN repositories r ON r.id = t.repository"
		" WHERE (t.repository, t.name) > (?, ?)"
		" ORDER BY t.repository, t.name LIMIT ?",
		"isi", writing->row, writing->name, (int64_t)PAGE);

	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		rows++;
		add_descriptor(writing, query);
		og_text_addf(&writing->text,
			     ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s:%s\"}}",
			     og_query_text(query, 5), og_query_text(query, 4));
		writing->row = og_query_int(query, 3);
		(void)snprintf(writing->name, sizeof(writing->name), "%s", og_query_text(query, 4));
	}
	return r < 0 ? r : rows;
}

/* Manifests that are found neither by a tag nor in an index. */
static int add_others(struct writing *writing, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int rows = 0;
	int r = og_db_query(og_records_read(writing->records), &query, err,
			    "SELECT b.digest, b.bytes, m.media_type, m.id"
			    " FROM manifests m JOIN blobs b ON b.id = m.blob WHERE m.id > ?"
			    " AND NOT EXISTS (SELECT 1 FROM tags WHERE manifest = m.id)"
			    " AND NOT EXISTS (SELECT 1 FROM refs WHERE target = b.digest)"
			    " ORDER BY m.id LIMIT ?",
			    "ii", writing->row, (int64_t)PAGE);

	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		rows++;
		add_descriptor(writing, query);
		og_text_add(&writing->text, "}");
		writing->row = og_query_int(query, 3);
	}
	return r < 0 ? r : rows;
}

static int add_all(struct writing *writing, int (*add)(struct writing *, struct og_err *),
		   struct og_err *err)
{
	int r = 1;

	writing->row = 0;
	while (r > 0) {
		r = add(writing, err);
		og_records_unread(writing->records);
		if (r > 0) {
			int flushed = flush(writing, err);

			r = flushed < 0 ? flushed : r;
		}
	}
	return r;
}

static int write_all(struct writing *writing, struct og_err *err)
{
	int r;

	og_text_add(&writing->text, "{\"schemaVersion\":2,"
				    "\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
				    "\"manifests\":[");
	r = add_all(writing, add_tags, err);
	if (r == 0)
		r = add_all(writing, add_others, err);
	og_text_add(&writing->text, "\n]}\n");
	return r < 0 ? r : flush(writing, err);
}

int og_layout_write(const struct og_blob_store *store, struct og_records *records,
		    struct og_err *err)
{
	struct writing writing = { .records = records, .first = true };
	og_auto_fd fd = -EBADF;
	int r;

	fd = openat(store->root_fd, TEMPORARY,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return og_fail(err, -errno, "write index.json");
	writing.fd = fd;
	r = write_all(&writing, err);
	og_text_done(&writing.text);
	if (r < 0)
		return r;
	if (fdatasync(fd) < 0 ||
	    renameat(store->root_fd, TEMPORARY, store->root_fd, "index.json") < 0)
		return og_fail(err, -errno, "write index.json");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/put_manifest.h"

#include <errno.h>
#include <time.h>

#include "base/hash.h"
#include "base/io.h"
#include "registry/internal.h"

static int check_digest(struct og_manifest_upload *upload, const struct og_blob_digest *digest,
			struct og_err *err)
{
	enum og_hash_kind kind = digest != NULL ? digest->kind : OG_HASH_SHA256;
	uint8_t hash[OG_HASH_BYTES_MAX];
	int r = og_hash_of(kind, upload->buf, upload->len, hash);

	if (r < 0)
		return og_fail(err, r, "hash a manifest");
	og_blob_digest_of(kind, hash, &upload->digest);
	if (digest != NULL && !og_blob_digest_equal(digest, &upload->digest))
		return og_fail_plain(err, -EUCLEAN, "what came is %s, not %s", upload->digest.text,
				     digest->text);
	return 0;
}

static bool is_recorded(const struct og_manifest_upload *upload)
{
	struct og_records *records = upload->registry->records;
	struct og_db *db = og_records_read(records);
	int r = og_records_find_manifest(db, upload->repository, NULL, &upload->digest, NULL, NULL);

	og_records_unread(records);
	return r > 0;
}

void og_manifest_upload_alone(struct og_manifest_upload *upload)
{
	if (!upload->alone)
		(void)pthread_mutex_lock(&upload->registry->parsing);
	upload->alone = true;
}

int og_manifest_upload_open(struct og_manifest_upload *upload, const char *media_type,
			    const struct og_blob_digest *digest, struct og_err *err)
{
	int r = check_digest(upload, digest, err);

	if (r < 0)
		return r;
	if (upload->len > PARSE_ALONE_BYTES)
		og_manifest_upload_alone(upload);
	r = og_manifest_parse(upload->buf, upload->len, media_type, &upload->document, err);
	if (r == 0)
		upload->is_new = !is_recorded(upload);
	return r;
}

static int record(struct og_manifest_upload *upload, int fd, const char *tag, const char *previous,
		  struct og_err *err)
{
	struct og_records *records = upload->registry->records;
	struct og_blob_digest missing = {};
	const struct og_manifest_put put = {
		.repository = upload->repository,
		.tag = tag,
		.digest = &upload->digest,
		.document = upload->document,
		.bytes = upload->len,
		.sparse = upload->sparse,
		.partial = upload->partial,
		.previous = previous,
		.now = time(NULL),
	};
	int r = og_records_begin(records, false, err);

	if (r < 0)
		return r;
	r = og_blob_store_republish(&upload->registry->store, fd, NULL, &upload->digest, err);
	if (r == 0)
		r = og_records_put_manifest(og_records_db(records), &put, &missing, err);
	return og_records_end(records, r, err);
}

int og_manifest_upload_put(struct og_manifest_upload *upload, const char *tag, const char *previous,
			   struct og_err *err)
{
	struct og_blob_store *store = &upload->registry->store;
	og_auto_fd fd = -EBADF;
	int r;

	fd = og_blob_store_temp(store, err);
	if (fd < 0)
		return fd;
	r = og_write_all(fd, upload->buf, upload->len);
	if (r < 0)
		return og_fail(err, r, "write a manifest");
	r = og_blob_store_publish(store, fd, NULL, &upload->digest, err);
	return r < 0 ? r : record(upload, fd, tag, previous, err);
}

void og_manifest_upload_done(struct og_manifest_upload *upload)
{
	upload->document = og_manifest_free(upload->document);
	if (upload->alone)
		(void)pthread_mutex_unlock(&upload->registry->parsing);
	upload->alone = false;
}

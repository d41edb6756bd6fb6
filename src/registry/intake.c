/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "base/io.h"
#include "registry/internal.h"
#include "registry/put_manifest.h"

struct og_registry_intake {
	struct og_registry *registry;
	char repository[OG_REPOSITORY_MAX];
	struct og_blob_digest digest;
	struct og_hash *hash; /* owned */
	int fd;		      /* owned; without a name */
	uint64_t bytes;
};

int og_registry_intake_new(struct og_registry *registry, const char *repository,
			   const struct og_blob_digest *digest,
			   struct og_registry_intake **ret_intake, struct og_err *err)
{
	og_cleanup(og_registry_intake_freep) struct og_registry_intake *intake =
		calloc(1, sizeof(*intake));
	int r;

	if (intake == NULL)
		return og_fail(err, -ENOMEM, "store a blob");
	intake->registry = registry;
	intake->digest = *digest;
	intake->fd = -EBADF;
	(void)snprintf(intake->repository, sizeof(intake->repository), "%s", repository);
	r = og_hash_new(digest->kind, &intake->hash, err);
	if (r == 0)
		r = intake->fd = og_blob_store_temp(&registry->store, err);
	if (r < 0)
		return r;
	*ret_intake = og_take_ptr(intake);
	return 0;
}

struct og_registry_intake *og_registry_intake_free(struct og_registry_intake *intake)
{
	if (intake == NULL)
		return NULL;
	(void)og_hash_free(intake->hash);
	(void)og_close(intake->fd);
	free(intake);
	return NULL;
}

int og_registry_intake_write(struct og_registry_intake *intake, const void *buf, size_t len,
			     struct og_err *err)
{
	int r = og_hash_add(intake->hash, buf, len, err);

	if (r == 0)
		r = og_write_all(intake->fd, buf, len);
	if (r < 0)
		return og_fail(err, r, "store a blob");
	intake->bytes += len;
	return 0;
}

int og_registry_intake_finish(struct og_registry_intake *intake, struct og_err *err)
{
	struct og_registry *registry = intake->registry;
	struct og_blob_store *store = &registry->store;
	uint8_t hash[OG_HASH_BYTES_MAX];
	struct og_blob_digest found;
	int r;

	og_hash_finish(intake->hash, hash);
	og_blob_digest_of(intake->digest.kind, hash, &found);
	if (!og_blob_digest_equal(&found, &intake->digest))
		return og_fail_plain(err, -EUCLEAN, "what came is %s, not %s", found.text,
				     intake->digest.text);
	r = og_blob_store_publish(store, intake->fd, NULL, &intake->digest, err);
	if (r == 0)
		r = og_records_begin(registry->records, false, err);
	if (r < 0)
		return r;
	r = og_blob_store_republish(store, intake->fd, NULL, &intake->digest, err);
	if (r == 0)
		r = og_records_link(og_records_db(registry->records), intake->repository,
				    &intake->digest, intake->bytes, time(NULL), err);
	return og_records_end(registry->records, r, err);
}

int og_registry_put_manifest(struct og_registry *registry, const char *repository, const char *tag,
			     const struct og_blob_digest *digest, const char *media_type,
			     const void *buf, size_t len, struct og_err *err)
{
	struct og_manifest_upload upload = {
		.registry = registry,
		.repository = repository,
		.buf = buf,
		.len = len,
		.partial = true,
	};
	int r = og_manifest_upload_open(&upload, media_type, digest, err);

	if (r == 0)
		r = og_manifest_upload_put(&upload, tag, NULL, err);
	og_manifest_upload_done(&upload);
	return r;
}

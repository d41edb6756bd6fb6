/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "image/store.h"

int og_blob_begin(struct og_store *store, struct og_blob *ret_blob, struct og_err *err)
{
	struct og_blob blob = { .store = store };
	int r = og_sha256_new(&blob.sha256, err);

	if (r < 0)
		return r;
	blob.fd = openat(store->folder_fds[OG_FOLDER_BLOBS], ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
			 0400);
	if (blob.fd < 0) {
		r = og_fail(err, -errno, "begin a blob");
		og_sha256_free(blob.sha256);
		return r;
	}
	*ret_blob = blob;
	return 0;
}

int og_blob_write(struct og_blob *blob, const void *buf, size_t len, struct og_err *err)
{
	int r = og_sha256_add(blob->sha256, buf, len, err);

	if (r == 0)
		r = og_write_all(blob->fd, buf, len);
	if (r < 0)
		return og_fail(err, r, "write a blob");
	blob->bytes += len;
	return 0;
}

int og_blob_finish(struct og_blob *blob, struct og_err *err)
{
	(void)err;
	og_sha256_finish(blob->sha256, blob->digest.sha256);
	return 0;
}

void og_blob_done(struct og_blob *blob)
{
	if (blob->store == NULL)
		return;
	og_close(blob->fd);
	og_sha256_free(blob->sha256);
	*blob = (struct og_blob){};
}

int og_blob_publish(struct og_blob *blob, struct og_err *err)
{
	struct og_file_name name = og_file_name(OG_FOLDER_BLOBS, &blob->digest);

	return og_store_publish(blob->store, blob->fd, OG_FOLDER_BLOBS, &name, err);
}

static int put(struct og_session *session, struct og_blob *blob, const void *buf, size_t len,
	       struct og_err *err)
{
	struct og_file_name name;
	bool exists;
	int r = og_blob_write(blob, buf, len, err);

	if (r == 0)
		r = og_blob_finish(blob, err);
	if (r < 0)
		return r;
	name = og_file_name(OG_FOLDER_BLOBS, &blob->digest);
	r = og_session_pin(session, &name, &exists, err);
	return r < 0 || exists ? r : og_blob_publish(blob, err);
}

int og_blob_put(struct og_session *session, const void *buf, size_t len,
		struct og_digest *ret_digest, struct og_err *err)
{
	struct og_blob blob = {};
	int r = og_blob_begin(session->store, &blob, err);

	if (r < 0)
		return r;
	r = put(session, &blob, buf, len, err);
	if (r == 0 && ret_digest != NULL)
		*ret_digest = blob.digest;
	og_blob_done(&blob);
	return r;
}

int og_blob_read(struct og_store *store, const struct og_digest *digest, size_t max_bytes,
		 char **ret_buf, size_t *ret_len, struct og_err *err)
{
	return og_read_file(store->root_fd, og_file_name(OG_FOLDER_BLOBS, digest).text, max_bytes,
			    ret_buf, ret_len, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/path.h"
#include "registry/verify.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

void og_blob_store_log(const struct og_blob_store *store, const char *fmt, ...)
{
	char line[512];
	va_list args;

	if (store->log == NULL)
		return;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	store->log(store->log_data, line);
}

static int open_folder(int root_fd, const char *path, int *ret_fd, struct og_err *err)
{
	og_auto_fd made = -EBADF;
	int r = og_mkdirs_in_root(root_fd, path, 0700, &made, err);

	if (r < 0)
		return og_fail_in(err, r, "make '%s'", path);
	*ret_fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? og_fail(err, -errno, "open '%s'", path) : 0;
}

int og_blob_store_open(struct og_blob_store *store, int root_fd, struct og_err *err)
{
	int r;

	store->root_fd = root_fd;
	store->sha256_fd = store->sha512_fd = store->uploads_fd = -EBADF;
	store->quarantine_fd = store->other_fd = -EBADF;
	verify_init(store);
	r = open_folder(root_fd, "blobs/sha256", &store->sha256_fd, err);
	if (r == 0)
		r = open_folder(root_fd, "blobs/sha512", &store->sha512_fd, err);
	if (r == 0)
		r = open_folder(root_fd, "uploads", &store->uploads_fd, err);
	if (r == 0)
		r = open_folder(root_fd, "quarantine", &store->quarantine_fd, err);
	if (r == 0 && faccessat(root_fd, "oci-layout", F_OK, 0) < 0)
		r = og_replace_file(root_fd, "oci-layout", LAYOUT, strlen(LAYOUT), 0600, true, err);
	return r;
}

void og_blob_store_done(struct og_blob_store *store)
{
	const int fds[] = { store->root_fd,    store->sha256_fd,     store->sha512_fd,
			    store->uploads_fd, store->quarantine_fd, store->other_fd };

	verify_done(store);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		(void)og_close(fds[i]);
}

int og_blob_store_folder(const struct og_blob_store *store, const struct og_blob_digest *digest)
{
	return digest->kind == OG_HASH_SHA512 ? store->sha512_fd : store->sha256_fd;
}

bool og_blob_store_has(const struct og_blob_store *store, const struct og_blob_digest *digest)
{
	return faccessat(og_blob_store_folder(store, digest), og_blob_digest_hex(digest), F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

int og_blob_store_temp(const struct og_blob_store *store, struct og_err *err)
{
	int fd = openat(store->sha256_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);

	return fd < 0 ? og_fail(err, -errno, "begin a blob") : fd;
}

/* ---- reading ---- */

static int open_file(const struct og_blob_store *store, const struct og_blob_digest *digest,
		     struct stat *ret_st)
{
	og_auto_fd fd = openat(og_blob_store_folder(store, digest), og_blob_digest_hex(digest),
			       O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -errno;
	return S_ISREG(ret_st->st_mode) ? og_take_fd(&fd) : -ENOENT;
}

/* A damaged one is no longer there. */
static int gone(int r)
{
	return r == -EUCLEAN ? -ENOENT : r;
}

static int read_small(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		      const struct stat *st, char **ret_buf, struct og_err *err)
{
	size_t size = (size_t)st->st_size;
	og_auto_free char *buf = malloc(size + 1);
	uint8_t hash[OG_HASH_BYTES_MAX];
	ssize_t n;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "read a blob");
	n = og_pread_upto(fd, buf, size, 0);
	if (n < 0 && !verify_is_fault_of_file((int)n))
		return og_fail(err, (int)n, "read a blob");
	if ((size_t)n != size || og_hash_of(digest->kind, buf, size, hash) < 0 ||
	    !verify_matches(digest, hash)) {
		verify_put_aside(store, digest, st->st_ino);
		return og_fail_plain(err, -ENOENT, "blob %s was damaged", digest->text);
	}
	buf[size] = '\0';
	*ret_buf = og_take_ptr(buf);
	return 0;
}

void og_store_blob_done(struct og_store_blob *blob)
{
	free(blob->buf);
	(void)og_close(blob->fd);
	(void)og_store_check_free(blob->check);
	*blob = (struct og_store_blob){ .fd = -EBADF };
}

int og_blob_store_open_blob(struct og_blob_store *store, const struct og_blob_digest *digest,
			    enum og_store_open how, uint64_t recorded, struct og_store_blob *blob,
			    struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	struct stat st;
	int r = 0;

	fd = open_file(store, digest, &st);
	if (fd < 0)
		return og_fail(err, fd, "blob %s", digest->text);
	if ((uint64_t)st.st_size <= OG_STORE_SMALL)
		r = read_small(store, fd, digest, &st, &blob->buf, err);
	else if (how == OG_STORE_VERIFY || (uint64_t)st.st_size != recorded)
		r = gone(verify_unless_known(store, fd, digest, err));
	else if (how == OG_STORE_BEGIN)
		r = gone(verify_begin(store, fd, digest, &blob->check, err));
	if (r < 0)
		return r;
	blob->size = (uint64_t)st.st_size;
	if (how != OG_STORE_LOOK && blob->buf == NULL)
		blob->fd = og_take_fd(&fd);
	return 0;
}

int og_blob_store_read(struct og_blob_store *store, const struct og_blob_digest *digest,
		       size_t max_bytes, char **ret_buf, size_t *ret_len, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	struct stat st;
	int r;

	fd = open_file(store, digest, &st);
	if (fd < 0)
		return og_fail(err, fd, "blob %s", digest->text);
	if ((uint64_t)st.st_size > max_bytes)
		return og_fail(err, -EFBIG, "blob %s", digest->text);
	r = read_small(store, fd, digest, &st, ret_buf, err);
	if (r == 0)
		*ret_len = (size_t)st.st_size;
	return r;
}

int og_blob_store_check(struct og_blob_store *store, const struct og_blob_digest *digest,
			int (*pace)(void *data, uint64_t bytes), void *data, uint64_t *ret_bytes,
			struct og_err *err)
{
	struct verify_pace reading = { .fn = pace, .data = data };
	og_auto_fd fd = -EBADF;
	struct stat st;
	int r;

	fd = open_file(store, digest, &st);
	if (fd < 0)
		return og_fail(err, fd, "blob %s", digest->text);
	/* From the disk, not from the memory that was read before it went bad. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	r = verify_fd(store, fd, digest, &reading, err);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	*ret_bytes = reading.bytes;
	return r;
}

/* ---- publishing ---- */

static int flush_folder(const struct og_blob_store *store, const struct og_blob_digest *digest,
			struct og_err *err)
{
	if (fsync(og_blob_store_folder(store, digest)) < 0)
		return og_fail(err, -errno, "flush a folder");
	return 0;
}

/* 0, -EEXIST. */
static int name_file(const struct og_blob_store *store, int fd, const char *upload,
		     const struct og_blob_digest *digest)
{
	int folder_fd = og_blob_store_folder(store, digest);
	const char *name = og_blob_digest_hex(digest);
	int r;

	/* Renamed and not linked: an upload that is gone on with must never be a blob's file. */
	if (upload != NULL)
		r = renameat2(store->uploads_fd, upload, folder_fd, name, RENAME_NOREPLACE);
	else
		r = linkat(AT_FDCWD, og_fd_path(fd).text, folder_fd, name, AT_SYMLINK_FOLLOW);
	return r < 0 ? -errno : 0;
}

/* The engine has the same bytes: one file with two names. */
static int share(struct og_blob_store *store, const struct og_blob_digest *digest)
{
	const char *name = og_blob_digest_hex(digest);
	uint8_t hash[OG_HASH_BYTES_MAX];
	struct verify_pace pace = {};
	og_auto_fd fd = -EBADF;

	if (store->other_fd < 0 || digest->kind != OG_HASH_SHA256)
		return -ENOENT;
	fd = openat(store->other_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || verify_hash(fd, digest->kind, &pace, hash, NULL) < 0 ||
	    !verify_matches(digest, hash))
		return -ENOENT;
	if (linkat(store->other_fd, name, store->sha256_fd, name, 0) < 0)
		return -errno;
	verify_remember(store, fd);
	return 0;
}

/* A good one is there already: 0. A bad one is out of the way: -ENOENT. */
static int keep_existing(struct og_blob_store *store, const struct og_blob_digest *digest,
			 struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	struct stat st;

	fd = open_file(store, digest, &st);
	return fd < 0 ? fd : gone(verify_unless_known(store, fd, digest, err));
}

int og_blob_store_publish(struct og_blob_store *store, int fd, const char *upload,
			  const struct og_blob_digest *digest, struct og_err *err)
{
	int r = share(store, digest);

	if (r == 0)
		return flush_folder(store, digest, err);
	if (r == -EEXIST || og_blob_store_has(store, digest)) {
		r = keep_existing(store, digest, err);
		/* Its name may be younger than the last flush. */
		if (r != -ENOENT)
			return r < 0 ? r : flush_folder(store, digest, err);
	}
	if (upload != NULL)
		(void)fchmod(fd, 0400);
	if (fdatasync(fd) < 0)
		return og_fail(err, -errno, "flush a blob");
	r = name_file(store, fd, upload, digest);
	if (r == -EEXIST)
		r = keep_existing(store, digest, err);
	if (r < 0)
		return og_fail(err, r, "publish %s", digest->text);
	verify_remember(store, fd);
	return flush_folder(store, digest, err);
}

int og_blob_store_republish(struct og_blob_store *store, int fd, const char *upload,
			    const struct og_blob_digest *digest, struct og_err *err)
{
	int r;

	if (og_blob_store_has(store, digest))
		return 0;
	/* A file that had a name and lost it cannot get one again. */
	if (upload != NULL && faccessat(store->uploads_fd, upload, F_OK, 0) < 0)
		return og_fail(err, -EAGAIN, "publish %s", digest->text);
	if (fdatasync(fd) < 0)
		return og_fail(err, -errno, "flush a blob");
	r = name_file(store, fd, upload, digest);
	if (r < 0 && r != -EEXIST)
		return og_fail(err, r, "publish %s", digest->text);
	return flush_folder(store, digest, err);
}

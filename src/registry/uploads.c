/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/uploads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "registry/policy.h"

#define RANDOM_BYTES 12
#define MAC_BYTES    16 /* of 32: nobody guesses 2^128 */
#define READ_BLOCK   (256U << 10)

static void to_hex(const uint8_t *bytes, size_t len, char *to)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

/* @head: time and random, as text. Names hold no NUL, so that the parts cannot be moved. */
static int make_mac(const struct og_uploads *uploads, const char *head, const char *repository,
		    const char *account, char ret_hex[2 * MAC_BYTES + 1])
{
	char message[64 + OG_REPOSITORY_MAX + OG_REGISTRY_ACCOUNT_MAX];
	uint8_t mac[32];
	int len =
		snprintf(message, sizeof(message), "%.32s%s%c%s", head, repository, '\0', account);
	int r = og_hash_mac(uploads->key, uploads->key_len, message, (size_t)len, mac);

	if (r == 0)
		to_hex(mac, MAC_BYTES, ret_hex);
	return r;
}

int og_uploads_begin(const struct og_uploads *uploads, const char *repository, const char *account,
		     char ret_id[OG_UPLOAD_ID_MAX], struct og_err *err)
{
	uint8_t random[RANDOM_BYTES];
	int r = og_hash_random(random, sizeof(random));

	(void)snprintf(ret_id, OG_UPLOAD_ID_MAX, "%08x", (unsigned)time(NULL));
	to_hex(random, sizeof(random), ret_id + 8);
	if (r == 0)
		r = make_mac(uploads, ret_id, repository, account, ret_id + 32);
	return r < 0 ? og_fail(err, r, "begin an upload") : 0;
}

static bool is_over(struct og_uploads *uploads, const char *id)
{
	bool found = false;

	(void)pthread_mutex_lock(&uploads->lock);
	for (unsigned i = 0; i < OG_UPLOADS_OVER && !found; i++)
		found = memcmp(uploads->over[i], id, OG_UPLOAD_ID_CHARS) == 0;
	(void)pthread_mutex_unlock(&uploads->lock);
	return found;
}

static int64_t begun_at(const char *id)
{
	char text[9];

	memcpy(text, id, 8);
	text[8] = '\0';
	return (int64_t)strtoul(text, NULL, 16);
}

bool og_uploads_is_valid(struct og_uploads *uploads, const char *id, const char *repository,
			 const char *account)
{
	char mac[2 * MAC_BYTES + 1];
	unsigned differs = 0;

	if (strlen(id) != OG_UPLOAD_ID_CHARS || make_mac(uploads, id, repository, account, mac) < 0)
		return false;
	for (size_t i = 0; i < sizeof(mac) - 1; i++)
		differs |= (unsigned)(mac[i] ^ id[32 + i]);
	if (differs != 0 || is_over(uploads, id))
		return false;
	/* One without bytes is given up by the clock alone. */
	return faccessat(uploads->store->uploads_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       time(NULL) - begun_at(id) < (int64_t)uploads->lifetime_s;
}

uint64_t og_uploads_size(const struct og_uploads *uploads, const char *id)
{
	struct stat st;

	return fstatat(uploads->store->uploads_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0
		       ? (uint64_t)st.st_size
		       : 0;
}

/* ---- kept hashes ---- */

static struct og_hash *take_hash(struct og_uploads *uploads, const char *id, uint64_t bytes)
{
	struct og_hash *hash = NULL;

	(void)pthread_mutex_lock(&uploads->lock);
	for (unsigned i = 0; i < OG_UPLOADS_HASHES && hash == NULL; i++) {
		struct og_upload_hash *kept = &uploads->hashes[i];

		if (kept->hash == NULL || !og_streq(kept->id, id))
			continue;
		hash = og_take_ptr(kept->hash);
		kept->id[0] = '\0';
		/* Of a request that broke off, say. */
		if (kept->bytes != bytes)
			hash = og_hash_free(hash);
		break;
	}
	(void)pthread_mutex_unlock(&uploads->lock);
	return hash;
}

static void keep_hash(struct og_uploads *uploads, struct og_upload *upload)
{
	struct og_upload_hash *place = &uploads->hashes[0];

	(void)pthread_mutex_lock(&uploads->lock);
	for (unsigned i = 0; i < OG_UPLOADS_HASHES && place->hash != NULL; i++)
		if (uploads->hashes[i].hash == NULL || uploads->hashes[i].used < place->used)
			place = &uploads->hashes[i];
	(void)og_hash_free(place->hash);
	*place = (struct og_upload_hash){ .hash = og_take_ptr(upload->hash),
					  .bytes = upload->bytes,
					  .used = ++uploads->uses };
	memcpy(place->id, upload->id, sizeof(place->id));
	(void)pthread_mutex_unlock(&uploads->lock);
}

static void note_over(struct og_uploads *uploads, const char *id)
{
	(void)pthread_mutex_lock(&uploads->lock);
	memcpy(uploads->over[uploads->over_next], id, OG_UPLOAD_ID_CHARS);
	uploads->over_next = (uploads->over_next + 1) % OG_UPLOADS_OVER;
	(void)pthread_mutex_unlock(&uploads->lock);
}

static int hash_again(struct og_upload *upload, struct og_err *err)
{
	og_auto_free char *buf = malloc(READ_BLOCK);
	uint64_t at = 0;
	int r = buf == NULL ? -ENOMEM : og_hash_new(upload->kind, &upload->hash, err);

	while (r == 0 && at < upload->bytes) {
		ssize_t n = og_pread_upto(upload->fd, buf, READ_BLOCK, at);

		if (n <= 0)
			return og_fail(err, n < 0 ? (int)n : -EIO, "read an upload");
		at += (uint64_t)n;
		r = og_hash_add(upload->hash, buf, (size_t)n, err);
	}
	return r;
}

int og_upload_hash_as(struct og_upload *upload, enum og_hash_kind kind, struct og_err *err)
{
	if (upload->hash != NULL && upload->kind == kind)
		return 0;
	upload->hash = og_hash_free(upload->hash);
	upload->kind = kind;
	return hash_again(upload, err);
}

/* ---- how many, and how much ---- */

static DIR *list(const struct og_uploads *uploads)
{
	int fd = openat(uploads->store->uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		(void)og_close(fd);
	return dir;
}

static int count_all(struct og_uploads *uploads)
{
	const struct dirent *entry;
	DIR *dir = list(uploads);
	uint64_t bytes = 0;
	unsigned count = 0;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL)
		if (strlen(entry->d_name) == OG_UPLOAD_ID_CHARS) {
			count++;
			bytes += og_uploads_size(uploads, entry->d_name);
		}
	(void)closedir(dir);
	/* What happens meanwhile may be missed: the next time that a limit is met it is not. */
	atomic_store(&uploads->count, count);
	atomic_store(&uploads->bytes, bytes);
	return 0;
}

/* Not for every request that is refused: it takes some time. */
static void count_again(struct og_uploads *uploads)
{
	int64_t now = time(NULL);

	(void)pthread_mutex_lock(&uploads->lock);
	if (uploads->counted_at != now)
		(void)count_all(uploads);
	uploads->counted_at = now;
	(void)pthread_mutex_unlock(&uploads->lock);
}

static bool take_place(struct og_uploads *uploads)
{
	if (atomic_fetch_add(&uploads->count, 1) < uploads->max)
		return true;
	(void)atomic_fetch_sub(&uploads->count, 1);
	return false;
}

static bool is_too_much(struct og_uploads *uploads)
{
	return uploads->max_bytes > 0 &&
	       atomic_load(&uploads->bytes) + atomic_load(&uploads->loose) > uploads->max_bytes;
}

/* ---- one upload ---- */

static int too_many(struct og_err *err)
{
	return og_fail_plain(err, -EDQUOT, "too many open uploads: finish or delete some, or wait");
}

static int open_upload(struct og_upload *upload, struct og_err *err)
{
	struct og_uploads *uploads = upload->uploads;
	int dir_fd = uploads->store->uploads_fd;

	upload->fd = openat(dir_fd, upload->id, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (upload->fd >= 0 || errno != ENOENT)
		return upload->fd < 0 ? og_fail(err, -errno, "open an upload") : 0;
	if (!take_place(uploads)) {
		count_again(uploads);
		if (!take_place(uploads))
			return too_many(err);
	}
	upload->fd = openat(dir_fd, upload->id, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	if (upload->fd < 0) {
		(void)atomic_fetch_sub(&uploads->count, 1);
		return og_fail(err, errno == EEXIST ? -EBUSY : -errno, "begin an upload");
	}
	return 0;
}

/* Locks it, and sees that it still has its name: a request before may have finished it. */
static int lock_upload(struct og_upload *upload, struct og_err *err)
{
	struct stat named, opened;

	if (flock(upload->fd, LOCK_EX | LOCK_NB) < 0)
		return og_fail_plain(err, -EBUSY, "another request works on this upload");
	if (fstat(upload->fd, &opened) < 0 ||
	    fstatat(upload->uploads->store->uploads_fd, upload->id, &named, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    named.st_ino != opened.st_ino)
		return og_fail_plain(err, -EBUSY, "the upload was finished meanwhile");
	upload->bytes = upload->taken = (uint64_t)opened.st_size;
	return 0;
}

int og_upload_take(struct og_uploads *uploads, const char *id, bool whole,
		   struct og_upload *ret_upload, struct og_err *err)
{
	struct og_upload upload = { .uploads = uploads, .fd = -EBADF };
	bool named = faccessat(uploads->store->uploads_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int r;

	(void)snprintf(upload.id, sizeof(upload.id), "%s", id);
	upload.named = named || !whole;
	if (upload.named) {
		r = open_upload(&upload, err);
		if (r == 0)
			r = lock_upload(&upload, err);
	} else {
		r = upload.fd = og_blob_store_temp(uploads->store, err);
	}
	if (r >= 0 && upload.named)
		upload.hash = take_hash(uploads, id, upload.bytes);
	if (r >= 0 && upload.hash == NULL && upload.bytes == 0)
		r = og_hash_new(OG_HASH_SHA256, &upload.hash, err);
	if (r < 0) {
		(void)og_hash_free(upload.hash);
		(void)og_close(upload.fd);
		return r;
	}
	*ret_upload = upload;
	return 0;
}

int og_upload_grow(struct og_upload *upload, uint64_t bytes, struct og_err *err)
{
	struct og_uploads *uploads = upload->uploads;

	(void)atomic_fetch_add(&uploads->loose, bytes);
	upload->grown += bytes;
	if (is_too_much(uploads))
		count_again(uploads);
	if (is_too_much(uploads))
		return og_fail_plain(err, -EDQUOT, "open uploads take too much room: wait");
	return 0;
}

int og_upload_cut(struct og_upload *upload, uint64_t bytes, struct og_err *err)
{
	upload->hash = og_hash_free(upload->hash);
	if (ftruncate(upload->fd, (off_t)bytes) < 0)
		return og_fail(err, -errno, "cut an upload");
	upload->bytes = bytes;
	return 0;
}

void og_upload_release(struct og_upload *upload, bool over)
{
	struct og_uploads *uploads = upload->uploads;

	if (uploads == NULL)
		return;
	(void)atomic_fetch_sub(&uploads->loose, upload->grown);
	if (over)
		note_over(uploads, upload->id);
	if (over && upload->named) {
		(void)unlinkat(uploads->store->uploads_fd, upload->id, 0);
		(void)atomic_fetch_sub(&uploads->count, 1);
		(void)atomic_fetch_sub(&uploads->bytes, upload->taken);
	} else if (upload->named) {
		(void)atomic_fetch_add(&uploads->bytes, upload->bytes - upload->taken);
		if (upload->hash != NULL && upload->kind == OG_HASH_SHA256)
			keep_hash(uploads, upload);
	}
	(void)og_hash_free(upload->hash);
	(void)og_close(upload->fd);
	*upload = (struct og_upload){ .fd = -EBADF };
}

/* ---- all of them ---- */

int og_uploads_open(struct og_uploads *uploads, struct og_err *err)
{
	int r;

	(void)pthread_mutex_init(&uploads->lock, NULL);
	r = count_all(uploads);
	return r < 0 ? og_fail(err, r, "read 'uploads'") : 0;
}

void og_uploads_done(struct og_uploads *uploads)
{
	for (unsigned i = 0; i < OG_UPLOADS_HASHES; i++)
		(void)og_hash_free(uploads->hashes[i].hash);
	(void)pthread_mutex_destroy(&uploads->lock);
}

/* True when it was given up, or would be. */
static bool purge_one(struct og_uploads *uploads, const char *id, bool dry_run, uint64_t *ret_bytes)
{
	struct og_upload upload;
	struct stat st;

	if (fstatat(uploads->store->uploads_fd, id, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    time(NULL) - st.st_mtim.tv_sec < (int64_t)uploads->lifetime_s)
		return false;
	*ret_bytes += (uint64_t)st.st_size;
	if (dry_run)
		return true;
	if (og_upload_take(uploads, id, false, &upload, NULL) < 0)
		return false;
	og_upload_release(&upload, true);
	return true;
}

uint64_t og_uploads_purge(struct og_uploads *uploads, bool dry_run, uint64_t *ret_bytes)
{
	const struct dirent *entry;
	DIR *dir = list(uploads);
	uint64_t count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strlen(entry->d_name) == OG_UPLOAD_ID_CHARS &&
		    purge_one(uploads, entry->d_name, dry_run, ret_bytes))
			count++;
	if (dir != NULL)
		(void)closedir(dir);
	return count;
}

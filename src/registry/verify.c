/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/thread.h"

#define READ_LARGE  (256U << 10)
#define SECOND_NSEC 1000000000

/* What is shorter is hashed before it is served: in half a millisecond, about what a thread costs. */
#define BESIDE_FROM (1U << 20)

#define TRIES 3

struct og_store_check {
	struct og_blob_store *store;
	struct og_store_check *next;   /* of those that go on */
	struct og_store_verified file; /* as it was before */
	struct og_blob_digest digest;
	int fd; /* owned; of its own, since two readers would spoil each other's reading ahead */
	int done_fd; /* owned; readable once there is a result */
	int result;
	atomic_uint users; /* who hashes, and who wants to know */
};

void verify_init(struct og_blob_store *store)
{
	(void)pthread_mutex_init(&store->lock, NULL);
	(void)pthread_cond_init(&store->check_ended, NULL);
}

void verify_done(struct og_blob_store *store)
{
	atomic_store(&store->stopping, true);
	(void)pthread_mutex_lock(&store->lock);
	while (store->check_count > 0)
		(void)pthread_cond_wait(&store->check_ended, &store->lock);
	(void)pthread_mutex_unlock(&store->lock);
	(void)pthread_cond_destroy(&store->check_ended);
	(void)pthread_mutex_destroy(&store->lock);
}

/* ---- known good files ---- */

static struct og_store_verified identity(const struct stat *st)
{
	return (struct og_store_verified){ .device = st->st_dev,
					   .inode = st->st_ino,
					   .size = (uint64_t)st->st_size,
					   .changed = st->st_ctim,
					   .modified = st->st_mtim };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct og_store_verified *a, const struct og_store_verified *b)
{
	return a->inode == b->inode && a->device == b->device && a->size == b->size &&
	       same_time(&a->changed, &b->changed) && same_time(&a->modified, &b->modified);
}

/* With the lock held. */
static struct og_store_verified *place_of(struct og_blob_store *store,
					  const struct og_store_verified *file)
{
	return &store->verified[file->inode % OG_STORE_VERIFIED];
}

static void remember(struct og_blob_store *store, const struct stat *st)
{
	struct og_store_verified file = identity(st);

	(void)pthread_mutex_lock(&store->lock);
	*place_of(store, &file) = file;
	(void)pthread_mutex_unlock(&store->lock);
}

void verify_remember(struct og_blob_store *store, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		remember(store, &st);
}

/* ---- hashing ---- */

void verify_put_aside(struct og_blob_store *store, const struct og_blob_digest *digest,
		      uint64_t inode)
{
	int folder_fd = og_blob_store_folder(store, digest);
	struct timespec now;
	struct stat st;
	char name[160];

	/* A push may have brought a good one meanwhile. */
	if (fstatat(folder_fd, og_blob_digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_ino != inode)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(name, sizeof(name), "%.140s.%lld", og_blob_digest_hex(digest),
		       (long long)now.tv_sec * SECOND_NSEC + now.tv_nsec);
	if (renameat(folder_fd, og_blob_digest_hex(digest), store->quarantine_fd, name) == 0)
		og_blob_store_log(store, "%.20s... is damaged: moved to quarantine/%s",
				  digest->text, name);
	else if (errno != ENOENT)
		og_blob_store_log(store, "%s is damaged and cannot be moved away: %s", digest->text,
				  strerror(errno));
}

int verify_hash(int fd, enum og_hash_kind kind, struct verify_pace *pace,
		uint8_t ret_hash[OG_HASH_BYTES_MAX], struct og_err *err)
{
	og_cleanup(og_hash_freep) struct og_hash *state = NULL;
	og_auto_free char *buf = malloc(READ_LARGE);
	int r = buf == NULL ? -ENOMEM : og_hash_new(kind, &state, err);

	while (r == 0) {
		ssize_t n = og_pread_upto(fd, buf, READ_LARGE, pace->bytes);

		if (n <= 0) {
			r = (int)n;
			break;
		}
		pace->bytes += (uint64_t)n;
		r = og_hash_add(state, buf, (size_t)n, err);
		if (r == 0 && pace->fn != NULL)
			r = pace->fn(pace->data, (uint64_t)n);
	}
	if (r < 0)
		return r;
	og_hash_finish(state, ret_hash);
	return 0;
}

bool verify_matches(const struct og_blob_digest *digest, const uint8_t *hash)
{
	struct og_blob_digest found;

	og_blob_digest_of(digest->kind, hash, &found);
	return og_blob_digest_equal(&found, digest);
}

bool verify_is_fault_of_file(int r)
{
	return r == -EIO || r == -EUCLEAN;
}

static int say_damaged(const struct og_blob_digest *digest, struct og_err *err)
{
	return og_fail_plain(err, -EUCLEAN, "blob %s is damaged", digest->text);
}

int verify_fd(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
	      struct verify_pace *pace, struct og_err *err)
{
	uint8_t hash[OG_HASH_BYTES_MAX];
	struct stat before, after;
	int r;

	if (fstat(fd, &before) < 0)
		return -errno;
	r = verify_hash(fd, digest->kind, pace, hash, err);
	if (r < 0 && !verify_is_fault_of_file(r))
		return r;
	if (r < 0 || !verify_matches(digest, hash)) {
		verify_put_aside(store, digest, before.st_ino);
		return say_damaged(digest, err);
	}
	/* Of one that changed meanwhile nothing is known. */
	if (fstat(fd, &after) == 0 && same_time(&before.st_ctim, &after.st_ctim))
		remember(store, &after);
	return 0;
}

/* ---- beside those who send ---- */

static struct og_store_check *free_check(struct og_store_check *check)
{
	if (check == NULL)
		return NULL;
	(void)og_close(check->fd);
	(void)og_close(check->done_fd);
	free(check);
	return NULL;
}

OG_DEFINE_CLEANUP(struct og_store_check, free_check)

static int make_check(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		      const struct og_store_verified *file, struct og_store_check **ret_check)
{
	og_cleanup(free_checkp) struct og_store_check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return -ENOMEM;
	check->store = store;
	check->file = *file;
	check->digest = *digest;
	atomic_init(&check->users, 1);
	check->fd = open(og_fd_path(fd).text, O_RDONLY | O_CLOEXEC);
	check->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (check->fd < 0 || check->done_fd < 0)
		return -errno;
	(void)posix_fadvise(check->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret_check = og_take_ptr(check);
	return 0;
}

/* With the lock held. */
static struct og_store_check *find_check(const struct og_blob_store *store,
					 const struct og_store_verified *file)
{
	struct og_store_check *check = store->checks;

	while (check != NULL && !same_file(&check->file, file))
		check = check->next;
	return check;
}

/*
 * Waits for a turn. *@ret_check: NULL when the file is known; else one that goes on already, or, with
 * *@ret_mine, one that the caller must run.
 */
static int enter(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		 struct og_store_check **ret_check, bool *ret_mine)
{
	struct og_store_check *check = NULL;
	struct og_store_verified file;
	bool known = false;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	file = identity(&st);
	*ret_mine = false;
	(void)pthread_mutex_lock(&store->lock);
	for (;;) {
		known = same_file(place_of(store, &file), &file);
		check = known ? NULL : find_check(store, &file);
		if (known || check != NULL || store->check_count < OG_STORE_CHECKS_MAX)
			break;
		(void)pthread_cond_wait(&store->check_ended, &store->lock);
	}
	if (check != NULL) {
		atomic_fetch_add(&check->users, 1);
	} else if (!known) {
		r = make_check(store, fd, digest, &file, &check);
		if (r == 0) {
			check->next = store->checks;
			store->checks = check;
			store->check_count++;
			*ret_mine = true;
		}
	}
	(void)pthread_mutex_unlock(&store->lock);
	if (r == 0)
		*ret_check = check;
	return r;
}

static int is_wanted(void *data, uint64_t bytes)
{
	struct og_blob_store *store = data;

	(void)bytes;
	return atomic_load_explicit(&store->stopping, memory_order_relaxed) ? -ECANCELED : 0;
}

static void run_check(struct og_store_check *check)
{
	struct og_blob_store *store = check->store;
	struct verify_pace pace = { .fn = is_wanted, .data = store };
	struct og_store_check **at = &store->checks;
	int r = verify_fd(store, check->fd, &check->digest, &pace, NULL);

	(void)pthread_mutex_lock(&store->lock);
	while (*at != check)
		at = &(*at)->next;
	*at = check->next;
	check->result = r;
	(void)pthread_mutex_unlock(&store->lock);
	(void)eventfd_write(check->done_fd, 1);
}

/* The store may be gone as soon as the last one has left. */
static void leave(struct og_blob_store *store)
{
	(void)pthread_mutex_lock(&store->lock);
	store->check_count--;
	(void)pthread_cond_broadcast(&store->check_ended);
	(void)pthread_mutex_unlock(&store->lock);
}

static void *run_thread(void *data)
{
	struct og_store_check *check = data;
	struct og_blob_store *store = check->store;

	run_check(check);
	(void)og_store_check_free(check);
	leave(store);
	return NULL;
}

static int start_thread(struct og_store_check *check)
{
	int r;

	atomic_fetch_add(&check->users, 1);
	r = og_thread_start(NULL, 0, run_thread, check);
	if (r < 0)
		atomic_fetch_sub(&check->users, 1);
	return r;
}

struct og_store_check *og_store_check_free(struct og_store_check *check)
{
	if (check == NULL || atomic_fetch_sub(&check->users, 1) > 1)
		return NULL;
	return free_check(check);
}

int og_store_check_fd(const struct og_store_check *check)
{
	return check->done_fd;
}

int og_store_check_result(struct og_store_check *check, struct og_err *err)
{
	struct pollfd done = { .fd = check->done_fd, .events = POLLIN };
	struct og_store_verified file;
	struct stat st;
	int r;

	while (poll(&done, 1, -1) < 0 && errno == EINTR)
		;
	(void)pthread_mutex_lock(&check->store->lock);
	r = check->result;
	(void)pthread_mutex_unlock(&check->store->lock);
	if (r == -EUCLEAN)
		return say_damaged(&check->digest, err);
	if (r < 0)
		return og_fail(err, r, "verify blob %s", check->digest.text);
	if (fstat(check->fd, &st) < 0)
		return -errno;
	file = identity(&st);
	return same_file(&file, &check->file)
		       ? 0
		       : og_fail_plain(err, -EAGAIN, "blob %s changed while it was read",
				       check->digest.text);
}

static int verify_now(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		      struct og_err *err)
{
	struct og_store_check *check = NULL;
	bool mine;
	int r = enter(store, fd, digest, &check, &mine);

	if (r < 0 || check == NULL)
		return r;
	if (mine) {
		run_check(check);
		leave(store);
	}
	r = og_store_check_result(check, err);
	(void)og_store_check_free(check);
	return r;
}

int verify_unless_known(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
			struct og_err *err)
{
	int r = -EAGAIN;

	/* A new name or one less is a change, too. */
	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = verify_now(store, fd, digest, err);
	return r;
}

int verify_begin(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		 struct og_store_check **ret_check, struct og_err *err)
{
	struct stat st;
	bool mine;
	int r;

	*ret_check = NULL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < BESIDE_FROM)
		return verify_unless_known(store, fd, digest, err);
	r = enter(store, fd, digest, ret_check, &mine);
	if (r == 0 && *ret_check != NULL && mine && start_thread(*ret_check) < 0) {
		run_check(*ret_check);
		leave(store);
	}
	return r;
}

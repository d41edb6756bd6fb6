/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "image/catalog.h"

static const struct {
	const char *path, *suffix;
} folders[OG_FOLDER_COUNT] = {
	[OG_FOLDER_BLOBS] = { "blobs/sha256", "" },
	[OG_FOLDER_LAYERS] = { "layers", ".erofs" },
	[OG_FOLDER_MERGED] = { "merged", ".erofs" },
	[OG_FOLDER_RECIPES] = { "recipes", "" },
};

struct og_file_name og_file_name(enum og_folder folder, const struct og_digest *digest)
{
	struct og_file_name name;

	(void)snprintf(name.text, sizeof(name.text), "%s/%s%s", folders[folder].path,
		       og_digest_hex(digest).text, folders[folder].suffix);
	return name;
}

struct og_file_name og_layer_blob_name(const struct og_digest *blob,
				       const struct og_digest *diff_id)
{
	return og_file_name(og_digest_equal(blob, diff_id) ? OG_FOLDER_RECIPES : OG_FOLDER_BLOBS,
			    blob);
}

int og_store_publish(struct og_store *store, int fd, enum og_folder folder,
		     const struct og_file_name *name, struct og_err *err)
{
	if (fsync(fd) < 0)
		return og_fail(err, -errno, "flush '%s'", name->text);
	if (linkat(AT_FDCWD, og_fd_path(fd).text, store->root_fd, name->text, AT_SYMLINK_FOLLOW) <
		    0 &&
	    errno != EEXIST)
		return og_fail(err, -errno, "publish '%s'", name->text);
	if (fsync(store->folder_fds[folder]) < 0)
		return og_fail(err, -errno, "flush '%s'", folders[folder].path);
	return 0;
}

/* ---- opening ---- */

static int open_folders(struct og_store *store, struct og_err *err)
{
	for (int i = 0; i < OG_FOLDER_COUNT; i++) {
		og_auto_fd made = -EBADF;
		int r = og_mkdirs_in_root(store->root_fd, folders[i].path, 0700, &made, err);

		if (r < 0)
			return og_fail_in(err, r, "make '%s'", folders[i].path);
		store->folder_fds[i] = openat(store->root_fd, folders[i].path,
					      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (store->folder_fds[i] < 0)
			return og_fail(err, -errno, "open '%s'", folders[i].path);
	}
	return 0;
}

/* One process a data root: the pins of two would know nothing of each other. */
static int lock_root(struct og_store *store, struct og_err *err)
{
	if (flock(store->folder_fds[OG_FOLDER_BLOBS], LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return og_fail_plain(
			err, -EBUSY,
			"in use by another process; end that one, or use another data root");
	return og_fail(err, -errno, "lock the image store");
}

/* Removes the files of one folder that no record speaks for, and what is no name of ours. */
static int sweep_folder(struct og_store *store, enum og_folder folder, struct og_err *err)
{
	int fd = openat(store->folder_fds[folder], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		og_close(fd);
		return og_fail(err, -errno, "read '%s'", folders[folder].path);
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		struct og_file_name name;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) > 72)
			continue;
		(void)snprintf(name.text, sizeof(name.text), "%s/%.72s", folders[folder].path,
			       entry->d_name);
		(void)og_store_sweep(store, &name, 1);
	}
	(void)closedir(dir);
	return 0;
}

int og_store_open(struct og_store *store, int root_fd, struct og_err *err)
{
	int r;

	*store = (struct og_store){ .root_fd = -EBADF };
	for (int i = 0; i < OG_FOLDER_COUNT; i++)
		store->folder_fds[i] = -EBADF;
	(void)pthread_mutex_init(&store->lock, NULL);
	(void)pthread_cond_init(&store->changed, NULL);
	store->root_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->root_fd < 0)
		return og_fail(err, -errno, "open data root");
	r = open_folders(store, err);
	if (r == 0)
		r = lock_root(store, err);
	if (r == 0)
		r = og_catalog_open(store->root_fd, &store->db, err);
	for (int i = 0; i < OG_FOLDER_COUNT && r == 0; i++)
		r = sweep_folder(store, (enum og_folder)i, err);
	return r;
}

/* ---- pins ---- */

struct og_pin {
	struct og_file_name name;
	size_t count;
	bool being_made;
	bool noted;
	struct og_digest diff_id; /* when noted: of the blob's layer */
	uint64_t bytes;		  /* and of that layer's files */
	struct og_pin *next;
};

static struct og_pin *find_pin(struct og_store *store, const char *name)
{
	struct og_pin *pin = store->pins;

	while (pin != NULL && !og_streq(pin->name.text, name))
		pin = pin->next;
	return pin;
}

static int add_pin(struct og_store *store, const struct og_file_name *name)
{
	struct og_pin *pin = find_pin(store, name->text);

	if (pin == NULL) {
		pin = calloc(1, sizeof(*pin));
		if (pin == NULL)
			return -ENOMEM;
		pin->name = *name;
		pin->next = store->pins;
		store->pins = pin;
	}
	pin->count++;
	return 0;
}

static void drop_pin(struct og_store *store, const struct og_file_name *name)
{
	struct og_pin **link = &store->pins;

	while (*link != NULL && !og_streq((*link)->name.text, name->text))
		link = &(*link)->next;
	if (*link != NULL && --(*link)->count == 0) {
		struct og_pin *gone = *link;

		*link = gone->next;
		free(gone);
	}
}

void og_store_done(struct og_store *store)
{
	while (store->pins != NULL) {
		struct og_pin *next = store->pins->next;

		free(store->pins);
		store->pins = next;
	}
	store->db = og_db_free(store->db);
	for (int i = 0; i < OG_FOLDER_COUNT; i++)
		store->folder_fds[i] = og_close(store->folder_fds[i]);
	store->root_fd = og_close(store->root_fd);
	(void)pthread_mutex_destroy(&store->lock);
	(void)pthread_cond_destroy(&store->changed);
}

static bool exists(struct og_store *store, const struct og_file_name *name)
{
	return faccessat(store->root_fd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t og_store_sweep(struct og_store *store, const struct og_file_name *names, size_t count)
{
	uint64_t freed = 0;

	for (size_t i = 0; i < count; i++) {
		struct stat st;
		bool known = true;

		if (find_pin(store, names[i].text) != NULL)
			continue;
		/* In doubt it stays: the next sweep may know better. */
		if (og_catalog_has_file(store->db, names[i].text, &known, NULL) < 0 || known)
			continue;
		if (fstatat(store->root_fd, names[i].text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    unlinkat(store->root_fd, names[i].text, 0) == 0)
			freed += (uint64_t)st.st_blocks * 512;
	}
	return freed;
}

/* ---- sessions ---- */

int og_session_begin(struct og_store *store, struct og_session *ret_session, struct og_err *err)
{
	struct og_file_name *names = calloc(OG_SESSION_PINS_MAX, sizeof(*names));

	if (names == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_session = (struct og_session){ .store = store, .names = names };
	(void)pthread_mutex_init(&ret_session->lock, NULL);
	return 0;
}

void og_session_end(struct og_session *session)
{
	struct og_store *store = session->store;

	if (store == NULL)
		return;
	(void)pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < session->count; i++)
		drop_pin(store, &session->names[i]);
	(void)og_store_sweep(store, session->names, session->count);
	(void)pthread_mutex_unlock(&store->lock);
	(void)pthread_mutex_destroy(&session->lock);
	free(session->names);
	*session = (struct og_session){};
}

/* Notes @name in the session's list. Returns false when it is full. */
static bool note_pin(struct og_session *session, const struct og_file_name *name)
{
	bool room;

	(void)pthread_mutex_lock(&session->lock);
	room = session->count < OG_SESSION_PINS_MAX;
	if (room)
		session->names[session->count++] = *name;
	(void)pthread_mutex_unlock(&session->lock);
	return room;
}

int og_session_pin(struct og_session *session, const struct og_file_name *name, bool *ret_exists,
		   struct og_err *err)
{
	struct og_store *store = session->store;
	bool there = false;
	int r;

	(void)pthread_mutex_lock(&store->lock);
	r = add_pin(store, name);
	if (r == 0 && !note_pin(session, name)) {
		drop_pin(store, name);
		r = -E2BIG;
	}
	if (r == 0)
		there = exists(store, name);
	(void)pthread_mutex_unlock(&store->lock);
	if (r < 0)
		return og_fail(err, r, "pin '%s'", name->text);
	*ret_exists = there;
	return 0;
}

/* Waits a fifth of a second, or until a file has been made. */
static void wait_a_little(struct og_store *store)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 200000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&store->changed, &store->lock, &until);
}

int og_session_claim(struct og_session *session, const struct og_file_name *name,
		     int (*tick)(void *data), void *data, bool *ret_mine, struct og_err *err)
{
	struct og_store *store = session->store;
	struct og_pin *pin;
	bool mine;
	int r = 0;

	(void)pthread_mutex_lock(&store->lock);
	pin = find_pin(store, name->text);
	while (pin != NULL && pin->being_made && r == 0) {
		wait_a_little(store);
		r = tick != NULL ? tick(data) : 0;
	}
	mine = r == 0 && pin != NULL && !exists(store, name);
	if (mine)
		pin->being_made = true;
	(void)pthread_mutex_unlock(&store->lock);
	if (pin == NULL || r < 0)
		return og_fail(err, pin == NULL ? -EINVAL : r, "wait for '%s'", name->text);
	*ret_mine = mine;
	return 0;
}

void og_session_made(struct og_session *session, const struct og_file_name *name)
{
	struct og_store *store = session->store;
	struct og_pin *pin;

	(void)pthread_mutex_lock(&store->lock);
	pin = find_pin(store, name->text);
	if (pin != NULL)
		pin->being_made = false;
	(void)pthread_cond_broadcast(&store->changed);
	(void)pthread_mutex_unlock(&store->lock);
}

void og_session_note(struct og_session *session, const struct og_file_name *name,
		     const struct og_digest *diff_id, uint64_t bytes)
{
	struct og_store *store = session->store;
	struct og_pin *pin;

	(void)pthread_mutex_lock(&store->lock);
	pin = find_pin(store, name->text);
	if (pin != NULL) {
		pin->noted = true;
		pin->diff_id = *diff_id;
		pin->bytes = bytes;
	}
	(void)pthread_mutex_unlock(&store->lock);
}

bool og_session_noted(struct og_session *session, const struct og_file_name *name,
		      const struct og_digest *diff_id, uint64_t *ret_bytes)
{
	struct og_store *store = session->store;
	const struct og_pin *pin;
	bool noted;

	(void)pthread_mutex_lock(&store->lock);
	pin = find_pin(store, name->text);
	noted = pin != NULL && pin->noted && og_digest_equal(&pin->diff_id, diff_id);
	if (noted)
		*ret_bytes = pin->bytes;
	(void)pthread_mutex_unlock(&store->lock);
	return noted;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root folder is walked once, by descriptors: no name is resolved that has a slash in it. A file costs no
 * system call unless its name leaves open whether it matters. The lists of owned files, which are many and
 * long, are read only once there is a package of a language that could be owned.
 *
 * Nearly all of it is the kernel's work, so several threads walk (struct crew). Each goes down on its own;
 * one that has nothing to do takes a folder from another, the nearest to the root that nobody has begun,
 * so that it has enough to do for long. Each reads into a builder of its own, and what they make of it
 * together does not depend on who read what.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "format/secrets.h"
#include "trust/inspect.h"
#include "trust/interest.h"

#define DEPTH_MAX     128 /* folders in folders; descriptors stay open on the way down */
#define DIRENTS_BYTES (32U << 10)
#define WINDOW_BYTES  (4U << 10)
#define FILES_MAX     10000000 /* a walk ends */

#define WALKERS_MAX 4U /* beyond it they wait for one another */

/* getdents64(2) */
struct linux_dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type; /* DT_UNKNOWN once nothing is left to do about it */
	char name[];
};

/* A folder on the way down. */
struct level {
	int fd;		 /* borrowed */
	size_t path_len; /* of the walker's path, how much is the folder's own */
	bool secrets;	 /* may be in its files */
	char *entries;	 /* owned; some of what is in it */
	size_t at, end;	 /* of @entries: what nobody has taken yet */
};

struct walker {
	struct crew *crew;
	struct og_builder *builder; /* owned but for the first one's: what this walker found */
	pthread_t thread;
	int result;
	struct og_err err;
	char path[PATH_MAX];
	size_t len;
	size_t above; /* folders between the root and its first level */
	char *window; /* owned; WINDOW_BYTES of the file that is being read */

	atomic_size_t left; /* entries in its levels that nobody has taken; without the lock a hint */
	pthread_mutex_t lock; /* over @depth and what the levels say, for those who take from it */
	size_t depth;
	struct level levels[DEPTH_MAX];
};

struct crew {
	struct og_builder *builder;
	bool ownership; /* the second walk: lists of owned files alone, and each is taken for itself */
	struct walker *walkers[WALKERS_MAX]; /* owned */
	unsigned count;
	atomic_bool failed; /* nobody begins anything any more */
	atomic_size_t files;

	atomic_uint idle; /* who found nothing to take */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended;
};

struct open_file {
	int fd;
	uint64_t size;
	char *window;
	uint64_t from;
	size_t len; /* what is in the window */
};

/* What is read in bits (headers of programs, the end of an archive) is read with what is around it. */
static int fill_window(struct open_file *file, uint64_t offset)
{
	uint64_t from = offset > WINDOW_BYTES / 2 ? offset - WINDOW_BYTES / 2 : 0;
	uint64_t end = file->size - offset > WINDOW_BYTES / 2 ? offset + WINDOW_BYTES / 2
							      : file->size;
	ssize_t n = og_pread_upto(file->fd, file->window, (size_t)(end - from), from);

	file->from = from;
	file->len = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

static int read_file(void *data, uint64_t offset, void *buf, size_t len)
{
	struct open_file *file = data;
	ssize_t n;
	int r = 0;

	if (len > WINDOW_BYTES / 2) {
		n = og_pread_upto(file->fd, buf, len, offset);
		return n < 0 ? (int)n : (size_t)n == len ? 0 : -ESTALE;
	}
	if (offset < file->from || offset + len > file->from + file->len)
		r = fill_window(file, offset);
	if (r == 0 && offset + len > file->from + file->len)
		r = -ESTALE;
	if (r == 0)
		memcpy(buf, file->window + (offset - file->from), len);
	return r;
}

/*
 * By their endings no programs. To look at each costs as much as the rest of the walk. A set-uid program that hides
 * under such a name is found in an image or on a disk, where modes come for nothing.
 */
static bool is_text(const char *name)
{
	static const char *const endings[] = {
		['a'] = "a.adb.ads.ali.",
		['b'] = "bc.",
		['c'] = "c.cmake.conf.control.crt.css.csv.",
		['d'] = "debug.",
		['e'] = "elc.enc.",
		['f'] = "fpc.",
		['g'] = "gif.gz.",
		['h'] = "h.hpp.htm.html.",
		['i'] = "idx.inc.",
		['j'] = "jpg.js.json.",
		['l'] = "la.lang.",
		['m'] = "m4.map.md.mo.mod.msg.",
		['o'] = "o.",
		['p'] = "pas.pc.pdf.ph.pl.pm.png.po.pod.pom.pp.ppu.ps.py.pyc.pyi.",
		['r'] = "rb.rbs.rdoc.rsj.rst.",
		['s'] = "service.socket.sql.svg.",
		['t'] = "target.tcl.timer.tmac.ts.ttf.txt.",
		['v'] = "vim.",
		['x'] = "xml.",
		['y'] = "yaml.yml.",
		['z'] = "zip.",
	};
	const char *dot = strrchr(name, '.'), *at;

	if (dot == NULL || (unsigned char)*++dot >= sizeof(endings) / sizeof(endings[0]))
		return false;
	for (at = endings[(unsigned char)*dot]; at != NULL && *at != '\0'; at++) {
		const char *letter = dot;

		while (*at == *letter) {
			at++;
			letter++;
		}
		if (*at == '.' && *letter == '\0')
			return true;
		while (*at != '.')
			at++;
	}
	return false;
}

/*
 * Text for people and for compilers: half of the files of a Debian, and no reader of ours wants any.
 * They are passed over in folders alone, where each look costs a call.
 */
static bool is_dull(const char *path, size_t len)
{
	static const char *const dull[] = {
		"usr/include",
		"usr/share/doc",
		"usr/share/fonts",
		"usr/share/help",
		"usr/share/i18n",
		"usr/share/icons",
		"usr/share/info",
		"usr/share/locale",
		"usr/share/man",
		"usr/share/mime",
		"usr/share/zoneinfo",
		"usr/src",
		"usr/lib/modules",
		/* The lists in it are read for themselves, where there is need. */
		"var/lib/dpkg/info",
	};

	if (len > sizeof("usr/share/zoneinfo") - 1)
		return false;
	for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++)
		if (og_streq(path, dull[i]))
			return true;
	return false;
}

/* ---- files ---- */

/* Whether it matters at all is asked first without its mode and size, which cost a call. */
static bool could_matter(const struct level *level, const char *name, enum og_interest interest)
{
	return interest != OG_INTEREST_NONE ? !og_interest_is_ownership(interest)
					    : level->secrets || !is_text(name);
}

static int open_file(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* What a race put in its place is not read: only what was looked at. */
static int visit_open_file(struct walker *walker, int fd, struct og_err *err)
{
	struct open_file file = { .fd = fd, .window = walker->window };
	struct og_bytes bytes = { read_file, &file, 0 };
	struct og_interest_set set;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	set = og_interest_in(walker->path, st.st_mode, (uint64_t)st.st_size);
	if (!og_interest_is_any(&set))
		return 0;
	bytes.size = file.size = (uint64_t)st.st_size;
	return og_interest_take(walker->builder, walker->path, &set,
				og_interest_wants_content(&set, bytes.size) ? &bytes : NULL, err);
}

/* Opens it only where its mode and size say that there is something to read. */
static int look_at_file(struct walker *walker, int dir_fd, const char *name, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	struct og_interest_set set;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : og_fail(err, -errno, "look at '%s'", walker->path);
	set = og_interest_in(walker->path, st.st_mode, (uint64_t)st.st_size);
	if (!S_ISREG(st.st_mode) || !og_interest_is_any(&set))
		return 0;
	if (!og_interest_wants_content(&set, (uint64_t)st.st_size))
		return og_interest_take(walker->builder, walker->path, &set, NULL, err);
	fd = open_file(dir_fd, name);
	if (fd == -ENOENT || fd == -ELOOP)
		return 0;
	return fd < 0 ? og_fail(err, fd, "open '%s'", walker->path)
		      : visit_open_file(walker, fd, err);
}

static int visit_file(struct walker *walker, const struct level *level, const char *name,
		      struct og_err *err)
{
	enum og_interest interest = og_interest_of(walker->path);
	og_auto_fd fd = -EBADF;

	if (!could_matter(level, name, interest))
		return 0;
	/* One that matters by its name is as good as always opened: where it cannot be, does it have to? */
	if (interest != OG_INTEREST_NONE)
		fd = open_file(level->fd, name);
	return fd >= 0 ? visit_open_file(walker, fd, err)
		       : look_at_file(walker, level->fd, name, err);
}

/* ---- folders ---- */

/* Puts @name behind the first @len bytes of the path. False: no program could open it by that, either. */
static bool set_path(struct walker *walker, size_t len, const char *name)
{
	size_t more = strlen(name);

	if (len + 1 + more >= sizeof(walker->path))
		return false;
	if (len > 0)
		walker->path[len++] = '/';
	memcpy(walker->path + len, name, more + 1);
	walker->len = len + more;
	return true;
}

/* Looks at a file here and now. A folder is left, to be taken by whoever comes first. */
static int look_at(struct walker *walker, const struct level *level, struct linux_dirent64 *entry,
		   struct og_err *err)
{
	uint8_t type = entry->type;
	struct stat st;

	entry->type = DT_UNKNOWN;
	if (og_streq(entry->name, ".") || og_streq(entry->name, "..") ||
	    !set_path(walker, level->path_len, entry->name))
		return 0;
	if (type == DT_UNKNOWN && fstatat(level->fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
	if (type == DT_REG && !walker->crew->ownership)
		return visit_file(walker, level, entry->name, err);
	if (type == DT_DIR
		    ? walker->crew->ownership || !is_dull(walker->path, walker->len)
		    : type == DT_REG && og_interest_is_ownership(og_interest_of(walker->path)))
		entry->type = type;
	return 0;
}

/* Others may now take what is left of the level's entries. */
static void offer(struct walker *walker, struct level *level, size_t bytes, size_t left)
{
	struct crew *crew = walker->crew;

	(void)pthread_mutex_lock(&walker->lock);
	level->at = 0;
	level->end = bytes;
	(void)pthread_mutex_unlock(&walker->lock);
	/* In this order: who is idle looks for it only after it has said so. For one alone nobody is woken. */
	(void)atomic_fetch_add(&walker->left, left);
	if (left > 1 && atomic_load(&crew->idle) > 0) {
		(void)pthread_mutex_lock(&crew->lock);
		(void)pthread_cond_signal(&crew->changed);
		(void)pthread_mutex_unlock(&crew->lock);
	}
}

/* NULL: nothing is left. Under the lock of the walker whose level it is. */
static const struct linux_dirent64 *take_entry(struct walker *walker, struct level *level)
{
	while (level->at < level->end) {
		const struct linux_dirent64 *entry = (const void *)(level->entries + level->at);

		level->at += entry->len;
		if (entry->type == DT_UNKNOWN)
			continue;
		(void)atomic_fetch_sub(&walker->left, 1);
		return entry;
	}
	return NULL;
}

/* What went away meanwhile, and what is mounted over it, is not in the folder: 0, and *@ret_fd negative. */
static int open_entry(const struct walker *walker, int dir_fd, const struct linux_dirent64 *entry,
		      int *ret_fd, struct og_err *err)
{
	int fd = entry->type == DT_DIR
			 ? og_open_same_mount(dir_fd, entry->name, O_RDONLY | O_DIRECTORY)
			 : open_file(dir_fd, entry->name);

	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP && fd != -EXDEV)
		return og_fail(err, fd, "open '%s'", walker->path);
	*ret_fd = fd;
	return 0;
}

static int visit_folder(struct walker *walker, int fd, struct og_err *err);

/* Goes into all of the level's folders that nobody else takes first. */
static int visit_left(struct walker *walker, struct level *level, struct og_err *err)
{
	int r = 0;

	while (r == 0) {
		const struct linux_dirent64 *entry;
		og_auto_fd fd = -EBADF;

		(void)pthread_mutex_lock(&walker->lock);
		entry = take_entry(walker, level);
		(void)pthread_mutex_unlock(&walker->lock);
		if (entry == NULL)
			break;
		(void)set_path(walker, level->path_len, entry->name);
		r = open_entry(walker, level->fd, entry, &fd, err);
		if (r == 0 && fd >= 0)
			r = entry->type == DT_DIR ? visit_folder(walker, fd, err)
						  : visit_open_file(walker, fd, err);
	}
	return r;
}

/* Not readdir(): on a tree of many small folders what it does around getdents64 is half of all. */
static int visit_entries(struct walker *walker, struct level *level, struct og_err *err)
{
	int64_t next = 0;
	long len;
	int r = 0;

	do {
		size_t left = 0, count = 0;

		len = syscall(SYS_getdents64, level->fd, level->entries, DIRENTS_BYTES);
		if (len < 0) {
			r = -errno;
			walker->path[level->path_len] = '\0';
			return og_fail(err, r, "read '%s'", walker->path);
		}
		for (long at = 0; at < len && r == 0; count++) {
			struct linux_dirent64 *entry = (void *)(level->entries + at);

			r = look_at(walker, level, entry, err);
			left += entry->type != DT_UNKNOWN;
			next = entry->offset;
			at += entry->len;
		}
		if (r == 0 && atomic_fetch_add(&walker->crew->files, count) >= FILES_MAX)
			r = og_fail_plain(err, -E2BIG, "over %d files", FILES_MAX);
		if (r == 0 && left > 0) {
			offer(walker, level, (size_t)len, left);
			r = visit_left(walker, level, err);
		}
		/* ext4 and btrfs go on at the highest place of all when there is no more: to ask again were to no end. */
	} while (len > 0 && next != INT64_MAX && r == 0 && !atomic_load(&walker->crew->failed));
	return r;
}

/* It is the folder that decides: each place that is one or none ends in a slash. */
static bool may_have_secrets(struct walker *walker)
{
	bool may;

	memcpy(walker->path + walker->len, "/", 2);
	may = og_secrets_is_candidate(walker->path);
	walker->path[walker->len] = '\0';
	return may;
}

/* The path is the folder's. */
static int visit_folder(struct walker *walker, int fd, struct og_err *err)
{
	struct level *level;
	int r;

	if (walker->above + walker->depth == DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "'%.200s': over %d folders deep", walker->path,
				     DEPTH_MAX);
	level = &walker->levels[walker->depth];
	if (level->entries == NULL)
		level->entries = malloc(DIRENTS_BYTES);
	if (level->entries == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	(void)pthread_mutex_lock(&walker->lock);
	level->fd = fd;
	level->path_len = walker->len;
	level->secrets = may_have_secrets(walker);
	level->at = level->end = 0;
	walker->depth++;
	(void)pthread_mutex_unlock(&walker->lock);
	r = visit_entries(walker, level, err);
	(void)pthread_mutex_lock(&walker->lock);
	walker->depth--;
	(void)pthread_mutex_unlock(&walker->lock);
	return r;
}

/* ---- walkers ---- */

/* Something that was taken from another: what it is, open, with its path and depth in the walker. */
struct taken {
	int fd; /* negative: it is not there any more */
	bool folder;
};

/* Takes from @other what is nearest to the root. 0: there is nothing. It is opened while its folder must be. */
static int take_from(struct walker *walker, struct walker *other, struct taken *ret_taken,
		     struct og_err *err)
{
	const struct linux_dirent64 *entry = NULL;
	size_t depth = 0;
	int r = 0;

	if (atomic_load(&other->left) == 0)
		return 0;
	(void)pthread_mutex_lock(&other->lock);
	while (depth < other->depth && entry == NULL)
		entry = take_entry(other, &other->levels[depth++]);
	if (entry != NULL) {
		const struct level *level = &other->levels[depth - 1];

		memcpy(walker->path, other->path, level->path_len);
		(void)set_path(walker, level->path_len, entry->name);
		walker->above = other->above + depth;
		ret_taken->folder = entry->type == DT_DIR;
		r = open_entry(walker, level->fd, entry, &ret_taken->fd, err);
	}
	(void)pthread_mutex_unlock(&other->lock);
	return r < 0 ? r : entry != NULL;
}

static int take_from_any(struct walker *walker, struct taken *ret_taken, struct og_err *err)
{
	struct crew *crew = walker->crew;
	int r = 0;

	for (size_t i = 0; i < WALKERS_MAX && r == 0; i++)
		if (crew->walkers[i] != NULL && crew->walkers[i] != walker)
			r = take_from(walker, crew->walkers[i], ret_taken, err);
	return r;
}

static bool is_anything_left(const struct crew *crew)
{
	for (size_t i = 0; i < WALKERS_MAX; i++)
		if (crew->walkers[i] != NULL && atomic_load(&crew->walkers[i]->left) > 0)
			return true;
	return false;
}

/* False: all have nothing to do, and so it stays; or one of them failed. */
static bool wait_for_work(struct crew *crew)
{
	bool ended;

	(void)pthread_mutex_lock(&crew->lock);
	if (atomic_fetch_add(&crew->idle, 1) + 1 == crew->count || atomic_load(&crew->failed)) {
		crew->ended = true;
		(void)pthread_cond_broadcast(&crew->changed);
	}
	while (!crew->ended && !is_anything_left(crew))
		(void)pthread_cond_wait(&crew->changed, &crew->lock);
	ended = crew->ended;
	(void)atomic_fetch_sub(&crew->idle, 1);
	(void)pthread_mutex_unlock(&crew->lock);
	return !ended;
}

static int visit_taken(struct walker *walker, const struct taken *taken, struct og_err *err)
{
	og_auto_fd fd = taken->fd;

	if (fd < 0)
		return 0;
	return taken->folder ? visit_folder(walker, fd, err) : visit_open_file(walker, fd, err);
}

static void *walk_on(void *data)
{
	struct walker *walker = data;
	struct crew *crew = walker->crew;

	do {
		struct taken taken = { .fd = -EBADF };
		int r = 0;

		while (r >= 0 && !atomic_load(&crew->failed) &&
		       (r = take_from_any(walker, &taken, &walker->err)) > 0) {
			r = visit_taken(walker, &taken, &walker->err);
			taken.fd = -EBADF;
		}
		if (r < 0) {
			walker->result = r;
			atomic_store(&crew->failed, true);
		}
	} while (wait_for_work(crew));
	return NULL;
}

static struct walker *walker_free(struct walker *walker)
{
	if (walker == NULL)
		return NULL;
	for (size_t i = 0; i < DEPTH_MAX; i++)
		free(walker->levels[i].entries);
	if (walker->builder != walker->crew->builder)
		(void)og_builder_free(walker->builder);
	free(walker->window);
	free(walker);
	return NULL;
}
OG_DEFINE_CLEANUP(struct walker, walker_free)

/* NULL: no memory. The first one fills the crew's builder itself. */
static struct walker *walker_new(struct crew *crew, bool first)
{
	og_cleanup(walker_freep) struct walker *walker = calloc(1, sizeof(*walker));

	if (walker == NULL)
		return NULL;
	walker->crew = crew;
	(void)pthread_mutex_init(&walker->lock, NULL);
	walker->window = malloc(WINDOW_BYTES);
	walker->builder = first ? crew->builder : NULL;
	if (walker->window == NULL ||
	    (!first && og_builder_part(crew->builder, &walker->builder, NULL) < 0))
		return NULL;
	return og_take_ptr(walker);
}

/* What one walker found, and how it ended. */
static int join(struct walker *walker, struct og_err *err)
{
	struct og_builder *whole = walker->crew->builder;

	if (walker->result < 0 && err != NULL)
		*err = walker->err;
	if (walker->result < 0 || walker->builder == whole)
		return walker->result;
	return og_builder_join(whole, walker->builder, err);
}

static void start_walkers(struct crew *crew)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned made = 1, running = 1;

	/* Who takes from whom is settled before the first of them runs. */
	while (made < WALKERS_MAX && (long)made < processors &&
	       (crew->walkers[made] = walker_new(crew, false)) != NULL)
		made++;
	crew->count = made;
	while (running < made && pthread_create(&crew->walkers[running]->thread, NULL, walk_on,
						crew->walkers[running]) == 0)
		running++;
	/* Fewer than could be will do. */
	(void)pthread_mutex_lock(&crew->lock);
	crew->count = running;
	(void)pthread_mutex_unlock(&crew->lock);
}

/* Walks through the folder @fd, whose path is @path. */
static int walk(struct og_builder *builder, bool ownership, int fd, const char *path,
		struct og_err *err)
{
	struct crew crew = { .builder = builder,
			     .ownership = ownership,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
	struct walker *first = crew.walkers[0] = walker_new(&crew, true);
	int r = 0;

	if (first == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	start_walkers(&crew);
	(void)set_path(first, 0, path);
	first->result = visit_folder(first, fd, &first->err);
	if (first->result < 0)
		atomic_store(&crew.failed, true);
	(void)walk_on(first);
	for (unsigned i = 1; i < crew.count; i++)
		(void)pthread_join(crew.walkers[i]->thread, NULL);
	for (size_t i = 0; i < WALKERS_MAX && crew.walkers[i] != NULL; i++) {
		if (r == 0)
			r = join(crew.walkers[i], err);
		crew.walkers[i] = walker_free(crew.walkers[i]);
	}
	return r;
}

static int walk_ownership(struct og_builder *builder, int dir_fd, struct og_err *err)
{
	static const char folder[] = "var/lib/dpkg";
	og_auto_fd fd = og_open_beneath(dir_fd, folder, O_PATH | O_DIRECTORY, 0);
	og_auto_fd listed_fd = fd >= 0 ? og_open_same_mount(fd, ".", O_RDONLY | O_DIRECTORY) : fd;
	int r = og_builder_packages_end(builder, err);

	if (r < 0 || fd < 0)
		return r;
	return listed_fd < 0 ? og_fail(err, listed_fd, "open '%s'", folder)
			     : walk(builder, true, listed_fd, folder, err);
}

int og_inspect_folder(int dir_fd, const char *target, struct og_inventory **ret_inventory,
		      struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	og_auto_fd fd = -EBADF;
	int r = og_builder_new(target, &builder, err);

	if (r < 0)
		return r;
	fd = og_open_same_mount(dir_fd, ".", O_RDONLY | O_DIRECTORY);
	r = fd < 0 ? og_fail(err, fd, "open it") : walk(builder, false, fd, "", err);
	if (r == 0 && og_builder_language_packages(builder) > 0)
		r = walk_ownership(builder, dir_fd, err);
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root folder is walked once, by descriptors: no name is resolved that has a slash in it. The
 * lists of owned files, which are many and long, are read only once there is a package of a
 * language that could be owned.
 *
 * Nearly all of it is the kernel's work, so several threads walk (struct crew): one that has nothing
 * to do is handed the next folder that another comes to. Only one at a time reads into the builder, and
 * what it makes of it does not depend on the order.
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
#define FILES_MAX     10000000 /* a walk ends */

#define WALKERS_MAX 4U /* beyond it they wait for one another */

struct crew {
	struct og_builder *builder;
	pthread_mutex_t taking; /* over the builder */
	pthread_mutex_t lock;	/* over what is below */
	pthread_cond_t changed;
	unsigned walkers;
	atomic_uint idle; /* who wait for a folder; read without the lock as a hint */
	int fd;		  /* the folder that is handed on, owned; negative: none */
	char path[PATH_MAX];
	size_t depth;
	bool failed; /* nobody begins another folder */
	atomic_size_t files;
};

struct walk {
	struct crew *crew;
	pthread_t thread;
	int result;
	struct og_err err;
	bool ownership; /* the second walk: lists of owned files alone */
	char path[PATH_MAX];
	size_t len, depth;
	char *entries[DEPTH_MAX]; /* owned; of each folder on the way */
};

/* getdents64(2) */
struct linux_dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

struct open_file {
	int fd;
};

static int read_file(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct open_file *file = data;
	ssize_t n = og_pread_upto(file->fd, buf, len, offset);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -ESTALE;
}

/*
 * By their endings no programs. To look at each costs as much as the rest of the walk. A set-uid program that hides
 * under such a name is found in an image or on a disk, where modes come for nothing.
 */
static bool is_text(const char *name)
{
	static const char endings[] =
		".a.adb.ads.ali.bc.c.cmake.conf.control.crt.css.csv.debug.elc.enc.fpc.gif.gz.h.hpp."
		"htm.html.idx.inc.jpg.js.json.la.lang.m4.map.md.mo.mod.msg.o.pas.pc.pdf.ph.pl.pm.png."
		"po.pod.pom.pp.ppu.ps.py.pyc.pyi.rb.rbs.rdoc.rsj.rst.service.socket.sql.svg.target.tcl."
		"timer.tmac.ts.ttf.txt.vim.xml.yaml.yml.zip.";
	const char *dot = strrchr(name, '.'), *at;
	size_t len = dot != NULL ? strlen(dot) : 0;

	if (len < 2 || len > 8)
		return false;
	for (at = strstr(endings, dot); at != NULL; at = strstr(at + 1, dot))
		if (at[len] == '.')
			return true;
	return false;
}

/* Whether it matters at all is asked first without its mode and size, which cost a call. */
static bool could_matter(const struct walk *walk, const char *name, enum og_interest interest)
{
	if (walk->ownership)
		return og_interest_is_ownership(interest);
	return interest != OG_INTEREST_NONE ? !og_interest_is_ownership(interest)
					    : !is_text(name) || og_secrets_is_candidate(walk->path);
}

static int take(struct walk *walk, const struct og_interest_set *set, const struct og_bytes *bytes,
		struct og_err *err)
{
	int r;

	(void)pthread_mutex_lock(&walk->crew->taking);
	r = og_interest_take(walk->crew->builder, walk->path, set, bytes, err);
	(void)pthread_mutex_unlock(&walk->crew->taking);
	return r;
}

static int visit_file(struct walk *walk, int dir_fd, const char *name, struct og_err *err)
{
	struct og_interest_set set = {};
	struct open_file file = { -EBADF };
	struct og_bytes bytes = { read_file, &file, 0 };
	og_auto_fd fd = -EBADF;
	struct stat st;

	if (!could_matter(walk, name, og_interest_of(walk->path)))
		return 0;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : og_fail(err, -errno, "look at '%s'", walk->path);
	set = og_interest_in(walk->path, st.st_mode, (uint64_t)st.st_size);
	if (!S_ISREG(st.st_mode) || !og_interest_is_any(&set))
		return 0;
	if (!og_interest_wants_content(&set, (uint64_t)st.st_size))
		return take(walk, &set, NULL, err);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP
			       ? 0
			       : og_fail(err, -errno, "open '%s'", walk->path);
	/* What a race put in its place is not read: only what was looked at. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	file.fd = fd;
	bytes.size = (uint64_t)st.st_size;
	return take(walk, &set, &bytes, err);
}

/*
 * Text for people and for compilers: half of the files of a Debian, and no reader of ours wants any.
 * They are passed over in folders alone, where each look costs a call.
 */
static bool is_dull(const char *path)
{
	static const char *const dull[] = {
		"usr/include",	   "usr/share/doc",   "usr/share/fonts",    "usr/share/help",
		"usr/share/i18n",  "usr/share/icons", "usr/share/info",	    "usr/share/locale",
		"usr/share/man",   "usr/share/mime",  "usr/share/zoneinfo", "usr/src",
		"usr/lib/modules",
	};

	/* The lists in it are read for themselves, where there is need. */
	if (og_streq(path, "var/lib/dpkg/info"))
		return true;
	if (!og_starts_with(path, "usr/"))
		return false;
	for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++)
		if (og_streq(path, dull[i]))
			return true;
	return false;
}

/* Hands the folder on to one who has nothing to do. False: there is nobody, it stays the caller's. */
static bool hand_on(struct walk *walk, int fd)
{
	struct crew *crew = walk->crew;
	bool taken = false;

	if (walk->ownership || atomic_load_explicit(&crew->idle, memory_order_relaxed) == 0)
		return false;
	(void)pthread_mutex_lock(&crew->lock);
	if (crew->fd < 0 && atomic_load(&crew->idle) > 0 && !crew->failed) {
		crew->fd = fd;
		memcpy(crew->path, walk->path, walk->len + 1);
		crew->depth = walk->depth;
		(void)pthread_cond_signal(&crew->changed);
		taken = true;
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return taken;
}

static int visit_folder(struct walk *walk, int dir_fd, const char *name, struct og_err *err);

static int visit(struct walk *walk, int dir_fd, const struct linux_dirent64 *entry,
		 struct og_err *err)
{
	size_t len = walk->len, more = strlen(entry->name);
	unsigned char type = entry->type;
	struct stat st;
	int r = 0;

	if (len + 1 + more >= sizeof(walk->path))
		return 0; /* no program could open it by its name, either */
	if (atomic_fetch_add_explicit(&walk->crew->files, 1, memory_order_relaxed) >= FILES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d files", FILES_MAX);
	if (len > 0)
		walk->path[walk->len++] = '/';
	memcpy(walk->path + walk->len, entry->name, more + 1);
	walk->len += more;
	if (type == DT_UNKNOWN && fstatat(dir_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
	if (type == DT_DIR && (walk->ownership || !is_dull(walk->path)))
		r = visit_folder(walk, dir_fd, entry->name, err);
	else if (type == DT_REG)
		r = visit_file(walk, dir_fd, entry->name, err);
	walk->len = len;
	walk->path[len] = '\0';
	return r;
}

/* Not readdir(): on a tree of many small folders what it does around getdents64 is half of all. */
static int visit_entries(struct walk *walk, int fd, char *buf, struct og_err *err)
{
	long len, at;
	int r = 0;

	do {
		len = syscall(SYS_getdents64, fd, buf, DIRENTS_BYTES);
		if (len < 0)
			return og_fail(err, -errno, "read '%s'", walk->path);
		for (at = 0; at < len && r == 0;) {
			const struct linux_dirent64 *entry = (const void *)(buf + at);

			if (!og_streq(entry->name, ".") && !og_streq(entry->name, ".."))
				r = visit(walk, fd, entry, err);
			at += entry->len;
		}
	} while (len > 0 && r == 0);
	return r;
}

static int visit_opened(struct walk *walk, int fd, struct og_err *err)
{
	char **buf;
	int r;

	if (walk->depth == DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "'%.200s': over %d folders deep", walk->path,
				     DEPTH_MAX);
	buf = &walk->entries[walk->depth];
	if (*buf == NULL)
		*buf = malloc(DIRENTS_BYTES);
	if (*buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	walk->depth++;
	r = visit_entries(walk, fd, *buf, err);
	walk->depth--;
	return r;
}

/* What went away meanwhile, and what is mounted over it, is not in the folder. */
static int visit_folder(struct walk *walk, int dir_fd, const char *name, struct og_err *err)
{
	og_auto_fd fd = og_open_same_mount(dir_fd, name, O_RDONLY | O_DIRECTORY);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
		return 0;
	if (fd < 0)
		return og_fail(err, fd, "open '%s'", walk->path);
	if (!hand_on(walk, fd))
		return visit_opened(walk, fd, err);
	(void)og_take_fd(&fd);
	return 0;
}

/* ---- walkers ---- */

/* Waits for a folder. False: there is none any more, for nobody walks who could hand one on. */
static bool next_folder(struct walk *walk, int *ret_fd)
{
	struct crew *crew = walk->crew;
	bool found;

	(void)pthread_mutex_lock(&crew->lock);
	if (walk->result < 0)
		crew->failed = true;
	(void)atomic_fetch_add(&crew->idle, 1);
	while (crew->fd < 0 && atomic_load(&crew->idle) < crew->walkers)
		(void)pthread_cond_wait(&crew->changed, &crew->lock);
	found = crew->fd >= 0;
	if (found) {
		*ret_fd = crew->fd;
		crew->fd = -EBADF;
		walk->len = strlen(crew->path);
		memcpy(walk->path, crew->path, walk->len + 1);
		walk->depth = crew->depth;
		(void)atomic_fetch_sub(&crew->idle, 1);
	} else {
		(void)pthread_cond_broadcast(&crew->changed);
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return found;
}

static void *walk_on(void *data)
{
	struct walk *walk = data;
	int next;

	while (next_folder(walk, &next)) {
		og_auto_fd fd = next;
		bool failed;

		(void)pthread_mutex_lock(&walk->crew->lock);
		failed = walk->crew->failed;
		(void)pthread_mutex_unlock(&walk->crew->lock);
		if (!failed)
			walk->result = visit_opened(walk, fd, &walk->err);
	}
	return NULL;
}

static struct walk *walk_free(struct walk *walk)
{
	for (size_t i = 0; walk != NULL && i < DEPTH_MAX; i++)
		free(walk->entries[i]);
	free(walk);
	return NULL;
}
OG_DEFINE_CLEANUP(struct walk, walk_free)

static struct walk *walk_new(struct crew *crew)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk != NULL)
		walk->crew = crew;
	return walk;
}

/* The folder @fd, which is taken over, is the first that is handed on. Fewer walkers than could be will do. */
static int walk_all(struct crew *crew, int fd, struct og_err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct walk *walks[WALKERS_MAX] = {};
	unsigned started = 0, made = 0;
	int r = 0;

	crew->fd = fd;
	while (made < WALKERS_MAX && (made == 0 || (long)made < processors) &&
	       (walks[made] = walk_new(crew)) != NULL)
		made++;
	if (made == 0) {
		og_close(fd);
		return og_fail(err, -ENOMEM, "no memory");
	}
	(void)pthread_mutex_lock(&crew->lock);
	crew->walkers = 1;
	while (started + 1 < made &&
	       pthread_create(&walks[started + 1]->thread, NULL, walk_on, walks[started + 1]) == 0)
		started++;
	crew->walkers += started;
	(void)pthread_mutex_unlock(&crew->lock);
	(void)walk_on(walks[0]);
	for (unsigned i = 0; i < made; i++) {
		if (i > 0 && i <= started)
			(void)pthread_join(walks[i]->thread, NULL);
		if (r == 0 && walks[i]->result < 0) {
			r = walks[i]->result;
			if (err != NULL)
				*err = walks[i]->err;
		}
		walks[i] = walk_free(walks[i]);
	}
	return r;
}

static int visit_ownership(struct crew *crew, int dir_fd, struct og_err *err)
{
	static const char folder[] = "var/lib/dpkg";
	og_cleanup(walk_freep) struct walk *walk = walk_new(crew);
	og_auto_fd fd = og_open_beneath(dir_fd, folder, O_PATH | O_DIRECTORY, 0);

	if (walk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (fd < 0)
		return 0;
	walk->ownership = true;
	walk->len = sizeof(folder) - 1;
	memcpy(walk->path, folder, sizeof(folder));
	return visit_folder(walk, fd, ".", err);
}

int og_inspect_folder(int dir_fd, const char *target, struct og_inventory **ret_inventory,
		      struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	struct crew crew = { .taking = PTHREAD_MUTEX_INITIALIZER,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
	int r = og_builder_new(target, &builder, err);
	int fd;

	if (r < 0)
		return r;
	crew.builder = builder;
	fd = og_open_same_mount(dir_fd, ".", O_RDONLY | O_DIRECTORY);
	r = fd < 0 ? og_fail(err, fd, "open it") : walk_all(&crew, fd, err);
	if (r == 0 && og_builder_language_packages(builder) > 0)
		r = visit_ownership(&crew, dir_fd, err);
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root folder is walked once, by descriptors: no name is resolved that has a slash in it. The
 * lists of owned files, which are many and long, are read only once there is a package of a
 * language that could be owned.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "trust/inspect.h"
#include "trust/interest.h"

#define DEPTH_MAX 128	   /* folders in folders; descriptors stay open on the way down */
#define FILES_MAX 10000000 /* a walk ends */

struct walk {
	struct og_builder *builder;
	dev_t device;
	bool ownership; /* the second walk: lists of owned files alone */
	char path[PATH_MAX];
	size_t len, depth, files;
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

static int visit_file(struct walk *walk, int dir_fd, const char *name, struct og_err *err)
{
	enum og_interest interest = og_interest_of(walk->path);
	og_auto_fd fd = -EBADF;
	struct open_file file;
	struct og_bytes bytes;
	struct stat st;

	if (interest == OG_INTEREST_NONE || walk->ownership != og_interest_is_ownership(interest))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : og_fail(err, -errno, "open '%s'", walk->path);
	if (!S_ISREG(st.st_mode))
		return 0;
	file.fd = fd;
	bytes = (struct og_bytes){ read_file, &file, (uint64_t)st.st_size };
	return og_interest_read(walk->builder, walk->path, interest, &bytes, err);
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

	if (!og_starts_with(path, "usr/"))
		return false;
	for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++)
		if (og_streq(path, dull[i]))
			return true;
	return false;
}

static int visit_folder(struct walk *walk, int dir_fd, const char *name, struct og_err *err);

static int visit(struct walk *walk, int dir_fd, const struct dirent *entry, struct og_err *err)
{
	size_t len = walk->len, more = strlen(entry->d_name);
	unsigned char type = entry->d_type;
	struct stat st;
	int r = 0;

	if (len + 1 + more >= sizeof(walk->path))
		return 0; /* no program could open it by its name, either */
	if (walk->files++ == FILES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d files", FILES_MAX);
	if (len > 0)
		walk->path[walk->len++] = '/';
	memcpy(walk->path + walk->len, entry->d_name, more + 1);
	walk->len += more;
	if (type == DT_UNKNOWN && fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
	if (type == DT_DIR && !is_dull(walk->path))
		r = visit_folder(walk, dir_fd, entry->d_name, err);
	else if (type == DT_REG)
		r = visit_file(walk, dir_fd, entry->d_name, err);
	walk->len = len;
	walk->path[len] = '\0';
	return r;
}

static int visit_entries(struct walk *walk, DIR *dir, struct og_err *err)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return errno == 0 ? 0 : og_fail(err, -errno, "read '%s'", walk->path);
		if (!og_streq(entry->d_name, ".") && !og_streq(entry->d_name, ".."))
			r = visit(walk, dirfd(dir), entry, err);
	}
	return r;
}

/* What went away meanwhile, and what is mounted over it, is not in the folder. */
static int visit_folder(struct walk *walk, int dir_fd, const char *name, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	struct stat st;
	DIR *dir;
	int r;

	if (walk->depth == DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "'%.200s': over %d folders deep", walk->path,
				     DEPTH_MAX);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : og_fail(err, -errno, "open '%s'", walk->path);
	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at '%s'", walk->path);
	if (walk->depth == 0)
		walk->device = st.st_dev;
	if (st.st_dev != walk->device)
		return 0;
	dir = fdopendir(fd);
	if (dir == NULL)
		return og_fail(err, -errno, "read '%s'", walk->path);
	(void)og_take_fd(&fd);
	walk->depth++;
	r = visit_entries(walk, dir, err);
	walk->depth--;
	(void)closedir(dir);
	return r;
}

static int visit_ownership(struct walk *walk, int dir_fd, struct og_err *err)
{
	static const char folder[] = "var/lib/dpkg";
	og_auto_fd fd = og_open_beneath(dir_fd, folder, O_PATH | O_DIRECTORY, 0);

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
	og_auto_free struct walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (walk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_builder_new(target, &builder, err);
	if (r < 0)
		return r;
	walk->builder = builder;
	r = visit_folder(walk, dir_fd, ".", err);
	if (r == 0 && og_builder_language_packages(builder) > 0)
		r = visit_ownership(walk, dir_fd, err);
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "container/mount_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"

/* As in base/path.c: a race with a rename is never lost for ever. */
#define RACE_TRIES_MAX 128

#define FSCONFIG_MAX_BYTES 256 /* of a value, its NUL included */

/* Of the kernel's, where Debian 12's headers have them not. */
#define OG_MS_NOSYMFOLLOW 256UL
#define OG_MS_LAZYTIME	  (1UL << 25)

/* A word that a file system is given: "size=64k" or "newinstance". */
#define WORD_MAX 4096 /* overlayfs' lower folders are the longest */

int og_mount_set(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};

	return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
			     sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

int og_mount_clone(int fd, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int tree_fd = open_tree(fd, "", recursive ? flags | AT_RECURSIVE : flags);

	return tree_fd < 0 ? -errno : tree_fd;
}

static int give_word(int fs_fd, const char *word, struct og_err *err)
{
	const char *equals = strchr(word, '=');
	char key[WORD_MAX];
	int r;

	if (equals == NULL) {
		r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, word, NULL, 0);
	} else {
		size_t len = (size_t)(equals - word);

		if (len >= sizeof(key))
			return og_fail(err, -EINVAL, "option '%.40s' is too long", word);
		memcpy(key, word, len);
		key[len] = '\0';
		r = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, equals + 1, 0);
	}
	if (r < 0) {
		int code = -errno;

		(void)og_fail_fs(err, code, fs_fd, word);
		return og_fail_in(err, code, "option");
	}
	return 0;
}

static int give_words(int fs_fd, const struct og_mount_options *options, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < options->words->count; i++) {
		if ((options->own_words >> i & 1) == 0 && !og_weak("A25-tmpfs"))
			r = give_word(fs_fd, options->words->items[i], err);
	}
	return r;
}

/* With nothing below it yet, "rro" and "ro" are the same; the former counts where they differ. */
static uint64_t attributes_of_new(const struct og_mount_options *options)
{
	return (options->attr_set & ~options->tree_attr_clear) | options->tree_attr_set;
}

/* A label for one file, where the file system was there before with others. */
static int label_root(int mount_fd, const char *label, struct og_err *err)
{
	if (setxattr(og_fd_path(mount_fd).text, "security.selinux", label, strlen(label) + 1, 0) <
	    0)
		return og_fail(err, -errno, "linux.mountLabel");
	return 0;
}

int og_mount_new(const char *type, const char *source, const struct og_mount_options *options,
		 struct og_err *err)
{
	og_until_exec fs_fd = fsopen(type, FSOPEN_CLOEXEC);
	bool label_later = og_streq(type, "mqueue"); /* it is the namespace's */
	int mount_fd;
	int r;

	if (fs_fd < 0)
		return og_fail(err, -errno,
			       errno == ENODEV ? "this kernel has no file system '%s'"
					       : "open file system '%s'",
			       type);
	if (source != NULL && fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return og_fail_fs(err, -errno, fs_fd, "source");
	r = give_words(fs_fd, options, err);
	if (r < 0)
		return r;
	if (options->label != NULL && !label_later &&
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "context", options->label, 0) < 0)
		return og_fail_fs(err, -errno, fs_fd, "linux.mountLabel");
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return og_fail_fs(err, -errno, fs_fd, "create the file system");
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)attributes_of_new(options));
	if (mount_fd < 0)
		return og_fail_fs(err, -errno, fs_fd, "mount the file system");
	r = options->label != NULL && label_later ? label_root(mount_fd, options->label, err) : 0;
	return r < 0 ? (og_close(mount_fd), r) : mount_fd;
}

bool og_mount_needs_old_call(const struct og_mount_options *options)
{
	bool long_word = false;

	for (size_t i = 0; i < options->words->count; i++)
		long_word = long_word || ((options->own_words >> i & 1) == 0 &&
					  strlen(options->words->items[i]) >= FSCONFIG_MAX_BYTES);
	return options->iversion || long_word;
}

/* What fsconfig() takes as a word is a flag here. */
static unsigned long flag_of_word(const char *word)
{
	static const struct {
		const char *word;
		unsigned long flag;
	} pairs[] = {
		{ "sync", MS_SYNCHRONOUS },
		{ "dirsync", MS_DIRSYNC },
		{ "mand", MS_MANDLOCK },
		{ "lazytime", OG_MS_LAZYTIME },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (og_streq(pairs[i].word, word))
			return pairs[i].flag;
	}
	return 0;
}

static unsigned long old_flags(const struct og_mount_options *options)
{
	static const struct {
		uint64_t attr;
		unsigned long flag;
	} pairs[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },
		{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME },
		{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, OG_MS_NOSYMFOLLOW },
	};

	unsigned long flags = options->iversion ? MS_I_VERSION : 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if ((attributes_of_new(options) & pairs[i].attr) != 0)
			flags |= pairs[i].flag;
	}
	for (size_t i = 0; i < options->words->count; i++)
		flags |= flag_of_word(options->words->items[i]);
	return flags;
}

int og_mount_old_call(const char *type, const char *source, const struct og_mount_options *options,
		      int target_fd, struct og_err *err)
{
	struct og_fd_path target = og_fd_path(target_fd);
	og_auto_text data = {};

	for (size_t i = 0; i < options->words->count; i++) {
		const char *word = options->words->items[i];

		if ((options->own_words >> i & 1) == 0 && flag_of_word(word) == 0)
			og_text_addf(&data, "%s%s", data.len > 0 ? "," : "", word);
	}
	if (options->label != NULL)
		og_text_addf(&data, "%scontext=\"%s\"", data.len > 0 ? "," : "", options->label);
	if (data.failed)
		return og_fail(err, -ENOMEM, "mount");
	if (mount(source != NULL ? source : type, target.text, type, old_flags(options), data.buf) <
	    0)
		return og_fail(err, -errno, "mount file system '%s'", type);
	return 0;
}

int og_mount_reconfigure(int target_fd, const struct og_mount_options *options, struct og_err *err)
{
	og_auto_fd fs_fd = -EBADF;
	int r;

	if (og_mount_options_foreign(options) == NULL)
		return 0;
	fs_fd = fspick(target_fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	if (fs_fd < 0)
		return og_fail(err, -errno, "remount: nothing is mounted there");
	r = give_words(fs_fd, options, err);
	if (r == 0 && fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		r = og_fail_fs(err, -errno, fs_fd, "remount the file system");
	return r;
}

int og_mount_attributes(int mount_fd, const struct og_mount_options *options, struct og_err *err)
{
	uint64_t propagation = options->propagation;
	bool recursive = options->propagation_recursive;
	int r = 0;

	if ((options->attr_set | options->attr_clear) != 0)
		r = og_mount_set(mount_fd, options->attr_set, options->attr_clear, 0, false);
	if (r == 0 && (options->tree_attr_set | options->tree_attr_clear) != 0)
		r = og_mount_set(mount_fd, options->tree_attr_set, options->tree_attr_clear, 0,
				 true);
	if (r == 0 && propagation != 0)
		r = og_mount_set(mount_fd, 0, 0, propagation, recursive);
	return r < 0 ? og_fail(err, r, "set the mount's attributes") : 0;
}

int og_mount_attach(int mount_fd, int target_fd, struct og_err *err)
{
	if (move_mount(mount_fd, "", target_fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return og_fail(err, -errno, "put the mount in place");
	return 0;
}

int og_open_plain(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		/* Something was renamed meanwhile: that is no verdict yet. */
		if (errno != EINTR && (errno != EAGAIN || tries == RACE_TRIES_MAX))
			return -errno;
	}
}

static int make_file(int root_fd, const char *destination, int *ret_fd, struct og_err *err)
{
	og_auto_free char *parent = strdup(destination);
	char *cut = parent != NULL ? strrchr(parent, '/') : NULL;
	int r = 0;
	int fd;

	if (cut == NULL)
		return og_fail(err, -EINVAL, "'%s' is no path", destination);
	*cut = '\0';
	if (cut != parent)
		r = og_mkdirs_in_root(root_fd, parent, 0755, NULL, err);
	if (r < 0)
		return r;
	fd = og_open_in_root(root_fd, destination, O_RDONLY | O_CREAT | O_NOCTTY | O_NONBLOCK,
			     0644);
	if (fd < 0)
		return og_fail(err, fd, "make '%s' to mount on", destination);
	og_close(fd);
	fd = og_open_in_root(root_fd, destination, O_PATH, 0);
	if (fd < 0)
		return og_fail(err, fd, "open '%s' to mount on", destination);
	*ret_fd = fd;
	return 0;
}

/*
 * Nearly always all folders are there but the last. Returns a descriptor of that, or -ENOENT when
 * there is more to do.
 */
static int make_last_folder(int root_fd, const char *destination)
{
	const char *last = strrchr(destination, '/');
	og_auto_free char *parent =
		last != NULL ? strndup(destination, (size_t)(last - destination) + 1) : NULL;
	og_until_exec parent_fd = -EBADF;

	if (parent == NULL)
		return -ENOENT;
	parent_fd = og_open_in_root(root_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (parent_fd < 0 || mkdirat(parent_fd, last + 1, 0755) < 0)
		return -ENOENT;
	return og_open_in_root(root_fd, destination, O_PATH | O_DIRECTORY, 0);
}

/* What a weakened build does instead: links lead where they lead, also out of the root. */
static int open_as_it_comes(int root_fd, const char *destination, bool is_file, int *ret_fd,
			    struct og_err *err)
{
	const char *path = destination + strspn(destination, "/");

	if (is_file)
		(void)og_close(openat(root_fd, path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644));
	else
		(void)mkdirat(root_fd, path, 0755);
	*ret_fd = openat(root_fd, path, O_PATH | O_CLOEXEC);
	return *ret_fd < 0 ? og_fail(err, -errno, "open '%s' to mount on", destination) : 0;
}

int og_mount_target(int root_fd, const char *destination, bool is_file, int *ret_fd,
		    struct og_err *err)
{
	int fd;

	if (og_weak("A10"))
		return open_as_it_comes(root_fd, destination, is_file, ret_fd, err);
	fd = og_open_in_root(root_fd, destination, O_PATH, 0);
	if (fd == -ENOENT && is_file)
		return make_file(root_fd, destination, ret_fd, err);
	if (fd == -ENOENT)
		fd = make_last_folder(root_fd, destination);
	if (fd == -ENOENT)
		return og_mkdirs_in_root(root_fd, destination, 0755, ret_fd, err);
	if (fd < 0)
		return og_fail(err, fd, "open '%s' to mount on", destination);
	*ret_fd = fd;
	return 0;
}

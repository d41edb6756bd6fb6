/* SPDX-License-Identifier: Apache-2.0 */
/* What is scanned: "KIND:REST", a path that begins with "/" or ".", or the name of an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "scan.h"

void scan_target_done(struct scan_target *target)
{
	target->fd = og_close(target->fd);
}

static int inspect_folder(const struct scan_target *target, struct og_inventory **ret_inventory,
			  struct og_err *err)
{
	return og_inspect_folder(target->fd, target->text, ret_inventory, err);
}

static int open_folder(const char *path, struct scan_target *target, struct og_err *err)
{
	target->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target->folder = true;
	target->inspect = inspect_folder;
	return target->fd < 0 ? og_fail(err, -errno, "open '%s'", path) : 0;
}

static int open_path(const char *path, struct scan_target *target, struct og_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (S_ISDIR(st.st_mode))
		return open_folder(path, target, err);
	return og_fail(err, -ENOTSUP, "'%s'", path);
}

static const struct {
	const char *prefix;
	int (*open)(const char *rest, struct scan_target *target, struct og_err *err);
} kinds[] = {
	{ "folder:", open_folder },
	{ "/", open_path },
	{ ".", open_path },
};

int scan_target_open(const char *text, const struct og_words *insecure,
		     struct scan_target *ret_target, struct og_err *err)
{
	(void)insecure;
	*ret_target = (struct scan_target){ .text = text, .fd = -EBADF };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool keyword = og_ends_with(kinds[i].prefix, ":");

		if (og_starts_with(text, kinds[i].prefix))
			return kinds[i].open(text + (keyword ? strlen(kinds[i].prefix) : 0),
					     ret_target, err);
	}
	return og_fail(err, -ENOTSUP, "'%s'", text);
}

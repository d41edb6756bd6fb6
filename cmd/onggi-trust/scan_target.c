/* SPDX-License-Identifier: Apache-2.0 */
/* What is scanned: "KIND:REST", a path that begins with "/" or ".", or the name of an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "scan.h"
#include "scan_remote.h"

void scan_target_done(struct scan_target *target)
{
	target->fd = og_close(target->fd);
	og_disk_file_close(&target->disk);
}

static int inspect_folder(const struct scan_target *target, struct og_inventory **ret_inventory,
			  struct og_err *err)
{
	return og_inspect_folder(target->fd, target->text, ret_inventory, err);
}

static int inspect_layout(const struct scan_target *target, struct og_inventory **ret_inventory,
			  struct og_err *err)
{
	return og_inspect_layout(target->fd, target->name, target->text, ret_inventory, err);
}

static int inspect_archive(const struct scan_target *target, struct og_inventory **ret_inventory,
			   struct og_err *err)
{
	return og_inspect_archive(target->fd, target->name, target->text, ret_inventory, err);
}

static int inspect_disk(const struct scan_target *target, struct og_inventory **ret_inventory,
			struct og_err *err)
{
	struct og_inspect_disk disk = {
		.fd = target->disk.fd,
		.qcow2 = target->disk.qcow2,
		.backing_fd = target->disk.backing_fd,
		.backing_qcow2 = target->disk.backing_qcow2,
	};

	return og_inspect_disk(&disk, target->text, ret_inventory, err);
}

static int inspect_sbom(const struct scan_target *target, struct og_inventory **ret_inventory,
			struct og_err *err)
{
	return og_inspect_sbom(target->fd, target->text, ret_inventory, err);
}

static int take(struct scan_target *target, int fd)
{
	target->fd = fd;
	target->inspect = inspect_archive;
	return fd < 0 ? fd : 0;
}

static int open_archive(const char *path, struct scan_target *target, struct og_err *err)
{
	int fd = og_streq(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", path) : take(target, fd);
}

static int open_disk(const char *words, struct scan_target *target, struct og_err *err)
{
	target->inspect = inspect_disk;
	return og_disk_file_open_to_read(words, &target->disk, err);
}

static int open_sbom(const char *path, struct scan_target *target, struct og_err *err)
{
	int r = open_archive(path, target, err);

	target->inspect = inspect_sbom;
	return r;
}

/* A bill of materials is JSON; an archive begins otherwise. */
static int open_file(const char *path, struct scan_target *target, struct og_err *err)
{
	int r = open_archive(path, target, err);
	char first;

	if (r == 0 && pread(target->fd, &first, 1, 0) == 1 && first == '{')
		target->inspect = inspect_sbom;
	return r;
}

static int open_folder(const char *path, struct scan_target *target, struct og_err *err)
{
	target->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target->folder = true;
	target->inspect = inspect_folder;
	return target->fd < 0 ? og_fail(err, -errno, "open '%s'", path) : 0;
}

static int open_layout(const char *path, struct scan_target *target, struct og_err *err)
{
	int r = open_folder(path, target, err);

	target->inspect = inspect_layout;
	return r;
}

/* A bill of materials, an archive, an OCI layout, or a root folder. */
static int open_path(const char *path, struct scan_target *target, struct og_err *err)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return open_file(path, target, err);
	r = open_folder(path, target, err);
	if (r == 0 && faccessat(target->fd, "oci-layout", F_OK, 0) == 0)
		target->inspect = inspect_layout;
	return r;
}

static int open_image(const char *name, struct scan_target *target, struct og_err *err)
{
	return take(target, scan_fetch_image(name, err));
}

static int open_workload(const char *name, struct scan_target *target, struct og_err *err)
{
	bool vm = false;

	target->fd = scan_open_workload(name, &vm, err);
	target->folder = !vm;
	target->inspect = vm ? inspect_archive : inspect_folder;
	if (vm)
		target->unseen = "of a workload in a VM its image was scanned: what it has written "
				 "since it was created was not looked at";
	return target->fd < 0 ? target->fd : 0;
}

static int open_registry(const char *name, struct scan_target *target, struct og_err *err)
{
	return take(target, scan_fetch_registry(name, target->insecure, err));
}

static const struct {
	const char *prefix;
	int (*open)(const char *rest, struct scan_target *target, struct og_err *err);
} kinds[] = {
	{ "archive:", open_archive },	{ "disk:", open_disk },		{ "folder:", open_folder },
	{ "sbom:", open_sbom },		{ "image:", open_image },	{ "layout:", open_layout },
	{ "registry:", open_registry }, { "workload:", open_workload },
};

int scan_target_open(const char *text, const char *name, const struct og_words *insecure,
		     struct scan_target *ret_target, struct og_err *err)
{
	*ret_target = (struct scan_target)SCAN_NO_TARGET;
	ret_target->text = text;
	ret_target->name = name;
	ret_target->insecure = insecure;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (og_starts_with(text, kinds[i].prefix))
			return kinds[i].open(text + strlen(kinds[i].prefix), ret_target, err);
	if (text[0] == '/' || text[0] == '.' || og_streq(text, "-"))
		return og_streq(text, "-") ? open_archive(text, ret_target, err)
					   : open_path(text, ret_target, err);
	return open_image(text, ret_target, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/weak.h"

static int open_part(const struct og_json *json, bool readonly, uint64_t from,
		     struct og_vm_part *part, struct og_err *err)
{
	const char *path = NULL;
	int64_t offset = 0;
	struct stat st;
	int r = og_json_opt_string(json, "path", &path, err);

	if (r == 0)
		r = og_json_opt_int(json, "offset", 0, (int64_t)OG_VM_DISK_MAX, &offset, err);
	if (r < 0)
		return r;
	if (path == NULL || path[0] != '/')
		return og_fail(err, -EINVAL, "a part without absolute path");
	if ((uint64_t)offset < from || (uint64_t)offset % OG_VM_DISK_ALIGN != 0)
		return og_fail(err, -EINVAL, "'%s' at byte %lld overlaps or is not aligned", path,
			       (long long)offset);
	part->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK |
				      (og_weak("A19") ? 0 : O_NOFOLLOW));
	if (part->fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (fstat(part->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return og_fail(err, -EINVAL, "'%s' is no file", path);
	part->offset = (uint64_t)offset;
	part->size = (uint64_t)st.st_size;
	return 0;
}

static int open_disk(const struct og_json *json, struct og_vm_disk *disk, struct og_err *err)
{
	struct og_json *parts = NULL;
	uint64_t from = 0;
	int r = og_json_opt_bool(json, "readonly", &disk->readonly, err);

	if (r == 0)
		r = og_json_opt_array(json, "parts", &parts, err);
	if (r < 0)
		return r;
	if (og_json_count(parts) == 0 || og_json_count(parts) > OG_VM_PARTS_MAX)
		return og_fail(err, -EINVAL, "a disk of %zu parts", og_json_count(parts));
	disk->parts = calloc(og_json_count(parts), sizeof(*disk->parts));
	if (disk->parts == NULL)
		return og_fail(err, -ENOMEM, "allocate disks");
	for (; disk->part_count < og_json_count(parts); disk->part_count++) {
		struct og_vm_part *part = &disk->parts[disk->part_count];

		part->fd = -EBADF;
		r = open_part(og_json_at(parts, disk->part_count), disk->readonly, from, part, err);
		if (r < 0) {
			part->fd = og_close(part->fd);
			return r;
		}
		from = part->offset + part->size;
	}
	if (disk->parts[0].offset != 0)
		return og_fail(err, -EINVAL, "a disk that does not begin at byte 0");
	if (!disk->readonly && disk->part_count > 1)
		return og_fail(err, -EINVAL, "a writable disk of several parts");
	return 0;
}

int og_vm_disks_open(const char *text, struct og_vm_disks **ret_disks, struct og_err *err)
{
	og_cleanup(og_vm_disks_freep) struct og_vm_disks *disks = calloc(1, sizeof(*disks));
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	int r;

	if (disks == NULL)
		return og_fail(err, -ENOMEM, "allocate disks");
	r = og_json_parse(text, strlen(text), &json, err);
	if (r < 0)
		return og_fail_in(err, r, "annotation org.onggi.vm.disks");
	if (og_json_count(json) < 1 || og_json_count(json) > OG_VM_DISKS_MAX ||
	    og_json_kind(json) != OG_JSON_ARRAY)
		return og_fail(err, -EINVAL,
			       "annotation org.onggi.vm.disks: no list of 1 to %d disks",
			       OG_VM_DISKS_MAX);
	for (; disks->count < og_json_count(json); disks->count++) {
		struct og_vm_disk *disk = &disks->items[disks->count];

		r = open_disk(og_json_at(json, disks->count), disk, err);
		if (r == 0 && disk->readonly != (disks->count == 0))
			r = og_fail(err, -EINVAL, "the first disk is read-only, the second is not");
		if (r < 0) {
			disks->count++; /* it is half open */
			return og_fail_in(err, r, "annotation org.onggi.vm.disks");
		}
	}
	*ret_disks = og_take_ptr(disks);
	return 0;
}

struct og_vm_disks *og_vm_disks_free(struct og_vm_disks *disks)
{
	if (disks == NULL)
		return NULL;
	for (size_t i = 0; i < disks->count; i++) {
		for (size_t part = 0; part < disks->items[i].part_count; part++)
			(void)og_close(disks->items[i].parts[part].fd);
		free(disks->items[i].parts);
	}
	free(disks);
	return NULL;
}

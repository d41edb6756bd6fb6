/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk is read by readers of our own: no kernel of this host is asked to mount what a guest wrote. Every file
 * system of ext4 on it counts, whatever is mounted where, as if each were a root.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "format/ext4.h"
#include "format/partitions.h"
#include "format/qcow2_read.h"
#include "trust/inspect.h"
#include "trust/interest.h"
#include "trust/path_map.h"

#define DEPTH_MAX 128
#define FILES_MAX 10000000

struct disk {
	struct og_builder *builder;
	const struct og_ext4 *ext4;
	struct og_path_map folders; /* those that were seen: a folder has one name */
	char path[4096];
	size_t len, depth, files;
};

static int read_fd(void *data, uint64_t offset, void *buf, size_t len)
{
	ssize_t n = og_pread_upto(*(const int *)data, buf, len, offset);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EIO;
}

struct part {
	const struct og_bytes *disk;
	uint64_t offset;
};

static int read_part(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct part *part = data;

	return og_bytes_read(part->disk, part->offset + offset, buf, len);
}

struct file {
	const struct og_ext4 *ext4;
	struct og_ext4_inode inode;
};

static int read_file(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct file *file = data;

	return og_ext4_read(file->ext4, &file->inode, offset, buf, len);
}

static int visit_folder(struct disk *disk, const struct og_ext4_inode *inode, uint32_t number,
			struct og_err *err);

static int visit_file(struct disk *disk, const struct og_ext4_inode *inode, struct og_err *err)
{
	struct og_interest_set set = og_interest_in(disk->path, inode->mode, inode->size);
	struct file file = { disk->ext4, *inode };
	struct og_bytes bytes = { read_file, &file, inode->size };

	if (!og_interest_is_any(&set))
		return 0;
	return og_interest_take(disk->builder, disk->path, &set,
				og_interest_wants_content(&set, inode->size) ? &bytes : NULL, err);
}

static int visit(void *data, const char *name, size_t name_len, uint32_t number, struct og_err *err)
{
	struct disk *disk = data;
	struct og_ext4_inode inode = {};
	size_t len = disk->len;
	int r;

	if (len + 1 + name_len >= sizeof(disk->path))
		return 0;
	if (disk->files++ == FILES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d files", FILES_MAX);
	r = og_ext4_inode(disk->ext4, number, &inode, err);
	if (r < 0)
		return r;
	if (len > 0)
		disk->path[disk->len++] = '/';
	memcpy(disk->path + disk->len, name, name_len);
	disk->len += name_len;
	disk->path[disk->len] = '\0';
	if (S_ISDIR(inode.mode))
		r = visit_folder(disk, &inode, number, err);
	else if (S_ISREG(inode.mode))
		r = visit_file(disk, &inode, err);
	disk->len = len;
	disk->path[len] = '\0';
	return r;
}

static int visit_folder(struct disk *disk, const struct og_ext4_inode *inode, uint32_t number,
			struct og_err *err)
{
	uint64_t hash = og_path_hash(1, &number, sizeof(number));
	int r;

	if (og_path_map_find(&disk->folders, hash) != NULL)
		return 0;
	if (disk->depth == DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "over %d folders deep", DEPTH_MAX);
	if (og_path_map_add(&disk->folders, hash, 0, NULL) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	disk->depth++;
	r = og_ext4_read_dir(disk->ext4, inode, visit, disk, err);
	disk->depth--;
	return r;
}

static int inspect_ext4(struct og_builder *builder, const struct og_ext4 *ext4, struct og_err *err)
{
	og_auto_free struct disk *disk = calloc(1, sizeof(*disk));
	struct og_ext4_inode root = {};
	int r;

	if (disk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	disk->builder = builder;
	disk->ext4 = ext4;
	r = og_ext4_inode(ext4, OG_EXT4_ROOT, &root, err);
	if (r == 0)
		r = visit_folder(disk, &root, OG_EXT4_ROOT, err);
	og_path_map_done(&disk->folders);
	return r;
}

/* A part that is no ext4 (swap, a boot loader's) has nothing to say. */
static int inspect_part(struct og_builder *builder, const struct og_bytes *bytes, size_t *found,
			struct og_err *err)
{
	struct og_ext4 ext4 = {};
	int r = og_ext4_open(bytes, &ext4, err);

	if (r == -EBADMSG)
		return 0;
	++*found;
	return r < 0 ? r : inspect_ext4(builder, &ext4, err);
}

static int inspect_parts(struct og_builder *builder, const struct og_bytes *disk,
			 struct og_err *err)
{
	struct og_partition partitions[OG_PARTITIONS_MAX];
	size_t count = 0, found = 0;
	int r = og_partitions_read(disk, partitions, &count, err);

	if (r == 0 && count == 0)
		r = inspect_part(builder, disk, &found, err);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct part part = { disk, partitions[i].offset };
		struct og_bytes bytes = { read_part, &part, partitions[i].size };

		r = inspect_part(builder, &bytes, &found, err);
		if (r < 0)
			r = og_fail_in(err, r, "partition %zu", i + 1);
	}
	if (r == 0 && found == 0)
		r = og_fail_plain(err, -ENOTSUP, "there is no ext2, ext3 or ext4 on it");
	return r;
}

/* What a disk is read through; the files are the caller's. */
struct layers {
	int fds[2]; /* it, and what it lies over */
	struct og_qcow2_reader *readers[2];
};

static void layers_done(struct layers *layers)
{
	for (size_t i = 0; i < 2; i++)
		layers->readers[i] = og_qcow2_reader_free(layers->readers[i]);
}

/* Layer @i, over @below, which may be NULL. */
static int open_layer(struct layers *layers, size_t i, bool qcow2, const struct og_bytes *below,
		      struct og_bytes *ret_bytes, struct og_err *err)
{
	struct og_bytes file = { read_fd, &layers->fds[i], 0 };
	off_t size = lseek(layers->fds[i], 0, SEEK_END);
	int r = 0;

	if (size < 0)
		return og_fail(err, -errno, "its size");
	file.size = (uint64_t)size;
	if (qcow2)
		r = og_qcow2_reader_new(&file, below, &layers->readers[i], err);
	if (r == 0)
		*ret_bytes = qcow2 ? og_qcow2_reader_bytes(layers->readers[i]) : file;
	return r;
}

static int open_layers(struct layers *layers, const struct og_inspect_disk *disk,
		       struct og_bytes *ret_bytes, struct og_err *err)
{
	bool over = disk->qcow2 && disk->backing_fd >= 0;
	struct og_bytes below = {};
	int r = 0;

	if (over)
		r = open_layer(layers, 1, disk->backing_qcow2, NULL, &below, err);
	if (r < 0)
		return og_fail_in(err, r, "backing file");
	return open_layer(layers, 0, disk->qcow2, over ? &below : NULL, ret_bytes, err);
}

/* A hint alone: what a disk says of itself never decides how it is read. */
static bool looks_like_qcow2(const struct og_bytes *bytes)
{
	uint8_t head[OG_QCOW2_HEADER_BYTES];
	bool has_backing;

	return og_bytes_read(bytes, 0, head, sizeof(head)) == 0 &&
	       og_qcow2_peek(head, sizeof(head), &has_backing) == 0;
}

int og_inspect_disk(const struct og_inspect_disk *disk, const char *target,
		    struct og_inventory **ret_inventory, struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	og_cleanup(layers_done) struct layers layers = { .fds = { disk->fd, disk->backing_fd } };
	struct og_bytes bytes = {};
	int r = og_builder_new(target, &builder, err);

	if (r == 0)
		r = open_layers(&layers, disk, &bytes, err);
	if (r == 0)
		r = inspect_parts(builder, &bytes, err);
	if (r == -ENOTSUP && !disk->qcow2 && looks_like_qcow2(&bytes))
		r = og_fail_plain(err, -ENOTSUP,
				  "as a raw disk it has no file system; a qcow2 image must be "
				  "called one (format=qcow2)");
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull lays the files down in a folder beside the one that was asked for, pack by pack, and renames it
 * when all is there and flushed. The index has been judged (vm_index.h); of a pack's content only what has
 * its chunk's digest is written.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/io.h"
#include "base/text.h"
#include "base/zstd_block.h"
#include "image/artifact.h"
#include "image/crew.h"

/* Where a chunk goes. */
struct target {
	uint32_t chunk, file, position;
};

struct laying {
	const struct og_vm_pull *pull;
	struct og_vm_artifact artifact;
	int parent_fd, folder_fd; /* owned */
	char name[256];		  /* of the folder to be */
	char part[300];		  /* of the folder that it is until then; "": none */
	int *fds;		  /* of the files; owned */
	uint32_t opened;
	struct target *targets; /* by chunk; owned */
	uint32_t *first_chunk;	/* of each pack, and behind the last; owned */
	uint32_t *first_target; /* of each chunk, and behind the last; owned */
};

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* Takes away what was laid down, unless it has its name. */
static void laying_done(struct laying *laying)
{
	for (uint32_t i = 0; i < laying->opened; i++) {
		og_close(laying->fds[i]);
		if (laying->part[0] != '\0')
			(void)unlinkat(laying->folder_fd, laying->artifact.index.files[i].name, 0);
	}
	if (laying->part[0] != '\0')
		(void)unlinkat(laying->parent_fd, laying->part, AT_REMOVEDIR);
	free(laying->fds);
	free(laying->targets);
	free(laying->first_chunk);
	free(laying->first_target);
	og_close(laying->folder_fd);
	og_close(laying->parent_fd);
	og_vm_artifact_done(&laying->artifact);
}

/* ---- the folder ---- */

static int open_parent(struct laying *laying, struct og_err *err)
{
	og_auto_free char *path = strdup(laying->pull->folder);
	char *slash;
	struct stat st;

	if (path == NULL)
		return no_memory(err);
	while (path[0] != '\0' && path[1] != '\0' && og_ends_with(path, "/"))
		path[strlen(path) - 1] = '\0';
	slash = strrchr(path, '/');
	if (snprintf(laying->name, sizeof(laying->name), "%s", slash != NULL ? slash + 1 : path) >=
		    (int)sizeof(laying->name) ||
	    laying->name[0] == '\0' || og_streq(laying->name, ".") || og_streq(laying->name, ".."))
		return og_fail_plain(err, -EINVAL, "'%s' is no folder's name",
				     laying->pull->folder);
	if (slash != NULL)
		slash[slash == path] = '\0';
	laying->parent_fd = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (laying->parent_fd < 0)
		return og_fail(err, -errno, "open '%s'", slash != NULL ? path : ".");
	if (fstatat(laying->parent_fd, laying->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return og_fail_plain(err, -EEXIST, "'%s' exists", laying->pull->folder);
	return 0;
}

static int make_folder(struct laying *laying, struct og_err *err)
{
	char part[sizeof(laying->part)];

	(void)snprintf(part, sizeof(part), ".%s.part-%d", laying->name, (int)getpid());
	if (mkdirat(laying->parent_fd, part, 0700) < 0)
		return og_fail(err, -errno, "create '%s'", part);
	memcpy(laying->part, part, sizeof(part));
	laying->folder_fd =
		openat(laying->parent_fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return laying->folder_fd < 0 ? og_fail(err, -errno, "open '%s'", part) : 0;
}

static int check_room(const struct laying *laying, struct og_err *err)
{
	uint64_t bytes = og_vm_index_data_bytes(&laying->artifact.index);
	struct statvfs st;

	if (bytes > laying->pull->max_bytes)
		return og_fail_plain(err, -E2BIG,
				     "it lays down %llu bytes, the limit is %llu (--max-size)",
				     (unsigned long long)bytes,
				     (unsigned long long)laying->pull->max_bytes);
	if (fstatvfs(laying->parent_fd, &st) < 0)
		return og_fail(err, -errno, "look for room");
	if (bytes / st.f_frsize > st.f_bavail)
		return og_fail_plain(err, -ENOSPC,
				     "it lays down up to %llu bytes, and there is room for %llu",
				     (unsigned long long)bytes,
				     (unsigned long long)st.f_bavail * st.f_frsize);
	return 0;
}

static int make_files(struct laying *laying, struct og_err *err)
{
	const struct og_vm_index *index = &laying->artifact.index;

	laying->fds = calloc(index->file_count, sizeof(*laying->fds));
	if (laying->fds == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < index->file_count; i++) {
		const struct og_vm_file *file = &index->files[i];
		int fd = openat(laying->folder_fd, file->name,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return og_fail(err, -errno, "create '%s'", file->name);
		laying->fds[laying->opened++] = fd;
		if (ftruncate(fd, (off_t)file->size) < 0)
			return og_fail(err, -errno, "make '%s' %llu bytes long", file->name,
				       (unsigned long long)file->size);
	}
	return 0;
}

static int finish_folder(struct laying *laying, struct og_err *err)
{
	for (uint32_t i = 0; i < laying->opened; i++)
		if (fsync(laying->fds[i]) < 0)
			return og_fail(err, -errno, "flush '%s'",
				       laying->artifact.index.files[i].name);
	if (fsync(laying->folder_fd) < 0)
		return og_fail(err, -errno, "flush '%s'", laying->part);
	if (renameat2(laying->parent_fd, laying->part, laying->parent_fd, laying->name,
		      RENAME_NOREPLACE) < 0)
		return og_fail(err, -errno, "name '%s'", laying->pull->folder);
	laying->part[0] = '\0';
	return fsync(laying->parent_fd) < 0 ? og_fail(err, -errno, "flush its folder") : 0;
}

/* ---- what goes where ---- */

static int by_chunk(const void *a, const void *b)
{
	const struct target *ta = a, *tb = b;

	return ta->chunk < tb->chunk ? -1 : ta->chunk > tb->chunk;
}

static int find_targets(struct laying *laying, struct og_err *err)
{
	const struct og_vm_index *index = &laying->artifact.index;
	uint32_t count = 0;

	laying->targets = calloc(index->place_count + 1UL, sizeof(*laying->targets));
	laying->first_target = calloc(index->chunk_count + 2UL, sizeof(*laying->first_target));
	laying->first_chunk = calloc(index->pack_count + 2UL, sizeof(*laying->first_chunk));
	if (laying->targets == NULL || laying->first_target == NULL || laying->first_chunk == NULL)
		return no_memory(err);
	for (uint32_t f = 0; f < index->file_count; f++)
		for (uint32_t i = 0; i < index->files[f].place_count; i++) {
			const struct og_vm_place *place =
				&index->places[index->files[f].first_place + i];

			laying->targets[count++] =
				(struct target){ place->chunk, f, place->position };
		}
	qsort(laying->targets, count, sizeof(*laying->targets), by_chunk);
	for (uint32_t i = 0; i < count; i++)
		laying->first_target[laying->targets[i].chunk + 1] = i + 1;
	for (uint32_t i = 0; i < index->chunk_count; i++) { /* chunks without a place */
		if (laying->first_target[i + 1] < laying->first_target[i])
			laying->first_target[i + 1] = laying->first_target[i];
		laying->first_chunk[index->chunks[i].pack + 1] = i + 1;
	}
	return 0;
}

/* ---- writing ---- */

static int put(struct laying *laying, uint32_t file, uint64_t offset, const uint8_t *buf,
	       size_t len, struct og_err *err)
{
	int r = og_pwrite_all(laying->fds[file], buf, len, offset);

	return r < 0 ? og_fail(err, r, "write '%s'", laying->artifact.index.files[file].name) : 0;
}

/* The first range of an exact file that ends behind @page. */
static uint32_t range_behind(const struct og_vm_index *index, const struct og_vm_file *file,
			     uint64_t page)
{
	uint32_t low = 0, high = file->range_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct og_vm_range *range = &index->ranges[file->first_range + middle];

		if ((uint64_t)range->page + range->pages <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of bytes at @offset those that are data in the file that was pushed. */
static int put_ranges(struct laying *laying, uint32_t nth, uint64_t offset, const uint8_t *buf,
		      size_t len, struct og_err *err)
{
	const struct og_vm_index *index = &laying->artifact.index;
	const struct og_vm_file *file = &index->files[nth];
	uint32_t i = range_behind(index, file, offset / OG_VM_PAGE_BYTES);
	int r = 0;

	for (; i < file->range_count && r == 0; i++) {
		const struct og_vm_range *range = &index->ranges[file->first_range + i];
		uint64_t start = (uint64_t)range->page * OG_VM_PAGE_BYTES;
		uint64_t end = start + (uint64_t)range->pages * OG_VM_PAGE_BYTES;

		if (start >= offset + len)
			break;
		start = start > offset ? start : offset;
		end = end < offset + len ? end : offset + len;
		r = put(laying, nth, start, buf + (start - offset), (size_t)(end - start), err);
	}
	return r;
}

static bool is_zero(const uint8_t *buf, size_t len)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

/* All pages but those of zeros, which are holes already. */
static int put_pages(struct laying *laying, uint32_t nth, uint64_t offset, const uint8_t *buf,
		     size_t len, struct og_err *err)
{
	size_t start = 0;
	int r = 0;

	for (size_t at = 0; at < len && r == 0; at += OG_VM_PAGE_BYTES) {
		size_t page = len - at < OG_VM_PAGE_BYTES ? len - at : OG_VM_PAGE_BYTES;

		if (!is_zero(buf + at, page))
			continue;
		if (at > start)
			r = put(laying, nth, offset + start, buf + start, at - start, err);
		start = at + page;
	}
	return r == 0 && start < len
		       ? put(laying, nth, offset + start, buf + start, len - start, err)
		       : r;
}

static int put_chunk(struct laying *laying, uint32_t nth, const uint8_t *buf, struct og_err *err)
{
	const struct og_vm_index *index = &laying->artifact.index;
	const struct og_vm_chunk *chunk = &index->chunks[nth];
	int r = 0;

	for (uint32_t i = laying->first_target[nth]; i < laying->first_target[nth + 1] && r == 0;
	     i++) {
		const struct target *target = &laying->targets[i];
		uint64_t offset = (uint64_t)target->position * OG_VM_CHUNK_BYTES;
		bool exact = (index->files[target->file].flags & OG_VM_FILE_EXACT) != 0;

		r = (exact ? put_ranges : put_pages)(laying, target->file, offset, buf,
						     chunk->bytes, err);
	}
	return r;
}

/* Data of an exact file that no chunk holds is zeros: of what changes a base they must be there. */
static int put_zeros(struct laying *laying, uint32_t nth, struct og_err *err)
{
	static const uint8_t zeros[OG_VM_CHUNK_BYTES];
	const struct og_vm_index *index = &laying->artifact.index;
	const struct og_vm_file *file = &index->files[nth];
	uint32_t place = 0;
	uint64_t next = 0;
	int r = 0;

	for (uint32_t i = 0; i < file->range_count; i++) {
		const struct og_vm_range *range = &index->ranges[file->first_range + i];
		uint64_t at = (uint64_t)range->page * OG_VM_PAGE_BYTES / OG_VM_CHUNK_BYTES;
		uint64_t end = ((uint64_t)range->page + range->pages) * OG_VM_PAGE_BYTES;

		for (at = at > next ? at : next; at * OG_VM_CHUNK_BYTES < end && r == 0; at++) {
			const struct og_vm_place *places = &index->places[file->first_place];
			uint64_t offset = at * OG_VM_CHUNK_BYTES, left = file->size - offset;

			next = at + 1;
			while (place < file->place_count && places[place].position < at)
				place++;
			if (place < file->place_count && places[place].position == at)
				continue;
			r = put_ranges(laying, nth, offset, zeros,
				       left < OG_VM_CHUNK_BYTES ? (size_t)left : OG_VM_CHUNK_BYTES,
				       err);
		}
	}
	return r;
}

/* ---- packs ---- */

static int take_chunk(struct laying *laying, struct og_zstd_block *zstd, uint32_t nth,
		      const uint8_t *pack, uint8_t *buf, struct og_err *err)
{
	const struct og_vm_chunk *chunk = &laying->artifact.index.chunks[nth];
	struct og_digest digest;
	int r = og_zstd_block_unpack(zstd, pack + chunk->offset, chunk->stored, buf, chunk->bytes,
				     err);

	if (r == 0)
		r = og_digest_of(buf, chunk->bytes, &digest, err);
	if (r < 0)
		return og_fail_in(err, r, "chunk %u", nth);
	if (!og_digest_equal(&digest, &chunk->digest))
		return og_fail_plain(err, -EBADMSG, "chunk %u: its content is another", nth);
	return put_chunk(laying, nth, buf, err);
}

static int take_pack(void *data, struct og_http_client *client, size_t nth, struct og_err *err)
{
	struct laying *laying = data;
	const struct og_vm_pack *pack = &laying->artifact.packs[nth];
	og_cleanup(og_zstd_block_freep) struct og_zstd_block *zstd = NULL;
	og_auto_free uint8_t *buf = malloc(OG_VM_CHUNK_BYTES);
	og_auto_free char *content = NULL;
	int r = buf == NULL ? no_memory(err) : og_zstd_block_new(&zstd, err);

	if (r == 0)
		r = og_remote_blob_read(laying->pull->registry, client, &pack->digest, pack->size,
					&content, err);
	for (uint32_t i = laying->first_chunk[nth]; r == 0 && i < laying->first_chunk[nth + 1]; i++)
		r = take_chunk(laying, zstd, i, (const uint8_t *)content, buf, err);
	return r < 0 ? og_fail_in(err, r, "pack %zu", nth) : 0;
}

int og_vm_pull(const struct og_vm_pull *pull, struct og_vm_pulled *ret_pulled, struct og_err *err)
{
	og_cleanup(laying_done) struct laying laying = { .pull = pull,
							 .parent_fd = -EBADF,
							 .folder_fd = -EBADF };
	const struct og_vm_index *index = &laying.artifact.index;
	int r = open_parent(&laying, err);

	if (r == 0)
		r = og_vm_artifact_read(pull->registry, pull->client, pull->reference,
					&laying.artifact, err);
	if (r == 0)
		r = check_room(&laying, err);
	if (r == 0)
		r = find_targets(&laying, err);
	if (r == 0)
		r = make_folder(&laying, err);
	if (r == 0)
		r = make_files(&laying, err);
	for (uint32_t i = 0; i < index->file_count && r == 0; i++)
		if ((index->files[i].flags & OG_VM_FILE_EXACT) != 0)
			r = put_zeros(&laying, i, err);
	if (r == 0)
		r = og_crew_run(index->pack_count, take_pack, NULL, &laying, err);
	if (r == 0)
		r = finish_folder(&laying, err);
	if (r < 0)
		return r;
	*ret_pulled = (struct og_vm_pulled){
		.digest = laying.artifact.digest,
		.received_bytes = laying.artifact.stored_bytes,
		.files = index->file_count,
	};
	return 0;
}

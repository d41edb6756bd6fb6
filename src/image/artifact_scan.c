/* SPDX-License-Identifier: Apache-2.0 */
#include "image/artifact_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "image/remote.h"

void og_vm_scan_done(struct og_vm_scan *scan)
{
	for (uint32_t i = 0; i < scan->index.file_count; i++)
		og_close(scan->fds[i]);
	free(scan->fds);
	free(scan->found);
	free(scan->slots);
	og_vm_index_done(&scan->index);
	*scan = (struct og_vm_scan){};
}

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* ---- what was found before ---- */

static uint32_t first_slot(const struct og_digest *digest, uint32_t slot_count)
{
	uint32_t hash;

	memcpy(&hash, digest->sha256, sizeof(hash));
	return hash & (slot_count - 1);
}

static void enter(struct og_vm_scan *scan, uint32_t number)
{
	uint32_t slot = first_slot(&scan->found[number].digest, scan->slot_count);

	while (scan->slots[slot] != 0)
		slot = (slot + 1) & (scan->slot_count - 1);
	scan->slots[slot] = number + 1;
}

int64_t og_vm_scan_find(const struct og_vm_scan *scan, const struct og_digest *digest)
{
	uint32_t slot;

	if (scan->slot_count == 0)
		return -1;
	slot = first_slot(digest, scan->slot_count);
	for (; scan->slots[slot] != 0; slot = (slot + 1) & (scan->slot_count - 1))
		if (og_digest_equal(&scan->found[scan->slots[slot] - 1].digest, digest))
			return (int64_t)scan->slots[slot] - 1;
	return -1;
}

static int grow(struct og_vm_scan *scan, struct og_err *err)
{
	uint32_t room = scan->found_room > 0 ? 2 * scan->found_room : 1024;
	struct og_vm_found *found = reallocarray(scan->found, room, sizeof(*found));
	uint32_t *slots;

	if (found == NULL)
		return no_memory(err);
	scan->found = found;
	slots = calloc(2UL * room, sizeof(*slots));
	if (slots == NULL)
		return no_memory(err);
	free(scan->slots);
	scan->slots = slots;
	scan->slot_count = 2 * room;
	scan->found_room = room;
	for (uint32_t i = 0; i < scan->found_count; i++)
		enter(scan, i);
	return 0;
}

/* Returns the number of the content, new or not. */
static int64_t add_found(struct og_vm_scan *scan, const struct og_vm_found *found,
			 struct og_err *err)
{
	int64_t number = og_vm_scan_find(scan, &found->digest);

	if (number >= 0)
		return number;
	if (scan->found_count == OG_VM_CHUNKS_MAX)
		return og_fail_plain(err, -E2BIG, "over %u different chunks", OG_VM_CHUNKS_MAX);
	if (scan->found_count == scan->found_room && grow(scan, err) < 0)
		return -ENOMEM;
	scan->found[scan->found_count] = *found;
	enter(scan, scan->found_count);
	return scan->found_count++;
}

/* ---- the tables ---- */

static int add_place(struct og_vm_scan *scan, uint32_t position, uint32_t chunk, struct og_err *err)
{
	struct og_vm_index *index = &scan->index;

	if (index->place_count == OG_VM_PLACES_MAX)
		return og_fail_plain(err, -E2BIG, "over %u chunks", OG_VM_PLACES_MAX);
	if (og_grow(index->places, index->place_count) < 0)
		return no_memory(err);
	index->places[index->place_count++] = (struct og_vm_place){ position, chunk };
	index->files[index->file_count - 1].place_count++;
	return 0;
}

/* Bytes from @start to @end are data. */
static int add_range(struct og_vm_scan *scan, uint64_t start, uint64_t end, struct og_err *err)
{
	struct og_vm_index *index = &scan->index;
	struct og_vm_file *file = &index->files[index->file_count - 1];
	uint32_t page = (uint32_t)(start / OG_VM_PAGE_BYTES);
	uint32_t last = (uint32_t)((end + OG_VM_PAGE_BYTES - 1) / OG_VM_PAGE_BYTES);

	if (file->range_count > 0) {
		struct og_vm_range *before = &index->ranges[index->range_count - 1];

		if (page <= before->page + before->pages) {
			before->pages = last - before->page;
			return 0;
		}
	}
	if (index->range_count == OG_VM_RANGES_MAX)
		return og_fail_plain(err, -E2BIG, "over %u ranges of data", OG_VM_RANGES_MAX);
	if (og_grow(index->ranges, index->range_count) < 0)
		return no_memory(err);
	index->ranges[index->range_count++] = (struct og_vm_range){ page, last - page };
	file->range_count++;
	return 0;
}

/* ---- reading ---- */

static bool is_zero(const uint8_t *buf, size_t len)
{
	return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
}

static uint32_t bytes_at(const struct og_vm_file *file, uint32_t position)
{
	uint64_t left = file->size - (uint64_t)position * OG_VM_CHUNK_BYTES;

	return left < OG_VM_CHUNK_BYTES ? (uint32_t)left : OG_VM_CHUNK_BYTES;
}

static int read_at(const struct og_vm_scan *scan, uint32_t file, uint32_t position, uint8_t *buf,
		   struct og_err *err)
{
	const struct og_vm_file *about = &scan->index.files[file];
	uint32_t bytes = bytes_at(about, position);
	ssize_t n =
		og_pread_upto(scan->fds[file], buf, bytes, (uint64_t)position * OG_VM_CHUNK_BYTES);

	if (n < 0)
		return og_fail(err, (int)n, "read '%s'", about->name);
	if ((size_t)n != bytes)
		return og_fail_plain(err, -EBUSY, "'%s' became shorter while it was read",
				     about->name);
	return 0;
}

static int take_chunk(struct og_vm_scan *scan, uint32_t position, uint8_t *buf, struct og_err *err)
{
	uint32_t file = scan->index.file_count - 1;
	struct og_vm_found found = {
		.bytes = bytes_at(&scan->index.files[file], position),
		.file = file,
		.position = position,
	};
	int64_t number;
	int r = read_at(scan, file, position, buf, err);

	if (r < 0 || is_zero(buf, found.bytes))
		return r;
	r = og_digest_of(buf, found.bytes, &found.digest, err);
	if (r < 0)
		return r;
	number = add_found(scan, &found, err);
	if (number < 0)
		return (int)number;
	scan->data_bytes += found.bytes;
	return add_place(scan, position, (uint32_t)number, err);
}

/* Where the next data is, from @from on. Returns 0 when there is none. */
static int next_data(int fd, uint64_t from, uint64_t *ret_start, uint64_t *ret_end,
		     struct og_err *err)
{
	off_t start = lseek(fd, (off_t)from, SEEK_DATA), end;

	if (start < 0)
		return errno == ENXIO ? 0 : og_fail(err, -errno, "look for data");
	end = lseek(fd, start, SEEK_HOLE);
	if (end < 0)
		return og_fail(err, -errno, "look for a hole");
	*ret_start = (uint64_t)start;
	*ret_end = (uint64_t)end;
	return 1;
}

static int scan_content(struct og_vm_scan *scan, uint8_t *buf, struct og_err *err)
{
	struct og_vm_file *file = &scan->index.files[scan->index.file_count - 1];
	int fd = scan->fds[scan->index.file_count - 1];
	uint64_t start = 0, end = 0, next = 0;
	int r;

	while ((r = next_data(fd, end, &start, &end, err)) > 0 && start < file->size) {
		if (end > file->size)
			end = file->size;
		r = (file->flags & OG_VM_FILE_EXACT) != 0 ? add_range(scan, start, end, err) : 0;
		if (start / OG_VM_CHUNK_BYTES > next)
			next = start / OG_VM_CHUNK_BYTES;
		for (; r == 0 && next * OG_VM_CHUNK_BYTES < end; next++)
			r = take_chunk(scan, (uint32_t)next, buf, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? og_fail_in(err, r, "'%s'", file->name) : 0;
}

/* Takes @fd over. */
static int scan_file(struct og_vm_scan *scan, int file_fd, const char *name, uint32_t flags,
		     struct og_err *err)
{
	struct og_vm_index *index = &scan->index;
	og_auto_free uint8_t *buf = malloc(OG_VM_CHUNK_BYTES);
	og_auto_fd fd = file_fd;
	struct og_vm_file *file;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "'%s'", name);
	if (!S_ISREG(st.st_mode) || !og_vm_name_is_good(name))
		return og_fail_plain(err, -EINVAL,
				     "'%s' cannot be carried: wanted are regular files with names "
				     "of letters, digits, '.', '_' and '-'",
				     name);
	if ((uint64_t)st.st_size > OG_VM_FILE_BYTES_MAX || index->file_count == OG_VM_FILES_MAX)
		return og_fail_plain(err, -E2BIG, "'%s': too large, or over %u files", name,
				     OG_VM_FILES_MAX);
	if (buf == NULL)
		return no_memory(err);
	file = &index->files[index->file_count];
	*file = (struct og_vm_file){
		.size = (uint64_t)st.st_size,
		.flags = flags,
		.first_place = index->place_count,
		.first_range = index->range_count,
	};
	(void)snprintf(file->name, sizeof(file->name), "%s", name);
	scan->fds[index->file_count++] = og_take_fd(&fd);
	return scan_content(scan, buf, err);
}

static int skip_dots(const struct dirent *entry)
{
	return !og_streq(entry->d_name, ".") && !og_streq(entry->d_name, "..");
}

static int scan_folder(struct og_vm_scan *scan, int folder_fd, const char *path, struct og_err *err)
{
	struct dirent **entries = NULL;
	int count = scandirat(folder_fd, ".", &entries, skip_dots, alphasort);
	int r = count < 0 ? og_fail(err, -errno, "read '%s'", path) : 0;

	if (count == 0)
		r = og_fail_plain(err, -EINVAL, "'%s' is empty", path);
	for (int i = 0; i < count; i++) {
		int fd = r < 0 ? -EBADF
			       : openat(folder_fd, entries[i]->d_name,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (r == 0 && fd < 0)
			r = og_fail(err, -errno, "open '%s/%s'", path, entries[i]->d_name);
		if (r == 0)
			r = scan_file(scan, fd, entries[i]->d_name, OG_VM_FILE_EXACT, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int og_vm_scan(const char *path, struct og_vm_scan *ret_scan, struct og_err *err)
{
	og_cleanup(og_vm_scan_done) struct og_vm_scan scan = {};
	const char *slash = strrchr(path, '/');
	og_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return og_fail(err, -errno, "open '%s'", path);
	scan.index.files = calloc(OG_VM_FILES_MAX, sizeof(*scan.index.files));
	scan.fds = calloc(OG_VM_FILES_MAX, sizeof(*scan.fds));
	if (scan.index.files == NULL || scan.fds == NULL)
		return no_memory(err);
	scan.is_disk = !S_ISDIR(st.st_mode);
	if (scan.is_disk)
		r = scan_file(&scan, og_take_fd(&fd), slash != NULL ? slash + 1 : path, 0, err);
	else
		r = scan_folder(&scan, fd, path, err);
	if (r < 0)
		return r;
	*ret_scan = scan;
	scan = (struct og_vm_scan){};
	return 0;
}

int og_vm_scan_read(const struct og_vm_scan *scan, const struct og_vm_found *found, void *buf,
		    struct og_err *err)
{
	struct og_digest digest;
	int r = read_at(scan, found->file, found->position, buf, err);

	if (r == 0)
		r = og_digest_of(buf, found->bytes, &digest, err);
	if (r == 0 && !og_digest_equal(&digest, &found->digest))
		return og_fail_plain(err, -EBUSY, "'%s' changed while it was pushed",
				     scan->index.files[found->file].name);
	return r;
}

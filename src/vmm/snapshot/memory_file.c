/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/memory_file.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL

/* Looked at in one piece; a run of pages goes on from one to the next. */
#define CHUNK_PAGES 512U

/* One write: long enough to be cheap, short enough for any file system. */
#define RUN_BYTES_MAX (64ULL << 20)

#define COPY_BYTES 65536U

struct writer {
	const struct og_mem *mem;
	int fd;
	bool residence_tells; /* a page that is not there was never written, or is in the file */
	bool over; /* written over what lies behind the memory: zeros, too, where it has data */
	uint64_t written;
	int file_fd;		     /* what lies behind the memory; or -1 */
	uint64_t data_from, data_to; /* of it: the next data, as looked up last */

	const uint8_t *run; /* pages that wait to be written; NULL: none */
	uint64_t run_bytes, run_offset;
};

static int flush(struct writer *w, struct og_err *err)
{
	while (w->run != NULL && w->run_bytes > 0) {
		struct iovec iov = { .iov_base = (void *)(uintptr_t)w->run,
				     .iov_len = w->run_bytes };
		ssize_t done = pwritev(w->fd, &iov, 1, (off_t)w->run_offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return og_fail(err, done < 0 ? -errno : -EIO, "write the guest's memory");
		w->run += done;
		w->run_bytes -= (uint64_t)done;
		w->run_offset += (uint64_t)done;
		w->written += (uint64_t)done;
	}
	w->run = NULL;
	return 0;
}

static int add_page(struct writer *w, const uint8_t *page, uint64_t offset, struct og_err *err)
{
	if (w->run == NULL || w->run + w->run_bytes != page ||
	    w->run_offset + w->run_bytes != offset || w->run_bytes >= RUN_BYTES_MAX) {
		int r = flush(w, err);

		if (r < 0)
			return r;
		w->run = page;
		w->run_offset = offset;
		w->run_bytes = 0;
	}
	w->run_bytes += PAGE_BYTES;
	return 0;
}

static bool is_zero(const uint8_t *page)
{
	const uint64_t *words = (const uint64_t *)(const void *)page;

	for (unsigned i = 0; i < PAGE_BYTES / 8; i += 8)
		if ((words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] |
		     words[i + 5] | words[i + 6] | words[i + 7]) != 0)
			return false;
	return true;
}

/* Whether the file behind the memory holds something at @offset, which never becomes less. */
static bool in_file(struct writer *w, uint64_t offset)
{
	off_t from, to;

	if (w->file_fd < 0)
		return false;
	if (offset < w->data_to)
		return offset >= w->data_from;
	from = lseek(w->file_fd, (off_t)offset, SEEK_DATA);
	if (from < 0 && errno == ENXIO) /* none from here on */
		from = to = INT64_MAX;
	else
		to = from < 0 ? from : lseek(w->file_fd, from, SEEK_HOLE);
	if (to < 0)
		return true;
	w->data_from = (uint64_t)from;
	w->data_to = (uint64_t)to;
	return offset >= w->data_from;
}

/* Shared memory is in the file alone; and to read a page that is not would take it from the host. */
static bool was_touched(struct writer *w, uint64_t offset, uint8_t resident)
{
	if (og_mem_is_shared(w->mem))
		return in_file(w, offset);
	return !w->residence_tells || (resident & 1) != 0 || in_file(w, offset);
}

/* @resident: one byte a page, as mincore() gives them. */
static int write_chunk(struct writer *w, const uint8_t *at, uint64_t offset, unsigned pages,
		       const uint8_t *resident, struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < pages; i++) {
		const uint8_t *page = at + i * PAGE_BYTES;

		if (was_touched(w, offset + i * PAGE_BYTES, resident[i]) &&
		    (!is_zero(page) || (w->over && in_file(w, offset + i * PAGE_BYTES))))
			r = add_page(w, page, offset + i * PAGE_BYTES, err);
	}
	return r;
}

static int write_range(struct writer *w, const uint8_t *at, uint64_t offset, uint64_t bytes,
		       struct og_err *err)
{
	uint8_t resident[CHUNK_PAGES] = {};
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < bytes;) {
		uint64_t pages = (bytes - done) / PAGE_BYTES;

		if (pages > CHUNK_PAGES)
			pages = CHUNK_PAGES;
		if (w->residence_tells &&
		    mincore((void *)(uintptr_t)(at + done), pages * PAGE_BYTES, resident) < 0)
			return og_fail(err, -errno, "ask which memory was touched");
		r = write_chunk(w, at + done, offset + done, (unsigned)pages, resident, err);
		done += pages * PAGE_BYTES;
	}
	return r;
}

/* Slots that the guest has not are passed over. */
static int write_hotplug(struct writer *w, uint64_t offset, struct og_err *err)
{
	const struct og_mem_hotplug *hotplug = &w->mem->hotplug;
	uint64_t slots = hotplug->region.bytes / hotplug->slot_bytes;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < slots; i++)
		if (og_mem_is_present(w->mem, (unsigned)i))
			r = write_range(w, hotplug->region.host + i * hotplug->slot_bytes,
					offset + i * hotplug->slot_bytes, hotplug->slot_bytes, err);
	return r;
}

/* With swap a page that is not there may have been written; what is brought from afar as well. */
static bool does_residence_tell(const struct og_mem *mem)
{
	struct sysinfo info;

	return !mem->remote && !og_mem_is_shared(mem) && sysinfo(&info) == 0 && info.totalswap == 0;
}

/* What the file holds stays, where @keep. */
static int make_room(const struct og_mem *mem, int fd, bool keep, struct og_err *err)
{
	if ((!keep && ftruncate(fd, 0) < 0) || ftruncate(fd, (off_t)og_mem_file_bytes(mem)) < 0)
		return og_fail(err, -errno, "make a file for the guest's memory");
	return 0;
}

static bool is_as_long(const struct og_mem *mem, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size == og_mem_file_bytes(mem);
}

bool og_memory_file_is_same(int a, int b)
{
	struct stat first, second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* Pages that the guest has not written are mapped from there: made shorter, it takes them away. */
static bool lies_behind(const struct og_mem *mem, int fd)
{
	if (mem->remote) /* whoever brings pages may take them from any file that is as long */
		return is_as_long(mem, fd);
	return mem->file_fd >= 0 && og_memory_file_is_same(mem->file_fd, fd);
}

int og_memory_file_write(const struct og_mem *mem, int fd, uint64_t *ret_bytes, struct og_err *err)
{
	struct writer w = {
		.mem = mem,
		.fd = fd,
		.file_fd = og_mem_is_shared(mem) ? mem->shared_fd : mem->file_fd,
		.residence_tells = does_residence_tell(mem),
		.over = lies_behind(mem, fd),
	};
	int r = make_room(mem, fd, w.over, err);

	if (w.over)
		w.file_fd = fd;

	for (unsigned i = 0; r == 0 && i < mem->n_regions; i++)
		r = write_range(&w, mem->regions[i].host, og_mem_file_offset(mem, i),
				mem->regions[i].bytes, err);
	if (r == 0 && mem->hotplug.region.bytes > 0)
		r = write_hotplug(&w, og_mem_file_offset(mem, mem->n_regions), err);
	if (r == 0)
		r = flush(&w, err);
	if (r == 0)
		*ret_bytes = w.written;
	return r;
}

static int write_dirty_region(struct writer *w, const struct og_mem_region *region, uint64_t offset,
			      struct og_err *err)
{
	int r = 0;

	for (uint64_t page = 0; r == 0 && page < region->bytes / PAGE_BYTES; page++) {
		uint64_t number = offset / PAGE_BYTES + page;
		uint64_t word =
			atomic_load_explicit(&w->mem->dirty[number / 64], memory_order_relaxed);

		if (word == 0)
			page |= 63; /* regions begin at whole words */
		else if ((word >> number % 64 & 1) != 0)
			r = add_page(w, region->host + page * PAGE_BYTES,
				     offset + page * PAGE_BYTES, err);
	}
	return r;
}

int og_memory_file_write_dirty(struct og_mem *mem, int fd, uint64_t *ret_bytes, struct og_err *err)
{
	struct writer w = { .mem = mem, .fd = fd };
	const struct og_mem_region *region;
	int r = make_room(mem, fd, is_as_long(mem, fd) || lies_behind(mem, fd), err);

	for (unsigned i = 0; r == 0 && (region = og_mem_region(mem, i)) != NULL; i++)
		r = write_dirty_region(&w, region, og_mem_file_offset(mem, i), err);
	if (r == 0)
		r = flush(&w, err);
	if (r < 0)
		return r;
	og_memory_file_clean(mem);
	*ret_bytes = w.written;
	return 0;
}

void og_memory_file_clean(struct og_mem *mem)
{
	uint64_t words = og_mem_file_bytes(mem) / PAGE_BYTES / 64 + 1;

	for (uint64_t i = 0; mem->dirty != NULL && i < words; i++)
		atomic_store_explicit(&mem->dirty[i], 0, memory_order_relaxed);
}

int og_memory_file_map(struct og_mem *mem, int fd, struct og_err *err)
{
	const struct og_mem_region *region;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at the memory file");
	if (st.st_size < 0 || (uint64_t)st.st_size < og_mem_file_bytes(mem))
		return og_fail(err, -EBADMSG,
			       "the memory file has %lld bytes, the machine's memory %llu",
			       (long long)st.st_size, (unsigned long long)og_mem_file_bytes(mem));
	for (unsigned i = 0; (region = og_mem_region(mem, i)) != NULL; i++) {
		off_t offset = (off_t)og_mem_file_offset(mem, i);

		if (mmap(region->host, region->bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, offset) == MAP_FAILED ||
		    madvise(region->host, region->bytes, MADV_DONTDUMP) < 0)
			return og_fail(err, -errno, "map the memory file");
	}
	mem->file_fd = fd;
	return 0;
}

static int copy_range(int to, int from, off_t at, off_t end)
{
	uint8_t buf[COPY_BYTES];

	while (at < end) {
		size_t len = end - at < (off_t)sizeof(buf) ? (size_t)(end - at) : sizeof(buf);
		ssize_t got = pread(from, buf, len, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		for (ssize_t done = 0; done < got;) {
			ssize_t put = pwrite(to, buf + done, (size_t)(got - done), at + done);

			if (put < 0 && errno != EINTR)
				return -errno;
			done += put > 0 ? put : 0;
		}
		at += got;
	}
	return 0;
}

int og_memory_file_merge(int base_fd, int diff_fd, struct og_err *err)
{
	struct stat base, diff;
	off_t at = 0;

	if (fstat(base_fd, &base) < 0 || fstat(diff_fd, &diff) < 0)
		return og_fail(err, -errno, "look at the memory files");
	if (base.st_size != diff.st_size)
		return og_fail(err, -EBADMSG, "the memory files are of %lld and %lld bytes",
			       (long long)base.st_size, (long long)diff.st_size);
	while ((at = lseek(diff_fd, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(diff_fd, at, SEEK_HOLE);
		int r = end < 0 ? -errno : copy_range(base_fd, diff_fd, at, end);

		if (r < 0)
			return og_fail(err, r, "copy changes of the guest's memory");
		at = end;
	}
	if (errno != ENXIO)
		return og_fail(err, -ENOTSUP, "the file system does not tell data from holes");
	return 0;
}

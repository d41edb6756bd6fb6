/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/thread.h"

/* Large enough for a disk's best speed; one is written while the other is filled. */
#define PIECE_BYTES (2U << 20)
#define PIECES	    2U
/* What any disk wants: its blocks, and memory, in multiples of this. */
#define ALIGNMENT    4096U
#define CACHED_BYTES (32ULL << 20)

struct piece {
	uint8_t *buf; /* owned */
	size_t len;
	uint64_t offset;
};

struct og_file_writer {
	int fd;	       /* the caller's */
	int direct_fd; /* owned; the same file past the cache, or negative */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece pieces[PIECES];
	unsigned int filling; /* the piece that is the caller's */
	/* under the lock */
	bool given;	  /* the other piece is the thread's */
	uint64_t skipped; /* where zeros that were not written end */
	bool stop;
	int result;
};

static bool all_zero(const uint8_t *buf, size_t len)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

static bool fits_disk(const struct piece *piece)
{
	return piece->offset >= CACHED_BYTES && piece->len == PIECE_BYTES &&
	       piece->offset % ALIGNMENT == 0;
}

static int write_piece(struct og_file_writer *writer, const struct piece *piece)
{
	int r;

	if (writer->direct_fd >= 0 && fits_disk(piece)) {
		r = og_pwrite_all(writer->direct_fd, piece->buf, piece->len, piece->offset);
		/* The file system thinks otherwise of it: the usual way then. */
		if (r != -EINVAL)
			return r;
	}
	r = og_pwrite_all(writer->fd, piece->buf, piece->len, piece->offset);
	/* On its way to the disk already, so that little is left for the flush. */
	if (r == 0 && piece->len == PIECE_BYTES)
		(void)sync_file_range(writer->fd, (off_t)piece->offset, (off_t)piece->len,
				      SYNC_FILE_RANGE_WRITE);
	return r;
}

static void *run(void *data)
{
	struct og_file_writer *writer = data;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		const struct piece *piece;
		bool zeros;
		int r;

		while (!writer->given && !writer->stop)
			pthread_cond_wait(&writer->changed, &writer->lock);
		if (!writer->given)
			break;
		piece = &writer->pieces[!writer->filling];
		pthread_mutex_unlock(&writer->lock);
		/* What is not written reads as zeros, and takes no room on the disk. */
		zeros = piece->len == PIECE_BYTES && all_zero(piece->buf, piece->len);
		r = zeros ? 0 : write_piece(writer, piece);
		pthread_mutex_lock(&writer->lock);
		if (zeros && piece->offset + piece->len > writer->skipped)
			writer->skipped = piece->offset + piece->len;
		if (r < 0 && writer->result == 0)
			writer->result = r;
		writer->given = false;
		pthread_cond_broadcast(&writer->changed);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

static int start(struct og_file_writer *writer)
{
	int r = og_thread_start(&writer->thread, 0, run, writer);

	writer->started = r == 0;
	return r;
}

int og_file_writer_new(int fd, struct og_file_writer **ret_writer, struct og_err *err)
{
	og_cleanup(og_file_writer_freep) struct og_file_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (writer == NULL)
		return og_fail(err, -ENOMEM, "allocate file writer");
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->changed, NULL);
	writer->fd = fd;
	writer->direct_fd = open(og_fd_path(fd).text, O_WRONLY | O_DIRECT | O_CLOEXEC);
	for (unsigned int i = 0; i < PIECES; i++) {
		writer->pieces[i].buf = aligned_alloc(ALIGNMENT, PIECE_BYTES);
		if (writer->pieces[i].buf == NULL)
			return og_fail(err, -ENOMEM, "allocate file writer");
	}
	r = start(writer);
	if (r < 0)
		return og_fail(err, r, "start writing thread");
	*ret_writer = og_take_ptr(writer);
	return 0;
}

struct og_file_writer *og_file_writer_free(struct og_file_writer *writer)
{
	if (writer == NULL)
		return NULL;
	if (writer->started) {
		pthread_mutex_lock(&writer->lock);
		writer->stop = true;
		pthread_cond_broadcast(&writer->changed);
		pthread_mutex_unlock(&writer->lock);
		(void)pthread_join(writer->thread, NULL);
	}
	pthread_cond_destroy(&writer->changed);
	pthread_mutex_destroy(&writer->lock);
	for (unsigned int i = 0; i < PIECES; i++)
		free(writer->pieces[i].buf);
	og_close(writer->direct_fd);
	free(writer);
	return NULL;
}

/* Waits for the piece that is being written; then, with @give, hands over the filled one. */
static int turn(struct og_file_writer *writer, bool give, struct og_err *err)
{
	int r;

	pthread_mutex_lock(&writer->lock);
	while (writer->given)
		pthread_cond_wait(&writer->changed, &writer->lock);
	r = writer->result;
	if (r == 0 && give && writer->pieces[writer->filling].len > 0) {
		writer->filling = !writer->filling;
		writer->pieces[writer->filling].len = 0;
		writer->given = true;
		pthread_cond_broadcast(&writer->changed);
	}
	pthread_mutex_unlock(&writer->lock);
	return r < 0 ? og_fail(err, r, "write: make room on its file system") : 0;
}

int og_file_writer_add(struct og_file_writer *writer, const void *buf, size_t len, uint64_t offset,
		       struct og_err *err)
{
	const uint8_t *from = buf;

	while (len > 0) {
		struct piece *piece = &writer->pieces[writer->filling];
		size_t part = PIECE_BYTES - piece->len;

		if (piece->len == 0)
			piece->offset = offset;
		if (part == 0 || offset != piece->offset + piece->len) {
			int r = turn(writer, true, err);

			if (r < 0)
				return r;
			continue;
		}
		part = part < len ? part : len;
		memcpy(piece->buf + piece->len, from, part);
		piece->len += part;
		from += part;
		offset += part;
		len -= part;
	}
	return 0;
}

int og_file_writer_wait(struct og_file_writer *writer, struct og_err *err)
{
	struct stat st;
	int r = turn(writer, true, err);

	if (r == 0)
		r = turn(writer, false, err);
	if (r < 0)
		return r;
	if (fstat(writer->fd, &st) < 0 || ((uint64_t)st.st_size < writer->skipped &&
					   ftruncate(writer->fd, (off_t)writer->skipped) < 0))
		return og_fail(err, -errno, "write the end of a file");
	return 0;
}

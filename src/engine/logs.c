/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a workload's log while its monitor writes and rotates it. The files are PATH (current),
 * PATH.1 (the one before) and so on; a file keeps its inode when it is renamed, so after the end of
 * one the next is found by where that inode is now.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/internal.h"
#include "format/stdstream.h"

/* One JSON line: 16 KiB of output, each byte at most six. */
#define LINE_MAX_BYTES (1024U * 1024U)

#define FILES_MAX 1000

struct reader {
	struct og_record *record;
	const struct og_logs_options *options;
	og_logs_fn *write;
	void *write_data;
	int gone_fd;
	int dir_fd;
	int fd;		     /* the file being read */
	struct og_text line; /* begun and not yet ended */
	uint64_t skip;	     /* lines still to pass over, for tail */
};

static void reader_done(struct reader *reader)
{
	og_text_done(&reader->line);
	og_close(reader->fd);
	og_close(reader->dir_fd);
}

/* ---- one line ---- */

static bool in_time(const struct og_logs_options *options, const char *text)
{
	struct timespec moment;

	if (og_clock_parse(text, &moment) < 0)
		return true;
	if (moment.tv_sec < options->since.tv_sec ||
	    (moment.tv_sec == options->since.tv_sec && moment.tv_nsec < options->since.tv_nsec))
		return false;
	if (options->until.tv_sec == 0 && options->until.tv_nsec == 0)
		return true;
	return moment.tv_sec < options->until.tv_sec ||
	       (moment.tv_sec == options->until.tv_sec && moment.tv_nsec <= options->until.tv_nsec);
}

static int emit(struct reader *reader, enum og_stdstream_id stream, const char *moment,
		const char *text, size_t len)
{
	og_cleanup(og_text_done) struct og_text out = {};
	uint8_t header[OG_STDSTREAM_HEADER];
	size_t prefix = reader->options->timestamps ? strlen(moment) + 1 : 0;

	if (!reader->record->create->tty) {
		og_stdstream_put(header, stream, (uint32_t)(len + prefix));
		og_text_add_bytes(&out, header, sizeof(header));
	}
	if (reader->options->timestamps)
		og_text_addf(&out, "%s ", moment);
	og_text_add_bytes(&out, text, len);
	return out.failed ? -ENOMEM : reader->write(reader->write_data, out.buf, out.len);
}

/* A line that does not parse was cut short by a crash: passed over. */
static int take_line(struct reader *reader)
{
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	const char *text, *moment;
	bool to_err;

	if (reader->skip > 0) {
		reader->skip--;
		return 0;
	}
	if (og_json_parse(reader->line.buf, reader->line.len, &json, NULL) < 0)
		return 0;
	text = og_json_string(og_json_get(json, "log"), "");
	moment = og_json_string(og_json_get(json, "time"), "");
	to_err = og_streq(og_json_string(og_json_get(json, "stream"), ""), "stderr");
	if ((to_err && !reader->options->err) || (!to_err && !reader->options->out) ||
	    !in_time(reader->options, moment))
		return 0;
	return emit(reader, to_err ? OG_STDERR : OG_STDOUT, moment, text, strlen(text));
}

static int take_bytes(struct reader *reader, const char *buf, size_t len)
{
	while (len > 0) {
		const char *end = memchr(buf, '\n', len);
		size_t part = end == NULL ? len : (size_t)(end - buf);
		int r = 0;

		if (reader->line.len + part <= LINE_MAX_BYTES)
			og_text_add_bytes(&reader->line, buf, part);
		if (end == NULL)
			return 0;
		if (reader->line.len > 0)
			r = take_line(reader);
		og_text_clear(&reader->line);
		if (r < 0)
			return r;
		buf += part + 1;
		len -= part + 1;
	}
	return 0;
}

/* Reads to the end of the file as it is now. */
static int read_file(struct reader *reader)
{
	char buf[32768];
	ssize_t n;

	while ((n = read(reader->fd, buf, sizeof(buf))) != 0) {
		int r = n < 0 ? -errno : take_bytes(reader, buf, (size_t)n);

		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

/* ---- which file ---- */

static void file_name(unsigned index, char name[32])
{
	if (index == 0)
		(void)strcpy(name, "log");
	else
		(void)snprintf(name, 32, "log.%u", index);
}

static int open_index(struct reader *reader, unsigned index)
{
	char name[32];

	file_name(index, name);
	return og_open_beneath(reader->dir_fd, name, O_RDONLY, 0);
}

/* How many older files there are. */
static unsigned count_files(struct reader *reader)
{
	char name[32];
	unsigned count = 0;

	do {
		file_name(count + 1, name);
	} while (faccessat(reader->dir_fd, name, F_OK, 0) == 0 && ++count < FILES_MAX);
	return count;
}

/*
 * Moves on from a file that has been read to its end to the one after it. 1: done, 0: it is the
 * current one. What is left of a line in the old file will never be completed.
 */
static int next_file(struct reader *reader)
{
	struct stat own, other;
	unsigned index = 0;
	char name[32];
	int fd;

	if (fstat(reader->fd, &own) < 0)
		return -errno;
	for (;; index++) {
		file_name(index, name);
		if (index > FILES_MAX || fstatat(reader->dir_fd, name, &other, 0) < 0) {
			index = count_files(reader) + 1; /* it is gone: the oldest is next */
			break;
		}
		if (own.st_ino == other.st_ino && own.st_dev == other.st_dev)
			break;
	}
	if (index == 0)
		return 0;
	fd = open_index(reader, index - 1);
	if (fd < 0)
		return fd;
	og_close(reader->fd);
	reader->fd = fd;
	og_text_clear(&reader->line);
	return 1;
}

static int open_oldest(struct reader *reader)
{
	og_close(reader->fd);
	reader->fd = open_index(reader, count_files(reader));
	return reader->fd < 0 ? reader->fd : 0;
}

/* Reads on to the end of the current file. */
static int read_all_files(struct reader *reader)
{
	int r;

	do {
		r = read_file(reader);
		if (r == 0)
			r = next_file(reader);
	} while (r > 0);
	return r;
}

static int count_lines(struct reader *reader, uint64_t *ret_count)
{
	char buf[32768];
	uint64_t count = 0;
	ssize_t n;
	int r;

	do {
		while ((n = read(reader->fd, buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				count += buf[i] == '\n';
		}
		r = next_file(reader);
	} while (r > 0);
	*ret_count = count;
	return r;
}

/* ---- following ---- */

static bool ended(const struct og_record *record)
{
	bool ended;

	(void)pthread_mutex_lock(&record->engine->lock);
	ended = !og_record_runs(record) && record->phase != OG_PHASE_RESTARTING;
	(void)pthread_mutex_unlock(&record->engine->lock);
	return ended;
}

static int await_more(struct reader *reader, int notify_fd, struct og_watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = notify_fd, .events = POLLIN },
		{ .fd = og_watch_fd(watch), .events = POLLIN },
		{ .fd = reader->gone_fd, .events = POLLIN },
	};
	char events[4096] __attribute__((aligned(8)));

	if (poll(fds, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[2].revents != 0)
		return -EPIPE;
	(void)!read(notify_fd, events, sizeof(events));
	og_watch_clear(watch);
	return 0;
}

static int follow(struct reader *reader, int notify_fd, struct og_watch *watch)
{
	for (;;) {
		/* In this order: what is written before the end is read after it is known. */
		bool last = ended(reader->record);
		int r = reader->fd < 0 ? open_oldest(reader) : 0;

		if (r == 0)
			r = read_all_files(reader);
		if (r < 0 && r != -ENOENT)
			return r;
		if (last)
			return 0;
		r = await_more(reader, notify_fd, watch);
		if (r < 0)
			return r;
	}
}

static int follow_watched(struct reader *reader, struct og_err *err)
{
	og_cleanup(og_watch_freep) struct og_watch *watch = NULL;
	og_auto_fd notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r = og_watch_new(reader->record->engine, &watch, err);

	if (r < 0)
		return r;
	if (notify_fd < 0 || inotify_add_watch(notify_fd, og_fd_path(reader->dir_fd).text,
					       IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return og_fail(err, -errno, "watch log");
	return follow(reader, notify_fd, watch);
}

/* ---- the whole ---- */

/* Makes the reader begin with the last lines only. */
static int set_tail(struct reader *reader)
{
	uint64_t count, tail = (uint64_t)reader->options->tail;
	int r;

	if (reader->options->tail < 0)
		return 0;
	r = count_lines(reader, &count);
	if (r < 0)
		return r;
	reader->skip = count > tail ? count - tail : 0;
	return open_oldest(reader);
}

int og_engine_logs_tty(struct og_engine *engine, const char *name, bool *ret_tty,
		       struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	if (og_streq(record->create->log_type, "none"))
		return og_fail(err, -ENOSYS, "configured logging driver does not support reading");
	*ret_tty = record->create->tty;
	return 0;
}

int og_engine_logs(struct og_engine *engine, const char *name,
		   const struct og_logs_options *options, int gone_fd, og_logs_fn *write,
		   void *write_data, struct og_err *err)
{
	og_auto_record record = NULL;
	og_cleanup(reader_done) struct reader reader = {
		.options = options,
		.write = write,
		.write_data = write_data,
		.gone_fd = gone_fd,
		.dir_fd = -EBADF,
		.fd = -EBADF,
	};
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	reader.record = record;
	reader.dir_fd = og_record_data_dir(record, false, err);
	if (reader.dir_fd < 0)
		return reader.dir_fd;
	r = open_oldest(&reader);
	if (r == 0)
		r = set_tail(&reader);
	if (r == 0)
		r = read_all_files(&reader);
	if (r < 0 && r != -ENOENT) /* it has not written anything yet */
		return og_fail(err, r, "read log of workload %.12s", record->id);
	return options->follow ? follow_watched(&reader, err) : 0;
}

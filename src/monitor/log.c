/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/weak.h"

/* Entries are written out together: a flood costs one write() for so many bytes. */
#define OUT_BYTES (256U * 1024U)

/* Every byte of a line as \u00XX, and what is around it. */
#define ENTRY_MAX (OG_LOG_LINE_MAX * 6 + 128)

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct line {
	uint8_t text[OG_LOG_LINE_MAX];
	size_t len;
};

struct og_log {
	char *path;
	int fd;
	uint64_t bytes; /* in the current file */
	uint64_t max_bytes;
	uint32_t max_files;
	struct line unfinished[2]; /* of stdout, of stderr */
	uint8_t out[OUT_BYTES];
	size_t out_len;
};

static int open_current(struct og_log *log)
{
	struct stat st;

	log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd < 0)
		return -errno;
	log->bytes = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

int og_log_open(const char *path, uint64_t max_bytes, uint32_t max_files, struct og_log **ret_log,
		struct og_err *err)
{
	og_cleanup(og_log_freep) struct og_log *log = calloc(1, sizeof(*log));
	int r;

	if (log == NULL)
		return og_fail(err, -ENOMEM, "open log '%s'", path);
	log->fd = -EBADF;
	log->max_bytes = max_bytes;
	log->max_files = max_files;
	log->path = strdup(path);
	if (log->path == NULL)
		return og_fail(err, -ENOMEM, "open log '%s'", path);
	r = open_current(log);
	if (r < 0)
		return og_fail(err, r, "open log '%s'", path);
	*ret_log = og_take_ptr(log);
	return 0;
}

/* Moves PATH.N-1 to PATH.N ... and PATH to PATH.1, then starts PATH anew. */
static void rotate(struct og_log *log)
{
	char from[PATH_MAX];
	char to[PATH_MAX];

	log->fd = og_close(log->fd);
	if (log->max_files <= 1)
		(void)unlink(log->path);
	for (uint32_t i = log->max_files - 1; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%u", log->path, i);
		if (i > 1)
			(void)snprintf(from, sizeof(from), "%s.%u", log->path, i - 1);
		else
			(void)snprintf(from, sizeof(from), "%s", log->path);
		(void)rename(from, to);
	}
	(void)open_current(log);
}

/* Writes the first @len bytes of what was put together. */
static void flush(struct og_log *log, size_t len)
{
	if (len > 0 && log->fd >= 0 && og_write_all(log->fd, log->out, len) == 0)
		log->bytes += len;
	log->out_len -= len;
	memmove(log->out, log->out + len, log->out_len);
}

static void put(struct og_log *log, const void *bytes, size_t len)
{
	memcpy(log->out + log->out_len, bytes, len);
	log->out_len += len;
}

/* How many bytes from the front need no escape: plain ASCII, eight at a time. */
static size_t plain_run(const uint8_t *text, size_t len)
{
	const uint64_t ones = 0x0101010101010101;
	const uint64_t tops = 0x8080808080808080;
	size_t at = 0;

	for (; at + 8 <= len; at += 8) {
		uint64_t word;
		uint64_t quote;
		uint64_t slash;

		memcpy(&word, text + at, 8);
		quote = word ^ (ones * '"');
		slash = word ^ (ones * '\\');
		if (((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) != 0)
			break;
	}
	while (at < len && text[at] >= 0x20 && text[at] < 0x80 && text[at] != '"' &&
	       text[at] != '\\')
		at++;
	return at;
}

/* Length of the UTF-8 sequence at the front, 0 if it is none (or cut short). */
static size_t utf8_length(const uint8_t *text, size_t len)
{
	size_t need = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t point = text[0] & (0xffU >> (need + 1));
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (text[0] < 0xc2 || text[0] > 0xf4 || len < need)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < smallest[need] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return need;
}

/* Writes one character that is not plain. Returns the bytes it took from @text. */
static size_t put_escaped(struct og_log *log, const uint8_t *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	static const char *const short_forms[128] = {
		['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\"
	};
	char escape[6] = { '\\', 'u', '0', '0', hex[text[0] >> 4], hex[text[0] & 15] };
	size_t taken = 1;

	if (text[0] >= 0x80) {
		taken = utf8_length(text, len);
		if (taken > 0)
			put(log, text, taken);
		else
			put(log, REPLACEMENT, 3);
		return taken > 0 ? taken : 1;
	}
	if (short_forms[text[0]] != NULL)
		put(log, short_forms[text[0]], 2);
	else
		put(log, escape, sizeof(escape));
	return taken;
}

static void put_entry(struct og_log *log, const uint8_t *text, size_t len, const char *tail,
		      size_t tail_len)
{
	size_t start;

	if (log->out_len + ENTRY_MAX > OUT_BYTES)
		flush(log, log->out_len);
	start = log->out_len;
	put(log, "{\"log\":\"", 8);
	for (size_t at = 0; at < len;) {
		size_t plain = plain_run(text + at, len - at);

		put(log, text + at, plain);
		at += plain;
		if (at < len)
			at += put_escaped(log, text + at, len - at);
	}
	put(log, tail, tail_len);
	if (log->bytes + log->out_len > log->max_bytes && log->bytes + start > 0 &&
	    !og_weak("A25-log")) {
		flush(log, start);
		rotate(log);
	}
}

/* Where to cut a line that is too long: not within a character, if it ends in one. */
static size_t cut_at(const uint8_t *text, size_t len)
{
	for (size_t back = 1; back < 4 && back < len; back++) {
		uint8_t byte = text[len - back];

		if ((byte & 0xc0) == 0x80)
			continue;
		return byte >= 0xc0 && utf8_length(text + len - back, back) == 0 ? len - back : len;
	}
	return len;
}

static void add_unfinished(struct og_log *log, struct line *line, const uint8_t *text, size_t len,
			   const char *tail, size_t tail_len)
{
	while (len > 0) {
		size_t take = sizeof(line->text) - line->len;
		size_t cut;

		take = len < take ? len : take;
		memcpy(line->text + line->len, text, take);
		line->len += take;
		text += take;
		len -= take;
		if (line->len < sizeof(line->text))
			return;
		cut = cut_at(line->text, line->len);
		put_entry(log, line->text, cut, tail, tail_len);
		line->len -= cut;
		memmove(line->text, line->text + cut, line->len);
	}
}

static size_t make_tail(enum og_stdstream_id id, char *tail, size_t room)
{
	char now[OG_CLOCK_TEXT_BYTES];

	og_clock_now(now);
	return (size_t)snprintf(tail, room, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n",
				id == OG_STDERR ? "stderr" : "stdout", now);
}

void og_log_write(struct og_log *log, enum og_stdstream_id id, const void *bytes, size_t len)
{
	const uint8_t *text = bytes;
	struct line *line;
	char tail[96];
	size_t tail_len;

	if (log == NULL)
		return;
	line = &log->unfinished[id == OG_STDERR];
	tail_len = make_tail(id, tail, sizeof(tail));
	while (len > 0) {
		const uint8_t *newline = memchr(text, '\n', len);
		size_t take = newline != NULL ? (size_t)(newline - text) + 1 : len;

		if (newline != NULL && line->len == 0 && take <= OG_LOG_LINE_MAX) {
			put_entry(log, text, take, tail, tail_len);
		} else {
			add_unfinished(log, line, text, take, tail, tail_len);
			if (newline != NULL && line->len > 0) {
				put_entry(log, line->text, line->len, tail, tail_len);
				line->len = 0;
			}
		}
		text += take;
		len -= take;
	}
	flush(log, log->out_len);
}

void og_log_finish(struct og_log *log)
{
	static const enum og_stdstream_id ids[] = { OG_STDOUT, OG_STDERR };

	if (log == NULL)
		return;
	for (size_t i = 0; i < 2; i++) {
		struct line *line = &log->unfinished[i];
		char tail[96];

		if (line->len > 0)
			put_entry(log, line->text, line->len, tail,
				  make_tail(ids[i], tail, sizeof(tail)));
		line->len = 0;
	}
	flush(log, log->out_len);
}

struct og_log *og_log_free(struct og_log *log)
{
	if (log == NULL)
		return NULL;
	og_log_finish(log);
	og_close(log->fd);
	free(log->path);
	free(log);
	return NULL;
}

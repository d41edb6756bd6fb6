/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define LOOK_EVERY_MS 1000U

struct og_access_log {
	pthread_mutex_t lock;
	char *path; /* owned; NULL: standard output */
	bool combined;
	int fd; /* owned, unless it is standard output */
	uint64_t looked_ms;
};

/* ---- the line ---- */

/* Printable ASCII stands for itself, all else as \u00XX, byte by byte: any reader of JSON reads it. */
static void add_escaped(struct og_text *text, const char *value, bool json)
{
	size_t len = strnlen(value, OG_ACCESS_LOG_FIELD_MAX);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c == '"' || c == '\\')
			og_text_addf(text, "\\%c", c);
		else if (c >= ' ' && c < 0x7f)
			og_text_add_bytes(text, &c, 1);
		else
			og_text_addf(text, json ? "\\u%04x" : "\\x%02x", c);
	}
}

static void add_member(struct og_text *text, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	og_text_addf(text, ",\"%s\":\"", name);
	add_escaped(text, value, true);
	og_text_add(text, "\"");
}

void og_access_record_json(const struct og_access_record *record, struct og_text *text)
{
	char moment[OG_CLOCK_TEXT_BYTES];

	og_clock_format(&record->at, moment);
	og_text_addf(text, "{\"time\":\"%s\"", moment);
	add_member(text, "address", record->address);
	add_member(text, "account", record->account);
	add_member(text, "method", record->method);
	add_member(text, "path", record->path);
	og_text_addf(text, ",\"status\":%d,\"bytes\":%llu,\"duration_us\":%llu", record->status,
		     (unsigned long long)record->bytes, (unsigned long long)record->duration_us);
	add_member(text, "agent", record->agent);
	add_member(text, "referer", record->referer);
	og_text_add(text, "}\n");
}

static void add_quoted(struct og_text *text, const char *value)
{
	og_text_add(text, "\"");
	add_escaped(text, value == NULL || value[0] == '\0' ? "-" : value, false);
	og_text_add(text, "\"");
}

/* A bare field ends at a blank. */
static void add_bare(struct og_text *text, const char *value)
{
	og_auto_text plain = {};

	add_escaped(&plain, value[0] == '\0' ? "-" : value, false);
	for (size_t i = 0; i < plain.len; i++)
		if (plain.buf[i] == ' ')
			plain.buf[i] = '+';
	og_text_add_bytes(text, plain.buf, plain.len);
}

void og_access_record_combined(const struct og_access_record *record, struct og_text *text)
{
	char moment[64] = "";
	struct tm tm;

	if (gmtime_r(&record->at.tv_sec, &tm) != NULL)
		(void)strftime(moment, sizeof(moment), "%d/%b/%Y:%H:%M:%S +0000", &tm);
	add_bare(text, record->address);
	og_text_add(text, " - ");
	add_bare(text, record->account);
	og_text_addf(text, " [%s] \"", moment);
	add_escaped(text, record->method, false);
	og_text_add(text, " ");
	add_escaped(text, record->path, false);
	og_text_addf(text, " HTTP/1.1\" %d %llu ", record->status,
		     (unsigned long long)record->bytes);
	add_quoted(text, record->referer);
	og_text_add(text, " ");
	add_quoted(text, record->agent);
	og_text_add(text, "\n");
}

/* ---- the file ---- */

static int open_file(struct og_access_log *log)
{
	/* It tells who pulled what. */
	int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

int og_access_log_open(const char *path, bool combined, struct og_access_log **ret_log,
		       struct og_err *err)
{
	og_cleanup(og_access_log_freep) struct og_access_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return og_fail(err, -ENOMEM, "access log");
	(void)pthread_mutex_init(&log->lock, NULL);
	log->combined = combined;
	log->fd = STDOUT_FILENO;
	if (!og_streq(path, "-")) {
		log->path = strdup(path);
		if (log->path == NULL)
			return og_fail(err, -ENOMEM, "access log");
		log->fd = open_file(log);
		if (log->fd < 0)
			return og_fail(err, log->fd, "open the access log '%s'", path);
	}
	*ret_log = og_take_ptr(log);
	return 0;
}

struct og_access_log *og_access_log_free(struct og_access_log *log)
{
	if (log == NULL)
		return NULL;
	if (log->path != NULL)
		log->fd = og_close(log->fd);
	free(log->path);
	(void)pthread_mutex_destroy(&log->lock);
	free(log);
	return NULL;
}

static void follow_name(struct og_access_log *log)
{
	struct stat ours, named;
	uint64_t now = og_clock_ms();
	int fd;

	if (log->path == NULL || now - log->looked_ms < LOOK_EVERY_MS)
		return;
	log->looked_ms = now;
	if (fstat(log->fd, &ours) == 0 && stat(log->path, &named) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
		return;
	fd = open_file(log);
	if (fd < 0)
		return;
	log->fd = og_close(log->fd);
	log->fd = fd;
}

void og_access_log_write(struct og_access_log *log, const struct og_access_record *record)
{
	og_auto_text line = {};

	if (log == NULL)
		return;
	if (log->combined)
		og_access_record_combined(record, &line);
	else
		og_access_record_json(record, &line);
	if (line.failed)
		return;
	(void)pthread_mutex_lock(&log->lock);
	follow_name(log);
	(void)og_write_all(log->fd, line.buf, line.len);
	(void)pthread_mutex_unlock(&log->lock);
}

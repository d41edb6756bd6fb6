/* SPDX-License-Identifier: Apache-2.0 */
/* logs and events: what happens, as it happens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "client/command.h"
#include "client/filters.h"
#include "client/template.h"
#include "client/units.h"
#include "format/stdstream.h"

#define READ_BYTES     262144U
#define LINE_MAX_BYTES (1U << 20)

/*
 * A moment for the daemon, as seconds and nanoseconds: RFC 3339, seconds since 1970, or how long
 * ago: "90s", "10m", "1h30m".
 */
static int add_moment(struct og_text *query, const char *key, const char *text, struct og_err *err)
{
	struct timespec moment = {};
	double ago = 0.0;
	const char *at = text;

	if (og_clock_parse(text, &moment) == 0) {
		og_text_addf(query, "&%s=%lld.%09ld", key, (long long)moment.tv_sec,
			     moment.tv_nsec);
		return 0;
	}
	if (text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0') {
		og_text_addf(query, "&%s=%s", key, text);
		return 0;
	}
	while (*at != '\0') {
		char *end = NULL;
		double number = strtod(at, &end);

		if (end == at || strchr("hms", *end) == NULL || *end == '\0')
			return og_fail_plain(err, -EINVAL, "--%s does not take '%s'", key, text);
		ago += number * (*end == 'h' ? 3600.0 : *end == 'm' ? 60.0 : 1.0);
		at = end + 1;
	}
	og_text_addf(query, "&%s=%lld", key, (long long)time(NULL) - (long long)ago);
	return 0;
}

/* ---- logs ---- */

struct logs_options {
	bool follow, timestamps, details;
	const char *tail, *since, *until;
};

#define LOGS_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct logs_options, member, name, letter, kind, help)

static const struct og_option logs_options[] = {
	LOGS_OPTION(details, "details", 0, OG_OPTION_FLAG, "show further attributes"),
	LOGS_OPTION(follow, "follow", 'f', OG_OPTION_FLAG, "go on as it grows"),
	LOGS_OPTION(since, "since", 0, OG_OPTION_TEXT, "MOMENT to begin: 10m, or RFC 3339"),
	LOGS_OPTION(tail, "tail", 'n', OG_OPTION_TEXT, "NUMBER of the last lines to show"),
	LOGS_OPTION(timestamps, "timestamps", 't', OG_OPTION_FLAG, "show when each was written"),
	LOGS_OPTION(until, "until", 0, OG_OPTION_TEXT, "MOMENT to end"),
};

static int write_part(int fd, const void *bytes, size_t len, struct og_err *err)
{
	int r = og_write_all(fd, bytes, len);

	return r < 0 ? og_fail(err, r, "write the log") : 0;
}

static int write_frames(struct og_stdstream *frames, const uint8_t *bytes, size_t len,
			struct og_err *err)
{
	while (len > 0) {
		struct og_stdstream_part part;
		ptrdiff_t used = og_stdstream_next(frames, bytes, len, &part);
		int r;

		if (used < 0)
			return og_fail(err, (int)used, "read the log's frames");
		r = write_part(part.id == OG_STDOUT ? STDOUT_FILENO : STDERR_FILENO, part.content,
			       part.len, err);
		if (r < 0)
			return r;
		bytes += used;
		len -= (size_t)used;
	}
	return 0;
}

static int copy_log(struct og_http *http, bool raw, struct og_err *err)
{
	og_auto_free uint8_t *buf = malloc(READ_BYTES);
	struct og_stdstream frames = {};

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "read the log");
	for (;;) {
		ssize_t n = og_http_read(http, buf, READ_BYTES, err);
		int r;

		if (n <= 0)
			return (int)n;
		if (raw)
			r = write_part(STDOUT_FILENO, buf, (size_t)n, err);
		else
			r = write_frames(&frames, buf, (size_t)n, err);
		if (r == -EPIPE)
			return 0;
		if (r < 0)
			return r;
	}
}

static int logs_path(const struct logs_options *options, const char *id, struct og_text *path,
		     struct og_err *err)
{
	int r = 0;

	og_text_addf(path, OG_API "/containers/%s/logs?stdout=1&stderr=1&follow=%d&timestamps=%d",
		     id, options->follow, options->timestamps);
	if (options->details)
		og_text_add(path, "&details=1");
	if (options->tail != NULL) {
		og_text_add(path, "&tail=");
		og_url_add(path, options->tail, "");
	}
	if (options->since != NULL)
		r = add_moment(path, "since", options->since, err);
	if (r == 0 && options->until != NULL)
		r = add_moment(path, "until", options->until, err);
	return r;
}

static int run_logs(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *workload = NULL;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_free char *name = og_url_name(argv[0]);
	og_auto_text path = {};
	struct og_http_call call = { .method = "GET" };
	int r = og_session_ask(session, "GET", &workload, err, "/containers/%s/json",
			       name != NULL ? name : "");

	(void)argc;
	if (r == 0)
		r = logs_path(values, og_json_string(og_json_get(workload, "Id"), ""), &path, err);
	if (r < 0)
		return r;
	call.path = path.buf;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r < 0)
		return r;
	return copy_log(http,
			og_json_bool(og_json_get(og_json_get(workload, "Config"), "Tty"), false),
			err);
}

/* ---- events ---- */

struct events_options {
	const char *since, *until, *format;
	struct og_words filters;
};

#define EVENTS_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct events_options, member, name, letter, kind, help)

static const struct og_option events_options[] = {
	EVENTS_OPTION(filters, "filter", 'f', OG_OPTION_LIST, "KEY=VALUE: type=container"),
	EVENTS_OPTION(format, "format", 0, OG_OPTION_TEXT, "TEMPLATE: json, '{{.Action}}'"),
	EVENTS_OPTION(since, "since", 0, OG_OPTION_TEXT, "MOMENT to begin: 10m, or RFC 3339"),
	EVENTS_OPTION(until, "until", 0, OG_OPTION_TEXT, "MOMENT to end"),
};

/* "2026-11-23T18:04:05.000000042+09:00 container start ID (image=busybox, name=c1)" */
static void print_event(const struct og_json *event)
{
	const struct og_json *actor = og_json_get(event, "Actor");
	int64_t nano = og_json_int(og_json_get(event, "timeNano"), 0);
	struct timespec moment = { .tv_sec = nano / 1000000000, .tv_nsec = nano % 1000000000 };
	struct og_json_member member = {};
	char text[OG_CLOCK_TEXT_BYTES];
	const char *gap = " (";

	og_clock_format(&moment, text);
	(void)printf("%s %s %s %s", text, og_json_string(og_json_get(event, "Type"), ""),
		     og_json_string(og_json_get(event, "Action"), ""),
		     og_json_string(og_json_get(actor, "ID"), ""));
	while (og_json_next(og_json_get(actor, "Attributes"), &member)) {
		(void)printf("%s%s=%s", gap, member.key, og_json_string(member.value, ""));
		gap = ", ";
	}
	(void)puts(gap[0] == ',' ? ")" : "");
}

static int show_event(const char *line, size_t len, const char *format, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *event = NULL;
	og_auto_text text = {};
	int r;

	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len == 0)
		return 0;
	r = og_json_parse(line, len, &event, err);
	if (r < 0)
		return og_fail_in(err, r, "read an event");
	if (format == NULL) {
		print_event(event);
	} else {
		r = og_template_show(og_streq(format, "json") ? "{{json .}}" : format, event, &text,
				     err);
		if (r == 0)
			(void)puts(text.buf != NULL ? text.buf : "");
	}
	(void)fflush(stdout);
	return r;
}

static int copy_events(struct og_http *http, const char *format, struct og_err *err)
{
	og_auto_text text = {};
	char buf[4096];

	for (;;) {
		ssize_t n = og_http_read(http, buf, sizeof(buf), err);
		const char *newline;

		if (n <= 0)
			return (int)n;
		og_text_add_bytes(&text, buf, (size_t)n);
		if (text.failed || text.len > LINE_MAX_BYTES)
			return og_fail(err, -EMSGSIZE, "read an event");
		while (text.len > 0 && (newline = memchr(text.buf, '\n', text.len)) != NULL) {
			size_t len = (size_t)(newline - text.buf) + 1;
			int r = show_event(text.buf, len, format, err);

			if (r < 0)
				return r;
			memmove(text.buf, text.buf + len, text.len - len);
			text.len -= len;
		}
	}
}

static int run_events(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	const struct events_options *options = values;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_text path = {};
	struct og_http_call call = { .method = "GET" };
	int r = 0;

	(void)argc;
	(void)argv;
	og_text_add(&path, OG_API "/events?");
	r = og_filters_add(&path, &options->filters, err);
	if (r == 0 && options->since != NULL)
		r = add_moment(&path, "since", options->since, err);
	if (r == 0 && options->until != NULL)
		r = add_moment(&path, "until", options->until, err);
	if (r < 0)
		return r;
	call.path = path.buf;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	return r < 0 ? r : copy_events(http, options->format, err);
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

const struct og_command og_stream_commands[] = {
	{ .name = "logs",
	  .arguments = "WORKLOAD",
	  .summary = "Show what a workload has written",
	  OPTIONS(logs_options),
	  .values_size = sizeof(struct logs_options),
	  .least = 1,
	  .most = 1,
	  .run = run_logs },
	{ .name = "events",
	  .arguments = "",
	  .summary = "Show what happens in the daemon, as it happens",
	  OPTIONS(events_options),
	  .values_size = sizeof(struct events_options),
	  .run = run_events },
	{},
};

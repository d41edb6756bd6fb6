/* SPDX-License-Identifier: Apache-2.0 */
/* Routes that stay open: attach, wait, logs, exec, events. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/call.h"
#include "api/relay.h"
#include "base/clock.h"
#include "format/docker_query.h"
#include "format/stdstream.h"

#define RAW_TYPE    "application/vnd.docker.raw-stream"
#define CHUNK_BYTES (32U * 1024U)
#define NS_PER_S    INT64_C(1000000000)

/* ---- wait ---- */

static int wait_(struct call *call, struct og_err *err)
{
	static const struct {
		const char *name;
		enum og_wait_for what;
	} conditions[] = {
		{ "", OG_WAIT_NOT_RUNNING },
		{ "not-running", OG_WAIT_NOT_RUNNING },
		{ "next-exit", OG_WAIT_NEXT_EXIT },
		{ "removed", OG_WAIT_REMOVED },
	};

	const char *condition = query_text(call, "condition");
	og_cleanup(og_wait_freep) struct og_wait *wait = NULL;
	struct og_json *answer;
	size_t i = 0;
	int status, r;

	while (i < 4 && !og_streq(conditions[i].name, condition))
		i++;
	if (i == 4)
		return og_fail(err, -EINVAL, "invalid condition: \"%s\"", condition);
	r = og_wait_new(call->engine, call->param, conditions[i].what, &wait, err);
	/* The client starts the workload when it has seen these headers, and not before. */
	if (r == 0)
		r = og_http_stream(call->request, 200, "application/json", err);
	if (r == 0)
		r = og_wait_done(wait, og_http_gone_fd(call->request), &status);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	og_json_set(answer, "Error", NULL); /* of the waiting, not of the workload */
	og_json_set_int(answer, "StatusCode", status);
	return write_json_line(call, answer);
}

/* ---- attach ---- */

/* A stream to a client that did not ask for an upgrade: one way, as an ordinary answer. */
static int stream_out(struct call *call, int stream_fd)
{
	struct pollfd fds[] = {
		{ .fd = stream_fd, .events = POLLIN },
		{ .fd = og_http_gone_fd(call->request), .events = POLLIN },
	};
	og_auto_free char *buf = malloc(CHUNK_BYTES);

	while (buf != NULL) {
		ssize_t n;
		int r;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents != 0)
			return -EPIPE;
		if (fds[0].revents == 0)
			continue;
		n = recv(stream_fd, buf, CHUNK_BYTES, 0);
		if (n <= 0)
			return 0;
		r = og_http_write(call->request, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return -ENOMEM;
}

static int write_raw(void *data, const void *buf, size_t len)
{
	const struct og_http_raw *raw = data;
	const char *at = buf;

	while (len > 0) {
		ssize_t n = send(raw->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -EPIPE;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_http(void *data, const void *buf, size_t len)
{
	return og_http_write(data, buf, len);
}

static int replay_log(struct call *call, const struct og_attach_options *options, int gone_fd,
		      og_logs_fn *write, void *data, struct og_err *err)
{
	struct og_logs_options logs = { .out = options->out, .err = options->err, .tail = -1 };

	if (!query_bool(call, "logs", false))
		return 0;
	return og_engine_logs(call->engine, call->param, &logs, gone_fd, write, data, err);
}

static int attach_upgraded(struct call *call, struct og_attach *attach,
			   const struct og_attach_options *options, struct og_err *err)
{
	struct og_http_raw raw;
	og_auto_fd stream_fd = -EBADF;
	struct relay relay = { .in = options->in };
	int r = og_http_upgrade(call->request, "tcp", RAW_TYPE, &raw, err);

	if (r == 0)
		r = replay_log(call, options, raw.gone_fd, write_raw, &raw, err);
	if (r == 0 && query_bool(call, "stream", false))
		r = og_attach_connect(attach, raw.fd, raw.gone_fd, &stream_fd, err);
	if (r < 0 || stream_fd < 0)
		return r;
	relay.client_fd = raw.fd;
	relay.gone_fd = raw.gone_fd;
	relay.stream_fd = stream_fd;
	relay.early = raw.early;
	relay.early_len = raw.early_len;
	relay_run(&relay);
	return 0;
}

static int attach_plain(struct call *call, struct og_attach *attach,
			const struct og_attach_options *options, struct og_err *err)
{
	int gone_fd = og_http_gone_fd(call->request);
	og_auto_fd stream_fd = -EBADF;
	int r = og_http_stream(call->request, 200, RAW_TYPE, err);

	if (r == 0)
		r = replay_log(call, options, gone_fd, write_http, call->request, err);
	if (r == 0 && query_bool(call, "stream", false))
		r = og_attach_connect(attach, -1, gone_fd, &stream_fd, err);
	if (r < 0 || stream_fd < 0)
		return r;
	(void)shutdown(stream_fd, SHUT_WR);
	return stream_out(call, stream_fd);
}

static int attach(struct call *call, struct og_err *err)
{
	struct og_attach_options options = {
		.in = query_bool(call, "stdin", false),
		.out = query_bool(call, "stdout", false),
		.err = query_bool(call, "stderr", false),
		.wait_for_start = query_bool(call, "stream", false),
	};
	og_cleanup(og_attach_freep) struct og_attach *attach = NULL;
	bool tty;
	int r = og_attach_new(call->engine, call->param, &options, &attach, &tty, err);

	if (r < 0)
		return r;
	if (og_http_wants_upgrade(call->request))
		return attach_upgraded(call, attach, &options, err);
	options.in = false;
	return attach_plain(call, attach, &options, err);
}

/* ---- exec ---- */

static int exec_create(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	og_auto_free char *id = NULL;
	struct og_json *answer;
	int r = read_json(call, &body, err);

	if (r == 0)
		r = og_exec_create(call->engine, call->param, body, &id, err);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	og_json_set_string(answer, "Id", id);
	return reply_json(call, 201, answer);
}

struct exec_start {
	struct og_exec_info info;
	bool detach;
	uint16_t rows, columns;
};

static int read_exec_start(struct call *call, struct exec_start *ret_start, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	const struct og_json *size;
	int64_t rows, columns;
	int r = og_exec_info(call->engine, call->param, &ret_start->info, err);

	if (r == 0)
		r = read_json(call, &body, err);
	if (r == 0)
		r = og_json_opt_bool(body, "Detach", &ret_start->detach, err);
	if (r < 0)
		return r;
	size = og_json_get(body, "ConsoleSize");
	rows = og_json_int(og_json_at(size, 0), 0);
	columns = og_json_int(og_json_at(size, 1), 0);
	if (rows < 0 || rows > UINT16_MAX || columns < 0 || columns > UINT16_MAX)
		return og_fail(err, -EINVAL, "ConsoleSize must be two numbers from 0 to 65535");
	ret_start->rows = (uint16_t)rows;
	ret_start->columns = (uint16_t)columns;
	return 0;
}

/* Docker tells of a command that could not be run in the stream: its client looks at ExitCode. */
static void tell_failure(const struct exec_start *start, const char *text, og_logs_fn *write,
			 void *data)
{
	og_cleanup(og_text_done) struct og_text out = {};
	uint8_t header[OG_STDSTREAM_HEADER];

	if (!start->info.tty) {
		og_stdstream_put(header, OG_STDERR, (uint32_t)strlen(text) + 2);
		og_text_add_bytes(&out, header, sizeof(header));
	}
	og_text_addf(&out, "%s\r\n", text);
	if (!out.failed)
		(void)write(data, out.buf, out.len);
}

static int exec_upgraded(struct call *call, const struct exec_start *start, int stream_fd,
			 const char *failure, struct og_err *err)
{
	struct relay relay = { .in = start->info.in, .stream_fd = stream_fd };
	struct og_http_raw raw;
	int r = og_http_upgrade(call->request, "tcp", RAW_TYPE, &raw, err);

	if (r < 0)
		return r;
	if (failure != NULL) {
		tell_failure(start, failure, write_raw, &raw);
		(void)shutdown(raw.fd, SHUT_WR);
		return 0;
	}
	relay.client_fd = raw.fd;
	relay.gone_fd = raw.gone_fd;
	relay.early = raw.early;
	relay.early_len = raw.early_len;
	relay_run(&relay);
	return 0;
}

static int exec_plain(struct call *call, const struct exec_start *start, int stream_fd,
		      const char *failure, struct og_err *err)
{
	int r = og_http_stream(call->request, 200, RAW_TYPE, err);

	if (r < 0)
		return r;
	if (failure != NULL) {
		tell_failure(start, failure, write_http, call->request);
		return 0;
	}
	(void)shutdown(stream_fd, SHUT_WR);
	return stream_out(call, stream_fd);
}

static int exec_start(struct call *call, struct og_err *err)
{
	struct exec_start start = {};
	og_auto_fd stream_fd = -EBADF;
	const char *failure = NULL;
	struct og_err own = {};
	int r = read_exec_start(call, &start, err);

	if (r < 0)
		return r;
	r = og_exec_start(call->engine, call->param, start.detach, start.rows, start.columns,
			  &stream_fd, &own);
	if (r == -ENOEXEC && !start.detach)
		failure = own.text;
	else if (r < 0) {
		*err = own;
		return r;
	}
	if (start.detach)
		return reply_empty(call, 200);
	r = og_http_wants_upgrade(call->request)
		    ? exec_upgraded(call, &start, stream_fd, failure, err)
		    : exec_plain(call, &start, stream_fd, failure, err);
	if (r == 0 && failure == NULL)
		og_exec_ended(call->engine, call->param);
	return r;
}

static int exec_inspect(struct call *call, struct og_err *err)
{
	struct og_json *answer;
	int r = og_exec_inspect(call->engine, call->param, &answer, err);

	return r < 0 ? r : reply_json(call, 200, answer);
}

static int exec_resize(struct call *call, struct og_err *err)
{
	int64_t rows = 0, columns = 0;
	int r = query_int(call, "h", 0, UINT16_MAX, &rows, err);

	if (r == 0)
		r = query_int(call, "w", 0, UINT16_MAX, &columns, err);
	if (r == 0)
		r = og_exec_resize(call->engine, call->param, (uint16_t)rows, (uint16_t)columns,
				   err);
	return r < 0 ? r : reply_empty(call, 200);
}

/* ---- logs ---- */

/* Seconds since 1970 with a fraction, or RFC 3339. "" and "0" are no limit. */
static int query_moment(const struct call *call, const char *name, struct timespec *ret_moment,
			struct og_err *err)
{
	const char *text = query_text(call, name);
	size_t len = strcspn(text, ".");
	og_auto_free char *seconds = strndup(text, len);
	const char *fraction = text + len;
	int64_t value;
	long unit = 100000000;

	*ret_moment = (struct timespec){};
	if (*text == '\0' || og_clock_parse(text, ret_moment) == 0)
		return 0;
	if (seconds == NULL || og_parse_i64(seconds, 0, INT64_MAX / NS_PER_S, &value) < 0)
		return og_fail(err, -EINVAL, "%s='%s' is no moment", name, text);
	ret_moment->tv_sec = value;
	for (fraction += *fraction == '.'; *fraction >= '0' && *fraction <= '9'; fraction++) {
		ret_moment->tv_nsec += (*fraction - '0') * unit;
		unit /= 10;
	}
	return *fraction == '\0' ? 0 : og_fail(err, -EINVAL, "%s='%s' is no moment", name, text);
}

static int logs(struct call *call, struct og_err *err)
{
	struct og_logs_options options = {
		.out = query_bool(call, "stdout", false),
		.err = query_bool(call, "stderr", false),
		.timestamps = query_bool(call, "timestamps", false),
		.follow = query_bool(call, "follow", false),
		.tail = -1,
	};
	const char *tail = query_text(call, "tail");
	bool tty;
	int r = og_engine_logs_tty(call->engine, call->param, &tty, err);

	if (r == 0 && !options.out && !options.err)
		r = og_fail(err, -EINVAL, "Bad parameters: you must choose at least one stream");
	/* Docker takes anything that is no number for "all". */
	if (og_parse_i64(tail, 0, INT64_MAX, &options.tail) < 0)
		options.tail = -1;
	if (r == 0)
		r = query_moment(call, "since", &options.since, err);
	if (r == 0)
		r = query_moment(call, "until", &options.until, err);
	if (r == 0)
		r = og_http_stream(call->request, 200, RAW_TYPE, err);
	if (r < 0)
		return r;
	r = og_engine_logs(call->engine, call->param, &options, og_http_gone_fd(call->request),
			   write_http, call->request, err);
	if (r < 0)
		og_http_break(call->request);
	return r;
}

/* ---- events ---- */

struct events {
	struct og_json *filters;
	int64_t since, until; /* nanoseconds; 0: no limit */
};

static int64_t nanoseconds(const struct timespec *moment)
{
	return moment->tv_sec * NS_PER_S + moment->tv_nsec;
}

/* Whether an event is about what a filter like container=NAME names. */
static bool is_about(const struct events *events, const char *key, const char *id, const char *name,
		     const char *image)
{
	return og_filters_allow(events->filters, key, id) ||
	       og_filters_allow(events->filters, key, name) ||
	       (og_streq(key, "image") && og_filters_allow(events->filters, key, image));
}

static bool wanted(const struct events *events, const struct og_json *event, int64_t moment)
{
	static const char *const things[] = { "container", "image", "network", "volume" };
	const struct og_json *actor = og_json_get(event, "Actor");
	const struct og_json *attributes = og_json_get(actor, "Attributes");
	const char *id = og_json_string(og_json_get(actor, "ID"), "");
	const char *name = og_json_string(og_json_get(attributes, "name"), "");
	const char *image = og_json_string(og_json_get(attributes, "image"), "");

	if (moment < events->since)
		return false;
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		if (!is_about(events, things[i], id, name, image))
			return false;
	}
	return og_filters_allow(events->filters, "type",
				og_json_string(og_json_get(event, "Type"), "")) &&
	       og_filters_allow(events->filters, "event",
				og_json_string(og_json_get(event, "Action"), "")) &&
	       og_filters_allow_labels(events->filters, attributes);
}

static int send_events(struct call *call, const struct events *events, uint64_t *number)
{
	struct og_json *event;
	int64_t moment;

	while ((event = og_events_take(call->engine, number, &moment)) != NULL) {
		int r = 0;

		if (events->until != 0 && moment > events->until) {
			(void)og_json_free(event);
			return 1;
		}
		if (wanted(events, event, moment))
			r = write_json_line(call, event);
		else
			(void)og_json_free(event);
		if (r < 0)
			return r;
	}
	return 0;
}

/* How long until @until, in milliseconds; -1: for ever. */
static int time_left(const struct events *events)
{
	struct timespec now;
	int64_t left;

	if (events->until == 0)
		return -1;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	left = (events->until - nanoseconds(&now)) / 1000000;
	return left <= 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left + 1;
}

static int run_events(struct call *call, const struct events *events, struct og_err *err)
{
	og_cleanup(og_watch_freep) struct og_watch *watch = NULL;
	uint64_t number = events->since == 0 ? og_events_next(call->engine) : 0;
	int r = og_watch_new(call->engine, &watch, err);

	if (r == 0)
		r = og_http_stream(call->request, 200, "application/json", err);
	while (r == 0) {
		r = send_events(call, events, &number);
		if (r == 0 && time_left(events) == 0)
			return 0;
		if (r == 0)
			r = og_watch_wait(watch, og_http_gone_fd(call->request), time_left(events));
	}
	return r == 1 || r == -ETIMEDOUT ? 0 : r;
}

static int events(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = {
		"config", "container", "daemon", "event",   "image", "label",  "network", "node",
		"plugin", "scope",     "secret", "service", "type",  "volume", NULL,
	};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	struct events events = {};
	struct timespec since, until;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r == 0)
		r = query_moment(call, "since", &since, err);
	if (r == 0)
		r = query_moment(call, "until", &until, err);
	if (r < 0)
		return r;
	events.filters = filters;
	events.since = nanoseconds(&since);
	events.until = nanoseconds(&until);
	return run_events(call, &events, err);
}

const struct route stream_routes[] = {
	{ "POST", "/containers/{}/wait", wait_, BODY_NONE },
	{ "POST", "/containers/{}/attach", attach, BODY_NONE },
	{ "GET", "/containers/{}/logs", logs, BODY_NONE },
	{ "POST", "/containers/{}/exec", exec_create, BODY_JSON },
	{ "POST", "/exec/{}/start", exec_start, BODY_JSON },
	{ "POST", "/exec/{}/resize", exec_resize, BODY_NONE },
	{ "GET", "/exec/{}/json", exec_inspect, BODY_NONE },
	{ "GET", "/events", events, BODY_NONE },
	{},
};

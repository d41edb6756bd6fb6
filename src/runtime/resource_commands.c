/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume, ps and events: what stands on a workload's control groups. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "base/text.h"
#include "runtime/cgroup_events.h"
#include "runtime/commands.h"
#include "runtime/gate.h"

#define GATE_SHUT	 "paused.sock"	  /* OG_GATE_NAME of what is paused before its start */
#define PS_OUTPUT_MAX	 (64U << 20)	  /* a million processes */
#define INTERVAL_MAX_MS	 (24 * 3600000LL) /* fits poll() */
#define INTERVAL_DEFAULT 5000		  /* runc's */

/* ---- pause and resume ---- */

static int not_possible(const struct og_workload *workload, const char *command, struct og_err *err)
{
	return og_fail(err, -ENOTSUP, "%s '%s': cannot be done with isolation %s", command,
		       workload->id, workload->isolation);
}

int og_command_pause(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	enum og_status status;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (isolation->pause == NULL)
		return not_possible(workload, "pause", err);
	status = og_workload_status(workload, isolation);
	if (status != OG_STATUS_RUNNING && status != OG_STATUS_CREATED)
		return og_fail(err, -EINVAL, "pause '%s': container not running, it is %s",
			       workload->id, og_status_name(status));
	r = isolation->pause(workload, true, err);
	if (r < 0)
		return og_fail_in(err, r, "pause '%s'", workload->id);
	/* It cannot be started while it is frozen: so there is nothing to be found that starts it. */
	if (status == OG_STATUS_CREATED &&
	    renameat(workload->dir_fd, OG_GATE_NAME, workload->dir_fd, GATE_SHUT) < 0)
		return og_fail(err, -errno, "pause '%s'", workload->id);
	return 0;
}

int og_command_resume(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	enum og_status status;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (isolation->pause == NULL)
		return not_possible(workload, "resume", err);
	status = og_workload_status(workload, isolation);
	if (status != OG_STATUS_PAUSED)
		return og_fail(err, -EINVAL, "resume '%s': container not paused, it is %s",
			       workload->id, og_status_name(status));
	if (renameat(workload->dir_fd, GATE_SHUT, workload->dir_fd, OG_GATE_NAME) < 0 &&
	    errno != ENOENT)
		return og_fail(err, -errno, "resume '%s'", workload->id);
	r = isolation->pause(workload, false, err);
	return r < 0 ? og_fail_in(err, r, "resume '%s'", workload->id) : 0;
}

/* ---- ps ---- */

struct pid_list {
	pid_t *pids;
	size_t count;
};

static void pid_list_done(struct pid_list *list)
{
	free(list->pids);
}

static void print_json(const struct pid_list *list)
{
	putchar('[');
	for (size_t i = 0; i < list->count; i++)
		printf("%s%d", i > 0 ? "," : "", (int)list->pids[i]);
	printf("]\n");
}

/* The word number @index of @line, where words are set apart by blanks; its end is cut off. */
static const char *word_at(char *line, int index)
{
	char *rest = line;

	for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
		if (*word != '\0' && index-- == 0)
			return word;
	}
	return NULL;
}

/* Which column is headed PID; -1: none. */
static int pid_column(const char *heading)
{
	og_auto_free char *copy = strdup(heading);
	char *rest = copy;
	int index = 0;

	for (char *word; copy != NULL && (word = strsep(&rest, " \t")) != NULL;) {
		if (og_streq(word, "PID"))
			return index;
		index += *word != '\0';
	}
	return -1;
}

static bool is_listed(const struct pid_list *list, const char *line, int column)
{
	og_auto_free char *copy = strdup(line);
	const char *word = copy == NULL ? NULL : word_at(copy, column);
	int64_t pid;

	if (word == NULL || og_parse_i64(word, 1, INT32_MAX, &pid) < 0)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (list->pids[i] == pid)
			return true;
	}
	return false;
}

/* ps(1) of the host with the options given, and of its lines those of the workload. */
static int print_table(const struct pid_list *list, char **words, struct og_err *err)
{
	static char ps[] = "ps";
	static char all[] = "-ef";
	char *usual[] = { ps, all, NULL };
	og_auto_free char *output = NULL;
	struct og_spawn spawn = { .path = ps, .argv = usual };
	char *rest;
	char *heading;
	int column;
	int r;

	if (words[1] != NULL) {
		words[0] = ps;
		spawn.argv = words;
	}
	r = og_spawn_wait(&spawn, PS_OUTPUT_MAX, &output, err);
	if (r < 0)
		return og_fail_in(err, r, "run ps (without it, use --format json)");
	rest = output;
	heading = strsep(&rest, "\n");
	if (r > 0)
		return og_fail(err, -EINVAL, "ps: %s", heading != NULL ? heading : "it failed");
	column = heading == NULL ? -1 : pid_column(heading);
	if (column < 0)
		return og_fail(err, -EINVAL, "ps prints no column PID with these options");
	printf("%s\n", heading);
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (is_listed(list, line, column))
			printf("%s\n", line);
	}
	return 0;
}

int og_command_ps(const struct og_context *context, struct og_err *err)
{
	const char *format = context->args->format != NULL ? context->args->format : "table";
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_cleanup(pid_list_done) struct pid_list list = {};
	const struct og_isolation *isolation;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (!og_streq(format, "json") && !og_streq(format, "table"))
		return og_fail(err, -EINVAL, "--format is table or json, not '%s'", format);
	if (isolation->pids == NULL)
		return not_possible(workload, "ps", err);
	r = isolation->pids(workload, &list.pids, &list.count, err);
	if (r < 0)
		return og_fail_in(err, r, "ps '%s'", workload->id);
	if (og_streq(format, "table"))
		return print_table(&list, context->args->words, err);
	print_json(&list);
	return 0;
}

/* ---- events ---- */

/* A duration as Go writes it: "5s", "1m30s", "250ms", "1.5h". In milliseconds, or -EINVAL. */
static int64_t duration_ms(const char *text)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ms", 1 },  { "us", 1e-3 }, { "ns", 1e-6 },
		      { "s", 1e3 }, { "m", 6e4 },   { "h", 36e5 } };

	double total = 0;

	for (const char *at = text; *at != '\0';) {
		char *end;
		double value = strtod(at, &end);
		size_t i;

		if (end == at || !(isdigit((unsigned char)*at) || *at == '.'))
			return -EINVAL;
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (og_starts_with(end, units[i].name))
				break;
		}
		if (i == sizeof(units) / sizeof(units[0]))
			return -EINVAL;
		total += value * units[i].ms;
		at = end + strlen(units[i].name);
	}
	if (!(total > 0 && total <= (double)INTERVAL_MAX_MS))
		return -EINVAL;
	return total < 1 ? 1 : (int64_t)total;
}

static void print_event(const struct og_workload *workload, const char *type, struct og_json *data)
{
	og_cleanup(og_json_freep) struct og_json *event = og_json_new_object();
	og_auto_free char *text = NULL;

	og_json_set_string(event, "type", type);
	og_json_set_string(event, "id", workload->id);
	if (data != NULL)
		og_json_set(event, "data", data);
	text = og_json_write(event);
	printf("%s\n", text != NULL ? text : "");
	(void)fflush(stdout);
}

static int print_stats(struct og_workload *workload, const struct og_isolation *isolation,
		       struct og_err *err)
{
	struct og_json *stats;
	int r = isolation->stats(workload, &stats, err);

	if (r == 0)
		print_event(workload, "stats", stats);
	return r;
}

/* Until the first process has ended, which its pidfd tells. */
static int follow(struct og_workload *workload, const struct og_isolation *isolation,
		  struct og_oom_watch *watch, int64_t interval_ms, struct og_err *err)
{
	og_auto_fd pid_fd = (int)syscall(SYS_pidfd_open, workload->pid, 0);
	struct pollfd fds[] = {
		{ .fd = pid_fd, .events = POLLIN },
		{ .fd = watch->fd, .events = POLLIN },
	};
	uint64_t next = og_clock_ms() + (uint64_t)interval_ms;

	if (pid_fd < 0 || og_workload_status(workload, NULL) == OG_STATUS_STOPPED)
		return 0;
	for (;;) {
		uint64_t now = og_clock_ms();
		int r = poll(fds, 2, now >= next ? 0 : (int)(next - now));

		if (r < 0 && errno != EINTR)
			return og_fail(err, -errno, "wait for events");
		for (uint64_t n = og_oom_watch_take(watch); n > 0; n--)
			print_event(workload, "oom", NULL);
		if (r > 0 && fds[0].revents != 0)
			return 0;
		if (og_clock_ms() < next)
			continue;
		r = print_stats(workload, isolation, err);
		if (r < 0)
			return r;
		next += (uint64_t)interval_ms;
	}
}

int og_command_events(const struct og_context *context, struct og_err *err)
{
	const char *text = context->args->interval;
	int64_t interval_ms = text == NULL ? INTERVAL_DEFAULT : duration_ms(text);
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_cleanup(og_oom_watch_done) struct og_oom_watch watch = { .fd = -EBADF,
								    .count_fd = -EBADF };
	const struct og_isolation *isolation;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (interval_ms < 0)
		return og_fail(err, -EINVAL,
			       "--interval '%.40s' is no duration above 0, such as 5s or 1m30s",
			       text);
	if (isolation->stats == NULL || (!context->args->stats && isolation->oom == NULL))
		return not_possible(workload, "events", err);
	if (og_workload_status(workload, NULL) == OG_STATUS_STOPPED)
		return og_fail(err, -ESRCH, "events '%s': container not running", workload->id);
	if (context->args->stats)
		return print_stats(workload, isolation, err);
	r = isolation->oom(workload, &watch, err);
	return r < 0 ? r : follow(workload, isolation, &watch, interval_ms, err);
}

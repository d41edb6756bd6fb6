/* SPDX-License-Identifier: Apache-2.0 */
/* stats: what workloads use, once a second, in docker's columns. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/command.h"
#include "client/table.h"
#include "client/units.h"

#define INTERVAL_MS 1000

#define CLEAR_SCREEN "\033[H\033[2J"

struct stats_options {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define STATS_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct stats_options, member, name, letter, kind, help)

static const struct og_option stats_options[] = {
	STATS_OPTION(all, "all", 'a', OG_OPTION_FLAG, "show those that do not run too"),
	STATS_OPTION(format, "format", 0, OG_OPTION_TEXT, "TEMPLATE: table, json, '{{.CPUPerc}}'"),
	STATS_OPTION(no_stream, "no-stream", 0, OG_OPTION_FLAG, "show it once"),
	STATS_OPTION(no_trunc, "no-trunc", 0, OG_OPTION_FLAG, "do not cut identifiers"),
};

static const struct og_title stats_titles[] = {
	{ "Container", "CONTAINER" }, { "ID", "CONTAINER ID" },
	{ "Name", "NAME" },	      { "CPUPerc", "CPU %" },
	{ "MemPerc", "MEM %" },	      { "MemUsage", "MEM USAGE / LIMIT" },
	{ "NetIO", "NET I/O" },	      { "BlockIO", "BLOCK I/O" },
	{ "PIDs", "PIDS" },
};

static const struct og_table stats_table = {
	.titles = stats_titles,
	.title_count = sizeof(stats_titles) / sizeof(stats_titles[0]),
	.by_default = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t"
		      "{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
};

static uint64_t number_of(const struct og_json *object, const char *key)
{
	return og_json_uint(og_json_get(object, key), 0);
}

/* ---- one row ---- */

/* 720896 -> "704KiB" */
static struct og_unit_text binary_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	struct og_unit_text text;
	size_t i = 0;

	for (; value >= 1024.0 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		value /= 1024.0;
	(void)snprintf(text.text, sizeof(text.text), "%.4g%s", value, units[i]);
	return text;
}

static void set_percent(struct og_json *row, const char *key, double value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.2f%%", value);
	og_json_set_string(row, key, text);
}

/* Of one processor: 200 % are two whole ones. */
static double cpu_percent(const struct og_json *now, const struct og_json *before)
{
	const struct og_json *cpu = og_json_get(now, "cpu_stats");
	const struct og_json *then = og_json_get(before, "cpu_stats");
	double used = (double)number_of(og_json_get(cpu, "cpu_usage"), "total_usage") -
		      (double)number_of(og_json_get(then, "cpu_usage"), "total_usage");
	double passed = (double)number_of(cpu, "system_cpu_usage") -
			(double)number_of(then, "system_cpu_usage");

	if (then == NULL || used <= 0.0 || passed <= 0.0)
		return 0.0;
	return used / passed * (double)number_of(cpu, "online_cpus") * 100.0;
}

/* Without what the kernel would give back at once, as docker counts. */
static uint64_t memory_used(const struct og_json *memory)
{
	const struct og_json *stats = og_json_get(memory, "stats");
	uint64_t usage = number_of(memory, "usage");
	const char *key = og_json_get(stats, "total_inactive_file") != NULL ? "total_inactive_file"
									    : "inactive_file";
	uint64_t idle = number_of(stats, key);

	return idle < usage ? usage - idle : usage;
}

static void set_memory(struct og_json *row, const struct og_json *memory)
{
	uint64_t used = memory_used(memory);
	uint64_t limit = number_of(memory, "limit");
	og_auto_free char *text =
		og_strdupf("%s / %s", binary_size(used).text, binary_size(limit).text);

	og_json_set_string(row, "MemUsage", text == NULL ? "" : text);
	set_percent(row, "MemPerc", limit == 0 ? 0.0 : (double)used / (double)limit * 100.0);
}

static void set_in_out(struct og_json *row, const char *key, uint64_t in, uint64_t out)
{
	og_auto_free char *text = og_strdupf("%s / %s", og_human_size((int64_t)in).text,
					     og_human_size((int64_t)out).text);

	og_json_set_string(row, key, text == NULL ? "" : text);
}

static void set_network(struct og_json *row, const struct og_json *networks)
{
	struct og_json_member member = {};
	uint64_t in = 0, out = 0;

	while (og_json_next(networks, &member)) {
		in += number_of(member.value, "rx_bytes");
		out += number_of(member.value, "tx_bytes");
	}
	set_in_out(row, "NetIO", in, out);
}

static void set_disks(struct og_json *row, const struct og_json *blkio)
{
	const struct og_json *list = og_json_get(blkio, "io_service_bytes_recursive");
	uint64_t in = 0, out = 0;

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *entry = og_json_at(list, i);
		const char *op = og_json_string(og_json_get(entry, "op"), "");

		if (*op == 'r' || *op == 'R')
			in += number_of(entry, "value");
		else if (*op == 'w' || *op == 'W')
			out += number_of(entry, "value");
	}
	set_in_out(row, "BlockIO", in, out);
}

static struct og_json *row_of(const char *word, const struct og_json *now,
			      const struct og_json *before, bool no_trunc)
{
	struct og_json *row = og_json_new_object();
	const char *id = og_json_string(og_json_get(now, "id"), "");
	const char *name = og_json_string(og_json_get(now, "name"), "");
	char pids[24];

	(void)snprintf(pids, sizeof(pids), "%llu",
		       (unsigned long long)number_of(og_json_get(now, "pids_stats"), "current"));
	og_json_set_string(row, "Container", word);
	og_json_set_string(row, "ID", no_trunc ? id : og_short_id(id).text);
	og_json_set_string(row, "Name", *name == '/' ? name + 1 : name);
	og_json_set_string(row, "PIDs", pids);
	set_percent(row, "CPUPerc", cpu_percent(now, before));
	set_memory(row, og_json_get(now, "memory_stats"));
	set_network(row, og_json_get(now, "networks"));
	set_disks(row, og_json_get(now, "blkio_stats"));
	return row;
}

/* ---- rounds ---- */

/* What each workload of @words uses, by its word. With @named one that is not there is an error. */
static int look(struct og_session *session, const struct og_json *words, bool named,
		struct og_json **ret_found, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *found = og_json_new_object();

	for (size_t i = 0; i < og_json_count(words); i++) {
		const char *word = og_json_string(og_json_at(words, i), "");
		og_auto_free char *name = og_url_name(word);
		struct og_json *stats = NULL;
		int r = og_session_ask(session, "GET", &stats, err,
				       "/containers/%s/stats?stream=0&one-shot=1",
				       name == NULL ? "" : name);

		if (r < 0 && named)
			return r;
		if (r == 0)
			og_json_set(found, word, stats);
	}
	*ret_found = og_take_ptr(found);
	return 0;
}

static int list_words(struct og_session *session, bool all, int argc, char **argv,
		      struct og_json **ret_words, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *list = NULL;
	struct og_json *words;
	int r = argc > 0 ? 0
			 : og_session_ask(session, "GET", &list, err, "/containers/json?all=%d",
					  all);

	if (r < 0)
		return r;
	words = og_json_new_array();
	for (int i = 0; i < argc; i++)
		og_json_push(words, og_json_new_string(argv[i]));
	for (size_t i = 0; i < og_json_count(list); i++)
		og_json_push(words, og_json_copy(og_json_get(og_json_at(list, i), "Id")));
	*ret_words = words;
	return 0;
}

static int show(const struct stats_options *options, const struct og_json *now,
		const struct og_json *before, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *rows = og_json_new_array();
	struct og_json_member member = {};
	int r;

	while (og_json_next(now, &member))
		og_json_push(rows, row_of(member.key, member.value, og_json_get(before, member.key),
					  options->no_trunc));
	if (!options->no_stream && isatty(STDOUT_FILENO))
		(void)fputs(CLEAR_SCREEN, stdout);
	r = og_table_show(&stats_table, options->format, rows, err);
	/* Nobody reads on. */
	return r == 0 && fflush(stdout) != 0 ? -EPIPE : r;
}

static void wait_until(uint64_t moment_ms)
{
	uint64_t now = og_clock_ms();

	if (now < moment_ms)
		(void)poll(NULL, 0, (int)(moment_ms - now));
}

/* Two looks at least: how much of a processor is used shows only between them. */
static int run_stats(struct og_session *session, const void *values, int argc, char **argv,
		     struct og_err *err)
{
	const struct stats_options *options = values;
	og_cleanup(og_json_freep) struct og_json *before = NULL;
	uint64_t next = og_clock_ms();
	bool done = false;
	int r = 0;

	while (r == 0 && !done) {
		og_cleanup(og_json_freep) struct og_json *words = NULL;
		struct og_json *now = NULL;

		r = list_words(session, options->all, argc, argv, &words, err);
		if (r == 0)
			r = look(session, words, argc > 0, &now, err);
		if (r == 0 && before != NULL) {
			r = show(options, now, before, err);
			done = options->no_stream;
		}
		(void)og_json_free(before);
		before = now;
		next += INTERVAL_MS;
		if (r == 0 && !done)
			wait_until(next);
	}
	return r == -EPIPE ? EXIT_SUCCESS : r;
}

const struct og_command og_stats_commands[] = {
	{ .name = "stats",
	  .arguments = "[WORKLOAD...]",
	  .summary = "Show what workloads use, once a second",
	  .options = stats_options,
	  .option_count = sizeof(stats_options) / sizeof(stats_options[0]),
	  .values_size = sizeof(struct stats_options),
	  .most = -1,
	  .run = run_stats },
	{},
};

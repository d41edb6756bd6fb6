/* SPDX-License-Identifier: Apache-2.0 */
/* stop, kill, restart, pause, unpause, rm, wait, rename: one call for each workload named. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"

struct each {
	const char *verb; /* for errors */
	const char *method;
	const char *action; /* behind "/containers/NAME" */
	const char *query;  /* NULL: none */
};

/* Calls for every name, says which failed, and goes on. */
static int for_each(struct og_session *session, const struct each *each, int argc, char **argv)
{
	int status = EXIT_SUCCESS;

	for (int i = 0; i < argc; i++) {
		og_auto_free char *name = og_url_name(argv[i]);
		struct og_err err = {};

		if (name != NULL &&
		    og_session_ask(session, each->method, NULL, &err, "/containers/%s%s%s", name,
				   each->action, each->query != NULL ? each->query : "") == 0) {
			(void)puts(argv[i]);
			continue;
		}
		(void)fprintf(stderr, "onggi: %s '%s': %s\n", each->verb, argv[i], err.text);
		status = EXIT_FAILURE;
	}
	return status;
}

struct stop_options {
	const char *seconds, *signal;
};

static const struct og_option stop_options[] = {
	OG_OPTION(struct stop_options, seconds, "time", 't', OG_OPTION_TEXT,
		  "SECONDS until it is killed (default 10)"),
	OG_OPTION(struct stop_options, seconds, "timeout", 0, OG_OPTION_TEXT,
		  "SECONDS until it is killed (default 10)"),
	OG_OPTION(struct stop_options, signal, "signal", 's', OG_OPTION_TEXT,
		  "SIGNAL that asks it to stop"),
};

static int stop_or_restart(struct og_session *session, const struct stop_options *options,
			   const char *verb, const char *action, int argc, char **argv)
{
	struct each each = { verb, "POST", action, NULL };
	og_auto_text query = {};

	if (options->seconds != NULL) {
		og_text_add(&query, "?t=");
		og_url_add(&query, options->seconds, "");
	}
	if (options->signal != NULL) {
		og_text_add(&query, options->seconds != NULL ? "&signal=" : "?signal=");
		og_url_add(&query, options->signal, "");
	}
	each.query = query.buf;
	return for_each(session, &each, argc, argv);
}

static int run_stop(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	(void)err;
	return stop_or_restart(session, values, "stop", "/stop", argc, argv);
}

static int run_restart(struct og_session *session, const void *values, int argc, char **argv,
		       struct og_err *err)
{
	(void)err;
	return stop_or_restart(session, values, "restart", "/restart", argc, argv);
}

struct kill_options {
	const char *signal;
};

static const struct og_option kill_options[] = {
	OG_OPTION(struct kill_options, signal, "signal", 's', OG_OPTION_TEXT,
		  "SIGNAL to send (default KILL)"),
};

static int run_kill(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct kill_options *options = values;
	og_auto_text query = {};
	struct each each = { "kill", "POST", "/kill", NULL };

	(void)err;
	if (options->signal != NULL) {
		og_text_add(&query, "?signal=");
		og_url_add(&query, options->signal, "");
	}
	each.query = query.buf;
	return for_each(session, &each, argc, argv);
}

static int run_pause(struct og_session *session, const void *values, int argc, char **argv,
		     struct og_err *err)
{
	(void)values;
	(void)err;
	return for_each(session, &(struct each){ "pause", "POST", "/pause", NULL }, argc, argv);
}

static int run_unpause(struct og_session *session, const void *values, int argc, char **argv,
		       struct og_err *err)
{
	(void)values;
	(void)err;
	return for_each(session, &(struct each){ "unpause", "POST", "/unpause", NULL }, argc, argv);
}

struct rm_options {
	bool force, volumes, link;
};

static const struct og_option rm_options[] = {
	OG_OPTION(struct rm_options, force, "force", 'f', OG_OPTION_FLAG,
		  "kill it first when it runs"),
	OG_OPTION(struct rm_options, link, "link", 'l', OG_OPTION_FLAG, "remove a link"),
	OG_OPTION(struct rm_options, volumes, "volumes", 'v', OG_OPTION_FLAG,
		  "remove its nameless volumes too"),
};

static int run_rm(struct og_session *session, const void *values, int argc, char **argv,
		  struct og_err *err)
{
	const struct rm_options *options = values;
	og_auto_free char *query = og_strdupf("?force=%d&v=%d&link=%d", options->force,
					      options->volumes, options->link);
	struct each each = { "rm", "DELETE", "", query };

	(void)err;
	return for_each(session, &each, argc, argv);
}

static int run_wait(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	int status = EXIT_SUCCESS;

	(void)values;
	for (int i = 0; i < argc; i++) {
		og_cleanup(og_json_freep) struct og_json *answer = NULL;
		og_auto_free char *name = og_url_name(argv[i]);

		if (name == NULL || og_session_ask(session, "POST", &answer, err,
						   "/containers/%s/wait", name) < 0) {
			(void)fprintf(stderr, "onggi: wait '%s': %s\n", argv[i], err->text);
			status = EXIT_FAILURE;
			continue;
		}
		(void)printf("%lld\n",
			     (long long)og_json_int(og_json_get(answer, "StatusCode"), -1));
	}
	return status;
}

static int run_rename(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	og_auto_free char *name = og_url_name(argv[0]);
	og_auto_text query = {};

	(void)values;
	(void)argc;
	og_url_add(&query, argv[1], "");
	if (name == NULL || query.failed || query.buf == NULL)
		return og_fail(err, -EINVAL, "rename '%s'", argv[0]);
	return og_session_ask(session, "POST", NULL, err, "/containers/%s/rename?name=%s", name,
			      query.buf);
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

const struct og_command og_lifecycle_commands[] = {
	{ .name = "stop",
	  .arguments = "WORKLOAD...",
	  .summary = "Ask workloads to stop, and kill them when they do not",
	  OPTIONS(stop_options),
	  .values_size = sizeof(struct stop_options),
	  .least = 1,
	  .most = -1,
	  .run = run_stop },
	{ .name = "kill",
	  .arguments = "WORKLOAD...",
	  .summary = "Send workloads a signal",
	  OPTIONS(kill_options),
	  .values_size = sizeof(struct kill_options),
	  .least = 1,
	  .most = -1,
	  .run = run_kill },
	{ .name = "restart",
	  .arguments = "WORKLOAD...",
	  .summary = "Stop workloads and start them again",
	  OPTIONS(stop_options),
	  .values_size = sizeof(struct stop_options),
	  .least = 1,
	  .most = -1,
	  .run = run_restart },
	{ .name = "pause",
	  .arguments = "WORKLOAD...",
	  .summary = "Freeze workloads",
	  .least = 1,
	  .most = -1,
	  .run = run_pause },
	{ .name = "unpause",
	  .arguments = "WORKLOAD...",
	  .summary = "Let frozen workloads go on",
	  .least = 1,
	  .most = -1,
	  .run = run_unpause },
	{ .name = "wait",
	  .arguments = "WORKLOAD...",
	  .summary = "Wait for workloads to end and print their exit status",
	  .least = 1,
	  .most = -1,
	  .run = run_wait },
	{ .name = "rm",
	  .arguments = "WORKLOAD...",
	  .summary = "Remove workloads",
	  OPTIONS(rm_options),
	  .values_size = sizeof(struct rm_options),
	  .least = 1,
	  .most = -1,
	  .run = run_rm },
	{ .name = "rename",
	  .arguments = "WORKLOAD NAME",
	  .summary = "Give a workload another name",
	  .least = 2,
	  .most = 2,
	  .run = run_rename },
	{},
};

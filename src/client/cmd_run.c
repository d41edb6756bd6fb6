/* SPDX-License-Identifier: Apache-2.0 */
/* run, create, start, attach, exec: the commands that stand at a workload's streams. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/attach.h"
#include "client/command.h"
#include "client/create.h"

#define CANNOT_INVOKE 126
#define NOT_FOUND     127

#define HASTE_S 3

/* Docker's way to tell why a program did not start: by the daemon's words. */
static int start_failure(const struct og_err *err)
{
	static const struct {
		const char *words;
		int status;
	} reasons[] = {
		{ "executable file not found", NOT_FOUND },
		{ "no such file or directory", NOT_FOUND },
		{ "system cannot find the file", NOT_FOUND },
		{ "permission denied", CANNOT_INVOKE },
		{ "is a directory", CANNOT_INVOKE },
		{ "exec format error", CANNOT_INVOKE },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (strcasestr(err->text, reasons[i].words) != NULL)
			return reasons[i].status;
	}
	return OG_EXIT_USAGE;
}

static int check_terminal(bool tty, bool in, struct og_err *err)
{
	if (tty && in && !isatty(STDIN_FILENO))
		return og_fail_plain(err, -ENOTTY,
				     "standard input is no terminal: leave out -t, or -i");
	return 0;
}

struct streams {
	bool in, out, err;
};

/* Connects to the streams of the workload @id. */
static int open_streams(struct og_session *session, const char *id, const struct streams *streams,
			const char *detach_keys, struct og_http **ret_http, struct og_err *err)
{
	og_auto_text path = {};
	struct og_http_call call = { .method = "POST", .upgrade = true };
	int r;

	og_text_addf(&path, OG_API "/containers/%s/attach?stream=1%s%s%s", id,
		     streams->in ? "&stdin=1" : "", streams->out ? "&stdout=1" : "",
		     streams->err ? "&stderr=1" : "");
	if (detach_keys != NULL) {
		og_text_add(&path, "&detachKeys=");
		og_url_add(&path, detach_keys, "");
	}
	if (path.failed)
		return og_fail(err, -ENOMEM, "attach to '%s'", id);
	call.path = path.buf;
	r = og_session_open(session, &call, ret_http, err);
	if (r == 0)
		r = og_answer_check(*ret_http, NULL, err);
	return r < 0 ? r : 0;
}

/* Asks to be told of the end; the daemon's head says that it has begun to watch. */
static int open_wait(struct og_session *session, const char *id, bool removed,
		     struct og_http **ret_http, struct og_err *err)
{
	og_auto_free char *path = og_strdupf(OG_API "/containers/%s/wait?condition=%s", id,
					     removed ? "removed" : "next-exit");
	struct og_http_call call = { .method = "POST", .path = path };
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "wait for '%s'", id);
	r = og_session_open(session, &call, ret_http, err);
	if (r == 0)
		r = og_answer_check(*ret_http, NULL, err);
	return r < 0 ? r : 0;
}

/* Reads the exit status from an open wait. */
static int finish_wait(struct og_http *http, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int64_t status;
	const char *message;
	int r = og_http_read_all(http, OG_ANSWER_MAX, &text, &len, err);

	if (r == 0)
		r = og_json_parse(text, len, &answer, err);
	if (r < 0)
		return og_fail_in(err, r, "wait for the workload, which may still run");
	message = og_json_string(og_json_get(og_json_get(answer, "Error"), "Message"), NULL);
	if (message != NULL && message[0] != '\0')
		return og_fail_as(err, -EREMOTEIO, message);
	status = og_json_int(og_json_get(answer, "StatusCode"), -1);
	if (status < 0)
		return og_fail(err, -EBADMSG, "wait for the workload: no StatusCode");
	return (int)(status & 255);
}

struct foreground {
	const char *id;
	struct og_attach attach;
	struct streams streams;
	bool removed; /* it is removed at its end */
};

/* Asks the daemon to end it, and does not wait for long: it may be busy with the very start. */
static void end_in_haste(struct og_session *session, const struct foreground *run)
{
	struct itimerspec soon = { .it_value = { .tv_sec = HASTE_S } };
	og_auto_fd timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	og_auto_free char *path =
		og_strdupf(run->removed ? "%s?force=1" : "%s/kill", run->attach.path);
	struct og_call call = { .method = run->removed ? "DELETE" : "POST",
				.path = path,
				.interrupt_fd = timer_fd };

	if (path == NULL || timer_fd < 0)
		return;
	(void)timerfd_settime(timer_fd, 0, &soon, NULL);
	(void)og_session_call(session, &call, NULL, NULL);
}

/*
 * Starts it, unless a signal comes before the daemon's answer: then it is to end, whatever state it
 * is in by then. Returns 0, an exit status, or a negative errno.
 */
static int start_unless_told(struct og_session *session, const struct foreground *run,
			     int signal_fd, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("%s/start", run->attach.path);
	int number = 0;
	int r = -ENOMEM;

	while (path != NULL && number == 0) {
		struct og_call call = { .method = "POST", .path = path, .interrupt_fd = signal_fd };

		r = og_session_call(session, &call, NULL, err);
		if (r != -EINTR)
			break;
		number = og_attach_waiting_signal(signal_fd);
	}
	if (number != 0) {
		end_in_haste(session, run);
		return 128 + number;
	}
	if (r < 0) {
		(void)fprintf(stderr, "onggi: %s\n", err->text);
		return start_failure(err);
	}
	return 0;
}

/* The streams, the wait, the start, in this order, so that nothing is missed; then the pump. */
static int run_foreground(struct og_session *session, const struct foreground *run,
			  struct og_err *err)
{
	og_cleanup(og_http_freep) struct og_http *streams = NULL;
	og_cleanup(og_http_freep) struct og_http *wait = NULL;
	og_auto_fd signal_fd = og_attach_hold_signals(err);
	int r = signal_fd < 0 ? signal_fd : 0;

	if (r == 0 && (run->streams.in || run->streams.out || run->streams.err))
		r = open_streams(session, run->id, &run->streams, run->attach.detach_keys, &streams,
				 err);
	if (r == 0)
		r = open_wait(session, run->id, run->removed, &wait, err);
	if (r < 0)
		return r;
	r = start_unless_told(session, run, signal_fd, err);
	if (r != 0)
		return r;
	if (run->attach.tty)
		og_attach_resize(session, run->attach.path);
	if (streams != NULL) {
		r = og_attach_run(session, streams, &run->attach, err);
		if (r < 0)
			return r;
		if (r == OG_ATTACH_DETACHED)
			return EXIT_SUCCESS;
		if (r > 128)
			return r;
	}
	return finish_wait(wait, err);
}

/* ---- run and create ---- */

static struct streams chosen_streams(const struct og_create_options *options)
{
	struct streams streams = { options->interactive, true, true };

	if (options->attach.count == 0)
		return streams;
	streams = (struct streams){};
	for (size_t i = 0; i < options->attach.count; i++) {
		streams.in |= strcasecmp(options->attach.items[i], "stdin") == 0;
		streams.out |= strcasecmp(options->attach.items[i], "stdout") == 0;
		streams.err |= strcasecmp(options->attach.items[i], "stderr") == 0;
	}
	return streams;
}

static int run_run(struct og_session *session, const void *values, int argc, char **argv,
		   struct og_err *err)
{
	const struct og_create_options *options = values;
	og_auto_free char *id = NULL;
	og_auto_free char *path = NULL;
	struct foreground run = { .streams = chosen_streams(options), .removed = options->remove };
	int r = options->detach ? 0 : check_terminal(options->tty, options->interactive, err);

	if (r == 0 && options->detach && options->attach.count > 0)
		r = og_fail_plain(err, -EINVAL, "-d and -a exclude each other");
	if (r == 0)
		r = og_create_workload(session, options, argc, argv, &id, err);
	if (r < 0)
		return r;
	path = og_strdupf("/containers/%s", id);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "run");
	if (options->detach) {
		r = og_session_ask(session, "POST", NULL, err, "%s/start", path);
		if (r < 0) {
			(void)fprintf(stderr, "onggi: %s\n", err->text);
			return start_failure(err);
		}
		(void)puts(id);
		return EXIT_SUCCESS;
	}
	run.id = id;
	run.attach = (struct og_attach){
		.path = path,
		.detach_keys = options->detach_keys,
		.tty = options->tty,
		.in = run.streams.in,
		.pass_signals = options->sig_proxy && !options->tty,
	};
	return run_foreground(session, &run, err);
}

static int run_create(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	og_auto_free char *id = NULL;
	int r = og_create_workload(session, values, argc, argv, &id, err);

	if (r < 0)
		return r;
	(void)puts(id);
	return EXIT_SUCCESS;
}

static void set_create_defaults(void *values)
{
	og_create_defaults(values);
}

/* ---- start and attach ---- */

struct start_options {
	bool attach, interactive, sig_proxy;
	const char *detach_keys;
};

static const struct og_option start_options[] = {
	OG_OPTION(struct start_options, attach, "attach", 'a', OG_OPTION_FLAG,
		  "show its output and pass signals on"),
	OG_OPTION(struct start_options, interactive, "interactive", 'i', OG_OPTION_FLAG,
		  "pass standard input on"),
	OG_OPTION(struct start_options, detach_keys, "detach-keys", 0, OG_OPTION_TEXT,
		  "KEYS that leave it running (ctrl-p,ctrl-q)"),
};

/* What a workload was created with: its identifier, terminal, stdin, removal. */
static int inspect_workload(struct og_session *session, const char *name, struct og_json **ret_json,
			    struct og_err *err)
{
	og_auto_free char *quoted = og_url_name(name);
	int r = quoted == NULL ? og_fail(err, -ENOMEM, "inspect '%s'", name)
			       : og_session_ask(session, "GET", ret_json, err,
						"/containers/%s/json", quoted);

	if (r == 0 && *ret_json == NULL)
		r = og_fail(err, -EBADMSG, "inspect '%s'", name);
	return r;
}

static bool config_flag(const struct og_json *workload, const char *key)
{
	return og_json_bool(og_json_get(og_json_get(workload, "Config"), key), false);
}

static int start_attached(struct og_session *session, const struct start_options *options,
			  const char *name, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *workload = NULL;
	og_auto_free char *path = NULL;
	struct foreground run = { .streams = { .out = true, .err = true } };
	int r = inspect_workload(session, name, &workload, err);

	if (r < 0)
		return r;
	run.id = og_json_string(og_json_get(workload, "Id"), name);
	run.streams.in = options->interactive && config_flag(workload, "OpenStdin");
	run.removed =
		og_json_bool(og_json_get(og_json_get(workload, "HostConfig"), "AutoRemove"), false);
	path = og_strdupf("/containers/%s", run.id);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "start '%s'", name);
	run.attach = (struct og_attach){ .path = path,
					 .detach_keys = options->detach_keys,
					 .tty = config_flag(workload, "Tty"),
					 .in = run.streams.in };
	run.attach.pass_signals = !run.attach.tty;
	r = check_terminal(run.attach.tty, run.streams.in, err);
	return r < 0 ? r : run_foreground(session, &run, err);
}

static int run_start(struct og_session *session, const void *values, int argc, char **argv,
		     struct og_err *err)
{
	const struct start_options *options = values;
	int status = EXIT_SUCCESS;

	if ((options->attach || options->interactive) && argc > 1)
		return og_fail_plain(err, -EINVAL, "start -a takes one workload");
	if (options->attach || options->interactive)
		return start_attached(session, options, argv[0], err);
	for (int i = 0; i < argc; i++) {
		og_auto_free char *name = og_url_name(argv[i]);

		if (name != NULL &&
		    og_session_ask(session, "POST", NULL, err, "/containers/%s/start", name) == 0) {
			(void)puts(argv[i]);
			continue;
		}
		(void)fprintf(stderr, "onggi: start '%s': %s\n", argv[i], err->text);
		status = EXIT_FAILURE;
	}
	return status;
}

struct attach_options {
	bool no_stdin, sig_proxy;
	const char *detach_keys;
};

static const struct og_option attach_options[] = {
	OG_OPTION(struct attach_options, no_stdin, "no-stdin", 0, OG_OPTION_FLAG,
		  "do not pass standard input on"),
	OG_OPTION(struct attach_options, sig_proxy, "sig-proxy", 0, OG_OPTION_FLAG,
		  "pass signals on to the workload (default true)"),
	OG_OPTION(struct attach_options, detach_keys, "detach-keys", 0, OG_OPTION_TEXT,
		  "KEYS that leave it running (ctrl-p,ctrl-q)"),
};

static void set_attach_defaults(void *values)
{
	((struct attach_options *)values)->sig_proxy = true;
}

static int check_running(const struct og_json *workload, const char *name, struct og_err *err)
{
	const struct og_json *state = og_json_get(workload, "State");

	if (og_json_bool(og_json_get(state, "Running"), false) &&
	    !og_json_bool(og_json_get(state, "Paused"), false))
		return 0;
	return og_fail_plain(err, -ESRCH,
			     "attach to '%s': it does not run; start it with 'onggi start -ai %s'",
			     name, name);
}

static int run_attach(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	const struct attach_options *options = values;
	og_cleanup(og_json_freep) struct og_json *workload = NULL;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_cleanup(og_http_freep) struct og_http *wait = NULL;
	struct streams streams = { .out = true, .err = true };
	struct og_attach attach = { .detach_keys = options->detach_keys };
	og_auto_free char *path = NULL;
	const char *id;
	int r = inspect_workload(session, argv[0], &workload, err);

	(void)argc;
	if (r == 0)
		r = check_running(workload, argv[0], err);
	if (r < 0)
		return r;
	id = og_json_string(og_json_get(workload, "Id"), argv[0]);
	path = og_strdupf("/containers/%s", id);
	attach.path = path;
	attach.tty = config_flag(workload, "Tty");
	attach.in = streams.in = !options->no_stdin && config_flag(workload, "OpenStdin");
	attach.pass_signals = options->sig_proxy && !attach.tty;
	r = check_terminal(attach.tty, attach.in, err);
	if (r == 0)
		r = open_wait(session, id, false, &wait, err);
	if (r == 0)
		r = open_streams(session, id, &streams, options->detach_keys, &http, err);
	if (r < 0)
		return r;
	if (attach.tty)
		og_attach_resize(session, path);
	r = og_attach_run(session, http, &attach, err);
	if (r == OG_ATTACH_DETACHED)
		return EXIT_SUCCESS;
	return r == OG_ATTACH_ENDED ? finish_wait(wait, err) : r;
}

/* ---- exec ---- */

struct exec_options {
	bool detach, interactive, tty, privileged;
	const char *user, *workdir, *detach_keys;
	struct og_words env, env_file;
};

#define EXEC_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct exec_options, member, name, letter, kind, help)

static const struct og_option exec_options[] = {
	EXEC_OPTION(detach, "detach", 'd', OG_OPTION_FLAG, "leave it running"),
	EXEC_OPTION(detach_keys, "detach-keys", 0, OG_OPTION_TEXT, "KEYS that leave it running"),
	EXEC_OPTION(env, "env", 'e', OG_OPTION_LIST, "NAME=VALUE in its environment"),
	EXEC_OPTION(interactive, "interactive", 'i', OG_OPTION_FLAG, "pass standard input on"),
	EXEC_OPTION(privileged, "privileged", 0, OG_OPTION_FLAG, "give it all capabilities"),
	EXEC_OPTION(tty, "tty", 't', OG_OPTION_FLAG, "give it a terminal"),
	EXEC_OPTION(user, "user", 'u', OG_OPTION_TEXT, "USER[:GROUP], names or numbers"),
	EXEC_OPTION(workdir, "workdir", 'w', OG_OPTION_TEXT, "FOLDER to start in"),
};

static struct og_json *exec_body(const struct exec_options *options, int argc, char **argv)
{
	struct og_json *body = og_json_new_object();
	struct og_json *command = og_json_new_array();
	struct og_json *env = og_json_new_array();

	for (int i = 0; i < argc; i++)
		og_json_push(command, og_json_new_string(argv[i]));
	for (size_t i = 0; i < options->env.count; i++) {
		const char *word = options->env.items[i];
		const char *value = strchr(word, '=') == NULL ? getenv(word) : NULL;
		og_auto_free char *pair = value != NULL ? og_strdupf("%s=%s", word, value) : NULL;

		if (pair != NULL || strchr(word, '=') != NULL)
			og_json_push(env, og_json_new_string(pair != NULL ? pair : word));
	}
	og_json_set(body, "Cmd", command);
	og_json_set(body, "Env", env);
	og_json_set_bool(body, "Tty", options->tty);
	og_json_set_bool(body, "AttachStdin", options->interactive && !options->detach);
	og_json_set_bool(body, "AttachStdout", !options->detach);
	og_json_set_bool(body, "AttachStderr", !options->detach);
	og_json_set_bool(body, "Detach", options->detach);
	og_json_set_bool(body, "Privileged", options->privileged);
	og_json_set_string(body, "User", options->user != NULL ? options->user : "");
	og_json_set_string(body, "WorkingDir", options->workdir != NULL ? options->workdir : "");
	return body;
}

static int create_exec(struct og_session *session, const struct exec_options *options, int argc,
		       char **argv, char **ret_id, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *name = og_url_name(argv[0]);
	og_auto_free char *path = name != NULL ? og_strdupf("/containers/%s/exec", name) : NULL;
	struct og_call call = { .method = "POST",
				.path = path,
				.body = exec_body(options, argc - 1, argv + 1) };
	int r = og_session_call(session, &call, &answer, err);

	if (r < 0)
		return r;
	*ret_id = strdup(og_json_string(og_json_get(answer, "Id"), ""));
	return *ret_id == NULL ? og_fail(err, -ENOMEM, "exec") : 0;
}

static int exec_status(struct og_session *session, const char *id, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	int r = og_session_ask(session, "GET", &answer, err, "/exec/%s/json", id);

	if (r < 0)
		return r;
	return (int)(og_json_int(og_json_get(answer, "ExitCode"), 0) & 255);
}

static int run_exec(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct exec_options *options = values;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_free char *id = NULL;
	og_auto_free char *path = NULL;
	og_auto_free char *start = NULL;
	og_auto_free char *body = og_strdupf("{\"Detach\":%s,\"Tty\":%s}",
					     options->detach ? "true" : "false",
					     options->tty ? "true" : "false");
	struct og_attach attach = { .detach_keys = options->detach_keys,
				    .tty = options->tty,
				    .in = options->interactive };
	struct og_http_call call = { .method = "POST", .body = body, .upgrade = !options->detach };
	int r = options->detach ? 0 : check_terminal(options->tty, options->interactive, err);

	if (r == 0)
		r = create_exec(session, options, argc, argv, &id, err);
	if (r < 0)
		return r;
	path = og_strdupf("/exec/%s", id);
	start = og_strdupf(OG_API "/exec/%s/start", id);
	if (path == NULL || start == NULL || body == NULL)
		return og_fail(err, -ENOMEM, "exec");
	attach.path = path;
	call.path = start;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r < 0) {
		(void)fprintf(stderr, "onggi: %s\n", err->text);
		return start_failure(err) == OG_EXIT_USAGE ? EXIT_FAILURE : start_failure(err);
	}
	if (options->detach)
		return EXIT_SUCCESS;
	if (options->tty)
		og_attach_resize(session, path);
	r = og_attach_run(session, http, &attach, err);
	if (r == OG_ATTACH_DETACHED)
		return EXIT_SUCCESS;
	return r == OG_ATTACH_ENDED ? exec_status(session, id, err) : r;
}

const struct og_command og_run_commands[] = {
	{ .name = "run",
	  .arguments = "IMAGE [COMMAND] [ARGUMENT...]",
	  .summary = "Run an image as a new workload",
	  .options = og_create_option_table,
	  .option_count = OG_CREATE_OPTION_COUNT,
	  .values_size = sizeof(struct og_create_options),
	  .set_defaults = set_create_defaults,
	  .least = 1,
	  .most = -1,
	  .words_end_options = true,
	  .failure = OG_EXIT_USAGE,
	  .run = run_run },
	{ .name = "create",
	  .arguments = "IMAGE [COMMAND] [ARGUMENT...]",
	  .summary = "Make a new workload without starting it",
	  .options = og_create_option_table + OG_RUN_OPTIONS_FIRST,
	  .option_count = OG_CREATE_OPTION_COUNT - OG_RUN_OPTIONS_FIRST,
	  .values_size = sizeof(struct og_create_options),
	  .set_defaults = set_create_defaults,
	  .least = 1,
	  .most = -1,
	  .words_end_options = true,
	  .run = run_create },
	{ .name = "start",
	  .arguments = "WORKLOAD...",
	  .summary = "Start workloads that do not run",
	  .options = start_options,
	  .option_count = sizeof(start_options) / sizeof(start_options[0]),
	  .values_size = sizeof(struct start_options),
	  .least = 1,
	  .most = -1,
	  .run = run_start },
	{ .name = "attach",
	  .arguments = "WORKLOAD",
	  .summary = "Connect to a running workload's streams",
	  .options = attach_options,
	  .option_count = sizeof(attach_options) / sizeof(attach_options[0]),
	  .values_size = sizeof(struct attach_options),
	  .set_defaults = set_attach_defaults,
	  .least = 1,
	  .most = 1,
	  .run = run_attach },
	{ .name = "exec",
	  .arguments = "WORKLOAD COMMAND [ARGUMENT...]",
	  .summary = "Run a command in a running workload",
	  .options = exec_options,
	  .option_count = sizeof(exec_options) / sizeof(exec_options[0]),
	  .values_size = sizeof(struct exec_options),
	  .least = 2,
	  .most = -1,
	  .words_end_options = true,
	  .run = run_exec },
	{},
};

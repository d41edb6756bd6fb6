/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/text.h"

#define ARGUMENTS_MAX 24
#define LOG_MAX_BYTES (256U * 1024U) /* one failed call's; ours writes one line */

struct call {
	const struct og_runtime *runtime;
	const char *command;
	og_runtime_fn *fn;
	void *data;
	char log_name[64];
};

/* The message of the last line of a log; @log is cut into lines. */
static void take_message(char *log, struct og_err *ret_err)
{
	char *save = NULL;

	for (char *line = strtok_r(log, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		og_cleanup(og_json_freep) struct og_json *entry = NULL;
		const char *text = line;

		if (og_json_parse(line, strlen(line), &entry, NULL) == 0)
			text = og_json_string(og_json_get(entry, "msg"), line);
		(void)snprintf(ret_err->text, sizeof(ret_err->text), "%s", text);
	}
}

static void read_error(const struct call *call, int status, struct og_err *ret_err)
{
	og_auto_free char *log = NULL;

	if (og_read_file(call->runtime->dir_fd, call->log_name, LOG_MAX_BYTES, &log, NULL, NULL) ==
	    0)
		take_message(log, ret_err);
	if (ret_err->text[0] == '\0')
		(void)snprintf(ret_err->text, sizeof(ret_err->text),
			       "onggi-runtime %s ended with status %d and no message",
			       call->command, status);
	ret_err->code = -EREMOTEIO;
}

static void on_end(int status, void *data)
{
	og_auto_free struct call *call = data;
	struct og_err err = {};

	if (status != 0)
		read_error(call, status, &err);
	(void)unlinkat(call->runtime->dir_fd, call->log_name, 0);
	call->fn(&err, call->data);
}

static int spawn_call(const struct call *call, const char *const *arguments, const char *last,
		      const int fds[3], pid_t *ret_pid, struct og_err *err)
{
	const struct og_runtime *runtime = call->runtime;
	const char *argv[ARGUMENTS_MAX] = {
		runtime->program, "--root",	  runtime->root,  "--isolation", runtime->isolation,
		"--log",	  call->log_name, "--log-format", "json",	 call->command,
	};
	static const int none[3] = { -1, -1, -1 };
	struct og_spawn_fd spawn_fds[3];
	struct og_spawn spawn = {
		.path = runtime->program,
		.argv = (char *const *)(uintptr_t)argv,
		.cwd = runtime->dir,
		.fds = spawn_fds,
		.fd_count = 3,
	};
	size_t count = 10;

	for (; arguments != NULL && *arguments != NULL && count < ARGUMENTS_MAX - 3; arguments++)
		argv[count++] = *arguments;
	argv[count++] = runtime->id;
	argv[count] = last;
	for (int i = 0; i < 3; i++)
		spawn_fds[i] = (struct og_spawn_fd){ i, (fds != NULL ? fds : none)[i] };
	return og_spawn(&spawn, ret_pid, err);
}

int og_runtime_call(const struct og_runtime *runtime, const char *command,
		    const char *const *arguments, const char *last, const int fds[3],
		    og_runtime_fn *fn, void *data, struct og_err *err)
{
	og_auto_free struct call *call = calloc(1, sizeof(*call));
	pid_t pid = 0;
	int r;

	if (call == NULL)
		return og_fail(err, -ENOMEM, "run onggi-runtime");
	*call = (struct call){ .runtime = runtime, .command = command, .fn = fn, .data = data };
	/* The call's own address: no two calls that run have the same. */
	(void)snprintf(call->log_name, sizeof(call->log_name), "runtime-%s-%p.log", command,
		       (void *)call);
	r = spawn_call(call, arguments, last, fds, &pid, err);
	if (r < 0)
		return r;
	og_children_is_new(runtime->children, pid);
	r = og_children_watch(runtime->children, pid, on_end, call, err);
	if (r == 0)
		og_take_ptr(call);
	return r;
}

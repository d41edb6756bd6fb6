/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "monitor/internal.h"

#define ID_MAX 64 /* Docker's are 64 hexadecimal digits */

#define KILLED_STATUS 137 /* 128 + SIGKILL: what a process gets whose PID namespace ends */

struct exec {
	struct exec *next; /* newest first */
	struct monitor *monitor;
	struct og_hub *hub; /* NULL: ended, and its clients have everything */
	struct conn *conn;  /* asked for it, until it runs */
	struct og_monitor_streams streams;
	bool tty;
	uint16_t rows, columns;
	int console_fd;
	bool ended;
	int status;
	char id[ID_MAX + 1];
	char process_name[ID_MAX + 16]; /* files in DIR while it is being started */
	char pid_name[ID_MAX + 16];
	char console_name[ID_MAX + 16];
};

static void remove_files(const struct exec *exec)
{
	int dir_fd = exec->monitor->dir_fd;

	(void)unlinkat(dir_fd, exec->process_name, 0);
	(void)unlinkat(dir_fd, exec->pid_name, 0);
	if (exec->tty)
		(void)unlinkat(dir_fd, exec->console_name, 0);
}

static void free_exec(struct exec *exec)
{
	for (struct exec **at = &exec->monitor->execs; *at != NULL; at = &(*at)->next) {
		if (*at == exec) {
			*at = exec->next;
			break;
		}
	}
	og_hub_free(exec->hub);
	og_close(exec->console_fd);
	free(exec);
}

struct exec *exec_find(struct monitor *monitor, const char *id, struct og_err *err)
{
	for (struct exec *exec = monitor->execs; exec != NULL; exec = exec->next) {
		if (og_streq(exec->id, id))
			return exec;
	}
	(void)og_fail(err, -ENOENT, "exec '%.64s'", id);
	return NULL;
}

struct og_hub *exec_hub(struct exec *exec)
{
	return exec->hub;
}

bool exec_has_clients(const struct monitor *monitor)
{
	for (const struct exec *exec = monitor->execs; exec != NULL; exec = exec->next) {
		if (exec->hub != NULL)
			return true;
	}
	return false;
}

/* Makes room for one more by forgetting the oldest that is over. */
static int make_room(struct monitor *monitor, struct og_err *err)
{
	struct exec *oldest = NULL;
	size_t count = 0;

	for (struct exec *exec = monitor->execs; exec != NULL; exec = exec->next) {
		count++;
		if (exec->ended && exec->hub == NULL)
			oldest = exec;
	}
	if (count < OG_MONITOR_EXECS_MAX)
		return 0;
	if (oldest == NULL)
		return og_fail(err, -EBUSY, "exec: %u run already", OG_MONITOR_EXECS_MAX);
	free_exec(oldest);
	return 0;
}

static void on_drained(void *data)
{
	struct exec *exec = data;

	exec->hub = og_hub_free(exec->hub);
	monitor_check_done(exec->monitor);
}

static void on_exec_end(int status, void *data)
{
	struct exec *exec = data;
	struct og_monitor_exit exit = { .status = status };

	if (exec->ended)
		return;
	exec->ended = true;
	exec->status = status;
	og_hub_end(exec->hub);
	monitor_answer_waiters(exec->monitor, exec, &exit);
}

void exec_end_all(struct monitor *monitor)
{
	struct exec *next;

	for (struct exec *exec = monitor->execs; exec != NULL; exec = next) {
		next = exec->next;
		if (exec->conn == NULL)
			on_exec_end(KILLED_STATUS, exec);
	}
}

void exec_free_all(struct monitor *monitor)
{
	while (monitor->execs != NULL)
		free_exec(monitor->execs);
}

/* ---- starting one ---- */

static bool is_id(const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)id[i]) && id[i] != '-' && id[i] != '_')
			return false;
	}
	return len > 0 && len <= ID_MAX;
}

static int read_size(const struct og_json *request, const char *key, uint16_t *size,
		     struct og_err *err)
{
	int64_t value = 0;
	int r = og_json_opt_int(request, key, 0, UINT16_MAX, &value, err);

	*size = (uint16_t)value;
	return r;
}

static int read_request(const struct og_json *request, struct exec *exec,
			struct og_json **ret_process, struct og_err *err)
{
	const char *id = "";
	int r = og_json_opt_string(request, "id", &id, err);

	if (r == 0 && !is_id(id))
		r = og_fail(err, -EINVAL, "exec '%.80s' is no identifier", id);
	if (r == 0)
		r = og_json_opt_object(request, "process", ret_process, err);
	if (r == 0 && *ret_process == NULL)
		r = og_fail(err, -EINVAL, "exec: 'process' is missing");
	if (r == 0)
		r = og_json_opt_bool(request, "tty", &exec->tty, err);
	if (r == 0)
		r = og_json_opt_bool(request, "in", &exec->streams.in, err);
	if (r == 0)
		r = og_json_opt_bool(request, "out", &exec->streams.out, err);
	if (r == 0)
		r = og_json_opt_bool(request, "err", &exec->streams.err, err);
	if (r == 0)
		r = read_size(request, "rows", &exec->rows, err);
	if (r == 0)
		r = read_size(request, "columns", &exec->columns, err);
	if (r == 0)
		(void)snprintf(exec->id, sizeof(exec->id), "%s", id);
	return r;
}

/* The size belongs in there: the process may look at it before we could set it. */
static int write_process(struct exec *exec, const struct og_json *process, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *sized = og_json_copy(process);
	og_auto_free char *text = NULL;

	if (exec->tty && exec->rows > 0 && exec->columns > 0) {
		struct og_json *size = og_json_new_object();

		og_json_set_int(size, "height", exec->rows);
		og_json_set_int(size, "width", exec->columns);
		og_json_set(sized, "consoleSize", size);
	}
	text = og_json_write(sized);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "exec");
	return og_replace_file(exec->monitor->dir_fd, exec->process_name, text, strlen(text), 0600,
			       false, err);
}

static int prepare(struct exec *exec, const struct og_json *process, struct og_err *err)
{
	struct og_hub_setup setup = {
		.loop = exec->monitor->loop,
		.tty = exec->tty,
		.open_stdin = exec->streams.in,
		.end_stdin = true,
		.drained = on_drained,
		.data = exec,
	};
	int r;

	(void)snprintf(exec->process_name, sizeof(exec->process_name), "exec-%s.json", exec->id);
	(void)snprintf(exec->pid_name, sizeof(exec->pid_name), "exec-%s.pid", exec->id);
	(void)snprintf(exec->console_name, sizeof(exec->console_name), "exec-%s.sock", exec->id);
	r = write_process(exec, process, err);
	if (r == 0)
		r = og_hub_new(&setup, &exec->hub, err);
	if (r == 0 && exec->tty) {
		exec->console_fd = console_listen(exec->console_name, err);
		r = exec->console_fd < 0 ? exec->console_fd : 0;
	}
	return r;
}

static int take_process(struct exec *exec, pid_t *ret_pid, struct og_err *err)
{
	int r = monitor_read_pid(exec->monitor, exec->pid_name, ret_pid, err);

	if (r == 0 && exec->tty) {
		int master_fd = console_take(exec->console_fd, err);

		r = master_fd < 0 ? master_fd : og_hub_set_terminal(exec->hub, master_fd, err);
		if (r == 0 && exec->rows > 0 && exec->columns > 0)
			r = og_hub_resize(exec->hub, exec->rows, exec->columns, err);
	}
	if (r == 0)
		og_hub_open(exec->hub);
	return r;
}

static void fail_exec(struct exec *exec, const struct og_err *err)
{
	conn_answer_error(exec->conn, err);
	remove_files(exec);
	free_exec(exec);
}

static void on_started(const struct og_err *call_err, void *data)
{
	struct exec *exec = data;
	struct monitor *monitor = exec->monitor;
	struct conn *conn = exec->conn;
	struct og_err err = *call_err;
	struct og_json *answer;
	pid_t pid = 0;

	og_hub_close_child_fds(exec->hub);
	if (err.code == 0)
		(void)take_process(exec, &pid, &err);
	if (err.code != 0) {
		fail_exec(exec, &err);
		og_children_expected(monitor->children);
		return;
	}
	remove_files(exec);
	exec->console_fd = og_close(exec->console_fd);
	exec->conn = NULL;
	answer = og_json_new_object();
	og_json_set_bool(answer, "ok", true);
	og_json_set_int(answer, "pid", pid);
	conn_answer_and_attach(conn, answer, exec->hub, &exec->streams, true);
	/* The end may be known already, so this comes last. */
	if (og_children_watch(monitor->children, pid, on_exec_end, exec, NULL) < 0)
		on_exec_end(KILLED_STATUS, exec);
	else if (monitor->state >= MONITOR_ENDED)
		on_exec_end(KILLED_STATUS, exec);
	og_children_expected(monitor->children);
}

static int call_runtime(struct exec *exec, struct og_err *err)
{
	const char *arguments[] = {
		"--detach", "--process", exec->process_name, "--pid-file", exec->pid_name, NULL,
		NULL,	    NULL
	};
	struct monitor *monitor = exec->monitor;
	int r;

	if (exec->tty) {
		arguments[5] = "--console-socket";
		arguments[6] = exec->console_name;
	}
	og_children_expect(monitor->children);
	r = og_runtime_call(&monitor->runtime, "exec", arguments, NULL, og_hub_child_fds(exec->hub),
			    on_started, exec, err);
	if (r < 0)
		og_children_expected(monitor->children);
	return r;
}

void exec_request(struct conn *conn, const struct og_json *request)
{
	struct monitor *monitor = conn->monitor;
	struct og_json *process = NULL;
	struct og_err err = {};
	struct exec *exec;
	int r = 0;

	if (monitor->state != MONITOR_RUNNING)
		r = og_fail(&err, -ESRCH, "exec: the workload does not run");
	if (r == 0)
		r = make_room(monitor, &err);
	exec = r < 0 ? NULL : calloc(1, sizeof(*exec));
	if (r == 0 && exec == NULL)
		r = og_fail(&err, -ENOMEM, "exec");
	if (r < 0) {
		conn_answer_error(conn, &err);
		return;
	}
	exec->monitor = monitor;
	exec->conn = conn;
	exec->console_fd = -EBADF;
	r = read_request(request, exec, &process, &err);
	if (r == 0 && exec_find(monitor, exec->id, NULL) != NULL)
		r = og_fail(&err, -EEXIST, "exec '%s'", exec->id);
	exec->next = monitor->execs;
	monitor->execs = exec;
	if (r == 0)
		r = prepare(exec, process, &err);
	if (r == 0)
		r = call_runtime(exec, &err);
	if (r < 0)
		fail_exec(exec, &err);
	else
		conn->busy = true;
}

void exec_wait_request(struct conn *conn, const struct og_json *request)
{
	struct og_err err = {};
	const char *id = og_json_string(og_json_get(request, "exec"), "");
	struct exec *exec = exec_find(conn->monitor, id, &err);

	if (exec == NULL) {
		conn_answer_error(conn, &err);
	} else if (exec->ended) {
		struct og_monitor_exit exit = { .status = exec->status };

		conn_answer(conn, og_monitor_exit_json(&exit));
	} else {
		conn_wait_for(conn, request, exec);
	}
}

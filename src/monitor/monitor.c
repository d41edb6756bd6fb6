/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a workload, as its monitor sees it:
 *
 *	mount -> `onggi-runtime create` -> ready -> `start` -> ... -> its init ends
 *	-> streams drained, exit.json -> `onggi-runtime delete` -> unmount -> waiters answered
 *	-> the last attached client has read everything -> the monitor ends
 *
 * All of it is events of one loop: nothing here blocks, so that clients are served while
 * onggi-runtime works.
 */
#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "monitor/internal.h"
#include "monitor/rootfs.h"

#define PID_FILE_NAME "init.pid"
#define CONSOLE_NAME  "console.sock"
#define PID_FILE_MAX  32U

int monitor_read_pid(struct monitor *monitor, const char *name, pid_t *ret_pid, struct og_err *err)
{
	og_auto_free char *text = NULL;
	uint64_t pid = 0;
	int r = og_read_file(monitor->dir_fd, name, PID_FILE_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	r = og_parse_u64(text, 1, INT32_MAX, &pid);
	if (r < 0)
		return og_fail(err, r, "read '%s': '%s'", name, text);
	*ret_pid = (pid_t)pid;
	return 0;
}

/* ---- the end ---- */

void monitor_check_done(struct monitor *monitor)
{
	if (monitor->state == MONITOR_DONE && monitor->drained && monitor->conn_count == 0 &&
	    !exec_has_clients(monitor))
		og_loop_stop(monitor->loop);
}

static void on_drained(void *data)
{
	struct monitor *monitor = data;

	monitor->drained = true;
	monitor_check_done(monitor);
}

static void on_deleted(const struct og_err *err, void *data)
{
	struct monitor *monitor = data;

	(void)err; /* the engine's next start finds what is left */
	if (monitor->config.upper != NULL)
		og_rootfs_unmount(monitor->bundle_fd);
	monitor_stop_listening(monitor);
	monitor->state = MONITOR_DONE;
	monitor_answer_waiters(monitor, NULL, &monitor->exit);
	exec_end_all(monitor);
	monitor_check_done(monitor);
}

static void on_init_end(int status, void *data)
{
	static const char *const force[] = { "--force", NULL };
	struct monitor *monitor = data;
	struct og_err err = {};

	monitor->state = MONITOR_ENDED;
	monitor->exit.status = status;
	monitor->exit.oom_killed = og_oom_killed(&monitor->oom);
	og_clock_now(monitor->exit.finished_at);
	og_hub_end(monitor->hub);
	(void)og_monitor_exit_write(monitor->state_fd, &monitor->exit, &err);
	if (og_runtime_call(&monitor->runtime, "delete", force, NULL, NULL, on_deleted, monitor,
			    &err) < 0)
		on_deleted(&err, monitor);
}

/* ---- start and kill ---- */

static void answer_call(struct conn *conn, const struct og_err *err)
{
	struct og_json *answer;

	if (err->code != 0) {
		conn_answer_error(conn, err);
		return;
	}
	answer = og_json_new_object();
	og_json_set_bool(answer, "ok", true);
	conn_answer(conn, answer);
}

static void on_answer(const struct og_err *err, void *data)
{
	answer_call(data, err);
}

static void on_started(const struct og_err *err, void *data)
{
	struct conn *conn = data;
	struct monitor *monitor = conn->monitor;

	if (monitor->state == MONITOR_STARTING)
		monitor->state = err->code == 0 ? MONITOR_RUNNING : MONITOR_CREATED;
	answer_call(conn, err);
}

void monitor_start_request(struct conn *conn, const struct og_json *request)
{
	struct monitor *monitor = conn->monitor;
	struct og_err err = {};
	int r = 0;

	(void)request;
	if (monitor->state >= MONITOR_ENDED)
		r = og_fail(&err, -ESRCH, "start: it has ended");
	else if (monitor->state != MONITOR_CREATED)
		r = og_fail(&err, -EALREADY, "start");
	if (r == 0) {
		og_clock_now(monitor->exit.started_at);
		r = og_runtime_call(&monitor->runtime, "start", NULL, NULL, NULL, on_started, conn,
				    &err);
	}
	if (r < 0) {
		conn_answer_error(conn, &err);
		return;
	}
	conn->busy = true;
	monitor->state = MONITOR_STARTING;
}

void monitor_kill_request(struct conn *conn, const struct og_json *request)
{
	struct monitor *monitor = conn->monitor;
	og_auto_free char *number = NULL;
	struct og_err err = {};
	int64_t signal = 0;
	int r = og_json_opt_int(request, "signal", 1, 64, &signal, &err);

	if (r == 0 && monitor->state >= MONITOR_ENDED)
		r = og_fail(&err, -ESRCH, "kill: it has ended");
	number = og_strdupf("%d", (int)signal);
	if (r == 0 && number == NULL)
		r = og_fail(&err, -ENOMEM, "kill");
	if (r == 0)
		r = og_runtime_call(&monitor->runtime, "kill", NULL, number, NULL, on_answer, conn,
				    &err);
	if (r < 0)
		conn_answer_error(conn, &err);
	else
		conn->busy = true;
}

/* ---- creation ---- */

static int tell_ready(struct monitor *monitor, struct og_json *json)
{
	og_auto_free char *text = og_json_write(json);
	og_auto_free char *line = text == NULL ? NULL : og_strdupf("%s\n", text);

	og_json_free(json);
	if (line != NULL && monitor->ready_fd >= 0)
		(void)og_write_all(monitor->ready_fd, line, strlen(line));
	monitor->ready_fd = og_close(monitor->ready_fd);
	return -EREMOTEIO;
}

/* By then there is nothing left that the engine could meet. */
static int tell_error(struct monitor *monitor, const struct og_err *err)
{
	struct og_json *json = og_json_new_object();

	monitor_stop_listening(monitor);
	if (monitor->bundle_fd >= 0)
		og_rootfs_unmount(monitor->bundle_fd);
	og_json_set_string(json, "error", err->text);
	og_json_set_int(json, "code", -err->code);
	return tell_ready(monitor, json);
}

static int take_workload(struct monitor *monitor, struct og_err *err)
{
	const struct og_monitor_config *config = &monitor->config;
	int r = monitor_read_pid(monitor, PID_FILE_NAME, &monitor->pid, err);

	if (r == 0 && config->tty) {
		int master_fd = console_take(monitor->console_fd, err);

		r = master_fd < 0 ? master_fd : og_hub_set_terminal(monitor->hub, master_fd, err);
		if (r == 0 && config->rows > 0 && config->columns > 0)
			r = og_hub_resize(monitor->hub, config->rows, config->columns, err);
	}
	monitor->console_fd = og_close(monitor->console_fd);
	(void)unlinkat(monitor->dir_fd, CONSOLE_NAME, 0);
	return r;
}

static void on_created(const struct og_err *call_err, void *data)
{
	struct monitor *monitor = data;
	struct og_err err = *call_err;
	struct og_json *json;

	og_hub_close_child_fds(monitor->hub);
	if (err.code == 0)
		(void)take_workload(monitor, &err);
	if (err.code != 0) {
		(void)tell_error(monitor, &err);
		og_loop_stop(monitor->loop);
		return;
	}
	og_oom_watch(&monitor->oom, monitor->pid);
	og_hub_open(monitor->hub);
	monitor->state = MONITOR_CREATED;
	json = og_json_new_object();
	og_json_set_int(json, "pid", monitor->pid);
	og_json_set_int(json, "monitor_pid", getpid());
	(void)tell_ready(monitor, json);
	if (og_children_watch(monitor->children, monitor->pid, on_init_end, monitor, NULL) < 0)
		og_loop_stop(monitor->loop);
	og_children_expected(monitor->children);
}

static int create(struct monitor *monitor, struct og_err *err)
{
	og_auto_free char *bundle = og_strdupf("%s/bundle", monitor->dir);
	const char *arguments[] = { "--bundle", bundle, "--pid-file", PID_FILE_NAME,
				    NULL,	NULL,	NULL };

	if (bundle == NULL)
		return og_fail(err, -ENOMEM, "create");
	if (monitor->config.tty) {
		monitor->console_fd = console_listen(CONSOLE_NAME, err);
		if (monitor->console_fd < 0)
			return monitor->console_fd;
		arguments[4] = "--console-socket";
		arguments[5] = CONSOLE_NAME;
	}
	(void)unlinkat(monitor->dir_fd, PID_FILE_NAME, 0);
	og_children_expect(monitor->children);
	return og_runtime_call(&monitor->runtime, "create", arguments, NULL,
			       og_hub_child_fds(monitor->hub), on_created, monitor, err);
}

/* ---- set-up ---- */

static int open_folder(int dir_fd, const char *path, struct og_err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", path) : fd;
}

static int mount_root(struct monitor *monitor, int lower_fd, struct og_err *err)
{
	const struct og_monitor_config *config = &monitor->config;

	if (config->upper == NULL)
		return 0;
	if (config->work == NULL || lower_fd < 0)
		return og_fail(err, -EINVAL, "mount the root file system: no image was given");
	return og_rootfs_mount(monitor->bundle_fd, lower_fd, config->upper, config->work, err);
}

static int make_streams(struct monitor *monitor, struct og_err *err)
{
	const struct og_monitor_config *config = &monitor->config;
	struct og_hub_setup setup = {
		.loop = monitor->loop,
		.tty = config->tty,
		.open_stdin = config->open_stdin,
		.end_stdin = config->stdin_once,
		.drained = on_drained,
		.data = monitor,
	};

	if (config->log_path != NULL) {
		int r = og_log_open(config->log_path, config->log_max_bytes, config->log_max_files,
				    &monitor->log, err);

		if (r < 0)
			return r;
	}
	setup.log = monitor->log;
	return og_hub_new(&setup, &monitor->hub, err);
}

static int open_folders(struct monitor *monitor, struct og_err *err)
{
	int r;

	monitor->dir_fd = open_folder(AT_FDCWD, monitor->dir, err);
	if (monitor->dir_fd < 0)
		return monitor->dir_fd;
	if (fchdir(monitor->dir_fd) < 0)
		return og_fail(err, -errno, "enter '%s'", monitor->dir);
	r = og_monitor_config_read(monitor->dir_fd, &monitor->config, &monitor->config_root, err);
	if (r < 0)
		return r;
	monitor->state_fd = open_folder(AT_FDCWD, monitor->config.state_dir, err);
	if (monitor->state_fd < 0)
		return monitor->state_fd;
	monitor->bundle_fd = open_folder(monitor->dir_fd, "bundle", err);
	return monitor->bundle_fd < 0 ? monitor->bundle_fd : 0;
}

static int make_loop(struct monitor *monitor, struct og_err *err)
{
	int r = og_loop_new(&monitor->loop, err);

	if (r == 0)
		r = og_children_new(monitor->loop, &monitor->children, err);
	monitor->runtime = (struct og_runtime){
		.program = monitor->config.runtime,
		.root = monitor->config.runtime_root,
		.isolation = monitor->config.isolation,
		.id = monitor->config.id,
		.dir = monitor->dir,
		.dir_fd = monitor->dir_fd,
		.children = monitor->children,
	};
	return r;
}

/* Folders are opened after the mount namespace is ours: mounts can be made below no others. */
static int set_up(struct monitor *monitor, int lower_fd, struct og_err *err)
{
	int r = og_rootfs_isolate(err);

	if (r == 0)
		r = open_folders(monitor, err);
	if (r == 0)
		r = mount_root(monitor, lower_fd, err);
	if (r == 0)
		r = make_loop(monitor, err);
	if (r == 0)
		r = make_streams(monitor, err);
	if (r == 0)
		r = monitor_listen(monitor, err);
	if (r == 0)
		r = create(monitor, err);
	return r;
}

static void monitor_done(struct monitor *monitor)
{
	exec_free_all(monitor);
	monitor_close_conns(monitor);
	monitor_stop_listening(monitor);
	og_hub_free(monitor->hub);
	og_log_free(monitor->log);
	og_oom_done(&monitor->oom);
	og_json_free(monitor->config_root);
	og_loop_free(monitor->loop);
	og_children_free(monitor->children);
	og_close(monitor->console_fd);
	og_close(monitor->ready_fd);
	og_close(monitor->state_fd);
	og_close(monitor->bundle_fd);
	og_close(monitor->dir_fd);
}

int og_monitor_run(const char *dir, int lower_fd, int ready_fd, struct og_err *err)
{
	og_cleanup(monitor_done) struct monitor monitor = {
		.dir = dir,
		.dir_fd = -EBADF,
		.bundle_fd = -EBADF,
		.state_fd = -EBADF,
		.ready_fd = ready_fd,
		.console_fd = -EBADF,
		.listen_fd = -EBADF,
		.oom = { .fd = -EBADF },
	};
	og_auto_fd lower = lower_fd;
	struct og_err setup_err = {};
	int r = set_up(&monitor, lower, &setup_err);

	if (r < 0)
		return tell_error(&monitor, &setup_err);
	lower = og_close(lower);
	r = og_loop_run(monitor.loop, err);
	return monitor.state == MONITOR_CREATING ? -EREMOTEIO : r;
}

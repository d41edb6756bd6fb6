/* SPDX-License-Identifier: Apache-2.0 */
/* Start, end, stop, kill. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/text.h"
#include "engine/internal.h"
#include "monitor/client.h"

/* More than the runtime gives a VM to boot (180 s under emulation): its own text says more. */
#define SPAWN_TIMEOUT_MS 240000
#define ASK_TIMEOUT_MS	 10000

/* A client that said it attaches and never does holds up its own start for so long. */
#define ATTACH_TIMEOUT_MS 10000

/* How long the kernel may take to end a process that got SIGKILL. */
#define KILL_TIMEOUT_MS 30000

#define STOP_TIMEOUT_S 10

/* Docker's: doubled at each restart, forgotten when it ran for ten seconds. */
#define RESTART_DELAY_MIN_MS 100U
#define RESTART_DELAY_MAX_MS 60000U
#define RESTART_CALM_S	     10

/* When the monitor was killed nobody knows how the workload ended; it was killed after it. */
#define STATUS_UNKNOWN 137

/* More often than anyone kills `onggi-runtime delete` by chance. */
#define DELETE_TRIES_MAX 5

void og_engine_report(struct og_engine *engine, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (engine->config.report != NULL)
		engine->config.report(engine->config.report_data, text);
}

/* Something of ours failed: whatever the kernel called it, it is no answer about the request. */
int og_fail_inside(struct og_err *err, int code)
{
	if (code == -ENOEXEC || code == -EINVAL || code == -ENOSYS || code == -EREMOTEIO)
		return code;
	if (err != NULL)
		err->code = -EREMOTEIO;
	return -EREMOTEIO;
}

/* ---- waiting ---- */

/* Waits until the workload has ended more often than @exits, or the time is over (-ETIMEDOUT). */
static int await_end(struct og_record *record, uint64_t exits, int64_t timeout_ms)
{
	og_cleanup(og_watch_freep) struct og_watch *watch = NULL;
	uint64_t until = og_clock_ms() + (uint64_t)timeout_ms;
	int r = og_watch_new(record->engine, &watch, NULL);

	while (r == 0) {
		uint64_t now = og_clock_ms();
		bool ended;

		(void)pthread_mutex_lock(&record->engine->lock);
		ended = record->exits > exits || !og_record_runs(record);
		(void)pthread_mutex_unlock(&record->engine->lock);
		if (ended)
			return 0;
		if (now >= until)
			return -ETIMEDOUT;
		r = og_watch_wait(watch, -1, (int)(until - now));
		if (r == -ETIMEDOUT)
			r = 0;
	}
	return r;
}

/* Clients that attached before the start must be connected before the first byte is written. */
static void await_attached(struct og_record *record)
{
	og_cleanup(og_watch_freep) struct og_watch *watch = NULL;
	uint64_t until = og_clock_ms() + ATTACH_TIMEOUT_MS;

	if (og_watch_new(record->engine, &watch, NULL) < 0)
		return;
	for (;;) {
		uint64_t now = og_clock_ms();
		bool done;

		(void)pthread_mutex_lock(&record->engine->lock);
		done = record->attaching == 0;
		(void)pthread_mutex_unlock(&record->engine->lock);
		if (done || now >= until ||
		    og_watch_wait(watch, -1, (int)(until - now)) == -ETIMEDOUT)
			return;
	}
}

/* ---- start ---- */

void og_runtime_delete(struct og_engine *engine, const char *id)
{
	const char *argv[] = {
		engine->runtime, "--root", engine->runtime_root, "delete", "--force", id, NULL
	};
	struct og_spawn spawn = { .path = engine->runtime, .argv = (char *const *)argv };
	og_auto_free char *path = og_strdupf("%s/%s", engine->runtime_root, id);
	struct og_err err = {};
	int r = 0;

	/* Deleting may be killed as well, and goes on where it was. */
	for (int tries = 0; path != NULL && access(path, F_OK) == 0; tries++) {
		og_auto_free char *output = NULL;

		if (tries == DELETE_TRIES_MAX) {
			og_engine_report(engine, "clean up workload %.12s: %s", id,
					 r < 0 ? err.text : "onggi-runtime delete --force fails");
			return;
		}
		r = og_spawn_wait(&spawn, 1024, &output, &err);
	}
}

/* Of an earlier run: the next one begins with an empty folder. */
static int fresh_exec_dir(struct og_record *record, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("workloads/%s", record->id);
	og_auto_fd parent_fd =
		og_open_beneath(record->engine->exec_fd, "workloads", O_RDONLY | O_DIRECTORY, 0);
	int r = parent_fd < 0 ? parent_fd : og_remove_tree(parent_fd, record->id, err);

	if (path == NULL)
		return og_fail(err, -ENOMEM, "make workload's folder");
	return r < 0 ? r : og_record_exec_dir(record, true, err);
}

static int spawn_monitor(struct og_record *record, int exec_dir_fd, int lower_fd,
			 struct og_monitor_ready *ret_ready, struct og_err *err)
{
	const struct og_create *create = record->create;
	bool vm = og_streq(create->isolation, "vm");
	og_auto_free char *dir = og_record_exec_path(record, "");
	og_auto_free char *state_dir = og_record_data_path(record, "");
	og_auto_free char *upper = vm ? NULL : og_record_data_path(record, "upper");
	og_auto_free char *work = vm ? NULL : og_record_data_path(record, "work");
	og_auto_free char *log = og_record_data_path(record, "log");
	struct og_monitor_config config = {
		.runtime_root = record->engine->runtime_root,
		.id = record->id,
		.isolation = create->isolation,
		.state_dir = state_dir,
		.upper = upper,
		.work = work,
		.lower_fd = lower_fd,
		.tty = create->tty,
		.open_stdin = create->open_stdin,
		.stdin_once = create->stdin_once,
		.rows = (uint16_t)create->console_rows,
		.columns = (uint16_t)create->console_columns,
		.log_path = og_streq(create->log_type, "none") ? NULL : log,
		.log_max_bytes = (uint64_t)create->log_max_bytes,
		.log_max_files = (uint32_t)create->log_max_files,
	};

	if (dir == NULL || state_dir == NULL || log == NULL)
		return og_fail(err, -ENOMEM, "start workload");
	return og_monitor_spawn(exec_dir_fd, dir, &config, SPAWN_TIMEOUT_MS, ret_ready, err);
}

/* May be started; with op held. Marks it as being started. */
static int begin_start(struct og_record *record, struct og_err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&record->engine->lock);
	if (!record->listed || record->phase == OG_PHASE_REMOVING)
		r = og_fail(err, -EBUSY, "container is marked for removal and cannot be started");
	else if (record->phase == OG_PHASE_PAUSED)
		r = og_fail(err, -EBUSY, "cannot start a paused container, try unpause instead");
	else if (record->phase == OG_PHASE_RUNNING)
		r = -EALREADY;
	if (r == 0) {
		record->stop_requested = false;
		record->error[0] = '\0';
	}
	(void)pthread_mutex_unlock(&record->engine->lock);
	return r;
}

static void set_running(struct og_record *record, const struct og_monitor_ready *ready)
{
	(void)pthread_mutex_lock(&record->engine->lock);
	record->phase = OG_PHASE_RUNNING;
	record->pid = ready->pid;
	record->exit_status = 0;
	record->oom_killed = false;
	og_clock_now(record->started_at);
	(void)strcpy(record->finished_at, OG_CLOCK_NEVER);
	og_events_record(record, "start", NULL, NULL);
	og_record_changed(record);
	(void)pthread_mutex_unlock(&record->engine->lock);
}

/* "x: No such file: No such file": each process on the way up has added the errno's words. */
static void trim_repeats(char *text)
{
	for (;;) {
		size_t len = strlen(text), tail = 0;

		/* The last part, with the ": " before it. */
		while (tail < len && strncmp(text + len - tail, ": ", 2) != 0)
			tail++;
		if (2 * tail > len || strncmp(text + len - 2 * tail, text + len - tail, tail) != 0)
			return;
		text[len - tail] = '\0';
	}
}

/* As a shell has it, and as Docker's client looks for it in the text. */
static int status_of_failure(const char *text)
{
	if (strstr(text, "ermission denied") != NULL || strstr(text, "s a directory") != NULL)
		return 126;
	if (strstr(text, "o such file") != NULL || strstr(text, "not found") != NULL)
		return 127;
	return 128;
}

/* It did not start: nothing of it may stay. */
static void undo_start(struct og_record *record, const struct og_err *err)
{
	struct og_engine *engine = record->engine;

	og_runtime_delete(engine, record->id);
	(void)pthread_mutex_lock(&engine->lock);
	record->prepared = false;
	record->pid = 0;
	record->exits++;
	record->phase = strcmp(record->finished_at, OG_CLOCK_NEVER) == 0 ? OG_PHASE_CREATED
									 : OG_PHASE_EXITED;
	record->exit_status = status_of_failure(err->text);
	(void)snprintf(record->error, sizeof(record->error), "%.250s", err->text);
	og_record_changed(record);
	(void)pthread_mutex_unlock(&engine->lock);
}

/* With the monitor there: connects who waits, and lets the workload run. */
static int let_run(struct og_record *record, int exec_dir_fd, const struct og_monitor_ready *ready,
		   struct og_err *err)
{
	struct og_engine *engine = record->engine;
	int r;

	(void)pthread_mutex_lock(&engine->lock);
	record->prepared = true;
	record->pid = ready->pid;
	og_engine_wake(engine);
	(void)pthread_mutex_unlock(&engine->lock);
	await_attached(record);
	r = og_monitor_start(exec_dir_fd, SPAWN_TIMEOUT_MS, err);
	if (r < 0) {
		/* How runc, and so Docker's client, tells of it. */
		trim_repeats(err->text);
		(void)og_fail_in(err, r, "failed to create task for container");
		err->code = -ENOEXEC;
		return -ENOEXEC;
	}
	set_running(record, ready);
	r = og_watcher_add(record, err);
	if (r == -ECONNREFUSED || r == -ENOENT || r == -ECONNRESET) {
		/* It has ended already. */
		og_record_ended(record, NULL);
		r = 0;
	}
	return r;
}

static int start(struct og_record *record, struct og_err *err)
{
	struct og_monitor_ready ready = {};
	og_auto_fd data_dir_fd = -EBADF, exec_dir_fd = -EBADF, lower_fd = -EBADF;
	int r = begin_start(record, err);

	if (r < 0)
		return r;
	data_dir_fd = og_record_data_dir(record, true, err);
	exec_dir_fd = fresh_exec_dir(record, err);
	if (data_dir_fd < 0 || exec_dir_fd < 0)
		return og_fail_inside(err, -EIO);
	(void)unlinkat(data_dir_fd, "exit.json", 0);
	r = og_prepare(record, exec_dir_fd, data_dir_fd, &lower_fd, err);
	if (r == 0) {
		r = spawn_monitor(record, exec_dir_fd, lower_fd, &ready, err);
		if (r < 0) {
			trim_repeats(err->text);
			(void)og_fail_in(err, r, "failed to create task for container");
			err->code = r = -ENOEXEC;
		}
	}
	if (r == 0)
		r = let_run(record, exec_dir_fd, &ready, err);
	if (r < 0) {
		undo_start(record, err);
		return og_fail_inside(err, r);
	}
	return 0;
}

int og_engine_start(struct og_engine *engine, const char *name, struct og_err *err)
{
	og_auto_record record = NULL;
	struct og_err own = {};
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = start(record, &own);
	if (r < 0 && r != -EALREADY && r != -EBUSY && record->create->auto_remove)
		(void)og_record_remove(record, true, NULL);
	(void)pthread_mutex_unlock(&record->op);
	if (r < 0 && err != NULL)
		*err = own;
	return r;
}

/* ---- the end ---- */

static uint64_t restart_delay(const struct og_record *record)
{
	uint64_t delay = RESTART_DELAY_MIN_MS;
	struct timespec started, finished;

	if (og_clock_parse(record->started_at, &started) == 0 &&
	    og_clock_parse(record->finished_at, &finished) == 0 &&
	    finished.tv_sec - started.tv_sec >= RESTART_CALM_S)
		return delay;
	for (uint64_t i = 0; i < record->restarts && delay < RESTART_DELAY_MAX_MS; i++)
		delay *= 2;
	return delay < RESTART_DELAY_MAX_MS ? delay : RESTART_DELAY_MAX_MS;
}

/* With the lock held. */
static bool wants_restart(const struct og_record *record)
{
	const char *policy = record->create->restart_policy;

	if (record->stop_requested || og_streq(policy, "no"))
		return false;
	if (!og_streq(policy, "on-failure"))
		return true;
	return record->exit_status != 0 &&
	       (record->create->restart_max == 0 ||
		record->restarts < (uint64_t)record->create->restart_max);
}

void og_restart_chore(struct og_record *record)
{
	struct og_err err = {};
	bool wanted;
	int r = 0;

	(void)pthread_mutex_lock(&record->op);
	(void)pthread_mutex_lock(&record->engine->lock);
	wanted = record->listed && record->phase == OG_PHASE_RESTARTING && !record->stop_requested;
	if (wanted)
		record->restarts++;
	(void)pthread_mutex_unlock(&record->engine->lock);
	if (wanted)
		r = start(record, &err);
	(void)pthread_mutex_unlock(&record->op);
	if (r < 0)
		og_engine_report(record->engine, "restart workload %.12s: %s", record->id,
				 err.text);
}

/* With the lock held. */
static void note_end(struct og_record *record, const struct og_monitor_exit *exit)
{
	char status[16];

	record->exit_status = exit->status;
	record->oom_killed = exit->oom_killed;
	if (exit->finished_at[0] != '\0')
		(void)snprintf(record->finished_at, sizeof(record->finished_at), "%s",
			       exit->finished_at);
	else
		og_clock_now(record->finished_at);
	record->pid = 0;
	record->prepared = false;
	record->phase = wants_restart(record) ? OG_PHASE_RESTARTING : OG_PHASE_EXITED;
	record->exits++;
	(void)snprintf(status, sizeof(status), "%d", exit->status);
	if (exit->oom_killed)
		og_events_record(record, "oom", NULL, NULL);
	og_events_record(record, "die", "exitCode", status);
	og_record_changed(record);
}

/* What the monitor wrote before it died, or what is known when it wrote nothing. */
static void find_exit(struct og_record *record, struct og_monitor_exit *ret_exit)
{
	og_auto_fd dir_fd = og_record_data_dir(record, false, NULL);

	*ret_exit = (struct og_monitor_exit){ .status = STATUS_UNKNOWN };
	if (dir_fd >= 0)
		(void)og_monitor_read_exit(dir_fd, ret_exit, NULL);
}

void og_record_ended(struct og_record *record, const struct og_monitor_exit *exit)
{
	struct og_engine *engine = record->engine;
	struct og_monitor_exit found;
	enum og_phase phase;
	uint64_t delay_ms;

	if (exit == NULL) {
		find_exit(record, &found);
		exit = &found;
	}
	/* The monitor has done this, unless it or its onggi-runtime was killed. */
	og_runtime_delete(engine, record->id);
	(void)pthread_mutex_lock(&engine->lock);
	if (!og_record_runs(record)) {
		(void)pthread_mutex_unlock(&engine->lock);
		return;
	}
	note_end(record, exit);
	phase = record->phase;
	delay_ms = restart_delay(record);
	(void)pthread_mutex_unlock(&engine->lock);
	if (record->create->auto_remove)
		og_chore_add(record, og_remove_chore, 0);
	else if (phase == OG_PHASE_RESTARTING)
		og_chore_add(record, og_restart_chore, delay_ms);
}

/* ---- kill and stop ---- */

static bool runs(struct og_record *record, uint64_t *ret_exits)
{
	bool running;

	(void)pthread_mutex_lock(&record->engine->lock);
	running = og_record_runs(record);
	*ret_exits = record->exits;
	(void)pthread_mutex_unlock(&record->engine->lock);
	return running;
}

static int send_signal(struct og_record *record, int signal, struct og_err *err)
{
	og_auto_fd dir_fd = og_record_exec_dir(record, false, err);
	char text[16];
	int r;

	if (dir_fd < 0)
		return og_fail_inside(err, dir_fd);
	r = og_monitor_kill(dir_fd, signal, ASK_TIMEOUT_MS, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%d", signal);
	(void)pthread_mutex_lock(&record->engine->lock);
	og_events_record(record, "kill", "signal", text);
	(void)pthread_mutex_unlock(&record->engine->lock);
	return 0;
}

static int stop_signal(const struct og_record *record)
{
	int signal = og_signal_parse(record->create->stop_signal);

	return signal == 0 ? SIGTERM : signal;
}

void og_request_stop(struct og_record *record)
{
	(void)pthread_mutex_lock(&record->engine->lock);
	record->stop_requested = true;
	if (record->phase == OG_PHASE_RESTARTING) {
		record->phase = OG_PHASE_EXITED;
		og_record_changed(record);
	}
	(void)pthread_mutex_unlock(&record->engine->lock);
}

/* A frozen workload cannot take the signal that it was sent to end by. With op held. */
static void let_go_on(struct og_record *record)
{
	struct og_err err = {};
	int r = og_record_thaw(record, &err);
	uint64_t exits;

	if (r < 0 && r != -EBUSY && runs(record, &exits))
		og_engine_report(record->engine, "%s", err.text);
}

/* One that has ended meanwhile is what was wanted. */
static bool is_gone(int code)
{
	return code == -ESRCH || code == -ECONNREFUSED || code == -ENOENT || code == -ECONNRESET;
}

int og_kill_and_wait(struct og_record *record, struct og_err *err)
{
	uint64_t exits;
	int r;

	if (!runs(record, &exits))
		return 0;
	r = send_signal(record, SIGKILL, err);
	if (r < 0 && !is_gone(r))
		return og_fail_inside(err, r);
	r = await_end(record, exits, KILL_TIMEOUT_MS);
	return r < 0 ? og_fail(err, -EREMOTEIO, "workload %.12s does not end", record->id) : 0;
}

/* With op held. */
static int stop(struct og_record *record, int64_t timeout_s, int signal, struct og_err *err)
{
	uint64_t exits;
	int r;

	og_request_stop(record);
	if (!runs(record, &exits))
		return -EALREADY;
	if (timeout_s < 0)
		timeout_s = record->create->stop_timeout_s;
	if (timeout_s < 0)
		timeout_s = STOP_TIMEOUT_S;
	r = send_signal(record, signal == 0 ? stop_signal(record) : signal, err);
	if (r < 0 && !is_gone(r))
		return og_fail_inside(err, r);
	let_go_on(record);
	r = await_end(record, exits, timeout_s * 1000);
	if (r == -ETIMEDOUT)
		r = og_kill_and_wait(record, err);
	if (r < 0)
		return og_fail_inside(err, r);
	(void)pthread_mutex_lock(&record->engine->lock);
	og_events_record(record, "stop", NULL, NULL);
	(void)pthread_mutex_unlock(&record->engine->lock);
	return 0;
}

int og_engine_stop(struct og_engine *engine, const char *name, int64_t timeout_s, int signal,
		   struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = stop(record, timeout_s, signal, err);
	(void)pthread_mutex_unlock(&record->op);
	return r;
}

int og_engine_restart(struct og_engine *engine, const char *name, int64_t timeout_s, int signal,
		      struct og_err *err)
{
	og_auto_record record = NULL;
	struct og_err own = {};
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = stop(record, timeout_s, signal, &own);
	if (r == 0 || r == -EALREADY)
		r = start(record, &own);
	if (r == 0) {
		(void)pthread_mutex_lock(&engine->lock);
		og_events_record(record, "restart", NULL, NULL);
		(void)pthread_mutex_unlock(&engine->lock);
	}
	(void)pthread_mutex_unlock(&record->op);
	if (r < 0 && err != NULL)
		*err = own;
	return r;
}

/* Not while another call is at work on it, unless that has nothing to do with its being paused. */
static void let_go_on_alone(struct og_record *record)
{
	bool paused;

	(void)pthread_mutex_lock(&record->engine->lock);
	paused = record->phase == OG_PHASE_PAUSED;
	(void)pthread_mutex_unlock(&record->engine->lock);
	if (!paused)
		return;
	(void)pthread_mutex_lock(&record->op);
	let_go_on(record);
	(void)pthread_mutex_unlock(&record->op);
}

int og_engine_kill(struct og_engine *engine, const char *name, int signal, struct og_err *err)
{
	og_auto_record record = NULL;
	uint64_t exits;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	if (!runs(record, &exits))
		return og_fail(err, -EBUSY,
			       "Cannot kill container: %s: Container %s is not running", name,
			       record->id);
	if (signal == SIGKILL || signal == stop_signal(record))
		og_request_stop(record);
	if (signal == SIGKILL)
		return og_kill_and_wait(record, err);
	r = send_signal(record, signal, err);
	if (is_gone(r))
		return og_fail(err, -EBUSY,
			       "Cannot kill container: %s: Container %s is not running", name,
			       record->id);
	if (r == 0 && signal == stop_signal(record))
		let_go_on_alone(record);
	return r < 0 ? og_fail_inside(err, r) : 0;
}

int og_engine_resize(struct og_engine *engine, const char *name, uint16_t rows, uint16_t columns,
		     struct og_err *err)
{
	og_auto_record record = NULL;
	og_auto_fd dir_fd = -EBADF;
	uint64_t exits;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	if (!runs(record, &exits))
		return og_fail(err, -EBUSY, "Container %s is not running", record->id);
	dir_fd = og_record_exec_dir(record, false, err);
	if (dir_fd < 0)
		return og_fail_inside(err, dir_fd);
	r = og_monitor_resize(dir_fd, NULL, rows, columns, ASK_TIMEOUT_MS, err);
	return r < 0 ? og_fail_inside(err, r) : 0;
}

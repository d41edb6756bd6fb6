/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a workload, attaching to it, and further processes in it. */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "engine/internal.h"
#include "monitor/client.h"

#define ASK_TIMEOUT_MS	 10000
#define SPAWN_TIMEOUT_MS 60000

/* Execs that ended and were not asked about again; the oldest is forgotten. */
#define EXECS_MAX 1024

/* ---- wait ---- */

struct og_wait {
	struct og_record *record; /* a reference */
	struct og_watch *watch;
	enum og_wait_for what;
	uint64_t exits; /* when it began */
};

int og_wait_new(struct og_engine *engine, const char *name, enum og_wait_for what,
		struct og_wait **ret_wait, struct og_err *err)
{
	og_cleanup(og_wait_freep) struct og_wait *wait = calloc(1, sizeof(*wait));
	int r;

	if (wait == NULL)
		return og_fail(err, -ENOMEM, "wait");
	r = og_table_find(engine, name, &wait->record, err);
	if (r == 0)
		r = og_watch_new(engine, &wait->watch, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&engine->lock);
	wait->what = what;
	wait->exits = wait->record->exits;
	(void)pthread_mutex_unlock(&engine->lock);
	*ret_wait = og_take_ptr(wait);
	return 0;
}

struct og_wait *og_wait_free(struct og_wait *wait)
{
	if (wait == NULL)
		return NULL;
	(void)og_watch_free(wait->watch);
	og_record_unref(wait->record);
	free(wait);
	return NULL;
}

/* With the lock held. */
static bool is_over(const struct og_wait *wait)
{
	const struct og_record *record = wait->record;

	switch (wait->what) {
	case OG_WAIT_NOT_RUNNING:
		return !og_record_runs(record) && record->phase != OG_PHASE_RESTARTING;
	case OG_WAIT_NEXT_EXIT:
		return record->exits > wait->exits || !record->listed;
	case OG_WAIT_REMOVED:
		return !record->listed;
	}
	return true;
}

int og_wait_done(struct og_wait *wait, int gone_fd, int *ret_status)
{
	struct og_engine *engine = wait->record->engine;

	for (;;) {
		bool over;
		int r;

		(void)pthread_mutex_lock(&engine->lock);
		over = is_over(wait);
		*ret_status = wait->record->exit_status;
		(void)pthread_mutex_unlock(&engine->lock);
		if (over)
			return 0;
		r = og_watch_wait(wait->watch, gone_fd, -1);
		if (r < 0)
			return r;
	}
}

/* ---- attach ---- */

struct og_attach {
	struct og_record *record; /* a reference */
	struct og_watch *watch;
	struct og_attach_options options;
	uint64_t exits; /* when it began */
	bool counted;	/* in record->attaching */
};

int og_attach_new(struct og_engine *engine, const char *name,
		  const struct og_attach_options *options, struct og_attach **ret_attach,
		  bool *ret_tty, struct og_err *err)
{
	og_cleanup(og_attach_freep) struct og_attach *attach = calloc(1, sizeof(*attach));
	bool paused;
	int r;

	if (attach == NULL)
		return og_fail(err, -ENOMEM, "attach");
	attach->options = *options;
	r = og_table_find(engine, name, &attach->record, err);
	if (r == 0)
		r = og_watch_new(engine, &attach->watch, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&engine->lock);
	attach->exits = attach->record->exits;
	paused = attach->record->phase == OG_PHASE_PAUSED;
	if (options->wait_for_start && !paused) {
		attach->record->attaching++;
		attach->counted = true;
	}
	(void)pthread_mutex_unlock(&engine->lock);
	if (paused)
		return og_fail(err, -EBUSY,
			       "container %s is paused, unpause the container before "
			       "attach",
			       name);
	*ret_tty = attach->record->create->tty;
	*ret_attach = og_take_ptr(attach);
	return 0;
}

static void uncount(struct og_attach *attach)
{
	struct og_engine *engine = attach->record->engine;

	if (!attach->counted)
		return;
	attach->counted = false;
	(void)pthread_mutex_lock(&engine->lock);
	attach->record->attaching--;
	og_engine_wake(engine);
	(void)pthread_mutex_unlock(&engine->lock);
}

struct og_attach *og_attach_free(struct og_attach *attach)
{
	if (attach == NULL)
		return NULL;
	if (attach->record != NULL)
		uncount(attach);
	(void)og_watch_free(attach->watch);
	og_record_unref(attach->record);
	free(attach);
	return NULL;
}

/* 1: its monitor is there, 0: not yet, -ESRCH: it will not come. */
static int readiness(struct og_attach *attach)
{
	const struct og_record *record = attach->record;
	int r = 0;

	(void)pthread_mutex_lock(&record->engine->lock);
	if (record->prepared)
		r = 1;
	else if (!attach->options.wait_for_start || !record->listed ||
		 record->exits > attach->exits)
		r = -ESRCH;
	(void)pthread_mutex_unlock(&record->engine->lock);
	return r;
}

/* Half-closed is no farewell: a client without stdin closes its side at once. */
static int await_change(struct og_attach *attach, int peer_fd, int gone_fd)
{
	struct pollfd fds[] = {
		{ .fd = og_watch_fd(attach->watch), .events = POLLIN },
		{ .fd = gone_fd, .events = POLLIN },
		{ .fd = peer_fd }, /* POLLHUP and POLLERR */
	};

	if (poll(fds, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents != 0 || fds[2].revents != 0)
		return -EPIPE;
	og_watch_clear(attach->watch);
	return 0;
}

int og_attach_connect(struct og_attach *attach, int peer_fd, int gone_fd, int *ret_fd,
		      struct og_err *err)
{
	struct og_monitor_streams streams = {
		.in = attach->options.in,
		.out = attach->options.out,
		.err = attach->options.err,
	};
	og_auto_fd dir_fd = -EBADF;
	int r;

	while ((r = readiness(attach)) == 0) {
		r = await_change(attach, peer_fd, gone_fd);
		if (r < 0)
			return og_fail(err, r, "the client has left");
	}
	if (r == -ESRCH) {
		*ret_fd = -1;
		return 0;
	}
	dir_fd = og_record_exec_dir(attach->record, false, err);
	r = dir_fd < 0 ? dir_fd : og_monitor_attach(dir_fd, &streams, ASK_TIMEOUT_MS, ret_fd, err);
	uncount(attach);
	return r;
}

/* ---- exec ---- */

/* With the lock held. */
static struct og_exec *find_exec(struct og_engine *engine, const char *id)
{
	for (struct og_exec *exec = engine->execs; exec != NULL; exec = exec->next) {
		if (og_streq(exec->id, id))
			return exec;
	}
	return NULL;
}

static void free_exec(struct og_exec *exec)
{
	og_record_unref(exec->record);
	(void)og_json_free(exec->body);
	free(exec);
}

void og_execs_done(struct og_engine *engine)
{
	while (engine->execs != NULL) {
		struct og_exec *exec = engine->execs;

		engine->execs = exec->next;
		free_exec(exec);
	}
}

/* With the lock held: takes out the oldest that has ended, or was never started. */
static struct og_exec *take_old(struct og_engine *engine)
{
	struct og_exec **oldest = NULL;
	struct og_exec *taken = NULL;

	for (struct og_exec **at = &engine->execs; *at != NULL; at = &(*at)->next) {
		if ((*at)->ended || !(*at)->started)
			oldest = at;
	}
	if (oldest != NULL) {
		taken = *oldest;
		*oldest = taken->next;
		engine->exec_count--;
	}
	return taken;
}

static int check_strings(const struct og_json *body, const char *key, struct og_err *err)
{
	struct og_json *list = NULL;
	int r = og_json_opt_array(body, key, &list, err);

	for (size_t i = 0; r == 0 && i < og_json_count(list); i++) {
		if (og_json_kind(og_json_at(list, i)) != OG_JSON_STRING)
			r = og_fail(err, -EINVAL, "%s must hold strings", key);
	}
	return r;
}

static int read_exec(const struct og_json *body, struct og_exec *exec, struct og_err *err)
{
	const char *text = "";
	bool privileged;
	int r = check_strings(body, "Cmd", err);

	if (r == 0)
		r = check_strings(body, "Env", err);
	if (r == 0)
		r = og_json_opt_string(body, "User", &text, err);
	if (r == 0)
		r = og_json_opt_string(body, "WorkingDir", &text, err);
	if (r == 0)
		r = og_json_opt_bool(body, "Privileged", &privileged, err);
	if (r == 0)
		r = og_json_opt_bool(body, "Tty", &exec->tty, err);
	if (r == 0)
		r = og_json_opt_bool(body, "AttachStdin", &exec->in, err);
	if (r == 0)
		r = og_json_opt_bool(body, "AttachStdout", &exec->out, err);
	if (r == 0)
		r = og_json_opt_bool(body, "AttachStderr", &exec->err, err);
	if (r == 0 && og_json_count(og_json_get(body, "Cmd")) == 0)
		r = og_fail(err, -EINVAL, "No exec command specified");
	return r;
}

static int check_runs(struct og_record *record, const char *name, struct og_err *err)
{
	enum og_phase phase;

	(void)pthread_mutex_lock(&record->engine->lock);
	phase = record->phase;
	(void)pthread_mutex_unlock(&record->engine->lock);
	if (phase == OG_PHASE_PAUSED)
		return og_fail(err, -EBUSY,
			       "Container %s is paused, unpause the container before exec", name);
	if (phase != OG_PHASE_RUNNING)
		return og_fail(err, -EBUSY, "Container %s is not running", record->id);
	return 0;
}

int og_exec_create(struct og_engine *engine, const char *name, const struct og_json *body,
		   char **ret_id, struct og_err *err)
{
	og_auto_record record = NULL;
	og_auto_free struct og_exec *exec = calloc(1, sizeof(*exec));
	struct og_exec *old = NULL;
	char *id;
	int r = og_table_find(engine, name, &record, err);

	if (exec == NULL)
		return og_fail(err, -ENOMEM, "make exec");
	if (r == 0)
		r = read_exec(body, exec, err);
	if (r == 0)
		r = check_runs(record, name, err);
	if (r < 0)
		return r;
	og_random_id(exec->id);
	id = strdup(exec->id);
	if (id == NULL)
		return og_fail(err, -ENOMEM, "make exec");
	exec->body = og_json_copy(body);
	(void)pthread_mutex_lock(&engine->lock);
	if (engine->exec_count >= EXECS_MAX)
		old = take_old(engine);
	exec->record = og_record_ref(record);
	exec->next = engine->execs;
	engine->execs = og_take_ptr(exec);
	engine->exec_count++;
	(void)pthread_mutex_unlock(&engine->lock);
	if (old != NULL)
		free_exec(old);
	*ret_id = id;
	return 0;
}

/* A copy of what is known; its record and body are the caller's. */
static int copy_exec(struct og_engine *engine, const char *id, struct og_exec *ret_exec,
		     struct og_err *err)
{
	const struct og_exec *exec;

	(void)pthread_mutex_lock(&engine->lock);
	exec = find_exec(engine, id);
	if (exec != NULL) {
		*ret_exec = *exec;
		ret_exec->body = og_json_copy(exec->body);
		(void)og_record_ref(exec->record);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return exec == NULL ? og_fail(err, -ENOENT, "No such exec instance: %s", id) : 0;
}

static void exec_done(struct og_exec *exec)
{
	og_record_unref(exec->record);
	(void)og_json_free(exec->body);
}

int og_exec_info(struct og_engine *engine, const char *id, struct og_exec_info *ret_info,
		 struct og_err *err)
{
	og_cleanup(exec_done) struct og_exec exec = {};
	int r = copy_exec(engine, id, &exec, err);

	if (r < 0)
		return r;
	*ret_info = (struct og_exec_info){
		.tty = exec.tty,
		.in = exec.in,
		.out = exec.out,
		.err = exec.err,
		.detach = !exec.in && !exec.out && !exec.err,
	};
	return 0;
}

/* Marks it as started, once. */
static int claim(struct og_engine *engine, const char *id, struct og_err *err)
{
	struct og_exec *exec;
	int r = 0;

	(void)pthread_mutex_lock(&engine->lock);
	exec = find_exec(engine, id);
	if (exec == NULL)
		r = og_fail(err, -ENOENT, "No such exec instance: %s", id);
	else if (exec->started)
		r = og_fail(err, -EBUSY, "Error: Exec command %s is already running", id);
	else
		exec->started = true;
	(void)pthread_mutex_unlock(&engine->lock);
	return r;
}

static void note_exec(struct og_engine *engine, const char *id, bool ended, int status, pid_t pid)
{
	struct og_exec *exec;

	(void)pthread_mutex_lock(&engine->lock);
	exec = find_exec(engine, id);
	if (exec != NULL) {
		exec->ended = ended;
		exec->status = status;
		if (pid != 0)
			exec->pid = pid;
	}
	(void)pthread_mutex_unlock(&engine->lock);
}

static int run_exec(const struct og_exec *exec, bool detach, uint16_t rows, uint16_t columns,
		    int *ret_fd, pid_t *ret_pid, struct og_err *err)
{
	og_auto_free char *process = NULL;
	og_auto_fd dir_fd = -EBADF;
	struct og_monitor_exec request = {
		.id = exec->id,
		.tty = exec->tty,
		.rows = rows,
		.columns = columns,
	};
	int r = og_prepare_exec(exec->record, exec->body, &process, err);

	if (r < 0)
		return r;
	request.process_json = process;
	if (!detach)
		request.streams = (struct og_monitor_streams){
			.in = exec->in,
			.out = exec->out,
			.err = exec->err,
		};
	dir_fd = og_record_exec_dir(exec->record, false, err);
	if (dir_fd < 0)
		return dir_fd;
	return og_monitor_exec(dir_fd, &request, SPAWN_TIMEOUT_MS, ret_fd, ret_pid, err);
}

int og_exec_start(struct og_engine *engine, const char *id, bool detach, uint16_t rows,
		  uint16_t columns, int *ret_fd, struct og_err *err)
{
	og_cleanup(exec_done) struct og_exec exec = {};
	pid_t pid = 0;
	int r = copy_exec(engine, id, &exec, err);

	if (r == 0)
		r = check_runs(exec.record, exec.record->id, err);
	if (r == 0)
		r = claim(engine, id, err);
	if (r < 0)
		return r;
	*ret_fd = -1;
	r = run_exec(&exec, detach, rows, columns, ret_fd, &pid, err);
	if (r < 0) {
		/* As a shell has it: no such command. */
		note_exec(engine, id, true, 126, 0);
		if (err != NULL)
			err->code = -ENOEXEC;
		return -ENOEXEC;
	}
	note_exec(engine, id, false, 0, pid);
	return 0;
}

/* Asks the monitor how it ended, if that is not known yet. */
static void update_exec(struct og_engine *engine, const struct og_exec *exec, int timeout_ms)
{
	og_auto_fd dir_fd = -EBADF;
	struct og_monitor_exit exit = {};
	int r;

	if (!exec->started || exec->ended)
		return;
	dir_fd = og_record_exec_dir(exec->record, false, NULL);
	r = dir_fd < 0 ? dir_fd : og_monitor_exec_wait(dir_fd, exec->id, timeout_ms, &exit, NULL);
	if (r == 0)
		note_exec(engine, exec->id, true, exit.status, 0);
	else if (r != -ETIMEDOUT)
		/* The workload ended, and the exec with it. */
		note_exec(engine, exec->id, true, 128 + SIGKILL, 0);
}

void og_exec_ended(struct og_engine *engine, const char *id)
{
	og_cleanup(exec_done) struct og_exec exec = {};

	if (copy_exec(engine, id, &exec, NULL) == 0)
		update_exec(engine, &exec, ASK_TIMEOUT_MS);
}

static struct og_json *process_config(const struct og_exec *exec)
{
	const struct og_json *cmd = og_json_get(exec->body, "Cmd");
	struct og_json *json = og_json_new_object();
	struct og_json *arguments = og_json_new_array();

	for (size_t i = 1; i < og_json_count(cmd); i++)
		og_json_push(arguments, og_json_copy(og_json_at(cmd, i)));
	og_json_set_bool(json, "tty", exec->tty);
	og_json_set_string(json, "entrypoint", og_json_string(og_json_at(cmd, 0), ""));
	og_json_set(json, "arguments", arguments);
	og_json_set_bool(json, "privileged",
			 og_json_bool(og_json_get(exec->body, "Privileged"), false));
	return json;
}

int og_exec_inspect(struct og_engine *engine, const char *id, struct og_json **ret_json,
		    struct og_err *err)
{
	og_cleanup(exec_done) struct og_exec exec = {};
	og_cleanup(exec_done) struct og_exec now = {};
	struct og_json *json;
	int r = copy_exec(engine, id, &exec, err);

	if (r < 0)
		return r;
	update_exec(engine, &exec, 0);
	r = copy_exec(engine, id, &now, err);
	if (r < 0)
		return r;
	json = og_json_new_object();
	og_json_set_string(json, "ID", now.id);
	og_json_set_bool(json, "Running", now.started && !now.ended);
	og_json_set(json, "ExitCode", now.ended ? og_json_new_int(now.status) : NULL);
	og_json_set(json, "ProcessConfig", process_config(&now));
	og_json_set_bool(json, "OpenStdin", now.in);
	og_json_set_bool(json, "OpenStderr", now.err);
	og_json_set_bool(json, "OpenStdout", now.out);
	og_json_set_bool(json, "CanRemove", false);
	og_json_set_string(json, "ContainerID", now.record->id);
	og_json_set_string(json, "DetachKeys", "");
	og_json_set_int(json, "Pid", now.pid);
	*ret_json = json;
	return 0;
}

int og_exec_resize(struct og_engine *engine, const char *id, uint16_t rows, uint16_t columns,
		   struct og_err *err)
{
	og_cleanup(exec_done) struct og_exec exec = {};
	og_auto_fd dir_fd = -EBADF;
	int r = copy_exec(engine, id, &exec, err);

	if (r < 0)
		return r;
	dir_fd = og_record_exec_dir(exec.record, false, err);
	r = dir_fd < 0 ? dir_fd : og_monitor_resize(dir_fd, id, rows, columns, ASK_TIMEOUT_MS, err);
	if (r < 0 && err != NULL)
		err->code = -EREMOTEIO;
	return r < 0 ? -EREMOTEIO : 0;
}

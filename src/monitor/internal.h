/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the monitor program share: one workload, its execs, and who asks about them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/text.h"
#include "monitor/children.h"
#include "monitor/client.h"
#include "monitor/config.h"
#include "monitor/hub.h"
#include "monitor/oom.h"
#include "monitor/runtime.h"

enum monitor_state {
	MONITOR_CREATING,
	MONITOR_CREATED,
	MONITOR_STARTING,
	MONITOR_RUNNING,
	MONITOR_ENDED, /* its process is gone, its traces are being removed */
	MONITOR_DONE,  /* only clients that have not read everything are left */
};

struct monitor;
struct exec;

/* ---- server.c ---- */

/* One connection to monitor.sock, until it is answered or handed to a hub. */
struct conn {
	struct monitor *monitor;
	struct conn *next;
	int fd;
	struct og_source *source;
	struct og_text request;
	size_t request_len; /* of the first line in `request` */
	bool busy;	    /* an answer will come: not freed before */
	bool gone;	    /* the client has left meanwhile */
	bool waiting;
	struct exec *waits_for; /* NULL: the workload */
};

int monitor_listen(struct monitor *monitor, struct og_err *err);
void monitor_stop_listening(struct monitor *monitor);
void monitor_close_conns(struct monitor *monitor);

/* Each of these ends the connection. @json is taken over. */
void conn_answer(struct conn *conn, struct og_json *json);
void conn_answer_error(struct conn *conn, const struct og_err *err);

/* Answers and attaches to @hub, or closes it when @streams is all off. */
void conn_answer_and_attach(struct conn *conn, struct og_json *json, struct og_hub *hub,
			    const struct og_monitor_streams *streams, bool front);

/* Lets it wait for @exec (NULL: the workload), or answers -ETIMEDOUT when it asked how things are now. */
void conn_wait_for(struct conn *conn, const struct og_json *request, struct exec *exec);

/* Answers all who wait for @exec (NULL: the workload). */
void monitor_answer_waiters(struct monitor *monitor, const struct exec *exec,
			    const struct og_monitor_exit *exit);

/* ---- exec.c ---- */

void exec_request(struct conn *conn, const struct og_json *request);
void exec_wait_request(struct conn *conn, const struct og_json *request);

/* NULL and -ENOENT when there is none. */
struct exec *exec_find(struct monitor *monitor, const char *id, struct og_err *err);
struct og_hub *exec_hub(struct exec *exec);

/* Whether one is being started, runs, or has clients that have not read everything. */
bool exec_has_clients(const struct monitor *monitor);

/* The workload is gone, and with it each process in it. */
void exec_end_all(struct monitor *monitor);
void exec_free_all(struct monitor *monitor);

/* ---- console.c ---- */

/* Makes a listening socket @name in the working directory, for --console-socket. */
int console_listen(const char *name, struct og_err *err);

/* Takes the terminal that onggi-runtime has sent there. Returns a descriptor. */
int console_take(int listen_fd, struct og_err *err);

/* ---- monitor.c ---- */

struct monitor {
	struct og_loop *loop;
	struct og_children *children;
	struct og_json *config_root;
	struct og_monitor_config config;
	const char *dir;
	int dir_fd;
	int bundle_fd;
	int state_fd;
	int ready_fd;
	int console_fd;
	struct og_runtime runtime;
	struct og_log *log;
	struct og_hub *hub;
	struct og_oom oom;
	enum monitor_state state;
	bool drained; /* the streams are at their end, and every client has read them */
	pid_t pid;
	struct og_monitor_exit exit;

	int listen_fd; /* server.c */
	struct og_source *listen_source;
	struct conn *conns;
	size_t conn_count;
	struct exec *execs; /* exec.c */
};

/* Reads a number that onggi-runtime wrote to the file @name. */
int monitor_read_pid(struct monitor *monitor, const char *name, pid_t *ret_pid, struct og_err *err);

/* Ends the program when nothing is left to do. */
void monitor_check_done(struct monitor *monitor);

void monitor_start_request(struct conn *conn, const struct og_json *request);
void monitor_kill_request(struct conn *conn, const struct og_json *request);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor of one workload: onggi-monitor, a process that holds a workload's terminal and
 * streams, its log and its exit status, so that the engine may end and come back without loss.
 * This is how the engine starts one and talks to it. It knows nothing of images, networks, HTTP.
 *
 * Every call is blocking, keeps no state in this process, may be used from any thread, and is one
 * connection to DIR/monitor.sock, where DIR (the workload's folder in the exec root, given as a
 * directory descriptor @dir_fd) also holds `bundle/` and the monitor's own `monitor.json` and
 * `runtime.log`. A @timeout_ms of -1 waits for ever; 0
 * for the waits asks how things stand now. Errors of all calls: -ECONNREFUSED or -ENOENT
 * (no monitor serves this folder: it ended, or was killed), -ECONNRESET (it died meanwhile),
 * -ETIMEDOUT, and what the monitor or onggi-runtime answered, with their text.
 *
 * After a monitor was killed the engine cleans up with `onggi-runtime delete --force ID`: nothing
 * else of a monitor outlives it, as all its mounts are in a mount namespace of its own.
 *
 * monitor.json, written by og_monitor_spawn():
 *	{"id":"…","isolation":"container"|"vm","runtime":"/…/bin/onggi-runtime","runtime_root":"/…",
 *	 "state_dir":"/…/workloads/ID","upper":"/…","work":"/…","tty":false,"open_stdin":false,
 *	 "stdin_once":false,"rows":0,"columns":0,
 *	 "log":{"path":"/…","max_bytes":N,"max_files":N}}
 * exit.json, in state_dir, there once the workload has ended and its streams are in the log:
 *	{"status":N,"oom_killed":false,"started_at":"RFC 3339","finished_at":"…"}
 *
 * Streams. A client that is slow makes the workload wait, as a full pipe would; nothing is ever
 * dropped from a stream that is attached. A client attached before the workload's start, or an
 * exec's, is its front end and may pause for ever (`onggi run … | less`). One that came later only
 * looks on: when it has taken nothing for OG_MONITOR_STALL_MS while the workload had to wait for
 * it, it is disconnected. Each client's memory is bounded by OG_MONITOR_QUEUE_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Bytes that wait for one slow client before the workload is made to wait. */
#define OG_MONITOR_QUEUE_MAX (256U * 1024U)

/* How long a mere onlooker may hold up a workload. */
#define OG_MONITOR_STALL_MS 60000U

/* One request or answer: an exec's process with a generous environment (Linux: 2 MiB of args). */
#define OG_MONITOR_LINE_MAX (4U * 1024U * 1024U)

/* Clients and execs of one workload at a time; more are refused with -EBUSY. */
#define OG_MONITOR_CLIENTS_MAX 256U
#define OG_MONITOR_EXECS_MAX   256U

/* Docker's own defaults for its "local" log driver: a flood of output fills 100 MiB, not the disk. */
#define OG_MONITOR_LOG_MAX_BYTES (20U * 1024U * 1024U)
#define OG_MONITOR_LOG_MAX_FILES 5U

struct og_monitor_config {
	const char *program;	  /* onggi-monitor; NULL: of this installation */
	const char *runtime;	  /* onggi-runtime; NULL: of this installation */
	const char *runtime_root; /* its --root */
	const char *id;
	const char *isolation; /* "container" or "vm" */
	const char *state_dir; /* absolute; exit.json appears there */
	const char *upper;     /* writable layer and overlay's work folder, absolute; */
	const char *work;      /* NULL for a VM, which mounts its own root */
	int lower_fd;	       /* detached mount of the merged image, stays yours; -1 for a VM */
	bool tty;
	bool open_stdin;	/* else the workload reads /dev/null */
	bool stdin_once;	/* its stdin ends with the first client that wrote to it */
	uint16_t rows, columns; /* first size of the terminal, 0: not known */
	const char *log_path;	/* Docker's json-file format, rotated to PATH.1 …; NULL: no log */
	uint64_t log_max_bytes; /* of one file; 0: OG_MONITOR_LOG_MAX_BYTES */
	uint32_t log_max_files; /* the current one counted; 0: OG_MONITOR_LOG_MAX_FILES */
};

struct og_monitor_ready {
	pid_t pid;	   /* the workload's init (a VM's supervisor), created but not started */
	pid_t monitor_pid; /* no child of the caller: there is nothing to wait for */
};

struct og_monitor_exit {
	int status; /* as a shell has it: 0 to 255, 128 + N when signal N ended it */
	bool oom_killed;
	char started_at[40];  /* RFC 3339 with nanoseconds, UTC; "" if it never started */
	char finished_at[40]; /* likewise */
};

/*
 * Writes monitor.json and runs a monitor, which mounts the root file system at DIR/bundle/rootfs
 * (a container; the folder is made when missing) and runs `onggi-runtime create` on DIR/bundle.
 * @dir is the same folder as @dir_fd, by its absolute path. On an error nothing is left running or
 * mounted; the error's text is that of onggi-runtime where that failed.
 */
int og_monitor_spawn(int dir_fd, const char *dir, const struct og_monitor_config *config,
		     int timeout_ms, struct og_monitor_ready *ret_ready, struct og_err *err);

/* Runs the workload's process. -EALREADY: it was started before. */
int og_monitor_start(int dir_fd, int timeout_ms, struct og_err *err);

/* Sends a signal to the workload's init. -ESRCH: it has ended. */
int og_monitor_kill(int dir_fd, int signal, int timeout_ms, struct og_err *err);

/* Sets the size of the workload's terminal, or that of the exec @exec_id when it is not NULL. */
int og_monitor_resize(int dir_fd, const char *exec_id, uint16_t rows, uint16_t columns,
		      int timeout_ms, struct og_err *err);

struct og_monitor_streams {
	bool in;
	bool out;
	bool err; /* with a terminal all output is `out` */
};

/*
 * Connects to the workload's streams. On success *@ret_fd is a connected stream socket, the
 * caller's: from it come Docker's stream frames (format/stdstream.h), or raw bytes when the
 * workload has a terminal, until end of file when the workload has ended; into it go raw bytes for
 * its stdin, shutdown(SHUT_WR) ends that stdin if it is `stdin_once` and no terminal (and never
 * disconnects). Closing it detaches.
 */
int og_monitor_attach(int dir_fd, const struct og_monitor_streams *streams, int timeout_ms,
		      int *ret_fd, struct og_err *err);

struct og_monitor_exec {
	const char *id;		  /* chosen by the engine; what resize and exec_wait call it */
	const char *process_json; /* the runtime-spec's process object, "terminal" included */
	bool tty;		  /* the same as its "terminal" */
	uint16_t rows, columns;	  /* with tty; 0: not known */
	struct og_monitor_streams streams; /* none: detached, its output is read and dropped */
};

/*
 * Runs a further process in a running workload. On success *@ret_fd is as of og_monitor_attach()
 * (here shutdown(SHUT_WR) always ends a stdin that is no terminal), or -1 when all streams are
 * off, and *@ret_pid (may be NULL) its process. The exec lives on when the descriptor is closed.
 */
int og_monitor_exec(int dir_fd, const struct og_monitor_exec *exec, int timeout_ms, int *ret_fd,
		    pid_t *ret_pid, struct og_err *err);

/*
 * Waits for an exec's end. The monitor remembers the last OG_MONITOR_EXECS_MAX ended ones until
 * the workload itself ends. -ENOENT: knows no such exec. Only status is set.
 */
int og_monitor_exec_wait(int dir_fd, const char *exec_id, int timeout_ms,
			 struct og_monitor_exit *ret_exit, struct og_err *err);

/*
 * Waits for the workload's end: exit.json is written and onggi-runtime's delete is done by then.
 * *@ret_fd becomes readable when the workload, which need not have been started yet, has ended or its
 * monitor has died; og_monitor_wait_end() then tells which (-ECONNRESET: it died) and closes @fd. On any
 * error look for exit.json before taking the monitor for killed: it may have ended just before it was asked.
 */
int og_monitor_wait_begin(int dir_fd, int *ret_fd, struct og_err *err);
int og_monitor_wait_end(int fd, int timeout_ms, struct og_monitor_exit *ret_exit,
			struct og_err *err);

/* Reads exit.json. -ENOENT: it has not ended, or its monitor was killed. */
int og_monitor_read_exit(int state_dir_fd, struct og_monitor_exit *ret_exit, struct og_err *err);

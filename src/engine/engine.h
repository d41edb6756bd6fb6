/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: the one place that knows both what an image is and how it runs. It ties the image
 * store, the runtime's configuration and the monitors together, and remembers every workload.
 * It knows no HTTP; api/ is its door.
 *
 * State. Each workload is one folder DATA_ROOT/workloads/ID with workload.json, replaced whole at
 * every change; there is no other record of it. A new engine reads them all, takes up the monitors
 * that still live, collects the exit.json of those that ended, and cleans up after those that were
 * killed. What runs goes on while no engine runs.
 *
 * Locks. engine->lock guards all lists and every record's changing fields; it is held for memory
 * and small file writes only, never while something is waited for. A record's `op` mutex makes
 * start, stop, remove ... of one workload follow one another. Order: op, then the image store's own
 * lock, then engine->lock. The store's callback (which images are in use) takes engine->lock; so
 * nothing calls the image store with engine->lock held.
 *
 * All functions may be called from any thread. Names of workloads are an ID, a unique prefix of
 * one, or a name, with or without Docker's leading '/'. Common errors: -ENOENT ("No such
 * container: x"), -EINVAL (a mistake in what was asked), -EEXIST and -EBUSY (a conflict with what
 * is there), -EALREADY (it is so already), -ENOSYS (not there yet), -ENOEXEC (the workload could
 * not be started as it is), -EREMOTEIO (something of ours failed).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "image/images.h"

/* Workloads remembered at a time; each is a folder and some KiB of memory. */
#define OG_WORKLOADS_MAX 10000U

struct og_engine;

struct og_engine_config {
	const char *data_root; /* absolute */
	const char *exec_root; /* absolute, at most 60 bytes: sockets' paths are short */
	const char *const *insecure_registries; /* NULL-terminated, or NULL */
	const char
		*policy; /* the gate's (engine/gate.h); NULL: that in /etc/onggi, if there is one */
	/* Told what failed where nobody asked (a restart, a clean-up). May be NULL. */
	void (*report)(void *data, const char *text);
	void *report_data;
};

/*
 * Opens the engine and takes up what an earlier one left. The strings of @config must outlive it.
 * On success *@ret_engine is the caller's. Errors: those of og_images_open(), and the kernel's.
 */
int og_engine_open(const struct og_engine_config *config, struct og_engine **ret_engine,
		   struct og_err *err);

/* No call may be under way. Workloads go on. Accepts NULL. Always returns NULL. */
struct og_engine *og_engine_free(struct og_engine *engine);
OG_DEFINE_CLEANUP(struct og_engine, og_engine_free)

struct og_images *og_engine_images(struct og_engine *engine);
const struct og_engine_config *og_engine_config(const struct og_engine *engine);

/* ---- changes ---- */

/* A descriptor that becomes readable whenever anything about any workload changed. */
struct og_watch;

int og_watch_new(struct og_engine *engine, struct og_watch **ret_watch, struct og_err *err);
struct og_watch *og_watch_free(struct og_watch *watch); /* accepts NULL, returns NULL */
OG_DEFINE_CLEANUP(struct og_watch, og_watch_free)
int og_watch_fd(const struct og_watch *watch);
/* Call before looking at what may have changed. */
void og_watch_clear(struct og_watch *watch);

/*
 * Waits until @watch is readable or @gone_fd is (-EPIPE), at most until @timeout_ms (-ETIMEDOUT; -1:
 * for ever), and clears the watch.
 */
int og_watch_wait(struct og_watch *watch, int gone_fd, int timeout_ms);

/* ---- life ---- */

/*
 * Makes a workload from a create body. @name NULL or "": one is made up. *@ret_answer is
 * {"Id":…,"Warnings":[…]}, the caller's. Errors: also -ENOENT ("No such image: x").
 */
int og_engine_create(struct og_engine *engine, const char *name, const struct og_json *body,
		     struct og_json **ret_answer, struct og_err *err);
int og_engine_start(struct og_engine *engine, const char *name, struct og_err *err);
/* @timeout_s: until it is killed; -1: the workload's own (10). -EALREADY: it is not running. */
int og_engine_stop(struct og_engine *engine, const char *name, int64_t timeout_s, int signal,
		   struct og_err *err);
int og_engine_restart(struct og_engine *engine, const char *name, int64_t timeout_s, int signal,
		      struct og_err *err);
/* Freezes a workload, or lets it go on. -EBUSY: it is not running, paused already, not paused. */
int og_engine_pause(struct og_engine *engine, const char *name, bool pause, struct og_err *err);
int og_engine_kill(struct og_engine *engine, const char *name, int signal, struct og_err *err);
/* @asked as of og_update_read(). Takes effect at once where it runs, and with every later start. */
int og_engine_update(struct og_engine *engine, const char *name, const struct og_json *asked,
		     struct og_err *err);
/* Removes a workload that is not running, or any with @force. */
int og_engine_remove(struct og_engine *engine, const char *name, bool force, bool volumes,
		     struct og_err *err);
int og_engine_rename(struct og_engine *engine, const char *name, const char *new_name,
		     struct og_err *err);
int og_engine_resize(struct og_engine *engine, const char *name, uint16_t rows, uint16_t columns,
		     struct og_err *err);
/* Removes all that are not running and that @filters (label, until) allow. */
int og_engine_prune(struct og_engine *engine, const struct og_json *filters,
		    struct og_json **ret_answer, struct og_err *err);

/* ---- looking ---- */

/* One of the API's documents each; the caller's. */
int og_engine_inspect(struct og_engine *engine, const char *name, struct og_json **ret_json,
		      struct og_err *err);
/* @filters as of og_filters_parse(). @limit 0: no limit. */
int og_engine_list(struct og_engine *engine, const struct og_json *filters, bool all, size_t limit,
		   struct og_json **ret_json, struct og_err *err);
/* {"Titles":[…],"Processes":[…]} */
int og_engine_top(struct og_engine *engine, const char *name, struct og_json **ret_json,
		  struct og_err *err);

/*
 * What it uses now, as GET /containers/x/stats answers, without what was before; of one that does not
 * run its name and zeros, and "read" is OG_CLOCK_NEVER.
 */
int og_engine_stats(struct og_engine *engine, const char *name, struct og_json **ret_json,
		    struct og_err *err);

struct og_engine_counts {
	size_t all, running, paused, stopped;
};

void og_engine_count(struct og_engine *engine, struct og_engine_counts *ret_counts);

/* Why VMs run under software emulation here; NULL: they do not. Borrowed from the engine. */
const char *og_engine_emulation(struct og_engine *engine);

/* ---- waiting ---- */

enum og_wait_for {
	OG_WAIT_NOT_RUNNING,
	OG_WAIT_NEXT_EXIT,
	OG_WAIT_REMOVED,
};

/* A wait that began; it remembers the workload even when that is removed meanwhile. */
struct og_wait;

int og_wait_new(struct og_engine *engine, const char *name, enum og_wait_for what,
		struct og_wait **ret_wait, struct og_err *err);
struct og_wait *og_wait_free(struct og_wait *wait); /* accepts NULL, returns NULL */
OG_DEFINE_CLEANUP(struct og_wait, og_wait_free)

/* Blocks until it is over or @gone_fd is readable (-EPIPE). */
int og_wait_done(struct og_wait *wait, int gone_fd, int *ret_status);

/* ---- streams ---- */

struct og_attach_options {
	bool in, out, err;
	bool wait_for_start; /* of one that does not run: connect as its front end when it starts */
};

/* A place at a workload's streams. */
struct og_attach;

/*
 * Takes the place; a start that comes after this waits until og_attach_connect() was called.
 */
int og_attach_new(struct og_engine *engine, const char *name,
		  const struct og_attach_options *options, struct og_attach **ret_attach,
		  bool *ret_tty, struct og_err *err);
struct og_attach *og_attach_free(struct og_attach *attach); /* accepts NULL, returns NULL */
OG_DEFINE_CLEANUP(struct og_attach, og_attach_free)

/*
 * Waits for the start if need be, until @gone_fd is readable or @peer_fd's other end is closed
 * for good (-EPIPE). On success *@ret_fd is of og_monitor_attach(), the caller's; -1: the workload
 * does not run and streams nothing.
 */
int og_attach_connect(struct og_attach *attach, int peer_fd, int gone_fd, int *ret_fd,
		      struct og_err *err);

/* ---- exec ---- */

/* @body of POST /containers/x/exec. *@ret_id is the caller's. */
int og_exec_create(struct og_engine *engine, const char *name, const struct og_json *body,
		   char **ret_id, struct og_err *err);

struct og_exec_info {
	bool tty, detach;
	bool in, out, err;
};

int og_exec_info(struct og_engine *engine, const char *id, struct og_exec_info *ret_info,
		 struct og_err *err);

/* Runs it. *@ret_fd is of og_monitor_exec(), the caller's; -1 when @detach. */
int og_exec_start(struct og_engine *engine, const char *id, bool detach, uint16_t rows,
		  uint16_t columns, int *ret_fd, struct og_err *err);
/* After its streams ended: notes how it ended. */
void og_exec_ended(struct og_engine *engine, const char *id);
int og_exec_inspect(struct og_engine *engine, const char *id, struct og_json **ret_json,
		    struct og_err *err);
int og_exec_resize(struct og_engine *engine, const char *id, uint16_t rows, uint16_t columns,
		   struct og_err *err);

/* ---- logs ---- */

struct og_logs_options {
	bool out, err, timestamps, follow;
	int64_t tail;		      /* -1: all */
	struct timespec since, until; /* zero: no limit */
};

typedef int og_logs_fn(void *data, const void *buf, size_t len);

/*
 * Writes a workload's log to @write as Docker streams it: in frames, or raw when it has a
 * terminal. Errors: those of @write; -EPIPE when @gone_fd is readable.
 */
int og_engine_logs_tty(struct og_engine *engine, const char *name, bool *ret_tty,
		       struct og_err *err);
int og_engine_logs(struct og_engine *engine, const char *name,
		   const struct og_logs_options *options, int gone_fd, og_logs_fn *write,
		   void *write_data, struct og_err *err);

/* ---- events ---- */

/* The number that the next event will have. */
uint64_t og_events_next(struct og_engine *engine);

/*
 * The event numbered *@number or the next one still remembered, and moves on. NULL: none yet. The
 * result is the caller's; *@ret_moment (nanoseconds since 1970) is when it happened.
 */
struct og_json *og_events_take(struct og_engine *engine, uint64_t *number, int64_t *ret_moment);

/* Tells of an image: "pull", "tag", "delete" ... */
void og_events_image(struct og_engine *engine, const char *action, const char *id,
		     const char *name);

/* ---- volumes ---- */

int og_volumes_list(struct og_engine *engine, struct og_json **ret_json, struct og_err *err);
int og_volumes_create(struct og_engine *engine, const char *name, struct og_json **ret_json,
		      struct og_err *err);
int og_volumes_inspect(struct og_engine *engine, const char *name, struct og_json **ret_json,
		       struct og_err *err);
int og_volumes_remove(struct og_engine *engine, const char *name, bool force, struct og_err *err);

/* For og_images_remove() and og_images_prune(). */
enum og_image_use og_engine_image_use(void *engine, const char *id, char ret_workload[13]);

/* After images were removed: lets go of the mounts of files that are gone. */
void og_engine_forget_images(struct og_engine *engine);

/* SPDX-License-Identifier: Apache-2.0 */
/* Private to engine/: what its files share. Locks: see engine.h. */
#pragma once

#include <pthread.h>
#include <sys/types.h>
#include <time.h>

#include "base/clock.h"
#include "base/loop.h"
#include "engine/engine.h"
#include "engine/mounts.h"
#include "format/docker_create.h"

#define ID_CHARS 64

enum og_phase {
	OG_PHASE_CREATED,
	OG_PHASE_RUNNING,
	OG_PHASE_PAUSED,
	OG_PHASE_RESTARTING,
	OG_PHASE_EXITED,
	OG_PHASE_REMOVING,
	OG_PHASE_COUNT,
};

/* A place a workload's folder is mounted from: Docker's MountPoint. */
struct og_mount_point {
	enum og_mount_type type;
	char *name; /* of a volume, else NULL */
	char *source;
	const char *target; /* borrowed from create */
	bool read_only;
	bool anonymous;
	const char *propagation;   /* borrowed, may be NULL */
	const char *tmpfs_options; /* borrowed, may be NULL */
};

/* One workload. What is above `op` never changes while it is in the list. */
struct og_record {
	struct og_engine *engine;
	char id[ID_CHARS + 1];
	char *image;	/* as it was asked for */
	char *image_id; /* "sha256:…" */
	char created[OG_CLOCK_TEXT_BYTES];
	struct og_json *body; /* complete: the image's part is in it */
	struct og_create
		*create; /* what an update changes of it: with op, and changed with the lock */
	struct og_mount_point *points;
	size_t point_count;

	pthread_mutex_t op;

	/* Guarded by engine->lock. */
	unsigned refs; /* the list's and everybody's who looks at it */
	char *name;
	struct og_json *updated; /* instead of body, once there was an update; NULL: none */
	enum og_phase phase;
	bool listed;	     /* found by name; else only those who hold it still know it */
	bool prepared;	     /* its monitor is there: attaching works */
	bool stop_requested; /* no restart */
	pid_t pid;
	int exit_status;
	bool oom_killed;
	char started_at[OG_CLOCK_TEXT_BYTES];
	char finished_at[OG_CLOCK_TEXT_BYTES];
	char error[256];
	uint64_t exits;	    /* how often it has ended, in this engine's time */
	uint64_t restarts;  /* RestartCount */
	unsigned attaching; /* places taken that are not connected yet */
};

struct og_exec {
	struct og_exec *next;
	char id[ID_CHARS + 1];
	struct og_record *record; /* a reference */
	struct og_json *body;
	bool tty, in, out, err;
	bool started, ended;
	int status;
	pid_t pid;
};

/* Enough for a client that looks back: `docker events --since`. */
#define EVENTS_MAX 1024

struct og_event {
	struct og_json *json;
	int64_t moment;
};

struct og_engine {
	struct og_engine_config config;
	int data_fd; /* data root */
	int exec_fd; /* exec root */
	struct og_images *images;
	struct og_mounts *mounts; /* of images */
	char *runtime;		  /* path of onggi-runtime */
	char *runtime_root;
	char *emulation;
	char *boot_id; /* of this boot: pids and monitors of another one mean nothing */

	pthread_t watcher; /* sees monitors end */
	bool watcher_started;
	struct og_loop *loop; /* the watcher's */
	int poke_fd;	      /* eventfd: something for the watcher */
	pthread_t chores;     /* restarts and removals */
	bool chores_started;
	pthread_cond_t chores_changed;

	pthread_mutex_t lock;
	struct og_record **records; /* oldest first */
	size_t count;
	struct og_exec *execs;
	size_t exec_count;
	struct og_watch *watches;
	struct og_event events[EVENTS_MAX]; /* number N is at N % EVENTS_MAX */
	uint64_t event_next;
	struct pending *pending; /* monitors to be watched */
	struct chore *chore_list;
	bool ending;
};

/* ---- record.c ---- */

struct og_record *og_record_new(struct og_engine *engine);
/* Reads DATA_ROOT/workloads/ID/workload.json. */
int og_record_load(struct og_engine *engine, const char *id, struct og_record **ret_record,
		   struct og_err *err);
/* Writes it. With engine->lock held. */
int og_record_save(struct og_record *record, struct og_err *err);
/* Only when nobody else holds it. */
struct og_record *og_record_free(struct og_record *record);
OG_DEFINE_CLEANUP(struct og_record, og_record_free)
/* As it is now; with op or the lock held. */
const struct og_json *og_record_body(const struct og_record *record);
const char *og_phase_name(enum og_phase phase);
/* Fills path (first of args) and the rest; values borrowed from create. */
const char *og_record_arg(const struct og_record *record, size_t index);
/* Opens (and makes, with @make) the workload's folder in the data or exec root. */
int og_record_data_dir(const struct og_record *record, bool make, struct og_err *err);
int og_record_exec_dir(const struct og_record *record, bool make, struct og_err *err);
char *og_record_data_path(const struct og_record *record, const char *below);
char *og_record_exec_path(const struct og_record *record, const char *below);

/* ---- table.c: the list ---- */

struct og_record *og_record_ref(struct og_record *record); /* with the lock held */
void og_record_unref(struct og_record *record); /* with the lock not held; accepts NULL */

static inline void og_record_unrefp(struct og_record **record)
{
	og_record_unref(*record);
}

#define og_auto_record og_cleanup(og_record_unrefp) struct og_record *

/* On success *@ret_record is a reference. */
int og_table_find(struct og_engine *engine, const char *name, struct og_record **ret_record,
		  struct og_err *err);
/* Puts it into the list (which takes a reference) unless its name is taken. */
int og_table_add(struct og_record *record, struct og_err *err);
void og_table_remove(struct og_record *record);
/* With the lock held: saves, and wakes all watches. */
void og_record_changed(struct og_record *record);
void og_engine_wake(struct og_engine *engine);	     /* with the lock held */
bool og_record_runs(const struct og_record *record); /* with the lock held */
void og_random_id(char ret_id[ID_CHARS + 1]);
int og_table_rename(struct og_record *record, const char *name, struct og_err *err);

/* ---- names.c ---- */

/* An adjective and a noun; the caller's. */
char *og_random_name(void);

/* ---- events.c ---- */

/* With the lock held. @extra: "exitCode" and such, or NULL pairs. */
void og_events_record(struct og_record *record, const char *action, const char *key,
		      const char *value);
void og_events_done(struct og_engine *engine);

/* ---- prepare.c ---- */

/* Writes bundle/config.json and all that it refers to; with op held. *@ret_lower_fd: the image's
 * mount, the caller's (-1 for a VM). */
int og_prepare(struct og_record *record, int exec_dir_fd, int data_dir_fd, int *ret_lower_fd,
	       struct og_err *err);
/* The process object of an exec. */
int og_prepare_exec(struct og_record *record, const struct og_json *body, char **ret_process,
		    struct og_err *err);
/* Makes the volumes that a new workload needs and fills points. */
int og_prepare_points(struct og_record *record, struct og_err *err);

/* ---- volumes.c ---- */

int og_volume_make(struct og_engine *engine, const char *name, bool anonymous, char **ret_path,
		   struct og_err *err);
/* Copies what the image has at @target into an empty volume. */
int og_volume_fill(struct og_engine *engine, const char *name, int image_fd, const char *target,
		   struct og_err *err);
bool og_volume_used(struct og_engine *engine, const char *name,
		    char ret_id[ID_CHARS + 1]); /* lock held */

/* ---- streams.c ---- */

void og_execs_done(struct og_engine *engine);

/* ---- inspect.c ---- */

/* Why VMs are emulated here, the caller's; NULL: they are not. */
char *og_find_emulation(struct og_engine *engine);

/* ---- control.c ---- */

#define OG_RUNTIME_WORDS_MAX 6

/*
 * Runs `onggi-runtime --root ROOT WORDS...` with @input (may be NULL: nothing) to read.
 * *@ret_output (may be NULL) is what it wrote, the caller's. Errors: -EREMOTEIO with its own line.
 */
int og_runtime_run(struct og_engine *engine, const char *const words[], const char *input,
		   char **ret_output, struct og_err *err);
/* Lets a paused workload go on; with op held. -EBUSY: it is not paused. */
int og_record_thaw(struct og_record *record, struct og_err *err);
/* Of one that an earlier engine said to be paused: whether it is. */
void og_record_look_paused(struct og_record *record);

/* ---- watcher.c ---- */

int og_watcher_start(struct og_engine *engine, struct og_err *err);
void og_watcher_stop(struct og_engine *engine);
/* Watches the monitor of a running workload from now on. */
int og_watcher_add(struct og_record *record, struct og_err *err);
/* Does something to a workload after @delay_ms in a thread of its own. Takes a reference. */
void og_chore_add(struct og_record *record, void (*run)(struct og_record *), uint64_t delay_ms);

/* ---- lifecycle.c, remove.c ---- */

/* The workload has ended: called once for each end, without locks. @exit NULL: its monitor was killed. */
struct og_monitor_exit;
void og_record_ended(struct og_record *record, const struct og_monitor_exit *exit);
/* Ends and removes what the runtime still has of a workload that no monitor holds. */
void og_runtime_delete(struct og_engine *engine, const char *id);
/* Something of ours failed: whatever the kernel called it, it is no answer about the request. */
int og_fail_inside(struct og_err *err, int code);
/* It is not to be restarted. */
void og_request_stop(struct og_record *record);
/* Ends one that runs, by SIGKILL. */
int og_kill_and_wait(struct og_record *record, struct og_err *err);
/* For og_chore_add(). */
void og_restart_chore(struct og_record *record);
void og_remove_chore(struct og_record *record);
/* Removes folders and what the runtime may still have. */
void og_record_clean(struct og_record *record);
/* Removes a record that does not run; with op held. */
int og_record_remove(struct og_record *record, bool volumes, struct og_err *err);
/* Takes up a record that an earlier engine left. */
void og_record_recover(struct og_record *record);
void og_engine_report(struct og_engine *engine, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

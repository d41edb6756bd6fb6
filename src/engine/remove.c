/* SPDX-License-Identifier: Apache-2.0 */
/* Renaming, removing, and taking up what an earlier engine left. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "engine/internal.h"

int og_engine_rename(struct og_engine *engine, const char *name, const char *new_name,
		     struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	if (*new_name == '/')
		new_name++;
	if (!og_name_is_valid(new_name))
		return og_fail(err, -EINVAL,
			       "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are "
			       "allowed",
			       new_name);
	return og_table_rename(record, new_name, err);
}

/* ---- remove ---- */

/* A helper whose parent was killed may still write a file into the folder while it goes. */
#define REMOVE_TRIES_MAX 100
#define REMOVE_AGAIN_MS	 20

static void remove_folder(int root_fd, const char *id, struct og_engine *engine)
{
	og_auto_fd parent_fd = og_open_beneath(root_fd, "workloads", O_RDONLY | O_DIRECTORY, 0);
	struct og_err err = {};
	int r = parent_fd < 0 ? 0 : og_remove_tree(parent_fd, id, &err);

	for (int tries = 0; r < 0 && tries < REMOVE_TRIES_MAX; tries++) {
		(void)poll(NULL, 0, REMOVE_AGAIN_MS);
		r = og_remove_tree(parent_fd, id, &err);
	}
	if (r < 0)
		og_engine_report(engine, "remove workload %.12s: %s", id, err.text);
}

void og_record_clean(struct og_record *record)
{
	remove_folder(record->engine->exec_fd, record->id, record->engine);
	remove_folder(record->engine->data_fd, record->id, record->engine);
}

static void remove_volumes(struct og_record *record)
{
	for (size_t i = 0; i < record->point_count; i++) {
		struct og_mount_point *point = &record->points[i];
		og_auto_free char *name = NULL;

		if (!point->anonymous)
			continue;
		/* No longer this workload's, or it would be in use. */
		(void)pthread_mutex_lock(&record->engine->lock);
		name = og_take_ptr(point->name);
		(void)pthread_mutex_unlock(&record->engine->lock);
		if (name != NULL)
			(void)og_volumes_remove(record->engine, name, true, NULL);
	}
}

int og_record_remove(struct og_record *record, bool volumes, struct og_err *err)
{
	struct og_engine *engine = record->engine;
	bool running;

	(void)pthread_mutex_lock(&engine->lock);
	running = og_record_runs(record);
	if (!running && record->listed) {
		record->phase = OG_PHASE_REMOVING;
		og_record_changed(record);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	if (running)
		return og_fail(
			err, -EBUSY,
			"You cannot remove a running container %s. Stop the container before "
			"attempting removal or force remove",
			record->id);
	if (!record->listed)
		return 0;
	og_runtime_delete(engine, record->id);
	og_record_clean(record);
	if (volumes)
		remove_volumes(record);
	(void)pthread_mutex_lock(&engine->lock);
	og_events_record(record, "destroy", NULL, NULL);
	(void)pthread_mutex_unlock(&engine->lock);
	og_table_remove(record);
	return 0;
}

int og_engine_remove(struct og_engine *engine, const char *name, bool force, bool volumes,
		     struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	if (force) {
		og_request_stop(record);
		r = og_kill_and_wait(record, err);
	}
	if (r == 0)
		r = og_record_remove(record, volumes, err);
	(void)pthread_mutex_unlock(&record->op);
	return r;
}

void og_remove_chore(struct og_record *record)
{
	struct og_err err = {};

	(void)pthread_mutex_lock(&record->op);
	if (og_record_remove(record, true, &err) < 0)
		og_engine_report(record->engine, "remove workload %.12s: %s", record->id, err.text);
	(void)pthread_mutex_unlock(&record->op);
}

/* ---- after a restart of the engine ---- */

void og_record_recover(struct og_record *record)
{
	struct og_engine *engine = record->engine;
	bool ran = og_record_runs(record);
	struct og_err err = {};
	int r = ran ? og_watcher_add(record, &err) : -ENOENT;

	if (r == 0) {
		record->prepared = true;
		og_record_look_paused(record);
		return;
	}
	if (ran) {
		og_record_ended(record, NULL);
		return;
	}
	/* Created, and perhaps in the midst of its start. */
	if (record->pid != 0 || record->phase == OG_PHASE_CREATED)
		og_runtime_delete(engine, record->id);
	if (record->phase == OG_PHASE_REMOVING ||
	    (record->create->auto_remove && record->phase == OG_PHASE_EXITED)) {
		og_chore_add(record, og_remove_chore, 0);
	} else if (record->phase == OG_PHASE_RESTARTING ||
		   (record->phase == OG_PHASE_EXITED && !record->stop_requested &&
		    og_streq(record->create->restart_policy, "always"))) {
		record->phase = OG_PHASE_RESTARTING;
		og_chore_add(record, og_restart_chore, 0);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Other limits, and another restart policy, for a workload that exists. */
#include "base/text.h"
#include "engine/internal.h"
#include "engine/spec.h"
#include "format/docker_update.h"

/* How things stand, for the whole update: with op held nothing starts, and an end does no harm. */
static int check_phase(struct og_record *record, bool *ret_runs, struct og_err *err)
{
	bool removing;

	(void)pthread_mutex_lock(&record->engine->lock);
	removing = !record->listed || record->phase == OG_PHASE_REMOVING;
	*ret_runs = og_record_runs(record);
	(void)pthread_mutex_unlock(&record->engine->lock);
	if (removing)
		return og_fail(err, -EBUSY,
			       "container is marked for removal and cannot be \"update\"");
	return 0;
}

static int change_limits(struct og_record *record, const struct og_create *create,
			 struct og_err *err)
{
	const char *words[] = { "update", "--resources", "-", record->id, NULL };
	og_cleanup(og_json_freep) struct og_json *limits = og_spec_limits(create);
	struct og_json *memory = og_json_get(limits, "memory");
	og_auto_free char *text = NULL;

	if (og_streq(create->isolation, "vm"))
		return og_fail(err, -ENOSYS,
			       "limits of a running VM cannot be changed yet: stop it first");
	/* Of create alone. */
	og_json_unset(memory, "swappiness");
	og_json_unset(memory, "disableOOMKiller");
	text = og_json_write(limits);
	return og_runtime_run(record->engine, words, text, NULL, err);
}

/* With op held, so that nobody reads what create borrows from the document before this one. */
static void keep(struct og_record *record, struct og_update *update)
{
	struct og_json *before;

	(void)pthread_mutex_lock(&record->engine->lock);
	before = record->updated;
	record->updated = og_take_ptr(update->body);
	og_update_apply(record->create, update->create);
	og_events_record(record, "update", NULL, NULL);
	og_record_changed(record);
	(void)pthread_mutex_unlock(&record->engine->lock);
	(void)og_json_free(before);
}

static int update_record(struct og_record *record, const struct og_json *asked, struct og_err *err)
{
	og_cleanup(og_update_done) struct og_update update = {};
	bool running;
	int r = check_phase(record, &running, err);

	if (r == 0)
		r = og_update_read(og_record_body(record), asked, &update, err);
	if (r == 0 && running && update.limits)
		r = change_limits(record, update.create, err);
	if (r < 0)
		return og_fail_in(err, r, "Cannot update container %s", record->id);
	keep(record, &update);
	return 0;
}

int og_engine_update(struct og_engine *engine, const char *name, const struct og_json *asked,
		     struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = update_record(record, asked, err);
	(void)pthread_mutex_unlock(&record->op);
	return r;
}

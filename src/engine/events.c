/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, as `docker events` tells it; the last EVENTS_MAX are remembered. */
#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

/* With the lock held. @attributes is taken over. */
static void add(struct og_engine *engine, const char *type, const char *action, const char *id,
		const char *from, struct og_json *attributes)
{
	struct og_event *event = &engine->events[engine->event_next % EVENTS_MAX];
	struct og_json *json = og_json_new_object();
	struct og_json *actor = og_json_new_object();
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	event->moment = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	/* "status", "id" and "from" are what older clients read. */
	og_json_set_string(json, "status", action);
	og_json_set_string(json, "id", id);
	if (from != NULL)
		og_json_set_string(json, "from", from);
	og_json_set_string(json, "Type", type);
	og_json_set_string(json, "Action", action);
	og_json_set_string(actor, "ID", id);
	og_json_set(actor, "Attributes", attributes);
	og_json_set(json, "Actor", actor);
	og_json_set_string(json, "scope", "local");
	og_json_set_int(json, "time", now.tv_sec);
	og_json_set_int(json, "timeNano", event->moment);
	(void)og_json_free(event->json);
	event->json = json;
	engine->event_next++;
	og_engine_wake(engine);
}

void og_events_record(struct og_record *record, const char *action, const char *key,
		      const char *value)
{
	const struct og_json *labels = record->create->labels;
	struct og_json *attributes = labels == NULL ? og_json_new_object() : og_json_copy(labels);

	og_json_set_string(attributes, "image", record->image);
	og_json_set_string(attributes, "name", record->name);
	if (key != NULL)
		og_json_set_string(attributes, key, value);
	add(record->engine, "container", action, record->id, record->image, attributes);
}

void og_events_image(struct og_engine *engine, const char *action, const char *id, const char *name)
{
	struct og_json *attributes = og_json_new_object();

	og_json_set_string(attributes, "name", name);
	(void)pthread_mutex_lock(&engine->lock);
	add(engine, "image", action, id, NULL, attributes);
	(void)pthread_mutex_unlock(&engine->lock);
}

void og_events_done(struct og_engine *engine)
{
	for (size_t i = 0; i < EVENTS_MAX; i++)
		engine->events[i].json = og_json_free(engine->events[i].json);
}

uint64_t og_events_next(struct og_engine *engine)
{
	uint64_t next;

	(void)pthread_mutex_lock(&engine->lock);
	next = engine->event_next;
	(void)pthread_mutex_unlock(&engine->lock);
	return next;
}

struct og_json *og_events_take(struct og_engine *engine, uint64_t *number, int64_t *ret_moment)
{
	struct og_json *copy = NULL;

	(void)pthread_mutex_lock(&engine->lock);
	if (*number + EVENTS_MAX < engine->event_next)
		*number = engine->event_next - EVENTS_MAX;
	if (*number < engine->event_next) {
		const struct og_event *event = &engine->events[*number % EVENTS_MAX];

		copy = og_json_copy(event->json);
		*ret_moment = event->moment;
		(*number)++;
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return copy;
}

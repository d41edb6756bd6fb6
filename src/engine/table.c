/* SPDX-License-Identifier: Apache-2.0 */
/* The list of workloads, and who is told of its changes. */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/grow.h"
#include "base/text.h"
#include "engine/internal.h"

struct og_watch {
	struct og_watch *next;
	struct og_engine *engine;
	int fd;
};

struct og_record *og_record_ref(struct og_record *record)
{
	record->refs++;
	return record;
}

void og_record_unref(struct og_record *record)
{
	struct og_engine *engine;
	bool last;

	if (record == NULL)
		return;
	engine = record->engine;
	(void)pthread_mutex_lock(&engine->lock);
	last = --record->refs == 0;
	(void)pthread_mutex_unlock(&engine->lock);
	if (last)
		(void)og_record_free(record);
}

bool og_record_runs(const struct og_record *record)
{
	return record->phase == OG_PHASE_RUNNING || record->phase == OG_PHASE_PAUSED;
}

/* With the lock held. */
static struct og_record *by_name(struct og_engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->count; i++) {
		if (og_streq(engine->records[i]->name, name))
			return engine->records[i];
	}
	return NULL;
}

/* With the lock held. The only one whose ID begins with @prefix; *ret_many: there are several. */
static struct og_record *by_prefix(struct og_engine *engine, const char *prefix, bool *ret_many)
{
	struct og_record *found = NULL;

	if (*prefix == '\0')
		return NULL;
	for (size_t i = 0; i < engine->count; i++) {
		if (!og_starts_with(engine->records[i]->id, prefix))
			continue;
		if (found != NULL) {
			*ret_many = true;
			return NULL;
		}
		found = engine->records[i];
	}
	return found;
}

int og_table_find(struct og_engine *engine, const char *name, struct og_record **ret_record,
		  struct og_err *err)
{
	const char *bare = *name == '/' ? name + 1 : name;
	struct og_record *record;
	bool many = false;

	(void)pthread_mutex_lock(&engine->lock);
	record = by_name(engine, bare);
	if (record == NULL)
		record = by_prefix(engine, name, &many);
	if (record != NULL)
		*ret_record = og_record_ref(record);
	(void)pthread_mutex_unlock(&engine->lock);
	if (many)
		return og_fail(err, -EINVAL, "multiple IDs found with provided prefix: %s", name);
	return record == NULL ? og_fail(err, -ENOENT, "No such container: %s", name) : 0;
}

static int name_taken(const struct og_record *other, const char *name, struct og_err *err)
{
	return og_fail(err, -EEXIST,
		       "Conflict. The container name \"/%s\" is already in use by container "
		       "\"%s\". You have to remove (or rename) that container to be able to reuse "
		       "that name.",
		       name, other->id);
}

/* With the lock held. */
static int add_locked(struct og_record *record, struct og_err *err)
{
	struct og_engine *engine = record->engine;
	const struct og_record *other = by_name(engine, record->name);

	if (other != NULL)
		return name_taken(other, record->name, err);
	if (engine->count == OG_WORKLOADS_MAX)
		return og_fail(err, -EBUSY, "there are %u workloads already: remove some",
			       OG_WORKLOADS_MAX);
	if (og_grow(engine->records, engine->count) < 0)
		return og_fail(err, -ENOMEM, "add workload");
	engine->records[engine->count++] = og_record_ref(record);
	record->listed = true;
	return 0;
}

int og_table_add(struct og_record *record, struct og_err *err)
{
	int r;

	(void)pthread_mutex_lock(&record->engine->lock);
	r = add_locked(record, err);
	(void)pthread_mutex_unlock(&record->engine->lock);
	return r;
}

void og_table_remove(struct og_record *record)
{
	struct og_engine *engine = record->engine;
	bool found = false;

	(void)pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->count; i++) {
		if (engine->records[i] == record)
			found = true;
		else if (found)
			engine->records[i - 1] = engine->records[i];
	}
	if (found)
		engine->count--;
	record->listed = false;
	og_engine_wake(engine);
	(void)pthread_mutex_unlock(&engine->lock);
	if (found)
		og_record_unref(record);
}

int og_table_rename(struct og_record *record, const char *name, struct og_err *err)
{
	struct og_engine *engine = record->engine;
	og_auto_free char *copy = strdup(name);
	const struct og_record *other;
	char *old;
	int r = 0;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "rename");
	(void)pthread_mutex_lock(&engine->lock);
	other = by_name(engine, name);
	if (other != NULL) {
		r = name_taken(other, name, err);
	} else {
		old = record->name;
		record->name = og_take_ptr(copy);
		copy = old;
		og_events_record(record, "rename", "oldName", old);
		og_record_changed(record);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return r;
}

void og_record_changed(struct og_record *record)
{
	struct og_err err = {};

	if (record->listed && og_record_save(record, &err) < 0)
		og_engine_report(record->engine, "workload %.12s: %s", record->id, err.text);
	og_engine_wake(record->engine);
}

/* ---- watches ---- */

int og_watch_new(struct og_engine *engine, struct og_watch **ret_watch, struct og_err *err)
{
	struct og_watch *watch = malloc(sizeof(*watch));

	if (watch == NULL)
		return og_fail(err, -ENOMEM, "watch for changes");
	*watch = (struct og_watch){
		.engine = engine,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (watch->fd < 0) {
		int code = -errno;

		free(watch);
		return og_fail(err, code, "watch for changes");
	}
	(void)pthread_mutex_lock(&engine->lock);
	watch->next = engine->watches;
	engine->watches = watch;
	(void)pthread_mutex_unlock(&engine->lock);
	*ret_watch = watch;
	return 0;
}

struct og_watch *og_watch_free(struct og_watch *watch)
{
	if (watch == NULL)
		return NULL;
	(void)pthread_mutex_lock(&watch->engine->lock);
	for (struct og_watch **at = &watch->engine->watches; *at != NULL; at = &(*at)->next) {
		if (*at == watch) {
			*at = watch->next;
			break;
		}
	}
	(void)pthread_mutex_unlock(&watch->engine->lock);
	og_close(watch->fd);
	free(watch);
	return NULL;
}

int og_watch_fd(const struct og_watch *watch)
{
	return watch->fd;
}

void og_watch_clear(struct og_watch *watch)
{
	eventfd_t count;

	(void)eventfd_read(watch->fd, &count);
}

int og_watch_wait(struct og_watch *watch, int gone_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = watch->fd, .events = POLLIN },
		{ .fd = gone_fd, .events = POLLIN }, /* -1 is passed over */
	};
	int n;

	do {
		n = poll(fds, 2, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (fds[1].revents != 0)
		return -EPIPE;
	og_watch_clear(watch);
	return 0;
}

void og_engine_wake(struct og_engine *engine)
{
	for (const struct og_watch *watch = engine->watches; watch != NULL; watch = watch->next)
		(void)eventfd_write(watch->fd, 1);
}

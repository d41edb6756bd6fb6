/* SPDX-License-Identifier: Apache-2.0 */
/* One workload and its file, workload.json. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/internal.h"

/* A create body is at most 1 MiB, and an image's configuration 4 MiB. */
#define RECORD_MAX_BYTES (16U * 1024U * 1024U)

#define RECORD_VERSION 1

static const char *const phase_names[OG_PHASE_COUNT] = {
	[OG_PHASE_CREATED] = "created", [OG_PHASE_RUNNING] = "running",
	[OG_PHASE_PAUSED] = "paused",	[OG_PHASE_RESTARTING] = "restarting",
	[OG_PHASE_EXITED] = "exited",	[OG_PHASE_REMOVING] = "removing",
};

static const char *const type_names[] = {
	[OG_MOUNT_BIND] = "bind",
	[OG_MOUNT_VOLUME] = "volume",
	[OG_MOUNT_TMPFS] = "tmpfs",
};

const char *og_phase_name(enum og_phase phase)
{
	return phase_names[phase];
}

const struct og_json *og_record_body(const struct og_record *record)
{
	return record->updated != NULL ? record->updated : record->body;
}

struct og_record *og_record_new(struct og_engine *engine)
{
	struct og_record *record = calloc(1, sizeof(*record));

	if (record == NULL)
		return NULL;
	record->engine = engine;
	record->refs = 1;
	(void)pthread_mutex_init(&record->op, NULL);
	og_clock_now(record->created);
	(void)strcpy(record->started_at, OG_CLOCK_NEVER);
	(void)strcpy(record->finished_at, OG_CLOCK_NEVER);
	return record;
}

struct og_record *og_record_free(struct og_record *record)
{
	if (record == NULL)
		return NULL;
	for (size_t i = 0; i < record->point_count; i++) {
		free(record->points[i].name);
		free(record->points[i].source);
	}
	free(record->points);
	(void)og_create_free(record->create);
	(void)og_json_free(record->body);
	(void)og_json_free(record->updated);
	(void)pthread_mutex_destroy(&record->op);
	free(record->image);
	free(record->image_id);
	free(record->name);
	free(record);
	return NULL;
}

/* Entrypoint and then Cmd; NULL behind the last. An entrypoint of [""] is none. */
const char *og_record_arg(const struct og_record *record, size_t index)
{
	const struct og_json *entrypoint = record->create->entrypoint;
	size_t count = og_json_count(entrypoint);

	if (count == 1 && *og_json_string(og_json_at(entrypoint, 0), "") == '\0')
		count = 0;
	if (index < count)
		return og_json_string(og_json_at(entrypoint, index), "");
	index -= count;
	if (index >= og_json_count(record->create->cmd))
		return NULL;
	return og_json_string(og_json_at(record->create->cmd, index), "");
}

/* ---- folders ---- */

static int open_dir(int root_fd, const struct og_record *record, bool make, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("workloads/%s", record->id);
	int fd;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "open workload's folder");
	if (make && mkdirat(root_fd, path, 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make folder of workload %.12s", record->id);
	fd = og_open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? og_fail(err, fd, "open folder of workload %.12s", record->id) : fd;
}

int og_record_data_dir(const struct og_record *record, bool make, struct og_err *err)
{
	return open_dir(record->engine->data_fd, record, make, err);
}

int og_record_exec_dir(const struct og_record *record, bool make, struct og_err *err)
{
	return open_dir(record->engine->exec_fd, record, make, err);
}

static char *path_of(const char *root, const struct og_record *record, const char *below)
{
	return og_strdupf("%s/workloads/%s%s%s", root, record->id, *below == '\0' ? "" : "/",
			  below);
}

char *og_record_data_path(const struct og_record *record, const char *below)
{
	return path_of(record->engine->config.data_root, record, below);
}

char *og_record_exec_path(const struct og_record *record, const char *below)
{
	return path_of(record->engine->config.exec_root, record, below);
}

/* ---- workload.json ---- */

static struct og_json *points_json(const struct og_record *record)
{
	struct og_json *list = og_json_new_array();

	for (size_t i = 0; i < record->point_count; i++) {
		const struct og_mount_point *point = &record->points[i];
		struct og_json *item = og_json_new_object();

		og_json_set_string(item, "type", type_names[point->type]);
		if (point->name != NULL)
			og_json_set_string(item, "name", point->name);
		if (point->source != NULL)
			og_json_set_string(item, "source", point->source);
		og_json_set_string(item, "target", point->target);
		og_json_set_bool(item, "anonymous", point->anonymous);
		og_json_push(list, item);
	}
	return list;
}

static struct og_json *record_json(const struct og_record *record)
{
	struct og_json *json = og_json_new_object();

	og_json_set_int(json, "version", RECORD_VERSION);
	og_json_set_string(json, "id", record->id);
	og_json_set_string(json, "name", record->name);
	og_json_set_string(json, "image", record->image);
	og_json_set_string(json, "image_id", record->image_id);
	og_json_set_string(json, "created", record->created);
	og_json_set_string(json, "boot_id", record->engine->boot_id);
	og_json_set_string(json, "phase", og_phase_name(record->phase));
	og_json_set_bool(json, "stop_requested", record->stop_requested);
	og_json_set_int(json, "pid", record->pid);
	og_json_set_int(json, "exit_status", record->exit_status);
	og_json_set_bool(json, "oom_killed", record->oom_killed);
	og_json_set_string(json, "started_at", record->started_at);
	og_json_set_string(json, "finished_at", record->finished_at);
	og_json_set_string(json, "error", record->error);
	og_json_set_int(json, "restarts", (int64_t)record->restarts);
	og_json_set(json, "points", points_json(record));
	og_json_set(json, "body", og_json_copy(og_record_body(record)));
	return json;
}

int og_record_save(struct og_record *record, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = record_json(record);
	og_auto_free char *text = og_json_write(json);
	og_auto_fd dir_fd = og_record_data_dir(record, false, err);

	if (dir_fd < 0)
		return dir_fd;
	/* What goes when it ends, or with the power, need not reach the disk. */
	return og_replace_file(dir_fd, "workload.json", text, strlen(text), 0600,
			       !record->create->auto_remove && !og_record_runs(record), err);
}

static enum og_phase parse_phase(const char *name)
{
	for (enum og_phase phase = 0; phase < OG_PHASE_COUNT; phase++) {
		if (og_streq(name, phase_names[phase]))
			return phase;
	}
	return OG_PHASE_EXITED;
}

static void read_text(const struct og_json *json, const char *key, char *to, size_t room)
{
	const char *text = og_json_string(og_json_get(json, key), "");

	if (strlen(text) < room)
		memcpy(to, text, strlen(text) + 1);
}

static char *dup_text(const struct og_json *json, const char *key)
{
	const char *text = og_json_string(og_json_get(json, key), NULL);

	return text == NULL ? NULL : strdup(text);
}

static const struct og_create_mount *mount_at(const struct og_create *create, const char *target)
{
	for (size_t i = 0; i < create->mount_count; i++) {
		if (og_streq(create->mounts[i].target, target))
			return &create->mounts[i];
	}
	return NULL;
}

static int read_points(struct og_record *record, const struct og_json *list)
{
	record->points = calloc(og_json_count(list) + 1, sizeof(*record->points));
	if (record->points == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *item = og_json_at(list, i);
		const char *target = og_json_string(og_json_get(item, "target"), "");
		const struct og_create_mount *mount = mount_at(record->create, target);

		if (mount == NULL)
			return -EINVAL;
		record->points[record->point_count++] = (struct og_mount_point){
			.type = mount->type,
			.name = dup_text(item, "name"),
			.source = dup_text(item, "source"),
			.target = mount->target,
			.read_only = mount->read_only,
			.anonymous = og_json_bool(og_json_get(item, "anonymous"), false),
			.propagation = mount->propagation,
			.tmpfs_options = mount->tmpfs_options,
		};
	}
	return 0;
}

static void read_state(struct og_record *record, const struct og_json *json)
{
	record->phase = parse_phase(og_json_string(og_json_get(json, "phase"), ""));
	record->stop_requested = og_json_bool(og_json_get(json, "stop_requested"), false);
	record->exit_status = (int)og_json_int(og_json_get(json, "exit_status"), 0);
	record->oom_killed = og_json_bool(og_json_get(json, "oom_killed"), false);
	record->restarts = (uint64_t)og_json_int(og_json_get(json, "restarts"), 0);
	read_text(json, "created", record->created, sizeof(record->created));
	read_text(json, "started_at", record->started_at, sizeof(record->started_at));
	read_text(json, "finished_at", record->finished_at, sizeof(record->finished_at));
	read_text(json, "error", record->error, sizeof(record->error));
	/* A pid of another boot is another process. */
	if (og_streq(og_json_string(og_json_get(json, "boot_id"), ""), record->engine->boot_id))
		record->pid = (pid_t)og_json_int(og_json_get(json, "pid"), 0);
}

static int fill_record(struct og_record *record, const struct og_json *json, struct og_err *err)
{
	int r;

	if (og_json_int(og_json_get(json, "version"), 0) != RECORD_VERSION)
		return og_fail(err, -EUCLEAN, "it is of another version");
	record->name = dup_text(json, "name");
	record->image = dup_text(json, "image");
	record->image_id = dup_text(json, "image_id");
	record->body = og_json_copy(og_json_get(json, "body"));
	if (record->name == NULL || record->image == NULL || record->image_id == NULL)
		return og_fail(err, -EUCLEAN, "it is damaged");
	r = og_create_decode(record->body, &record->create, err);
	if (r < 0)
		return r;
	read_state(record, json);
	r = read_points(record, og_json_get(json, "points"));
	return r < 0 ? og_fail(err, r, "it is damaged") : 0;
}

int og_record_load(struct og_engine *engine, const char *id, struct og_record **ret_record,
		   struct og_err *err)
{
	og_cleanup(og_record_freep) struct og_record *record = og_record_new(engine);
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	og_auto_free char *text = NULL;
	og_auto_fd dir_fd = -EBADF;
	size_t len;
	int r;

	if (record == NULL)
		return og_fail(err, -ENOMEM, "load workload");
	if (strlen(id) != ID_CHARS)
		return og_fail(err, -EUCLEAN, "'%s' is no workload's folder", id);
	memcpy(record->id, id, ID_CHARS + 1);
	dir_fd = og_record_data_dir(record, false, err);
	if (dir_fd < 0)
		return dir_fd;
	r = og_read_file(dir_fd, "workload.json", RECORD_MAX_BYTES, &text, &len, err);
	if (r == 0)
		r = og_json_parse(text, len, &json, err);
	if (r == 0)
		r = fill_record(record, json, err);
	if (r < 0)
		return og_fail_in(err, r, "workload %.12s", id);
	*ret_record = og_take_ptr(record);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/install.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/gate.h"
#include "engine/internal.h"

/* "/workloads/", 64 digits, "/monitor.sock" and the NUL must fit in 108 bytes of a socket's name;
 * monitors change into the folder first, so this is only for people's sake. */
#define EXEC_ROOT_MAX 4000

struct og_images *og_engine_images(struct og_engine *engine)
{
	return engine->images;
}

const struct og_engine_config *og_engine_config(const struct og_engine *engine)
{
	return &engine->config;
}

const char *og_engine_emulation(struct og_engine *engine)
{
	return engine->emulation;
}

/* ---- folders ---- */

/* Makes @path and its parents; it must be ours alone (A22). */
static int open_root(const char *path, struct og_err *err)
{
	og_auto_fd root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd path_fd = -EBADF;
	struct stat st;
	int fd, r;

	if (*path != '/' || strlen(path) > EXEC_ROOT_MAX)
		return og_fail(err, -EINVAL, "'%s' must be an absolute path", path);
	if (root_fd < 0)
		return og_fail(err, -errno, "open /");
	r = og_mkdirs_in_root(root_fd, path, 0700, &path_fd, err);
	if (r < 0)
		return r;
	fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 0022) != 0) {
		og_close(fd);
		return og_fail(err, -EPERM, "'%s' must belong to us and be writable by nobody else",
			       path);
	}
	(void)fchmod(fd, 0711 & st.st_mode);
	return fd;
}

/* One process an exec root, too: what runs there and is not ours is taken for a leftover. */
static int lock_exec_root(const struct og_engine *engine, struct og_err *err)
{
	if (flock(engine->exec_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return og_fail_plain(
			err, -EBUSY,
			"exec root '%s': another onggid has it; end that one, or use another --exec-root",
			engine->config.exec_root);
	return og_fail(err, -errno, "lock exec root '%s'", engine->config.exec_root);
}

static int make_dirs(int root_fd, const char *const names[], struct og_err *err)
{
	for (; *names != NULL; names++) {
		if (mkdirat(root_fd, *names, 0700) < 0 && errno != EEXIST)
			return og_fail(err, -errno, "make folder '%s'", *names);
	}
	return 0;
}

static int open_roots(struct og_engine *engine, struct og_err *err)
{
	static const char *const data_names[] = { "workloads", "volumes", NULL };
	static const char *const exec_names[] = { "workloads", "runtime", NULL };
	int r;

	engine->data_fd = open_root(engine->config.data_root, err);
	if (engine->data_fd < 0)
		return engine->data_fd;
	engine->exec_fd = open_root(engine->config.exec_root, err);
	if (engine->exec_fd < 0)
		return engine->exec_fd;
	r = lock_exec_root(engine, err);
	if (r < 0)
		return r;
	r = make_dirs(engine->data_fd, data_names, err);
	return r < 0 ? r : make_dirs(engine->exec_fd, exec_names, err);
}

/* ---- what an earlier engine left ---- */

typedef void found_fn(struct og_engine *engine, const char *name);

static void each_entry(struct og_engine *engine, int root_fd, const char *path, found_fn *found)
{
	int fd = og_open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		og_close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			found(engine, entry->d_name);
	}
	(void)closedir(dir);
}

static void remove_entry(struct og_engine *engine, int root_fd, const char *path, const char *name)
{
	og_auto_fd dir_fd = og_open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	struct og_err err = {};

	if (dir_fd >= 0 && og_remove_tree(dir_fd, name, &err) < 0)
		og_engine_report(engine, "clean up: %s", err.text);
}

static bool is_known(struct og_engine *engine, const char *id)
{
	for (size_t i = 0; i < engine->count; i++) {
		if (og_streq(engine->records[i]->id, id))
			return true;
	}
	return false;
}

/* A folder of DATA_ROOT/workloads. One without a record was being made, or removed. */
static void load_one(struct og_engine *engine, const char *id)
{
	struct og_record *record;
	struct og_err err = {};

	if (og_record_load(engine, id, &record, &err) < 0) {
		og_engine_report(engine, "%s; it is removed", err.text);
		og_runtime_delete(engine, id);
		remove_entry(engine, engine->data_fd, "workloads", id);
		return;
	}
	if (og_table_add(record, &err) < 0)
		og_engine_report(engine, "workload %.12s: %s", id, err.text);
	og_record_unref(record);
}

static void drop_unknown_run(struct og_engine *engine, const char *id)
{
	if (!is_known(engine, id))
		og_runtime_delete(engine, id);
}

static void drop_unknown_folder(struct og_engine *engine, const char *id)
{
	if (!is_known(engine, id))
		remove_entry(engine, engine->exec_fd, "workloads", id);
}

static int by_age(const void *a, const void *b)
{
	const struct og_record *const *one = a, *const *other = b;

	return strcmp((*one)->created, (*other)->created);
}

static void recover(struct og_engine *engine)
{
	each_entry(engine, engine->data_fd, "workloads", load_one);
	if (engine->count > 1)
		qsort(engine->records, engine->count, sizeof(struct og_record *), by_age);
	each_entry(engine, engine->exec_fd, "runtime", drop_unknown_run);
	each_entry(engine, engine->exec_fd, "workloads", drop_unknown_folder);
	for (size_t i = 0; i < engine->count; i++)
		og_record_recover(engine->records[i]);
}

/* ---- open and close ---- */

static int read_boot_id(char **ret_id, struct og_err *err)
{
	size_t len;
	int r = og_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, ret_id, &len, err);

	if (r == 0)
		(*ret_id)[strcspn(*ret_id, "\n")] = '\0';
	return r;
}

static int open_parts(struct og_engine *engine, struct og_err *err)
{
	int r = open_roots(engine, err);

	if (r == 0)
		r = read_boot_id(&engine->boot_id, err);
	if (r == 0)
		r = og_install_path("bin/onggi-runtime", &engine->runtime, err);
	if (r < 0)
		return r;
	engine->runtime_root = og_strdupf("%s/runtime", engine->config.exec_root);
	if (engine->runtime_root == NULL)
		return og_fail(err, -ENOMEM, "open engine");
	r = og_images_open(engine->data_fd, &engine->images, err);
	if (r < 0)
		return og_fail_in(err, r, "data root '%s'", engine->config.data_root);
	r = og_mounts_new(engine->data_fd, &engine->mounts, err);
	if (r == 0)
		r = og_watcher_start(engine, err);
	return r;
}

int og_engine_open(const struct og_engine_config *config, struct og_engine **ret_engine,
		   struct og_err *err)
{
	og_cleanup(og_engine_freep) struct og_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (engine == NULL)
		return og_fail(err, -ENOMEM, "open engine");
	engine->config = *config;
	engine->data_fd = engine->exec_fd = engine->poke_fd = -EBADF;
	(void)pthread_mutex_init(&engine->lock, NULL);
	r = open_parts(engine, err);
	if (r < 0)
		return r;
	engine->emulation = og_find_emulation(engine);
	og_engine_gate_check(engine);
	recover(engine);
	*ret_engine = og_take_ptr(engine);
	return 0;
}

struct og_engine *og_engine_free(struct og_engine *engine)
{
	if (engine == NULL)
		return NULL;
	og_watcher_stop(engine);
	og_execs_done(engine);
	for (size_t i = 0; i < engine->count; i++)
		og_record_unref(engine->records[i]);
	free(engine->records);
	og_events_done(engine);
	(void)og_mounts_free(engine->mounts);
	(void)og_images_free(engine->images);
	og_close(engine->data_fd);
	og_close(engine->exec_fd);
	free(engine->runtime);
	free(engine->runtime_root);
	free(engine->emulation);
	free(engine->boot_id);
	(void)pthread_mutex_destroy(&engine->lock);
	free(engine);
	return NULL;
}

/* ---- for the image store ---- */

enum og_image_use og_engine_image_use(void *data, const char *id, char ret_workload[13])
{
	struct og_engine *engine = data;
	enum og_image_use use = OG_IMAGE_UNUSED;

	(void)pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->count && use != OG_IMAGE_USED_RUNNING; i++) {
		const struct og_record *record = engine->records[i];

		if (!og_streq(record->image_id, id))
			continue;
		use = og_record_runs(record) ? OG_IMAGE_USED_RUNNING : OG_IMAGE_USED_STOPPED;
		(void)snprintf(ret_workload, 13, "%.12s", record->id);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return use;
}

void og_engine_forget_images(struct og_engine *engine)
{
	og_mounts_forget(engine->mounts);
}

void og_engine_count(struct og_engine *engine, struct og_engine_counts *ret_counts)
{
	struct og_engine_counts counts = {};

	(void)pthread_mutex_lock(&engine->lock);
	counts.all = engine->count;
	for (size_t i = 0; i < engine->count; i++) {
		if (engine->records[i]->phase == OG_PHASE_PAUSED)
			counts.paused++;
		else if (engine->records[i]->phase == OG_PHASE_RUNNING)
			counts.running++;
		else
			counts.stopped++;
	}
	(void)pthread_mutex_unlock(&engine->lock);
	*ret_counts = counts;
}

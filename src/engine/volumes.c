/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: DATA_ROOT/volumes/NAME/_data, and beside it `volume.json` for what Docker's documents
 * say of one. A volume that is empty takes over what the image has at the place it is mounted.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/weak.h"
#include "engine/internal.h"

#define VOLUME_JSON_MAX 65536U

static int open_volumes(struct og_engine *engine, struct og_err *err)
{
	int fd = og_open_beneath(engine->data_fd, "volumes", O_RDONLY | O_DIRECTORY, 0);

	return fd < 0 ? og_fail(err, fd, "open volumes") : fd;
}

static char *volume_path(struct og_engine *engine, const char *name)
{
	return og_strdupf("%s/volumes/%s/_data", engine->config.data_root, name);
}

static int write_json(int dir_fd, bool anonymous, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	og_auto_free char *text = NULL;
	char now[OG_CLOCK_TEXT_BYTES];

	og_clock_now(now);
	og_json_set_string(json, "created", now);
	og_json_set_bool(json, "anonymous", anonymous);
	text = og_json_write(json);
	return og_replace_file(dir_fd, "volume.json", text, strlen(text), 0600, false, err);
}

int og_volume_make(struct og_engine *engine, const char *name, bool anonymous, char **ret_path,
		   struct og_err *err)
{
	og_auto_fd volumes_fd = open_volumes(engine, err);
	og_auto_fd dir_fd = -EBADF;
	char *path;

	if (volumes_fd < 0)
		return volumes_fd;
	if (mkdirat(volumes_fd, name, 0711) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make volume '%s'", name);
	dir_fd = og_open_beneath(volumes_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (dir_fd < 0)
		return og_fail(err, dir_fd, "open volume '%s'", name);
	if (faccessat(dir_fd, "volume.json", F_OK, 0) < 0) {
		int r = write_json(dir_fd, anonymous, err);

		if (r < 0)
			return r;
	}
	if (mkdirat(dir_fd, "_data", 0755) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make volume '%s'", name);
	path = volume_path(engine, name);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "make volume '%s'", name);
	*ret_path = path;
	return 0;
}

static bool is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool empty = true;

	if (dir == NULL) {
		og_close(fd);
		return false;
	}
	while (empty && (entry = readdir(dir)) != NULL)
		empty = og_streq(entry->d_name, ".") || og_streq(entry->d_name, "..");
	(void)closedir(dir);
	return empty;
}

/* cp -a follows no link below the folder it is given, and keeps all metadata. */
static int copy_tree(int from_fd, int to_fd, const char *name, struct og_err *err)
{
	struct og_spawn_fd fds[] = { { .child_fd = 3, .parent_fd = from_fd },
				     { .child_fd = 4, .parent_fd = to_fd } };
	const char *argv[] = {
		"cp", "-a", "--reflink=auto", "/proc/self/fd/3/.", "/proc/self/fd/4/", NULL
	};
	struct og_spawn spawn = {
		.path = "cp", .argv = (char *const *)argv, .fds = fds, .fd_count = 2
	};
	og_auto_free char *output = NULL;
	int r = og_spawn_wait(&spawn, 4096, &output, err);

	if (r < 0)
		return r;
	if (r != 0)
		return og_fail(err, -EIO, "fill volume '%s' from the image: %.200s", name,
			       output == NULL ? "" : output);
	return 0;
}

static int take_owner(int from_fd, int to_fd, const char *name, struct og_err *err)
{
	struct stat st;

	if (fstat(from_fd, &st) < 0 || fchown(to_fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to_fd, st.st_mode & 07777) < 0)
		return og_fail(err, -errno, "set owner of volume '%s'", name);
	return 0;
}

int og_volume_fill(struct og_engine *engine, const char *name, int image_fd, const char *target,
		   struct og_err *err)
{
	og_auto_free char *below = og_strdupf("volumes/%s/_data", name);
	og_auto_fd to_fd = -EBADF, from_fd = -EBADF;
	int r;

	if (below == NULL)
		return og_fail(err, -ENOMEM, "fill volume");
	to_fd = og_open_beneath(engine->data_fd, below, O_RDONLY | O_DIRECTORY, 0);
	if (to_fd < 0)
		return og_fail(err, to_fd, "open volume '%s'", name);
	from_fd = og_weak("A30") ? openat(image_fd, target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				 : og_open_in_root(image_fd, target, O_RDONLY | O_DIRECTORY, 0);
	if (from_fd < 0 || !is_empty(to_fd))
		return 0;
	r = take_owner(from_fd, to_fd, name, err);
	return r < 0 || is_empty(from_fd) ? r : copy_tree(from_fd, to_fd, name, err);
}

bool og_volume_used(struct og_engine *engine, const char *name, char ret_id[ID_CHARS + 1])
{
	for (size_t i = 0; i < engine->count; i++) {
		const struct og_record *record = engine->records[i];

		for (size_t k = 0; k < record->point_count; k++) {
			const char *other = record->points[k].name;

			if (other != NULL && og_streq(other, name)) {
				memcpy(ret_id, record->id, ID_CHARS + 1);
				return true;
			}
		}
	}
	return false;
}

/* ---- documents ---- */

static int check_exists(struct og_engine *engine, const char *name, int *ret_dir_fd,
			struct og_err *err)
{
	og_auto_fd volumes_fd = open_volumes(engine, err);
	int fd;

	if (volumes_fd < 0)
		return volumes_fd;
	fd = og_name_is_valid(name) ? og_open_beneath(volumes_fd, name, O_RDONLY | O_DIRECTORY, 0)
				    : -ENOENT;
	if (fd < 0)
		return og_fail(err, -ENOENT, "get %s: no such volume", name);
	*ret_dir_fd = fd;
	return 0;
}

static struct og_json *volume_json(struct og_engine *engine, int dir_fd, const char *name)
{
	og_cleanup(og_json_freep) struct og_json *own = NULL;
	struct og_json *json = og_json_new_object();
	og_auto_free char *path = volume_path(engine, name);
	og_auto_free char *text = NULL;
	size_t len;

	if (og_read_file(dir_fd, "volume.json", VOLUME_JSON_MAX, &text, &len, NULL) == 0)
		(void)og_json_parse(text, len, &own, NULL);
	og_json_set_string(json, "CreatedAt",
			   og_json_string(og_json_get(own, "created"), OG_CLOCK_NEVER));
	og_json_set_string(json, "Driver", "local");
	og_json_set(json, "Labels", NULL);
	og_json_set_string(json, "Mountpoint", path == NULL ? "" : path);
	og_json_set_string(json, "Name", name);
	og_json_set(json, "Options", NULL);
	og_json_set_string(json, "Scope", "local");
	return json;
}

int og_volumes_list(struct og_engine *engine, struct og_json **ret_json, struct og_err *err)
{
	struct og_json *json, *list;
	const struct dirent *entry;
	int fd = open_volumes(engine, err);
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		og_close(fd);
		return og_fail(err, -errno, "list volumes");
	}
	list = og_json_new_array();
	while ((entry = readdir(dir)) != NULL) {
		og_auto_fd dir_fd = -EBADF;

		if (!og_name_is_valid(entry->d_name) ||
		    check_exists(engine, entry->d_name, &dir_fd, NULL) < 0)
			continue;
		og_json_push(list, volume_json(engine, dir_fd, entry->d_name));
	}
	(void)closedir(dir);
	json = og_json_new_object();
	og_json_set(json, "Volumes", list);
	og_json_set(json, "Warnings", NULL);
	*ret_json = json;
	return 0;
}

int og_volumes_inspect(struct og_engine *engine, const char *name, struct og_json **ret_json,
		       struct og_err *err)
{
	og_auto_fd dir_fd = -EBADF;
	int r = check_exists(engine, name, &dir_fd, err);

	if (r < 0)
		return r;
	*ret_json = volume_json(engine, dir_fd, name);
	return 0;
}

int og_volumes_create(struct og_engine *engine, const char *name, struct og_json **ret_json,
		      struct og_err *err)
{
	og_auto_free char *path = NULL;
	char id[ID_CHARS + 1];
	bool anonymous = name == NULL || *name == '\0';
	int r;

	if (anonymous) {
		og_random_id(id);
		name = id;
	}
	if (!og_name_is_valid(name))
		return og_fail(err, -EINVAL,
			       "create %s: \"%s\" includes invalid characters for a local volume "
			       "name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
			       name, name);
	r = og_volume_make(engine, name, anonymous, &path, err);
	return r < 0 ? r : og_volumes_inspect(engine, name, ret_json, err);
}

int og_volumes_remove(struct og_engine *engine, const char *name, bool force, struct og_err *err)
{
	og_auto_fd volumes_fd = -EBADF, dir_fd = -EBADF;
	char user[ID_CHARS + 1];
	bool used;
	int r = check_exists(engine, name, &dir_fd, err);

	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	volumes_fd = open_volumes(engine, err);
	if (volumes_fd < 0)
		return volumes_fd;
	(void)pthread_mutex_lock(&engine->lock);
	used = og_volume_used(engine, name, user);
	(void)pthread_mutex_unlock(&engine->lock);
	if (used)
		return og_fail(err, -EEXIST, "remove %s: volume is in use - [%s]", name, user);
	return og_remove_tree(volumes_fd, name, err);
}

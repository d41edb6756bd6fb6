/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_mounts.h"

#include <errno.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"

void og_create_mount_done(struct og_create_mount *mount)
{
	free(mount->source);
	free(mount->target);
	free(mount->propagation);
	free(mount->tmpfs_options);
}

char *og_clean_path(const char *path)
{
	char *clean = *path == '/' ? malloc(strlen(path) + 2) : NULL;
	size_t len = 0;

	if (clean == NULL)
		return NULL;
	while (*path != '\0') {
		size_t part;

		path += strspn(path, "/");
		part = strcspn(path, "/");
		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && clean[--len] != '/')
				;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			clean[len++] = '/';
			memcpy(clean + len, path, part);
			len += part;
		}
		path += part;
	}
	if (len == 0)
		clean[len++] = '/';
	clean[len] = '\0';
	return clean;
}

bool og_name_is_valid(const char *name)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name);

	if (len < 2 || len > 255 || strchr(first, name[0]) == NULL)
		return false;
	for (size_t i = 1; i < len; i++) {
		if (strchr(first, name[i]) == NULL && strchr("_.-", name[i]) == NULL)
			return false;
	}
	return true;
}

static struct og_create_mount *find(struct og_create *create, const char *target)
{
	for (size_t i = 0; i < create->mount_count; i++) {
		if (og_streq(create->mounts[i].target, target))
			return &create->mounts[i];
	}
	return NULL;
}

/*
 * Adds a mount at @target, whose strings are taken over. @implied: of an image's VOLUME, which
 * gives way to one that was asked for.
 */
static int add(struct og_create *create, const char *target, struct og_create_mount mount,
	       bool implied, struct og_err *err)
{
	og_cleanup(og_create_mount_done) struct og_create_mount owned = mount;

	owned.target = og_clean_path(target);
	if (owned.target == NULL)
		return og_fail(err, -EINVAL, "mount path '%s' must be absolute", target);
	if (og_streq(owned.target, "/"))
		return og_fail(err, -EINVAL, "invalid mount: destination can't be '/'");
	if (find(create, owned.target) != NULL)
		return implied ? 0
			       : og_fail(err, -EINVAL, "Duplicate mount point: %s", owned.target);
	if (create->mount_count == OG_CREATE_MOUNTS_MAX)
		return og_fail(err, -E2BIG, "over %u mounts", OG_CREATE_MOUNTS_MAX);
	if (og_grow(create->mounts, create->mount_count) < 0)
		return og_fail(err, -ENOMEM, "read mounts");
	create->mounts[create->mount_count++] = owned;
	owned = (struct og_create_mount){};
	return 0;
}

/* ---- Binds: SOURCE:TARGET[:OPTIONS], or TARGET alone ---- */

static const char *const propagations[] = {
	"private", "rprivate", "shared", "rshared", "slave", "rslave", NULL,
};

static bool is_propagation(const char *text)
{
	for (const char *const *p = propagations; *p != NULL; p++) {
		if (og_streq(text, *p))
			return true;
	}
	return false;
}

static int read_bind_options(struct og_create_mount *mount, char *options, const char *bind,
			     struct og_err *err)
{
	static const char *const accepted[] = { "rw",	  "z",	       "Z", "consistent",
						"cached", "delegated", "" };
	char *rest = options;
	char *word;

	while ((word = strsep(&rest, ",")) != NULL) {
		bool known = false;

		for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
			known |= og_streq(word, accepted[i]);
		if (og_streq(word, "ro")) {
			mount->read_only = true;
		} else if (og_streq(word, "nocopy")) {
			mount->no_copy = true;
		} else if (is_propagation(word)) {
			free(mount->propagation);
			mount->propagation = strdup(word);
		} else if (!known) {
			return og_fail(err, -EINVAL, "invalid mode: %s in '%s'", word, bind);
		}
	}
	return 0;
}

static int read_bind(struct og_create *create, const char *bind, struct og_err *err)
{
	og_cleanup(og_create_mount_done) struct og_create_mount mount = {};
	og_auto_free char *copy = strdup(bind);
	char *target, *options;
	struct og_create_mount taken;
	int r;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "read Binds");
	target = strchr(copy, ':');
	if (target == NULL) {
		mount.type = OG_MOUNT_VOLUME;
		target = copy;
	} else {
		*target++ = '\0';
		options = strchr(target, ':');
		if (options != NULL)
			*options++ = '\0';
		r = options == NULL ? 0 : read_bind_options(&mount, options, bind, err);
		if (r < 0)
			return r;
		mount.type = *copy == '/' ? OG_MOUNT_BIND : OG_MOUNT_VOLUME;
		mount.make_source = true;
		mount.source = *copy == '/' ? og_clean_path(copy) : strdup(copy);
		if (mount.source == NULL)
			return og_fail(err, -ENOMEM, "read Binds");
	}
	if (*target == '\0')
		return og_fail(err, -EINVAL, "invalid volume specification: '%s'", bind);
	if (mount.type == OG_MOUNT_VOLUME && mount.source != NULL &&
	    !og_name_is_valid(mount.source))
		return og_fail(err, -EINVAL,
			       "%s includes invalid characters for a local volume name, only "
			       "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass "
			       "a host directory, use absolute path",
			       mount.source);
	taken = mount;
	mount = (struct og_create_mount){};
	return add(create, target, taken, false, err);
}

static int read_binds(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	struct og_json *binds = NULL;
	int r = og_json_opt_array(host, "Binds", &binds, err);

	for (size_t i = 0; r == 0 && i < og_json_count(binds); i++) {
		const char *bind = og_json_string(og_json_at(binds, i), NULL);

		if (bind == NULL)
			return og_fail(err, -EINVAL, "Binds must hold strings");
		r = read_bind(create, bind, err);
	}
	return r;
}

/* ---- Mounts ---- */

static int read_tmpfs_options(struct og_create_mount *mount, const struct og_json *item,
			      struct og_err *err)
{
	struct og_json *options = NULL;
	int64_t size = 0, mode = 01777;
	int r = og_json_opt_object(item, "TmpfsOptions", &options, err);

	if (r == 0)
		r = og_json_opt_int(options, "SizeBytes", 0, INT64_MAX, &size, err);
	if (r == 0)
		r = og_json_opt_int(options, "Mode", 0, 07777, &mode, err);
	if (r < 0)
		return r;
	mount->tmpfs_options = size == 0 ? og_strdupf("mode=%llo", (unsigned long long)mode)
					 : og_strdupf("mode=%llo,size=%lld",
						      (unsigned long long)mode, (long long)size);
	return mount->tmpfs_options == NULL ? og_fail(err, -ENOMEM, "read Mounts") : 0;
}

static int read_bind_mount(struct og_create_mount *mount, const struct og_json *item,
			   const char *source, struct og_err *err)
{
	struct og_json *options = NULL;
	const char *propagation = "";
	int r = og_json_opt_object(item, "BindOptions", &options, err);

	if (r == 0)
		r = og_json_opt_string(options, "Propagation", &propagation, err);
	if (r < 0)
		return r;
	if (*source != '/')
		return og_fail(err, -EINVAL,
			       "invalid mount config for type \"bind\": invalid mount path: '%s' "
			       "mount path must be absolute",
			       source);
	if (*propagation != '\0' && !is_propagation(propagation))
		return og_fail(err, -EINVAL, "invalid propagation mode: %s", propagation);
	mount->source = og_clean_path(source);
	mount->propagation = *propagation == '\0' ? NULL : strdup(propagation);
	return mount->source == NULL ? og_fail(err, -ENOMEM, "read Mounts") : 0;
}

static int read_volume_mount(struct og_create_mount *mount, const struct og_json *item,
			     const char *source, struct og_err *err)
{
	struct og_json *options = NULL;
	int r = og_json_opt_object(item, "VolumeOptions", &options, err);

	if (r == 0)
		r = og_json_opt_bool(options, "NoCopy", &mount->no_copy, err);
	if (r < 0)
		return r;
	if (*source != '\0' && !og_name_is_valid(source))
		return og_fail(err, -EINVAL, "invalid volume name '%s'", source);
	mount->source = *source == '\0' ? NULL : strdup(source);
	return 0;
}

static int read_mount(struct og_create *create, const struct og_json *item, struct og_err *err)
{
	static const char *const types[] = {
		[OG_MOUNT_BIND] = "bind",
		[OG_MOUNT_VOLUME] = "volume",
		[OG_MOUNT_TMPFS] = "tmpfs",
	};
	og_cleanup(og_create_mount_done) struct og_create_mount mount = {};
	const char *type = "", *source = "", *target = "";
	struct og_create_mount taken;
	int r = og_json_opt_string(item, "Type", &type, err);

	if (r == 0)
		r = og_json_opt_string(item, "Source", &source, err);
	if (r == 0)
		r = og_json_opt_string(item, "Target", &target, err);
	if (r == 0)
		r = og_json_opt_bool(item, "ReadOnly", &mount.read_only, err);
	if (r < 0)
		return r;
	while (mount.type <= OG_MOUNT_TMPFS && !og_streq(type, types[mount.type]))
		mount.type++;
	if (mount.type == OG_MOUNT_BIND)
		r = read_bind_mount(&mount, item, source, err);
	else if (mount.type == OG_MOUNT_VOLUME)
		r = read_volume_mount(&mount, item, source, err);
	else if (mount.type == OG_MOUNT_TMPFS)
		r = read_tmpfs_options(&mount, item, err);
	else
		r = og_fail(err, -ENOSYS, "mount type '%s' is not there: use bind, volume or tmpfs",
			    type);
	if (r < 0)
		return r;
	taken = mount;
	mount = (struct og_create_mount){};
	return add(create, target, taken, false, err);
}

static int read_mounts(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	struct og_json *mounts = NULL;
	int r = og_json_opt_array(host, "Mounts", &mounts, err);

	for (size_t i = 0; r == 0 && i < og_json_count(mounts); i++)
		r = read_mount(create, og_json_at(mounts, i), err);
	return r;
}

static int read_tmpfs(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	struct og_json_member member = {};
	struct og_json *map = NULL;
	int r = og_json_opt_object(host, "Tmpfs", &map, err);

	while (r == 0 && og_json_next(map, &member)) {
		struct og_create_mount mount = {
			.type = OG_MOUNT_TMPFS,
			.tmpfs_options = strdup(og_json_string(member.value, "")),
		};

		r = add(create, member.key, mount, false, err);
	}
	return r;
}

static int read_volumes(struct og_create *create, const struct og_json *body, struct og_err *err)
{
	struct og_json_member member = {};
	struct og_json *map = NULL;
	int r = og_json_opt_object(body, "Volumes", &map, err);

	while (r == 0 && og_json_next(map, &member)) {
		struct og_create_mount mount = { .type = OG_MOUNT_VOLUME };

		r = add(create, member.key, mount, true, err);
	}
	return r;
}

static int by_depth(const void *a, const void *b)
{
	const struct og_create_mount *one = a, *other = b;

	return strcmp(one->target, other->target);
}

int og_create_read_mounts(struct og_create *create, const struct og_json *body,
			  const struct og_json *host, struct og_err *err)
{
	int r = read_binds(create, host, err);

	if (r == 0)
		r = read_mounts(create, host, err);
	if (r == 0)
		r = read_tmpfs(create, host, err);
	if (r == 0)
		r = read_volumes(create, body, err);
	/* "/a" sorts before "/a/b". */
	if (r == 0 && create->mount_count > 1)
		qsort(create->mounts, create->mount_count, sizeof(*create->mounts), by_depth);
	return r;
}

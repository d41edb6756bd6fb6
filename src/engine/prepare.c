/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a workload needs before it runs: its volumes, the few files in /etc that the engine owns,
 * its user looked up in its own files, its disks, and config.json.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/internal.h"
#include "engine/scratch.h"
#include "engine/spec.h"

/* /etc/resolv.conf of the host, where a workload shares its network. */
#define RESOLV_MAX 65536U

#define ETC_FILES 3

static bool is_vm(const struct og_record *record)
{
	return og_streq(record->create->isolation, "vm");
}

/* ---- volumes ---- */

static int make_point(struct og_record *record, const struct og_create_mount *mount,
		      struct og_mount_point *point, struct og_err *err)
{
	struct stat st;

	*point = (struct og_mount_point){
		.type = mount->type,
		.target = mount->target,
		.read_only = mount->read_only,
		.propagation = mount->propagation,
		.tmpfs_options = mount->tmpfs_options,
	};
	switch (mount->type) {
	case OG_MOUNT_VOLUME:
		point->anonymous = mount->source == NULL;
		point->name = malloc(256);
		if (point->name == NULL)
			return og_fail(err, -ENOMEM, "make volume");
		if (mount->source == NULL)
			og_random_id(point->name);
		else
			memcpy(point->name, mount->source, strlen(mount->source) + 1);
		return og_volume_make(record->engine, point->name, point->anonymous, &point->source,
				      err);
	case OG_MOUNT_BIND:
		if (mount->make_source && mkdir(mount->source, 0755) < 0 && errno != EEXIST)
			return og_fail(err, -EINVAL,
				       "error while creating mount source path '%s': %s",
				       mount->source, strerrordesc_np(errno));
		if (stat(mount->source, &st) < 0)
			return og_fail(err, -EINVAL,
				       "invalid mount config for type \"bind\": bind source path "
				       "does not exist: %s",
				       mount->source);
		point->source = strdup(mount->source);
		return point->source == NULL ? og_fail(err, -ENOMEM, "bind") : 0;
	case OG_MOUNT_TMPFS:
	default:
		return 0;
	}
}

int og_prepare_points(struct og_record *record, struct og_err *err)
{
	const struct og_create *create = record->create;

	record->points = calloc(create->mount_count + 1, sizeof(*record->points));
	if (record->points == NULL)
		return og_fail(err, -ENOMEM, "make mounts");
	for (size_t i = 0; i < create->mount_count; i++) {
		const struct og_create_mount *mount = &create->mounts[i];
		bool implied = mount->type == OG_MOUNT_VOLUME && mount->source == NULL;
		int r;

		/* What an image declares a VOLUME is simply on a VM's own disk. */
		if (is_vm(record) && implied)
			continue;
		r = make_point(record, mount, &record->points[record->point_count++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_volumes(const struct og_record *record, int image_fd, struct og_err *err)
{
	for (size_t i = 0; i < record->create->mount_count; i++) {
		const struct og_create_mount *mount = &record->create->mounts[i];

		for (size_t k = 0; k < record->point_count; k++) {
			const struct og_mount_point *point = &record->points[k];
			int r = 0;

			if (point->target == mount->target && point->type == OG_MOUNT_VOLUME &&
			    !mount->no_copy)
				r = og_volume_fill(record->engine, point->name, image_fd,
						   point->target, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- users ---- */

/* A file of the workload: of its own layer, if it changed it, else of the image. NULL: it has none. */
static char *read_own_file(int upper_fd, int image_fd, const char *path, size_t *ret_len)
{
	int roots[] = { upper_fd, image_fd };

	for (size_t i = 0; i < 2; i++) {
		og_auto_fd fd = roots[i] < 0 ? -ENOENT
					     : og_open_in_root(roots[i], path,
							       O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		char *text;
		struct stat st;

		if (fd < 0)
			continue;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		    og_read_all(fd, OG_PASSWD_FILE_MAX, &text, ret_len, NULL) < 0)
			return NULL;
		return text;
	}
	return NULL;
}

static int resolve_groups(const struct og_create *create, struct og_passwd_file group,
			  uint32_t *groups, size_t *ret_count, struct og_err *err)
{
	*ret_count = 0;
	for (size_t i = 0; i < og_json_count(create->group_add); i++) {
		const char *name = og_json_string(og_json_at(create->group_add, i), "");
		og_auto_free char *spec = og_strdupf("0:%s", name);
		struct og_user user;
		int r;

		if (i == OG_PASSWD_GROUPS)
			return og_fail(err, -E2BIG, "GroupAdd has over %u groups",
				       OG_PASSWD_GROUPS);
		r = spec == NULL
			    ? -ENOMEM
			    : og_user_resolve(spec, (struct og_passwd_file){}, group, &user, err);
		if (r < 0)
			return og_fail_in(err, r, "group '%s'", name);
		groups[(*ret_count)++] = user.gid;
	}
	return 0;
}

struct who {
	struct og_user user;
	uint32_t groups[OG_PASSWD_GROUPS];
	size_t group_count;
};

static int look_up(const struct og_create *create, const char *name, int upper_fd, int image_fd,
		   struct who *ret_who, struct og_err *err)
{
	size_t passwd_len = 0, group_len = 0;
	og_auto_free char *passwd = read_own_file(upper_fd, image_fd, "/etc/passwd", &passwd_len);
	og_auto_free char *group = read_own_file(upper_fd, image_fd, "/etc/group", &group_len);
	struct og_passwd_file group_file = { .text = group, .len = group_len };
	int r = og_user_resolve(name, (struct og_passwd_file){ .text = passwd, .len = passwd_len },
				group_file, &ret_who->user, err);

	if (r < 0)
		(void)og_fail_in(err, r, "unable to find user %s", name);
	else
		r = resolve_groups(create, group_file, ret_who->groups, &ret_who->group_count, err);
	return r == -ENOENT || r == -ERANGE ? -EINVAL : r;
}

/* ---- /etc/hosts and its like ---- */

static void add_hosts(struct og_text *text, const struct og_create *create, const char *hostname)
{
	og_text_add(text, "127.0.0.1\tlocalhost\n"
			  "::1\tlocalhost ip6-localhost ip6-loopback\n"
			  "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
			  "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < og_json_count(create->extra_hosts); i++) {
		const char *entry = og_json_string(og_json_at(create->extra_hosts, i), "");
		size_t len = strcspn(entry, ":=");

		if (entry[len] != '\0')
			og_text_addf(text, "%s\t%.*s\n", entry + len + 1, (int)len, entry);
	}
	og_text_addf(text, "127.0.1.1\t%s\n", hostname);
}

static void add_list(struct og_text *text, const char *word, const struct og_json *list,
		     bool one_line)
{
	size_t count = og_json_count(list);

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !one_line)
			og_text_add(text, word);
		og_text_addf(text, " %s", og_json_string(og_json_at(list, i), ""));
		if (i + 1 == count || !one_line)
			og_text_add(text, "\n");
	}
}

static void add_resolv(struct og_text *text, const struct og_create *create)
{
	og_auto_free char *host = NULL;
	size_t len;

	if (og_json_count(create->dns) == 0 && create->network == OG_NETWORK_HOST &&
	    og_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &host, &len, NULL) == 0)
		og_text_add(text, host);
	add_list(text, "nameserver", create->dns, false);
	add_list(text, "search", create->dns_search, true);
	add_list(text, "options", create->dns_options, true);
}

static int write_etc(const struct og_record *record, const char *hostname, int data_dir_fd,
		     struct og_err *err)
{
	static const char *const names[ETC_FILES] = { "hosts", "resolv.conf", "hostname" };
	og_auto_text text = {};

	for (size_t i = 0; i < ETC_FILES; i++) {
		int r;

		og_text_clear(&text);
		if (i == 0)
			add_hosts(&text, record->create, hostname);
		else if (i == 1)
			add_resolv(&text, record->create);
		else
			og_text_addf(&text, "%s\n", hostname);
		if (text.failed)
			return og_fail(err, -ENOMEM, "write %s", names[i]);
		r = og_replace_file(data_dir_fd, names[i], text.buf == NULL ? "" : text.buf,
				    text.len, 0644, false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- config.json ---- */

struct mount_list {
	struct og_spec_mount *items;
	size_t count;
	char *etc_paths[ETC_FILES];
};

static void mount_list_done(struct mount_list *list)
{
	free(list->items);
	for (size_t i = 0; i < ETC_FILES; i++)
		free(list->etc_paths[i]);
}

static int add_etc_mounts(const struct og_record *record, struct mount_list *list,
			  struct og_err *err)
{
	static const char *const names[ETC_FILES] = { "hosts", "resolv.conf", "hostname" };
	static const char *const targets[ETC_FILES] = { "/etc/hosts", "/etc/resolv.conf",
							"/etc/hostname" };

	for (size_t i = 0; i < ETC_FILES; i++) {
		bool replaced = false;

		for (size_t k = 0; k < record->point_count; k++)
			replaced |= og_streq(record->points[k].target, targets[i]);
		if (replaced)
			continue;
		list->etc_paths[i] = og_record_data_path(record, names[i]);
		if (list->etc_paths[i] == NULL)
			return og_fail(err, -ENOMEM, "list mounts");
		list->items[list->count++] = (struct og_spec_mount){
			.type = "bind",
			.source = list->etc_paths[i],
			.target = targets[i],
		};
	}
	return 0;
}

static int list_mounts(const struct og_record *record, struct mount_list *list, struct og_err *err)
{
	list->items = calloc(record->point_count + ETC_FILES, sizeof(*list->items));
	if (list->items == NULL)
		return og_fail(err, -ENOMEM, "list mounts");
	if (!is_vm(record)) {
		int r = add_etc_mounts(record, list, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < record->point_count; i++) {
		const struct og_mount_point *point = &record->points[i];
		bool tmpfs = point->type == OG_MOUNT_TMPFS;

		list->items[list->count++] = (struct og_spec_mount){
			.type = tmpfs ? "tmpfs" : "bind",
			.source = tmpfs ? "tmpfs" : point->source,
			.target = point->target,
			.read_only = point->read_only,
			.propagation = point->propagation,
			.tmpfs_options = point->tmpfs_options,
		};
	}
	return 0;
}

/* The annotation that tells the runtime a VM's disks: the image, then the writable one. */
static char *disks_json(const struct og_record *record, const struct og_rootfs *rootfs)
{
	og_cleanup(og_json_freep) struct og_json *disks = og_json_new_array();
	og_auto_free char *scratch = og_record_data_path(record, OG_SCRATCH_NAME);

	for (int writable = 0; writable < 2; writable++) {
		struct og_json *disk = og_json_new_object();
		struct og_json *parts = og_json_new_array();
		size_t count = writable ? 1 : rootfs->count;

		for (size_t i = 0; i < count; i++) {
			struct og_json *part = og_json_new_object();
			og_auto_free char *path =
				writable ? strdup(scratch == NULL ? "" : scratch)
					 : og_strdupf("%s/%s", record->engine->config.data_root,
						      rootfs->parts[i].path);

			og_json_set_string(part, "path", path == NULL ? "" : path);
			og_json_set_int(part, "offset",
					writable ? 0 : (int64_t)rootfs->parts[i].offset);
			og_json_push(parts, part);
		}
		og_json_set_bool(disk, "readonly", !writable);
		og_json_set(disk, "parts", parts);
		og_json_push(disks, disk);
	}
	return og_json_write(disks);
}

static const char **list_args(const struct og_record *record)
{
	size_t count = 0;
	const char **args;

	while (og_record_arg(record, count) != NULL)
		count++;
	args = calloc(count + 1, sizeof(*args));
	for (size_t i = 0; args != NULL && i < count; i++)
		args[i] = og_record_arg(record, i);
	return args;
}

static void host_name(const struct og_record *record, char name[256])
{
	const char *given = record->create->hostname;

	if (*given != '\0' && strlen(given) < 256)
		memcpy(name, given, strlen(given) + 1);
	else if (record->create->network != OG_NETWORK_HOST || gethostname(name, 255) < 0)
		(void)snprintf(name, 13, "%.12s", record->id);
}

static int write_config(const struct og_record *record, const struct og_rootfs *rootfs,
			const struct who *who, int exec_dir_fd, int data_dir_fd, struct og_err *err)
{
	og_cleanup(mount_list_done) struct mount_list mounts = {};
	og_cleanup(og_json_freep) struct og_json *config = NULL;
	og_auto_free const char **args = list_args(record);
	og_auto_free char *disks = is_vm(record) ? disks_json(record, rootfs) : NULL;
	og_auto_free char *text = NULL;
	og_auto_fd bundle_fd = -EBADF;
	char hostname[256] = "";
	struct og_spec spec = {
		.id = record->id,
		.create = record->create,
		.args = args,
		.hostname = hostname,
		.user = &who->user,
		.more_groups = who->groups,
		.more_group_count = who->group_count,
		.vm_disks = disks,
	};
	int r;

	host_name(record, hostname);
	r = args == NULL ? og_fail(err, -ENOMEM, "list arguments")
			 : write_etc(record, hostname, data_dir_fd, err);
	if (r == 0)
		r = list_mounts(record, &mounts, err);
	if (r < 0)
		return r;
	spec.mounts = mounts.items;
	spec.mount_count = mounts.count;
	r = og_spec_make(&spec, &config, err);
	if (r < 0)
		return r;
	if (mkdirat(exec_dir_fd, "bundle", 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make bundle of workload %.12s", record->id);
	bundle_fd = og_open_beneath(exec_dir_fd, "bundle", O_RDONLY | O_DIRECTORY, 0);
	if (bundle_fd < 0)
		return og_fail(err, bundle_fd, "open bundle of workload %.12s", record->id);
	text = og_json_write(config);
	return og_replace_file(bundle_fd, "config.json", text, strlen(text), 0600, false, err);
}

static int make_layer(const struct og_record *record, int data_dir_fd, struct og_err *err)
{
	static const char *const names[] = { "upper", "work" };

	if (is_vm(record))
		return og_scratch_make(record->engine->data_fd, data_dir_fd, err);
	for (size_t i = 0; i < 2; i++) {
		if (mkdirat(data_dir_fd, names[i], 0755) < 0 && errno != EEXIST)
			return og_fail(err, -errno, "make layer of workload %.12s", record->id);
	}
	return 0;
}

int og_prepare(struct og_record *record, int exec_dir_fd, int data_dir_fd, int *ret_lower_fd,
	       struct og_err *err)
{
	struct og_engine *engine = record->engine;
	og_cleanup(og_rootfs_done) struct og_rootfs rootfs = {};
	og_auto_fd lower_fd = -EBADF, upper_fd = -EBADF;
	og_auto_free struct who *who = calloc(1, sizeof(*who));
	int r = og_images_rootfs(engine->images, record->image_id, &rootfs, err);

	if (who == NULL)
		return og_fail(err, -ENOMEM, "prepare workload");
	if (r == 0)
		r = og_mounts_get(engine->mounts, &rootfs, &lower_fd, err);
	if (r == 0)
		r = make_layer(record, data_dir_fd, err);
	if (r == 0)
		r = fill_volumes(record, lower_fd, err);
	if (r < 0)
		return r;
	upper_fd = is_vm(record) ? -ENOENT
				 : og_open_beneath(data_dir_fd, "upper", O_RDONLY | O_DIRECTORY, 0);
	r = look_up(record->create, record->create->user, upper_fd, lower_fd, who, err);
	if (r == 0)
		r = write_config(record, &rootfs, who, exec_dir_fd, data_dir_fd, err);
	if (r < 0)
		return r;
	*ret_lower_fd = is_vm(record) ? -EBADF : og_take_fd(&lower_fd);
	return 0;
}

int og_prepare_exec(struct og_record *record, const struct og_json *body, char **ret_process,
		    struct og_err *err)
{
	struct og_engine *engine = record->engine;
	og_cleanup(og_rootfs_done) struct og_rootfs rootfs = {};
	og_cleanup(og_json_freep) struct og_json *process = NULL;
	og_auto_fd lower_fd = -EBADF, upper_fd = -EBADF, data_dir_fd = -EBADF;
	og_auto_free struct who *who = calloc(1, sizeof(*who));
	const char *user = og_json_string(og_json_get(body, "User"), "");
	char hostname[256] = "";
	int r = og_images_rootfs(engine->images, record->image_id, &rootfs, err);

	if (who == NULL)
		return og_fail(err, -ENOMEM, "prepare exec");
	if (r == 0)
		r = og_mounts_get(engine->mounts, &rootfs, &lower_fd, err);
	if (r < 0)
		return r;
	data_dir_fd = og_record_data_dir(record, false, err);
	if (data_dir_fd < 0)
		return data_dir_fd;
	upper_fd = og_open_beneath(data_dir_fd, "upper", O_RDONLY | O_DIRECTORY, 0);
	r = look_up(record->create, *user == '\0' ? record->create->user : user, upper_fd, lower_fd,
		    who, err);
	host_name(record, hostname);
	if (r == 0)
		r = og_spec_exec_process(record->create, &who->user, hostname, body, &process, err);
	if (r < 0)
		return r;
	*ret_process = og_json_write(process);
	return 0;
}

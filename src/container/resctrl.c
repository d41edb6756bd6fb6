/* SPDX-License-Identifier: Apache-2.0 */
#include "container/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/text.h"

#define PLACE	      "/sys/fs/resctrl"
#define MAGIC	      0x7655821 /* RDTGROUP_SUPER_MAGIC; not in every header */
#define SCHEMATA_MAX  65536	/* bytes: a line for each resource, an entry for each cache */
#define MONITOR_GROUP "mon_groups"

int og_resctrl_open(struct og_err *err)
{
	int fd = open(PLACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == MAGIC)
		return fd;
	og_close(fd);
	return og_fail(err, -ENODEV,
		       "linux.intelRdt: no resctrl file system at " PLACE
		       " (mount -t resctrl resctrl " PLACE ", on a processor that has it)");
}

static bool has_schema(const struct og_oci_intel_rdt *config)
{
	return config->l3_cache_schema != NULL || config->mem_bw_schema != NULL ||
	       config->schemata.count > 0;
}

/* The group's folder; "." is the default one of all processes. */
static const char *group_of(const struct og_resctrl *resctrl)
{
	const char *clos_id = resctrl->config->clos_id;

	if (clos_id == NULL || clos_id[0] == '\0')
		return resctrl->id;
	return og_streq(clos_id, "/") ? "." : clos_id;
}

static bool own_group(const struct og_resctrl *resctrl)
{
	return resctrl->config->clos_id == NULL || resctrl->config->clos_id[0] == '\0';
}

/* The names that are no group's, though folders there have them. */
static bool is_group_name(const char *name)
{
	static const char *const taken[] = { "info", "mon_groups", "mon_data", ".." };

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (og_streq(name, taken[i]))
			return false;
	}
	return strchr(name, '/') == NULL && strchr(name, '\n') == NULL;
}

static int check_line(const char *line, const char *prefix, const char *field, struct og_err *err)
{
	if (line == NULL)
		return 0;
	if (strchr(line, '\n') != NULL || !og_starts_with(line, prefix) ||
	    strchr(line, ':') == NULL)
		return og_fail(err, -EINVAL, "%s is not one line that begins with '%s'", field,
			       prefix[0] != '\0' ? prefix : "RESOURCE:");
	return 0;
}

int og_resctrl_check(int root_fd, const struct og_resctrl *resctrl, struct og_err *err)
{
	const struct og_oci_intel_rdt *config = resctrl->config;
	int r = 0;

	if (!is_group_name(group_of(resctrl)))
		return og_fail(err, -EINVAL, "closID '%.80s' is no name of a group",
			       group_of(resctrl));
	r = check_line(config->l3_cache_schema, "", "l3CacheSchema", err);
	if (r == 0)
		r = check_line(config->mem_bw_schema, "MB:", "memBwSchema", err);
	for (size_t i = 0; r == 0 && i < config->schemata.count; i++)
		r = check_line(config->schemata.items[i], "", "schemata", err);
	if (r == 0 && own_group(resctrl) &&
	    faccessat(root_fd, resctrl->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = og_fail(err, -EEXIST, "there is a group '%s' already", resctrl->id);
	return r < 0 ? og_fail_in(err, r, "linux.intelRdt") : 0;
}

struct og_json *og_resctrl_save(const struct og_resctrl *resctrl)
{
	struct og_json *saved = og_json_new_object();

	og_json_set_string(saved, "group", group_of(resctrl));
	og_json_set_bool(saved, "made", own_group(resctrl));
	if (resctrl->config->enable_monitoring)
		og_json_set_string(saved, "monitor", resctrl->id);
	return saved;
}

/* ---- schemata ---- */

/* One line a write, as the kernel likes it. On resctrl the files are there with their folder. */
static int write_line(int group_fd, const char *file, const char *line)
{
	og_auto_fd fd = openat(group_fd, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	og_auto_free char *text = og_strdupf("%s\n", line);

	if (fd < 0 || text == NULL)
		return fd < 0 ? -errno : -ENOMEM;
	return og_write_all(fd, text, strlen(text));
}

static int set_line(int group_fd, const char *line, const char *field, struct og_err *err)
{
	int r = line == NULL ? 0 : write_line(group_fd, "schemata", line);

	return r < 0 ? og_fail(err, r, "%s '%.80s' (info/last_cmd_status there says why)", field,
			       line)
		     : 0;
}

static int set_schemata(int group_fd, const struct og_oci_intel_rdt *config, bool whole,
			struct og_err *err)
{
	int r = 0;

	if (whole) {
		r = set_line(group_fd, config->l3_cache_schema, "l3CacheSchema", err);
		if (r == 0)
			r = set_line(group_fd, config->mem_bw_schema, "memBwSchema", err);
	}
	for (size_t i = 0; r == 0 && i < config->schemata.count; i++)
		r = set_line(group_fd, config->schemata.items[i], "schemata", err);
	return r;
}

static const char *skip(const char *text, const char *what)
{
	return text + strspn(text, what);
}

/* The value of @id in the line of @resource; both are @len long. NULL: there is none. */
static const char *find_value(const char *schemata, const char *resource, size_t resource_len,
			      const char *id, size_t id_len)
{
	for (const char *line = schemata; line != NULL; line = strchr(line, '\n')) {
		const char *entry;

		line = skip(line, "\n \t");
		if (strncmp(line, resource, resource_len) != 0 || line[resource_len] != ':')
			continue;
		for (entry = line + resource_len; *entry == ':' || *entry == ';';
		     entry += strcspn(entry, ";\n")) {
			entry = skip(entry + 1, " \t");
			if (strncmp(entry, id, id_len) == 0 && entry[id_len] == '=')
				return skip(entry + id_len + 1, " \t0");
		}
	}
	return NULL;
}

/* Whether every entry of @line ("L3:0=f;1=ff") is in @schemata, zeros in front or not. */
static bool is_set(const char *schemata, const char *line)
{
	size_t resource_len = strcspn(line, ":");
	const char *entry = line + resource_len;

	while (*entry == ':' || *entry == ';') {
		const char *value;
		const char *found;
		size_t id_len;
		size_t len;

		entry = skip(entry + 1, " \t");
		id_len = strcspn(entry, "=;\n");
		if (entry[id_len] != '=')
			return false;
		value = skip(entry + id_len + 1, " \t0");
		len = strcspn(value, "; \t\n");
		found = find_value(schemata, line, resource_len, entry, id_len);
		if (found == NULL || strcspn(found, "; \t\n") != len ||
		    strncmp(found, value, len) != 0)
			return false;
		entry += strcspn(entry, ";");
	}
	return true;
}

static int compare(int group_fd, const struct og_oci_intel_rdt *config, struct og_err *err)
{
	og_auto_free char *schemata = NULL;
	int r;

	if (config->l3_cache_schema == NULL && config->mem_bw_schema == NULL)
		return 0;
	r = og_read_file(group_fd, "schemata", SCHEMATA_MAX, &schemata, NULL, err);
	if (r < 0)
		return r;
	if (config->l3_cache_schema != NULL && !is_set(schemata, config->l3_cache_schema))
		return og_fail(err, -EINVAL, "its l3CacheSchema is another");
	if (config->mem_bw_schema != NULL && !is_set(schemata, config->mem_bw_schema))
		return og_fail(err, -EINVAL, "its memBwSchema is another");
	return 0;
}

/* ---- groups ---- */

static int open_group(int root_fd, const struct og_resctrl *resctrl)
{
	int fd =
		openat(root_fd, group_of(resctrl), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_group(int root_fd, struct og_resctrl *resctrl, struct og_err *err)
{
	const char *name = group_of(resctrl);

	if (own_group(resctrl) || has_schema(resctrl->config)) {
		if (mkdirat(root_fd, name, 0755) == 0)
			resctrl->made = true;
		else if (errno != EEXIST || own_group(resctrl))
			return og_fail(err, -errno, "make group '%s'", name);
	}
	return 0;
}

static int make_monitor(int group_fd, struct og_resctrl *resctrl, struct og_err *err)
{
	og_auto_free char *path = NULL;

	if (!resctrl->config->enable_monitoring)
		return 0;
	path = og_strdupf(MONITOR_GROUP "/%s", resctrl->id);
	if (path == NULL || mkdirat(group_fd, path, 0755) < 0)
		return og_fail(err, path == NULL ? -ENOMEM : -errno,
			       "enableMonitoring: make a group to count in");
	resctrl->monitored = true;
	return 0;
}

int og_resctrl_prepare(int root_fd, struct og_resctrl *resctrl, struct og_err *err)
{
	og_auto_fd group_fd = -EBADF;
	int r = make_group(root_fd, resctrl, err);

	if (r == 0) {
		group_fd = open_group(root_fd, resctrl);
		r = group_fd < 0 ? og_fail(err, group_fd, "open the group of closID") : 0;
	}
	if (r == 0 && !resctrl->made)
		r = compare(group_fd, resctrl->config, err);
	if (r == 0)
		r = set_schemata(group_fd, resctrl->config, resctrl->made, err);
	if (r == 0)
		r = make_monitor(group_fd, resctrl, err);
	return r < 0 ? og_fail_in(err, r, "linux.intelRdt: group '%.80s'", group_of(resctrl)) : 0;
}

int og_resctrl_enter(int root_fd, const struct og_resctrl *resctrl, pid_t pid, struct og_err *err)
{
	og_auto_fd group_fd = open_group(root_fd, resctrl);
	og_auto_free char *tasks = og_strdupf(MONITOR_GROUP "/%s/tasks", resctrl->id);
	char text[16];
	int r;

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	if (group_fd < 0 || tasks == NULL)
		return og_fail(err, group_fd < 0 ? group_fd : -ENOMEM, "linux.intelRdt");
	r = write_line(group_fd, "tasks", text);
	if (r == 0 && resctrl->monitored) /* which takes only those of the group it is in */
		r = write_line(group_fd, tasks, text);
	return r < 0 ? og_fail(err, r, "linux.intelRdt: put process %s into group '%.80s'", text,
			       group_of(resctrl))
		     : 0;
}

int og_resctrl_remove(int root_fd, const struct og_json *saved, struct og_err *err)
{
	const char *group = og_json_string(og_json_get(saved, "group"), "");
	const char *monitor = og_json_string(og_json_get(saved, "monitor"), "");
	og_auto_free char *path = og_strdupf("%s/" MONITOR_GROUP "/%s", group, monitor);

	if (path == NULL)
		return og_fail(err, -ENOMEM, "remove a resctrl group");
	if (monitor[0] != '\0' && unlinkat(root_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return og_fail(err, -errno, "remove resctrl group '%s'", path);
	if (og_json_bool(og_json_get(saved, "made"), false) &&
	    unlinkat(root_fd, group, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return og_fail(err, -errno, "remove resctrl group '%s'", group);
	return 0;
}

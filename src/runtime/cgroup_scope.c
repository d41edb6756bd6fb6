/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_scope.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define UNIT_NAME_MAX 255 /* systemd's, and that of a file name */

/* ---- names ---- */

char *og_slice_path(const char *slice)
{
	size_t len = strlen(slice);
	og_auto_text path = {};

	if (og_streq(slice, "-.slice"))
		return strdup("");
	if (!og_ends_with(slice, ".slice") || len > UNIT_NAME_MAX || slice[0] == '-' ||
	    slice[0] == '.' || strchr(slice, '/') != NULL || strstr(slice, "--") != NULL ||
	    slice[len - strlen("-.slice")] == '-')
		return NULL;
	for (const char *dash = slice; (dash = strchr(dash, '-')) != NULL; dash++)
		og_text_addf(&path, "/%.*s.slice", (int)(dash - slice), slice);
	og_text_addf(&path, "/%s", slice);
	return og_text_take(&path);
}

/* As systemd-escape(1), but that dashes are kept: what a unit's name cannot have is "\xHH". */
static char *unit_name(const char *prefix, const char *name)
{
	og_auto_free char *joined =
		og_strdupf("%s%s%s", prefix, prefix[0] != '\0' ? "-" : "", name);
	og_auto_text unit = {};

	for (const char *c = joined; c != NULL && *c != '\0'; c++) {
		if (isalnum((unsigned char)*c) != 0 || strchr(":-_.", *c) != NULL)
			og_text_add_bytes(&unit, c, 1);
		else
			og_text_addf(&unit, "\\x%02x", (unsigned char)*c);
	}
	og_text_add(&unit, ".scope");
	return joined == NULL ? NULL : og_text_take(&unit);
}

static int read_path(const char *cgroups_path, const char *id, struct og_scope *scope,
		     struct og_err *err)
{
	bool given = cgroups_path != NULL && cgroups_path[0] != '\0';
	og_auto_free char *copy = given ? strdup(cgroups_path) : og_strdupf(":onggi:%s", id);
	char *rest = copy;
	const char *slice = strsep(&rest, ":");
	char *prefix = rest != NULL ? strsep(&rest, ":") : NULL;
	char *name = rest;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "linux.cgroupsPath");
	if (name == NULL || strchr(name, ':') != NULL)
		return og_fail(err, -EINVAL,
			       "linux.cgroupsPath '%s' is not SLICE:PREFIX:NAME, as "
			       "--systemd-cgroup wants it",
			       cgroups_path);
	if (slice[0] == '\0')
		slice = "system.slice";
	if (scope->user && og_streq(slice, "system.slice"))
		slice = "user.slice";
	scope->slice = strdup(slice);
	scope->unit = unit_name(prefix, name[0] != '\0' ? name : id);
	if (scope->slice == NULL || scope->unit == NULL)
		return og_fail(err, -ENOMEM, "linux.cgroupsPath");
	if (strlen(scope->unit) > UNIT_NAME_MAX)
		return og_fail(err, -ENAMETOOLONG,
			       "linux.cgroupsPath: the unit's name has %zu characters, %d at most",
			       strlen(scope->unit), UNIT_NAME_MAX);
	return 0;
}

int og_scope_find(const char *cgroups_path, const char *id, const char *helper, bool user,
		  struct og_cgroup **ret_cgroup, struct og_err *err)
{
	og_cleanup(og_scope_freep) struct og_scope *scope = calloc(1, sizeof(*scope));
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	og_auto_free char *above = NULL;
	og_auto_free char *dir = NULL;
	int r = scope == NULL ? -ENOMEM : 0;

	if (r == 0) {
		scope->keeper.fd = -EBADF;
		scope->user = user;
		scope->helper = strdup(helper);
		scope->token = og_strdupf("onggi workload %s (%d at %llu ms)", id, (int)getpid(),
					  (unsigned long long)og_clock_ms());
		r = scope->helper == NULL || scope->token == NULL ? -ENOMEM : 0;
	}
	if (r < 0)
		return og_fail(err, r, "--systemd-cgroup");
	r = read_path(cgroups_path, id, scope, err);
	if (r < 0)
		return r;
	above = og_slice_path(scope->slice);
	if (above == NULL)
		return og_fail(err, -EINVAL, "linux.cgroupsPath: '%s' is no name of a slice",
			       scope->slice);
	dir = og_strdupf("%s/%s", above, scope->unit);
	if (dir == NULL)
		return og_fail(err, -ENOMEM, "linux.cgroupsPath");
	r = og_cgroup_find(dir, id, &cgroup, err);
	if (r < 0)
		return r;
	cgroup->lenient = user;
	cgroup->scope = og_take_ptr(scope);
	if (user && (cgroup->count != 1 || !cgroup->trees[0].v2))
		return og_fail(
			err, -ENOTSUP,
			"--systemd-cgroup: an ordinary user's systemd has groups of version 2 "
			"alone, and this host has others: use the cgroupfs driver");
	*ret_cgroup = og_take_ptr(cgroup);
	return 0;
}

struct og_scope *og_scope_free(struct og_scope *scope)
{
	if (scope == NULL)
		return NULL;
	og_systemd_close(&scope->keeper);
	free(scope->unit);
	free(scope->slice);
	free(scope->helper);
	free(scope->token);
	free(scope);
	return NULL;
}

struct og_json *og_scope_save(const struct og_scope *scope)
{
	struct og_json *saved = og_json_new_object();

	og_json_set_string(saved, "unit", scope->unit);
	og_json_set_string(saved, "slice", scope->slice);
	og_json_set_string(saved, "helper", scope->helper);
	og_json_set_string(saved, "token", scope->token);
	og_json_set_bool(saved, "user", scope->user);
	return saved;
}

int og_scope_load(const struct og_json *saved, struct og_scope **ret_scope, struct og_err *err)
{
	og_cleanup(og_scope_freep) struct og_scope *scope = calloc(1, sizeof(*scope));

	if (scope == NULL)
		return og_fail(err, -ENOMEM, "load control groups");
	scope->keeper.fd = -EBADF;
	scope->unit = strdup(og_json_string(og_json_get(saved, "unit"), ""));
	scope->slice = strdup(og_json_string(og_json_get(saved, "slice"), ""));
	scope->helper = strdup(og_json_string(og_json_get(saved, "helper"), ""));
	scope->token = strdup(og_json_string(og_json_get(saved, "token"), ""));
	scope->started = true;
	scope->user = og_json_bool(og_json_get(saved, "user"), false);
	if (scope->unit == NULL || scope->slice == NULL || scope->helper == NULL ||
	    scope->token == NULL)
		return og_fail(err, -ENOMEM, "load control groups");
	if (!og_ends_with(scope->unit, ".scope") || scope->helper[0] != '/')
		return og_fail(err, -EBADMSG, "the state names no scope");
	*ret_scope = og_take_ptr(scope);
	return 0;
}

/* ---- life ---- */

static struct og_json *request(const char *op, const struct og_scope *scope)
{
	struct og_json *asked = og_json_new_object();

	og_json_set_string(asked, "op", op);
	og_json_set_string(asked, "unit", scope->unit);
	return asked;
}

static bool only_v2(const struct og_cgroup *cgroup)
{
	return og_cgroup_tree(cgroup, "memory") == NULL && og_cgroup_tree(cgroup, "pids") == NULL;
}

static void flag(struct og_json *list, const char *name, bool value)
{
	og_scope_property(list, name, "b", og_json_new_bool(value));
}

static struct og_json *start_properties(const struct og_cgroup *cgroup,
					const struct og_oci_resources *resources)
{
	const struct og_scope *scope = cgroup->scope;
	struct og_json *list = og_json_new_array();

	og_scope_property(list, "Description", "s", og_json_new_string(scope->token));
	og_scope_property(list, "Slice", "s", og_json_new_string(scope->slice));
	flag(list, "Delegate", true);
	flag(list, "DefaultDependencies", false);
	/* Should nobody delete it: then not even a failed one stays. */
	og_scope_property(list, "CollectMode", "s", og_json_new_string("inactive-or-failed"));
	flag(list, "CPUAccounting", true);
	flag(list, "MemoryAccounting", true);
	flag(list, "TasksAccounting", true);
	flag(list, only_v2(cgroup) ? "IOAccounting" : "BlockIOAccounting", true);
	og_scope_properties(resources, only_v2(cgroup), list);
	return list;
}

/* The user's manager puts its units below itself. */
static int correct_folders(struct og_cgroup *cgroup, const char *group, struct og_err *err)
{
	if (group == NULL || group[0] != '/')
		return og_fail(err, -EPROTO, "--systemd-cgroup: systemd names no control group");
	for (size_t i = 0; i < cgroup->count; i++) {
		struct og_cgroup_tree *tree = &cgroup->trees[i];
		char *dir = og_strdupf("%s%s", tree->mount_point, group);

		if (dir == NULL)
			return og_fail(err, -ENOMEM, "--systemd-cgroup");
		free(tree->dir);
		tree->dir = dir;
	}
	return 0;
}

int og_scope_start(struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		   struct og_err *err)
{
	struct og_scope *scope = cgroup->scope;
	og_cleanup(og_json_freep) struct og_json *reply = NULL;
	struct og_json *asked = request("start", scope);
	int r = og_systemd_open(scope->helper, scope->user, &scope->keeper, err);

	og_json_set(asked, "properties", start_properties(cgroup, resources));
	if (r < 0) {
		og_json_free(asked);
		return r;
	}
	r = og_systemd_ask(&scope->keeper, asked, &reply, err);
	if (r == 0)
		r = correct_folders(cgroup,
				    og_json_string(og_json_get(reply, "controlGroup"), NULL), err);
	scope->started = r == 0;
	return r;
}

bool og_scope_moves(const struct og_cgroup *cgroup)
{
	return cgroup->scope != NULL && cgroup->scope->user;
}

void og_scope_release(struct og_scope *scope)
{
	og_systemd_close(&scope->keeper);
}

/* Asks a helper of its own, one question. @asked is taken over. */
static int ask_once(const struct og_scope *scope, struct og_json *asked, struct og_err *err)
{
	struct og_systemd systemd = { .fd = -EBADF };
	int r = og_systemd_open(scope->helper, scope->user, &systemd, err);

	if (r < 0)
		og_json_free(asked);
	else
		r = og_systemd_ask(&systemd, asked, NULL, err);
	og_systemd_close(&systemd);
	return r;
}

int og_scope_attach(struct og_cgroup *cgroup, pid_t pid, struct og_err *err)
{
	struct og_scope *scope = cgroup->scope;
	struct og_json *asked = request("attach", scope);

	og_json_set_int(asked, "pid", pid);
	return scope->keeper.pid > 0 ? og_systemd_ask(&scope->keeper, asked, NULL, err)
				     : ask_once(scope, asked, err);
}

int og_scope_update(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		    struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();
	struct og_json *asked;

	og_scope_properties(resources, only_v2(cgroup), list);
	if (og_json_count(list) == 0)
		return 0;
	asked = request("set", cgroup->scope);
	og_json_set(asked, "properties", og_take_ptr(list));
	return ask_once(cgroup->scope, asked, err);
}

int og_scope_stop(const struct og_scope *scope, struct og_err *err)
{
	struct og_json *asked = request("stop", scope);
	int r;

	og_json_set_string(asked, "description", scope->token);
	r = ask_once(scope, asked, err);
	return r == -ENOTCONN ? 0 : r;
}

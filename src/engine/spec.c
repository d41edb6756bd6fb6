/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#include "base/text.h"
#include "base/weak.h"
#include "format/oci_names.h"
#include "runtime/defaults.h"

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Docker's period for --cpus. */
#define CPU_PERIOD_US 100000

#define SHM_DEFAULT (64 * 1024 * 1024)

static void push_text(struct og_json *array, const char *text)
{
	og_json_push(array, og_json_new_string(text));
}

static struct og_json *strings(const char *const *list)
{
	struct og_json *array = og_json_new_array();

	for (; *list != NULL; list++)
		push_text(array, *list);
	return array;
}

/* ---- process ---- */

static const char *find_env(const struct og_json *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < og_json_count(env); i++) {
		const char *entry = og_json_string(og_json_at(env, i), "");

		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry;
	}
	return NULL;
}

static void push_default_env(struct og_json *to, const struct og_json *env, const char *name,
			     const char *entry)
{
	if (find_env(env, name) == NULL)
		push_text(to, entry);
}

/* Docker's order: PATH, HOSTNAME, TERM, then what was given; HOME last, if nobody gave it. */
static struct og_json *environment(const struct og_json *env, const char *hostname, bool tty,
				   const struct og_user *user)
{
	struct og_json *all = og_json_new_array();
	og_auto_free char *host_entry = og_strdupf("HOSTNAME=%s", hostname);
	og_auto_free char *home_entry = og_strdupf("HOME=%s", user->home);

	push_default_env(all, env, "PATH", PATH_DEFAULT);
	if (host_entry != NULL)
		push_default_env(all, env, "HOSTNAME", host_entry);
	if (tty)
		push_default_env(all, env, "TERM", "TERM=xterm");
	for (size_t i = 0; i < og_json_count(env); i++) {
		const char *entry = og_json_string(og_json_at(env, i), "");

		/* "NAME" alone unsets, which here means: is not set. */
		if (strchr(entry, '=') != NULL && *entry != '=')
			push_text(all, entry);
	}
	if (home_entry != NULL)
		push_default_env(all, env, "HOME", home_entry);
	return all;
}

static struct og_json *user_json(const struct og_user *user, const uint32_t *more, size_t count)
{
	struct og_json *json = og_json_new_object();
	struct og_json *groups = og_json_new_array();

	og_json_set_int(json, "uid", user->uid);
	og_json_set_int(json, "gid", user->gid);
	for (size_t i = 0; i < user->group_count; i++)
		og_json_push(groups, og_json_new_int(user->groups[i]));
	for (size_t i = 0; i < count; i++)
		og_json_push(groups, og_json_new_int(more[i]));
	og_json_set(json, "additionalGids", groups);
	return json;
}

/* "net_admin", "CAP_NET_ADMIN" -> "CAP_NET_ADMIN". */
static void capability_name(const char *text, char name[64])
{
	bool prefixed = strncasecmp(text, "CAP_", 4) == 0;

	(void)snprintf(name, 64, "%s%.40s", prefixed ? "" : "CAP_", text);
	for (char *c = name; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
}

/* Capabilities by number, bit N for number N. */
static int read_set(const struct og_json *list, uint64_t *ret_set, bool *ret_all,
		    struct og_err *err)
{
	*ret_set = 0;
	*ret_all = false;
	for (size_t i = 0; i < og_json_count(list); i++) {
		const char *text = og_json_string(og_json_at(list, i), "");
		char name[64];
		int number;

		if (strcasecmp(text, "ALL") == 0) {
			*ret_all = true;
			continue;
		}
		capability_name(text, name);
		number = og_cap_number(name);
		if (number < 0)
			return og_fail(err, -EINVAL, "invalid capability: \"%s\"", text);
		*ret_set |= UINT64_C(1) << number;
	}
	return 0;
}

/* Docker's rule: what was named wins over ALL, and ALL over the default. */
static int capability_set(const struct og_create *create, uint64_t *ret_set, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *defaults = og_defaults_capabilities();
	uint64_t set, add, drop;
	bool all, add_all, drop_all;
	int r = read_set(defaults, &set, &all, err);

	if (r == 0)
		r = read_set(create->cap_add, &add, &add_all, err);
	if (r == 0)
		r = read_set(create->cap_drop, &drop, &drop_all, err);
	if (r < 0)
		return r;
	if (drop_all)
		set = 0;
	if (add_all || create->privileged)
		set = UINT64_MAX;
	*ret_set = (set | add) & ~drop;
	return 0;
}

/* Names of the capabilities in @set that the running kernel has. */
static struct og_json *capability_names(uint64_t set)
{
	struct og_json *names = og_json_new_array();
	const char *name;

	for (int i = 0; (name = og_cap_name(i)) != NULL; i++) {
		if ((set >> i & 1) != 0 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0)
			push_text(names, name);
	}
	return names;
}

static int capabilities(const struct og_create *create, struct og_json **ret_names,
			struct og_err *err)
{
	uint64_t set;
	int r = capability_set(create, &set, err);

	if (r < 0)
		return r;
	*ret_names = capability_names(set);
	return 0;
}

static int rlimits(const struct og_create *create, struct og_json **ret_list, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();

	for (size_t i = 0; i < create->ulimit_count; i++) {
		const struct og_create_ulimit *limit = &create->ulimits[i];
		struct og_json *item;
		char type[32];

		(void)snprintf(type, sizeof(type), "RLIMIT_%.20s", limit->name);
		for (char *c = type; *c != '\0'; c++)
			*c = (char)toupper((unsigned char)*c);
		if (og_rlimit_number(type) < 0)
			return og_fail(err, -EINVAL, "invalid ulimit type: %s", limit->name);
		item = og_json_new_object();
		og_json_set_string(item, "type", type);
		/* -1 is no limit. */
		og_json_set(item, "soft", og_json_new_uint((uint64_t)limit->soft));
		og_json_set(item, "hard", og_json_new_uint((uint64_t)limit->hard));
		og_json_push(list, item);
	}
	*ret_list = og_take_ptr(list);
	return 0;
}

static void set_cwd(struct og_json *process, const char *dir)
{
	og_auto_free char *cwd = og_clean_path(dir);

	og_json_set_string(process, "cwd", cwd == NULL ? "/" : cwd);
}

static int process_json(const struct og_spec *spec, const struct og_json *caps,
			struct og_json **ret_process, struct og_err *err)
{
	const struct og_create *create = spec->create;
	og_cleanup(og_json_freep) struct og_json *process = og_json_new_object();
	struct og_json *limits = NULL;
	int r = rlimits(create, &limits, err);

	if (r < 0)
		return r;
	og_json_set(process, "rlimits", limits);
	og_json_set_bool(process, "terminal", create->tty);
	if (create->tty && create->console_rows > 0) {
		struct og_json *size = og_json_new_object();

		og_json_set_int(size, "height", create->console_rows);
		og_json_set_int(size, "width", create->console_columns);
		og_json_set(process, "consoleSize", size);
	}
	og_json_set(process, "user",
		    user_json(spec->user, spec->more_groups, spec->more_group_count));
	og_json_set(process, "args", strings(spec->args));
	og_json_set(process, "env",
		    environment(create->env, spec->hostname, create->tty, spec->user));
	set_cwd(process, create->working_dir);
	og_json_set(process, "capabilities", og_defaults_capability_sets(caps));
	og_json_set_bool(process, "noNewPrivileges", create->no_new_privileges);
	if (create->oom_score_adj != 0)
		og_json_set_int(process, "oomScoreAdj", create->oom_score_adj);
	*ret_process = og_take_ptr(process);
	return 0;
}

/* ---- mounts ---- */

static void push_options(struct og_json *options, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, ",");
		og_auto_free char *word = strndup(text, len);

		if (len > 0 && word != NULL)
			push_text(options, word);
		text += len + (text[len] == ',' ? 1 : 0);
	}
}

static struct og_json *mount_json(const struct og_spec_mount *mount)
{
	struct og_json *json = og_json_new_object();
	struct og_json *options = og_json_new_array();

	og_json_set_string(json, "destination", mount->target);
	og_json_set_string(json, "type", mount->type);
	og_json_set_string(json, "source", mount->source);
	if (og_streq(mount->type, "tmpfs")) {
		push_options(options, "noexec,nosuid,nodev");
		push_options(options, mount->tmpfs_options);
	} else {
		push_text(options, "rbind");
		push_text(options, mount->propagation == NULL ? "rprivate" : mount->propagation);
	}
	if (mount->read_only)
		push_text(options, "ro");
	og_json_set(json, "options", options);
	return json;
}

static const char *destination(const struct og_json *mount)
{
	return og_json_string(og_json_get(mount, "destination"), "");
}

static bool is_replaced(const struct og_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (og_streq(spec->mounts[i].target, target))
			return true;
	}
	return false;
}

/* The default mount with another option in place of the one that begins like it. */
static void replace_option(struct og_json *mount, const char *begins, const char *option)
{
	const struct og_json *old = og_json_get(mount, "options");
	struct og_json *options = og_json_new_array();

	for (size_t i = 0; i < og_json_count(old); i++) {
		const char *text = og_json_string(og_json_at(old, i), "");

		push_text(options, og_starts_with(text, begins) ? option : text);
	}
	og_json_set(mount, "options", options);
}

/* /dev/shm and /dev/mqueue of the host, where the IPC namespace is its, too. */
static void share_ipc(struct og_json *mount)
{
	if (!og_streq(destination(mount), "/dev/shm") &&
	    !og_streq(destination(mount), "/dev/mqueue"))
		return;
	og_json_set_string(mount, "type", "bind");
	og_json_set_string(mount, "source", destination(mount));
	og_json_set(mount, "options", og_json_new_array());
	og_json_push(og_json_get(mount, "options"), og_json_new_string("rbind"));
}

static struct og_json *mounts_json(const struct og_spec *spec)
{
	const struct og_create *create = spec->create;
	og_cleanup(og_json_freep) struct og_json *defaults = og_defaults_mounts();
	struct og_json *mounts = og_json_new_array();
	char shm[48];

	(void)snprintf(shm, sizeof(shm), "size=%lld",
		       (long long)(create->shm_size > 0 ? create->shm_size : SHM_DEFAULT));
	for (size_t i = 0; i < og_json_count(defaults); i++) {
		struct og_json *mount = og_json_copy(og_json_at(defaults, i));

		if (is_replaced(spec, destination(mount))) {
			(void)og_json_free(mount);
			continue;
		}
		if (og_streq(destination(mount), "/dev/shm"))
			replace_option(mount, "size=", shm);
		if (og_streq(create->ipc_mode, "host"))
			share_ipc(mount);
		if (create->privileged && og_starts_with(destination(mount), "/sys"))
			replace_option(mount, "ro", "rw");
		og_json_push(mounts, mount);
	}
	for (size_t i = 0; i < spec->mount_count; i++)
		og_json_push(mounts, mount_json(&spec->mounts[i]));
	return mounts;
}

/* ---- linux ---- */

static void push_namespace(struct og_json *list, const char *type, bool private)
{
	struct og_json *item;

	if (!private)
		return;
	item = og_json_new_object();
	og_json_set_string(item, "type", type);
	og_json_push(list, item);
}

static struct og_json *namespaces(const struct og_create *create)
{
	struct og_json *list = og_json_new_array();

	push_namespace(list, "mount", true);
	push_namespace(list, "network", create->network != OG_NETWORK_HOST);
	push_namespace(list, "uts", !og_streq(create->uts_mode, "host"));
	push_namespace(list, "pid", !og_streq(create->pid_mode, "host"));
	push_namespace(list, "ipc", !og_streq(create->ipc_mode, "host"));
	push_namespace(list, "cgroup", !og_streq(create->cgroupns_mode, "host"));
	return list;
}

static void set_positive(struct og_json *object, const char *key, int64_t value)
{
	if (value > 0)
		og_json_set_int(object, key, value);
}

/* As Docker: swap as large as the memory, unless said otherwise. The limit is of both together. */
static struct og_json *memory_json(const struct og_create *create)
{
	struct og_json *memory = og_json_new_object();

	set_positive(memory, "limit", create->memory);
	set_positive(memory, "reservation", create->memory_reservation);
	if (create->memory_swap != 0)
		og_json_set_int(memory, "swap", create->memory_swap);
	else if (create->memory > 0 && create->memory <= INT64_MAX / 2)
		og_json_set_int(memory, "swap", 2 * create->memory);
	if (create->memory_swappiness >= 0)
		og_json_set_int(memory, "swappiness", create->memory_swappiness);
	if (create->oom_kill_disable)
		og_json_set_bool(memory, "disableOOMKiller", true);
	return memory;
}

static struct og_json *cpu_json(const struct og_create *create)
{
	struct og_json *cpu = og_json_new_object();

	set_positive(cpu, "shares", create->cpu_shares);
	if (create->nano_cpus > 0) {
		og_json_set_int(cpu, "period", CPU_PERIOD_US);
		og_json_set_int(cpu, "quota", create->nano_cpus / (1000000000 / CPU_PERIOD_US));
	} else {
		set_positive(cpu, "period", create->cpu_period);
		if (create->cpu_quota != 0)
			og_json_set_int(cpu, "quota", create->cpu_quota);
	}
	if (*create->cpuset_cpus != '\0')
		og_json_set_string(cpu, "cpus", create->cpuset_cpus);
	if (*create->cpuset_mems != '\0')
		og_json_set_string(cpu, "mems", create->cpuset_mems);
	return cpu;
}

static struct og_json *all_devices(void)
{
	struct og_json *rules = og_json_new_array();
	struct og_json *rule = og_json_new_object();

	og_json_set_bool(rule, "allow", true);
	og_json_set_string(rule, "access", "rwm");
	og_json_push(rules, rule);
	return rules;
}

struct og_json *og_spec_limits(const struct og_create *create)
{
	struct og_json *json = og_json_new_object();
	struct og_json *pids = og_json_new_object();

	og_json_set(json, "memory", memory_json(create));
	og_json_set(json, "cpu", cpu_json(create));
	og_json_set_int(pids, "limit",
			create->pids_limit == 0 ? OG_SPEC_PIDS_DEFAULT : create->pids_limit);
	og_json_set(json, "pids", pids);
	if (create->blkio_weight > 0) {
		struct og_json *block = og_json_new_object();

		og_json_set_int(block, "weight", create->blkio_weight);
		og_json_set(json, "blockIO", block);
	}
	return json;
}

static struct og_json *resources(const struct og_create *create)
{
	struct og_json *json = og_spec_limits(create);

	og_json_set(json, "devices", create->privileged ? all_devices() : og_defaults_devices());
	return json;
}

/* What was given; nothing for a privileged workload; else the default. */
static struct og_json *guarded_paths(const struct og_json *given, bool privileged,
				     struct og_json *defaults)
{
	og_cleanup(og_json_freep) struct og_json *owned = defaults;

	if (given != NULL)
		return og_json_copy(given);
	return privileged ? og_json_new_array() : og_take_ptr(owned);
}

/* Setting those of a namespace that is the host's would change the host. */
static int sysctls(const struct og_create *create, struct og_json **ret_json, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	struct og_json_member member = {};

	while (og_json_next(create->sysctls, &member)) {
		bool net = og_starts_with(member.key, "net.");
		bool ipc = og_starts_with(member.key, "fs.mqueue.") ||
			   og_starts_with(member.key, "kernel.msg") ||
			   og_starts_with(member.key, "kernel.sem") ||
			   og_starts_with(member.key, "kernel.shm");

		if (strstr(member.key, "..") != NULL || strchr(member.key, '/') != NULL ||
		    (!net && !ipc))
			return og_fail(err, -EINVAL,
				       "sysctl '%s' is not allowed: only net.* and "
				       "those of the IPC namespace are",
				       member.key);
		if (net && create->network == OG_NETWORK_HOST)
			return og_fail(err, -EINVAL,
				       "sysctl '%s' is not allowed in host's network namespace",
				       member.key);
		if (ipc && og_streq(create->ipc_mode, "host"))
			return og_fail(err, -EINVAL,
				       "sysctl '%s' is not allowed in host's IPC namespace",
				       member.key);
		og_json_set(json, member.key, og_json_copy(member.value));
	}
	*ret_json = og_take_ptr(json);
	return 0;
}

static int linux_json(const struct og_spec *spec, const struct og_json *caps,
		      struct og_json **ret_linux, struct og_err *err)
{
	const struct og_create *create = spec->create;
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	og_auto_free char *cgroup = og_strdupf("/onggi/%s", spec->id);
	struct og_json *sysctl = NULL;
	int r = sysctls(create, &sysctl, err);

	if (r < 0)
		return r;
	og_json_set(json, "sysctl", sysctl);
	og_json_set(json, "namespaces", namespaces(create));
	og_json_set_string(json, "cgroupsPath", cgroup == NULL ? "/onggi" : cgroup);
	og_json_set(json, "resources", resources(create));
	og_json_set(json, "maskedPaths",
		    guarded_paths(create->masked_paths, create->privileged,
				  og_defaults_masked_paths()));
	og_json_set(json, "readonlyPaths",
		    guarded_paths(create->readonly_paths, create->privileged,
				  og_defaults_readonly_paths()));
	if (!create->privileged && !create->seccomp_unconfined)
		og_json_set(json, "seccomp", og_defaults_seccomp(caps));
	*ret_linux = og_take_ptr(json);
	return 0;
}

/* Control input for the runtime: only ever what we say, nothing of an image's labels (A27). */
static struct og_json *annotations(const struct og_spec *spec)
{
	struct og_json *json = og_weak("A27") && spec->create->labels != NULL
				       ? og_json_copy(spec->create->labels)
				       : og_json_new_object();

	if (spec->vm_disks != NULL)
		og_json_set_string(json, "org.onggi.vm.disks", spec->vm_disks);
	return json;
}

int og_spec_make(const struct og_spec *spec, struct og_json **ret_config, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *caps = NULL;
	struct og_json *process = NULL, *linux_ = NULL, *root;
	int r;

	if (spec->create->seccomp_profile != NULL)
		return og_fail(err, -ENOSYS, "seccomp profiles of one's own are not there yet");
	r = capabilities(spec->create, &caps, err);
	if (r == 0)
		r = process_json(spec, caps, &process, err);
	if (r < 0)
		return r;
	og_json_set_string(config, "ociVersion", "1.2.0");
	og_json_set(config, "process", process);
	root = og_json_new_object();
	og_json_set_string(root, "path", "rootfs");
	og_json_set_bool(root, "readonly", spec->create->readonly_rootfs);
	og_json_set(config, "root", root);
	if (!og_streq(spec->create->uts_mode, "host")) {
		og_json_set_string(config, "hostname", spec->hostname);
		if (*spec->create->domainname != '\0')
			og_json_set_string(config, "domainname", spec->create->domainname);
	}
	og_json_set(config, "mounts", mounts_json(spec));
	r = linux_json(spec, caps, &linux_, err);
	if (r < 0)
		return r;
	og_json_set(config, "linux", linux_);
	og_json_set(config, "annotations", annotations(spec));
	*ret_config = og_take_ptr(config);
	return 0;
}

/* ---- exec ---- */

/* The workload's environment with the exec's own over it. */
static struct og_json *joined_env(const struct og_json *base, const struct og_json *over)
{
	struct og_json *joined = og_json_new_array();

	for (size_t i = 0; i < og_json_count(base); i++) {
		const char *entry = og_json_string(og_json_at(base, i), "");
		og_auto_free char *name = strndup(entry, strcspn(entry, "="));

		if (name != NULL && find_env(over, name) == NULL)
			push_text(joined, entry);
	}
	for (size_t i = 0; i < og_json_count(over); i++)
		push_text(joined, og_json_string(og_json_at(over, i), ""));
	return joined;
}

int og_spec_exec_process(const struct og_create *create, const struct og_user *user,
			 const char *hostname, const struct og_json *body,
			 struct og_json **ret_process, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *process = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *env = NULL;
	og_cleanup(og_json_freep) struct og_json *caps = NULL;
	bool tty = og_json_bool(og_json_get(body, "Tty"), false);
	const char *cwd = og_json_string(og_json_get(body, "WorkingDir"), "");
	int r = 0;

	if (og_json_bool(og_json_get(body, "Privileged"), false))
		caps = capability_names(UINT64_MAX);
	else
		r = capabilities(create, &caps, err);
	if (r < 0)
		return r;
	env = joined_env(create->env, og_json_get(body, "Env"));
	og_json_set_bool(process, "terminal", tty);
	og_json_set(process, "user", user_json(user, NULL, 0));
	og_json_set(process, "args", og_json_copy(og_json_get(body, "Cmd")));
	og_json_set(process, "env", environment(env, hostname, tty, user));
	set_cwd(process, *cwd == '\0' ? create->working_dir : cwd);
	og_json_set(process, "capabilities", og_defaults_capability_sets(caps));
	og_json_set_bool(process, "noNewPrivileges", create->no_new_privileges);
	*ret_process = og_take_ptr(process);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_create.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "format/docker_mounts.h"

#define OFFSET(member) offsetof(struct og_create, member)

/* No limit of ours: the kernel says what it takes. */
#define ANY_MIN (-(INT64_C(1) << 62))
#define ANY_MAX (INT64_C(1) << 62)

struct text_field {
	const char *key;
	size_t offset;
};

struct int_field {
	const char *key;
	size_t offset;
	int64_t min, max;
};

static const struct text_field config_texts[] = {
	{ "Image", OFFSET(image) },
	{ "User", OFFSET(user) },
	{ "WorkingDir", OFFSET(working_dir) },
	{ "Hostname", OFFSET(hostname) },
	{ "Domainname", OFFSET(domainname) },
	{ "StopSignal", OFFSET(stop_signal) },
	{},
};

static const struct text_field config_bools[] = {
	{ "Tty", OFFSET(tty) },
	{ "OpenStdin", OFFSET(open_stdin) },
	{ "StdinOnce", OFFSET(stdin_once) },
	{ "AttachStdin", OFFSET(attach_stdin) },
	{ "AttachStdout", OFFSET(attach_stdout) },
	{ "AttachStderr", OFFSET(attach_stderr) },
	{},
};

static const struct int_field config_ints[] = {
	{ "StopTimeout", OFFSET(stop_timeout_s), -1, 86400 },
	{},
};

static const struct text_field config_maps[] = {
	{ "Labels", OFFSET(labels) },
	{},
};

static const struct text_field host_texts[] = {
	{ "IpcMode", OFFSET(ipc_mode) },
	{ "PidMode", OFFSET(pid_mode) },
	{ "UTSMode", OFFSET(uts_mode) },
	{ "CgroupnsMode", OFFSET(cgroupns_mode) },
	{ "CpusetCpus", OFFSET(cpuset_cpus) },
	{ "CpusetMems", OFFSET(cpuset_mems) },
	{},
};

static const struct text_field host_bools[] = {
	{ "AutoRemove", OFFSET(auto_remove) },		{ "Privileged", OFFSET(privileged) },
	{ "ReadonlyRootfs", OFFSET(readonly_rootfs) },	{ "Init", OFFSET(init) },
	{ "OomKillDisable", OFFSET(oom_kill_disable) }, {},
};

/* Docker refuses less than 6 MiB of memory: no process starts in it. */
static const struct int_field host_ints[] = {
	{ "Memory", OFFSET(memory), 0, ANY_MAX },
	{ "MemorySwap", OFFSET(memory_swap), -1, ANY_MAX },
	{ "MemoryReservation", OFFSET(memory_reservation), 0, ANY_MAX },
	{ "MemorySwappiness", OFFSET(memory_swappiness), -1, 100 },
	{ "CpuShares", OFFSET(cpu_shares), 0, 262144 },
	{ "CpuPeriod", OFFSET(cpu_period), 0, 1000000 },
	{ "CpuQuota", OFFSET(cpu_quota), -1, ANY_MAX },
	{ "NanoCpus", OFFSET(nano_cpus), 0, INT64_C(1) << 50 },
	{ "BlkioWeight", OFFSET(blkio_weight), 0, 1000 },
	{ "PidsLimit", OFFSET(pids_limit), -1, INT64_C(1) << 31 },
	{ "ShmSize", OFFSET(shm_size), 0, ANY_MAX },
	{ "OomScoreAdj", OFFSET(oom_score_adj), -1000, 1000 },
	{},
};

static const struct text_field host_lists[] = {
	{ "CapAdd", OFFSET(cap_add) },
	{ "CapDrop", OFFSET(cap_drop) },
	{ "GroupAdd", OFFSET(group_add) },
	{ "ExtraHosts", OFFSET(extra_hosts) },
	{ "Dns", OFFSET(dns) },
	{ "DnsSearch", OFFSET(dns_search) },
	{ "DnsOptions", OFFSET(dns_options) },
	{ "MaskedPaths", OFFSET(masked_paths) },
	{ "ReadonlyPaths", OFFSET(readonly_paths) },
	{},
};

static const struct text_field host_maps[] = {
	{ "Sysctls", OFFSET(sysctls) },
	{},
};

/* What is not there yet: anything but an empty value is refused by name. */
static const char *const host_missing[] = {
	"PortBindings",
	"PublishAllPorts",
	"Links",
	"VolumesFrom",
	"Devices",
	"DeviceRequests",
	"DeviceCgroupRules",
	"CgroupParent",
	"Cgroup",
	"StorageOpt",
	"VolumeDriver",
	"BlkioWeightDevice",
	"BlkioDeviceReadBps",
	"BlkioDeviceWriteBps",
	"BlkioDeviceReadIOps",
	"BlkioDeviceWriteIOps",
	"CpuRealtimePeriod",
	"CpuRealtimeRuntime",
	NULL,
};

static void *field(struct og_create *create, size_t offset)
{
	return (char *)create + offset;
}

static int read_texts(struct og_create *create, const struct og_json *object,
		      const struct text_field *fields, struct og_err *err)
{
	for (; fields->key != NULL; fields++) {
		int r = og_json_opt_string(object, fields->key, field(create, fields->offset), err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_bools(struct og_create *create, const struct og_json *object,
		      const struct text_field *fields, struct og_err *err)
{
	for (; fields->key != NULL; fields++) {
		int r = og_json_opt_bool(object, fields->key, field(create, fields->offset), err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_ints(struct og_create *create, const struct og_json *object,
		     const struct int_field *fields, struct og_err *err)
{
	for (; fields->key != NULL; fields++) {
		int r = og_json_opt_int(object, fields->key, fields->min, fields->max,
					field(create, fields->offset), err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An array of strings, or NULL. */
static int read_list(const struct og_json *object, const char *key, const struct og_json **ret_list,
		     struct og_err *err)
{
	struct og_json *list = NULL;
	int r = og_json_opt_array(object, key, &list, err);

	if (r < 0 || list == NULL)
		return r;
	if (og_json_count(list) > OG_CREATE_LIST_MAX)
		return og_fail(err, -E2BIG, "%s has over %u elements", key, OG_CREATE_LIST_MAX);
	for (size_t i = 0; i < og_json_count(list); i++) {
		if (og_json_kind(og_json_at(list, i)) != OG_JSON_STRING)
			return og_fail(err, -EINVAL, "%s must hold strings", key);
	}
	*ret_list = list;
	return 0;
}

static int read_lists(struct og_create *create, const struct og_json *object,
		      const struct text_field *fields, struct og_err *err)
{
	for (; fields->key != NULL; fields++) {
		int r = read_list(object, fields->key, field(create, fields->offset), err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_maps(struct og_create *create, const struct og_json *object,
		     const struct text_field *fields, struct og_err *err)
{
	for (; fields->key != NULL; fields++) {
		struct og_json_member member = {};
		struct og_json *map = NULL;
		int r = og_json_opt_object(object, fields->key, &map, err);

		if (r < 0)
			return r;
		if (og_json_count(map) > OG_CREATE_LIST_MAX)
			return og_fail(err, -E2BIG, "%s has over %u members", fields->key,
				       OG_CREATE_LIST_MAX);
		while (og_json_next(map, &member)) {
			if (og_json_kind(member.value) != OG_JSON_STRING)
				return og_fail(err, -EINVAL, "%s must hold strings", fields->key);
		}
		*(const struct og_json **)field(create, fields->offset) = map;
	}
	return 0;
}

/* ---- single members of HostConfig ---- */

static bool is_empty(const struct og_json *value)
{
	switch (og_json_kind(value)) {
	case OG_JSON_NULL:
		return true;
	case OG_JSON_BOOL:
		return !og_json_bool(value, true);
	case OG_JSON_INT:
		return og_json_int(value, 1) == 0;
	case OG_JSON_DOUBLE:
		return false;
	case OG_JSON_STRING:
		return *og_json_string(value, "x") == '\0';
	case OG_JSON_ARRAY:
	case OG_JSON_OBJECT:
		return og_json_count(value) == 0;
	}
	return false;
}

static int check_missing(const struct og_json *host, struct og_err *err)
{
	for (const char *const *key = host_missing; *key != NULL; key++) {
		if (!is_empty(og_json_get(host, *key)))
			return og_fail(err, -ENOSYS, "HostConfig.%s is not there yet: leave it out",
				       *key);
	}
	return 0;
}

/* "container", "vm", or by the runtime's name; both must agree. */
static int read_isolation(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	const char *isolation = "", *runtime = "";
	const char *by_runtime;
	int r = og_json_opt_string(host, "Isolation", &isolation, err);

	if (r == 0)
		r = og_json_opt_string(host, "Runtime", &runtime, err);
	if (r < 0)
		return r;
	if (og_streq(isolation, "default"))
		isolation = "";
	if (*isolation != '\0' && !og_streq(isolation, "container") && !og_streq(isolation, "vm"))
		return og_fail(err, -EINVAL,
			       "isolation '%s' is not known: there are container and vm",
			       isolation);
	if (*runtime != '\0' && !og_streq(runtime, "onggi") && !og_streq(runtime, "onggi-vm"))
		return og_fail(err, -EINVAL,
			       "unknown or invalid runtime name: %s (there are onggi and onggi-vm)",
			       runtime);
	by_runtime = og_streq(runtime, "onggi-vm") ? "vm" : "container";
	if (*isolation == '\0')
		isolation = by_runtime;
	else if (og_streq(runtime, "onggi-vm") && !og_streq(isolation, "vm"))
		return og_fail(err, -EINVAL, "isolation '%s' and runtime '%s' contradict",
			       isolation, runtime);
	create->isolation = isolation;
	return 0;
}

static int read_network(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	static const struct {
		const char *name;
		enum og_network_mode mode;
	} modes[] = {
		{ "", OG_NETWORK_DEFAULT },	  { "default", OG_NETWORK_DEFAULT },
		{ "bridge", OG_NETWORK_DEFAULT }, { "none", OG_NETWORK_NONE },
		{ "host", OG_NETWORK_HOST },
	};

	const char *name = "";
	int r = og_json_opt_string(host, "NetworkMode", &name, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (og_streq(name, modes[i].name)) {
			create->network = modes[i].mode;
			return 0;
		}
	}
	return og_fail(err, -ENOSYS, "network '%s' is not there yet: use none or host", name);
}

static int read_restart(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	static const char *const names[] = { "no", "always", "unless-stopped", "on-failure" };
	struct og_json *policy = NULL;
	const char *name = "";
	int r = og_json_opt_object(host, "RestartPolicy", &policy, err);

	if (r == 0)
		r = og_json_opt_string(policy, "Name", &name, err);
	if (r == 0)
		r = og_json_opt_int(policy, "MaximumRetryCount", 0, INT32_MAX, &create->restart_max,
				    err);
	if (r < 0)
		return r;
	if (*name == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (og_streq(name, names[i])) {
			create->restart_policy = names[i];
			if (i > 0 && create->auto_remove)
				return og_fail(err, -EINVAL,
					       "can't create 'AutoRemove' container with restart "
					       "policy");
			return 0;
		}
	}
	return og_fail(err, -EINVAL, "invalid restart policy '%s'", name);
}

static int read_security(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	const struct og_json *list = NULL;
	int r = read_list(host, "SecurityOpt", &list, err);

	for (size_t i = 0; r == 0 && i < og_json_count(list); i++) {
		const char *text = og_json_string(og_json_at(list, i), "");
		size_t key_len = strcspn(text, "=:");
		const char *value = text[key_len] == '\0' ? "" : text + key_len + 1;

		if (og_starts_with(text, "no-new-privileges") && key_len == 17)
			create->no_new_privileges = !og_streq(value, "false");
		else if (og_starts_with(text, "seccomp") && og_streq(value, "unconfined"))
			create->seccomp_unconfined = true;
		else if (og_starts_with(text, "seccomp") && value[0] == '{')
			create->seccomp_profile = value;
		else if (!og_streq(text, "seccomp=builtin") &&
			 !og_streq(text, "apparmor=unconfined") && !og_streq(text, "label=disable"))
			return og_fail(err, -ENOSYS, "SecurityOpt '%s' is not there yet", text);
	}
	return r;
}

/* "10m" as of log options: k, m, g are powers of 1024. */
static int parse_size(const char *text, int64_t *ret_bytes)
{
	static const char units[] = "kmg";
	size_t len = strlen(text);
	const char *unit = len == 0 ? NULL : strchr(units, text[len - 1] | 0x20);
	char digits[24];
	uint64_t value;
	int r;

	if (unit != NULL)
		len--;
	if (len >= sizeof(digits))
		return -ERANGE;
	memcpy(digits, text, len);
	digits[len] = '\0';
	r = og_parse_u64(digits, 1, UINT64_C(1) << 31, &value);
	if (r < 0)
		return r;
	*ret_bytes = (int64_t)(unit == NULL ? value : value << (10 * (unit - units + 1)));
	return 0;
}

static int read_log(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	struct og_json *log = NULL, *options = NULL;
	struct og_json_member member = {};
	const char *type = "";
	int r = og_json_opt_object(host, "LogConfig", &log, err);

	if (r == 0)
		r = og_json_opt_string(log, "Type", &type, err);
	if (r == 0)
		r = og_json_opt_object(log, "Config", &options, err);
	if (r < 0)
		return r;
	if (og_streq(type, "none"))
		create->log_type = "none";
	else if (*type != '\0' && !og_streq(type, "json-file") && !og_streq(type, "local"))
		return og_fail(err, -ENOSYS, "log driver '%s' is not there: use json-file or none",
			       type);
	while (og_json_next(options, &member)) {
		const char *value = og_json_string(member.value, "");

		if (og_streq(member.key, "max-size"))
			r = parse_size(value, &create->log_max_bytes);
		else if (og_streq(member.key, "max-file"))
			r = og_parse_i64(value, 1, 1000, &create->log_max_files);
		else
			return og_fail(err, -ENOSYS, "log option '%s' is not there yet",
				       member.key);
		if (r < 0)
			return og_fail(err, r, "log option %s='%s' is no size or count", member.key,
				       value);
	}
	return 0;
}

static int read_ulimits(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	struct og_json *list = NULL;
	int r = og_json_opt_array(host, "Ulimits", &list, err);
	size_t count = og_json_count(list);

	if (r < 0 || count == 0)
		return r;
	if (count > 64)
		return og_fail(err, -E2BIG, "Ulimits has over 64 elements");
	create->ulimits = calloc(count, sizeof(*create->ulimits));
	if (create->ulimits == NULL)
		return og_fail(err, -ENOMEM, "read Ulimits");
	for (size_t i = 0; i < count; i++) {
		const struct og_json *item = og_json_at(list, i);
		struct og_create_ulimit *limit = &create->ulimits[i];

		limit->name = "";
		r = og_json_opt_string(item, "Name", &limit->name, err);
		if (r == 0)
			r = og_json_opt_int(item, "Soft", -1, INT64_MAX, &limit->soft, err);
		if (r == 0)
			r = og_json_opt_int(item, "Hard", -1, INT64_MAX, &limit->hard, err);
		if (r < 0)
			return r;
		if (limit->name[0] == '\0')
			return og_fail(err, -EINVAL, "Ulimits[%zu] has no Name", i);
	}
	create->ulimit_count = count;
	return 0;
}

static int read_console_size(struct og_create *create, const struct og_json *host,
			     struct og_err *err)
{
	struct og_json *size = NULL;
	int r = og_json_opt_array(host, "ConsoleSize", &size, err);

	if (r < 0 || size == NULL)
		return r;
	create->console_rows = og_json_int(og_json_at(size, 0), 0);
	create->console_columns = og_json_int(og_json_at(size, 1), 0);
	if (create->console_rows < 0 || create->console_rows > UINT16_MAX ||
	    create->console_columns < 0 || create->console_columns > UINT16_MAX)
		return og_fail(err, -ERANGE, "ConsoleSize must be two numbers from 0 to 65535");
	return 0;
}

/* One of "", "private" or "host", and what else is @also. */
static int check_mode(const char *key, const char *mode, const char *const also[],
		      struct og_err *err)
{
	if (*mode == '\0' || og_streq(mode, "private") || og_streq(mode, "host"))
		return 0;
	for (; *also != NULL; also++) {
		if (og_streq(mode, *also))
			return 0;
	}
	return og_fail(err, -ENOSYS, "HostConfig.%s '%s' is not there yet", key, mode);
}

static int check_modes(const struct og_create *create, const struct og_json *host,
		       struct og_err *err)
{
	static const char *const none[] = { NULL };
	static const char *const ipc[] = { "none", "shareable", NULL };
	const char *userns = "";
	int r = check_mode("IpcMode", create->ipc_mode, ipc, err);

	if (r == 0)
		r = check_mode("PidMode", create->pid_mode, none, err);
	if (r == 0)
		r = check_mode("UTSMode", create->uts_mode, none, err);
	if (r == 0)
		r = check_mode("CgroupnsMode", create->cgroupns_mode, none, err);
	if (r == 0)
		r = og_json_opt_string(host, "UsernsMode", &userns, err);
	if (r == 0)
		r = check_mode("UsernsMode", userns, none, err);
	return r;
}

/* Docker's smallest memory limit: no process starts in less. */
#define MEMORY_MIN (6 * 1024 * 1024)

static int check_resources(const struct og_create *create, struct og_err *err)
{
	if (create->memory != 0 && create->memory < MEMORY_MIN)
		return og_fail(err, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (create->memory_swap > 0 && create->memory == 0)
		return og_fail(
			err, -EINVAL,
			"You should always set the Memory limit when using Memoryswap limit");
	if (create->memory_swap > 0 && create->memory_swap < create->memory)
		return og_fail(err, -EINVAL,
			       "Minimum memoryswap limit should be larger than memory limit");
	if (create->nano_cpus > 0 && (create->cpu_quota > 0 || create->cpu_period > 0))
		return og_fail(err, -EINVAL,
			       "Conflicting options: Nano CPUs and CPU Quota or Period cannot both "
			       "be set.");
	if (create->cpu_period != 0 && create->cpu_period < 1000)
		return og_fail(err, -EINVAL, "CPU cfs period can not be less than 1ms");
	return 0;
}

static int read_host(struct og_create *create, const struct og_json *host, struct og_err *err)
{
	typedef int read_fn(struct og_create *, const struct og_json *, struct og_err *);
	static read_fn *const readers[] = {
		read_isolation, read_network, read_restart,	 read_security,
		read_log,	read_ulimits, read_console_size,
	};
	int r = check_missing(host, err);

	if (r == 0)
		r = read_texts(create, host, host_texts, err);
	if (r == 0)
		r = read_bools(create, host, host_bools, err);
	if (r == 0)
		r = read_ints(create, host, host_ints, err);
	if (r == 0)
		r = read_lists(create, host, host_lists, err);
	if (r == 0)
		r = read_maps(create, host, host_maps, err);
	for (size_t i = 0; r == 0 && i < sizeof(readers) / sizeof(readers[0]); i++)
		r = readers[i](create, host, err);
	if (r == 0)
		r = check_modes(create, host, err);
	if (r == 0)
		r = check_resources(create, err);
	return r;
}

static int read_config(struct og_create *create, const struct og_json *body, struct og_err *err)
{
	int r = read_texts(create, body, config_texts, err);

	if (r == 0)
		r = read_bools(create, body, config_bools, err);
	if (r == 0)
		r = read_ints(create, body, config_ints, err);
	if (r == 0)
		r = read_maps(create, body, config_maps, err);
	if (r == 0)
		r = read_list(body, "Env", &create->env, err);
	/* Docker takes a single string for these two; no client has sent one since 1.9. */
	if (r == 0)
		r = read_list(body, "Cmd", &create->cmd, err);
	if (r == 0)
		r = read_list(body, "Entrypoint", &create->entrypoint, err);
	if (r == 0 && *create->stop_signal != '\0' && og_signal_parse(create->stop_signal) == 0)
		r = og_fail(err, -EINVAL, "invalid signal: %s", create->stop_signal);
	return r;
}

int og_create_decode(const struct og_json *body, struct og_create **ret_create, struct og_err *err)
{
	og_cleanup(og_create_freep) struct og_create *create = calloc(1, sizeof(*create));
	struct og_json *host = NULL;
	int r;

	if (create == NULL)
		return og_fail(err, -ENOMEM, "read container's configuration");
	if (og_json_kind(body) != OG_JSON_OBJECT)
		return og_fail(err, -EINVAL, "the body must be a JSON object");
	create->user = create->working_dir = create->hostname = create->domainname = "";
	create->stop_signal = create->ipc_mode = create->pid_mode = create->uts_mode = "";
	create->cgroupns_mode = create->cpuset_cpus = create->cpuset_mems = "";
	create->isolation = "container";
	create->restart_policy = "no";
	create->log_type = "json-file";
	create->stop_timeout_s = create->memory_swappiness = -1;

	r = read_config(create, body, err);
	if (r == 0)
		r = og_json_opt_object(body, "HostConfig", &host, err);
	if (r == 0)
		r = read_host(create, host, err);
	if (r == 0)
		r = og_create_read_mounts(create, body, host, err);
	if (r < 0)
		return r;
	*ret_create = og_take_ptr(create);
	return 0;
}

struct og_create *og_create_free(struct og_create *create)
{
	if (create == NULL)
		return NULL;
	for (size_t i = 0; i < create->mount_count; i++)
		og_create_mount_done(&create->mounts[i]);
	free(create->mounts);
	free(create->ulimits);
	free(create);
	return NULL;
}

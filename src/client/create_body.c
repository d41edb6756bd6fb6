/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "client/create.h"
#include "client/terminal.h"

#define ENV_FILE_MAX  (1U << 20) /* Linux gives a program 2 MiB for all of it */
#define SECCOMP_MAX   (1U << 20) /* Docker's own profile is 13 kB */
#define NANO_CPUS_MAX 1000000000000000LL

static void set_text(struct og_json *object, const char *key, const char *text)
{
	if (text != NULL)
		og_json_set_string(object, key, text);
}

static void set_int(struct og_json *object, const char *key, int64_t value)
{
	if (value != 0)
		og_json_set_int(object, key, value);
}

static void set_words(struct og_json *object, const char *key, const struct og_words *words)
{
	struct og_json *array;

	if (words->count == 0)
		return;
	array = og_json_new_array();
	for (size_t i = 0; i < words->count; i++)
		og_json_push(array, og_json_new_string(words->items[i]));
	og_json_set(object, key, array);
}

/* "KEY=VALUE" -> member; without "=" the value is "". */
static void set_pair(struct og_json *object, const char *pair)
{
	size_t len = strcspn(pair, "=");
	og_auto_free char *key = strndup(pair, len);

	if (key != NULL)
		og_json_set_string(object, key, pair[len] == '=' ? pair + len + 1 : "");
}

static void set_pairs(struct og_json *object, const char *key, const struct og_words *words)
{
	struct og_json *pairs;

	if (words->count == 0)
		return;
	pairs = og_json_new_object();
	for (size_t i = 0; i < words->count; i++)
		set_pair(pairs, words->items[i]);
	og_json_set(object, key, pairs);
}

/* ---- environment and labels, also from files ---- */

/* "NAME" alone means our own value, and nothing where we have none. */
static void push_env(struct og_json *env, const char *word)
{
	const char *value = getenv(word);
	og_auto_free char *pair = NULL;

	if (strchr(word, '=') != NULL) {
		og_json_push(env, og_json_new_string(word));
	} else if (value != NULL) {
		pair = og_strdupf("%s=%s", word, value);
		og_json_push(env, og_json_new_string(pair != NULL ? pair : word));
	}
}

static void push_label(struct og_json *labels, const char *word)
{
	set_pair(labels, word);
}

static int read_lines(const char *path, struct og_json *into,
		      void (*push)(struct og_json *, const char *), struct og_err *err)
{
	og_auto_free char *text = NULL;
	char *save = NULL;
	int r = og_read_file(AT_FDCWD, path, ENV_FILE_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(line);

		while (isspace((unsigned char)*line))
			line++;
		len = strlen(line);
		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (line[0] != '\0' && line[0] != '#')
			push(into, line);
	}
	return 0;
}

/* Files first, so that options given one by one win. */
static int set_env(struct og_json *body, const struct og_create_options *options,
		   struct og_err *err)
{
	struct og_json *env = og_json_new_array();
	struct og_json *labels = og_json_new_object();
	int r = 0;

	for (size_t i = 0; i < options->env_file.count && r == 0; i++)
		r = read_lines(options->env_file.items[i], env, push_env, err);
	for (size_t i = 0; i < options->env.count; i++)
		push_env(env, options->env.items[i]);
	for (size_t i = 0; i < options->label_file.count && r == 0; i++)
		r = read_lines(options->label_file.items[i], labels, push_label, err);
	for (size_t i = 0; i < options->labels.count; i++)
		push_label(labels, options->labels.items[i]);
	og_json_set(body, "Env", env);
	og_json_set(body, "Labels", labels);
	return r;
}

/* ---- volumes and mounts ---- */

/* "/host/path:/inside:ro" and "name:/inside" are binds; "/inside" alone is a new volume. */
static int set_volumes(struct og_json *body, struct og_json *host,
		       const struct og_create_options *options, struct og_err *err)
{
	struct og_json *binds = og_json_new_array();
	struct og_json *volumes = og_json_new_object();

	og_json_set(host, "Binds", binds);
	og_json_set(body, "Volumes", volumes);
	for (size_t i = 0; i < options->volumes.count; i++) {
		const char *volume = options->volumes.items[i];
		const char *colon = strchr(volume, ':');
		og_auto_free char *source = NULL;
		og_auto_free char *full = NULL;
		og_auto_free char *bind = NULL;

		if (colon == NULL) {
			og_json_set(volumes, volume, og_json_new_object());
			continue;
		}
		source = strndup(volume, (size_t)(colon - volume));
		if (source == NULL)
			return og_fail(err, -ENOMEM, "volume '%s'", volume);
		/* "./x", "~" is the shell's: relative to where we are, as a name never is. */
		if (source[0] == '.')
			full = realpath(source, NULL);
		if (source[0] == '.' && full == NULL)
			return og_fail(err, -errno, "volume '%s'", volume);
		bind = og_strdupf("%s%s", full != NULL ? full : source, colon);
		og_json_push(binds, og_json_new_string(bind != NULL ? bind : volume));
	}
	return 0;
}

static const struct {
	const char *key;
	const char *member;
} mount_keys[] = {
	{ "type", "Type" },
	{ "source", "Source" },
	{ "src", "Source" },
	{ "target", "Target" },
	{ "destination", "Target" },
	{ "dst", "Target" },
	{ "consistency", "Consistency" },
};

static bool is_true(const char *value)
{
	return value == NULL || og_streq(value, "true") || og_streq(value, "1");
}

/* The options of one kind of mount, made when the first of them is met. */
static struct og_json *mount_options(struct og_json *mount, const char *kind)
{
	struct og_json *options = og_json_get(mount, kind);

	if (options == NULL) {
		options = og_json_new_object();
		og_json_set(mount, kind, options);
	}
	return options;
}

static int set_mount_field(struct og_json *mount, const char *key, const char *value,
			   struct og_err *err)
{
	int64_t size = 0;

	for (size_t i = 0; i < sizeof(mount_keys) / sizeof(mount_keys[0]); i++) {
		if (og_streq(key, mount_keys[i].key) && value != NULL) {
			og_json_set_string(mount, mount_keys[i].member, value);
			return 0;
		}
	}
	if (og_streq(key, "readonly") || og_streq(key, "ro")) {
		og_json_set_bool(mount, "ReadOnly", is_true(value));
	} else if (og_streq(key, "bind-propagation") && value != NULL) {
		og_json_set_string(mount_options(mount, "BindOptions"), "Propagation", value);
	} else if (og_streq(key, "bind-nonrecursive")) {
		og_json_set_bool(mount_options(mount, "BindOptions"), "NonRecursive",
				 is_true(value));
	} else if (og_streq(key, "volume-nocopy")) {
		og_json_set_bool(mount_options(mount, "VolumeOptions"), "NoCopy", is_true(value));
	} else if (og_streq(key, "tmpfs-size") && value != NULL &&
		   og_size_parse(value, &size) == 0) {
		og_json_set_int(mount_options(mount, "TmpfsOptions"), "SizeBytes", size);
	} else if (og_streq(key, "tmpfs-mode") && value != NULL) {
		og_json_set_int(mount_options(mount, "TmpfsOptions"), "Mode",
				strtol(value, NULL, 8));
	} else {
		return og_fail_plain(err, -EINVAL, "--mount does not know '%s'", key);
	}
	return 0;
}

static int add_mount(struct og_json *mounts, const char *word, struct og_err *err)
{
	og_auto_free char *copy = strdup(word);
	struct og_json *mount = og_json_new_object();
	char *save = NULL;

	og_json_push(mounts, mount);
	og_json_set_string(mount, "Type", "volume");
	if (copy == NULL)
		return og_fail(err, -ENOMEM, "mount '%s'", word);
	for (char *field = strtok_r(copy, ",", &save); field != NULL;
	     field = strtok_r(NULL, ",", &save)) {
		char *value = strchr(field, '=');
		int r;

		if (value != NULL)
			*value++ = '\0';
		r = set_mount_field(mount, field, value, err);
		if (r < 0)
			return r;
	}
	if (og_json_get(mount, "Target") == NULL)
		return og_fail_plain(err, -EINVAL, "mount '%s' has no target=", word);
	return 0;
}

static int set_mounts(struct og_json *host, const struct og_create_options *options,
		      struct og_err *err)
{
	struct og_json *mounts = og_json_new_array();
	struct og_json *tmpfs = og_json_new_object();
	int r = 0;

	og_json_set(host, "Mounts", mounts);
	og_json_set(host, "Tmpfs", tmpfs);
	for (size_t i = 0; i < options->mounts.count && r == 0; i++)
		r = add_mount(mounts, options->mounts.items[i], err);
	for (size_t i = 0; i < options->tmpfs.count; i++) {
		const char *word = options->tmpfs.items[i];
		size_t len = strcspn(word, ":");
		og_auto_free char *folder = strndup(word, len);

		if (folder != NULL)
			og_json_set_string(tmpfs, folder, word[len] == ':' ? word + len + 1 : "");
	}
	return r;
}

/* ---- limits ---- */

/* "nofile=1024:2048" */
static int add_ulimit(struct og_json *ulimits, const char *word, struct og_err *err)
{
	og_auto_free char *copy = strdup(word);
	char *soft_text = copy != NULL ? strchr(copy, '=') : NULL;
	struct og_json *ulimit;
	char *hard_text;
	int64_t soft = 0;
	int64_t hard = 0;

	if (soft_text == NULL)
		return og_fail_plain(err, -EINVAL, "--ulimit '%s' is not NAME=SOFT[:HARD]", word);
	*soft_text++ = '\0';
	hard_text = strchr(soft_text, ':');
	if (hard_text != NULL)
		*hard_text++ = '\0';
	if (og_parse_i64(soft_text, -1, INT64_MAX, &soft) < 0 ||
	    og_parse_i64(hard_text != NULL ? hard_text : soft_text, -1, INT64_MAX, &hard) < 0)
		return og_fail_plain(err, -EINVAL, "--ulimit '%s' is not NAME=SOFT[:HARD]", word);
	ulimit = og_json_new_object();
	og_json_set_string(ulimit, "Name", copy);
	og_json_set_int(ulimit, "Soft", soft);
	og_json_set_int(ulimit, "Hard", hard);
	og_json_push(ulimits, ulimit);
	return 0;
}

int og_set_cpus(struct og_json *host, const char *cpus, struct og_err *err)
{
	char *end = NULL;
	double number;

	if (cpus == NULL)
		return 0;
	number = strtod(cpus, &end);
	if (*end != '\0' || end == cpus || number < 0.0 || number * 1e9 > (double)NANO_CPUS_MAX)
		return og_fail_plain(err, -EINVAL, "--cpus does not take '%s'", cpus);
	og_json_set_int(host, "NanoCpus", (int64_t)(number * 1e9 + 0.5));
	return 0;
}

static int set_limits(struct og_json *host, const struct og_create_options *options,
		      struct og_err *err)
{
	struct og_json *ulimits = og_json_new_array();
	int r = og_set_cpus(host, options->cpus, err);

	og_json_set(host, "Ulimits", ulimits);
	for (size_t i = 0; i < options->ulimit.count && r == 0; i++)
		r = add_ulimit(ulimits, options->ulimit.items[i], err);
	set_int(host, "Memory", options->memory);
	set_int(host, "MemorySwap", options->memory_swap);
	set_int(host, "MemoryReservation", options->memory_reservation);
	set_int(host, "ShmSize", options->shm_size);
	set_int(host, "PidsLimit", options->pids_limit);
	set_int(host, "CpuShares", options->cpu_shares);
	set_int(host, "CpuPeriod", options->cpu_period);
	set_int(host, "CpuQuota", options->cpu_quota);
	set_int(host, "OomScoreAdj", options->oom_score_adj);
	if (options->memory_swappiness >= 0)
		og_json_set_int(host, "MemorySwappiness", options->memory_swappiness);
	if (options->oom_kill_disable)
		og_json_set_bool(host, "OomKillDisable", true);
	set_text(host, "CpusetCpus", options->cpuset_cpus);
	set_text(host, "CpusetMems", options->cpuset_mems);
	return r;
}

/* ---- devices, ports, policies ---- */

/* "/dev/x[:/dev/y][:rwm]" */
static void add_device(struct og_json *devices, const char *word)
{
	struct og_json *device = og_json_new_object();
	size_t host_len = strcspn(word, ":");
	const char *rest = word[host_len] == ':' ? word + host_len + 1 : "";
	bool has_inside = rest[0] == '/';
	size_t inside_len = has_inside ? strcspn(rest, ":") : 0;
	const char *access = has_inside ? rest + inside_len : rest;
	og_auto_free char *host = strndup(word, host_len);
	og_auto_free char *inside = strndup(rest, inside_len);

	if (*access == ':')
		access++;
	set_text(device, "PathOnHost", host);
	set_text(device, "PathInContainer", has_inside ? inside : host);
	og_json_set_string(device, "CgroupPermissions", *access != '\0' ? access : "rwm");
	og_json_push(devices, device);
}

/* The list of bindings of one port inside, made when it is new. */
static struct og_json *port_bindings(struct og_json *body, struct og_json *host, const char *key)
{
	struct og_json *ports = og_json_get(host, "PortBindings");
	struct og_json *list = og_json_get(ports, key);

	if (list == NULL) {
		list = og_json_new_array();
		og_json_set(ports, key, list);
		og_json_set(og_json_get(body, "ExposedPorts"), key, og_json_new_object());
	}
	return list;
}

/* "[ADDRESS:][HOST:]INSIDE[/PROTOCOL]" */
static void add_port(struct og_json *body, struct og_json *host, const char *word)
{
	size_t len = strcspn(word, "/");
	og_auto_free char *ports = strndup(word, len);
	og_auto_free char *key = NULL;
	struct og_json *binding;
	char *inside;
	char *outside = NULL;

	if (ports == NULL)
		return;
	inside = strrchr(ports, ':');
	if (inside != NULL) {
		*inside++ = '\0';
		outside = strrchr(ports, ':');
		if (outside != NULL)
			*outside++ = '\0';
	}
	key = og_strdupf("%s/%s", inside != NULL ? inside : ports,
			 word[len] == '/' ? word + len + 1 : "tcp");
	if (key == NULL)
		return;
	binding = og_json_new_object();
	og_json_set_string(binding, "HostIp", outside != NULL ? ports : "");
	og_json_set_string(binding, "HostPort",
			   inside == NULL    ? ""
			   : outside != NULL ? outside
					     : ports);
	og_json_push(port_bindings(body, host, key), binding);
}

static void set_devices_and_ports(struct og_json *body, struct og_json *host,
				  const struct og_create_options *options)
{
	struct og_json *devices = og_json_new_array();

	og_json_set(host, "Devices", devices);
	for (size_t i = 0; i < options->devices.count; i++)
		add_device(devices, options->devices.items[i]);
	og_json_set(host, "PortBindings", og_json_new_object());
	og_json_set(body, "ExposedPorts", og_json_new_object());
	for (size_t i = 0; i < options->publish.count; i++)
		add_port(body, host, options->publish.items[i]);
	for (size_t i = 0; i < options->expose.count; i++) {
		const char *word = options->expose.items[i];
		og_auto_free char *key =
			og_strdupf(strchr(word, '/') != NULL ? "%s" : "%s/tcp", word);

		if (key != NULL)
			og_json_set(og_json_get(body, "ExposedPorts"), key, og_json_new_object());
	}
}

/* "on-failure:3" */
int og_set_restart(struct og_json *host, const char *text, struct og_err *err)
{
	struct og_json *policy = og_json_new_object();
	size_t len = strcspn(text, ":");
	og_auto_free char *name = strndup(text, len);
	int64_t times = 0;

	og_json_set(host, "RestartPolicy", policy);
	if (text[len] == ':' && og_parse_i64(text + len + 1, 0, INT_MAX, &times) < 0)
		return og_fail_plain(err, -EINVAL, "--restart does not take '%s'", text);
	set_text(policy, "Name", name);
	og_json_set_int(policy, "MaximumRetryCount", times);
	return 0;
}

static int set_restart(struct og_json *host, const struct og_create_options *options,
		       struct og_err *err)
{
	const char *text = options->restart != NULL ? options->restart : "no";

	if (options->remove && *text != '\0' && *text != ':' && !og_starts_with(text, "no:") &&
	    !og_streq(text, "no"))
		return og_fail_plain(err, -EINVAL, "--rm and --restart=%s exclude each other",
				     text);
	return og_set_restart(host, text, err);
}

/* "seccomp=FILE" carries the file's text: the daemon may be elsewhere. */
static int set_security(struct og_json *host, const struct og_create_options *options,
			struct og_err *err)
{
	struct og_json *list = og_json_new_array();

	og_json_set(host, "SecurityOpt", list);
	for (size_t i = 0; i < options->security_opt.count; i++) {
		const char *word = options->security_opt.items[i];
		og_auto_free char *text = NULL;
		og_auto_free char *whole = NULL;
		int r;

		if (!og_starts_with(word, "seccomp=") || og_streq(word, "seccomp=unconfined") ||
		    og_streq(word, "seccomp=builtin")) {
			og_json_push(list, og_json_new_string(word));
			continue;
		}
		r = og_read_file(AT_FDCWD, word + strlen("seccomp="), SECCOMP_MAX, &text, NULL,
				 err);
		if (r < 0)
			return r;
		whole = og_strdupf("seccomp=%s", text);
		og_json_push(list, og_json_new_string(whole));
	}
	return 0;
}

static void set_log(struct og_json *host, const struct og_create_options *options)
{
	struct og_json *log = og_json_new_object();

	og_json_set_string(log, "Type", options->log_driver != NULL ? options->log_driver : "");
	set_pairs(log, "Config", &options->log_opt);
	og_json_set(host, "LogConfig", log);
}

static const struct {
	const char *member;
	size_t offset;
} host_words[] = {
	{ "CapAdd", offsetof(struct og_create_options, cap_add) },
	{ "CapDrop", offsetof(struct og_create_options, cap_drop) },
	{ "Dns", offsetof(struct og_create_options, dns) },
	{ "DnsOptions", offsetof(struct og_create_options, dns_option) },
	{ "DnsSearch", offsetof(struct og_create_options, dns_search) },
	{ "ExtraHosts", offsetof(struct og_create_options, add_host) },
	{ "GroupAdd", offsetof(struct og_create_options, group_add) },
	{ "Links", offsetof(struct og_create_options, links) },
	{ "VolumesFrom", offsetof(struct og_create_options, volumes_from) },
};

static const struct {
	const char *member;
	size_t offset;
} host_texts[] = {
	{ "NetworkMode", offsetof(struct og_create_options, network) },
	{ "Isolation", offsetof(struct og_create_options, isolation) },
	{ "Runtime", offsetof(struct og_create_options, runtime) },
	{ "IpcMode", offsetof(struct og_create_options, ipc) },
	{ "PidMode", offsetof(struct og_create_options, pid) },
	{ "UTSMode", offsetof(struct og_create_options, uts) },
	{ "UsernsMode", offsetof(struct og_create_options, userns) },
	{ "CgroupnsMode", offsetof(struct og_create_options, cgroupns) },
	{ "CgroupParent", offsetof(struct og_create_options, cgroup_parent) },
};

static const void *member_at(const struct og_create_options *options, size_t offset)
{
	return (const char *)options + offset;
}

static int set_host(struct og_json *body, struct og_json *host,
		    const struct og_create_options *options, struct og_err *err)
{
	uint16_t rows = 0;
	uint16_t columns = 0;
	int r;

	for (size_t i = 0; i < sizeof(host_words) / sizeof(host_words[0]); i++)
		set_words(host, host_words[i].member, member_at(options, host_words[i].offset));
	for (size_t i = 0; i < sizeof(host_texts) / sizeof(host_texts[0]); i++)
		set_text(host, host_texts[i].member,
			 *(const char *const *)member_at(options, host_texts[i].offset));
	og_json_set_bool(host, "AutoRemove", options->remove);
	og_json_set_bool(host, "Privileged", options->privileged);
	og_json_set_bool(host, "ReadonlyRootfs", options->read_only);
	og_json_set_bool(host, "PublishAllPorts", options->publish_all);
	if (options->init)
		og_json_set_bool(host, "Init", true);
	if (options->tty && og_terminal_size(STDOUT_FILENO, &rows, &columns)) {
		struct og_json *size = og_json_new_array();

		og_json_push(size, og_json_new_int(rows));
		og_json_push(size, og_json_new_int(columns));
		og_json_set(host, "ConsoleSize", size);
	}
	set_pairs(host, "Sysctls", &options->sysctl);
	set_pairs(host, "StorageOpt", &options->storage_opt);
	set_pairs(host, "Annotations", &options->annotations);
	set_log(host, options);
	set_devices_and_ports(body, host, options);
	r = set_volumes(body, host, options, err);
	if (r == 0)
		r = set_mounts(host, options, err);
	if (r == 0)
		r = set_limits(host, options, err);
	if (r == 0)
		r = set_restart(host, options, err);
	if (r == 0)
		r = set_security(host, options, err);
	return r;
}

/* ---- the whole ---- */

static int set_attach(struct og_json *body, const struct og_create_options *options,
		      struct og_err *err)
{
	bool streams[3] = {};
	static const char *const names[3] = { "stdin", "stdout", "stderr" };

	for (size_t i = 0; i < options->attach.count; i++) {
		size_t at = 0;

		while (at < 3 && strcasecmp(options->attach.items[i], names[at]) != 0)
			at++;
		if (at == 3)
			return og_fail_plain(err, -EINVAL, "--attach does not take '%s'",
					     options->attach.items[i]);
		streams[at] = true;
	}
	if (options->attach.count == 0 && !options->detach) {
		streams[0] = options->interactive;
		streams[1] = streams[2] = true;
	}
	og_json_set_bool(body, "AttachStdin", streams[0]);
	og_json_set_bool(body, "AttachStdout", streams[1]);
	og_json_set_bool(body, "AttachStderr", streams[2]);
	og_json_set_bool(body, "OpenStdin", options->interactive);
	og_json_set_bool(body, "StdinOnce", options->interactive && streams[0]);
	og_json_set_bool(body, "Tty", options->tty);
	return 0;
}

static void set_command(struct og_json *body, const struct og_create_options *options, int argc,
			char **argv)
{
	struct og_json *command = og_json_new_array();

	for (int i = 0; i < argc; i++)
		og_json_push(command, og_json_new_string(argv[i]));
	og_json_set(body, "Cmd", argc > 0 ? command : og_json_free(command));
	if (options->entrypoint != NULL) {
		struct og_json *entrypoint = og_json_new_array();

		og_json_push(entrypoint, og_json_new_string(options->entrypoint));
		og_json_set(body, "Entrypoint", entrypoint);
	}
}

int og_create_body(const struct og_create_options *options, const char *image, int argc,
		   char **argv, struct og_json **ret_body, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = og_json_new_object();
	struct og_json *host = og_json_new_object();
	int r;

	og_json_set(body, "HostConfig", host);
	og_json_set_string(body, "Image", image);
	set_text(body, "Hostname", options->hostname);
	set_text(body, "Domainname", options->domainname);
	set_text(body, "User", options->user);
	set_text(body, "WorkingDir", options->workdir);
	set_text(body, "StopSignal", options->stop_signal);
	set_text(body, "MacAddress", options->mac_address);
	if (options->stop_timeout >= 0)
		og_json_set_int(body, "StopTimeout", options->stop_timeout);
	if (options->no_healthcheck) {
		struct og_json *test = og_json_new_array();
		struct og_json *check = og_json_new_object();

		og_json_push(test, og_json_new_string("NONE"));
		og_json_set(check, "Test", test);
		og_json_set(body, "Healthcheck", check);
	}
	set_command(body, options, argc, argv);
	r = set_attach(body, options, err);
	if (r == 0)
		r = set_env(body, options, err);
	if (r == 0)
		r = set_host(body, host, options, err);
	if (r < 0)
		return r;
	*ret_body = og_take_ptr(body);
	return 0;
}

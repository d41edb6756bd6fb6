/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads as Docker's documents. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "engine/internal.h"
#include "format/docker_query.h"
#include "runtime/defaults.h"

/* Output of `ps -ef` on a host full of processes. */
#define PS_MAX (16U * 1024U * 1024U)

static const char *const type_names[] = {
	[OG_MOUNT_BIND] = "bind",
	[OG_MOUNT_VOLUME] = "volume",
	[OG_MOUNT_TMPFS] = "tmpfs",
};

static void set_path(struct og_json *json, const char *key, char *path)
{
	og_json_set_string(json, key, path == NULL ? "" : path);
	free(path);
}

static struct og_json *state_json(const struct og_record *record)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "Status", og_phase_name(record->phase));
	og_json_set_bool(json, "Running", og_record_runs(record));
	og_json_set_bool(json, "Paused", record->phase == OG_PHASE_PAUSED);
	og_json_set_bool(json, "Restarting", record->phase == OG_PHASE_RESTARTING);
	og_json_set_bool(json, "OOMKilled", record->oom_killed);
	og_json_set_bool(json, "Dead", false);
	og_json_set_int(json, "Pid", record->pid);
	og_json_set_int(json, "ExitCode", record->exit_status);
	og_json_set_string(json, "Error", record->error);
	og_json_set_string(json, "StartedAt", record->started_at);
	og_json_set_string(json, "FinishedAt", record->finished_at);
	return json;
}

static struct og_json *points_json(const struct og_record *record)
{
	struct og_json *list = og_json_new_array();

	for (size_t i = 0; i < record->point_count; i++) {
		const struct og_mount_point *point = &record->points[i];
		struct og_json *item = og_json_new_object();

		og_json_set_string(item, "Type", type_names[point->type]);
		if (point->name != NULL)
			og_json_set_string(item, "Name", point->name);
		og_json_set_string(item, "Source", point->source == NULL ? "" : point->source);
		og_json_set_string(item, "Destination", point->target);
		if (point->type == OG_MOUNT_VOLUME)
			og_json_set_string(item, "Driver", "local");
		og_json_set_string(item, "Mode", point->read_only ? "ro" : "");
		og_json_set_bool(item, "RW", !point->read_only);
		og_json_set_string(item, "Propagation",
				   point->type != OG_MOUNT_BIND ? ""
				   : point->propagation == NULL ? "rprivate"
								: point->propagation);
		og_json_push(list, item);
	}
	return list;
}

static const char *network_name(const struct og_create *create)
{
	switch (create->network) {
	case OG_NETWORK_HOST:
		return "host";
	case OG_NETWORK_NONE:
	case OG_NETWORK_DEFAULT:
	default:
		return "none";
	}
}

static struct og_json *network_json(const struct og_create *create)
{
	static const char *const texts[] = {
		"NetworkID",   "EndpointID",	    "Gateway",	  "IPAddress",
		"IPv6Gateway", "GlobalIPv6Address", "MacAddress",
	};
	struct og_json *json = og_json_new_object();
	struct og_json *networks = og_json_new_object();
	struct og_json *network = og_json_new_object();

	og_json_set(network, "IPAMConfig", NULL);
	og_json_set(network, "Links", NULL);
	og_json_set(network, "Aliases", NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		og_json_set_string(network, texts[i], "");
	og_json_set_int(network, "IPPrefixLen", 0);
	og_json_set_int(network, "GlobalIPv6PrefixLen", 0);
	og_json_set(network, "DriverOpts", NULL);
	og_json_set(networks, network_name(create), network);
	og_json_set(json, "Networks", networks);
	return json;
}

static struct og_json *network_settings(const struct og_create *create)
{
	static const char *const texts[] = {
		"Bridge",      "SandboxID",  "LinkLocalIPv6Address", "SandboxKey",
		"EndpointID",  "Gateway",    "GlobalIPv6Address",    "IPAddress",
		"IPv6Gateway", "MacAddress",
	};
	struct og_json *json = network_json(create);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		og_json_set_string(json, texts[i], "");
	og_json_set_bool(json, "HairpinMode", false);
	og_json_set_int(json, "LinkLocalIPv6PrefixLen", 0);
	og_json_set(json, "Ports", og_json_new_object());
	og_json_set(json, "SecondaryIPAddresses", NULL);
	og_json_set(json, "SecondaryIPv6Addresses", NULL);
	og_json_set_int(json, "GlobalIPv6PrefixLen", 0);
	og_json_set_int(json, "IPPrefixLen", 0);
	return json;
}

/* The body without HostConfig and NetworkingConfig is Config. */
static struct og_json *config_json(const struct og_record *record)
{
	struct og_json *json = og_json_copy(record->body);
	char short_id[13];

	og_json_unset(json, "HostConfig");
	og_json_unset(json, "NetworkingConfig");
	(void)snprintf(short_id, sizeof(short_id), "%.12s", record->id);
	if (*record->create->hostname == '\0')
		og_json_set_string(json, "Hostname", short_id);
	return json;
}

static void set_default(struct og_json *object, const char *key, struct og_json *value)
{
	if (og_json_get(object, key) == NULL)
		og_json_set(object, key, value);
	else
		(void)og_json_free(value);
}

static struct og_json *host_config_json(const struct og_record *record)
{
	const struct og_json *given = og_json_get(og_record_body(record), "HostConfig");
	struct og_json *json = given == NULL ? og_json_new_object() : og_json_copy(given);
	struct og_json *log = og_json_new_object();
	bool vm = og_streq(record->create->isolation, "vm");

	og_json_set_string(log, "Type", record->create->log_type);
	og_json_set(log, "Config",
		    og_json_copy(og_json_get(og_json_get(given, "LogConfig"), "Config")));
	set_default(log, "Config", og_json_new_object());
	og_json_set(json, "LogConfig", log);
	og_json_set_string(json, "Isolation", record->create->isolation);
	og_json_set_string(json, "Runtime", vm ? "onggi-vm" : "onggi");
	set_default(json, "NetworkMode", og_json_new_string("default"));
	set_default(json, "MaskedPaths", og_defaults_masked_paths());
	set_default(json, "ReadonlyPaths", og_defaults_readonly_paths());
	return json;
}

static struct og_json *args_json(const struct og_record *record)
{
	struct og_json *args = og_json_new_array();
	const char *arg;

	for (size_t i = 1; (arg = og_record_arg(record, i)) != NULL; i++)
		og_json_push(args, og_json_new_string(arg));
	return args;
}

/* With the lock held. */
static struct og_json *exec_ids(struct og_engine *engine, const struct og_record *record)
{
	struct og_json *ids = NULL;

	for (const struct og_exec *exec = engine->execs; exec != NULL; exec = exec->next) {
		if (exec->record != record || !exec->started || exec->ended)
			continue;
		if (ids == NULL)
			ids = og_json_new_array();
		og_json_push(ids, og_json_new_string(exec->id));
	}
	return ids;
}

static void set_paths(struct og_json *json, const struct og_record *record)
{
	set_path(json, "ResolvConfPath", og_record_data_path(record, "resolv.conf"));
	set_path(json, "HostnamePath", og_record_data_path(record, "hostname"));
	set_path(json, "HostsPath", og_record_data_path(record, "hosts"));
	set_path(json, "LogPath",
		 og_streq(record->create->log_type, "none") ? NULL
							    : og_record_data_path(record, "log"));
}

static struct og_json *graph_driver(const struct og_record *record)
{
	struct og_json *json = og_json_new_object();
	struct og_json *data = og_json_new_object();

	set_path(data, "UpperDir", og_record_data_path(record, "upper"));
	og_json_set(json, "Data", data);
	og_json_set_string(json, "Name", "erofs");
	return json;
}

/* With the lock held. */
static struct og_json *inspect_locked(struct og_record *record)
{
	struct og_json *json = og_json_new_object();
	og_auto_free char *name = og_strdupf("/%s", record->name);

	og_json_set_string(json, "Id", record->id);
	og_json_set_string(json, "Created", record->created);
	og_json_set_string(json, "Path", og_record_arg(record, 0));
	og_json_set(json, "Args", args_json(record));
	og_json_set(json, "State", state_json(record));
	og_json_set_string(json, "Image", record->image_id);
	set_paths(json, record);
	og_json_set_string(json, "Name", name == NULL ? "" : name);
	og_json_set_int(json, "RestartCount", (int64_t)record->restarts);
	og_json_set_string(json, "Driver", "erofs");
	og_json_set_string(json, "Platform", "linux");
	og_json_set_string(json, "MountLabel", "");
	og_json_set_string(json, "ProcessLabel", "");
	og_json_set_string(json, "AppArmorProfile", "");
	og_json_set(json, "ExecIDs", exec_ids(record->engine, record));
	og_json_set(json, "HostConfig", host_config_json(record));
	og_json_set(json, "GraphDriver", graph_driver(record));
	og_json_set(json, "Mounts", points_json(record));
	og_json_set(json, "Config", config_json(record));
	og_json_set(json, "NetworkSettings", network_settings(record->create));
	return json;
}

int og_engine_inspect(struct og_engine *engine, const char *name, struct og_json **ret_json,
		      struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&engine->lock);
	*ret_json = inspect_locked(record);
	(void)pthread_mutex_unlock(&engine->lock);
	return 0;
}

/* ---- the list ---- */

/* "3 minutes", "About an hour", as Docker says it. */
static void human_duration(int64_t seconds, char text[64])
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} steps[] = {
		{ 60, 1, "seconds" },
		{ 46 * 60, 60, "minutes" },
		{ 48 * 3600, 3600, "hours" },
		{ 14 * 86400, 86400, "days" },
		{ 60 * 86400, 7 * 86400, "weeks" },
		{ 730 * INT64_C(86400), 30 * 86400, "months" },
		{ INT64_MAX, 365 * 86400, "years" },
	};

	size_t i = 0;

	if (seconds < 1) {
		(void)strcpy(text, "Less than a second");
		return;
	}
	if (seconds == 1 || (seconds >= 60 && seconds < 120) ||
	    (seconds >= 46 * 60 && seconds < 5400)) {
		(void)strcpy(text, seconds == 1	   ? "1 second"
				   : seconds < 120 ? "About a minute"
						   : "About an hour");
		return;
	}
	while (seconds >= steps[i].below)
		i++;
	(void)snprintf(text, 64, "%lld %s", (long long)(seconds / steps[i].unit), steps[i].name);
}

static void since(const char *moment, char text[64])
{
	struct timespec then, now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (og_clock_parse(moment, &then) < 0)
		then = now;
	human_duration(now.tv_sec - then.tv_sec, text);
}

/* With the lock held. */
static void status_text(const struct og_record *record, char text[160])
{
	char span[64];

	switch (record->phase) {
	case OG_PHASE_RUNNING:
	case OG_PHASE_PAUSED:
		since(record->started_at, span);
		(void)snprintf(text, 160, "Up %s%s", span,
			       record->phase == OG_PHASE_PAUSED ? " (Paused)" : "");
		return;
	case OG_PHASE_RESTARTING:
		since(record->finished_at, span);
		(void)snprintf(text, 160, "Restarting (%d) %s ago", record->exit_status, span);
		return;
	case OG_PHASE_EXITED:
		since(record->finished_at, span);
		(void)snprintf(text, 160, "Exited (%d) %s ago", record->exit_status, span);
		return;
	case OG_PHASE_REMOVING:
		(void)strcpy(text, "Removal In Progress");
		return;
	case OG_PHASE_CREATED:
	case OG_PHASE_COUNT:
	default:
		(void)strcpy(text, "Created");
	}
}

static char *command_text(const struct og_record *record)
{
	struct og_text text = {};
	const char *arg;

	for (size_t i = 0; (arg = og_record_arg(record, i)) != NULL; i++) {
		bool quoted = i > 0 && (*arg == '\0' || strpbrk(arg, " \t\n\"'") != NULL);

		og_text_addf(&text, quoted ? "%s'%s'" : "%s%s", i == 0 ? "" : " ", arg);
	}
	return og_text_take(&text);
}

/* With the lock held. */
static struct og_json *summary(const struct og_record *record)
{
	struct og_json *json = og_json_new_object();
	struct og_json *names = og_json_new_array();
	struct og_json *host = og_json_new_object();
	og_auto_free char *name = og_strdupf("/%s", record->name);
	og_auto_free char *command = command_text(record);
	struct timespec created = {};
	char status[160];

	(void)og_clock_parse(record->created, &created);
	status_text(record, status);
	og_json_push(names, og_json_new_string(name == NULL ? "" : name));
	og_json_set_string(json, "Id", record->id);
	og_json_set(json, "Names", names);
	og_json_set_string(json, "Image", record->image);
	og_json_set_string(json, "ImageID", record->image_id);
	og_json_set_string(json, "Command", command == NULL ? "" : command);
	og_json_set_int(json, "Created", created.tv_sec);
	og_json_set(json, "Ports", og_json_new_array());
	og_json_set(json, "Labels",
		    record->create->labels == NULL ? og_json_new_object()
						   : og_json_copy(record->create->labels));
	og_json_set_string(json, "State", og_phase_name(record->phase));
	og_json_set_string(json, "Status", status);
	og_json_set_string(host, "NetworkMode", network_name(record->create));
	og_json_set(json, "HostConfig", host);
	og_json_set(json, "NetworkSettings", network_json(record->create));
	og_json_set(json, "Mounts", points_json(record));
	return json;
}

static bool name_matches(const struct og_json *filters, const char *name)
{
	const struct og_json *values = og_filters_get(filters, "name");

	for (size_t i = 0; i < og_json_count(values); i++) {
		const char *value = og_json_string(og_json_at(values, i), "");
		size_t len;

		/* Docker takes regular expressions; anchors and plain text are what is used. */
		if (*value == '^') {
			value += value[1] == '/' ? 2 : 1;
			len = strcspn(value, "$");
			if (strncmp(name, value, len) == 0 &&
			    (value[len] == '\0' || name[len] == '\0'))
				return true;
			continue;
		}
		if (strstr(name, *value == '/' ? value + 1 : value) != NULL)
			return true;
	}
	return values == NULL;
}

static bool prefix_matches(const struct og_json *filters, const char *key, const char *id)
{
	const struct og_json *values = og_filters_get(filters, key);

	for (size_t i = 0; i < og_json_count(values); i++) {
		if (og_starts_with(id, og_json_string(og_json_at(values, i), "")))
			return true;
	}
	return values == NULL;
}

static bool exit_matches(const struct og_json *filters, const struct og_record *record)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", record->exit_status);
	return og_filters_get(filters, "exited") == NULL ||
	       (record->phase == OG_PHASE_EXITED && og_filters_allow(filters, "exited", text));
}

/* With the lock held. */
static bool is_listed(const struct og_record *record, const struct og_json *filters, bool all)
{
	const char *phase = og_phase_name(record->phase);

	if (og_filters_get(filters, "status") != NULL) {
		if (!og_filters_allow(filters, "status", phase))
			return false;
	} else if (!all && og_filters_get(filters, "exited") == NULL && !og_record_runs(record) &&
		   record->phase != OG_PHASE_RESTARTING) {
		return false;
	}
	return name_matches(filters, record->name) && prefix_matches(filters, "id", record->id) &&
	       (og_filters_allow(filters, "ancestor", record->image) ||
		og_filters_allow(filters, "ancestor", record->image_id)) &&
	       og_filters_allow(filters, "isolation", record->create->isolation) &&
	       og_filters_allow(filters, "network", network_name(record->create)) &&
	       exit_matches(filters, record) &&
	       og_filters_allow_labels(filters, record->create->labels);
}

int og_engine_list(struct og_engine *engine, const struct og_json *filters, bool all, size_t limit,
		   struct og_json **ret_json, struct og_err *err)
{
	struct og_json *list = og_json_new_array();

	(void)err;
	(void)pthread_mutex_lock(&engine->lock);
	for (size_t i = engine->count; i-- > 0;) {
		const struct og_record *record = engine->records[i];

		if (limit > 0 && og_json_count(list) >= limit)
			break;
		if (is_listed(record, filters, all || limit > 0))
			og_json_push(list, summary(record));
	}
	(void)pthread_mutex_unlock(&engine->lock);
	*ret_json = list;
	return 0;
}

/* ---- prune ---- */

/* With the lock held: IDs of what may go. */
static struct og_json *prunable(struct og_engine *engine, const struct og_json *filters,
				int64_t until_s)
{
	struct og_json *ids = og_json_new_array();

	for (size_t i = 0; i < engine->count; i++) {
		const struct og_record *record = engine->records[i];
		struct timespec created = {};

		(void)og_clock_parse(record->created, &created);
		if (!og_record_runs(record) && record->phase != OG_PHASE_RESTARTING &&
		    (until_s == 0 || created.tv_sec < until_s) &&
		    og_filters_allow_labels(filters, record->create->labels))
			og_json_push(ids, og_json_new_string(record->id));
	}
	return ids;
}

int og_engine_prune(struct og_engine *engine, const struct og_json *filters,
		    struct og_json **ret_answer, struct og_err *err)
{
	const struct og_json *until = og_filters_get(filters, "until");
	og_cleanup(og_json_freep) struct og_json *ids = NULL;
	struct og_json *deleted = NULL, *answer;
	int64_t until_s = 0;
	struct timespec moment;

	if (until != NULL) {
		const char *text = og_json_string(og_json_at(until, 0), "");

		if (og_clock_parse(text, &moment) == 0)
			until_s = moment.tv_sec;
		else if (og_parse_i64(text, 1, INT64_MAX, &until_s) < 0)
			return og_fail(err, -EINVAL, "invalid filter 'until=%s'", text);
	}
	(void)pthread_mutex_lock(&engine->lock);
	ids = prunable(engine, filters, until_s);
	(void)pthread_mutex_unlock(&engine->lock);
	for (size_t i = 0; i < og_json_count(ids); i++) {
		const char *id = og_json_string(og_json_at(ids, i), "");

		/* One that was started meanwhile stays. */
		if (og_engine_remove(engine, id, false, false, NULL) < 0)
			continue;
		if (deleted == NULL)
			deleted = og_json_new_array();
		og_json_push(deleted, og_json_new_string(id));
	}
	answer = og_json_new_object();
	og_json_set(answer, "ContainersDeleted", deleted);
	og_json_set_int(answer, "SpaceReclaimed", 0);
	*ret_answer = answer;
	return 0;
}

/* ---- top ---- */

/* Processes of a workload are those in its init's PID namespace. */
static bool same_namespace(const char *pid, const struct stat *wanted)
{
	og_auto_free char *path = og_strdupf("/proc/%s/ns/pid", pid);
	struct stat st;

	return path != NULL && stat(path, &st) == 0 && st.st_ino == wanted->st_ino &&
	       st.st_dev == wanted->st_dev;
}

static struct og_json *split_words(char *line, size_t count)
{
	struct og_json *words = og_json_new_array();

	for (size_t i = 0; i + 1 < count; i++) {
		line += strspn(line, " ");
		og_json_push(words, og_json_new_string(strsep(&line, " ")));
		if (line == NULL)
			return words;
	}
	og_json_push(words, og_json_new_string(line + strspn(line, " ")));
	return words;
}

static struct og_json *select_processes(char *output, const struct stat *namespace)
{
	static const char *const titles[] = { "UID",   "PID", "PPID", "C",
					      "STIME", "TTY", "TIME", "CMD" };
	struct og_json *json = og_json_new_object();
	struct og_json *heads = og_json_new_array(), *processes = og_json_new_array();
	char *rest = output;
	char *line = strsep(&rest, "\n");

	for (size_t i = 0; i < 8; i++)
		og_json_push(heads, og_json_new_string(titles[i]));
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct og_json *words = split_words(line, 8);
		const char *pid = og_json_string(og_json_at(words, 1), "");

		if (*pid != '\0' && same_namespace(pid, namespace))
			og_json_push(processes, words);
		else
			(void)og_json_free(words);
	}
	og_json_set(json, "Processes", processes);
	og_json_set(json, "Titles", heads);
	return json;
}

int og_engine_top(struct og_engine *engine, const char *name, struct og_json **ret_json,
		  struct og_err *err)
{
	og_auto_record record = NULL;
	og_auto_free char *output = NULL;
	char path[48];
	const char *argv[] = { "ps", "-ef", NULL };
	struct og_spawn spawn = { .path = "ps", .argv = (char *const *)argv };
	struct stat namespace;
	pid_t pid;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&engine->lock);
	pid = og_record_runs(record) ? record->pid : 0;
	(void)pthread_mutex_unlock(&engine->lock);
	if (pid == 0)
		return og_fail(err, -EBUSY, "Container %s is not running", record->id);
	if (og_streq(record->create->isolation, "vm"))
		return og_fail(err, -ENOSYS,
			       "processes of a VM are not seen from outside: use "
			       "`exec %s ps`",
			       name);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (stat(path, &namespace) < 0)
		return og_fail(err, -EBUSY, "Container %s is not running", record->id);
	r = og_spawn_wait(&spawn, PS_MAX, &output, err);
	if (r != 0 || output == NULL)
		return og_fail(err, -EREMOTEIO, "list processes with ps (package procps)");
	*ret_json = select_processes(output, &namespace);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Routes about the engine itself. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/call.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/io.h"

#define OS_RELEASE_MAX 65536U

/* As Go names it. */
static const char *architecture(const struct utsname *host)
{
	if (og_streq(host->machine, "x86_64"))
		return "amd64";
	if (og_streq(host->machine, "aarch64"))
		return "arm64";
	return host->machine;
}

static int ping(struct call *call, struct og_err *err)
{
	(void)err;
	og_http_set_header(call->request, "Cache-Control", "no-cache, no-store, must-revalidate");
	og_http_set_header(call->request, "Pragma", "no-cache");
	og_http_reply(call->request, 200, "text/plain; charset=utf-8", "OK", 2);
	return 0;
}

static struct og_json *component(const struct utsname *host)
{
	struct og_json *json = og_json_new_object();
	struct og_json *details = og_json_new_object();

	og_json_set_string(json, "Name", "Engine");
	og_json_set_string(json, "Version", OG_VERSION);
	og_json_set_string(details, "ApiVersion", OG_API_VERSION);
	og_json_set_string(details, "Arch", architecture(host));
	og_json_set_string(details, "Experimental", "false");
	og_json_set_string(details, "KernelVersion", host->release);
	og_json_set_string(details, "MinAPIVersion", OG_API_VERSION_MIN);
	og_json_set_string(details, "Os", "linux");
	og_json_set(json, "Details", details);
	return json;
}

static int version(struct call *call, struct og_err *err)
{
	struct og_json *json = og_json_new_object();
	struct og_json *platform = og_json_new_object();
	struct og_json *components = og_json_new_array();
	struct utsname host;

	(void)err;
	(void)uname(&host);
	og_json_set_string(platform, "Name", "onggi");
	og_json_push(components, component(&host));
	og_json_set(json, "Platform", platform);
	og_json_set(json, "Components", components);
	og_json_set_string(json, "Version", OG_VERSION);
	og_json_set_string(json, "ApiVersion", OG_API_VERSION);
	og_json_set_string(json, "MinAPIVersion", OG_API_VERSION_MIN);
	og_json_set_string(json, "GitCommit", "");
	og_json_set_string(json, "GoVersion", "");
	og_json_set_string(json, "Os", "linux");
	og_json_set_string(json, "Arch", architecture(&host));
	og_json_set_string(json, "KernelVersion", host.release);
	og_json_set_string(json, "BuildTime", "");
	return reply_json(call, 200, json);
}

/* ---- info ---- */

/* PRETTY_NAME of /etc/os-release. */
static char *operating_system(void)
{
	og_auto_free char *text = NULL;
	const char *at;
	size_t len;

	if (og_read_file(AT_FDCWD, "/etc/os-release", OS_RELEASE_MAX, &text, &len, NULL) < 0)
		return strdup("Linux");
	at = strstr(text, "PRETTY_NAME=\"");
	if (at == NULL)
		return strdup("Linux");
	at += strlen("PRETTY_NAME=\"");
	return strndup(at, strcspn(at, "\"\n"));
}

static struct og_json *strings(const char *const *list)
{
	struct og_json *array = og_json_new_array();

	for (; *list != NULL; list++)
		og_json_push(array, og_json_new_string(*list));
	return array;
}

static struct og_json *plugins(void)
{
	static const char *const volumes[] = { "local", NULL };
	static const char *const networks[] = { "host", "null", NULL };
	static const char *const logs[] = { "json-file", "none", NULL };
	struct og_json *json = og_json_new_object();

	og_json_set(json, "Volume", strings(volumes));
	og_json_set(json, "Network", strings(networks));
	og_json_set(json, "Authorization", NULL);
	og_json_set(json, "Log", strings(logs));
	return json;
}

static struct og_json *runtimes(void)
{
	static const char *const names[] = { "onggi", "onggi-vm" };
	struct og_json *json = og_json_new_object();

	for (size_t i = 0; i < 2; i++) {
		struct og_json *runtime = og_json_new_object();

		og_json_set_string(runtime, "path", "onggi-runtime");
		og_json_set(json, names[i], runtime);
	}
	return json;
}

static struct og_json *index_config(const char *name, bool secure, bool official)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "Name", name);
	og_json_set(json, "Mirrors", og_json_new_array());
	og_json_set_bool(json, "Secure", secure);
	og_json_set_bool(json, "Official", official);
	return json;
}

static struct og_json *registry_config(const struct og_engine_config *config)
{
	static const char *const loopback[] = { "127.0.0.0/8", NULL };
	struct og_json *json = og_json_new_object();
	struct og_json *indexes = og_json_new_object();

	for (const char *const *name = config->insecure_registries; name != NULL && *name != NULL;
	     name++)
		og_json_set(indexes, *name, index_config(*name, false, false));
	og_json_set(indexes, "docker.io", index_config("docker.io", true, true));
	og_json_set(json, "InsecureRegistryCIDRs", strings(loopback));
	og_json_set(json, "IndexConfigs", indexes);
	og_json_set(json, "Mirrors", og_json_new_array());
	return json;
}

static void set_counts(struct call *call, struct og_json *json)
{
	struct og_engine_counts counts;
	og_cleanup(og_image_list_freep) struct og_image **images = NULL;
	int64_t count = 0;

	og_engine_count(call->engine, &counts);
	og_json_set_int(json, "Containers", (int64_t)counts.all);
	og_json_set_int(json, "ContainersRunning", (int64_t)counts.running);
	og_json_set_int(json, "ContainersPaused", (int64_t)counts.paused);
	og_json_set_int(json, "ContainersStopped", (int64_t)counts.stopped);
	if (og_images_list(og_engine_images(call->engine), &images, NULL) == 0) {
		while (images[count] != NULL)
			count++;
	}
	og_json_set_int(json, "Images", count);
}

static void set_host(struct og_json *json)
{
	og_auto_free char *system = operating_system();
	struct utsname host;
	struct sysinfo memory;

	(void)uname(&host);
	(void)sysinfo(&memory);
	og_json_set_string(json, "KernelVersion", host.release);
	og_json_set_string(json, "OperatingSystem", system == NULL ? "Linux" : system);
	og_json_set_string(json, "OSVersion", "");
	og_json_set_string(json, "OSType", "linux");
	og_json_set_string(json, "Architecture", host.machine);
	og_json_set_int(json, "NCPU", get_nprocs());
	og_json_set_int(json, "MemTotal", (int64_t)memory.totalram * memory.mem_unit);
	og_json_set_string(json, "Name", host.nodename);
}

static bool has_file(const char *path)
{
	return access(path, F_OK) == 0;
}

/* What limits the host's cgroups can hold. */
static void set_limits(struct og_json *json)
{
	bool v2 = has_file("/sys/fs/cgroup/cgroup.controllers");

	og_json_set_string(json, "CgroupDriver", "cgroupfs");
	og_json_set_string(json, "CgroupVersion", v2 ? "2" : "1");
	og_json_set_bool(json, "MemoryLimit", v2 || has_file("/sys/fs/cgroup/memory"));
	og_json_set_bool(json, "SwapLimit",
			 v2 || has_file("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"));
	og_json_set_bool(json, "CpuCfsPeriod", v2 || has_file("/sys/fs/cgroup/cpu"));
	og_json_set_bool(json, "CpuCfsQuota", v2 || has_file("/sys/fs/cgroup/cpu"));
	og_json_set_bool(json, "CPUShares", v2 || has_file("/sys/fs/cgroup/cpu"));
	og_json_set_bool(json, "CPUSet", v2 || has_file("/sys/fs/cgroup/cpuset"));
	og_json_set_bool(json, "PidsLimit", v2 || has_file("/sys/fs/cgroup/pids"));
	og_json_set_bool(json, "OomKillDisable", !v2);
}

static struct og_json *swarm(void)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "NodeID", "");
	og_json_set_string(json, "NodeAddr", "");
	og_json_set_string(json, "LocalNodeState", "inactive");
	og_json_set_bool(json, "ControlAvailable", false);
	og_json_set_string(json, "Error", "");
	og_json_set(json, "RemoteManagers", NULL);
	return json;
}

static struct og_json *warnings(struct og_engine *engine)
{
	const char *emulation = og_engine_emulation(engine);
	struct og_json *list;

	if (emulation == NULL)
		return NULL;
	list = og_json_new_array();
	og_json_push(list, og_json_new_string(emulation));
	return list;
}

static int info(struct call *call, struct og_err *err)
{
	static const char *const security[] = { "name=seccomp,profile=default", "name=cgroupns",
						NULL };
	const struct og_engine_config *config = og_engine_config(call->engine);
	struct og_json *json = og_json_new_object();
	char now[OG_CLOCK_TEXT_BYTES];

	(void)err;
	og_clock_now(now);
	og_json_set_string(json, "ID", "onggi");
	set_counts(call, json);
	og_json_set_string(json, "Driver", "erofs");
	og_json_set(json, "DriverStatus", og_json_new_array());
	og_json_set(json, "Plugins", plugins());
	set_limits(json);
	set_host(json);
	og_json_set_bool(json, "Debug", call->api->debug);
	og_json_set_string(json, "SystemTime", now);
	og_json_set_string(json, "LoggingDriver", "json-file");
	og_json_set_string(json, "IndexServerAddress", "https://index.docker.io/v1/");
	og_json_set(json, "RegistryConfig", registry_config(config));
	og_json_set_string(json, "DockerRootDir", config->data_root);
	og_json_set(json, "Labels", og_json_new_array());
	og_json_set_bool(json, "ExperimentalBuild", false);
	og_json_set_string(json, "ServerVersion", OG_VERSION);
	og_json_set(json, "Runtimes", runtimes());
	og_json_set_string(json, "DefaultRuntime", "onggi");
	og_json_set(json, "Swarm", swarm());
	og_json_set_bool(json, "LiveRestoreEnabled", true);
	og_json_set_string(json, "Isolation", "container");
	og_json_set_string(json, "InitBinary", "");
	og_json_set(json, "SecurityOptions", strings(security));
	og_json_set(json, "Warnings", warnings(call->engine));
	return reply_json(call, 200, json);
}

/* ---- df ---- */

static int df(struct call *call, struct og_err *err)
{
	og_cleanup(og_image_list_freep) struct og_image **images = NULL;
	og_cleanup(og_json_freep) struct og_json *filters = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *volumes = NULL;
	struct og_json *json, *list, *containers;
	uint64_t total = 0;
	int r = og_images_list(og_engine_images(call->engine), &images, err);

	if (r == 0)
		r = og_volumes_list(call->engine, &volumes, err);
	if (r == 0)
		r = og_engine_list(call->engine, filters, true, 0, &containers, err);
	if (r < 0)
		return r;
	list = og_json_new_array();
	for (struct og_image **image = images; *image != NULL; image++) {
		struct og_json *item = og_json_new_object();

		og_json_set_string(item, "Id", (*image)->id);
		og_json_set_int(item, "Size", (int64_t)(*image)->size);
		og_json_set_int(item, "SharedSize", 0);
		og_json_set_int(item, "Created", (*image)->created_s);
		og_json_push(list, item);
		total += (*image)->size;
	}
	json = og_json_new_object();
	og_json_set_int(json, "LayersSize", (int64_t)total);
	og_json_set(json, "Images", list);
	og_json_set(json, "Containers", containers);
	og_json_set(json, "Volumes", og_json_copy(og_json_get(volumes, "Volumes")));
	og_json_set(json, "BuildCache", NULL);
	og_json_set_int(json, "BuilderSize", 0);
	return reply_json(call, 200, json);
}

const struct route system_routes[] = {
	{ "GET", "/_ping", ping, BODY_NONE },
	{ "GET", "/version", version, BODY_NONE },
	{ "GET", "/info", info, BODY_NONE },
	{ "GET", "/system/df", df, BODY_NONE },
	{},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/defaults.h"

#include "runtime/state.h"

static struct og_json *strings(const char *const *list)
{
	struct og_json *array = og_json_new_array();

	for (; *list != NULL; list++)
		og_json_push(array, og_json_new_string(*list));
	return array;
}

struct og_json *og_defaults_capabilities(void)
{
	static const char *const names[] = {
		"CAP_CHOWN",
		"CAP_DAC_OVERRIDE",
		"CAP_FSETID",
		"CAP_FOWNER",
		"CAP_MKNOD",
		"CAP_NET_RAW",
		"CAP_SETGID",
		"CAP_SETUID",
		"CAP_SETFCAP",
		"CAP_SETPCAP",
		"CAP_NET_BIND_SERVICE",
		"CAP_SYS_CHROOT",
		"CAP_KILL",
		"CAP_AUDIT_WRITE",
		NULL,
	};

	return strings(names);
}

struct og_json *og_defaults_capability_sets(const struct og_json *names)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	struct og_json *capabilities = og_json_new_object();

	for (size_t i = 0; i < 3; i++)
		og_json_set(capabilities, sets[i], og_json_copy(names));
	return capabilities;
}

struct mount_row {
	const char *destination, *type, *source;
	const char *options[8];
};

static const struct mount_row mount_rows[] = {
	{ "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "ro", "nosuid", "noexec", "nodev" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
};

struct og_json *og_defaults_mounts(void)
{
	struct og_json *mounts = og_json_new_array();

	for (size_t i = 0; i < sizeof(mount_rows) / sizeof(mount_rows[0]); i++) {
		struct og_json *mount = og_json_new_object();

		og_json_set_string(mount, "destination", mount_rows[i].destination);
		og_json_set_string(mount, "type", mount_rows[i].type);
		og_json_set_string(mount, "source", mount_rows[i].source);
		og_json_set(mount, "options", strings(mount_rows[i].options));
		og_json_push(mounts, mount);
	}
	return mounts;
}

struct og_json *og_defaults_masked_paths(void)
{
	static const char *const paths[] = {
		"/proc/acpi",
		"/proc/asound",
		"/proc/interrupts",
		"/proc/kcore",
		"/proc/keys",
		"/proc/latency_stats",
		"/proc/sched_debug",
		"/proc/scsi",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/sys/devices/virtual/powercap",
		"/sys/firmware",
		NULL,
	};

	return strings(paths);
}

struct og_json *og_defaults_readonly_paths(void)
{
	static const char *const paths[] = { "/proc/bus",	    "/proc/fs",
					     "/proc/irq",	    "/proc/sys",
					     "/proc/sysrq-trigger", NULL };

	return strings(paths);
}

struct og_json *og_defaults_namespaces(void)
{
	static const char *const types[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
	struct og_json *namespaces = og_json_new_array();

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct og_json *namespace = og_json_new_object();

		og_json_set_string(namespace, "type", types[i]);
		og_json_push(namespaces, namespace);
	}
	return namespaces;
}

struct og_json *og_defaults_devices(void)
{
	struct og_json *devices = og_json_new_array();
	struct og_json *rule = og_json_new_object();

	og_json_set_bool(rule, "allow", false);
	og_json_set_string(rule, "access", "rwm");
	og_json_push(devices, rule);
	return devices;
}

static struct og_json *default_process(const struct og_json *capabilities)
{
	static const char *const args[] = { "sh", NULL };
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
		NULL
	};
	struct og_json *process = og_json_new_object();
	struct og_json *user = og_json_new_object();

	og_json_set_int(user, "uid", 0);
	og_json_set_int(user, "gid", 0);
	og_json_set_bool(process, "terminal", true);
	og_json_set(process, "user", user);
	og_json_set(process, "args", strings(args));
	og_json_set(process, "env", strings(env));
	og_json_set_string(process, "cwd", "/");
	og_json_set(process, "capabilities", og_defaults_capability_sets(capabilities));
	og_json_set_bool(process, "noNewPrivileges", true);
	return process;
}

static struct og_json *default_linux(const struct og_json *capabilities)
{
	struct og_json *lin = og_json_new_object();
	struct og_json *resources = og_json_new_object();

	og_json_set(resources, "devices", og_defaults_devices());
	og_json_set(lin, "resources", resources);
	og_json_set(lin, "namespaces", og_defaults_namespaces());
	og_json_set(lin, "maskedPaths", og_defaults_masked_paths());
	og_json_set(lin, "readonlyPaths", og_defaults_readonly_paths());
	og_json_set(lin, "seccomp", og_defaults_seccomp(capabilities));
	return lin;
}

struct og_json *og_defaults_config(void)
{
	struct og_json *capabilities = og_defaults_capabilities();
	struct og_json *config = og_json_new_object();
	struct og_json *root = og_json_new_object();

	og_json_set_string(config, "ociVersion", OG_OCI_VERSION);
	og_json_set(config, "process", default_process(capabilities));
	og_json_set_string(root, "path", "rootfs");
	og_json_set_bool(root, "readonly", true);
	og_json_set(config, "root", root);
	og_json_set_string(config, "hostname", "onggi");
	og_json_set(config, "mounts", og_defaults_mounts());
	og_json_set(config, "linux", default_linux(capabilities));
	og_json_free(capabilities);
	return config;
}

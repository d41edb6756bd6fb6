/* SPDX-License-Identifier: Apache-2.0 */
/* `spec` and `features`: what there is to choose from. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "format/oci_names.h"
#include "format/seccomp_names.h"
#include "runtime/commands.h"
#include "runtime/defaults.h"

int og_command_spec(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config =
		context->args->spec_rootless ? og_defaults_rootless_config(geteuid(), getegid())
					     : og_defaults_config();
	og_auto_free char *text = og_json_write_pretty(config);
	og_auto_free char *path = og_strdupf("%s/config.json", context->args->bundle);
	og_auto_fd fd = -EBADF;
	int r;

	if (text == NULL || path == NULL)
		return og_fail(err, -ENOMEM, "write config.json");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return og_fail(err, -errno, "write '%s'%s", path,
			       errno == EEXIST ? ": remove the one that is there first" : "");
	r = og_write_all(fd, text, strlen(text));
	return r < 0 ? og_fail(err, r, "write '%s'", path) : 0;
}

static struct og_json *list(const char *words)
{
	struct og_json *array = og_json_new_array();
	og_auto_free char *copy = strdup(words);
	char *rest = copy;

	for (char *word; rest != NULL && (word = strsep(&rest, " ")) != NULL;)
		og_json_push(array, og_json_new_string(word));
	return array;
}

static struct og_json *names_of(const struct og_seccomp_name *table)
{
	struct og_json *array = og_json_new_array();

	for (; table->name != NULL; table++)
		og_json_push(array, og_json_new_string(table->name));
	return array;
}

static struct og_json *enabled(bool yes)
{
	struct og_json *object = og_json_new_object();

	og_json_set_bool(object, "enabled", yes);
	return object;
}

static struct og_json *features_capabilities(void)
{
	struct og_json *array = og_json_new_array();

	for (int i = 0; og_cap_name(i) != NULL; i++)
		og_json_push(array, og_json_new_string(og_cap_name(i)));
	return array;
}

/* Those that this kernel takes: it looks at the flags before it looks for the filter. */
static struct og_json *supported_flags(void)
{
	struct og_json *array = og_json_new_array();

	for (const struct og_seccomp_name *row = og_seccomp_flags; row->name != NULL; row++) {
		unsigned long flags = row->value;

		if (flags == OG_SECCOMP_WAIT_KILLABLE) /* it says how a listener waits */
			flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 &&
		    errno == EFAULT)
			og_json_push(array, og_json_new_string(row->name));
	}
	return array;
}

static struct og_json *features_seccomp(void)
{
	struct og_json *seccomp = enabled(true);
	struct og_json *archs = og_json_new_array();

	og_json_set(seccomp, "actions", names_of(og_seccomp_actions));
	og_json_set(seccomp, "operators", names_of(og_seccomp_comparisons));
	for (size_t i = 0; i < OG_SECCOMP_ABIS; i++)
		og_json_push(archs, og_json_new_string(og_seccomp_abis[i].name));
	og_json_set(seccomp, "archs", archs);
	og_json_set(seccomp, "knownFlags", names_of(og_seccomp_flags));
	og_json_set(seccomp, "supportedFlags", supported_flags());
	return seccomp;
}

static struct og_json *features_linux(void)
{
	struct og_json *lin = og_json_new_object();
	struct og_json *mounts = og_json_new_object();
	struct og_json *rdt = enabled(true);
	struct og_json *cgroup = og_json_new_object();
	struct og_json *memory = og_json_new_object();

	og_json_set(lin, "capabilities", features_capabilities());
	og_json_set(lin, "namespaces", list("cgroup ipc mount network pid time user uts"));
	og_json_set_bool(cgroup, "v1", true);
	og_json_set_bool(cgroup, "v2", true);
	og_json_set_bool(cgroup, "systemd", true);
	og_json_set_bool(cgroup, "systemdUser", true);
	og_json_set_bool(cgroup, "rdma", true);
	og_json_set(lin, "cgroup", cgroup);
	og_json_set(lin, "seccomp", features_seccomp());
	og_json_set(lin, "apparmor", enabled(true));
	og_json_set(lin, "selinux", enabled(true));
	og_json_set(memory, "modes",
		    list("MPOL_BIND MPOL_DEFAULT MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED "
			 "MPOL_PREFERRED_MANY MPOL_WEIGHTED_INTERLEAVE"));
	og_json_set(memory, "flags",
		    list("MPOL_F_NUMA_BALANCING MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES"));
	og_json_set(lin, "memoryPolicy", memory);
	og_json_set_bool(rdt, "schemata", true);
	og_json_set_bool(rdt, "monitoring", true);
	og_json_set(lin, "intelRdt", rdt);
	og_json_set(mounts, "idmap", enabled(true));
	og_json_set(lin, "mountExtensions", mounts);
	og_json_set(lin, "netDevices", enabled(true));
	return lin;
}

static struct og_json *features_annotations(const struct og_context *context)
{
	struct og_json *annotations = og_json_new_object();

	for (size_t i = 0; context->isolations[i] != NULL; i++) {
		if (context->isolations[i]->features != NULL)
			context->isolations[i]->features(annotations);
	}
	return annotations;
}

int og_command_features(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *features = og_json_new_object();
	og_auto_free char *text = NULL;

	og_json_set_string(features, "ociVersionMin", "1.0.0");
	og_json_set_string(features, "ociVersionMax", OG_OCI_VERSION);
	og_json_set(
		features, "hooks",
		list("prestart createRuntime createContainer startContainer poststart poststop"));
	og_json_set(
		features, "mountOptions",
		list("async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud "
		     "mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime "
		     "nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime "
		     "remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime "
		     "rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave "
		     "rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid "
		     "symfollow sync tmpcopyup unbindable"));
	og_json_set(features, "linux", features_linux());
	og_json_set(features, "annotations", features_annotations(context));
	og_json_set(features, "potentiallyUnsafeConfigAnnotations", list("org.onggi."));
	text = og_json_write_pretty(features);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "print features");
	printf("%s\n", text);
	return 0;
}

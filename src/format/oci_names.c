/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

static const char *const caps[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static const char *const rlimits[] = {
	"CPU",	   "FSIZE", "DATA",  "STACK",	   "CORE",     "RSS",  "NPROC",	 "NOFILE",
	"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
};

static int number_of(const char *name, const char *prefix, const char *const *names, size_t count)
{
	if (!og_starts_with(name, prefix))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (og_streq(names[i], name + strlen(prefix)))
			return (int)i;
	}
	return -EINVAL;
}

int og_cap_number(const char *name)
{
	return number_of(name, "", caps, sizeof(caps) / sizeof(caps[0]));
}

int og_rlimit_number(const char *name)
{
	return number_of(name, "RLIMIT_", rlimits, sizeof(rlimits) / sizeof(rlimits[0]));
}

const char *og_cap_name(int number)
{
	if (number < 0 || (size_t)number >= sizeof(caps) / sizeof(caps[0]))
		return NULL;
	return caps[number];
}

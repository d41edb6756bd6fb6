/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

static const char *const caps[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
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
	return number_of(name, "CAP_", caps, sizeof(caps) / sizeof(caps[0]));
}

int og_rlimit_number(const char *name)
{
	return number_of(name, "RLIMIT_", rlimits, sizeof(rlimits) / sizeof(rlimits[0]));
}

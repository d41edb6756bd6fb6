/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_values.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/personality.h>

#include "format/oci_config.h"

/* Of the kernel's, where Debian 12's headers have them not. */
#define OG_SCHED_ISO		    4
#define OG_SCHED_DEADLINE	    6
#define OG_MPOL_WEIGHTED_INTERLEAVE 6

const struct og_schema_name og_oci_sched_policies[] = {
	{ "SCHED_OTHER", SCHED_OTHER },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", OG_SCHED_ISO },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", OG_SCHED_DEADLINE },
	{ NULL, 0 },
};

const struct og_schema_name og_oci_io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	{ NULL, 0 },
};

const struct og_schema_name og_oci_namespaces[] = {
	{ "pid", OG_OCI_NS_PID },
	{ "network", OG_OCI_NS_NETWORK },
	{ "mount", OG_OCI_NS_MOUNT },
	{ "ipc", OG_OCI_NS_IPC },
	{ "uts", OG_OCI_NS_UTS },
	{ "user", OG_OCI_NS_USER },
	{ "cgroup", OG_OCI_NS_CGROUP },
	{ "time", OG_OCI_NS_TIME },
	{ NULL, 0 },
};

const struct og_schema_name og_oci_device_types[] = {
	{ "c", 'c' }, { "u", 'c' }, { "b", 'b' }, { "p", 'p' }, { NULL, 0 },
};

const struct og_schema_name og_oci_rule_types[] = {
	{ "a", 'a' },
	{ "c", 'c' },
	{ "b", 'b' },
	{ NULL, 0 },
};

const struct og_schema_name og_oci_personalities[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
	{ NULL, 0 },
};

const struct og_schema_name og_oci_memory_policies[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_LOCAL", MPOL_LOCAL },
	{ "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
	{ "MPOL_WEIGHTED_INTERLEAVE", OG_MPOL_WEIGHTED_INTERLEAVE },
	{ NULL, 0 },
};

/* sched_setattr(2) */
const struct og_schema_name og_oci_sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 }, { NULL, 0 },
};

const struct og_schema_name og_oci_memory_policy_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
	{ NULL, 0 },
};

/* The specification supports none yet. */
const struct og_schema_name og_oci_personality_flags[] = { { NULL, 0 } };

/* ---- words that stay words: who acts on them knows their numbers ---- */

#define WORD(word)      \
	{               \
		word, 0 \
	}
#define LAST_WORD       \
	{               \
		NULL, 0 \
	}

/* As mount(8) has them; the specification knows the first four. Docker sends an empty one. */
const struct og_schema_name og_oci_propagations[] = {
	WORD("shared"), WORD("slave"),	  WORD("private"),     WORD("unbindable"), WORD("rshared"),
	WORD("rslave"), WORD("rprivate"), WORD("runbindable"), WORD(""),	   LAST_WORD,
};

const struct og_schema_name og_oci_rlimits[] = {
	WORD("RLIMIT_AS"),
	WORD("RLIMIT_CORE"),
	WORD("RLIMIT_CPU"),
	WORD("RLIMIT_DATA"),
	WORD("RLIMIT_FSIZE"),
	WORD("RLIMIT_LOCKS"),
	WORD("RLIMIT_MEMLOCK"),
	WORD("RLIMIT_MSGQUEUE"),
	WORD("RLIMIT_NICE"),
	WORD("RLIMIT_NOFILE"),
	WORD("RLIMIT_NPROC"),
	WORD("RLIMIT_RSS"),
	WORD("RLIMIT_RTPRIO"),
	WORD("RLIMIT_RTTIME"),
	WORD("RLIMIT_SIGPENDING"),
	WORD("RLIMIT_STACK"),
	LAST_WORD,
};

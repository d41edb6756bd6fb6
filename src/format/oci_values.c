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

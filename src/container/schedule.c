/* SPDX-License-Identifier: Apache-2.0 */
#include "container/schedule.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/number_list.h"
#include "format/oci_names.h"

#define CPUS_MAX      8192
#define NODES_MAX     1024
#define SCHED_ISO_OLD 4

/* struct sched_attr of the kernel's, whose header does not go with <sched.h>. */
struct sched_wish {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t util_min, util_max;
};

static int set_scheduler(const struct og_oci_scheduler *scheduler, struct og_err *err)
{
	struct sched_wish wish = {
		.size = sizeof(wish),
		.policy = (uint32_t)scheduler->policy,
		.flags = scheduler->flags,
		.nice = (int32_t)scheduler->nice.value,
		.priority = (uint32_t)scheduler->priority.value,
		.runtime_ns = scheduler->runtime_ns,
		.deadline_ns = scheduler->deadline_ns,
		.period_ns = scheduler->period_ns,
	};
	const char *hint = "see sched(7)";

	if (scheduler->policy == SCHED_ISO_OLD)
		return og_fail(err, -ENOTSUP,
			       "process.scheduler.policy SCHED_ISO, which Linux only reserves");
	if (syscall(SYS_sched_setattr, 0, &wish, 0) == 0)
		return 0;
	if (errno == EPERM)
		hint = "it needs CAP_SYS_NICE on the host, and with version 1 of control groups "
		       "linux.resources.cpu.realtimeRuntime";
	if (errno == EINVAL)
		hint = "the policy does not take all of these values: see sched(7)";
	if (errno == EBUSY)
		hint = "so much processor time is not left";
	return og_fail(err, -errno, "process.scheduler (%s)", hint);
}

static int set_io_priority(const struct og_oci_io_priority *priority, struct og_err *err)
{
	int value = IOPRIO_PRIO_VALUE(priority->class, (int)priority->priority);

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) < 0)
		return og_fail(err, -errno, "process.ioPriority%s",
			       errno == EPERM ? " (of this class it needs CAP_SYS_NICE on the host)"
					      : "");
	return 0;
}

/* The kernel takes a list some of which is not there, and goes by the rest. */
static int check_nodes(const struct og_oci_memory_policy *policy,
		       const struct og_number_list *wanted, struct og_err *err)
{
	struct og_number_list found = {};
	int mode;

	if (syscall(SYS_get_mempolicy, &mode, found.words, (unsigned long)NODES_MAX, NULL, 0UL) < 0)
		return og_fail(err, -errno, "read linux.memoryPolicy back");
	if (memcmp(&found, wanted, sizeof(found)) != 0)
		return og_fail(err, -EINVAL,
			       "linux.memoryPolicy.nodes '%.40s': not all of them may be used here",
			       policy->nodes);
	return 0;
}

static int set_memory_policy(const struct og_oci_memory_policy *policy, struct og_err *err)
{
	bool some = policy->nodes != NULL && policy->nodes[0] != '\0';
	struct og_number_list nodes = {};
	int r = some ? og_number_list_read(policy->nodes, NODES_MAX, &nodes) : 0;

	if (r < 0)
		return og_fail(err, r, "linux.memoryPolicy.nodes");
	/* The kernel counts one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, policy->mode | (int)policy->flags, some ? nodes.words : NULL,
		    some ? NODES_MAX + 1UL : 0UL) < 0)
		return og_fail(
			err, -errno,
			"linux.memoryPolicy (mode, nodes '%.40s' and flags: see set_mempolicy(2))",
			some ? policy->nodes : "");
	return some && policy->flags == 0 ? check_nodes(policy, &nodes, err) : 0;
}

int og_schedule_apply(const struct og_oci_process *process, const struct og_oci_linux *lin,
		      struct og_err *err)
{
	int r = 0;

	if (process->scheduler.set)
		r = set_scheduler(&process->scheduler, err);
	if (r == 0 && process->io_priority.set)
		r = set_io_priority(&process->io_priority, err);
	if (r == 0 && lin->memory_policy.set)
		r = set_memory_policy(&lin->memory_policy, err);
	if (r == 0 && lin->personality.set &&
	    personality((unsigned long)lin->personality.domain) < 0)
		r = og_fail(err, -errno, "linux.personality.domain");
	return r;
}

int og_affinity_apply(const char *list, const char *field, struct og_err *err)
{
	struct og_number_list wanted;
	struct og_number_list found = {};
	int r;

	if (list == NULL || list[0] == '\0')
		return 0;
	r = og_number_list_read(list, CPUS_MAX, &wanted);
	if (r < 0)
		return og_fail(err, r, "%s '%.40s'", field, list);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(wanted), wanted.words) < 0)
		return og_fail(err, -errno, "%s '%.40s': may they be used here?", field, list);
	/* As with nodes, the kernel leaves out what is not there or not in the cpuset. */
	if (syscall(SYS_sched_getaffinity, 0, sizeof(found), found.words) < 0)
		return og_fail(err, -errno, "read %s back", field);
	if (memcmp(&found, &wanted, sizeof(found)) != 0)
		return og_fail(err, -EINVAL, "%s '%.40s': not all of them may be used here", field,
			       list);
	return 0;
}

void og_rlimits_raise(pid_t pid, const struct og_oci_process *process)
{
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct og_oci_rlimit *limit = &process->rlimits.items[i];
		__rlimit_resource_t number = (__rlimit_resource_t)og_rlimit_number(limit->type);
		struct rlimit value;

		if (prlimit(pid, number, NULL, &value) < 0 || value.rlim_max >= limit->hard)
			continue;
		value.rlim_max = limit->hard;
		(void)prlimit(pid, number, &value, NULL);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says how the kernel treats this very process, a line a topic, as it is to be read from inside of
 * a container: static, and with system calls alone.
 */
#include <linux/ioprio.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static void say_scheduler(void)
{
	struct attr attr = {};

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0)
		perror("sched_getattr");
	printf("scheduler policy=%u flags=%llu nice=%d priority=%u runtime=%llu deadline=%llu period=%llu\n",
	       attr.policy, (unsigned long long)attr.flags, attr.nice, attr.priority,
	       (unsigned long long)attr.runtime, (unsigned long long)attr.deadline,
	       (unsigned long long)attr.period);
}

static void say_memory_policy(void)
{
	unsigned long nodes[16] = {};
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, NULL, 0UL) < 0)
		perror("get_mempolicy");
	printf("memory mode=%d flags=%d nodes=%lu\n", mode & 0xfff, mode & ~0xfff, nodes[0]);
}

static void say_processors(void)
{
	unsigned long cpus[128] = {};

	if (syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus) < 0)
		perror("sched_getaffinity");
	printf("processors %lu\n", cpus[0]);
}

static void say_limits(void)
{
	printf("limits");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit = {};

		(void)getrlimit((__rlimit_resource_t)i, &limit);
		printf(" %lld:%lld", (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
	printf("\n");
}

int main(void)
{
	unsigned long io = (unsigned long)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	mode_t mask = umask(0);
	struct utsname name;

	say_scheduler();
	printf("io class=%lu priority=%lu\n", IOPRIO_PRIO_CLASS(io), IOPRIO_PRIO_DATA(io));
	say_memory_policy();
	say_processors();
	say_limits();
	(void)uname(&name);
	printf("machine %s personality=%x\n", name.machine, (unsigned int)personality(0xffffffff));
	printf("umask %03o\n", mask);
	return 0;
}

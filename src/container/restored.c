/* SPDX-License-Identifier: Apache-2.0 */
#include "container/restored.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/weak.h"
#include "format/oci_names.h"

#define STATUS_MAX 65536 /* /proc/PID/status: some 60 lines, and a list of groups */

/* Of whichever set: an exec may have had more than the first process, but not more than these. */
static uint64_t given(const struct og_oci_capabilities *capabilities)
{
	const struct og_oci_strings *lists[] = { &capabilities->bounding, &capabilities->permitted,
						 &capabilities->effective,
						 &capabilities->inheritable };
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t k = 0; k < lists[i]->count; k++) {
			int number = og_cap_number(lists[i]->items[k]);

			if (number >= 0)
				set |= UINT64_C(1) << number;
		}
	}
	return set;
}

/* A line of proc(5)'s status: "\nCapBnd:\t00000000a80425fb". What is not there is the worst. */
static uint64_t field(const char *status, const char *name, int base, uint64_t worst)
{
	const char *at = strstr(status, name);

	return at == NULL ? worst : strtoull(at + strlen(name), NULL, base);
}

static uint64_t has(const char *status)
{
	static const char *const names[] = { "\nCapInh:\t", "\nCapPrm:\t", "\nCapEff:\t",
					     "\nCapBnd:\t", "\nCapAmb:\t" };
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set |= field(status, names[i], 16, UINT64_MAX);
	return set;
}

static int check(const struct og_oci_config *config, pid_t pid, bool *lacks_nnp, struct og_err *err)
{
	og_auto_free char *status = NULL;
	char path[32];
	uint64_t more;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = og_read_file(AT_FDCWD, path, STATUS_MAX, &status, NULL, err);
	if (r < 0)
		return r;
	more = has(status) & ~given(&config->process.capabilities);
	if (more != 0)
		return og_fail(err, -EPERM,
			       "a process of the checkpoint has capabilities (%#llx) that "
			       "process.capabilities does not give",
			       (unsigned long long)more);
	*lacks_nnp = *lacks_nnp || field(status, "\nNoNewPrivs:\t", 10, 0) == 0;
	if (config->linux_.seccomp.set &&
	    field(status, "\nSeccomp:\t", 10, 0) != SECCOMP_MODE_FILTER)
		return og_fail(err, -EPERM,
			       "a process of the checkpoint has no seccomp filter, "
			       "and linux.seccomp wants one");
	return 0;
}

int og_restored_check(const struct og_oci_config *config, const struct og_cgroup *cgroup,
		      struct og_notes *notes, struct og_err *err)
{
	og_auto_free pid_t *pids = NULL;
	bool lacks_nnp = false;
	size_t count = 0;
	int r = og_weak("A28-rights") ? 0 : og_cgroup_pids(cgroup, &pids, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = check(config, pids[i], &lacks_nnp, err);
	if (r == 0 && lacks_nnp && config->process.no_new_privileges)
		og_note(notes, "process.noNewPrivileges: this CRIU restores no such thing");
	return r;
}

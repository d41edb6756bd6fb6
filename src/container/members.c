/* SPDX-License-Identifier: Apache-2.0 */
#include "container/members.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/text.h"

/* 0 where there is no such process, or it is not for us to look at. */
static ino_t namespace_of(const char *process)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", process);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static void closedirp(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static int add(pid_t **pids, size_t *count, pid_t pid)
{
	if (og_grow(*pids, *count) < 0)
		return -ENOMEM;
	(*pids)[(*count)++] = pid;
	return 0;
}

int og_members_by_namespace(pid_t first, pid_t **ret_pids, size_t *ret_count, struct og_err *err)
{
	og_cleanup(closedirp) DIR *proc = opendir("/proc");
	og_auto_free pid_t *pids = NULL;
	size_t count = 0;
	char name[16];
	ino_t wanted;

	(void)snprintf(name, sizeof(name), "%d", (int)first);
	wanted = namespace_of(name);
	if (proc == NULL || wanted == 0)
		return og_fail(err, -ESRCH, "find its processes");
	if (wanted == namespace_of("self"))
		return og_fail(err, -ENOTSUP,
			       "without a control group and a PID namespace of its own, its "
			       "processes cannot be told from others");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		int64_t pid;

		if (og_parse_i64(entry->d_name, 1, INT32_MAX, &pid) < 0 ||
		    namespace_of(entry->d_name) != wanted)
			continue;
		if (add(&pids, &count, (pid_t)pid) < 0)
			return og_fail(err, -ENOMEM, "find its processes");
	}
	*ret_count = count;
	*ret_pids = og_take_ptr(pids);
	return 0;
}

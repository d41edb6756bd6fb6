/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/oom.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#define CGROUPS_MAX_BYTES 65536U

static bool names_memory(const char *controllers)
{
	const char *at = strstr(controllers, "memory");

	return at != NULL && (at == controllers || at[-1] == ',') &&
	       (at[6] == '\0' || at[6] == ',');
}

/* "4:memory:/path" or "0::/path" -> the file that counts kills. */
static int open_counter(char *line)
{
	char path[PATH_MAX];
	char *controllers = strchr(line, ':');
	char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
	int len;

	if (group == NULL)
		return -EBADF;
	*group++ = '\0';
	controllers++;
	if (names_memory(controllers))
		len = snprintf(path, sizeof(path), "/sys/fs/cgroup/memory%s/memory.oom_control",
			       group);
	else if (controllers[0] == '\0')
		len = snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.events", group);
	else
		return -EBADF;
	return len < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
}

static uint64_t read_count(int fd)
{
	char text[1024];
	ssize_t n = fd < 0 ? 0 : og_pread_upto(fd, text, sizeof(text) - 1, 0);
	const char *at;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at == NULL ? 0 : strtoull(at + strlen("oom_kill "), NULL, 10);
}

void og_oom_watch(struct og_oom *oom, pid_t pid)
{
	og_auto_free char *path = og_strdupf("/proc/%d/cgroup", (int)pid);
	og_auto_free char *groups = NULL;
	char *save = NULL;

	if (path == NULL ||
	    og_read_file(AT_FDCWD, path, CGROUPS_MAX_BYTES, &groups, NULL, NULL) < 0)
		return;
	for (char *line = strtok_r(groups, "\n", &save); line != NULL && oom->fd < 0;
	     line = strtok_r(NULL, "\n", &save))
		oom->fd = open_counter(line);
	oom->before = read_count(oom->fd);
}

bool og_oom_killed(const struct og_oom *oom)
{
	return read_count(oom->fd) > oom->before;
}

void og_oom_done(struct og_oom *oom)
{
	oom->fd = og_close(oom->fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a process. */
#pragma once

#include <dirent.h>
#include <limits.h>

#include "base/test.h"

/* A number of /proc/PID/status, in its units. */
static inline unsigned long status_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	unsigned long value = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoul(line + strlen(name), NULL, 10);
	(void)fclose(file);
	return value;
}

/* How many of a process's descriptors are of a file of that name. */
static inline unsigned count_descriptors(pid_t pid, const char *name)
{
	char path[64], link[PATH_MAX] = "";
	const struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = 0;
		n += strcmp(link, name) == 0;
	}
	(void)closedir(dir);
	return n;
}

/* The kernel's page tables of a process that a fork of any memory may have, in KiB. */
#define PAGE_TABLES_KIB 300U

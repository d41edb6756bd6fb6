/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <spawn.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

/*
 * What is open now is closed then. It is for what this process inherited itself: what it opens later
 * closes on exec.
 */
static inline int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions,
							   int from)
{
	DIR *dir = opendir("/proc/self/fd");
	int r = dir == NULL ? errno : 0;

	for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
		int fd = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);

		if (fd >= from && fd != dirfd(dir))
			r = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return r;
}

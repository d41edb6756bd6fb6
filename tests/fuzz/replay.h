/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target includes, after it has defined LLVMFuzzerTestOneInput(). Built with
 * -Dfuzz=true by clang it is a libFuzzer target. Otherwise it is an ordinary test that replays the
 * files of the folders it is given, so that what fuzzing once found stays found.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef OG_LIBFUZZER

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define REPLAY_FILE_MAX (16U << 20)

static int replay_file(int dir_fd, const char *name)
{
	og_auto_free char *text = NULL;
	og_auto_free uint8_t *exact = NULL;
	struct og_err err = {};
	size_t len = 0;

	if (og_read_file(dir_fd, name, REPLAY_FILE_MAX, &text, &len, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	/* Without the NUL behind it, so that the sanitizers see every byte too many. */
	exact = malloc(len > 0 ? len : 1);
	if (exact == NULL)
		return -1;
	if (len > 0)
		memcpy(exact, text, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	return 0;
}

static int replay_folder(const char *path, unsigned int *count)
{
	DIR *dir = opendir(path);
	int r = 0;

	if (dir == NULL) {
		perror(path);
		return -1;
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		r = replay_file(dirfd(dir), entry->d_name);
		(*count)++;
	}
	(void)closedir(dir);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;

	for (int i = 1; i < argc; i++) {
		if (replay_folder(argv[i], &count) < 0)
			return EXIT_FAILURE;
	}
	printf("1..1\n%s 1 replayed %u inputs\n", count > 0 ? "ok" : "not ok", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

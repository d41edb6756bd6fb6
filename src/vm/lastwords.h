/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what a hypervisor and its guest's kernel printed, for the error of one that failed. */
#pragma once

#include <stddef.h>

#define OG_LAST_WORDS_ROOM 4096 /* a panic with its trace has 3 KiB */

struct og_last_words {
	char text[OG_LAST_WORDS_ROOM];
	size_t len;
};

void og_last_words_add(struct og_last_words *words, const char *bytes, size_t len);

/* The line that says it best (a panic, init's, else the last), printable, without its time. */
void og_last_words_line(const struct og_last_words *words, char *line, size_t size);

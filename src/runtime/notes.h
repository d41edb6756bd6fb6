/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a library has to say without failing: a field that the specification lets it pass over,
 * say. The program logs it, at level warning.
 */
#pragma once

#include <stddef.h>

#define OG_NOTES_MAX 16 /* more say nothing new */

/* Zero-initialise it. */
struct og_notes {
	char *lines[OG_NOTES_MAX]; /* owned */
	size_t count;
};

/* Accepts NULL notes: then it is not wanted. */
void og_note(struct og_notes *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void og_notes_done(struct og_notes *notes);

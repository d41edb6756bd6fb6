/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void og_note(struct og_notes *notes, const char *fmt, ...)
{
	va_list args;
	char *line;

	if (notes == NULL || notes->count == OG_NOTES_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) >= 0)
		notes->lines[notes->count++] = line;
	va_end(args);
}

void og_notes_done(struct og_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->lines[i]);
	notes->count = 0;
}

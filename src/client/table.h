/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists as docker shows them. Each row is an object of texts; which of them are shown, and how, is
 * a template, by default "table {{.A}}\t{{.B}}": columns aligned below their titles.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

struct og_title {
	const char *field;
	const char *title;
};

struct og_table {
	const struct og_title *titles; /* of every field that a row has */
	size_t title_count;
	const char *by_default; /* template when none is given */
};

/* Shows @rows, an array, on standard output. @format: what the user gave, or NULL. */
int og_table_show(const struct og_table *table, const char *format, const struct og_json *rows,
		  struct og_err *err);

/* Lines of cells between tabs, each column as wide as its widest cell and three blanks. */
void og_table_align(const char *text, struct og_text *out);

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/template.h"

#define COLUMNS_MAX	32
#define COLUMN_LEAST	10 /* docker's */
#define COLUMN_GAP	3
#define TABLE_MARK	"table "
#define LINE_END_OR_TAB "\t\n"

/* Characters, not bytes: UTF-8's continuation bytes take no room. Wide ones count as one. */
static size_t width_of(const char *text, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

static void measure(const char *text, size_t widths[COLUMNS_MAX])
{
	size_t column = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, LINE_END_OR_TAB);
		size_t width = width_of(text, len) + COLUMN_GAP;

		if (column < COLUMNS_MAX && text[len] == '\t' && width > widths[column])
			widths[column] = width;
		column = text[len] == '\t' ? column + 1 : 0;
		text += len + (text[len] != '\0');
	}
}

void og_table_align(const char *text, struct og_text *out)
{
	size_t widths[COLUMNS_MAX];
	size_t column = 0;

	for (size_t i = 0; i < COLUMNS_MAX; i++)
		widths[i] = COLUMN_LEAST;
	measure(text, widths);
	while (*text != '\0') {
		size_t len = strcspn(text, LINE_END_OR_TAB);

		og_text_add_bytes(out, text, len);
		if (text[len] == '\t' && column < COLUMNS_MAX)
			og_text_addf(out, "%*s", (int)(widths[column] - width_of(text, len)), "");
		if (text[len] == '\n')
			og_text_add(out, "\n");
		column = text[len] == '\t' ? column + 1 : 0;
		text += len + (text[len] != '\0');
	}
}

static struct og_json *title_row(const struct og_table *table)
{
	struct og_json *row = og_json_new_object();

	for (size_t i = 0; i < table->title_count; i++)
		og_json_set_string(row, table->titles[i].field, table->titles[i].title);
	return row;
}

static int add_row(const char *format, const struct og_json *row, struct og_text *out,
		   struct og_err *err)
{
	int r = og_template_show(format, row, out, err);

	og_text_add(out, "\n");
	return r;
}

int og_table_show(const struct og_table *table, const char *format, const struct og_json *rows,
		  struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *titles = title_row(table);
	og_auto_text lines = {};
	og_auto_text aligned = {};
	bool is_table;
	int r = 0;

	if (format == NULL || og_streq(format, "table"))
		format = table->by_default;
	else if (og_streq(format, "json"))
		format = "{{json .}}";
	is_table = og_starts_with(format, TABLE_MARK);
	if (is_table) {
		format += strlen(TABLE_MARK);
		r = add_row(format, titles, &lines, err);
	}
	for (size_t i = 0; r == 0 && i < og_json_count(rows); i++)
		r = add_row(format, og_json_at(rows, i), &lines, err);
	if (r < 0)
		return r;
	if (is_table && lines.len > 0)
		og_table_align(lines.buf, &aligned);
	if (lines.failed || aligned.failed)
		return og_fail(err, -ENOMEM, "show the list");
	if (lines.len > 0)
		(void)fputs(is_table ? aligned.buf : lines.buf, stdout);
	return 0;
}

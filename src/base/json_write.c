/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_value.h"
#include "base/text.h"

struct writer {
	struct og_text text;
	bool pretty;
	int depth;
};

static void write_string(struct writer *writer, const char *string)
{
	og_text_add_bytes(&writer->text, "\"", 1);
	while (*string != '\0') {
		static const char named[] = "\"\\\b\f\n\r\t";
		static const char names[] = "\"\\bfnrt";
		const char *plain = string;
		const char *name;

		while (*string != '"' && *string != '\\' && (unsigned char)*string >= 0x20)
			string++;
		og_text_add_bytes(&writer->text, plain, (size_t)(string - plain));
		if (*string == '\0')
			break;
		name = strchr(named, *string);
		if (name != NULL)
			og_text_add_bytes(&writer->text, (char[]){ '\\', names[name - named] }, 2);
		else
			og_text_addf(&writer->text, "\\u%04x", (unsigned)*string);
		string++;
	}
	og_text_add_bytes(&writer->text, "\"", 1);
}

/* A double stays one when it is read again. */
static void write_double(struct writer *writer, double number)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.17g", number);
	og_text_add(&writer->text, text);
	if (strpbrk(text, ".e") == NULL)
		og_text_add(&writer->text, ".0");
}

static void write_line(struct writer *writer)
{
	size_t blanks = 2 * (size_t)writer->depth;

	if (!writer->pretty)
		return;
	og_text_add_bytes(&writer->text, "\n", 1);
	for (size_t n; blanks > 0; blanks -= n) {
		static const char many[] = "                ";

		n = blanks < sizeof(many) - 1 ? blanks : sizeof(many) - 1;
		og_text_add_bytes(&writer->text, many, n);
	}
}

static void write_value(struct writer *writer, const struct og_json *value);

static void write_array(struct writer *writer, const struct og_json *array)
{
	og_text_add_bytes(&writer->text, "[", 1);
	writer->depth++;
	for (size_t i = 0; i < array->array.count; i++) {
		if (i > 0)
			og_text_add_bytes(&writer->text, ",", 1);
		write_line(writer);
		write_value(writer, array->array.items[i]);
	}
	writer->depth--;
	if (array->array.count > 0)
		write_line(writer);
	og_text_add_bytes(&writer->text, "]", 1);
}

static void write_object(struct writer *writer, const struct og_json *object)
{
	const struct og_json_entry *first = object->object.first;

	og_text_add_bytes(&writer->text, "{", 1);
	writer->depth++;
	for (const struct og_json_entry *entry = first; entry != NULL; entry = entry->next) {
		if (entry != first)
			og_text_add_bytes(&writer->text, ",", 1);
		write_line(writer);
		write_string(writer, entry->key);
		og_text_add_bytes(&writer->text, ": ", writer->pretty ? 2 : 1);
		write_value(writer, entry->value);
	}
	writer->depth--;
	if (first != NULL)
		write_line(writer);
	og_text_add_bytes(&writer->text, "}", 1);
}

static void write_value(struct writer *writer, const struct og_json *value)
{
	switch (og_json_kind(value)) {
	case OG_JSON_NULL:
		og_text_add(&writer->text, "null");
		break;
	case OG_JSON_BOOL:
		og_text_add(&writer->text, value->boolean ? "true" : "false");
		break;
	case OG_JSON_INT:
		if (value->negative)
			og_text_addf(&writer->text, "%" PRId64, (int64_t)value->integer);
		else
			og_text_addf(&writer->text, "%" PRIu64, value->integer);
		break;
	case OG_JSON_DOUBLE:
		write_double(writer, value->number);
		break;
	case OG_JSON_STRING:
		write_string(writer, value->string.text);
		break;
	case OG_JSON_ARRAY:
		write_array(writer, value);
		break;
	case OG_JSON_OBJECT:
		write_object(writer, value);
		break;
	}
}

static char *write_all(const struct og_json *value, bool pretty)
{
	struct writer writer = { .pretty = pretty };
	char *text;

	write_value(&writer, value);
	text = og_text_take(&writer.text);
	if (text == NULL)
		abort();
	return text;
}

char *og_json_write(const struct og_json *value)
{
	return write_all(value, false);
}

char *og_json_write_pretty(const struct og_json *value)
{
	return write_all(value, true);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_stream.h"
#include "base/json_value.h"

static void add(struct og_json_stream *stream, const char *bytes, size_t len)
{
	og_text_add_bytes(stream->text, bytes, len);
}

static bool is_plain(char c)
{
	return c != '"' && c != '\\' && (unsigned char)c >= 0x20;
}

static void write_string(struct og_json_stream *stream, const char *string, size_t len)
{
	const char *end = string + len;

	add(stream, "\"", 1);
	while (string < end) {
		static const char named[] = "\"\\\b\f\n\r\t";
		static const char names[] = "\"\\bfnrt";
		const char *plain = string;
		const char *name;

		while (string < end && is_plain(*string))
			string++;
		add(stream, plain, (size_t)(string - plain));
		if (string == end)
			break;
		name = strchr(named, *string);
		if (name != NULL)
			add(stream, (char[]){ '\\', names[name - named] }, 2);
		else
			og_text_addf(stream->text, "\\u%04x", (unsigned)*string);
		string++;
	}
	add(stream, "\"", 1);
}

/* A double stays one when it is read again. */
static void write_double(struct og_json_stream *stream, double number)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.17g", number);
	og_text_add(stream->text, text);
	if (strpbrk(text, ".e") == NULL)
		og_text_add(stream->text, ".0");
}

static void write_line(struct og_json_stream *stream)
{
	static const char line[] = "\n                                ";
	size_t blanks = 2 * (size_t)stream->depth, most = sizeof(line) - 2;
	size_t n = blanks < most ? blanks : most;

	if (!stream->pretty)
		return;
	add(stream, line, 1 + n);
	for (blanks -= n; blanks > 0; blanks -= n) {
		n = blanks < most ? blanks : most;
		add(stream, line + 1, n);
	}
}

/* What stands in front of a value. */
static void write_key(struct og_json_stream *stream, const char *key)
{
	if (stream->begun)
		add(stream, ",", 1);
	if (stream->depth > 0)
		write_line(stream);
	stream->begun = true;
	if (key == NULL)
		return;
	write_string(stream, key, strlen(key));
	add(stream, ": ", stream->pretty ? 2 : 1);
}

static void begin(struct og_json_stream *stream, const char *bracket)
{
	add(stream, bracket, 1);
	stream->depth++;
	stream->begun = false;
}

static void end(struct og_json_stream *stream, const char *bracket)
{
	stream->depth--;
	if (stream->begun)
		write_line(stream);
	add(stream, bracket, 1);
	stream->begun = true;
}

void og_json_stream_object(struct og_json_stream *stream, const char *key)
{
	write_key(stream, key);
	stream->objects |= (uint64_t)1 << stream->depth;
	begin(stream, "{");
}

void og_json_stream_array(struct og_json_stream *stream, const char *key)
{
	write_key(stream, key);
	stream->objects &= ~((uint64_t)1 << stream->depth);
	begin(stream, "[");
}

void og_json_stream_end(struct og_json_stream *stream)
{
	end(stream, (stream->objects >> (stream->depth - 1) & 1) != 0 ? "}" : "]");
}

void og_json_stream_part(struct og_json_stream *stream, const char *key, const char *text,
			 size_t len)
{
	write_key(stream, key);
	write_string(stream, text, len);
}

void og_json_stream_string(struct og_json_stream *stream, const char *key, const char *text)
{
	og_json_stream_part(stream, key, text, strlen(text));
}

void og_json_stream_double(struct og_json_stream *stream, const char *key, double number)
{
	write_key(stream, key);
	write_double(stream, number);
}

/* ---- trees ---- */

static void write_array(struct og_json_stream *stream, const struct og_json *array)
{
	for (size_t i = 0; i < array->array.count; i++)
		og_json_stream_value(stream, NULL, array->array.items[i]);
}

static void write_object(struct og_json_stream *stream, const struct og_json *object)
{
	for (const struct og_json_entry *entry = object->object.first; entry != NULL;
	     entry = entry->next)
		og_json_stream_value(stream, entry->key, entry->value);
}

void og_json_stream_value(struct og_json_stream *stream, const char *key,
			  const struct og_json *value)
{
	write_key(stream, key);
	switch (og_json_kind(value)) {
	case OG_JSON_NULL:
		og_text_add(stream->text, "null");
		break;
	case OG_JSON_BOOL:
		og_text_add(stream->text, value->boolean ? "true" : "false");
		break;
	case OG_JSON_INT:
		if (value->negative)
			og_text_addf(stream->text, "%" PRId64, (int64_t)value->integer);
		else
			og_text_addf(stream->text, "%" PRIu64, value->integer);
		break;
	case OG_JSON_DOUBLE:
		write_double(stream, value->number);
		break;
	case OG_JSON_STRING:
		write_string(stream, value->string.text, strlen(value->string.text));
		break;
	case OG_JSON_ARRAY:
		begin(stream, "[");
		write_array(stream, value);
		end(stream, "]");
		break;
	case OG_JSON_OBJECT:
		begin(stream, "{");
		write_object(stream, value);
		end(stream, "}");
		break;
	}
}

static char *write_all(const struct og_json *value, bool pretty)
{
	og_auto_text text = {};
	struct og_json_stream stream = { .text = &text, .pretty = pretty };
	char *taken;

	og_json_stream_value(&stream, NULL, value);
	taken = og_text_take(&text);
	if (taken == NULL)
		abort();
	return taken;
}

char *og_json_write(const struct og_json *value)
{
	return write_all(value, false);
}

char *og_json_write_pretty(const struct og_json *value)
{
	return write_all(value, true);
}

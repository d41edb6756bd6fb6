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

/* Is any byte of @word under @least, at most 128, or (of the differences to some letter, under 1) that letter? */
static bool has_under(uint64_t word, uint64_t least)
{
	const uint64_t ones = 0x0101010101010101U;

	return ((word - ones * least) & ~word & ones << 7) != 0;
}

/* How many bytes from the first on are written as they are. Eight at a time: reports have megabytes of them. */
static size_t count_plain(const char *string, size_t len)
{
	const uint64_t ones = 0x0101010101010101U;
	size_t at = 0;

	for (uint64_t word; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(&word, string + at, sizeof(word));
		if (has_under(word, 0x20) || has_under(word ^ ones * '"', 1) ||
		    has_under(word ^ ones * '\\', 1))
			break;
	}
	while (at < len && is_plain(string[at]))
		at++;
	return at;
}

static void write_escape(struct og_json_stream *stream, char c)
{
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char names[] = "\"\\bfnrt";
	const char *name = strchr(named, c);

	if (name != NULL)
		add(stream, (char[]){ '\\', names[name - named] }, 2);
	else
		og_text_addf(stream->text, "\\u%04x", (unsigned)c);
}

static void write_string(struct og_json_stream *stream, const char *string, size_t len)
{
	size_t plain = count_plain(string, len);
	char *to = og_text_room(stream->text, plain + 2);

	if (to == NULL)
		return;
	*to++ = '"';
	memcpy(to, string, plain);
	to += plain;
	if (plain == len)
		*to++ = '"';
	og_text_wrote(stream->text, to);
	while (plain < len) {
		size_t more;

		write_escape(stream, string[plain++]);
		more = count_plain(string + plain, len - plain);
		add(stream, string + plain, more);
		plain += more;
		if (plain == len)
			add(stream, "\"", 1);
	}
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

/* A new line, behind a comma or not. */
static void write_line(struct og_json_stream *stream, bool comma)
{
	size_t blanks = 2 * (size_t)stream->depth;
	char *to = og_text_room(stream->text, 2 + blanks);

	if (to == NULL)
		return;
	if (comma)
		*to++ = ',';
	if (stream->pretty) {
		*to++ = '\n';
		memset(to, ' ', blanks);
		to += blanks;
	}
	og_text_wrote(stream->text, to);
}

/* What stands in front of a value. */
static void write_key(struct og_json_stream *stream, const char *key)
{
	if (stream->depth > 0)
		write_line(stream, stream->begun);
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
		write_line(stream, false);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8259 by recursive descent: the nesting is limited, and a document is read once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_value.h"

/* Bytes of one number. What has more says nothing that a double could hold. */
#define NUMBER_MAX 128

struct reader {
	const char *buf, *at, *end;
	unsigned depth;
	struct og_err *err;
};

static int fail(const struct reader *reader, const char *what)
{
	return og_fail(reader->err, -EINVAL, "JSON, byte %zu: %s",
		       (size_t)(reader->at - reader->buf), what);
}

static int no_memory(const struct reader *reader)
{
	return og_fail(reader->err, -ENOMEM, "read JSON");
}

/* The next byte that is no blank, NUL at the end: no value begins with one. */
static char peek(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
					    *reader->at == '\t' || *reader->at == '\r'))
		reader->at++;
	return reader->at < reader->end ? *reader->at : '\0';
}

static bool take(struct reader *reader, char wanted)
{
	if (peek(reader) != wanted)
		return false;
	reader->at++;
	return true;
}

/* ---- strings ---- */

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Bytes of the character at @at: 0 where it is none (RFC 3629: no long forms, no surrogates). */
static size_t character_span(const unsigned char *at, size_t left)
{
	if (at[0] < 0x80)
		return 1;
	if (left < 2 || at[0] < 0xc2 || at[0] > 0xf4 || !is_tail(at[1]))
		return 0;
	if (at[0] < 0xe0)
		return 2;
	if (left < 3 || !is_tail(at[2]))
		return 0;
	if (at[0] < 0xf0)
		return (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ? 0 : 3;
	if (left < 4 || !is_tail(at[3]))
		return 0;
	return (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f) ? 0 : 4;
}

static char *put_character(char *out, unsigned long code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* The four digits behind "\u". */
static bool take_hex(struct reader *reader, unsigned long *ret_code)
{
	unsigned long code = 0;

	if (reader->end - reader->at < 6 || memcmp(reader->at, "\\u", 2) != 0)
		return false;
	for (size_t i = 2; i < 6; i++) {
		char c = reader->at[i];
		unsigned char digit = (unsigned char)(c >= '0' && c <= '9' ? c - '0'
						      : (c | 32) >= 'a' && (c | 32) <= 'f'
							      ? (c | 32) - 'a' + 10
							      : 16);

		if (digit > 15)
			return false;
		code = code << 4 | digit;
	}
	reader->at += 6;
	*ret_code = code;
	return true;
}

static int take_unicode(struct reader *reader, char **out)
{
	unsigned long code;
	unsigned long low;

	if (!take_hex(reader, &code))
		return fail(reader, "\\u without four digits");
	if (code >= 0xd800 && code < 0xe000) {
		if (code >= 0xdc00 || !take_hex(reader, &low) || low < 0xdc00 || low > 0xdfff)
			return fail(reader, "half a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_character(*out, code);
	return code == 0 ? -EILSEQ : 0;
}

static int take_escape(struct reader *reader, char **out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (reader->end - reader->at < 2)
		return fail(reader, "ends too early");
	if (reader->at[1] == 'u')
		return take_unicode(reader, out);
	name = memchr(names, reader->at[1], sizeof(names) - 1);
	if (name == NULL)
		return fail(reader, "no such escape");
	*(*out)++ = meanings[name - names];
	reader->at += 2;
	return 0;
}

/* The closing quote of the string whose opening one was taken, NULL where there is none. */
static const char *find_quote(const struct reader *reader)
{
	const char *at = reader->at;

	while (at < reader->end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return at < reader->end ? at : NULL;
}

/* Takes what stands for itself. */
static int take_plain(struct reader *reader, const char *quote, char **out)
{
	const char *start = reader->at;
	size_t len;

	while (reader->at < quote && *reader->at != '\\') {
		size_t span = character_span((const unsigned char *)reader->at,
					     (size_t)(quote - reader->at));

		if (span == 0)
			return fail(reader, "no UTF-8");
		if (span == 1 && (unsigned char)*reader->at < 0x20)
			return fail(reader, "a control character in a string");
		reader->at += span;
	}
	len = (size_t)(reader->at - start);
	memcpy(*out, start, len);
	*out += len;
	return 0;
}

/* Reads up to @quote and behind it, into @out: never longer than it is written. */
static int read_text(struct reader *reader, const char *quote, char *out)
{
	const char *start = reader->at - 1;
	char path[OG_JSON_PATH_MAX];
	int r = 0;

	while (r == 0 && reader->at < quote)
		r = *reader->at == '\\' ? take_escape(reader, &out)
					: take_plain(reader, quote, &out);
	if (r == -EILSEQ) {
		og_json_place(reader->buf, (size_t)(start - reader->buf), path, sizeof(path));
		return og_fail(reader->err, -EINVAL, "JSON: %s: a string holds NUL", path);
	}
	*out = '\0';
	reader->at = quote + 1;
	return r;
}

static int read_string(struct reader *reader, struct og_json **ret_value)
{
	const char *quote = find_quote(reader);
	char *text;

	if (quote == NULL)
		return fail(reader, "a string without an end");
	*ret_value = og_json_alloc_string((size_t)(quote - reader->at), &text);
	return *ret_value == NULL ? no_memory(reader) : read_text(reader, quote, text);
}

/* ---- numbers ---- */

static size_t digits_span(const char *at, const char *end)
{
	size_t span = 0;

	while (at + span < end && at[span] >= '0' && at[span] <= '9')
		span++;
	return span;
}

/* Bytes of the number at reader->at, 0 where it is none by RFC 8259, section 6. */
static size_t number_span(const struct reader *reader, bool *ret_integer)
{
	const char *start = reader->at;
	const char *at = start + (*start == '-' ? 1 : 0);
	size_t digits = digits_span(at, reader->end);

	*ret_integer = true;
	if (digits == 0 || (digits > 1 && *at == '0'))
		return 0;
	at += digits;
	if (at < reader->end && *at == '.') {
		*ret_integer = false;
		digits = digits_span(++at, reader->end);
		if (digits == 0)
			return 0;
		at += digits;
	}
	if (at < reader->end && (*at == 'e' || *at == 'E')) {
		*ret_integer = false;
		at++;
		if (at < reader->end && (*at == '+' || *at == '-'))
			at++;
		digits = digits_span(at, reader->end);
		if (digits == 0)
			return 0;
		at += digits;
	}
	return (size_t)(at - start);
}

static int fail_range(const struct reader *reader, size_t span)
{
	char path[OG_JSON_PATH_MAX];

	og_json_place(reader->buf, (size_t)(reader->at - reader->buf), path, sizeof(path));
	return og_fail(reader->err, -ERANGE, "JSON: %s: number %.*s", path,
		       span < 24 ? (int)span : 24, reader->at);
}

static int read_number(struct reader *reader, struct og_json **ret_value)
{
	char text[NUMBER_MAX];
	bool integer;
	size_t span = number_span(reader, &integer);
	struct og_json *value;

	if (span == 0)
		return fail(reader, "no value");
	if (span >= sizeof(text))
		return fail_range(reader, span);
	memcpy(text, reader->at, span);
	text[span] = '\0';
	value = og_json_alloc(integer ? OG_JSON_INT : OG_JSON_DOUBLE);
	if (value == NULL)
		return no_memory(reader);
	*ret_value = value;
	errno = 0;
	if (!integer) {
		value->number = strtod(text, NULL);
	} else if (text[0] == '-') {
		value->integer = (uint64_t)strtoll(text, NULL, 10);
		value->negative = value->integer != 0;
	} else {
		value->integer = strtoull(text, NULL, 10);
	}
	/* Of a fraction too small, 0 is the nearest. */
	if (errno == ERANGE && (integer || value->number > 1 || value->number < -1))
		return fail_range(reader, span);
	reader->at += span;
	return 0;
}

/* ---- the rest ---- */

static int read_value(struct reader *reader, struct og_json **ret_value);

static int read_word(struct reader *reader, struct og_json **ret_value)
{
	static const struct {
		const char *word;
		enum og_json_kind kind;
		bool value;
	} words[] = {
		{ "true", OG_JSON_BOOL, true },
		{ "false", OG_JSON_BOOL, false },
		{ "null", OG_JSON_NULL, false },
	};

	size_t left = (size_t)(reader->end - reader->at);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);

		if (left < len || memcmp(reader->at, words[i].word, len) != 0)
			continue;
		reader->at += len;
		if (words[i].kind == OG_JSON_NULL)
			return 0;
		*ret_value = og_json_alloc(words[i].kind);
		if (*ret_value == NULL)
			return no_memory(reader);
		(*ret_value)->boolean = words[i].value;
		return 0;
	}
	return fail(reader, left == 0 ? "ends too early" : "no value");
}

static int read_array(struct reader *reader, struct og_json *array)
{
	int r = 0;

	if (take(reader, ']'))
		return 0;
	do {
		struct og_json *value = NULL;

		r = read_value(reader, &value);
		if (r == 0 && og_json_append(array, value) < 0)
			r = no_memory(reader);
		if (r < 0)
			og_json_free(value);
	} while (r == 0 && take(reader, ','));
	return r < 0 || take(reader, ']') ? r : fail(reader, "neither ',' nor ']'");
}

static int read_key(struct reader *reader, struct og_json_entry **ret_entry)
{
	const char *quote;
	char *key;

	if (!take(reader, '"'))
		return fail(reader, "no key");
	quote = find_quote(reader);
	if (quote == NULL)
		return fail(reader, "a string without an end");
	*ret_entry = og_json_entry_new((size_t)(quote - reader->at), &key);
	return *ret_entry == NULL ? no_memory(reader) : read_text(reader, quote, key);
}

static int read_member(struct reader *reader, struct og_json *object)
{
	og_auto_free struct og_json_entry *entry = NULL;
	char path[OG_JSON_PATH_MAX];
	int r = read_key(reader, &entry);

	if (r == 0 && !take(reader, ':'))
		r = fail(reader, "no ':' behind a key");
	if (r < 0)
		return r;
	if (og_json_entry_find(object, entry->key) != NULL) {
		og_json_place(reader->buf, (size_t)(reader->at - reader->buf), path, sizeof(path));
		return og_fail(reader->err, -EINVAL, "JSON: an object has two equal keys: %s",
			       path);
	}
	r = read_value(reader, &entry->value);
	if (r == 0 && og_json_entry_add(object, entry) < 0)
		r = no_memory(reader);
	if (r < 0)
		og_json_free(entry->value);
	else
		(void)og_take_ptr(entry);
	return r;
}

static int read_object(struct reader *reader, struct og_json *object)
{
	int r;

	if (take(reader, '}'))
		return 0;
	do {
		r = read_member(reader, object);
	} while (r == 0 && take(reader, ','));
	return r < 0 || take(reader, '}') ? r : fail(reader, "neither ',' nor '}'");
}

/* What *@ret_value holds in the end is the caller's, also after a failure. */
static int read_value(struct reader *reader, struct og_json **ret_value)
{
	bool object = false;
	int r;

	switch (peek(reader)) {
	case '"':
		reader->at++;
		return read_string(reader, ret_value);
	case '-':
	case '0' ... '9':
		return read_number(reader, ret_value);
	case '{':
		object = true;
		break;
	case '[':
		break;
	default:
		return read_word(reader, ret_value);
	}
	if (reader->depth == OG_JSON_DEPTH_MAX)
		return fail(reader, "nested too deeply");
	*ret_value = og_json_alloc(object ? OG_JSON_OBJECT : OG_JSON_ARRAY);
	if (*ret_value == NULL)
		return no_memory(reader);
	reader->at++;
	reader->depth++;
	r = object ? read_object(reader, *ret_value) : read_array(reader, *ret_value);
	reader->depth--;
	return r;
}

int og_json_parse(const char *buf, size_t len, struct og_json **ret_root, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct reader reader = { .buf = buf, .at = buf, .end = buf + len, .err = err };
	int r = read_value(&reader, &root);

	if (r < 0)
		return r;
	(void)peek(&reader);
	if (reader.at != reader.end)
		return fail(&reader, "text behind the document");
	if (root == NULL)
		return og_fail(err, -EINVAL, "JSON: null");
	*ret_root = og_take_ptr(root);
	return 0;
}

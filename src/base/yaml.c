/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/grow.h"
#include "base/text.h"

/* Where a key (or a container, with key NULL) begins. */
struct place {
	const struct og_json *object;
	char *key; /* owned; NULL for the container itself */
	unsigned line;
};

struct og_yaml {
	struct og_json *root; /* owned */
	struct place *places; /* owned */
	size_t place_count;
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_event;
	unsigned depth, nodes;
	struct og_yaml *yaml;
	struct og_err *err;
};

static unsigned line_of(const struct reader *reader)
{
	return (unsigned)reader->event.start_mark.line + 1;
}

static int fail(const struct reader *reader, const char *what)
{
	return og_fail_plain(reader->err, -EINVAL, "line %u: %s", line_of(reader), what);
}

static int no_memory(const struct reader *reader)
{
	return og_fail(reader->err, -ENOMEM, "read YAML");
}

static void reader_done(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	yaml_parser_delete(&reader->parser);
}

static int next(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) != 0;
	if (reader->has_event)
		return 0;
	if (reader->parser.error == YAML_MEMORY_ERROR)
		return no_memory(reader);
	return og_fail_plain(reader->err, -EINVAL, "line %zu: %s",
			     (reader->parser.problem_mark.line != 0
				      ? reader->parser.problem_mark.line
				      : reader->parser.context_mark.line) +
				     1,
			     reader->parser.problem != NULL ? reader->parser.problem : "no YAML");
}

/* Takes @key over, also when it fails. */
static int add_place(struct reader *reader, const struct og_json *object, char *key, unsigned line)
{
	struct og_yaml *yaml = reader->yaml;

	if (og_grow(yaml->places, yaml->place_count) < 0) {
		free(key);
		return no_memory(reader);
	}
	yaml->places[yaml->place_count++] =
		(struct place){ .object = object, .key = key, .line = line };
	return 0;
}

/* ---- scalars ---- */

static bool is_number(const char *text)
{
	const char *at = text + (*text == '-' ? 1 : 0);
	size_t digits = strspn(at, "0123456789");

	if (digits == 0 || (digits > 1 && *at == '0'))
		return false;
	at += digits;
	if (*at == '.') {
		digits = strspn(++at, "0123456789");
		if (digits == 0)
			return false;
		at += digits;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-' ? 1 : 0;
		digits = strspn(at, "0123456789");
		at += digits;
		if (digits == 0)
			return false;
	}
	return *at == '\0';
}

static int read_scalar(struct reader *reader, struct og_json **ret_value)
{
	const char *text = (const char *)reader->event.data.scalar.value;
	size_t len = reader->event.data.scalar.length;

	if (strlen(text) != len)
		return fail(reader, "a value holds NUL");
	if (reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
		*ret_value = og_json_new_string(text);
		return 0;
	}
	if (len == 0 || og_streq(text, "~") || og_streq(text, "null"))
		return 0;
	if (og_streq(text, "true") || og_streq(text, "false"))
		*ret_value = og_json_new_bool(text[0] == 't');
	else if (!is_number(text))
		*ret_value = og_json_new_string(text);
	else if (og_json_parse(text, len, ret_value, NULL) < 0)
		return fail(reader, "a number out of range");
	return 0;
}

/* ---- the tree ---- */

static int read_node(struct reader *reader, struct og_json **ret_value);

static int check_plain(struct reader *reader)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch ((int)reader->event.type) {
	case YAML_ALIAS_EVENT:
		return fail(reader, "aliases (*name) are not read here");
	case YAML_SCALAR_EVENT:
		anchor = reader->event.data.scalar.anchor;
		tag = reader->event.data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = reader->event.data.sequence_start.anchor;
		tag = reader->event.data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = reader->event.data.mapping_start.anchor;
		tag = reader->event.data.mapping_start.tag;
		break;
	default:
		return fail(reader, "no value");
	}
	if (anchor != NULL)
		return fail(reader, "anchors (&name) are not read here");
	return tag != NULL ? fail(reader, "tags (!name) are not read here") : 0;
}

static int read_sequence(struct reader *reader, struct og_json *array)
{
	int r = next(reader);

	while (r == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT) {
		struct og_json *value = NULL;

		r = read_node(reader, &value);
		og_json_push(array, value);
		if (r == 0)
			r = next(reader);
	}
	return r;
}

static bool has_key(const struct og_json *object, const char *key)
{
	struct og_json_member member = {};

	/* og_json_get() does not tell a null from none. */
	if (og_json_get(object, key) != NULL)
		return true;
	while (og_json_next(object, &member))
		if (member.value == NULL && og_streq(member.key, key))
			return true;
	return false;
}

static int read_entry(struct reader *reader, struct og_json *object)
{
	og_auto_free char *key = NULL;
	struct og_json *value = NULL;
	char *kept;
	int r;

	if (reader->event.type != YAML_SCALAR_EVENT)
		return fail(reader, "a key is no text");
	r = check_plain(reader);
	if (r < 0)
		return r;
	key = strdup((const char *)reader->event.data.scalar.value);
	kept = key != NULL ? strdup(key) : NULL;
	if (kept == NULL)
		return no_memory(reader);
	if (strlen(key) != reader->event.data.scalar.length || og_streq(key, "<<")) {
		free(kept);
		return fail(reader, "a key that is not read here");
	}
	if (has_key(object, key)) {
		free(kept);
		return og_fail_plain(reader->err, -EINVAL, "line %u: '%s' is there twice",
				     line_of(reader), key);
	}
	r = add_place(reader, object, kept, line_of(reader));
	if (r == 0)
		r = next(reader);
	if (r == 0)
		r = read_node(reader, &value);
	og_json_set(object, key, value);
	return r;
}

static int read_mapping(struct reader *reader, struct og_json *object)
{
	int r = next(reader);

	while (r == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
		/* has_key() walks through all of them. */
		if (og_json_count(object) == OG_YAML_KEYS_MAX)
			return fail(reader, "too many keys");
		r = read_entry(reader, object);
		if (r == 0)
			r = next(reader);
	}
	return r;
}

/* What *@ret_value holds in the end is the caller's, also after a failure. */
static int read_node(struct reader *reader, struct og_json **ret_value)
{
	bool mapping;
	int r = check_plain(reader);

	if (r < 0)
		return r;
	if (++reader->nodes > OG_YAML_NODES_MAX)
		return og_fail_plain(reader->err, -E2BIG, "over %u values", OG_YAML_NODES_MAX);
	if (reader->event.type == YAML_SCALAR_EVENT)
		return read_scalar(reader, ret_value);
	mapping = reader->event.type == YAML_MAPPING_START_EVENT;
	if (reader->depth == OG_JSON_DEPTH_MAX)
		return fail(reader, "nested too deeply");
	*ret_value = mapping ? og_json_new_object() : og_json_new_array();
	r = add_place(reader, *ret_value, NULL, line_of(reader));
	reader->depth++;
	if (r == 0)
		r = mapping ? read_mapping(reader, *ret_value) : read_sequence(reader, *ret_value);
	reader->depth--;
	return r;
}

static int read_document(struct reader *reader)
{
	int r = next(reader);

	if (r == 0) /* the stream's start */
		r = next(reader);
	if (r < 0)
		return r;
	if (reader->event.type == YAML_STREAM_END_EVENT)
		return 0;
	if (reader->event.data.document_start.tag_directives.start !=
		    reader->event.data.document_start.tag_directives.end ||
	    reader->event.data.document_start.version_directive != NULL)
		return fail(reader, "directives (%) are not read here");
	r = next(reader);
	if (r == 0)
		r = read_node(reader, &reader->yaml->root);
	if (r == 0) /* the document's end */
		r = next(reader);
	if (r == 0)
		r = next(reader);
	if (r == 0 && reader->event.type != YAML_STREAM_END_EVENT)
		return fail(reader, "a second document");
	return r;
}

int og_yaml_parse(const char *buf, size_t len, struct og_yaml **ret_yaml, struct og_err *err)
{
	og_cleanup(og_yaml_freep) struct og_yaml *yaml = calloc(1, sizeof(*yaml));
	struct reader reader = { .yaml = yaml, .err = err };
	int r;

	if (len > OG_YAML_MAX)
		return og_fail_plain(err, -E2BIG, "over %u bytes", OG_YAML_MAX);
	if (yaml == NULL || yaml_parser_initialize(&reader.parser) == 0)
		return og_fail(err, -ENOMEM, "read YAML");
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)buf, len);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	r = read_document(&reader);
	reader_done(&reader);
	if (r < 0)
		return r;
	if (yaml->root == NULL)
		yaml->root = og_json_new_object();
	*ret_yaml = og_take_ptr(yaml);
	return 0;
}

struct og_yaml *og_yaml_free(struct og_yaml *yaml)
{
	if (yaml == NULL)
		return NULL;
	for (size_t i = 0; i < yaml->place_count; i++)
		free(yaml->places[i].key);
	free(yaml->places);
	og_json_free(yaml->root);
	free(yaml);
	return NULL;
}

struct og_json *og_yaml_root(const struct og_yaml *yaml)
{
	return yaml->root;
}

unsigned og_yaml_line(const struct og_yaml *yaml, const struct og_json *object, const char *key)
{
	for (size_t i = 0; i < yaml->place_count; i++) {
		const struct place *place = &yaml->places[i];

		if (place->object == object &&
		    (key == NULL ? place->key == NULL
				 : place->key != NULL && og_streq(place->key, key)))
			return place->line;
	}
	return 0;
}

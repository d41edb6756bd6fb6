/* SPDX-License-Identifier: Apache-2.0 */
#include "client/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"

int og_words_add(struct og_words *words, const char *word)
{
	const char **items = realloc(words->items, (words->count + 2) * sizeof(words->items[0]));

	if (items == NULL)
		return -ENOMEM;
	words->items = items;
	items[words->count++] = word;
	items[words->count] = NULL;
	return 0;
}

void og_words_done(struct og_words *words)
{
	free(words->items);
	*words = (struct og_words){};
}

static int unit_shift(const char *unit)
{
	static const char letters[] = "kmgtp";
	const char *at;

	if (unit[0] == '\0' || strcasecmp(unit, "b") == 0)
		return 0;
	at = strchr(letters, tolower((unsigned char)unit[0]));
	if (at == NULL ||
	    (unit[1] != '\0' && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
		return -EINVAL;
	return (int)(at - letters + 1) * 10;
}

int og_size_parse(const char *text, int64_t *ret_bytes)
{
	char *end = NULL;
	double number;
	int shift;

	if (og_streq(text, "-1")) {
		*ret_bytes = -1;
		return 0;
	}
	if (!isdigit((unsigned char)text[0]) || text[strspn(text, "0123456789.")] == 'x')
		return -EINVAL;
	number = strtod(text, &end);
	while (*end == ' ')
		end++;
	shift = unit_shift(end);
	if (shift < 0)
		return -EINVAL;
	number *= (double)(1LL << shift);
	if (number >= 9.2e18)
		return -ERANGE;
	*ret_bytes = (int64_t)number;
	return 0;
}

static int parse_bool(const char *text, bool *ret_value)
{
	static const char *const words[2][4] = { { "false", "0", "f", "False" },
						 { "true", "1", "t", "True" } };

	for (size_t value = 0; value < 2; value++) {
		for (size_t i = 0; i < 4; i++) {
			if (og_streq(text, words[value][i])) {
				*ret_value = value == 1;
				return 0;
			}
		}
	}
	return -EINVAL;
}

static int set_value(const struct og_option *option, const char *text, void *values,
		     struct og_err *err)
{
	void *member = (char *)values + option->offset;
	int r = 0;

	switch (option->kind) {
	case OG_OPTION_FLAG:
		r = parse_bool(text, member);
		break;
	case OG_OPTION_TEXT:
		*(const char **)member = text;
		break;
	case OG_OPTION_INT:
		r = og_parse_i64(text, INT64_MIN, INT64_MAX, member);
		break;
	case OG_OPTION_SIZE:
		r = og_size_parse(text, member);
		break;
	case OG_OPTION_LIST:
		r = og_words_add(member, text);
		break;
	}
	if (r < 0)
		return og_fail(err, r, "--%s does not take '%s'", option->name, text);
	return 0;
}

static const struct og_option *find_name(const struct og_option *options, size_t count,
					 const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	}
	return NULL;
}

static const struct og_option *find_letter(const struct og_option *options, size_t count,
					   char letter)
{
	for (size_t i = 0; i < count; i++) {
		if (options[i].letter == letter)
			return &options[i];
	}
	return NULL;
}

struct reader {
	const struct og_option *options;
	size_t count;
	int argc;
	char **argv;
	void *values;
	struct og_err *err;
};

/* "--name", "--name=value". Returns the words used. */
static int read_long(const struct reader *reader, int at)
{
	const char *name = reader->argv[at] + 2;
	size_t len = strcspn(name, "=");
	const struct og_option *option = find_name(reader->options, reader->count, name, len);
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	int used = 1;
	int r;

	if (option == NULL)
		return og_fail_plain(reader->err, -EINVAL, "there is no option --%.*s", (int)len,
				     name);
	if (value == NULL && option->kind == OG_OPTION_FLAG) {
		value = "true";
	} else if (value == NULL) {
		if (at + 1 >= reader->argc)
			return og_fail_plain(reader->err, -EINVAL, "--%s needs a value",
					     option->name);
		value = reader->argv[at + 1];
		used = 2;
	}
	r = set_value(option, value, reader->values, reader->err);
	return r < 0 ? r : used;
}

/* "-a", "-abc", "-nvalue", "-n=value", "-n value". Returns the words used. */
static int read_short(const struct reader *reader, int at)
{
	for (const char *letter = reader->argv[at] + 1; *letter != '\0'; letter++) {
		const struct og_option *option =
			find_letter(reader->options, reader->count, *letter);
		const char *value = letter[1] == '=' ? letter + 2 : letter + 1;
		int r;

		if (option == NULL)
			return og_fail_plain(reader->err, -EINVAL, "there is no option -%c",
					     *letter);
		if (option->kind == OG_OPTION_FLAG && letter[1] != '=') {
			r = set_value(option, "true", reader->values, reader->err);
			if (r < 0)
				return r;
			continue;
		}
		if (*value == '\0' && letter[1] != '=') {
			if (at + 1 >= reader->argc)
				return og_fail_plain(reader->err, -EINVAL, "-%c needs a value",
						     *letter);
			r = set_value(option, reader->argv[at + 1], reader->values, reader->err);
			return r < 0 ? r : 2;
		}
		r = set_value(option, value, reader->values, reader->err);
		return r < 0 ? r : 1;
	}
	return 1;
}

int og_options_read(const struct og_option *options, size_t count, int argc, char **argv,
		    void *values, struct og_err *err)
{
	const struct reader reader = { options, count, argc, argv, values, err };
	int at = 0;

	while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
		int used;

		if (og_streq(argv[at], "--"))
			return at + 1;
		used = argv[at][1] == '-' ? read_long(&reader, at) : read_short(&reader, at);
		if (used < 0)
			return -EINVAL;
		at += used;
	}
	return at;
}

int og_options_read_all(const struct og_option *options, size_t count, bool first_word_ends,
			int argc, char **argv, void *values, char **words, struct og_err *err)
{
	bool ended = false;
	int word_count = 0;

	for (int at = 0; at < argc;) {
		int used =
			ended ? 0
			      : og_options_read(options, count, argc - at, argv + at, values, err);

		if (used < 0)
			return used;
		at += used;
		ended = ended || (used > 0 && og_streq(argv[at - 1], "--"));
		if (at < argc) {
			words[word_count++] = argv[at++];
			ended = ended || first_word_ends;
		}
	}
	return word_count;
}

void og_options_done(const struct og_option *options, size_t count, void *values)
{
	for (size_t i = 0; i < count; i++) {
		if (options[i].kind == OG_OPTION_LIST)
			og_words_done((void *)((char *)values + options[i].offset));
	}
}

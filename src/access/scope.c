/* SPDX-License-Identifier: Apache-2.0 */
#include "access/scope.h"

#include <errno.h>
#include <string.h>

#include "access/permissions.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

unsigned og_scope_rights(const char *word, size_t len)
{
	static const struct {
		const char *word;
		unsigned rights;
	} words[] = {
		{ "pull", OG_RIGHT_READ },
		{ "push", OG_RIGHT_CREATE | OG_RIGHT_UPDATE },
		{ "delete", OG_RIGHT_DELETE },
		{ "*", OG_RIGHT_ALL },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
			return words[i].rights;
	return 0;
}

/* A name comes back in an answer and in challenges: nothing but what names are made of. */
static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:",
			   text[i]) == NULL ||
		    text[i] == '\0')
			return false;
	return len > 0;
}

int og_scope_parse(const char *text, size_t len, struct og_scope *ret_scope, struct og_err *err)
{
	struct og_scope scope = {};
	const char *end = text + len, *first, *last, *name, *class;
	size_t type_len, name_len;

	if (len > OG_SCOPE_MAX)
		return og_fail_plain(err, -E2BIG, "a scope is over %u bytes", OG_SCOPE_MAX);
	first = memchr(text, ':', len);
	last = memrchr(text, ':', len);
	if (first == NULL || first == last)
		return og_fail_plain(err, -EINVAL, "a scope is TYPE:NAME:ACTIONS");
	name = first + 1;
	name_len = (size_t)(last - name);
	class = memchr(text, '(', (size_t)(first - text));
	type_len = (size_t)((class != NULL ? class : first) - text);
	if (type_len > OG_SCOPE_TYPE_MAX || name_len > OG_SCOPE_NAME_MAX ||
	    !is_name(name, name_len) || !is_name(text, type_len))
		return og_fail_plain(err, -EINVAL, "a scope whose name is none");
	memcpy(scope.type, text, type_len);
	memcpy(scope.name, name, name_len);
	for (const char *word = last + 1; word < end;) {
		const char *comma = memchr(word, ',', (size_t)(end - word));
		size_t span = (size_t)((comma != NULL ? comma : end) - word);

		scope.rights |= og_scope_rights(word, span);
		word += span + 1;
	}
	*ret_scope = scope;
	return 0;
}

struct og_json *og_scope_words(unsigned rights)
{
	struct og_json *words = og_json_new_array();

	if ((rights & OG_RIGHT_READ) != 0)
		og_json_push(words, og_json_new_string("pull"));
	if ((rights & (OG_RIGHT_CREATE | OG_RIGHT_UPDATE)) != 0)
		og_json_push(words, og_json_new_string("push"));
	if ((rights & OG_RIGHT_DELETE) != 0)
		og_json_push(words, og_json_new_string("delete"));
	return words;
}

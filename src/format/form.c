/* SPDX-License-Identifier: Apache-2.0 */
#include "format/form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static int bad(struct og_err *err, const char *what)
{
	return og_fail_plain(err, -EBADMSG, "form: %s", what);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* In place. False: half an escape, or NUL. */
static bool unescape(char *text)
{
	char *out = text;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '%') {
			int high = digit(at[1]), low = high >= 0 ? digit(at[2]) : -1;

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*out++ = (char)(high << 4 | low);
			at += 2;
		} else {
			*out++ = (char)(*at == '+' ? ' ' : *at);
		}
	}
	*out = '\0';
	return true;
}

static int add(struct og_form *form, char *field, const char *repeats, struct og_err *err)
{
	char *value = strchr(field, '=');

	if (value == NULL)
		return bad(err, "a field without a value");
	if (form->count == OG_FORM_FIELDS_MAX)
		return og_fail_plain(err, -E2BIG, "form: over %u fields", OG_FORM_FIELDS_MAX);
	*value++ = '\0';
	if (!unescape(field) || !unescape(value))
		return bad(err, "a malformed escape");
	if (repeats == NULL || !og_streq(field, repeats))
		for (size_t i = 0; i < form->count; i++)
			if (og_streq(form->fields[i].name, field))
				return bad(err, "a field is there twice");
	form->fields[form->count].name = field;
	form->fields[form->count++].value = value;
	return 0;
}

int og_form_parse(const char *buf, size_t len, const char *repeats, struct og_form *ret_form,
		  struct og_err *err)
{
	og_cleanup(og_form_done) struct og_form form = { .text = malloc(len + 1), .len = len };
	char *at = form.text, *field;
	int r = 0;

	if (form.text == NULL)
		return og_fail(err, -ENOMEM, "form");
	memcpy(form.text, buf, len);
	form.text[len] = '\0';
	if (strlen(form.text) != len)
		return bad(err, "it holds NUL");
	while (r == 0 && (field = strsep(&at, "&")) != NULL)
		if (*field != '\0')
			r = add(&form, field, repeats, err);
	if (r < 0)
		return r;
	*ret_form = form;
	form.text = NULL;
	return 0;
}

void og_form_done(struct og_form *form)
{
	if (form->text != NULL)
		explicit_bzero(form->text, form->len);
	free(form->text);
	form->text = NULL;
}

const char *og_form_get(const struct og_form *form, const char *name)
{
	for (size_t i = 0; i < form->count; i++)
		if (og_streq(form->fields[i].name, name))
			return form->fields[i].value;
	return "";
}

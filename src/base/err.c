/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What the number says, from a table: it allocates nothing. */
static const char *meaning(int code)
{
#ifdef __GLIBC__
	return strerrordesc_np(-code);
#else
	return strerror(-code); /* musl's does the same */
#endif
}

/* Names that strangers chose must not make two lines of one, or move a terminal's cursor. */
static void keep_to_one_line(struct og_err *err)
{
	for (char *at = err->text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	}
}

int og_fail(struct og_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	if (err == NULL)
		return code;

	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", meaning(code));
	keep_to_one_line(err);
	return code;
}

int og_fail_plain(struct og_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;

	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	keep_to_one_line(err);
	return code;
}

int og_fail_in(struct og_err *err, int code, const char *fmt, ...)
{
	char inner[OG_ERR_TEXT_MAX];
	va_list ap;
	size_t used;

	if (err == NULL)
		return code;

	(void)snprintf(inner, sizeof(inner), "%s", err->code != 0 ? err->text : meaning(code));
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	keep_to_one_line(err);
	return code;
}

int og_fail_as(struct og_err *err, int code, const char *text)
{
	if (err == NULL)
		return code;
	err->code = code;
	(void)snprintf(err->text, sizeof(err->text), "%s", text);
	keep_to_one_line(err);
	return code;
}

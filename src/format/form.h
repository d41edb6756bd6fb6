/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a form sends: application/x-www-form-urlencoded (URL Standard, section 5), as OAuth 2 has it.
 * Strictly: each field is NAME=VALUE, escapes are whole, nothing holds NUL, and no name is there twice
 * but the one that may be. Without I/O.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

#define OG_FORM_FIELDS_MAX 100U

struct og_form {
	char *text; /* owned; the fields are in it */
	size_t len;

	struct {
		const char *name, *value;
	} fields[OG_FORM_FIELDS_MAX];

	size_t count;
};

/*
 * @repeats: the name that may be there more than once, or NULL. On success og_form_done() is the
 * caller's duty. Errors: -EBADMSG (no form), -E2BIG (too many fields), -ENOMEM.
 */
int og_form_parse(const char *buf, size_t len, const char *repeats, struct og_form *ret_form,
		  struct og_err *err);

/* Overwrites the values, among which there are passwords. */
void og_form_done(struct og_form *form);

/* The first value of @name, "" when there is none. */
const char *og_form_get(const struct og_form *form, const char *name);

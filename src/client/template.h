/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of Go's templates that --format is used for: text with {{.}}, {{.Field.Field}},
 * {{json .Field}}, {{upper .Field}}, {{lower .Field}}, {{len .Field}}, {{index .Field "key"}},
 * {{join .Field ","}}; \t and \n in the text. Anything else is refused by name.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

/* Adds @value shown by @template to @out. Errors: -EINVAL. A field that is not there: "<no value>". */
int og_template_show(const char *template, const struct og_json *value, struct og_text *out,
		     struct og_err *err);

/* A value as {{.}} shows it: strings bare, lists in [], objects as map[key:value]. */
void og_template_value(const struct og_json *value, struct og_text *out);

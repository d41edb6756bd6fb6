/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger posts to the token endpoint, and the scopes in it. */
#include "format/form.h"

#include <stdlib.h>
#include <string.h>

#include "access/scope.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_form form = {};
	struct og_scope scope;
	struct og_err err = {};

	if (og_scope_parse((const char *)data, size, &scope, NULL) == 0 &&
	    (strpbrk(scope.name, "\"\\\r\n ") != NULL || scope.name[0] == '\0'))
		abort();
	if (og_form_parse((const char *)data, size, "scope", &form, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	for (size_t i = 0; i < form.count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(form.fields[i].name, form.fields[k].name) == 0 &&
			    strcmp(form.fields[i].name, "scope") != 0)
				abort();
	(void)og_form_get(&form, "grant_type");
	og_form_done(&form);
	return 0;
}

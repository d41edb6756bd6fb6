/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks a token for, "repository:team/app:pull,push" (the distribution specification's
 * token scope), and the rights that the words stand for. Without I/O.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

#define OG_SCOPE_MAX	   512U /* chars of one */
#define OG_SCOPES_MAX	   50U	/* of one token: an image's and those its layers are mounted from */
#define OG_SCOPE_NAME_MAX  255U
#define OG_SCOPE_TYPE_MAX  32U
#define OG_SCOPE_CATALOG   "catalog"
#define OG_SCOPE_TYPE_REPO "repository"
#define OG_SCOPE_TYPE_REG  "registry"

struct og_scope {
	char type[OG_SCOPE_TYPE_MAX + 1]; /* "repository", "registry" */
	char name[OG_SCOPE_NAME_MAX + 1];
	unsigned rights; /* enum og_right; of words that are not known: none */
};

/*
 * Reads @len characters. The type may have a class, "repository(plugin)", which says nothing here.
 * Errors: -EINVAL (no scope), -E2BIG.
 */
int og_scope_parse(const char *text, size_t len, struct og_scope *ret_scope, struct og_err *err);

/* Rights of one word of Docker's: pull, push (create and update), delete, "*". */
unsigned og_scope_rights(const char *word, size_t len);

/* The words of @rights, as a new array: pull, push, delete. */
struct og_json *og_scope_words(unsigned rights);

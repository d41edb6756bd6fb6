/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in text files: private keys, tokens that say by their form whose they are, files that are
 * there to hold passwords, and values with a name like "password" in files of settings. Only what is
 * nearly surely one: a rule that cries wolf is switched off. Without I/O.
 */
#pragma once

#include <stdbool.h>

#include "format/package_entry.h"

#define OG_SECRETS_FILE_MAX (1U << 20) /* bytes; longer ones are data, not settings */
#define OG_SECRETS_EACH_MAX 20	       /* of one file; more say nothing new */

/*
 * Could @path, from the root on, be of people rather than of a package? What programs bring with them has
 * keys for its own tests. The folder decides: it holds for all files of one, and for its path with a slash behind.
 */
bool og_secrets_is_candidate(const char *path);

struct og_secret {
	const char *rule; /* "private-key", "aws-access-key" */
	size_t line;	  /* from 1 */
	struct og_span text;
};

typedef int og_secret_fn(void *data, const struct og_secret *secret, struct og_err *err);

/* Nothing is found in what is no text. Errors: what @fn returns. */
int og_secrets_read(const char *path, const char *buf, size_t len, og_secret_fn *fn, void *data,
		    struct og_err *err);

/* Does a variable or setting of this name hold a secret, by its name? */
bool og_secrets_is_name(struct og_span name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of "NAME:LINE", as htpasswd(1) -B writes it. It is read again when it has changed, so that
 * an account is added or taken away without a restart; while the new text is not readable the old
 * accounts go on, unless the file is gone: then there are none.
 *
 * May be used by many threads.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/password.h"

#define OG_HTPASSWD_MAX (16U << 20) /* bytes of a file */

struct og_htpasswd;

/*
 * Reads @path, which is the administrator's. Lines that are malformed, of a weak form or too costly
 * fail it, with their number. On success *@ret_htpasswd is the caller's to free.
 * Errors: -EINVAL, -E2BIG, the kernel's, -ENOMEM.
 */
int og_htpasswd_open(const char *path, struct og_htpasswd **ret_htpasswd, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_htpasswd *og_htpasswd_free(struct og_htpasswd *htpasswd);
OG_DEFINE_CLEANUP(struct og_htpasswd, og_htpasswd_free)

/*
 * The line of @name. Errors: -ENOENT. When the file has changed and cannot be read, @err says so once
 * even where the old accounts answer (the result is then 0 or -ENOENT, and err->text not empty).
 */
int og_htpasswd_find(struct og_htpasswd *htpasswd, const char *name,
		     char ret_line[OG_PASSWORD_LINE_MAX], struct og_err *err);

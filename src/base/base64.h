/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648). */
#pragma once

#include <stddef.h>

/* Text with padding, the caller's to free; NULL when memory ran out. */
char *og_base64_encode(const void *buf, size_t len);

/*
 * Reads either alphabet ("+/" or "-_"), with or without padding, and nothing else. On success
 * *@ret_buf is the caller's to free and has a NUL behind its @ret_len (may be NULL) bytes.
 * Errors: -EINVAL, -ENOMEM.
 */
int og_base64_decode(const char *text, char **ret_buf, size_t *ret_len);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Range (RFC 9110, 14.2), and Content-Range as registries' uploads have it (OCI distribution-spec,
 * "Pushing a blob in chunks"). Without I/O.
 */
#pragma once

#include <stdint.h>

enum og_range_kind {
	OG_RANGE_WHOLE, /* none was asked for, or one that is not understood: it is to be ignored */
	OG_RANGE_PART,	/* one piece */
	OG_RANGE_NONE,	/* beyond the end: 416 */
};

/*
 * What is to be sent of @size bytes: *@ret_first and *@ret_len, of the whole too. Several ranges are
 * answered with the whole, which is always allowed and costs no more than it (A62). @header may be
 * NULL.
 */
enum og_range_kind og_http_range(const char *header, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_len);

/* "FIRST-LAST", both counted from 0 and included. Errors: -EINVAL. */
int og_upload_range_parse(const char *header, uint64_t *ret_first, uint64_t *ret_last);

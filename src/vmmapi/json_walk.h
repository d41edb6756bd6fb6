/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding one value in JSON text without a tree: for where no memory may be had. The text is what
 * og_json_write() made; of any other text nothing is said but that nothing outside it is read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The text of one value. */
struct og_span {
	const char *at, *end;
};

/*
 * The value that @path leads to from @root, as RFC 6901 has it ("/a/b/0", ~0 and ~1), where several
 * '/' are as one and one at the end says nothing.
 */
bool og_span_find(const struct og_span *root, const char *path, size_t len,
		  struct og_span *ret_value);

/* Whether @path is @wanted once several '/' are as one. */
bool og_path_is(const char *path, size_t len, const char *wanted);

/* As it stands. Returns its length or -ENOSPC. */
ptrdiff_t og_span_copy(const struct og_span *value, char *buf, size_t size);

/*
 * As EC2's metadata service shows it: a string as its text, an object as the names of its members,
 * a line each, with '/' behind those that are objects. Returns the length, -ENOTSUP (neither) or
 * -ENOSPC.
 */
ptrdiff_t og_span_imds(const struct og_span *value, char *buf, size_t size);

/* SPDX-License-Identifier: Apache-2.0 */
/* Package URLs (ECMA-427, purl-spec): "pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH". Without I/O. */
#pragma once

#include "format/package_entry.h"

#define OG_PURL_MAX 4096 /* bytes of one, and of its parts together */

/* Its parts, percent signs undone; "" where missing. */
struct og_purl {
	const char *type;      /* "deb", in lower case */
	const char *namespace; /* "debian", "@babel", "github.com/x" */
	const char *name;
	const char *version;
	const char *qualifiers; /* "arch=amd64&distro=debian-12", as written: og_purl_qualifier() */
	char text[OG_PURL_MAX]; /* what the parts are in */
};

/* Errors: -EINVAL. */
int og_purl_parse(const char *text, struct og_purl *ret_purl);

/* Writes the value of @key, percent signs undone, cut to @size; "" where missing. */
void og_purl_qualifier(const struct og_purl *purl, const char *key, char *value, size_t size);

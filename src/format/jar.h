/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a jar, war, ear says of itself: each META-INF/maven/.../pom.properties in it (a shaded jar has
 * several), or else its manifest (JAR File Specification) and its file's name; and the same of the
 * archives inside. The name is "GROUP:ARTIFACT", or "ARTIFACT" where no group is known. Without I/O.
 */
#pragma once

#include "format/bytes.h"
#include "format/package_entry.h"

#define OG_JAR_DEPTH_MAX    4		 /* an ear has wars, which have jars */
#define OG_JAR_INNER_MAX    (256U << 20) /* bytes of one archive inside, unpacked */
#define OG_JAR_UNPACKED_MAX (1U << 30)	 /* bytes unpacked of one file, all together */

/* Is it one, by its name? */
bool og_jar_is_name(struct og_span name);

/* @place: where inside, "a.jar!/lib/b.jar" with the file's own path in front; valid during the call. */
typedef int og_jar_fn(void *data, const struct og_package_entry *entry, const char *place,
		      struct og_err *err);

/* @path: the file's. Errors: -EBADMSG, -E2BIG, -ENOMEM, what @fn and reading return. */
int og_jar_read(const struct og_bytes *bytes, const char *path, og_jar_fn *fn, void *data,
		struct og_err *err);

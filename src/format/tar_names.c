/* SPDX-License-Identifier: Apache-2.0 */
/* Names of members in archives whose members name one another: images. */
#include <string.h>

#include "base/text.h"
#include "format/tar.h"

const char *og_tar_plain_name(const char *name)
{
	while (og_starts_with(name, "./"))
		name += 2;
	return name;
}

char *og_tar_link_target(const char *name, const char *target, bool hard)
{
	og_auto_text path = {};
	const char *slash = strrchr(name, '/');

	if (!hard && slash != NULL)
		og_text_add_bytes(&path, name, (size_t)(slash - name));
	for (const char *part = target; *part != '\0';) {
		size_t len = strcspn(part, "/");

		if (len == 2 && strncmp(part, "..", 2) == 0) {
			char *last = path.len > 0 ? strrchr(path.buf, '/') : NULL;

			if (path.len == 0)
				return NULL;
			path.len = last != NULL ? (size_t)(last - path.buf) : 0;
			path.buf[path.len] = '\0';
		} else if (len > 0 && !(len == 1 && *part == '.')) {
			og_text_add(&path, path.len > 0 ? "/" : "");
			og_text_add_bytes(&path, part, len);
		}
		part += len + strspn(part + len, "/");
	}
	return og_text_take(&path);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/os_release.h"

#include "format/package_entry.h"

static void unquote(struct og_span value, char *out)
{
	char quote = value.len > 0 && (value.at[0] == '"' || value.at[0] == '\'') ? value.at[0] : 0;
	size_t at = quote != 0, count = 0;

	for (; at < value.len && count + 1 < OG_OS_RELEASE_VALUE_MAX; at++) {
		if (quote != 0 && value.at[at] == quote)
			break;
		if (quote != '\'' && value.at[at] == '\\' && at + 1 < value.len)
			at++;
		out[count++] = value.at[at];
	}
	out[count] = '\0';
}

void og_os_release_read(const char *buf, size_t len, struct og_os_release *ret_release)
{
	struct og_span rest = { buf, len }, line, key, value;

	*ret_release = (struct og_os_release){};
	while (og_span_line(&rest, &line)) {
		if (!og_span_cut(og_span_trim(line), '=', &key, &value))
			continue;
		if (og_span_is(key, "ID"))
			unquote(value, ret_release->id);
		else if (og_span_is(key, "VERSION_ID"))
			unquote(value, ret_release->version_id);
		else if (og_span_is(key, "PRETTY_NAME"))
			unquote(value, ret_release->pretty_name);
		else if (og_span_is(key, "VERSION_CODENAME"))
			unquote(value, ret_release->codename);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What others have said of vulnerabilities: VEX documents and ignore files. */
#include <errno.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/text.h"
#include "base/yaml.h"
#include "scan.h"

static int read_vex(const char *path, struct og_statements *statements, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, SCAN_FILE_MAX, &text, &len, err);

	if (r == 0)
		r = og_json_parse(text, len, &root, err);
	if (r == 0)
		r = og_vex_read(root, statements, err);
	return r < 0 ? og_fail_in(err, r, "VEX '%s'", path) : 0;
}

static int read_ignore(const char *path, struct og_statements *statements, struct og_err *err)
{
	og_cleanup(og_yaml_freep) struct og_yaml *yaml = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, SCAN_FILE_MAX, &text, &len, err);

	if (r < 0)
		return r;
	if (!og_ends_with(path, ".yaml") && !og_ends_with(path, ".yml")) {
		r = og_ignore_read_lines(text, len, statements, err);
	} else {
		r = og_yaml_parse(text, len, &yaml, err);
		if (r == 0)
			r = og_ignore_read_tree(og_yaml_root(yaml), statements, err);
	}
	return r < 0 ? og_fail_in(err, r, "'%s'", path) : 0;
}

int scan_said_read(const struct og_words *vex, const struct og_words *ignore,
		   struct og_statements *statements, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vex->count; i++)
		r = read_vex(vex->items[i], statements, err);
	for (size_t i = 0; r == 0 && i < ignore->count; i++)
		r = read_ignore(ignore->items[i], statements, err);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/install.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static bool is_program_folder(const char *name)
{
	return og_streq(name, "bin") || og_streq(name, "sbin") || og_streq(name, "libexec");
}

/* Cuts @path behind the folder that holds bin/, sbin/ or libexec/. */
static int cut_to_prefix(char *path)
{
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		bool found = is_program_folder(slash + 1);

		*slash = '\0';
		if (found)
			return 0;
	}
	return -ENOENT;
}

int og_install_path(const char *relative, char **ret_path, struct og_err *err)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path;

	if (len < 0)
		return og_fail(err, -errno, "find this program's own file");
	self[len] = '\0';
	if (cut_to_prefix(self) < 0)
		return og_fail(err, -ENOENT,
			       "find '%s': this program is not installed; run 'make install'",
			       relative);
	path = og_strdupf("%s/%s", self, relative);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "find '%s'", relative);
	*ret_path = path;
	return 0;
}

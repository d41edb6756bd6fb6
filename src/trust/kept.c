/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"

#define KEPT_BYTES_MAX ((size_t)OG_EVIDENCE_BYTES_MAX * 2) /* as base64, with what is around it */

struct file_name {
	char text[sizeof(".json") + sizeof(struct og_digest_text)];
};

static struct file_name file_name(const struct og_digest *manifest)
{
	struct file_name name;

	(void)snprintf(name.text, sizeof(name.text), "%s.json", og_digest_hex(manifest).text);
	return name;
}

static int open_folder(int root_fd)
{
	return og_open_beneath(root_fd, OG_KEPT_FOLDER, O_RDONLY | O_DIRECTORY, 0);
}

int og_kept_write(int root_fd, const struct og_evidence *evidence, struct og_err *err)
{
	og_auto_free char *text = og_evidence_write(evidence);
	og_auto_fd dir_fd = -EBADF;

	if (text == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (mkdirat(root_fd, OG_KEPT_FOLDER, 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make folder '" OG_KEPT_FOLDER "'");
	dir_fd = open_folder(root_fd);
	if (dir_fd < 0)
		return og_fail(err, dir_fd, "folder '" OG_KEPT_FOLDER "'");
	return og_replace_file(dir_fd, file_name(&evidence->manifest).text, text, strlen(text),
			       0600, true, err);
}

int og_kept_read(int root_fd, const struct og_digest *manifest, struct og_evidence **ret_evidence,
		 struct og_err *err)
{
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	og_auto_fd dir_fd = open_folder(root_fd);
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = dir_fd;

	if (r >= 0)
		r = og_read_file(dir_fd, file_name(manifest).text, KEPT_BYTES_MAX, &text, &len,
				 err);
	if (r == -ENOENT)
		return og_fail_plain(err, r,
				     "nothing that vouches for it is kept here; pull it again");
	if (r < 0)
		return dir_fd < 0 ? og_fail(err, r, "folder '" OG_KEPT_FOLDER "'") : r;
	r = og_evidence_read(text, len, &evidence, err);
	if (r == 0 && !og_digest_equal(&evidence->manifest, manifest))
		r = og_fail_plain(err, -EBADMSG, "what is kept is of another image");
	if (r == 0)
		*ret_evidence = og_take_ptr(evidence);
	return r;
}

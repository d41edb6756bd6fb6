/* SPDX-License-Identifier: Apache-2.0 */
#include "fs_option.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vmm/fs/helper.h"

#define PREFIX_FD "/dev/fd/"

struct share_words {
	const char *tag, *path;
	size_t tag_len, path_len;
	bool readonly;
};

static bool take_words(const char *rest, struct share_words *words)
{
	for (size_t len; *rest != '\0'; rest += len + (rest[len] == ',')) {
		len = strcspn(rest, ",");
		if (og_starts_with(rest, "tag=")) {
			words->tag = rest + strlen("tag=");
			words->tag_len = len - strlen("tag=");
		} else if (og_starts_with(rest, "path=")) {
			words->path = rest + strlen("path=");
			words->path_len = len - strlen("path=");
		} else if (len == 2 && og_starts_with(rest, "ro")) {
			words->readonly = true;
		} else {
			return false;
		}
	}
	return words->path_len > 0 && words->tag_len > 0 && words->tag_len <= OG_FS_TAG_MAX;
}

static int open_folder(const char *path, int *ret_fd, struct og_err *err)
{
	uint64_t number;

	if (!og_starts_with(path, PREFIX_FD))
		*ret_fd = open(path, O_PATH | O_CLOEXEC);
	else if (og_parse_u64(path + strlen(PREFIX_FD), 0, INT32_MAX, &number) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no descriptor", path);
	else
		*ret_fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0 ? og_fail(err, -errno, "open '%s'", path) : 0;
}

static int start_server(const char *path, bool readonly, int *ret_fd, struct og_err *err)
{
	struct og_fs_share share = { .dir_fd = -EBADF, .readonly = readonly };
	int r = open_folder(path, &share.dir_fd, err);

	if (r == 0)
		r = og_fs_start(&share, ret_fd, err);
	share.dir_fd = og_close(share.dir_fd);
	return r < 0 ? og_fail_in(err, r, "share '%s'", path) : 0;
}

int og_fs_option(struct og_vmm_config *config, const char *words, struct og_err *err)
{
	struct og_fs_config *share = &config->shares[config->n_shares];
	struct share_words found = {};
	og_auto_free char *folder = NULL;
	int r;

	if (config->n_shares == OG_VMM_SHARES_MAX)
		return og_fail_plain(err, -EINVAL, "more than %d folders", OG_VMM_SHARES_MAX);
	if (!take_words(words, &found))
		return og_fail_plain(
			err, -EINVAL,
			"'%s' is not tag=TAG,path=DIR[,ro] with a tag of up to %d bytes", words,
			OG_FS_TAG_MAX);
	folder = strndup(found.path, found.path_len);
	if (folder == NULL)
		return og_fail(err, -ENOMEM, "share '%s'", words);
	*share = (struct og_fs_config){ .socket_fd = -EBADF };
	memcpy(share->tag, found.tag, found.tag_len);
	(void)snprintf(share->id, sizeof(share->id), "fs-%.*s", (int)found.tag_len, found.tag);
	r = start_server(folder, found.readonly, &share->socket_fd, err);
	if (r < 0)
		return r;
	config->n_shares++;
	og_vmm_config_keep(config, share->socket_fd);
	return 0;
}

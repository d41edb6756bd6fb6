/* SPDX-License-Identifier: Apache-2.0 */
/* Shared folders: each is served by a process of its own, which is started before the machine. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "vmm/fs/helper.h"
#include "vmmapi/bind.h"

static int start_server(const struct og_api_fs *fs, int *ret_fd, struct og_err *err)
{
	og_auto_fd dir_fd = open(fs->path_on_host, O_PATH | O_CLOEXEC);
	struct og_fs_share share = { .dir_fd = dir_fd, .readonly = fs->read_only };

	if (dir_fd < 0)
		return og_fail(err, -errno, "open '%s'", fs->path_on_host);
	return og_fs_start(&share, ret_fd, err);
}

int og_bind_shares(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	og_bind_close_shares(bind);
	for (unsigned i = 0; i < api->n_shares; i++) {
		const struct og_api_fs *from = &api->shares[i];
		struct og_fs_config *share = &bind->config.shares[i];
		const char *tag = from->tag[0] != '\0' ? from->tag : from->id;
		int r;

		if (strlen(tag) > OG_FS_TAG_MAX)
			return og_fail_plain(err, -EINVAL,
					     "fs/%s: without a tag the id is at most %d bytes.",
					     from->id, OG_FS_TAG_MAX);
		r = start_server(from, &bind->share_fds[i], err);
		if (r < 0)
			return og_fail_in(err, r, "fs/%s: path_on_host", from->id);
		memcpy(share->id, from->id, sizeof(share->id));
		memcpy(share->tag, tag, strlen(tag) + 1);
		share->socket_fd = bind->share_fds[i];
		og_vmm_config_keep(&bind->config, share->socket_fd);
		bind->config.n_shares = i + 1;
	}
	return 0;
}

void og_bind_close_shares(struct og_bind *bind)
{
	for (unsigned i = 0; i < OG_VMM_SHARES_MAX; i++)
		bind->share_fds[i] = og_close(bind->share_fds[i]);
}

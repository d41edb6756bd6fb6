/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"

/* What a bind mount may be asked for, and whether the guest has to know. */
static const struct option {
	const char *name;
	bool told;
} options[] = {
	{ "bind", false },    { "rbind", false },      { "rw", false },	    { "ro", true },
	{ "private", false }, { "rprivate", false },   { "slave", false },  { "rslave", false },
	{ "nosuid", true },   { "nodev", true },       { "noexec", true },  { "suid", true },
	{ "dev", true },      { "exec", true },	       { "noatime", true }, { "nodiratime", true },
	{ "relatime", true }, { "strictatime", true },
};

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (og_streq(options[i].name, name))
			return &options[i];
	return NULL;
}

static bool has_option(const struct og_oci_mount *mount, const char *name)
{
	for (size_t i = 0; i < mount->options.count; i++)
		if (og_streq(mount->options.items[i], name))
			return true;
	return false;
}

static bool is_bind(const struct og_oci_mount *mount)
{
	return (mount->type != NULL && og_streq(mount->type, "bind")) ||
	       has_option(mount, "bind") || has_option(mount, "rbind");
}

static int check_options(const struct og_oci_mount *mount, struct og_err *err)
{
	for (size_t i = 0; i < mount->options.count; i++)
		if (find_option(mount->options.items[i]) == NULL)
			return og_fail(err, -EOPNOTSUPP,
				       "option '%s': isolation vm cannot do that; leave it out, or "
				       "use isolation container",
				       mount->options.items[i]);
	return 0;
}

static int open_share(const struct og_oci_mount *mount, struct og_vm_share *share,
		      struct og_err *err)
{
	struct stat st;
	int r = check_options(mount, err);

	if (r < 0)
		return r;
	if (mount->source == NULL)
		return og_fail(err, -EINVAL, "no source");
	share->fd = open(mount->source, O_PATH | O_CLOEXEC);
	if (share->fd < 0 || fstat(share->fd, &st) < 0)
		return og_fail(err, -errno, "open '%s'", mount->source);
	share->is_file = S_ISREG(st.st_mode);
	if (!share->is_file && !S_ISDIR(st.st_mode))
		return og_fail(
			err, -EOPNOTSUPP,
			"'%s' is neither a folder nor a file: isolation vm shares no devices, "
			"pipes and sockets of the host",
			mount->source);
	share->readonly = has_option(mount, "ro");
	return 0;
}

int og_vm_shares_open(const struct og_oci_config *config, struct og_vm_shares **ret_shares,
		      struct og_err *err)
{
	og_cleanup(og_vm_shares_freep) struct og_vm_shares *shares = calloc(1, sizeof(*shares));

	if (shares == NULL)
		return og_fail(err, -ENOMEM, "allocate shared folders");
	for (size_t i = 0; i < config->mounts.count; i++) {
		const struct og_oci_mount *mount = &config->mounts.items[i];
		struct og_vm_share *share = &shares->items[shares->count];
		int r;

		if (!is_bind(mount))
			continue;
		if (shares->count == OG_VM_SHARES_MAX)
			return og_fail(
				err, -E2BIG,
				"mount '%s': isolation vm shares up to %d folders of the host",
				mount->destination, OG_VM_SHARES_MAX);
		*share = (struct og_vm_share){ .mount = mount, .fd = -EBADF };
		(void)snprintf(share->tag, sizeof(share->tag), "onggi-%zu", shares->count++);
		r = open_share(mount, share, err);
		if (r < 0)
			return og_fail_in(err, r, "mount '%s'", mount->destination);
	}
	*ret_shares = og_take_ptr(shares);
	return 0;
}

struct og_vm_shares *og_vm_shares_free(struct og_vm_shares *shares)
{
	if (shares == NULL)
		return NULL;
	for (size_t i = 0; i < shares->count; i++)
		(void)og_close(shares->items[i].fd);
	free(shares);
	return NULL;
}

const struct og_vm_share *og_vm_shares_find(const struct og_vm_shares *shares,
					    const struct og_oci_mount *mount)
{
	for (size_t i = 0; shares != NULL && i < shares->count; i++)
		if (shares->items[i].mount == mount)
			return &shares->items[i];
	return NULL;
}

void og_vm_share_options(const struct og_vm_share *share, struct og_text *out)
{
	const struct og_oci_strings *given = &share->mount->options;

	for (size_t i = 0; i < given->count; i++) {
		const struct option *option = find_option(given->items[i]);

		if (option != NULL && option->told)
			og_text_addf(out, "%s%s", out->len > 0 ? "," : "", option->name);
	}
	if (share->is_file)
		og_text_addf(out, "%s%s", out->len > 0 ? "," : "", OG_VM_SHARE_FILE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tar_members.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"

#define LINKS_MAX 8

static const char *plain(const char *name)
{
	while (og_starts_with(name, "./"))
		name += 2;
	return name;
}

/*
 * What a link at @name to @target means, "." and ".." taken away. A hard link's @target is from the
 * archive's root on. NULL: it leads out of the archive, or no memory.
 */
static char *link_target(const char *name, const char *target, bool hard)
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

int og_tar_members_add(struct og_tar_members *members, const struct og_tar_entry *entry,
		       struct og_err *err)
{
	bool hard = entry->type == OG_TAR_HARD_LINK;
	struct og_tar_member member = {};

	if (members->count == OG_TAR_MEMBERS_MAX)
		return og_fail_plain(err, -E2BIG, "over %d members", OG_TAR_MEMBERS_MAX);
	if (og_grow(members->list, members->count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	member.name = strdup(plain(entry->name));
	if (member.name == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (hard || entry->type == OG_TAR_SYMLINK)
		member.link = link_target(member.name, entry->link, hard);
	members->list[members->count++] = member;
	return 0;
}

static size_t find_exact(const struct og_tar_members *members, const char *name)
{
	for (size_t i = members->count; i > 0; i--)
		if (og_streq(members->list[i - 1].name, name))
			return i - 1;
	return members->count;
}

size_t og_tar_members_find(const struct og_tar_members *members, const char *name)
{
	size_t at = find_exact(members, plain(name));

	for (int i = 0; at < members->count && members->list[at].link != NULL; i++)
		at = i < LINKS_MAX ? find_exact(members, members->list[at].link) : members->count;
	return at;
}

void og_tar_members_done(struct og_tar_members *members)
{
	for (size_t i = 0; i < members->count; i++) {
		free(members->list[i].name);
		free(members->list[i].link);
	}
	free(members->list);
	*members = (struct og_tar_members){};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of an archive whose members name one another, and which are links to one another: an
 * image's. It keeps names alone; what else is known of a member its reader keeps, in the same order.
 * Without I/O.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "format/tar.h"

#define OG_TAR_MEMBERS_MAX 16384

struct og_tar_member {
	char *name; /* without "./" in front; owned, and where it is for good */
	char *link; /* of a link that stays in the archive: the name it stands for; owned */
};

/* Zeroed: none. */
struct og_tar_members {
	struct og_tar_member *list;
	size_t count;
};

/* Adds one behind the others. Errors: -E2BIG (over OG_TAR_MEMBERS_MAX), -ENOMEM: as before. */
int og_tar_members_add(struct og_tar_members *members, const struct og_tar_entry *entry,
		       struct og_err *err);

/*
 * The place of the member that @name means, links followed; the count where there is none. The last of
 * equal names counts, as it would when unpacked.
 */
size_t og_tar_members_find(const struct og_tar_members *members, const char *name);

void og_tar_members_done(struct og_tar_members *members);

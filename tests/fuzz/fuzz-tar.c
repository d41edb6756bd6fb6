/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader, in pieces whose size the first byte says: content only goes forward and stays
 * inside its file, and files end once. What a member's name leads to is no link.
 */
#include "format/tar_members.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define TAR_AT 1
#include "tar_mutator.h"

struct state {
	bool open;
	uint64_t size, at;
	struct og_tar_members members;
};

static int entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	struct state *state = data;

	(void)err;
	if (state->open || strlen(entry->name) > OG_TAR_NAME_MAX ||
	    strlen(entry->link) > OG_TAR_NAME_MAX || entry->mtime_nsec >= 1000000000U ||
	    entry->mode > 07777)
		abort();
	state->open = entry->type == OG_TAR_FILE;
	state->size = entry->size;
	state->at = 0;
	return og_tar_members_add(&state->members, entry, NULL);
}

static int content(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct state *state = data;

	(void)buf;
	(void)err;
	if (!state->open || len == 0 || offset < state->at || offset > state->size ||
	    len > state->size - offset)
		abort();
	state->at = offset + len;
	return 0;
}

static int file_end(void *data, struct og_err *err)
{
	struct state *state = data;

	(void)err;
	if (!state->open)
		abort();
	state->open = false;
	return 0;
}

static void find_all(const struct og_tar_members *members)
{
	for (size_t i = 0; i < members->count; i++) {
		size_t at = og_tar_members_find(members, members->list[i].name);

		if (at > members->count ||
		    (at < members->count && members->list[at].link != NULL) ||
		    (i + 1 == members->count && members->list[i].link == NULL && at != i))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct og_tar_ops ops = { entry, content, file_end };
	struct state state = {};
	struct og_tar *tar;
	size_t piece = size > 0 && data[0] != 0 ? data[0] : 4096;
	int r = 0;

	if (og_tar_new(&ops, &state, &tar, NULL) < 0)
		return 0;
	for (size_t at = 1; r == 0 && at < size; at += piece)
		r = og_tar_feed(tar, data + at, size - at < piece ? size - at : piece, NULL);
	if (r == 0 && og_tar_finish(tar, NULL) == 0 && state.open)
		abort();
	find_all(&state.members);
	og_tar_members_done(&state.members);
	og_tar_free(tar);
	return 0;
}

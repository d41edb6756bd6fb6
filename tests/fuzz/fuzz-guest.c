/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest protocol from either side: the first byte says whose words these are and how large
 * the pieces are that they arrive in. A start that is read is written back and read again.
 */
#include "format/guest.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

static void start_again(const struct og_guest_start *start)
{
	struct og_guest_inbox *inbox = NULL;
	struct og_guest_start second;
	struct og_guest_frame frame;
	og_auto_text out = {};
	size_t room;
	uint8_t *space;

	if (og_guest_put_start(&out, 1, start, NULL) < 0)
		return; /* what was left out as 0 may have been given before */
	if (og_guest_inbox_new(false, &inbox, NULL) < 0)
		return;
	space = og_guest_inbox_space(inbox, &room);
	memcpy(space, out.buf, out.len);
	og_guest_inbox_added(inbox, out.len);
	if (og_guest_inbox_next(inbox, &frame, NULL) != 1 ||
	    og_guest_get_start(&frame, &second, NULL) < 0)
		abort();
	if (second.uid != start->uid || second.flags != start->flags ||
	    strcmp(second.argv[0], start->argv[0]) != 0)
		abort();
	og_guest_start_done(&second);
	og_guest_inbox_free(inbox);
}

static void take(const struct og_guest_frame *frame)
{
	struct og_guest_start start;
	struct og_guest_stats stats;

	switch (frame->type) {
	case OG_GUEST_START:
		if (og_guest_get_start(frame, &start, NULL) == 0) {
			start_again(&start);
			og_guest_start_done(&start);
		}
		break;
	case OG_GUEST_FAILED:
	case OG_GUEST_REFUSED:
		free(og_guest_failure_text(frame));
		break;
	case OG_GUEST_STATS:
		(void)og_guest_get_stats(frame, &stats, NULL);
		break;
	case OG_GUEST_SIGNAL:
	case OG_GUEST_RESIZE:
	case OG_GUEST_EXITED:
		(void)og_guest_number(frame, 1);
		break;
	case OG_GUEST_HELLO:
	case OG_GUEST_CREDIT:
		(void)og_guest_number(frame, 0);
		break;
	case OG_GUEST_STARTED:
	case OG_GUEST_DATA:
	case OG_GUEST_CLOSE:
	case OG_GUEST_SHUTDOWN:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_guest_inbox *inbox = NULL;
	struct og_guest_frame frame;
	size_t piece;
	int r = 0;

	if (size == 0 || og_guest_inbox_new((data[0] & 1) != 0, &inbox, NULL) < 0)
		return 0;
	piece = (size_t)(data[0] >> 1) + 1;
	for (size_t at = 1; at < size && r >= 0;) {
		size_t room, len = size - at < piece ? size - at : piece;
		uint8_t *space = og_guest_inbox_space(inbox, &room);

		if (len > room)
			len = room;
		memcpy(space, data + at, len);
		og_guest_inbox_added(inbox, len);
		at += len;
		while ((r = og_guest_inbox_next(inbox, &frame, NULL)) > 0)
			take(&frame);
	}
	og_guest_inbox_free(inbox);
	return 0;
}

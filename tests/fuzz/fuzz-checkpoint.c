/* SPDX-License-Identifier: Apache-2.0 */
/* onggi.json of a checkpoint: what is read is written and read again, and is the same. */
#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_checkpoint_done) struct og_checkpoint checkpoint = {};
	og_cleanup(og_checkpoint_done) struct og_checkpoint again = {};
	og_auto_free char *text = NULL;

	if (og_checkpoint_parse((const char *)data, size, &checkpoint, NULL) < 0)
		return 0;
	text = og_checkpoint_write(&checkpoint);
	if (text == NULL || strlen(text) > OG_CHECKPOINT_MAX_BYTES)
		return 0;
	if (og_checkpoint_parse(text, strlen(text), &again, NULL) < 0 ||
	    again.mount_count != checkpoint.mount_count)
		abort();
	for (size_t i = 0; i < again.mount_count; i++) {
		if (strcmp(again.mounts[i], checkpoint.mounts[i]) != 0 || again.mounts[i][0] != '/')
			abort();
	}
	return 0;
}

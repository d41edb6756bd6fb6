/* SPDX-License-Identifier: Apache-2.0 */
/* --disk: a file, or words with commas between them. */
#pragma once

#include "vmm/device/virtio_blk.h"

struct og_disk_words {
	char path[4096];
	char backing[4096]; /* "": none */
};

/* Whether @value is words (path=FILE,...) and not a file. */
bool og_disk_is_words(const char *value);

/*
 * Sets @disk, but for what is opened: @ret_words names that. Errors: -EINVAL, the text names the word.
 */
int og_disk_parse(const char *value, struct og_blk_config *disk, struct og_disk_words *ret_words,
		  struct og_err *err);

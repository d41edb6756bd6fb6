/* SPDX-License-Identifier: Apache-2.0 */
#include "format/layer_text.h"

#include <string.h>

#include "format/tar.h"

static bool is_text_byte(uint8_t byte)
{
	return (byte >= ' ' && byte != 0x7f) || byte == '\t' || byte == '\n' || byte == '\r';
}

bool og_layer_is_text(const uint8_t *head, size_t len)
{
	if (len == 0 || (len >= 3 && memcmp(head, "BZh", 3) == 0))
		return false;
	/* gzip and zstd's skippable frames have control characters; xz and zstd do not begin in ASCII. */
	for (size_t i = 0; i < len && i < OG_LAYER_HEAD_BYTES; i++)
		if (!is_text_byte(head[i]) || (i < 4 && head[i] >= 0x80))
			return false;
	/* Old archives' headers may be mere text, even JSON's; their checksum tells them. */
	return len < OG_TAR_BLOCK_BYTES || !og_tar_is_header(head);
}

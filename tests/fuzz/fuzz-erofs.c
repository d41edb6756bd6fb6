/* SPDX-License-Identifier: Apache-2.0 */
/* The EROFS reader over any bytes, their checksum made right so that the rest is reached. */
#include "format/erofs_overlay.h"
#include "format/erofs_parts.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_erofs_tree *tree = NULL;
	struct og_erofs_view view;
	uint8_t *sealed;
	const char *tag;
	uint32_t blocks, unified;

	if (size < OG_EROFS_SUPER_BYTES || size > 1U << 20)
		return 0;
	sealed = malloc(size);
	if (sealed == NULL)
		return 0;
	memcpy(sealed, data, size);
	erofs_super_seal(sealed);
	if (og_erofs_read_super(sealed, &view, NULL) == 0 &&
	    og_erofs_tree_new(1, 64U << 20, &tree, NULL) == 0) {
		view.buf = sealed;
		view.len = size;
		(void)og_erofs_overlay(tree, &view, 1, NULL);
		(void)og_erofs_overlay(tree, &view, 2, NULL);
		for (uint32_t i = 0; i < view.extra_count && i < 200; i++)
			(void)og_erofs_read_device(&view, i, &tag, &blocks, &unified, NULL);
	}
	og_erofs_tree_free(tree);
	free(sealed);
	return 0;
}

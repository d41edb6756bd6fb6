/* SPDX-License-Identifier: Apache-2.0 */
#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 8 /* elements; a power of two */

int og_grow_bytes(void *array, size_t count, size_t element_bytes)
{
	void *items, *more;

	/* A pointer to anything, whose type is the caller's alone. */
	memcpy(&items, array, sizeof(items));
	if (items != NULL && (count < LEAST || (count & (count - 1)) != 0))
		return 0;
	more = reallocarray(items, count < LEAST ? LEAST : 2 * count, element_bytes);
	if (more == NULL)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	return 0;
}

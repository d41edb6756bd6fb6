/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"

#include <linux/close_range.h>
#include <unistd.h>

void og_close_all(const int *fds, size_t count)
{
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && fds[i] >= 0; end++) {
			if (fds[end] != fds[end - 1] + 1)
				break;
		}
		if (end - i > 1 && close_range((unsigned)fds[i], (unsigned)fds[end - 1], 0) == 0)
			continue;
		for (size_t j = i; j < end; j++) /* one, or a kernel before 5.9 */
			og_close(fds[j]);
	}
}

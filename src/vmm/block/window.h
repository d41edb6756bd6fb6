/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an iovec that one step of a longer transfer moves. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* Drops the first @done bytes of an iovec. */
static inline void og_iov_advance(struct iovec **iov, size_t *n, size_t done)
{
	while (*n > 0 && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

/* A window on the first @len bytes of an iovec: its last entry is shortened and restored. */
struct og_window {
	size_t n;
	size_t cut; /* bytes taken from the last entry */
	size_t len;
};

static inline struct og_window og_window_open(struct iovec *iov, size_t n, uint64_t len)
{
	struct og_window window = {};

	while (window.n < n && window.len < len)
		window.len += iov[window.n++].iov_len;
	if (window.len > len) {
		window.cut = window.len - len;
		iov[window.n - 1].iov_len -= window.cut;
		window.len -= window.cut;
	}
	return window;
}

static inline void og_window_close(struct iovec *iov, const struct og_window *window)
{
	if (window->n > 0)
		iov[window->n - 1].iov_len += window->cut;
}

static inline void og_iov_zero(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
}

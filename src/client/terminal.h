/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

/* A terminal in raw mode, until the scope ends: og_cleanup(og_terminal_restore). Zero-initialise it. */
struct og_terminal {
	int fd;
	bool is_raw;
	struct termios before;
};

int og_terminal_make_raw(struct og_terminal *terminal, int fd, struct og_err *err);
void og_terminal_restore(struct og_terminal *terminal);

/* False when @fd is no terminal. */
bool og_terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_columns);

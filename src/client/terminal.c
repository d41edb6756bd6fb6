/* SPDX-License-Identifier: Apache-2.0 */
#include "client/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

int og_terminal_make_raw(struct og_terminal *terminal, int fd, struct og_err *err)
{
	struct termios raw;

	if (tcgetattr(fd, &terminal->before) < 0)
		return og_fail(err, -errno, "read the terminal's settings");
	raw = terminal->before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return og_fail(err, -errno, "set the terminal to raw mode");
	terminal->fd = fd;
	terminal->is_raw = true;
	return 0;
}

void og_terminal_restore(struct og_terminal *terminal)
{
	if (terminal->is_raw)
		(void)tcsetattr(terminal->fd, TCSADRAIN, &terminal->before);
	terminal->is_raw = false;
}

bool og_terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize size = {};

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return false;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return true;
}

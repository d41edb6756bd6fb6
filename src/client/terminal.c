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

#define LINE_MAX_BYTES 4096

int og_terminal_ask(int fd, const char *question, bool secret, char **ret_line, struct og_err *err)
{
	og_cleanup(og_terminal_restore) struct og_terminal terminal = { .fd = fd };
	char line[LINE_MAX_BYTES];
	ssize_t n;

	if (tcgetattr(fd, &terminal.before) < 0)
		return og_fail_plain(err, -ENOTTY, "cannot ask for it: there is no terminal");
	(void)fputs(question, stderr);
	if (secret) {
		struct termios quiet = terminal.before;

		quiet.c_lflag &= ~(tcflag_t)ECHO;
		terminal.is_raw = true; /* to be restored */
		if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
			return og_fail(err, -errno, "hide what is typed");
	}
	n = read(fd, line, sizeof(line) - 1);
	if (secret)
		(void)fputs("\n", stderr);
	if (n <= 0)
		return og_fail_plain(err, -ENODATA, "nothing was typed");
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	*ret_line = strdup(line);
	explicit_bzero(line, sizeof(line));
	return *ret_line != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}

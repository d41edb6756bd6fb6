/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"

#define CONTROL_C '\003'

/* A standard input that is open for reading alone cannot be written to. */
static void say(int fd, const char *text)
{
	if (og_write_all(fd, text, strlen(text)) < 0)
		(void)og_write_all(STDERR_FILENO, text, strlen(text));
}

/*
 * Ctrl-C ends the line instead of the program, which would leave the terminal without echo. What
 * was typed before there was a question is dropped, and so nothing may be after it was seen.
 */
static int hide(int fd, const struct termios *before)
{
	struct termios quiet = *before;

	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_cc[VEOL] = CONTROL_C;
	return tcsetattr(fd, TCSAFLUSH, &quiet) < 0 ? -errno : 0;
}

static int take(char *line, ssize_t n, char **ret_line, struct og_err *err)
{
	if (n <= 0)
		return og_fail_plain(err, -ENODATA, "nothing was typed");
	if (line[n - 1] == CONTROL_C)
		return og_fail_plain(err, -ECANCELED, "interrupted");
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	*ret_line = strdup(line);
	return *ret_line != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}

int og_ask(int fd, const char *question, bool secret, char **ret_line, struct og_err *err)
{
	struct termios before;
	char line[OG_ASK_MAX];
	ssize_t n;
	int r = 0;

	if (tcgetattr(fd, &before) < 0)
		return og_fail_plain(err, -ENOTTY, "cannot ask for it: there is no terminal");
	if (secret)
		r = hide(fd, &before);
	if (r < 0)
		return og_fail(err, r, "hide what is typed");
	say(fd, question);
	do {
		n = read(fd, line, sizeof(line) - 1);
	} while (n < 0 && errno == EINTR);
	if (secret) {
		(void)tcsetattr(fd, TCSADRAIN, &before);
		say(fd, "\n");
	}
	r = take(line, n, ret_line, err);
	explicit_bzero(line, sizeof(line));
	return r;
}

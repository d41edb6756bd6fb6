/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "password.h"

#include "base/ask.h"
#include "base/cleanup.h"
#include "base/sealed.h"
#include "base/text.h"

static int ask_twice(int fd, char *first, struct og_err *err)
{
	og_auto_free char *second = NULL;
	int r = og_ask(fd, "The same again: ", true, &second, err);

	if (r == 0 && !og_streq(first, second))
		r = og_fail_plain(err, -EINVAL, "the two are not the same");
	if (second != NULL)
		explicit_bzero(second, strlen(second));
	return r;
}

int password_read(const char *what, bool new, char **ret_password, struct og_err *err)
{
	const char *given = getenv("ONGGI_KEY_PASSWORD");
	og_auto_free char *prompt = og_strdupf("Password for %s: ", what);
	og_auto_fd fd = -EBADF;
	int r;

	if (given == NULL)
		given = getenv("COSIGN_PASSWORD");
	if (given != NULL) {
		*ret_password = strdup(given);
		return *ret_password == NULL ? og_fail(err, -ENOMEM, "no memory") : 0;
	}
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || prompt == NULL)
		return og_fail_plain(err, -ENOTTY,
				     "%s needs a password: set ONGGI_KEY_PASSWORD, or run this on "
				     "a terminal",
				     what);
	r = og_ask(fd, prompt, true, ret_password, err);
	if (r == 0 && new)
		r = ask_twice(fd, *ret_password, err);
	return r;
}

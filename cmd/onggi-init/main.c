/* SPDX-License-Identifier: Apache-2.0 */
/* PID 1 of a guest, see docs/man/onggi-init.8.scd. It never returns: the machine is its process. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/boot.h"
#include "guest/serve.h"

/* The kernel's log reaches the host as the last words of a guest that cannot speak otherwise. */
static void say(const char *text)
{
	fprintf(stderr, "onggi-init: %s\n", text);
}

static int serve(int port_fd, struct og_err *err)
{
	int r = og_boot_loopback(err);

	if (r == 0)
		r = og_boot_root(err);
	if (r < 0) {
		og_guest_give_up(port_fd, err->text);
		return r;
	}
	return og_guest_serve(port_fd, err);
}

static int boot(struct og_err *err)
{
	int r = og_boot_mounts(err);

	if (r == 0)
		r = og_boot_modules(err);
	if (r == 0)
		r = og_boot_port(err);
	return r < 0 ? r : serve(r, err);
}

int main(int argc, char **argv)
{
	struct og_err err = {};

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("onggi-init %s\n", OG_VERSION);
		return EXIT_SUCCESS;
	}
	if (getpid() != 1) {
		say("runs as PID 1 of a guest only");
		return EXIT_FAILURE;
	}
	(void)umask(0); /* modes are what the code says */
	/* Streams of the workload must not get numbers that mean something. */
	while (open("/dev/console", O_RDWR) < 3 && open("/", O_RDONLY) < 3)
		;
	if (boot(&err) < 0)
		say(err.text);
	og_boot_off();
}

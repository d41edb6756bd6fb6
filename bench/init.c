/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first process: says so on the console, and switches off; with the argument "stay"
 * (a word of the kernel's command line that the kernel does not know), it stays, and with "work" it
 * says again and again that it works.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char said[] = "init reached\n";
	int fd = open("/dev/console", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, said, sizeof(said) - 1);
	while (argc > 1 && strcmp(argv[1], "work") == 0) {
		for (volatile unsigned i = 0; i < 100000; i++)
			;
		(void)!write(fd, "guest works\n", 12);
	}
	if (argc < 2 || strcmp(argv[1], "stay") != 0)
		(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first process: says so on the console, and switches off; with the argument "stay"
 * (a word of the kernel's command line that the kernel does not know), it stays.
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
	if (argc < 2 || strcmp(argv[1], "stay") != 0)
		(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}

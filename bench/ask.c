/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask SOCKET METHOD PATH [BODY]: one request to an API on a Unix socket, which is waited for. Prints the
 * answer's first line where it is no success. For `make bench`, inside the lab, which has no curl.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timespec pause = { .tv_nsec = 100000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	for (unsigned i = 0; i < 100000; i++) {
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

int main(int argc, char **argv)
{
	const char *body = argc == 5 ? argv[4] : "";
	char text[8192];
	ssize_t got;
	int fd, len;

	if (argc < 4)
		return 2;
	fd = connect_to(argv[1]);
	len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
		       argv[2], argv[3], strlen(body), body);
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return 1;
	got = read(fd, text, sizeof(text) - 1);
	if (got < 12)
		return 1;
	text[got] = '\0';
	if (text[9] == '2')
		return 0;
	puts(text);
	return 1;
}

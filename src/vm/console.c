/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/path.h"

static int send_master(const char *path, int master_fd, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd path_fd = open(path, O_PATH | O_CLOEXEC);
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* By way of /proc, because a path in sun_path has at most 107 bytes. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", og_fd_path(path_fd).text);
	if (path_fd < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return og_fail(err, -errno, "reach the console socket '%s'", path);
	return og_fdpass_send(fd, "ptmx", 4, &master_fd, 1, err);
}

static int make_pty(const struct og_oci_process *process, int *ret_master_fd, struct og_err *err)
{
	og_auto_fd master_fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	og_auto_fd fd = -EBADF;
	struct winsize size = { .ws_row = (unsigned short)process->console_size.height,
				.ws_col = (unsigned short)process->console_size.width };
	struct termios mode;
	int unlock = 0;

	if (master_fd < 0 || ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
		return og_fail(err, -errno, "open a terminal (/dev/ptmx)");
	fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &mode) < 0)
		return og_fail(err, -errno, "open a terminal's other end");
	cfmakeraw(&mode);
	if (tcsetattr(fd, TCSANOW, &mode) < 0 ||
	    (process->console_size.set && ioctl(fd, TIOCSWINSZ, &size) < 0))
		return og_fail(err, -errno, "set a terminal up");
	*ret_master_fd = og_take_fd(&master_fd);
	return og_take_fd(&fd);
}

int og_vm_console_open(const struct og_oci_process *process, const char *socket_path,
		       int *console_fd, struct og_err *err)
{
	og_auto_fd master_fd = -EBADF;
	og_auto_fd fd = -EBADF;
	int r;

	if (socket_path == NULL && console_fd == NULL)
		return og_fail(err, -EINVAL,
			       "process.terminal is set: give --console-socket for its terminal");
	fd = make_pty(process, &master_fd, err);
	if (fd < 0)
		return fd;
	if (socket_path == NULL) {
		*console_fd = og_take_fd(&master_fd);
		return og_take_fd(&fd);
	}
	r = send_master(socket_path, master_fd, err);
	return r < 0 ? r : og_take_fd(&fd);
}

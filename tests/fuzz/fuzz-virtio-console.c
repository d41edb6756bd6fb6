/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <sys/socket.h>
#include <unistd.h>

#include "virtio.h"
#include "vmm/device/virtio_console.h"

struct host {
	struct og_virtio_console *console;
	int fd;
};

/* The host writes that many bytes, or reads, or hangs up. */
static void host(void *target, uint8_t argument)
{
	static uint8_t buf[65536];
	struct host *h = target;

	if (h->fd < 0)
		return;
	if (argument < 128)
		(void)!send(h->fd, buf, argument, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (argument < 255)
		(void)!recv(h->fd, buf, (size_t)argument << 8, MSG_DONTWAIT);
	else
		h->fd = og_close(h->fd);
	og_virtio_console_ready(h->console, argument < 128 || argument == 255, argument >= 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_virtio *console;
	struct host h;
	struct driver d;
	int fds[2];

	driver_init(&d, 16);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	    og_virtio_console_new(&(struct og_console_config){ .fd = fds[1], .name = "fuzz" },
				  &(struct og_device_world){ .mem = &d.mem }, &console, NULL) < 0)
		abort();
	h = (struct host){ .console = console->device, .fd = fds[0] };
	drive(&d, console, (struct input){ data, size }, host, &h);
	(void)og_virtio_free(console);
	og_close(h.fd);
	og_close(fds[1]);
	driver_done(&d);
	return 0;
}

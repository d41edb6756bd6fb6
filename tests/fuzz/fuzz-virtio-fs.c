/* SPDX-License-Identifier: Apache-2.0 */
/* The extra move lets the server answer: with as many bytes as the argument says, or by ending. */
#include "replay.h"

#include <linux/fuse.h>
#include <sys/socket.h>

#include "virtio.h"
#include "vmm/device/virtio_fs.h"

static void answer(void *target, uint8_t argument)
{
	int *server = target;
	uint8_t message[4 * 255] = {};

	if (argument == 255) {
		*server = og_close(*server);
		return;
	}
	while (recv(*server, message, sizeof(message), MSG_DONTWAIT) > 0)
		;
	(void)!send(*server, message, 4U * argument, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct og_fs_config config = { .tag = "fuzz" };
	struct og_virtio *fs;
	struct driver d;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	config.socket_fd = fds[0];
	driver_init(&d, 16);
	if (og_virtio_fs_new(&config, &(struct og_device_world){ .mem = &d.mem }, &fs, NULL) < 0)
		abort();
	drive(&d, fs, in, answer, &fds[1]);
	(void)og_virtio_free(fs);
	og_close(fds[0]);
	og_close(fds[1]);
	driver_done(&d);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <sys/socket.h>
#include <unistd.h>

#include "virtio.h"
#include "vmm/device/virtio_net.h"

static size_t respond(void *data, const char *request, size_t len, uint64_t now_ms, uint64_t nonce,
		      char *answer, size_t size, struct og_mmds_reply *ret_reply)
{
	(void)data;
	(void)request;
	(void)now_ms;
	(void)nonce;
	memset(answer, 'a', size);
	ret_reply->taken = len;
	return size;
}

/* The host sends a frame of so many bytes and any header, or takes some. */
static void host(void *target, uint8_t argument)
{
	static uint8_t buf[70000];
	const int *fd = target;

	if (argument < 192) {
		memset(buf, argument & 7, 12);
		(void)!send(*fd, buf, (size_t)argument * (argument < 64 ? 1 : 350), MSG_DONTWAIT);
		return;
	}
	for (unsigned i = 192; i < argument; i++)
		(void)!recv(*fd, buf, sizeof(buf), MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct og_mmds_config mmds = { .respond = respond, .answer_max = 5000 };
	struct og_net_config config = { .mac = { 2 }, .mtu = 1500, .mmds = &mmds };
	struct og_virtio *net;
	struct driver d;
	int fds[2];

	driver_init(&d, 16);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	config.tap_fd = fds[1];
	if (og_virtio_net_new(&config, &(struct og_device_world){ .mem = &d.mem }, &net, NULL) < 0)
		abort();
	drive(&d, net, (struct input){ data, size }, host, &fds[0]);
	og_virtio_free(net);
	og_close(fds[0]);
	og_close(fds[1]);
	driver_done(&d);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/device/net_header.h"

#define OFFLOAD_USO (0x20U | 0x40U) /* Kernel 6.2 on; not in older headers. */

int og_tap_open(const char *name, int *ret_fd, struct og_err *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	og_auto_fd fd = -EBADF;
	size_t len = strlen(name);

	/* The kernel would take a '%' as a pattern to make a name of. */
	if (len == 0 || len >= sizeof(request.ifr_name) || strpbrk(name, "/%: \t\n") != NULL)
		return og_fail(err, -EINVAL, "'%s' is no name of a network interface", name);
	memcpy(request.ifr_name, name, len);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return og_fail(err, -errno, "open '/dev/net/tun'");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return og_fail(err, -errno, "attach to tap '%s'", name);
	*ret_fd = og_take_fd(&fd);
	return 0;
}

static unsigned probe_offloads(int fd)
{
	/* The kernel refuses those that it does not know. */
	static const unsigned tries[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO | OFFLOAD_USO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM,
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		if (og_tap_set_offloads(fd, tries[i]) == 0)
			return tries[i];
	return 0;
}

int og_tap_prepare(int fd, unsigned *ret_offloads, struct og_err *err)
{
	struct ifreq request = {};
	int header_bytes = OG_NET_HEADER_BYTES;
	int flags = fcntl(fd, F_GETFL);
	unsigned offloads;

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return og_fail(err, -EINVAL, "descriptor %d is no tap", fd);
	if ((request.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) !=
	    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
		return og_fail(err, -EINVAL,
			       "tap '%.*s' was not opened with IFF_NO_PI|IFF_VNET_HDR",
			       OG_TAP_NAME_MAX, request.ifr_name);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0)
		return og_fail(err, -errno, "set the header of tap '%.*s'", OG_TAP_NAME_MAX,
			       request.ifr_name);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return og_fail(err, -errno, "make tap '%.*s' non-blocking", OG_TAP_NAME_MAX,
			       request.ifr_name);
	offloads = probe_offloads(fd);
	(void)og_tap_set_offloads(fd, 0);
	*ret_offloads = offloads;
	return 0;
}

int og_tap_set_offloads(int fd, unsigned offloads)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}

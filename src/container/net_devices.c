/* SPDX-License-Identifier: Apache-2.0 */
#include "container/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "container/rtnetlink.h"

#define NUMBERS_MAX 10000 /* tried for one %d */

struct move {
	int host_fd, inside_fd; /* sockets of the two namespaces */
	int namespace_fd;
	struct og_rtnl_address addresses[OG_RTNL_ADDRESSES_MAX];
};

static void move_done(struct move *move)
{
	og_close(move->host_fd);
	og_close(move->inside_fd);
	og_close(move->namespace_fd);
}

/* A socket belongs to the namespace that it was made in. */
static int open_inside(int namespace_fd, struct og_err *err)
{
	og_auto_fd own_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (own_fd < 0 || setns(namespace_fd, CLONE_NEWNET) < 0)
		return og_fail(err, -errno, "enter the workload's network namespace");
	fd = og_rtnl_open();
	if (setns(own_fd, CLONE_NEWNET) < 0) {
		int r = -errno;

		og_close(fd);
		return og_fail(err, r, "go back to our own network namespace");
	}
	return fd < 0 ? og_fail(err, fd, "open a netlink socket") : fd;
}

static int open_all(struct move *move, pid_t pid, struct og_err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	move->namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (move->namespace_fd < 0)
		return og_fail(err, -errno, "open the workload's network namespace");
	move->host_fd = og_rtnl_open();
	if (move->host_fd < 0)
		return og_fail(err, move->host_fd, "open a netlink socket");
	move->inside_fd = open_inside(move->namespace_fd, err);
	return move->inside_fd < 0 ? move->inside_fd : 0;
}

/* @wanted, with a number for its %d, if that is free inside. */
static int choose_name(const struct move *move, const char *wanted, char name[IFNAMSIZ],
		       struct og_err *err)
{
	size_t len = strlen(wanted);
	bool numbered = og_ends_with(wanted, "%d");
	int index;

	if (len == 0 || len >= IFNAMSIZ || strpbrk(wanted, "/: \t\n") != NULL ||
	    strcspn(wanted, "%") < len - (numbered ? 2 : 0))
		return og_fail(err, -EINVAL, "'%.40s' is no name of an interface", wanted);
	for (int i = 0; i < NUMBERS_MAX; i++) {
		int n = numbered ? snprintf(name, IFNAMSIZ, "%.*s%d", (int)len - 2, wanted, i)
				 : snprintf(name, IFNAMSIZ, "%s", wanted);
		int r = n >= IFNAMSIZ ? -ENAMETOOLONG : og_rtnl_find(move->inside_fd, name, &index);

		if (r == -ENODEV)
			return 0;
		if (r < 0)
			return og_fail(err, r, "look for '%s' inside", name);
		if (!numbered)
			break;
	}
	return og_fail(err, -EEXIST, "the workload's network namespace has an interface '%s'",
		       wanted);
}

static int move_one(struct move *move, const struct og_oci_net_device *device, struct og_err *err)
{
	char name[IFNAMSIZ];
	size_t count = 0;
	int index = 0;
	int r;

	if (strlen(device->host_name) >= IFNAMSIZ)
		return og_fail(err, -ENODEV, "the host has no such interface");
	r = og_rtnl_find(move->host_fd, device->host_name, &index);
	if (r < 0)
		return og_fail(err, r, "the host has no such interface");
	r = choose_name(move, device->name != NULL ? device->name : device->host_name, name, err);
	if (r < 0)
		return r;
	r = og_rtnl_addresses(move->host_fd, index, move->addresses, &count);
	if (r < 0)
		return og_fail(err, r, "list its addresses");
	r = og_rtnl_move(move->host_fd, index, move->namespace_fd, name);
	if (r < 0)
		return og_fail(err, r, "move it to the workload as '%s'", name);
	r = og_rtnl_find(move->inside_fd, name, &index);
	if (r < 0)
		return og_fail(err, r, "find it inside as '%s'", name);
	for (size_t i = 0; i < count; i++) {
		r = og_rtnl_add_address(move->inside_fd, index, &move->addresses[i]);
		if (r < 0)
			return og_fail(err, r, "give it address %zu of %zu again", i + 1, count);
	}
	r = og_rtnl_set_up(move->inside_fd, index);
	return r < 0 ? og_fail(err, r, "set it up") : 0;
}

int og_net_devices_move(const struct og_oci_linux *config, pid_t pid, struct og_err *err)
{
	og_cleanup(move_done) struct move move = {
		.host_fd = -EBADF,
		.inside_fd = -EBADF,
		.namespace_fd = -EBADF,
	};
	int r = open_all(&move, pid, err);

	if (r < 0)
		return og_fail_in(err, r, "linux.netDevices");
	for (size_t i = 0; i < config->net_devices.count; i++) {
		const struct og_oci_net_device *device = &config->net_devices.items[i];

		r = move_one(&move, device, err);
		if (r < 0)
			return og_fail_in(err, r, "linux.netDevices.%.40s", device->host_name);
	}
	return 0;
}

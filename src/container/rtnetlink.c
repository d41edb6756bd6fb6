/* SPDX-License-Identifier: Apache-2.0 */
#include "container/rtnetlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define REPLY_BYTES 32768 /* what the kernel puts into one datagram at most */

/* Of an address they say how it is; the rest, how far it has come. */
#define FLAGS_KEPT (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN)

struct request {
	struct nlmsghdr header;

	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};

	uint8_t attributes[256];
};

int og_rtnl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

static void begin(struct request *request, uint16_t type, uint16_t flags, size_t body_bytes)
{
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_bytes);
}

/* The lengths of all that is put into one request are known to fit. */
static void add(struct request *request, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attribute = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };

	if (at + RTA_SPACE(len) > sizeof(*request))
		return;
	memcpy((char *)request + at, &attribute, sizeof(attribute));
	memcpy((char *)request + at + RTA_LENGTH(0), data, len);
	request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

static int send_request(int fd, const struct request *request)
{
	return send(fd, request, request->header.nlmsg_len, 0) < 0 ? -errno : 0;
}

typedef int message_fn(const struct nlmsghdr *header, void *context);

/* Hands each message of the answer to @use, until the last. Returns what the kernel says. */
static int receive(int fd, message_fn *use, void *context)
{
	og_auto_free char *buf = malloc(REPLY_BYTES);

	while (buf != NULL) {
		ssize_t n = recv(fd, buf, REPLY_BYTES, 0);
		unsigned len = n < 0 ? 0 : (unsigned)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		for (const struct nlmsghdr *header = (const void *)buf; NLMSG_OK(header, len);
		     header = NLMSG_NEXT(header, len)) {
			int r = 0;

			if (header->nlmsg_type == NLMSG_DONE)
				return 0;
			if (header->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *error = NLMSG_DATA(header);

				return error->error;
			}
			r = use != NULL ? use(header, context) : 0;
			if (r != 0)
				return r < 0 ? r : 0;
			if ((header->nlmsg_flags & NLM_F_MULTI) == 0)
				return 0;
		}
	}
	return -ENOMEM;
}

static int ask(int fd, const struct request *request)
{
	int r = send_request(fd, request);

	return r < 0 ? r : receive(fd, NULL, NULL);
}

static int take_index(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *link = NLMSG_DATA(header);

	*(int *)context = link->ifi_index;
	return 0;
}

int og_rtnl_find(int fd, const char *name, int *ret_index)
{
	struct request request = {};
	int r;

	begin(&request, RTM_GETLINK, 0, sizeof(request.link));
	add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	r = send_request(fd, &request);
	return r < 0 ? r : receive(fd, take_index, ret_index);
}

struct list {
	int index;
	struct og_rtnl_address *addresses;
	size_t count;
};

static void take_attribute(const struct rtattr *attribute, struct og_rtnl_address *address)
{
	size_t len = RTA_PAYLOAD(attribute);
	const void *data = RTA_DATA(attribute);

	if (attribute->rta_type == IFA_FLAGS && len == sizeof(uint32_t))
		memcpy(&address->flags, data, len);
	if (attribute->rta_type == IFA_RT_PRIORITY && len == sizeof(uint32_t))
		memcpy(&address->priority, data, len);
	if (len != 4 && len != 16)
		return;
	if (attribute->rta_type == IFA_ADDRESS) {
		memcpy(address->address, data, len);
		address->length = (uint8_t)len;
	} else if (attribute->rta_type == IFA_LOCAL) {
		memcpy(address->local, data, len);
		address->local_length = (uint8_t)len;
	} else if (attribute->rta_type == IFA_BROADCAST) {
		memcpy(address->broadcast, data, len);
		address->broadcast_length = (uint8_t)len;
	}
}

static int take_address(const struct nlmsghdr *header, void *context)
{
	const struct ifaddrmsg *message = NLMSG_DATA(header);
	struct list *list = context;
	unsigned len = (unsigned)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*message)));
	struct og_rtnl_address address = {
		.family = message->ifa_family,
		.prefix_length = message->ifa_prefixlen,
		.flags = message->ifa_flags,
	};

	if (header->nlmsg_type != RTM_NEWADDR || (int)message->ifa_index != list->index)
		return 0;
	for (const struct rtattr *attribute = IFA_RTA(message); RTA_OK(attribute, len);
	     attribute = RTA_NEXT(attribute, len))
		take_attribute(attribute, &address);
	if (message->ifa_scope != RT_SCOPE_UNIVERSE || (address.flags & IFA_F_PERMANENT) == 0)
		return 0;
	if (list->count == OG_RTNL_ADDRESSES_MAX)
		return -E2BIG;
	list->addresses[list->count++] = address;
	return 0;
}

int og_rtnl_addresses(int fd, int index, struct og_rtnl_address *addresses, size_t *ret_count)
{
	struct list list = { .index = index, .addresses = addresses };
	struct request request = {};
	int r;

	begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(request.address));
	r = send_request(fd, &request);
	if (r == 0)
		r = receive(fd, take_address, &list);
	if (r == 0)
		*ret_count = list.count;
	return r;
}

int og_rtnl_move(int fd, int index, int namespace_fd, const char *name)
{
	struct request request = { .link.ifi_index = index };
	uint32_t number = (uint32_t)namespace_fd;

	begin(&request, RTM_NEWLINK, NLM_F_ACK, sizeof(request.link));
	add(&request, IFLA_NET_NS_FD, &number, sizeof(number));
	add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return ask(fd, &request);
}

int og_rtnl_add_address(int fd, int index, const struct og_rtnl_address *address)
{
	struct request request = {
		.address = {
			.ifa_family = address->family,
			.ifa_prefixlen = address->prefix_length,
			.ifa_scope = RT_SCOPE_UNIVERSE,
			.ifa_index = (uint32_t)index,
		},
	};
	uint32_t flags = address->flags & FLAGS_KEPT;

	begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
	      sizeof(request.address));
	add(&request, IFA_ADDRESS, address->address, address->length);
	if (address->local_length > 0)
		add(&request, IFA_LOCAL, address->local, address->local_length);
	if (address->broadcast_length > 0)
		add(&request, IFA_BROADCAST, address->broadcast, address->broadcast_length);
	if (address->priority != 0)
		add(&request, IFA_RT_PRIORITY, &address->priority, sizeof(address->priority));
	add(&request, IFA_FLAGS, &flags, sizeof(flags));
	return ask(fd, &request);
}

int og_rtnl_set_up(int fd, int index)
{
	struct request request = {
		.link = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};

	begin(&request, RTM_NEWLINK, NLM_F_ACK, sizeof(request.link));
	return ask(fd, &request);
}

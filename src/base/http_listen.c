/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/http_server.h"
#include "base/text.h"

#define LISTEN_BACKLOG 4096 /* what the kernel allows; it takes nothing while unused */

/* True when a process answers at the socket @address. */
static bool is_served(const struct sockaddr_un *address)
{
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

int og_http_listen_unix(const char *path, gid_t gid, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool grouped = gid != (gid_t)-1;
	struct stat st;
	mode_t mask;
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "make socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return og_fail(err, -ENAMETOOLONG,
			       "socket path '%s' is over %zu bytes: choose a shorter one", path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (is_served(&address))
		return og_fail_plain(err, -EADDRINUSE, "'%s' is served by another process", path);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return og_fail_plain(err, -EEXIST, "'%s' is there and no socket: name another path",
				     path);
	(void)unlink(path); /* what an earlier process left */

	mask = umask(0177); /* nobody may connect between bind() and chmod() */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return og_fail(err, r, "make socket '%s'", path);
	if (grouped && (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0))
		return og_fail(err, -errno, "give socket '%s' to group %u", path, (unsigned)gid);
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return og_fail(err, -errno, "listen on '%s'", path);
	return og_take_fd(&fd);
}

union tcp_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* "127.0.0.1:2375" or "[::1]:2375"; no names, so that nothing is resolved. */
static int parse_tcp(const char *text, union tcp_address *ret_address)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t port;
	size_t len;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
	    og_parse_u64(colon + 1, 0, 65535, &port) < 0)
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_address = (union tcp_address){};
	if (inet_pton(AF_INET, host, &ret_address->v4.sin_addr) == 1) {
		ret_address->v4.sin_family = AF_INET;
		ret_address->v4.sin_port = htons((uint16_t)port);
		return 0;
	}
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &ret_address->v6.sin6_addr) != 1)
		return -EINVAL;
	ret_address->v6.sin6_family = AF_INET6;
	ret_address->v6.sin6_port = htons((uint16_t)port);
	return 0;
}

static bool is_loopback(const union tcp_address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

/* @both: IPv4 too, by an IPv6 socket. */
static int listen_tcp(const union tcp_address *tcp, bool both, const char *address,
		      struct og_err *err)
{
	socklen_t len = tcp->any.sa_family == AF_INET ? sizeof(tcp->v4) : sizeof(tcp->v6);
	og_auto_fd fd = socket(tcp->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return og_fail(err, -errno, "make socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (both)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	if (bind(fd, &tcp->any, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return og_fail(err, -errno, "listen on '%s'", address);
	return og_take_fd(&fd);
}

int og_http_listen_loopback(const char *address, struct og_err *err)
{
	union tcp_address tcp;

	if (parse_tcp(address, &tcp) < 0)
		return og_fail(err, -EINVAL, "'%s' is no ADDRESS:PORT", address);
	if (!is_loopback(&tcp))
		return og_fail(
			err, -EPERM,
			"'%s' can be reached from other machines, and that takes TLS, which the API has not: "
			"listen on 127.0.0.1 or a unix socket",
			address);
	return listen_tcp(&tcp, false, address, err);
}

int og_http_listen_tcp(const char *address, struct og_err *err)
{
	og_auto_free char *any = address[0] == ':' ? og_strdupf("[::]%s", address) : NULL;
	union tcp_address tcp;
	int fd;

	if (parse_tcp(any == NULL ? address : any, &tcp) < 0)
		return og_fail(err, -EINVAL, "'%s' is no ADDRESS:PORT", address);
	fd = listen_tcp(&tcp, any != NULL, address, err);
	if (any == NULL || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
		return fd;
	/* A host without IPv6. */
	tcp = (union tcp_address){ .v4 = { .sin_family = AF_INET, .sin_port = tcp.v6.sin6_port } };
	return listen_tcp(&tcp, false, address, err);
}

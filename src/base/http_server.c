/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/http_accept.h"
#include "base/http_request.h"
#include "base/text.h"

#define LISTENERS_MAX	 16
#define LISTEN_BACKLOG	 4096 /* what the kernel allows; it takes nothing while unused */
#define THREAD_STACK	 (256U * 1024U)
#define STREAM_BLOCK	 (64U * 1024U)
#define URI_MAX		 8192U /* image names and filters; A38 */
#define QUERY_VALUES_MAX 256U

struct listener {
	struct og_http_server *server;
	struct MHD_Daemon *daemon;
	struct http_acceptor *acceptor;
	enum og_http_peers peers;
};

struct og_http_server {
	struct og_http_config config;
	int stop_fd; /* eventfd: readable for good once the server ends */
	struct listener listeners[LISTENERS_MAX];
	size_t count;
};

int http_server_stop_fd(const struct og_http_server *server)
{
	return server->stop_fd;
}

const struct og_http_config *http_server_config(const struct og_http_server *server)
{
	return &server->config;
}

/* ---- what a stranger sent, made unambiguous ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes percent escapes in place. False: a bad escape, or a control character. */
static bool decode(char *text, bool *ret_slash)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;

		if (c == '%') {
			int high = hex_digit(from[1]);
			int low = high < 0 ? -1 : hex_digit(from[2]);

			if (low < 0)
				return false;
			c = (unsigned char)(high * 16 + low);
			*ret_slash |= c == '/';
			from += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		*to++ = (char)c;
	}
	*to = '\0';
	return true;
}

/* No empty, "." or ".." segments: what remains names one thing. */
static bool path_is_plain(const char *path, bool trailing_slash)
{
	if (path[0] != '/')
		return false;
	if (path[1] == '\0')
		return true;
	while (*path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (len == 0 && path[1] == '\0' && trailing_slash)
			return true;
		if (len == 0 || (len == 1 && path[1] == '.') ||
		    (len == 2 && path[1] == '.' && path[2] == '.'))
			return false;
		path += 1 + len;
	}
	return true;
}

/* libmicrohttpd's own decoding would hide bad escapes: none here, decode() does it. */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
	(void)data;
	(void)connection;
	return strlen(text);
}

static enum MHD_Result add_header(void *data, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	(void)kind;
	return http_pairs_add(data, name, value == NULL ? "" : value) ? MHD_YES : MHD_NO;
}

static enum MHD_Result add_query(void *data, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct http_pairs *query = data;
	og_auto_free char *key = strdup(name);
	og_auto_free char *text = strdup(value == NULL ? "" : value);
	bool slash;

	(void)kind;
	if (key == NULL || text == NULL || query->count >= QUERY_VALUES_MAX ||
	    !decode(key, &slash) || !decode(text, &slash)) {
		query->failed = true;
		return MHD_NO;
	}
	return http_pairs_add(query, key, text) ? MHD_YES : MHD_NO;
}

static bool is_number(const char *text)
{
	uint64_t value;

	return og_parse_u64(text, 0, UINT64_MAX, &value) == 0;
}

/* Why the head of a request may mean two things to two readers; NULL: it does not (A31, A33). */
static const char *ambiguity(const struct og_http_request *request, const char *version)
{
	const struct http_pairs *headers = &request->headers;
	const char *length = http_pairs_get(headers, "Content-Length", 0, true);
	const char *coding = http_pairs_get(headers, "Transfer-Encoding", 0, true);

	if (!og_streq(version, "HTTP/1.1") && !og_streq(version, "HTTP/1.0"))
		return "only HTTP/1.1 is spoken here";
	if (http_pairs_get(headers, "Content-Length", 1, true) != NULL)
		return "Content-Length is given twice";
	if (length != NULL && !is_number(length))
		return "Content-Length is no number";
	if (length != NULL && coding != NULL)
		return "Content-Length and Transfer-Encoding contradict each other";
	if (http_pairs_get(headers, "Transfer-Encoding", 1, true) != NULL ||
	    (coding != NULL && strcasecmp(coding, "chunked") != 0))
		return "Transfer-Encoding must be chunked";
	if (http_pairs_get(headers, "Host", 1, true) != NULL)
		return "Host is given twice";
	if (og_streq(version, "HTTP/1.1") && http_pairs_get(headers, "Host", 0, true) == NULL)
		return "Host is missing";
	for (size_t i = 0; i < headers->count; i++) {
		const char *name = headers->items[i].name;

		/* A folded line or a blank before the colon. */
		if (name[0] == '\0' || strpbrk(name, " \t\r\n") != NULL ||
		    strpbrk(headers->items[i].value, "\r\n") != NULL)
			return "a header is malformed";
	}
	return NULL;
}

/* "localhost", "127.0.0.1" or "[::1]", with or without a port. */
static bool host_is_loopback(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i]);

		if (strncasecmp(host, names[i], len) == 0 &&
		    (host[len] == '\0' || host[len] == ':'))
			return true;
	}
	return false;
}

/* What a web page in this machine's browser may send to a loopback address (A35). */
static bool from_web_page(const struct og_http_request *request)
{
	const char *host = http_pairs_get(&request->headers, "Host", 0, true);

	return http_pairs_get(&request->headers, "Origin", 0, true) != NULL || host == NULL ||
	       !host_is_loopback(host);
}

static bool names_upgrade(const char *connection)
{
	while (connection != NULL && *connection != '\0') {
		size_t len = strcspn(connection, ", ");

		if (len == strlen("upgrade") && strncasecmp(connection, "upgrade", len) == 0)
			return true;
		connection += len + strspn(connection + len, ", ");
	}
	return false;
}

/* ---- answers ---- */

/* Every answer but an upgrade is its connection's last: see http_accept.h. */
static enum MHD_Result queue(struct MHD_Connection *connection, int status, const char *type,
			     const struct http_pairs *extra, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (status != MHD_HTTP_SWITCHING_PROTOCOLS)
		(void)MHD_add_response_header(response, "Connection", "close");
	if (type != NULL)
		(void)MHD_add_response_header(response, "Content-Type", type);
	for (size_t i = 0; extra != NULL && i < extra->count; i++)
		(void)MHD_add_response_header(response, extra->items[i].name,
					      extra->items[i].value);
	result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result;
}

/* The server's own answer; the connection ends with it. */
static enum MHD_Result refuse(struct listener *listener, struct MHD_Connection *connection,
			      int status, const char *text)
{
	const struct og_http_config *config = &listener->server->config;
	char *body = config->error_body(status, text);
	struct MHD_Response *response;

	if (body == NULL)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(body);
	return queue(connection, status, config->error_type, NULL, response);
}

/* The request lives until libmicrohttpd says that it is over: free nothing here. */
static void on_upgraded(void *data, struct MHD_Connection *connection, void *state,
			const char *early, size_t early_len, MHD_socket fd,
			struct MHD_UpgradeResponseHandle *handle)
{
	struct og_http_request *request = data;
	int flags = fcntl(fd, F_GETFL);

	(void)connection;
	(void)state;
	(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	http_request_set_raw(request, fd, early, early_len);
	http_request_await_finish(request);
	(void)MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static enum MHD_Result answer(struct listener *listener, struct og_http_request *request)
{
	enum http_answer kind = http_request_await(request);
	struct MHD_Response *response = NULL;

	switch (kind) {
	case HTTP_REPLY:
		response = MHD_create_response_from_buffer(request->out_len, request->out,
							   MHD_RESPMEM_PERSISTENT);
		break;
	case HTTP_FILE:
		response = MHD_create_response_from_fd_at_offset64(
			request->size, og_take_fd(&request->file_fd), request->file_offset);
		break;
	case HTTP_STREAM:
		response = MHD_create_response_from_callback(request->size, STREAM_BLOCK,
							     http_request_drain, request, NULL);
		break;
	case HTTP_UPGRADE:
		response = MHD_create_response_for_upgrade(on_upgraded, request);
		break;
	case HTTP_NONE:
	case HTTP_UPGRADED:
	default:
		return refuse(listener, request->connection, 500, "no answer was made");
	}
	return queue(request->connection, request->status, request->type, &request->extra,
		     response);
}

/* ---- libmicrohttpd's callbacks ---- */

static bool fill(struct og_http_request *request, struct MHD_Connection *connection,
		 const char *method, const char *url)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	request->connection = connection;
	request->client_fd = info == NULL ? -EBADF : info->connect_fd;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info != NULL && info->client_addr != NULL && info->client_addr->sa_family != AF_UNIX)
		(void)getnameinfo(info->client_addr, sizeof(struct sockaddr_storage), request->peer,
				  sizeof(request->peer), NULL, 0, NI_NUMERICHOST);
	request->method = strdup(method);
	request->path = strdup(url);
	request->raw_path = strdup(url);
	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, &request->headers);
	(void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_query,
					&request->query);
	return request->method != NULL && request->path != NULL && request->raw_path != NULL &&
	       !request->headers.failed;
}

static uint64_t announced_length(const struct og_http_request *request)
{
	const char *length = og_http_request_header(request, "Content-Length");
	uint64_t value = 0;

	if (length != NULL)
		(void)og_parse_u64(length, 0, UINT64_MAX, &value);
	return value;
}

/* The head has come: checks it, and runs the handler. */
static enum MHD_Result begin(struct listener *listener, struct MHD_Connection *connection,
			     const char *url, const char *method, const char *version, void **state)
{
	const struct og_http_config *config = &listener->server->config;
	og_cleanup(http_request_freep) struct og_http_request *request =
		http_request_new(listener->server);
	const char *why;

	if (request == NULL || !fill(request, connection, method, url))
		return refuse(listener, connection, 500, "out of memory");
	why = ambiguity(request, version);
	if (why != NULL)
		return refuse(listener, connection, 400, why);
	if (strlen(url) > URI_MAX)
		return refuse(listener, connection, 414, "the path is too long");
	if (request->query.failed)
		return refuse(listener, connection, 400, "the query is malformed");
	if (!decode(request->path, &request->slash_escaped) ||
	    !path_is_plain(request->path, config->trailing_slash))
		return refuse(listener, connection, 400, "the path is malformed");
	if (listener->peers == OG_HTTP_LOOPBACK && from_web_page(request))
		return refuse(listener, connection, 403,
			      "requests from web pages are not served: Host must be this machine's "
			      "loopback address and Origin absent");
	request->has_body = announced_length(request) > 0 ||
			    og_http_request_header(request, "Transfer-Encoding") != NULL;
	if (announced_length(request) > config->body_max(request->method, request->path))
		return refuse(listener, connection, 413, "the request's body is too long");
	request->wants_upgrade = og_http_request_header(request, "Upgrade") != NULL &&
				 names_upgrade(og_http_request_header(request, "Connection"));
	/* Answers take as long as they take; only a silent client in between is timed. */
	if (http_request_start(request, config->handle, config->data) < 0)
		return refuse(listener, connection, 503, "too many requests at a time");
	*state = og_take_ptr(request);
	return MHD_YES;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **state)
{
	struct listener *listener = data;
	struct og_http_request *request = *state;

	if (request == NULL)
		return begin(listener, connection, url, method, version, state);
	if (*upload_len > 0) {
		request->drained += http_request_feed(request, upload, *upload_len);
		*upload_len = 0;
		return request->drained > OG_HTTP_DRAIN_MAX ? MHD_NO : MHD_YES;
	}
	http_request_body_done(request);
	(void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
	return answer(listener, request);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct og_http_request *request = *state;
	const struct listener *listener = data;
	const struct og_http_config *config = &listener->server->config;

	(void)code;
	if (request == NULL)
		return;
	(void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, OG_HTTP_IDLE_S);
	http_request_set_gone(request);
	if (config->done != NULL)
		config->done(request, config->data);
	*state = http_request_free(request);
}

/* ---- the server ---- */

int og_http_server_new(const struct og_http_config *config, struct og_http_server **ret_server,
		       struct og_err *err)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return og_fail(err, -ENOMEM, "make HTTP server");
	server->config = *config;
	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->stop_fd < 0)
		return og_fail(err, -errno, "make HTTP server");
	*ret_server = og_take_ptr(server);
	return 0;
}

int og_http_server_listen(struct og_http_server *server, int listen_fd,
			  const struct og_http_listen *options, struct og_err *err)
{
	og_auto_fd fd = listen_fd;
	struct listener *listener = &server->listeners[server->count];

	if (server->count == LISTENERS_MAX)
		return og_fail(err, -E2BIG, "more than %d listeners", LISTENERS_MAX);
	if (options->tls != NULL)
		return og_fail(err, -ENOTSUP, "serve TLS");
	*listener = (struct listener){ .server = server, .peers = options->peers };
	listener->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
			MHD_ALLOW_UPGRADE | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, on_request, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		listener, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
		OG_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, OG_HTTP_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(2 * OG_HTTP_HEAD_MAX),
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)OG_HTTP_HEAD_MAX,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (listener->daemon == NULL)
		return og_fail(err, errno == 0 ? -EIO : -errno, "start HTTP server");
	server->count++;
	return http_acceptor_new(server, og_take_fd(&fd), listener->daemon, &listener->acceptor,
				 err);
}

struct og_http_server *og_http_server_free(struct og_http_server *server)
{
	if (server == NULL)
		return NULL;
	(void)eventfd_write(server->stop_fd, 1);
	for (size_t i = 0; i < server->count; i++) {
		(void)http_acceptor_free(server->listeners[i].acceptor);
		MHD_stop_daemon(server->listeners[i].daemon);
	}
	og_close(server->stop_fd);
	free(server);
	return NULL;
}

/* ---- sockets ---- */

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
		return og_fail(err, -EADDRINUSE, "'%s' is served by another process", path);
	(void)unlink(path);

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

static int listen_tcp(const union tcp_address *tcp, const char *address, struct og_err *err)
{
	socklen_t len = tcp->any.sa_family == AF_INET ? sizeof(tcp->v4) : sizeof(tcp->v6);
	og_auto_fd fd = socket(tcp->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return og_fail(err, -errno, "make socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
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
			"'%s' can be reached from other machines, and TLS is not served yet: "
			"listen on 127.0.0.1 or a unix socket",
			address);
	return listen_tcp(&tcp, address, err);
}

int og_http_listen_tcp(const char *address, struct og_err *err)
{
	og_auto_free char *both = address[0] == ':' ? og_strdupf("[::]%s", address) : NULL;
	union tcp_address tcp;

	if (parse_tcp(both == NULL ? address : both, &tcp) < 0)
		return og_fail(err, -EINVAL, "'%s' is no ADDRESS:PORT", address);
	return listen_tcp(&tcp, address, err);
}

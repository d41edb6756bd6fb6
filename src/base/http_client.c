/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* An error's body is for a person to read: what registries send is far smaller. */
#define ERROR_BODY_MAX (64U << 10)

/* Large enough to keep system calls rare, small enough to stay in a cache. */
#define RECEIVE_BUFFER_BYTES (256L << 10)

/* Where Debian and most others keep the trusted certificates as one file. */
#define CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define CA_FOLDER "/etc/ssl/certs"

/* As libcurl sends at most; its 64 KiB would be four times the system calls. */
#define SEND_BUFFER_BYTES (512L << 10)

struct og_http_client {
	CURL *curl; /* owned */
	char error[CURL_ERROR_SIZE];
};

struct og_http_response {
	int status;
	struct og_text headers; /* "name: value" NUL "name: value" NUL ... */
	struct og_text body;
};

/* One request under way. */
struct exchange {
	const struct og_http_question *question;
	struct og_http_response *response;
	const char *url;   /* borrowed */
	uint64_t sent;	   /* bytes of the body */
	int code;	   /* why a callback ended it */
	bool out_of_reach; /* an address was not to be connected to */
};

int og_http_client_new(struct og_http_client **ret_client, struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;

	/* Thread-safe and counted since libcurl 7.84. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return og_fail(err, -ENOMEM, "start HTTP client");
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		curl_global_cleanup();
		return og_fail(err, -ENOMEM, "start HTTP client");
	}
	client->curl = curl_easy_init();
	if (client->curl == NULL)
		return og_fail(err, -ENOMEM, "start HTTP client");
	*ret_client = og_take_ptr(client);
	return 0;
}

struct og_http_client *og_http_client_free(struct og_http_client *client)
{
	if (client == NULL)
		return NULL;
	curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	free(client);
	return NULL;
}

static void curl_url_cleanupp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_freep(char **text)
{
	curl_free(*text);
}

static void slist_freep(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

int og_http_origin(const char *url, struct og_http_origin *ret_origin)
{
	og_cleanup(curl_url_cleanupp) CURLU *parsed = curl_url();
	og_cleanup(curl_freep) char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
	struct og_http_origin origin;
	uint64_t number;

	if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return -EINVAL;
	if (curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK)
		return -EINVAL;
	if (!og_streq(scheme, "http") && !og_streq(scheme, "https"))
		return -EINVAL;
	if (strlen(host) >= sizeof(origin.host) || og_parse_u64(port, 1, 65535, &number) < 0)
		return -EINVAL;
	(void)snprintf(origin.scheme, sizeof(origin.scheme), "%s", scheme);
	(void)snprintf(origin.host, sizeof(origin.host), "%s", host);
	origin.port = (unsigned int)number;
	*ret_origin = origin;
	return 0;
}

bool og_http_same_origin(const char *a, const char *b)
{
	struct og_http_origin oa, ob;

	return og_http_origin(a, &oa) == 0 && og_http_origin(b, &ob) == 0 &&
	       og_streq(oa.scheme, ob.scheme) && strcasecmp(oa.host, ob.host) == 0 &&
	       oa.port == ob.port;
}

/* ---- what comes back ---- */

struct og_http_response *og_http_response_free(struct og_http_response *response)
{
	if (response == NULL)
		return NULL;
	og_text_done(&response->headers);
	og_text_done(&response->body);
	free(response);
	return NULL;
}

int og_http_status(const struct og_http_response *response)
{
	return response->status;
}

const char *og_http_body(const struct og_http_response *response, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = response->body.len;
	return response->body.buf != NULL ? response->body.buf : "";
}

const char *og_http_header(const struct og_http_response *response, const char *name, size_t index)
{
	size_t name_len = strlen(name), at = 0;

	while (at < response->headers.len) {
		const char *line = response->headers.buf + at;

		at += strlen(line) + 1;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		if (index-- == 0)
			return line + name_len + 1 + strspn(line + name_len + 1, " \t");
	}
	return NULL;
}

static size_t end_with(struct exchange *exchange, int code)
{
	exchange->code = code;
	return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *buf, size_t size, size_t count, void *data)
{
	struct exchange *exchange = data;
	struct og_http_response *response = exchange->response;
	size_t len = size * count;

	/* A status line begins the headers of another answer (100 Continue and then the real one). */
	if (len >= 5 && strncmp(buf, "HTTP/", 5) == 0) {
		const char *space = memchr(buf, ' ', len);

		og_text_clear(&response->headers);
		response->status = space != NULL ? atoi(space + 1) : 0;
		return size * count;
	}
	while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
		len--;
	if (response->headers.len + len + 1 > OG_HTTP_HEADERS_MAX)
		return end_with(exchange, -E2BIG);
	if (len > 0 && memchr(buf, '\0', len) == NULL) {
		og_text_add_bytes(&response->headers, buf, len);
		og_text_add_bytes(&response->headers, "", 1);
	}
	return response->headers.failed ? end_with(exchange, -ENOMEM) : size * count;
}

static bool has_content(const struct og_http_response *response)
{
	return response->status == 200 || response->status == 206;
}

static size_t on_body(char *buf, size_t size, size_t count, void *data)
{
	struct exchange *exchange = data;
	struct og_http_response *response = exchange->response;
	const struct og_http_question *question = exchange->question;
	size_t len = size * count;

	if (has_content(response) && question->body != NULL) {
		int r = question->body(question->data, response, buf, len);

		return r < 0 ? end_with(exchange, r) : len;
	}
	if (!has_content(response)) {
		size_t room = ERROR_BODY_MAX - response->body.len;

		og_text_add_bytes(&response->body, buf, len < room ? len : room);
	} else if (response->body.len + len > question->max_body_bytes) {
		return end_with(exchange, -E2BIG);
	} else {
		og_text_add_bytes(&response->body, buf, len);
	}
	return response->body.failed ? end_with(exchange, -ENOMEM) : len;
}

static int on_tick(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		   curl_off_t up)
{
	struct exchange *exchange = data;
	int r = 0;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	if (exchange->question->tick != NULL)
		r = exchange->question->tick(exchange->question->data);
	if (r < 0)
		exchange->code = r;
	return r < 0;
}

/* In place of libcurl's own socket(): the last moment before it connects, and the address that it takes. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = data;
	const struct og_http_question *question = exchange->question;

	(void)purpose;
	if (!question->reach(question->data, exchange->url, &address->addr)) {
		exchange->out_of_reach = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- what is sent ---- */

static ssize_t give(struct exchange *exchange, char *buf, size_t room)
{
	const struct og_http_upload *upload = exchange->question->upload;
	uint64_t left = upload->size - exchange->sent;

	if (upload->size != OG_HTTP_SIZE_UNKNOWN && room > left)
		room = (size_t)left;
	if (room == 0)
		return 0;
	if (upload->buf != NULL) {
		memcpy(buf, (const char *)upload->buf + exchange->sent, room);
		return (ssize_t)room;
	}
	if (upload->source != NULL)
		return upload->source(upload->source_data, buf, room);
	return og_pread_upto(upload->fd, buf, room, upload->offset + exchange->sent);
}

static size_t on_send(char *buf, size_t size, size_t count, void *data)
{
	struct exchange *exchange = data;
	ssize_t n = give(exchange, buf, size * count);

	if (n < 0) {
		exchange->code = (int)n;
		return CURL_READFUNC_ABORT;
	}
	exchange->sent += (uint64_t)n;
	return (size_t)n;
}

static bool may_be_sent_again(const struct og_http_question *question)
{
	return question->upload == NULL || question->upload->source == NULL;
}

/* libcurl starts over where a kept connection turns out to be dead. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
	struct exchange *exchange = data;

	if (origin != SEEK_SET || !may_be_sent_again(exchange->question))
		return CURL_SEEKFUNC_FAIL;
	exchange->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- asking ---- */

static const struct {
	CURLcode curl;
	int code;
	const char *text;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "the host is not known" },
	{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, "the proxy is not known" },
	{ CURLE_COULDNT_CONNECT, -ECONNREFUSED, "cannot connect" },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "no answer in time" },
	{ CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED, "its certificate is not trusted" },
	{ CURLE_SSL_CONNECT_ERROR, -EPROTO, "TLS failed" },
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, "it does not speak HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY, -EPROTO, "it does not speak HTTP" },
	{ CURLE_PARTIAL_FILE, -ECONNRESET, "the transfer broke off" },
	{ CURLE_GOT_NOTHING, -ECONNRESET, "it hung up without an answer" },
	{ CURLE_RECV_ERROR, -ECONNRESET, "the transfer broke off" },
	{ CURLE_SEND_ERROR, -ECONNRESET, "the transfer broke off" },
	{ CURLE_SEND_FAIL_REWIND, -ECONNRESET, "the transfer broke off" },
	{ CURLE_SSL_CERTPROBLEM, -EKEYREJECTED, "our certificate or its key cannot be used" },
	{ CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED, "the trusted certificates cannot be read" },
	{ CURLE_OUT_OF_MEMORY, -ENOMEM, "no memory" },
};

static int explain(struct og_http_client *client, const char *url, CURLcode code,
		   struct og_err *err)
{
	struct og_http_origin origin = {};

	(void)og_http_origin(url, &origin);
	for (size_t i = 0; i < COUNT_OF(failures); i++)
		if (failures[i].curl == code)
			return og_fail_plain(err, failures[i].code, "%s://%s:%u: %s (%s)",
					     origin.scheme, origin.host, origin.port,
					     failures[i].text,
					     client->error[0] != '\0' ? client->error
								      : curl_easy_strerror(code));
	return og_fail(err, -EIO, "%s://%s:%u: %s", origin.scheme, origin.host, origin.port,
		       client->error[0] != '\0' ? client->error : curl_easy_strerror(code));
}

static int add_header(struct curl_slist **list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (longer == NULL)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int make_headers(const struct og_http_question *question, bool with_authorization,
			struct curl_slist **list)
{
	int r = 0;

	for (size_t i = 0; question->headers != NULL && question->headers[i] != NULL && r == 0; i++)
		r = question->headers[i][0] != '\0' ? add_header(list, question->headers[i]) : 0;
	/* An empty body has no type; libcurl would say that it is a form. */
	if (r == 0 && question->method != NULL && question->upload == NULL)
		r = add_header(list, "Content-Type:");
	/* Without it libcurl waits a second for a go-ahead that most servers never give. */
	if (r == 0 && question->upload != NULL)
		r = add_header(list, "Expect:");
	if (r == 0 && question->upload != NULL) {
		const char *type = question->upload->type;
		og_auto_free char *line = og_strdupf(
			"Content-Type: %s", type != NULL ? type : "application/octet-stream");

		r = line != NULL ? add_header(list, line) : -ENOMEM;
	}
	if (r == 0 && with_authorization && question->authorization != NULL) {
		og_auto_free char *line = og_strdupf("Authorization: %s", question->authorization);

		r = line != NULL ? add_header(list, line) : -ENOMEM;
	}
	return r;
}

/*
 * The system's certificates are read for every connection: one bundle, where there is one, instead
 * of libcurl's default, a folder of hundreds of files that takes longer than a small image.
 */
static void trust_system(CURL *curl)
{
	if (access(CA_BUNDLE, R_OK) != 0)
		return;
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_CAINFO, CA_BUNDLE);
}

/* Whom to trust counts for the host that was asked first; others are the system's matter. */
static void set_trust(CURL *curl, const struct og_http_question *question)
{
	if (question->ca_file != NULL || question->unverified) {
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(curl, CURLOPT_CAINFO, question->ca_file);
	} else if (question->extra_ca_file != NULL) {
		curl_easy_setopt(curl, CURLOPT_CAPATH, CA_FOLDER);
		curl_easy_setopt(curl, CURLOPT_CAINFO, question->extra_ca_file);
	}
	if (question->cert_file != NULL) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, question->cert_file);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, question->key_file);
	}
	if (question->unverified) {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_upload(CURL *curl, struct exchange *exchange)
{
	uint64_t size = exchange->question->upload->size;

	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
	curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
			 size != OG_HTTP_SIZE_UNKNOWN ? (curl_off_t)size : (curl_off_t)-1);
}

static void set_method(CURL *curl, struct exchange *exchange, bool at_home)
{
	const struct og_http_question *question = exchange->question;
	const char *method = question->method;

	if (at_home && question->form != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->form);
	if (question->upload != NULL)
		set_upload(curl, exchange);
	else if (method != NULL && og_streq(method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (method != NULL && !og_streq(method, "GET") && !og_streq(method, "DELETE"))
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ""); /* for its Content-Length: 0 */
	if (method != NULL && !og_streq(method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_common(CURL *curl, struct exchange *exchange)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)OG_HTTP_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)OG_HTTP_STALL_S);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "onggi/" OG_VERSION);
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
	if (exchange->question->reach != NULL) {
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, exchange);
	}
}

static int ask_once(struct og_http_client *client, const struct og_http_question *question,
		    const char *url, struct exchange *exchange, struct og_err *err)
{
	og_cleanup(slist_freep) struct curl_slist *headers = NULL;
	bool at_home = og_http_same_origin(question->url, url);
	CURLcode code;

	exchange->url = url;
	if (!question->may(question->data, url))
		return og_fail_plain(err, -EPERM, "'%.200s': not allowed, because it is not https",
				     url);
	if (make_headers(question, at_home, &headers) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	curl_easy_reset(client->curl);
	client->error[0] = '\0';
	set_common(client->curl, exchange);
	trust_system(client->curl);
	if (at_home)
		set_trust(client->curl, question);
	set_method(client->curl, exchange, at_home);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->error);
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);

	code = curl_easy_perform(client->curl);
	if (exchange->code == -E2BIG)
		return og_fail_plain(err, -E2BIG, "'%.200s': the answer is over its limit", url);
	if (exchange->code < 0)
		return og_fail(err, exchange->code, "'%.200s': ended by us", url);
	if (code == CURLE_COULDNT_CONNECT && exchange->out_of_reach)
		return og_fail_plain(
			err, -EPERM,
			"'%.200s': not allowed, because of where its host's address is", url);
	return code == CURLE_OK ? 0 : explain(client, url, code, err);
}

static bool is_redirect(const struct og_http_question *question,
			const struct og_http_response *response)
{
	const char *method = question->method;
	bool reads = method == NULL || og_streq(method, "GET") || og_streq(method, "HEAD");
	int s = response->status;

	if (og_http_header(response, "Location", 0) == NULL)
		return false;
	if (s == 307 || s == 308)
		return may_be_sent_again(question);
	return reads && (s == 301 || s == 302 || s == 303);
}

int og_http_resolve(const char *base, const char *location, char **ret_url)
{
	og_cleanup(curl_url_cleanupp) CURLU *parsed = curl_url();
	og_cleanup(curl_freep) char *text = NULL;

	if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_set(parsed, CURLUPART_URL, location, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_URL, &text, 0) != CURLUE_OK ||
	    strlen(text) > OG_HTTP_URL_MAX)
		return -EPROTO;
	*ret_url = strdup(text);
	return *ret_url != NULL ? 0 : -ENOMEM;
}

int og_http_ask(struct og_http_client *client, const struct og_http_question *question,
		struct og_http_response **ret_response, struct og_err *err)
{
	og_auto_free char *url = strdup(question->url);

	for (int i = 0; i <= OG_HTTP_REDIRECTS_MAX; i++) {
		og_cleanup(og_http_response_freep) struct og_http_response *response =
			calloc(1, sizeof(*response));
		struct exchange exchange = { .question = question, .response = response };
		char *next = NULL;
		int r;

		if (url == NULL || response == NULL)
			return og_fail(err, -ENOMEM, "no memory");
		r = ask_once(client, question, url, &exchange, err);
		if (r < 0)
			return r;
		if (!is_redirect(question, response)) {
			*ret_response = og_take_ptr(response);
			return 0;
		}
		r = og_http_resolve(url, og_http_header(response, "Location", 0), &next);
		if (r < 0)
			return og_fail(err, r, "'%.200s': it redirects to nowhere", url);
		free(url);
		url = next;
	}
	return og_fail_plain(err, -ELOOP, "'%.200s': over %d redirects", question->url,
			     OG_HTTP_REDIRECTS_MAX);
}

char *og_http_escape(struct og_http_client *client, const char *text)
{
	og_cleanup(curl_freep) char *escaped = curl_easy_escape(client->curl, text, 0);

	return escaped != NULL ? strdup(escaped) : NULL;
}

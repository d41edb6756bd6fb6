/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/http_client.h"
#include "base/io.h"
#include "base/json.h"
#include "base/password.h"
#include "base/text.h"
#include "format/challenge.h"

#define PASSWORD_FILE_MAX 4096U
#define TOKEN_ANSWER_MAX  65536U
#define REMEMBERED	  8U /* repositories whose authorization is kept */
#define SEEN_BY_NAME	  "Docker-Content-Digest"
#define ACCEPT                                                        \
	"Accept: application/vnd.oci.image.index.v1+json, "           \
	"application/vnd.oci.image.manifest.v1+json, "                \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"

struct authorization {
	char *repository, *value; /* owned; NULL: none yet */
};

struct og_upstream {
	const struct og_config_upstream *config;
	struct og_http_origin origin;
	enum og_upstream_place place; /* as far as its URL says */
	char *basic;		      /* owned; "Basic ..." or NULL */
	atomic_bool stopping;
	pthread_mutex_t lock;
	struct authorization remembered[REMEMBERED]; /* guarded by the lock */
	size_t next;
};

/* ---- whom to ask ---- */

static enum og_upstream_place place_of_v4(uint32_t address)
{
	if (address >> 24 == 127 || address >> 24 == 0 || address >> 16 == 0xa9fe)
		return OG_UPSTREAM_MACHINE;
	if (address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8 ||
	    address >> 22 == 0x191) /* 100.64.0.0/10, of providers */
		return OG_UPSTREAM_SITE;
	return OG_UPSTREAM_WORLD;
}

static uint32_t v4_at_end(const struct in6_addr *six)
{
	const uint8_t *end = six->s6_addr + 12;

	return (uint32_t)end[0] << 24 | (uint32_t)end[1] << 16 | (uint32_t)end[2] << 8 | end[3];
}

static enum og_upstream_place place_of_v6(const struct in6_addr *six)
{
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

	/* ::ffff:0:0/96, whose place is that of the IPv4 address, has no use but to hide it. */
	if (IN6_IS_ADDR_LOOPBACK(six) || IN6_IS_ADDR_UNSPECIFIED(six) ||
	    IN6_IS_ADDR_LINKLOCAL(six) || IN6_IS_ADDR_V4MAPPED(six) || IN6_IS_ADDR_V4COMPAT(six))
		return OG_UPSTREAM_MACHINE;
	if (memcmp(six->s6_addr, nat64, sizeof(nat64)) == 0)
		return place_of_v4(v4_at_end(six));
	return (six->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(six) ? OG_UPSTREAM_SITE
									      : OG_UPSTREAM_WORLD;
}

enum og_upstream_place og_upstream_place(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return place_of_v4(ntohl(
			((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return place_of_v6(
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return OG_UPSTREAM_MACHINE;
}

/* As far as the text says: a name's is seen when it is connected to. */
static enum og_upstream_place place_of_host(const char *host)
{
	struct in6_addr six;
	struct in_addr four;
	char bare[256];
	size_t len;

	(void)snprintf(bare, sizeof(bare), "%s", host + (host[0] == '[' ? 1 : 0));
	bare[strcspn(bare, "]")] = '\0';
	len = strlen(bare);
	if (len > 0 && bare[len - 1] == '.') /* the root of all names */
		bare[--len] = '\0';
	if (strcasecmp(bare, "localhost") == 0 ||
	    (len > strlen(".localhost") &&
	     strcasecmp(bare + len - strlen(".localhost"), ".localhost") == 0))
		return OG_UPSTREAM_MACHINE;
	if (inet_aton(bare, &four) != 0)
		return place_of_v4(ntohl(four.s_addr));
	return inet_pton(AF_INET6, bare, &six) == 1 ? place_of_v6(&six) : OG_UPSTREAM_WORLD;
}

bool og_upstream_may_ask(const struct og_upstream *upstream, const char *url)
{
	struct og_http_origin origin;

	if (og_http_origin(url, &origin) < 0)
		return false;
	if (og_streq(upstream->origin.scheme, "https") && !og_streq(origin.scheme, "https"))
		return false;
	return upstream->place == OG_UPSTREAM_MACHINE ||
	       place_of_host(origin.host) > OG_UPSTREAM_MACHINE;
}

static int read_password(struct og_upstream *upstream, struct og_err *err)
{
	og_auto_free char *password = NULL, *pair = NULL, *encoded = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, upstream->config->password_file, PASSWORD_FILE_MAX,
			     &password, &len, err);

	if (r < 0)
		return r;
	password[strcspn(password, "\r\n")] = '\0';
	pair = og_strdupf("%s:%s", upstream->config->user, password);
	encoded = pair != NULL ? og_base64_encode(pair, strlen(pair)) : NULL;
	upstream->basic = encoded != NULL ? og_strdupf("Basic %s", encoded) : NULL;
	explicit_bzero(password, len);
	if (pair != NULL)
		explicit_bzero(pair, strlen(pair));
	return upstream->basic != NULL ? 0 : og_fail(err, -ENOMEM, "upstream");
}

int og_upstream_new(const struct og_config_upstream *config, struct og_upstream **ret_upstream,
		    struct og_err *err)
{
	og_cleanup(og_upstream_freep) struct og_upstream *upstream = calloc(1, sizeof(*upstream));
	int r;

	if (upstream == NULL)
		return og_fail(err, -ENOMEM, "upstream");
	(void)pthread_mutex_init(&upstream->lock, NULL);
	upstream->config = config;
	r = og_http_origin(config->url, &upstream->origin);
	if (r < 0)
		return og_fail_plain(err, r, "'%s' is no address of a registry", config->url);
	upstream->place = place_of_host(upstream->origin.host);
	r = config->user != NULL ? read_password(upstream, err) : 0;
	if (r < 0)
		return r;
	*ret_upstream = og_take_ptr(upstream);
	return 0;
}

struct og_upstream *og_upstream_free(struct og_upstream *upstream)
{
	if (upstream == NULL)
		return NULL;
	for (size_t i = 0; i < REMEMBERED; i++) {
		free(upstream->remembered[i].repository);
		free(upstream->remembered[i].value);
	}
	free(upstream->basic);
	(void)pthread_mutex_destroy(&upstream->lock);
	free(upstream);
	return NULL;
}

void og_upstream_stop(struct og_upstream *upstream)
{
	atomic_store(&upstream->stopping, true);
}

void og_upstream_manifest_done(struct og_upstream_manifest *manifest)
{
	free(og_take_ptr(manifest->buf));
}

/* ---- credentials ---- */

static char *recall(struct og_upstream *upstream, const char *repository)
{
	char *value = NULL;

	(void)pthread_mutex_lock(&upstream->lock);
	for (size_t i = 0; i < REMEMBERED && value == NULL; i++)
		if (upstream->remembered[i].value != NULL &&
		    og_streq(upstream->remembered[i].repository, repository))
			value = strdup(upstream->remembered[i].value);
	(void)pthread_mutex_unlock(&upstream->lock);
	return value;
}

static void keep(struct og_upstream *upstream, const char *repository, const char *value)
{
	char *name = strdup(repository), *copy = strdup(value);
	struct authorization *place = NULL;

	(void)pthread_mutex_lock(&upstream->lock);
	for (size_t i = 0; i < REMEMBERED; i++)
		if (upstream->remembered[i].repository != NULL &&
		    og_streq(upstream->remembered[i].repository, repository))
			place = &upstream->remembered[i];
	if (place == NULL)
		place = &upstream->remembered[upstream->next++ % REMEMBERED];
	if (name != NULL && copy != NULL) {
		free(place->repository);
		free(place->value);
		*place = (struct authorization){ name, copy };
		name = copy = NULL;
	}
	(void)pthread_mutex_unlock(&upstream->lock);
	free(name);
	free(copy);
}

/* ---- one request ---- */

struct asking {
	struct og_upstream *upstream;
	struct og_http_client *client; /* owned */
	const char *repository, *method, *path;
	enum og_upstream_place home; /* where the upstream was found to be; it is asked first */
	og_upstream_sink_fn *sink;   /* NULL: the body is kept */
	void *data;
	struct og_err *err;
};

static bool may(void *data, const char *url)
{
	return og_upstream_may_ask(((const struct asking *)data)->upstream, url);
}

/* The upstream itself may be anywhere: whoever configured it said so. Of several addresses that its name
 * has the farthest counts, or a name with a near one among them would open the way to others. */
static bool reach(void *data, const char *url, const struct sockaddr *address)
{
	struct asking *asking = data;
	enum og_upstream_place place = og_upstream_place(address);

	if (!og_http_same_origin(asking->upstream->config->url, url))
		return place >= asking->home;
	if (place > asking->home)
		asking->home = place;
	return true;
}

static int tick(void *data)
{
	return atomic_load(&((const struct asking *)data)->upstream->stopping) ? -ECANCELED : 0;
}

static int on_body(void *data, const struct og_http_response *response, const void *buf, size_t len)
{
	struct asking *asking = data;

	/* Nobody asked for a part. */
	if (og_http_status(response) != 200)
		return og_fail_plain(asking->err, -EBADMSG, "upstream sends a part of a blob");
	return asking->sink(asking->data, buf, len, asking->err);
}

static int send_once(struct asking *asking, const char *authorization,
		     struct og_http_response **ret_response)
{
	const struct og_config_upstream *config = asking->upstream->config;
	og_auto_free char *url =
		og_strdupf("%s/v2/%s/%s", config->url, asking->repository, asking->path);
	const char *headers[] = { asking->sink == NULL ? ACCEPT : "", NULL };
	struct og_http_question question = {
		.url = url,
		.method = asking->method,
		.headers = headers,
		.authorization = authorization,
		.extra_ca_file = config->ca,
		.unverified = config->insecure,
		.max_body_bytes = OG_UPSTREAM_MANIFEST_MAX,
		.may = may,
		.reach = reach,
		.tick = tick,
		.body = asking->sink != NULL ? on_body : NULL,
		.data = asking,
	};

	if (url == NULL)
		return og_fail(asking->err, -ENOMEM, "upstream");
	return og_http_ask(asking->client, &question, ret_response, asking->err);
}

static int take_token(const struct og_http_response *response, char **ret_value, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	const char *body, *token;
	size_t len = 0;

	if (og_http_status(response) != 200)
		return og_fail_plain(err, -EACCES, "upstream's token server answers %d",
				     og_http_status(response));
	body = og_http_body(response, &len);
	if (og_json_parse(body, len, &answer, err) < 0)
		return og_fail_in(err, -EBADMSG, "upstream's token server");
	token = og_json_string(og_json_get(answer, "token"), NULL);
	if (token == NULL)
		token = og_json_string(og_json_get(answer, "access_token"), "");
	if (token[0] == '\0' || strlen(token) > OG_UPSTREAM_TOKEN_MAX ||
	    strpbrk(token, "\r\n ") != NULL)
		return og_fail_plain(err, -EBADMSG, "upstream's token server gives no token");
	*ret_value = og_strdupf("Bearer %s", token);
	return *ret_value != NULL ? 0 : og_fail(err, -ENOMEM, "upstream");
}

static int ask_token(struct asking *asking, const struct og_challenge *challenge, char **ret_value)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	const struct og_config_upstream *config = asking->upstream->config;
	og_auto_free char *scope = og_strdupf("repository:%s:pull", asking->repository);
	og_auto_free char *scope_text = NULL, *service = NULL, *url = NULL;
	int r;

	if (scope != NULL) {
		scope_text = og_http_escape(asking->client, scope);
		service = og_http_escape(asking->client, challenge->service);
	}
	if (scope_text != NULL && service != NULL)
		url = og_strdupf("%s%cservice=%s&scope=%s", challenge->realm,
				 strchr(challenge->realm, '?') != NULL ? '&' : '?', service,
				 scope_text);
	if (url == NULL)
		return og_fail(asking->err, -ENOMEM, "upstream");

	struct og_http_question question = {
		.url = url,
		.authorization = asking->upstream->basic,
		.extra_ca_file = config->ca,
		.unverified = config->insecure,
		.max_body_bytes = TOKEN_ANSWER_MAX,
		.may = may,
		.reach = reach,
		.tick = tick,
		.data = asking,
	};

	r = og_http_ask(asking->client, &question, &response, asking->err);
	return r < 0 ? r : take_token(response, ret_value, asking->err);
}

/* What a 401 asks for, the caller's to free. */
static int authorize(struct asking *asking, const struct og_http_response *response,
		     char **ret_value)
{
	struct og_challenge challenge = {};
	const char *value;

	for (size_t i = 0; (value = og_http_header(response, "WWW-Authenticate", i)) != NULL; i++) {
		int r = og_challenge_parse(value, &challenge, asking->err);

		if (r < 0)
			return r;
	}
	if (challenge.bearer)
		return ask_token(asking, &challenge, ret_value);
	if (challenge.basic && asking->upstream->basic != NULL) {
		*ret_value = strdup(asking->upstream->basic);
		return *ret_value != NULL ? 0 : og_fail(asking->err, -ENOMEM, "upstream");
	}
	return og_fail_plain(asking->err, -EACCES, "upstream wants credentials");
}

static int judge(const struct og_http_response *response, const struct asking *asking)
{
	int status = og_http_status(response);

	if (status == 200)
		return 0;
	if (status == 404)
		return og_fail_plain(asking->err, -ENOENT, "upstream has no %s %s",
				     asking->repository, asking->path);
	if (status == 401 || status == 403)
		return og_fail_plain(asking->err, -EACCES, "upstream refuses %s",
				     asking->repository);
	return og_fail_plain(asking->err, status == 429 || status >= 500 ? -EAGAIN : -EPROTO,
			     "upstream answers %d", status);
}

/* Asks, with credentials where they are wanted. */
static int ask(struct asking *asking, struct og_http_response **ret_response)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *authorization = recall(asking->upstream, asking->repository);
	int r;

	if (asking->client == NULL)
		r = og_http_client_new(&asking->client, asking->err);
	else
		r = 0;
	if (r == 0)
		r = send_once(asking, authorization, &response);
	if (r == 0 && og_http_status(response) == 401) {
		free(og_take_ptr(authorization));
		r = authorize(asking, response, &authorization);
		response = og_http_response_free(response);
		if (r == 0)
			r = send_once(asking, authorization, &response);
		if (r == 0 && og_http_status(response) == 200)
			keep(asking->upstream, asking->repository, authorization);
	}
	if (r == 0)
		r = judge(response, asking);
	if (r < 0)
		return og_fail_in(asking->err, r, "upstream %s", asking->upstream->config->url);
	*ret_response = og_take_ptr(response);
	return 0;
}

/* ---- what is asked for ---- */

static const char *header(const struct og_http_response *response, const char *name)
{
	const char *value = og_http_header(response, name, 0);

	return value != NULL ? value : "";
}

static int take_manifest(const struct og_http_response *response,
			 struct og_upstream_manifest *ret_manifest, struct og_err *err)
{
	struct og_upstream_manifest manifest = {};
	const char *body = og_http_body(response, &manifest.len);
	const char *type = header(response, "Content-Type"),
		   *digest = header(response, SEEN_BY_NAME);
	size_t type_len = strcspn(type, "; ");

	if (type_len >= sizeof(manifest.media_type) || strlen(digest) >= sizeof(manifest.digest))
		return og_fail_plain(err, -EBADMSG, "upstream sends no manifest");
	memcpy(manifest.media_type, type, type_len);
	memcpy(manifest.digest, digest, strlen(digest) + 1);
	manifest.buf = malloc(manifest.len + 1);
	if (manifest.buf == NULL)
		return og_fail(err, -ENOMEM, "upstream");
	memcpy(manifest.buf, body, manifest.len);
	manifest.buf[manifest.len] = '\0';
	*ret_manifest = manifest;
	return 0;
}

int og_upstream_manifest(struct og_upstream *upstream, const char *repository,
			 const char *reference, const char *known_digest,
			 struct og_upstream_manifest *ret_manifest, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	struct asking asking = { .upstream = upstream,
				 .repository = repository,
				 .method = known_digest[0] != '\0' ? "HEAD" : NULL,
				 .path = path,
				 .err = err };
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "upstream");
	r = ask(&asking, &response);
	if (r == 0 && known_digest[0] != '\0') {
		r = og_streq(header(response, SEEN_BY_NAME), known_digest) ? 1 : 0;
		response = og_http_response_free(response);
		asking.method = NULL;
		if (r == 0)
			r = ask(&asking, &response);
	}
	if (r == 0)
		r = take_manifest(response, ret_manifest, err);
	og_http_client_free(asking.client);
	return r;
}

int og_upstream_blob(struct og_upstream *upstream, const char *repository, const char *digest,
		     og_upstream_sink_fn *sink, void *data, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("blobs/%s", digest);
	struct asking asking = { .upstream = upstream,
				 .repository = repository,
				 .path = path,
				 .sink = sink,
				 .data = data,
				 .err = err };
	int r = path != NULL ? ask(&asking, &response) : og_fail(err, -ENOMEM, "upstream");

	og_http_client_free(asking.client);
	return r;
}

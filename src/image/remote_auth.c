/* SPDX-License-Identifier: Apache-2.0 */
#include "image/remote_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "format/challenge.h"
#include "format/imageref.h"
#include "image/remote.h"

/* Tokens are JWTs of a few KiB; more would not fit into a header anywhere. */
#define TOKEN_MAX      (48U << 10)
#define ANSWER_MAX     (256U << 10)
#define CHALLENGES_MAX 8
#define CLIENT_ID      "onggi"

bool og_remote_is_insecure(const char *domain, const char *const *insecure)
{
	if (og_imageref_is_loopback(domain))
		return true;
	for (size_t i = 0; insecure != NULL && insecure[i] != NULL; i++)
		if (strcasecmp(insecure[i], domain) == 0)
			return true;
	return false;
}

/* The same for the host of a URL; the port that its scheme implies need not be listed. */
static bool is_insecure_origin(const struct og_http_origin *origin, const char *const *insecure)
{
	unsigned int implied = og_streq(origin->scheme, "https") ? 443 : 80;
	char domain[sizeof(origin->host) + 8];

	(void)snprintf(domain, sizeof(domain), "%s:%u", origin->host, origin->port);
	return og_remote_is_insecure(domain, insecure) ||
	       (origin->port == implied && og_remote_is_insecure(origin->host, insecure));
}

bool og_remote_may_ask(const char *url, const char *const *insecure)
{
	struct og_http_origin origin;

	return og_http_origin(url, &origin) == 0 &&
	       (og_streq(origin.scheme, "https") || is_insecure_origin(&origin, insecure));
}

static bool may_ask(void *data, const char *url)
{
	const struct og_remote_options *options = data;

	return og_remote_may_ask(url, options->insecure);
}

static int on_tick(void *data)
{
	const struct og_remote_options *options = data;

	return options->tick != NULL ? options->tick(options->tick_data) : 0;
}

/* "Basic BASE64", the caller's to free; NULL without credentials. */
static char *basic(const struct og_remote_options *options)
{
	og_auto_free char *pair = NULL, *encoded = NULL;

	if (options->user == NULL || options->password == NULL || options->user[0] == '\0')
		return NULL;
	pair = og_strdupf("%s:%s", options->user, options->password);
	encoded = pair != NULL ? og_base64_encode(pair, strlen(pair)) : NULL;
	return encoded != NULL ? og_strdupf("Basic %s", encoded) : NULL;
}

static bool is_token(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return false;
	return true;
}

static int read_token(const struct og_http_response *response, const char *realm,
		      char **ret_authorization, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *token = "", *access_token = "";
	size_t len = 0;
	const char *body = og_http_body(response, &len);

	if (og_http_status(response) == 401 || og_http_status(response) == 403)
		return og_fail_plain(
			err, -EACCES,
			"'%.200s' refuses: unauthorized, incorrect username or password", realm);
	if (og_http_status(response) != 200)
		return og_fail_plain(err, -EPROTO, "'%.200s' gives no token: HTTP status %d", realm,
				     og_http_status(response));
	if (og_json_parse(body, len, &root, err) < 0 ||
	    og_json_opt_string(root, "token", &token, err) < 0 ||
	    og_json_opt_string(root, "access_token", &access_token, err) < 0)
		return og_fail_in(err, -EPROTO, "'%.200s' gives no token", realm);
	if (token[0] == '\0')
		token = access_token;
	if (!is_token(token))
		return og_fail_plain(err, -EPROTO, "'%.200s' gives no token", realm);
	*ret_authorization = og_strdupf("Bearer %s", token);
	return *ret_authorization != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}

/* What stands between and before several scopes. */
static char *join_scopes(struct og_http_client *client, const char *const *scopes,
			 const char *before_each, const char *between)
{
	og_auto_text text = {};

	for (size_t i = 0; scopes[i] != NULL; i++) {
		og_auto_free char *escaped = og_http_escape(client, scopes[i]);

		if (escaped == NULL)
			return NULL;
		og_text_addf(&text, "%s%s%s", i > 0 ? between : "", before_each, escaped);
	}
	return og_text_take(&text);
}

/* GET REALM?service=S&scope=repository:NAME:pull&account=USER */
static char *token_url(struct og_http_client *client, const struct og_challenge *challenge,
		       const char *const *scopes, const struct og_remote_options *options)
{
	og_auto_free char *service = og_http_escape(client, challenge->service);
	og_auto_free char *escaped = join_scopes(client, scopes, "&scope=", "");
	og_auto_free char *user =
		og_http_escape(client, options->user != NULL ? options->user : "");
	bool named = options->user != NULL && options->user[0] != '\0';

	if (service == NULL || escaped == NULL || user == NULL)
		return NULL;
	return og_strdupf("%s%sservice=%s%s%s%s", challenge->realm,
			  strchr(challenge->realm, '?') != NULL ? "&" : "?", service, escaped,
			  named ? "&account=" : "", named ? user : "");
}

/* The body of OAuth2's refresh: an identity token in place of a password. */
static char *refresh_form(struct og_http_client *client, const struct og_challenge *challenge,
			  const char *const *scopes, const struct og_remote_options *options)
{
	og_auto_free char *service = og_http_escape(client, challenge->service);
	og_auto_free char *escaped = join_scopes(client, scopes, "", "%20");
	og_auto_free char *token = og_http_escape(client, options->identity_token);

	if (service == NULL || escaped == NULL || token == NULL)
		return NULL;
	return og_strdupf("grant_type=refresh_token&client_id=" CLIENT_ID
			  "&service=%s&scope=%s&refresh_token=%s",
			  service, escaped, token);
}

static int get_token(struct og_http_client *client, const struct og_challenge *challenge,
		     const struct og_remote_options *options, const char *const *scopes,
		     char **ret_authorization, struct og_err *err)
{
	bool refresh = options->identity_token != NULL && options->identity_token[0] != '\0';
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *credentials = basic(options);
	og_auto_free char *url = NULL, *form = NULL;
	struct og_http_origin origin;
	int r;

	/* What we ask for is ours to say: a registry's wish may name another's repository. */
	if (refresh)
		form = refresh_form(client, challenge, scopes, options);
	else
		url = token_url(client, challenge, scopes, options);
	if (url == NULL && form == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	const struct og_http_question question = {
		.url = url != NULL ? url : challenge->realm,
		.authorization = refresh ? NULL : credentials,
		.form = form,
		.max_body_bytes = ANSWER_MAX,
		.unverified = og_http_origin(challenge->realm, &origin) == 0 &&
			      is_insecure_origin(&origin, options->insecure),
		.may = may_ask,
		.tick = on_tick,
		.data = (void *)(uintptr_t)options,
	};
	r = og_http_ask(client, &question, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "ask for a token");
	return read_token(response, challenge->realm, ret_authorization, err);
}

int og_remote_authorize(struct og_http_client *client, const struct og_http_response *response,
			const struct og_remote_options *options, const char *const *scopes,
			char **ret_authorization, struct og_err *err)
{
	struct og_challenge challenge = {};
	const char *value;
	char *credentials;

	for (size_t i = 0; i < CHALLENGES_MAX; i++) {
		value = og_http_header(response, "WWW-Authenticate", i);
		if (value == NULL)
			break;
		/* One that cannot be read may stand beside one that can. */
		(void)og_challenge_parse(value, &challenge, NULL);
	}
	if (challenge.bearer)
		return get_token(client, &challenge, options, scopes, ret_authorization, err);
	credentials = challenge.basic ? basic(options) : NULL;
	if (credentials != NULL)
		*ret_authorization = credentials;
	return 0;
}

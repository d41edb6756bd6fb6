/* SPDX-License-Identifier: Apache-2.0 */
#include "format/jwt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define URL64	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* 2^53: what every JSON reader has exactly. */
#define MOMENT_MAX (INT64_C(1) << 53)

static const struct {
	const char *name;
	enum og_jwt_alg alg;
} algs[] = {
	{ "ES256", OG_JWT_ES256 },
	{ "RS256", OG_JWT_RS256 },
	{ "EdDSA", OG_JWT_EDDSA },
};

static int bad(struct og_err *err, const char *what)
{
	return og_fail_plain(err, -EBADMSG, "token: %s", what);
}

/* Base64url as RFC 7515 has it: no padding, and only one way to write each content. */
static int decode(const char *text, size_t len, char **ret_buf, size_t *ret_len, struct og_err *err)
{
	char copy[OG_JWT_MAX + 1];
	const char *last;

	if (len == 0 || len >= sizeof(copy) || len % 4 == 1)
		return bad(err, "no base64url");
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strspn(copy, URL64) != len)
		return bad(err, "no base64url");
	last = strchr(URL64, copy[len - 1]);
	if ((len % 4 == 2 && (last - URL64) % 16 != 0) || (len % 4 == 3 && (last - URL64) % 4 != 0))
		return bad(err, "base64url with bits left over");
	return og_base64_decode(copy, ret_buf, ret_len) < 0 ? bad(err, "no base64url") : 0;
}

static int decode_object(const char *text, size_t len, const char *what,
			 struct og_json **ret_object, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t size;
	int r = decode(text, len, &buf, &size, err);

	if (r < 0)
		return r;
	r = og_json_parse(buf, size, ret_object, err);
	if (r < 0)
		return og_fail_in(err, r == -ENOMEM ? r : -EBADMSG, "token: %s", what);
	return og_json_kind(*ret_object) == OG_JSON_OBJECT ? 0 : bad(err, "no object");
}

/* ---- the header ---- */

static int read_header(const struct og_json *header, struct og_jwt *jwt, struct og_err *err)
{
	static const char *const refused[] = { "crit", "jwk", "jku", "x5u", "b64", "zip" };
	const char *alg = og_json_string(og_json_get(header, "alg"), "");
	const char *kid = "", *type = "JWT";
	size_t i = 0;

	for (size_t k = 0; k < COUNT_OF(refused); k++)
		if (og_json_get(header, refused[k]) != NULL)
			return og_fail_plain(err, -EBADMSG, "token: its header has '%s'",
					     refused[k]);
	if (og_json_opt_string(header, "kid", &kid, err) < 0 ||
	    og_json_opt_string(header, "typ", &type, err) < 0)
		return og_fail_in(err, -EBADMSG, "token");
	if (strcasecmp(type, "JWT") != 0 && strcasecmp(type, "at+jwt") != 0)
		return bad(err, "its type is another");
	while (i < COUNT_OF(algs) && !og_streq(alg, algs[i].name))
		i++;
	if (i == COUNT_OF(algs))
		return og_fail_plain(err, -ENOTSUP, "token: algorithm '%.20s'", alg);
	/* Docker's own key names are ABCD:EFGH:...; thumbprints are base64url. */
	if (strlen(kid) > OG_JWT_KID_MAX || kid[strspn(kid, URL64 ":.=")] != '\0' ||
	    strstr(kid, "..") != NULL)
		return bad(err, "its key's name is none");
	jwt->alg = algs[i].alg;
	memcpy(jwt->kid, kid, strlen(kid) + 1);
	return 0;
}

/* ---- the claims ---- */

static int copy_name(const struct og_json *claims, const char *key, char out[OG_JWT_NAME_MAX + 1],
		     struct og_err *err)
{
	const char *text = "";

	if (og_json_opt_string(claims, key, &text, err) < 0)
		return og_fail_in(err, -EBADMSG, "token");
	if (strlen(text) > OG_JWT_NAME_MAX)
		return og_fail_plain(err, -E2BIG, "token: '%s' is over %u bytes", key,
				     OG_JWT_NAME_MAX);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int read_moment(const struct og_json *claims, const char *key, int64_t *ret_moment,
		       struct og_err *err)
{
	const struct og_json *value = og_json_get(claims, key);
	double fraction = og_json_double(value, -1);

	if (value == NULL)
		return 0;
	/* A NumericDate may have a fraction (RFC 7519, section 2). */
	*ret_moment = og_json_int(value, -1);
	if (og_json_kind(value) == OG_JSON_DOUBLE && fraction >= 0 && fraction < (double)MOMENT_MAX)
		*ret_moment = (int64_t)fraction;
	if (*ret_moment < 0 || *ret_moment > MOMENT_MAX)
		return og_fail_plain(err, -EBADMSG, "token: '%s' is no moment", key);
	return 0;
}

static int check_audience(const struct og_json *aud, struct og_err *err)
{
	if (og_json_kind(aud) == OG_JSON_STRING || og_json_kind(aud) == OG_JSON_NULL)
		return 0;
	if (og_json_kind(aud) != OG_JSON_ARRAY)
		return bad(err, "'aud' is no text");
	for (size_t i = 0; i < og_json_count(aud); i++)
		if (og_json_kind(og_json_at(aud, i)) != OG_JSON_STRING)
			return bad(err, "'aud' is no text");
	return 0;
}

static int check_access(const struct og_json *access, struct og_err *err)
{
	if (og_json_kind(access) == OG_JSON_NULL)
		return 0;
	if (og_json_kind(access) != OG_JSON_ARRAY)
		return bad(err, "'access' is no list");
	if (og_json_count(access) > OG_JWT_ACCESS_MAX)
		return og_fail_plain(err, -E2BIG, "token: over %u entries of 'access'",
				     OG_JWT_ACCESS_MAX);
	for (size_t i = 0; i < og_json_count(access); i++) {
		const struct og_json *entry = og_json_at(access, i);
		const struct og_json *actions = og_json_get(entry, "actions");

		if (og_json_string(og_json_get(entry, "type"), NULL) == NULL ||
		    og_json_string(og_json_get(entry, "name"), NULL) == NULL ||
		    (actions != NULL && og_json_kind(actions) != OG_JSON_ARRAY))
			return bad(err, "a malformed entry of 'access'");
		for (size_t k = 0; k < og_json_count(actions); k++)
			if (og_json_kind(og_json_at(actions, k)) != OG_JSON_STRING)
				return bad(err, "a malformed entry of 'access'");
	}
	return 0;
}

static int read_claims(struct og_jwt *jwt, struct og_err *err)
{
	int r = copy_name(jwt->claims, "iss", jwt->iss, err);

	if (r == 0)
		r = copy_name(jwt->claims, "sub", jwt->sub, err);
	if (r == 0)
		r = read_moment(jwt->claims, "exp", &jwt->exp, err);
	if (r == 0)
		r = read_moment(jwt->claims, "nbf", &jwt->nbf, err);
	if (r == 0)
		r = read_moment(jwt->claims, "iat", &jwt->iat, err);
	if (r == 0 && jwt->exp == 0)
		return bad(err, "it never ends: 'exp' is missing");
	if (r == 0)
		r = check_audience(og_json_get(jwt->claims, "aud"), err);
	return r < 0 ? r : check_access(og_json_get(jwt->claims, "access"), err);
}

static int read_signature(struct og_jwt *jwt, const char *text, size_t len, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t size;
	int r = decode(text, len, &buf, &size, err);

	if (r < 0)
		return r;
	if (size > sizeof(jwt->signature) || (jwt->alg != OG_JWT_RS256 && size != 64))
		return bad(err, "its signature has another length");
	memcpy(jwt->signature, buf, size);
	jwt->signature_len = size;
	return 0;
}

int og_jwt_parse(const char *text, size_t len, struct og_jwt *ret_jwt, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *header = NULL;
	og_cleanup(og_jwt_done) struct og_jwt jwt = {};
	const char *end = text + len, *first, *second;
	int r;

	if (len > OG_JWT_MAX)
		return og_fail_plain(err, -E2BIG, "token: over %u bytes", OG_JWT_MAX);
	first = memchr(text, '.', len);
	second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return bad(err, "not three parts");
	r = decode_object(text, (size_t)(first - text), "header", &header, err);
	if (r == 0)
		r = read_header(header, &jwt, err);
	if (r == 0)
		r = decode_object(first + 1, (size_t)(second - first - 1), "claims", &jwt.claims,
				  err);
	if (r == 0)
		r = read_claims(&jwt, err);
	if (r == 0)
		r = read_signature(&jwt, second + 1, (size_t)(end - second - 1), err);
	if (r < 0)
		return r;
	jwt.signed_len = (size_t)(second - text);
	*ret_jwt = jwt;
	jwt.claims = NULL;
	return 0;
}

void og_jwt_done(struct og_jwt *jwt)
{
	jwt->claims = og_json_free(jwt->claims);
}

/* ---- what is asked of one ---- */

static bool is_for(const struct og_json *aud, const char *audience)
{
	if (og_json_kind(aud) != OG_JSON_ARRAY)
		return og_streq(og_json_string(aud, ""), audience);
	for (size_t i = 0; i < og_json_count(aud); i++)
		if (og_streq(og_json_string(og_json_at(aud, i), ""), audience))
			return true;
	return false;
}

int og_jwt_check(const struct og_jwt *jwt, const char *issuer, const char *audience, int64_t now,
		 struct og_err *err)
{
	if (issuer[0] == '\0' || !og_streq(jwt->iss, issuer))
		return og_fail_plain(err, -EKEYREJECTED, "token: from another issuer");
	if (audience[0] == '\0' || !is_for(og_json_get(jwt->claims, "aud"), audience))
		return og_fail_plain(err, -EKEYREJECTED, "token: for another audience");
	if (now >= jwt->exp && now - jwt->exp >= OG_JWT_LEEWAY_S)
		return og_fail_plain(err, -EKEYEXPIRED, "token: it is over");
	if (jwt->nbf > now && jwt->nbf - now > OG_JWT_LEEWAY_S)
		return og_fail_plain(err, -EKEYEXPIRED, "token: it has not begun");
	return 0;
}

bool og_jwt_access_at(const struct og_jwt *jwt, size_t index, struct og_jwt_access *ret_access)
{
	const struct og_json *access = og_json_get(jwt->claims, "access");
	const struct og_json *entry;

	if (index >= og_json_count(access))
		return false;
	entry = og_json_at(access, index);
	ret_access->type = og_json_string(og_json_get(entry, "type"), "");
	ret_access->name = og_json_string(og_json_get(entry, "name"), "");
	ret_access->actions = og_json_get(entry, "actions");
	return true;
}

bool og_jwt_allows(const struct og_jwt_access *access, const char *action)
{
	for (size_t i = 0; i < og_json_count(access->actions); i++) {
		const char *one = og_json_string(og_json_at(access->actions, i), "");

		if (og_streq(one, action) || og_streq(one, "*"))
			return true;
	}
	return false;
}

/* ---- making one ---- */

static char *encode(const void *buf, size_t len)
{
	char *text = og_base64_encode(buf, len);

	for (char *at = text; text != NULL && *at != '\0'; at++) {
		if (*at == '=') {
			*at = '\0';
			break;
		}
		*at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	}
	return text;
}

char *og_jwt_open(const char *kid, const struct og_json *claims)
{
	og_cleanup(og_json_freep) struct og_json *header = og_json_new_object();
	og_auto_free char *head = NULL, *body = NULL, *head64 = NULL, *body64 = NULL;

	og_json_set_string(header, "typ", "JWT");
	og_json_set_string(header, "alg", "ES256");
	og_json_set_string(header, "kid", kid);
	head = og_json_write(header);
	body = og_json_write(claims);
	if (head == NULL || body == NULL)
		return NULL;
	head64 = encode(head, strlen(head));
	body64 = encode(body, strlen(body));
	return head64 != NULL && body64 != NULL ? og_strdupf("%s.%s", head64, body64) : NULL;
}

char *og_jwt_seal(const char *opened, const unsigned char *signature, size_t len)
{
	og_auto_free char *text = encode(signature, len);

	return text != NULL ? og_strdupf("%s.%s", opened, text) : NULL;
}

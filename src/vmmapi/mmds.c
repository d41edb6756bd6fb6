/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/mmds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmmapi/http.h"
#include "vmmapi/json_walk.h"
#include "vmmapi/siphash.h"

#define TOKEN_PATH  "/latest/api/token"
#define MAC_BYTES   16
#define TOKEN_BYTES (8 + 8 + MAC_BYTES)
#define TOKEN_CHARS (TOKEN_BYTES * 2)

enum {
	TOKEN,
	TOKEN_AWS,
	TTL,
	TTL_AWS,
	FORWARDED_FOR,
	ACCEPT,
	HEADERS
};

struct call {
	const struct og_mmds *mmds;
	struct og_http_request request;
	struct og_http_header headers[HEADERS];
	uint64_t now_ms, nonce;
	char *answer;
	size_t size;
	struct og_mmds_outcome *outcome;
};

/* The body follows its head, whose length depends on the body's. */
static size_t answer(struct call *call, int status, const char *type, const char *body, size_t len,
		     const char *more)
{
	size_t head = og_http_answer_head(call->answer, call->size, status, type, len,
					  call->request.keep_alive, more);

	if (head == 0 || len > call->size - head)
		return og_http_answer_head(call->answer, call->size, 500, NULL, 0, false, "");
	memcpy(call->answer + head, body, len);
	return head + len;
}

static size_t say(struct call *call, int status, const char *text)
{
	return answer(call, status, "text/plain", text, strlen(text), "");
}

static size_t not_found(struct call *call)
{
	char text[OG_HTTP_HEAD_MAX + 32];

	(void)snprintf(text, sizeof(text), "Resource not found: %.*s.", (int)call->request.path_len,
		       call->request.path);
	return say(call, 404, text);
}

static const struct og_http_header *either(const struct call *call, int a, int b)
{
	return call->headers[a].value != NULL	? &call->headers[a]
	       : call->headers[b].value != NULL ? &call->headers[b]
						: NULL;
}

static void make_mac(const struct og_mmds *mmds, const uint8_t *token, uint8_t mac[MAC_BYTES])
{
	uint64_t halves[2] = { og_siphash(mmds->key, token, TOKEN_BYTES - MAC_BYTES),
			       og_siphash(mmds->key + 16, token, TOKEN_BYTES - MAC_BYTES) };

	memcpy(mac, halves, MAC_BYTES);
}

static void make_token(const struct call *call, uint64_t ttl_s, char text[TOKEN_CHARS + 1])
{
	uint64_t words[2] = { call->now_ms + ttl_s * 1000, call->nonce };
	uint8_t token[TOKEN_BYTES];

	memcpy(token, words, sizeof(words));
	make_mac(call->mmds, token, token + sizeof(words));
	for (size_t i = 0; i < TOKEN_BYTES; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", token[i]);
}

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static bool read_token(const struct og_http_header *header, uint8_t token[TOKEN_BYTES])
{
	if (header->len != TOKEN_CHARS)
		return false;
	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		int high = digit_of(header->value[2 * i]), low = digit_of(header->value[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		token[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static bool is_valid(const struct call *call, const struct og_http_header *header)
{
	uint8_t token[TOKEN_BYTES], mac[MAC_BYTES], differing = 0;
	uint64_t expiry;

	if (!read_token(header, token))
		return false;
	make_mac(call->mmds, token, mac);
	for (size_t i = 0; i < MAC_BYTES; i++) /* as long for a near miss as for a far one */
		differing |= (uint8_t)(mac[i] ^ token[TOKEN_BYTES - MAC_BYTES + i]);
	memcpy(&expiry, token, sizeof(expiry));
	return differing == 0 && call->now_ms < expiry;
}

static bool wants_json(const struct call *call)
{
	const struct og_http_header *accept = &call->headers[ACCEPT];

	return !call->mmds->imds_compat && accept->value != NULL &&
	       memmem(accept->value, accept->len, "application/json", 16) != NULL;
}

/* Writes the value behind where the head will end; its length decides the head's. */
static size_t show(struct call *call, const struct og_span *value)
{
	bool json = wants_json(call);
	size_t room = call->size > OG_MMDS_ANSWER_EXTRA ? call->size - OG_MMDS_ANSWER_EXTRA : 0;
	char *body = call->answer + OG_MMDS_ANSWER_EXTRA;
	ptrdiff_t len;
	size_t head;

	if (room == 0)
		return say(call, 500, "The value is too long.");
	len = json ? og_span_copy(value, body, room) : og_span_imds(value, body, room);
	if (len == -ENOTSUP)
		return say(call, 501, "Cannot retrieve value. The value has an unsupported type.");
	if (len < 0)
		return say(call, 500, "The value is too long.");
	head = og_http_answer_head(call->answer, OG_MMDS_ANSWER_EXTRA, 200,
				   json ? "application/json" : "text/plain", (size_t)len,
				   call->request.keep_alive, "");
	memmove(call->answer + head, body, (size_t)len);
	return head + (size_t)len;
}

static size_t get(struct call *call)
{
	const struct og_http_header *token = either(call, TOKEN, TOKEN_AWS);
	const struct og_mmds *mmds = call->mmds;
	struct og_span value;

	call->outcome->no_token = token == NULL;
	call->outcome->invalid_token = token != NULL && !is_valid(call, token);
	if (mmds->v2 && token == NULL)
		return say(call, 401,
			   "No MMDS token provided. Use `X-metadata-token` or "
			   "`X-aws-ec2-metadata-token` header to specify the session token.");
	if (mmds->v2 && call->outcome->invalid_token)
		return say(call, 401, "MMDS token not valid.");
	if (mmds->text == NULL ||
	    !og_span_find(&(struct og_span){ mmds->text, mmds->text + mmds->len },
			  call->request.path, call->request.path_len, &value))
		return not_found(call);
	return show(call, &value);
}

static bool read_ttl(const struct og_http_header *header, uint64_t *ret_ttl_s)
{
	uint64_t ttl_s = 0;

	if (header->len == 0 || header->len > 9)
		return false;
	for (size_t i = 0; i < header->len; i++) {
		if (header->value[i] < '0' || header->value[i] > '9')
			return false;
		ttl_s = ttl_s * 10 + (uint64_t)(header->value[i] - '0');
	}
	*ret_ttl_s = ttl_s;
	return true;
}

static size_t put(struct call *call)
{
	const struct og_http_header *ttl = either(call, TTL, TTL_AWS);
	char token[TOKEN_CHARS + 1], more[80];
	uint64_t ttl_s;

	if (call->headers[FORWARDED_FOR].value != NULL)
		return say(call, 400,
			   "Invalid header. Reason: Unsupported header name. Key: "
			   "X-Forwarded-For");
	if (!og_path_is(call->request.path, call->request.path_len, TOKEN_PATH))
		return not_found(call);
	if (ttl == NULL)
		return say(
			call, 400,
			"Token time to live value not found. Use `X-metadata-token-ttl-seconds` "
			"or `X-aws-ec2-metadata-token-ttl-seconds` header to specify the token's "
			"lifetime.");
	if (!read_ttl(ttl, &ttl_s) || ttl_s < 1 || ttl_s > OG_MMDS_TTL_S_MAX)
		return say(call, 400,
			   "Invalid time to live value provided for token. Time to live must be "
			   "between 1 and 21600 seconds.");
	make_token(call, ttl_s, token);
	(void)snprintf(more, sizeof(more), "%s: %u\r\n", ttl->name, (unsigned)ttl_s);
	return answer(call, 200, "text/plain", token, TOKEN_CHARS, more);
}

static size_t refuse(struct call *call, const struct og_http_refusal *refusal)
{
	call->request.keep_alive = false;
	return say(call, refusal->status, refusal->text);
}

static size_t serve(struct call *call)
{
	switch (call->request.method) {
	case OG_HTTP_GET:
		return get(call);
	case OG_HTTP_PUT:
		return put(call);
	case OG_HTTP_PATCH:
	case OG_HTTP_OTHER:
		break;
	}
	return answer(call, 405, "text/plain", "Not allowed HTTP method.", 24,
		      "Allow: GET, PUT\r\n");
}

size_t og_mmds_respond(const struct og_mmds *mmds, const char *request, size_t len, uint64_t now_ms,
		       uint64_t nonce, char *answer_, size_t size,
		       struct og_mmds_outcome *ret_outcome)
{
	struct call call = {
		.mmds = mmds,
		.headers = {
			[TOKEN] = { .name = "x-metadata-token" },
			[TOKEN_AWS] = { .name = "x-aws-ec2-metadata-token" },
			[TTL] = { .name = "x-metadata-token-ttl-seconds" },
			[TTL_AWS] = { .name = "x-aws-ec2-metadata-token-ttl-seconds" },
			[FORWARDED_FOR] = { .name = "x-forwarded-for" },
			[ACCEPT] = { .name = "accept" },
		},
		.now_ms = now_ms,
		.nonce = nonce,
		.answer = answer_,
		.size = size,
		.outcome = ret_outcome,
	};
	struct og_http_refusal refusal;
	ptrdiff_t head =
		og_http_parse(request, len, &call.request, call.headers, HEADERS, &refusal);
	size_t n;

	*ret_outcome = (struct og_mmds_outcome){ .taken = len };
	if (head == 0)
		return 0;
	if (head < 0)
		return refuse(&call, &refusal);
	if (call.request.content_length > OG_MMDS_REQUEST_MAX - (size_t)head)
		return refuse(&call, &(struct og_http_refusal){ 413, "The request is too long." });
	if ((size_t)head + call.request.content_length > len)
		return 0;
	n = serve(&call);
	ret_outcome->taken = (size_t)head + (size_t)call.request.content_length;
	ret_outcome->keep_alive = call.request.keep_alive;
	return n;
}

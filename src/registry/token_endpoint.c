/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/token_endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/password.h"
#include "base/text.h"
#include "format/form.h"

/* What is asked for. */
struct asked {
	struct og_scope scopes[OG_SCOPES_MAX];
	size_t count;
	struct og_text text; /* the scopes as they were given, with blanks between */
	bool offline;
};

static void reply(struct og_http_request *request, int status, const struct og_json *body)
{
	og_auto_free char *text = og_json_write(body);

	og_http_set_header(request, "Cache-Control", "no-store");
	og_http_reply(request, status, "application/json", text, strlen(text));
}

static void reply_error(struct og_http_request *request, int status, const char *code,
			const char *description)
{
	og_cleanup(og_json_freep) struct og_json *body = og_json_new_object();

	og_json_set_string(body, "error", code);
	og_json_set_string(body, "error_description", description);
	reply(request, status, body);
}

/* ---- what is asked for ---- */

/* Scopes with blanks between; those of a kind that is not known ask for nothing. */
static int add_scopes(struct asked *asked, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		struct og_scope scope;

		if (len > 0) {
			if (asked->count == OG_SCOPES_MAX)
				return -E2BIG;
			if (og_scope_parse(text, len, &scope, NULL) < 0)
				return -EINVAL;
			asked->scopes[asked->count++] = scope;
			if (asked->text.len > 0)
				og_text_add(&asked->text, " ");
			og_text_add_bytes(&asked->text, text, len);
		}
		text += len + (text[len] == ' ' ? 1 : 0);
	}
	return 0;
}

static bool check_service(const struct og_access *access, const char *service)
{
	return service == NULL || service[0] == '\0' ||
	       og_streq(service, og_tokens_service(og_access_tokens(access)));
}

/* ---- the answer ---- */

static int give(struct og_access *access, const struct og_identity *identity, struct asked *asked,
		struct og_http_request *request)
{
	og_cleanup(og_json_freep) struct og_json *body = og_json_new_object();
	const struct timespec now = { .tv_sec = time(NULL) };
	char refresh[OG_REFRESH_TOKEN_CHARS + 1], moment[OG_CLOCK_TEXT_BYTES];
	og_auto_free char *token = NULL;
	struct og_err err = {};
	int r = og_access_issue(access, identity, asked->scopes, asked->count, now.tv_sec, &token,
				&err);

	if (r < 0) {
		reply_error(request, 500, "server_error", err.text);
		return 0;
	}
	og_clock_format(&now, moment);
	og_json_set_string(body, "token", token);
	og_json_set_string(body, "access_token", token);
	og_json_set_string(body, "token_type", "Bearer");
	og_json_set_int(body, "expires_in", og_tokens_lifetime_s(og_access_tokens(access)));
	og_json_set_string(body, "issued_at", moment);
	og_json_set_string(body, "scope", asked->text.len > 0 ? asked->text.buf : "");
	if (asked->offline && identity->kind == OG_SUBJECT_ACCOUNT &&
	    og_access_issue_refresh(access, identity, refresh, NULL) == 0)
		og_json_set_string(body, "refresh_token", refresh);
	reply(request, 200, body);
	return 0;
}

static int serve_get(struct og_access *access, const struct og_identity *identity,
		     struct og_http_request *request)
{
	og_auto_free struct asked *asked = calloc(1, sizeof(*asked));
	const char *offline = og_http_query(request, "offline_token");
	const char *scope;
	int r = asked != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && (scope = og_http_query_at(request, "scope", i)) != NULL; i++)
		r = add_scopes(asked, scope);
	if (r < 0)
		reply_error(request, 400, "invalid_scope", "a scope is TYPE:NAME:ACTIONS");
	else if (identity->has_token) /* or one token would last for ever */
		reply_error(request, 401, "invalid_client", "a token gets no other token");
	else if (!check_service(access, og_http_query(request, "service")))
		reply_error(request, 400, "invalid_request", "this is another service");
	else {
		asked->offline = offline != NULL && og_streq(offline, "true");
		r = give(access, identity, asked, request);
	}
	if (asked != NULL)
		og_text_done(&asked->text);
	return 0;
}

/* ---- POST ---- */

static int serve_form(struct og_access *access, const struct og_form *form,
		      struct og_http_request *request)
{
	og_auto_free struct asked *asked = calloc(1, sizeof(*asked));
	const char *grant = og_form_get(form, "grant_type");
	struct og_identity identity = {};
	struct og_err err = {};
	int r = asked != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < form->count; i++)
		if (og_streq(form->fields[i].name, "scope"))
			r = add_scopes(asked, form->fields[i].value);
	if (r < 0 || !check_service(access, og_form_get(form, "service"))) {
		reply_error(request, 400, "invalid_request", "scope or service");
	} else if (og_streq(grant, "password")) {
		r = og_access_check_password(access, og_form_get(form, "username"),
					     og_form_get(form, "password"), &identity, &err);
	} else if (og_streq(grant, "refresh_token")) {
		r = og_access_check_refresh(access, og_form_get(form, "refresh_token"), &identity,
					    &err);
	} else {
		reply_error(request, 400, "unsupported_grant_type",
			    "password and refresh_token are");
	}
	if (!og_http_answered(request)) {
		if (r == 0) {
			asked->offline = og_streq(og_form_get(form, "access_type"), "offline");
			r = give(access, &identity, asked, request);
		} else {
			reply_error(request, r == -EACCES ? 401 : 500,
				    r == -EACCES ? "invalid_grant" : "server_error", err.text);
		}
	}
	if (asked != NULL)
		og_text_done(&asked->text);
	og_identity_done(&identity);
	return r == -EACCES ? r : 0;
}

static int serve_post(struct og_access *access, struct og_http_request *request)
{
	og_cleanup(og_form_done) struct og_form form = {};
	og_auto_free char *body = NULL;
	size_t len = 0;
	int r = og_http_read_body(request, OG_TOKEN_FORM_MAX, &body, &len, NULL);

	if (r == 0)
		r = og_form_parse(body, len, "scope", &form, NULL);
	if (body != NULL)
		explicit_bzero(body, len);
	if (r < 0) {
		reply_error(request, r == -EFBIG ? 413 : 400, "invalid_request", "no form");
		return 0;
	}
	return serve_form(access, &form, request);
}

int og_token_endpoint_serve(struct og_access *access, const struct og_identity *identity,
			    struct og_http_request *request)
{
	const char *method = og_http_method(request);

	if (og_streq(method, "GET") || og_streq(method, "HEAD"))
		return serve_get(access, identity, request);
	if (og_streq(method, "POST"))
		return serve_post(access, request);
	og_http_set_header(request, "Allow", "GET, POST");
	reply_error(request, 405, "invalid_request", "GET and POST are served here");
	return 0;
}

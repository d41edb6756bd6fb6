/* SPDX-License-Identifier: Apache-2.0 */
#include "client/session.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 65536U

int og_session_init(struct og_session *session, const char *host, struct og_err *err)
{
	const char *from_environment = getenv("ONGGI_HOST");

	*session = (struct og_session){};
	if (host == NULL && from_environment != NULL && from_environment[0] != '\0')
		host = from_environment;
	return og_host_parse(host != NULL ? host : OG_DEFAULT_HOST, &session->host, err);
}

void og_session_done(struct og_session *session)
{
	og_host_done(&session->host);
}

int og_session_open(struct og_session *session, const struct og_http_call *call,
		    struct og_http **ret_http, struct og_err *err)
{
	int r = og_http_open(&session->host, call, ret_http, err);

	if ((r != -ENOENT && r != -ECONNREFUSED) || session->host.unix_path == NULL ||
	    session->daemon_started)
		return r;
	session->daemon_started = true;
	r = og_daemon_start(&session->host, err);
	if (r < 0)
		return r;
	return og_http_open(&session->host, call, ret_http, err);
}

int og_answer_check(struct og_http *http, int *ret_status, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int status = og_http_answer_status(http);
	const char *message;

	if (ret_status != NULL)
		*ret_status = status;
	if (status < 400)
		return status;
	if (og_http_read_all(http, MESSAGE_MAX, &text, &len, err) < 0)
		return -EREMOTEIO;
	if (og_json_parse(text, len, &answer, NULL) == 0)
		message = og_json_string(og_json_get(answer, "message"), text);
	else
		message = text;
	if (message[0] == '\0')
		return og_fail_plain(err, -EREMOTEIO, "the daemon answered with status %d", status);
	return og_fail_plain(err, -EREMOTEIO, "%.*s", (int)strcspn(message, "\n"), message);
}

static int read_json(struct og_http *http, struct og_json **ret_answer, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_http_read_all(http, OG_ANSWER_MAX, &text, &len, err);

	if (r < 0)
		return r;
	*ret_answer = NULL;
	if (len == 0)
		return 0;
	r = og_json_parse(text, len, ret_answer, err);
	return r < 0 ? og_fail_in(err, r, "read the daemon's answer") : 0;
}

int og_session_call(struct og_session *session, struct og_call *call, struct og_json **ret_answer,
		    struct og_err *err)
{
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_free char *path = og_strdupf(OG_API "%s", call->path);
	og_auto_free char *body = call->body != NULL ? og_json_write(call->body) : NULL;
	struct og_http_call http_call = {
		.method = call->method,
		.path = path,
		.headers = call->headers,
		.body = body,
		.interrupt_fd = call->interrupt_fd,
	};
	int r;

	call->status = 0;
	if (path == NULL || (call->body != NULL && body == NULL))
		r = og_fail(err, -ENOMEM, "ask the daemon");
	else
		r = og_session_open(session, &http_call, &http, err);
	call->body = og_json_free(call->body);
	if (r == 0)
		r = og_answer_check(http, &call->status, err);
	if (r < 0)
		return r;
	return ret_answer != NULL ? read_json(http, ret_answer, err) : 0;
}

int og_session_ask(struct og_session *session, const char *method, struct og_json **ret_answer,
		   struct og_err *err, const char *path_fmt, ...)
{
	struct og_call call = { .method = method };
	char *path = NULL;
	va_list ap;
	int r;

	va_start(ap, path_fmt);
	r = vasprintf(&path, path_fmt, ap);
	va_end(ap);
	if (r < 0)
		return og_fail(err, -ENOMEM, "ask the daemon");
	call.path = path;
	r = og_session_call(session, &call, ret_answer, err);
	free(path);
	return r;
}

void og_url_add(struct og_text *url, const char *text, const char *keep)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c) != NULL || strchr(keep, c) != NULL)
			og_text_add_bytes(url, text, 1);
		else
			og_text_addf(url, "%%%02X", c);
	}
}

char *og_url_name(const char *text)
{
	og_auto_text url = {};

	og_url_add(&url, text, "/:@");
	return og_text_take(&url);
}

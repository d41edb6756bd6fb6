/* SPDX-License-Identifier: Apache-2.0 */
#include "image/remote_ask.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "image/remote_auth.h"

/* How often one request is tried again without a byte of progress, and how often at all. */
#define TRIES_WITHOUT_PROGRESS 5
#define TRIES_MAX	       50

/* Wherever Docker keeps a registry's certificates; the first that exists counts. */
static const char *const certs_dirs[] = { "/etc/onggi/certs.d", "/etc/docker/certs.d" };

struct og_remote {
	struct og_imageref ref;
	const struct og_remote_options *options;
	char host[OG_IMAGEREF_NAME_MAX + 1];
	bool may_be_insecure;
	char ca_file[512];		    /* "" for the system's */
	char cert_file[512], key_file[512]; /* "" for none */

	pthread_mutex_t lock; /* over what is below */
	bool plain_http;
	char *authorization; /* owned; NULL while none is needed */
	char *mount_from;    /* owned; a repository the token is for besides; NULL: none */
};

/* Takes the file @name of the first folder that has it. */
static void find_file(const struct og_remote *registry, const char *name, char *path, size_t size)
{
	for (size_t i = 0; i < sizeof(certs_dirs) / sizeof(certs_dirs[0]); i++) {
		(void)snprintf(path, size, "%s/%s/%s", certs_dirs[i], registry->ref.domain, name);
		if (access(path, R_OK) == 0)
			return;
	}
	path[0] = '\0';
}

static void find_certificates(struct og_remote *registry)
{
	find_file(registry, "ca.crt", registry->ca_file, sizeof(registry->ca_file));
	find_file(registry, "client.cert", registry->cert_file, sizeof(registry->cert_file));
	find_file(registry, "client.key", registry->key_file, sizeof(registry->key_file));
}

int og_remote_new(const struct og_imageref *ref, const struct og_remote_options *options,
		  struct og_remote **ret_registry, struct og_err *err)
{
	struct og_remote *registry = calloc(1, sizeof(*registry));

	if (registry == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	registry->ref = *ref;
	registry->options = options;
	/* Docker Hub's registry has another name than its images. */
	(void)snprintf(registry->host, sizeof(registry->host), "%s",
		       og_streq(ref->domain, OG_IMAGEREF_HUB) ? "registry-1.docker.io"
							      : ref->domain);
	registry->may_be_insecure = og_remote_is_insecure(ref->domain, options->insecure);
	find_certificates(registry);
	(void)pthread_mutex_init(&registry->lock, NULL);
	*ret_registry = registry;
	return 0;
}

struct og_remote *og_remote_free(struct og_remote *registry)
{
	if (registry == NULL)
		return NULL;
	(void)pthread_mutex_destroy(&registry->lock);
	free(registry->authorization);
	free(registry->mount_from);
	free(registry);
	return NULL;
}

/* ---- one request with all that may come in its way ---- */

static bool may_ask(void *data, const char *url)
{
	const struct og_inquiry *inquiry = data;

	return og_remote_may_ask(url, inquiry->registry->options->insecure);
}

static int on_body(void *data, const struct og_http_response *response, const void *buf, size_t len)
{
	const struct og_inquiry *inquiry = data;

	return inquiry->body(inquiry->data, response, buf, len);
}

static int on_tick(void *data)
{
	const struct og_remote_options *options = ((struct og_inquiry *)data)->registry->options;

	return options->tick != NULL ? options->tick(options->tick_data) : 0;
}

/* The authorization of the moment, the caller's to free; NULL when there is none. */
static char *copy_authorization(struct og_remote *registry)
{
	char *copy;

	(void)pthread_mutex_lock(&registry->lock);
	copy = registry->authorization != NULL ? strdup(registry->authorization) : NULL;
	(void)pthread_mutex_unlock(&registry->lock);
	return copy;
}

/* An address the registry named may be another's: that one gets no credentials and no trust. */
static bool is_home(const struct og_remote *registry, const char *url)
{
	og_auto_free char *https = og_strdupf("https://%s/", registry->host);
	og_auto_free char *http = og_strdupf("http://%s/", registry->host);

	return https != NULL && http != NULL &&
	       (og_http_same_origin(url, https) ||
		(registry->may_be_insecure && og_http_same_origin(url, http)));
}

static char *make_url(const struct og_inquiry *inquiry, bool plain_http)
{
	const struct og_remote *registry = inquiry->registry;
	const char *scheme = plain_http ? "http" : "https";

	if (inquiry->url != NULL)
		return strdup(inquiry->url);
	if (inquiry->root != NULL)
		return og_strdupf("%s://%s/%s/%s", scheme, registry->host, inquiry->root,
				  inquiry->path);
	return og_strdupf("%s://%s/v2/%s/%s", scheme, registry->host, registry->ref.path,
			  inquiry->path);
}

static const char *or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

static void set_certificates(const struct og_remote *registry, struct og_http_question *question)
{
	const struct og_remote_options *options = registry->options;

	question->extra_ca_file = options->ca_file;
	if (options->ca_file == NULL)
		question->ca_file = or_null(registry->ca_file);
	question->unverified = registry->may_be_insecure && question->ca_file == NULL &&
			       question->extra_ca_file == NULL;
	if (options->cert_file != NULL) {
		question->cert_file = options->cert_file;
		question->key_file = options->key_file != NULL ? options->key_file
							       : options->cert_file;
	} else if (registry->cert_file[0] != '\0' && registry->key_file[0] != '\0') {
		question->cert_file = registry->cert_file;
		question->key_file = registry->key_file;
	}
}

/* What to do where it has no TLS, or a certificate of its own, and was not said to be insecure. */
static void advise(const struct og_remote *registry, int r, struct og_err *err)
{
	char said[OG_ERR_TEXT_MAX];

	if (err == NULL || registry->may_be_insecure)
		return;
	memcpy(said, err->text, sizeof(said));
	if (r == -EPROTO)
		(void)og_fail_plain(err, r,
				    "%s; a registry without TLS has to be named by "
				    "'onggid --insecure-registry' or '--insecure'",
				    said);
	if (r == -EKEYREJECTED)
		(void)og_fail_plain(err, r, "%s; trusted is %s/%s/ca.crt, too", said, certs_dirs[0],
				    registry->ref.domain);
}

static int ask_plainly(struct og_inquiry *inquiry, bool plain_http, const char *authorization,
		       struct og_http_response **ret_response, struct og_err *err)
{
	og_auto_free char *url = make_url(inquiry, plain_http);
	struct og_http_question question = {
		.url = url,
		.method = inquiry->method,
		.upload = inquiry->upload,
		.headers = inquiry->headers,
		.max_body_bytes = inquiry->max_body_bytes,
		.may = may_ask,
		.body = inquiry->body != NULL ? on_body : NULL,
		.tick = on_tick,
		.data = inquiry,
	};
	int r = inquiry->prepare != NULL ? inquiry->prepare(inquiry->data, err) : 0;

	if (r < 0)
		return r;
	if (url == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (is_home(inquiry->registry, url)) {
		question.authorization = authorization;
		set_certificates(inquiry->registry, &question);
	}
	r = og_http_ask(inquiry->client, &question, ret_response, err);
	if (r < 0 && is_home(inquiry->registry, url))
		advise(inquiry->registry, r, err);
	if (r == 0) {
		free(inquiry->asked_url);
		inquiry->asked_url = og_take_ptr(url);
	}
	return r;
}

/* Did it fail before a word of HTTP was spoken, as where the other side knows no TLS? */
static bool spoke_no_http(int r)
{
	return r == -EPROTO || r == -ECONNREFUSED || r == -ECONNRESET;
}

static void set_plain_http(struct og_remote *registry)
{
	(void)pthread_mutex_lock(&registry->lock);
	registry->plain_http = true;
	(void)pthread_mutex_unlock(&registry->lock);
}

/* HTTPS first; where it may be and HTTPS does not work, HTTP from then on. */
static int ask_any_scheme(struct og_inquiry *inquiry, const char *authorization,
			  struct og_http_response **ret_response, struct og_err *err)
{
	struct og_remote *registry = inquiry->registry;
	struct og_err plain_err = {};
	bool plain_http;
	int r, plain_r;

	(void)pthread_mutex_lock(&registry->lock);
	plain_http = registry->plain_http;
	(void)pthread_mutex_unlock(&registry->lock);
	r = ask_plainly(inquiry, plain_http, authorization, ret_response, err);
	if (plain_http || inquiry->url != NULL || !registry->may_be_insecure || !spoke_no_http(r))
		return r;
	plain_r = ask_plainly(inquiry, true, authorization, ret_response, &plain_err);
	if (spoke_no_http(plain_r))
		return r; /* neither works: HTTPS is what was meant */
	if (plain_r < 0 && err != NULL)
		*err = plain_err;
	set_plain_http(registry);
	return plain_r;
}

/* "repository:NAME:pull,push", the caller's to free. */
static char *make_scope(const struct og_remote *registry)
{
	unsigned int access = registry->options->access;
	og_auto_text scope = {};

	if ((access & OG_REMOTE_CATALOG) != 0)
		return strdup("registry:catalog:*");
	og_text_addf(&scope, "repository:%s:pull", registry->ref.path);
	if ((access & OG_REMOTE_PUSH) != 0)
		og_text_add(&scope, ",push");
	if ((access & OG_REMOTE_DELETE) != 0)
		og_text_add(&scope, ",delete");
	return og_text_take(&scope);
}

/* With the lock held. */
static int get_authorization(struct og_inquiry *inquiry, const struct og_http_response *response,
			     char **ret_authorization, struct og_err *err)
{
	const struct og_remote *registry = inquiry->registry;
	og_auto_free char *scope = make_scope(registry);
	og_auto_free char *from = NULL;
	const char *scopes[OG_REMOTE_SCOPES_MAX + 1] = {};

	if (registry->mount_from != NULL)
		from = og_strdupf("repository:%s:pull", registry->mount_from);
	if (scope == NULL || (registry->mount_from != NULL && from == NULL))
		return og_fail(err, -ENOMEM, "no memory");
	if ((registry->options->access & OG_REMOTE_LOGIN) == 0) {
		scopes[0] = scope;
		scopes[1] = from;
	}
	return og_remote_authorize(inquiry->client, response, registry->options, scopes,
				   ret_authorization, err);
}

/* Gets what a 401 asked for, unless another thread has done so since. */
static int authorize(struct og_inquiry *inquiry, const struct og_http_response *response,
		     const char *tried, struct og_err *err)
{
	struct og_remote *registry = inquiry->registry;
	char *fresh = NULL;
	bool newer;
	int r = 0;

	(void)pthread_mutex_lock(&registry->lock);
	newer = registry->authorization != NULL &&
		(tried == NULL || !og_streq(tried, registry->authorization));
	if (!newer)
		r = get_authorization(inquiry, response, &fresh, err);
	if (fresh != NULL) {
		free(registry->authorization);
		registry->authorization = fresh;
	}
	(void)pthread_mutex_unlock(&registry->lock);
	return r;
}

/*
 * The first sentence of the registry's own explanation (OCI distribution-spec, "Error codes"),
 * without anything that could garble a terminal; the caller frees it.
 */
static char *explanation(const struct og_http_response *response)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	size_t len = 0;
	const char *body = og_http_body(response, &len);
	const struct og_json *first;
	char *text;

	if (og_json_parse(body, len, &root, NULL) < 0)
		return og_strdupf("HTTP status %d", og_http_status(response));
	first = og_json_at(og_json_get(root, "errors"), 0);
	text = og_strdupf("%.40s: %.200s", og_json_string(og_json_get(first, "code"), "no code"),
			  og_json_string(og_json_get(first, "message"), "no message"));
	for (char *c = text; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return text;
}

/* Docker's words, which people and tools look for. */
static int deny(const struct og_inquiry *inquiry, const char *why, struct og_err *err)
{
	const struct og_remote *registry = inquiry->registry;
	unsigned int access = registry->options->access;

	if ((access & (OG_REMOTE_CATALOG | OG_REMOTE_LOGIN)) != 0)
		return og_fail_plain(err, -EACCES, "%s refuses: unauthorized: %s", registry->host,
				     why);
	if ((access & OG_REMOTE_PUSH) != 0)
		return og_fail_plain(
			err, -EACCES,
			"denied: requested access to the resource %s is denied, it may "
			"require 'docker login': %s",
			og_imageref_familiar(&registry->ref).text, why);
	return og_fail_plain(err, -EACCES,
			     "pull access denied for %s, repository does not exist or may require "
			     "'docker login': %s",
			     og_imageref_familiar(&registry->ref).text, why);
}

static int refuse(struct og_inquiry *inquiry, const struct og_http_response *response,
		  struct og_err *err)
{
	const struct og_remote *registry = inquiry->registry;
	og_auto_free char *why = explanation(response);
	int status = og_http_status(response);

	if (status == 401 || status == 403)
		return deny(inquiry, why, err);
	if (status == 404)
		return og_fail_plain(err, -ENOENT, "%s not found: %s",
				     og_imageref_format(&registry->ref).text, why);
	/* 416: the upload is at another byte than we thought, which it can be asked for. */
	if (status == 429 || status >= 500 || (status == 416 && inquiry->upload != NULL))
		return og_fail_plain(err, -EAGAIN, "%s is busy or broken: %s", registry->host, why);
	if (inquiry->upload != NULL && status >= 400)
		return og_fail_plain(err, -EBADMSG, "%s refuses it: %s", registry->host, why);
	return og_fail_plain(err, -EPROTO, "%s gives no registry's answer: %s", registry->host,
			     why);
}

static bool is_accepted(const struct og_inquiry *inquiry, int status)
{
	for (size_t i = 0; i < sizeof(inquiry->accepted) / sizeof(inquiry->accepted[0]); i++)
		if (inquiry->accepted[i] == status)
			return true;
	return inquiry->accepted[0] == 0 && (status == 200 || status == 206);
}

int og_inquire_once(struct og_inquiry *inquiry, struct og_http_response **ret_response,
		    struct og_err *err)
{
	og_auto_free char *authorization = copy_authorization(inquiry->registry);
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	int r = ask_any_scheme(inquiry, authorization, &response, err);

	if (r == 0 && og_http_status(response) == 401) {
		og_auto_free char *next = NULL;

		r = authorize(inquiry, response, authorization, err);
		if (r < 0)
			return r;
		next = copy_authorization(inquiry->registry);
		if (next == NULL)
			return refuse(inquiry, response, err);
		response = og_http_response_free(response);
		r = ask_any_scheme(inquiry, next, &response, err);
	}
	if (r < 0)
		return r;
	if (!is_accepted(inquiry, og_http_status(response)))
		return refuse(inquiry, response, err);
	*ret_response = og_take_ptr(response);
	return 0;
}

bool og_may_pass_by_itself(int r)
{
	return r == -ECONNRESET || r == -ETIMEDOUT || r == -EAGAIN;
}

int og_inquiry_pause(struct og_inquiry *inquiry, int tries)
{
	int rounds = 1 << (tries < 6 ? tries : 6);
	int r = 0;

	for (int i = 0; i < rounds / 2 && r == 0; i++) {
		(void)poll(NULL, 0, 100);
		r = on_tick(inquiry);
	}
	return r;
}

bool og_inquiry_hope(struct og_inquiry_tries *tries, uint64_t progress)
{
	tries->fruitless = progress > tries->progress ? 1 : tries->fruitless + 1;
	tries->progress = progress;
	return ++tries->count < TRIES_MAX && tries->fruitless < TRIES_WITHOUT_PROGRESS;
}

int og_inquire(struct og_inquiry *inquiry, struct og_http_response **ret_response,
	       struct og_err *err)
{
	struct og_inquiry_tries tries = {};

	for (;;) {
		int r = og_inquire_once(inquiry, ret_response, err);

		if (!og_may_pass_by_itself(r) ||
		    !og_inquiry_hope(&tries, inquiry->progress != NULL ? *inquiry->progress : 0))
			return r;
		if (og_inquiry_pause(inquiry, tries.fruitless) < 0)
			return og_fail_plain(err, -ECANCELED, "cancelled");
	}
}

void og_inquiry_done(struct og_inquiry *inquiry)
{
	free(inquiry->asked_url);
	inquiry->asked_url = NULL;
}

int og_remote_set_mount_from(struct og_remote *registry, const char *from, struct og_err *err)
{
	og_auto_free char *copy = strdup(from);

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	(void)pthread_mutex_lock(&registry->lock);
	if (registry->mount_from == NULL || !og_streq(registry->mount_from, from)) {
		free(registry->mount_from);
		registry->mount_from = og_take_ptr(copy);
		free(registry->authorization);
		registry->authorization = NULL;
	}
	(void)pthread_mutex_unlock(&registry->lock);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/pk.h"
#include "base/text.h"
#include "registry/gate.h"
#include "registry/ops_internal.h"

#define LOG_LINE_MAX	1024U
#define ENGINE_DATABASE "images.db"
#define ENGINE_LAYOUT	"registry"

void ops_log(const struct og_registry_ops *ops, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list args;

	if (ops->log == NULL)
		return;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	ops->log(ops->log_data, line);
}

int og_registry_state_folder(const char *root, struct og_err *err)
{
	og_auto_fd root_fd = -EBADF, made = -EBADF;
	int fd, r;

	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make '%s'", root);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return og_fail(err, -errno, "open '%s'", root);
	if (faccessat(root_fd, ENGINE_DATABASE, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return og_take_fd(&root_fd);
	r = og_mkdirs_in_root(root_fd, ENGINE_LAYOUT, 0700, &made, err);
	if (r < 0)
		return r;
	fd = openat(root_fd, ENGINE_LAYOUT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? og_fail(err, -errno, "open '%s/" ENGINE_LAYOUT "'", root) : fd;
}

int og_registry_check_root(const char *root, struct og_err *err)
{
	static const char *const files[] = { "registry.db", "accounts.db",
					     ENGINE_LAYOUT "/registry.db",
					     ENGINE_LAYOUT "/accounts.db" };
	og_auto_fd root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return og_fail(err, -errno, "--root '%s'", root);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (faccessat(root_fd, files[i], F_OK, 0) == 0)
			return 0;
	}
	return og_fail_plain(err, -ENOENT, "--root '%s': no registry is there (no registry.db)",
			     root);
}

/* ---- the parts ---- */

static int trust_issuers(struct og_registry_ops *ops, struct og_err *err)
{
	const struct og_registry_config *config = ops->config;

	for (size_t i = 0; i < config->issuer_count; i++) {
		const struct og_config_issuer *issuer = &config->issuers[i];
		og_auto_free char *pem = NULL;
		size_t len = 0;
		int r = og_read_file(AT_FDCWD, issuer->key, OG_PK_PEM_MAX, &pem, &len, err);

		if (r == 0)
			r = og_access_trust(ops->access, issuer->issuer, issuer->audience, pem, len,
					    err);
		if (r < 0)
			return og_fail_in(err, r, "issuer '%s'", issuer->issuer);
	}
	return 0;
}

static int open_access(struct og_registry_ops *ops, int state_fd, struct og_err *err)
{
	struct og_registry_config *config = ops->config;
	struct og_access_options options = {
		.dir_fd = state_fd,
		.htpasswd = config->htpasswd,
		.permissions = og_take_ptr(config->permissions),
		.open = config->open,
		.service = config->service != NULL ? config->service : OG_TOKENS_ISSUER,
		.token_s = (unsigned)config->token_s,
		.log = ops->log,
		.log_data = ops->log_data,
	};
	int r;

	if (!config->has_access)
		return 0;
	r = og_access_new(&options, &ops->access, err);
	return r < 0 ? r : trust_issuers(ops, err);
}

static int make_rate(const struct og_config_rate *rate, struct og_rate **ret_rate,
		     struct og_err *err)
{
	return rate->rate > 0 ? og_rate_new(rate->rate, rate->burst, ret_rate, err) : 0;
}

static int make_readers(struct og_registry_ops *ops, struct og_err *err)
{
	char *const *readers = ops->config->metrics_readers;
	int r = 0;

	if (readers == NULL)
		return 0;
	r = og_permissions_new(&ops->metrics_readers, err);
	for (size_t i = 0; r == 0 && readers[i] != NULL; i++)
		r = og_permissions_add(ops->metrics_readers, "**", readers[i], OG_RIGHT_READ, err);
	return r < 0 ? og_fail_in(err, r, "metrics: readers") : 0;
}

static int open_parts(struct og_registry_ops *ops, int state_fd, struct og_err *err)
{
	struct og_registry_config *config = ops->config;
	int r = open_access(ops, state_fd, err);

	if (r == 0)
		r = make_rate(&config->requests, &ops->requests, err);
	if (r == 0 && config->has_access)
		r = make_rate(&config->logins, &ops->logins, err);
	if (r == 0)
		r = make_readers(ops, err);
	if (r == 0 && config->log_file != NULL)
		r = og_access_log_open(config->log_file, config->log_combined, &ops->access_log,
				       err);
	if (r == 0 && config->upstream_count > 0)
		r = og_cache_new(config, &ops->metrics, ops->log, ops->log_data, &ops->cache, err);
	return r;
}

int og_registry_ops_new(struct og_registry_config *config, int state_fd,
			void (*log)(void *data, const char *line), void *log_data,
			struct og_registry_ops **ret_ops, struct og_err *err)
{
	og_cleanup(og_registry_ops_freep) struct og_registry_ops *ops = calloc(1, sizeof(*ops));
	pthread_condattr_t attr;
	int r;

	if (ops == NULL)
		return og_fail(err, -ENOMEM, "registry");
	for (size_t i = 0; i < OPS_VISIT_SETS; i++)
		(void)pthread_mutex_init(&ops->visit_locks[i], NULL);
	(void)pthread_mutex_init(&ops->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&ops->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	ops->config = config;
	ops->log = log;
	ops->log_data = log_data;
	r = open_parts(ops, state_fd, err);
	if (r < 0)
		return r;
	*ret_ops = og_take_ptr(ops);
	return 0;
}

struct og_registry_ops *og_registry_ops_free(struct og_registry_ops *ops)
{
	if (ops == NULL)
		return NULL;
	og_registry_ops_stop(ops);
	og_cache_free(ops->cache);
	og_access_log_free(ops->access_log);
	og_rate_free(ops->requests);
	og_rate_free(ops->logins);
	og_permissions_free(ops->metrics_readers);
	og_access_free(ops->access);
	(void)pthread_cond_destroy(&ops->changed);
	(void)pthread_mutex_destroy(&ops->lock);
	for (size_t i = 0; i < OPS_VISIT_SETS; i++)
		(void)pthread_mutex_destroy(&ops->visit_locks[i]);
	free(ops);
	return NULL;
}

void og_registry_ops_fill(struct og_registry_ops *ops, struct og_registry_options *options)
{
	guard_fill(ops, &options->policy);
	keeper_fill(ops, &options->hooks);
}

/* ---- metrics on an address of their own ---- */

static void serve_metrics(struct og_http_request *request, void *data)
{
	const struct og_registry_ops *ops = data;
	og_auto_text text = {};

	if (!og_streq(og_http_path(request), "/metrics")) {
		og_http_reply(request, 404, "text/plain", "/metrics\n", strlen("/metrics\n"));
		return;
	}
	og_metrics_write(&ops->metrics, &text);
	og_http_reply(request, 200, OG_METRICS_TYPE, text.buf, text.len);
}

static int listen_metrics(struct og_registry_ops *ops, struct og_err *err)
{
	const struct og_http_config http = {
		.handle = serve_metrics,
		.data = ops,
		.limits = { .connections_max = 16 },
		.trailing_slash = true,
		.error_body = og_registry_error_body,
		.error_type = "application/json",
		.body_max = og_registry_body_max,
	};
	const struct og_http_listen listen = { .peers = OG_HTTP_ANYBODY };
	int fd, r;

	if (ops->config->metrics_addr == NULL)
		return 0;
	r = og_http_server_new(&http, &ops->metrics_server, err);
	if (r < 0)
		return r;
	fd = og_http_listen_tcp(ops->config->metrics_addr, err);
	return fd < 0 ? fd : og_http_server_listen(ops->metrics_server, fd, &listen, err);
}

int og_registry_ops_start(struct og_registry_ops *ops, struct og_registry *registry,
			  struct og_err *err)
{
	const char *policy = ops->config->policy;
	struct og_err wrong = {};
	int r = 0;

	ops->registry = registry;
	if (policy != NULL && og_registry_gate_check(policy, &wrong) < 0)
		ops_log(ops, "policy '%s' lets nothing in that needs it: %s", policy, wrong.text);
	if (ops->config->webhook_count > 0)
		r = og_webhooks_new(ops->config, &ops->metrics, ops->log, ops->log_data,
				    &ops->webhooks, err);
	if (r == 0)
		r = listen_metrics(ops, err);
	return r < 0 ? r : retention_start(ops, err);
}

void og_registry_ops_hurry(struct og_registry_ops *ops)
{
	og_cache_stop(ops->cache);
}

void og_registry_ops_stop(struct og_registry_ops *ops)
{
	ops->metrics_server = og_http_server_free(ops->metrics_server);
	retention_stop(ops);
	ops->webhooks = og_webhooks_free(ops->webhooks);
}

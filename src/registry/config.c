/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "access/tokens.h"
#include "base/io.h"
#include "base/text.h"
#include "registry/config_values.h"

#define KEYS(...)	  ((const char *const[]){ __VA_ARGS__, NULL })
#define COUNT_MAX	  1000U /* rules, upstreams, webhooks: of each */
#define DAY_S		  86400U
#define TOKEN_LEAST_S	  60U /* the token specification's least */
#define WEBHOOK_TIMEOUT_S 10U
#define WEBHOOK_ATTEMPTS  5U

void og_registry_config_init(struct og_registry_config *config)
{
	*config = (struct og_registry_config){
		.open = true,
		.token_s = OG_TOKENS_S,
		.logins = { .rate = 1, .burst = 20 },
		.min_rate = OG_REGISTRY_MIN_RATE,
		.grace_s = 3600,
		.collect_s = DAY_S,
		.scrub_s = 7 * DAY_S,
		.upload_s = DAY_S,
		.uploads_max = 10000,
		.retention_s = 3600,
	};
}

static void repositories_done(struct og_config_repositories *rule)
{
	free(rule->pattern);
	og_strv_free(rule->immutable);
	og_strv_free(rule->keep);
}

static void upstream_done(struct og_config_upstream *upstream)
{
	free(upstream->prefix);
	free(upstream->url);
	free(upstream->user);
	free(upstream->password_file);
	free(upstream->ca);
}

static void webhook_done(struct og_config_webhook *webhook)
{
	free(webhook->url);
	free(webhook->secret_file);
	free(webhook->ca);
	og_strv_free(webhook->repositories);
}

void og_registry_config_done(struct og_registry_config *config)
{
	char *const texts[] = { config->addr,	      config->root,
				config->url,	      config->tls_certificate,
				config->tls_key,      config->tls_client_ca,
				config->htpasswd,     config->service,
				config->metrics_addr, config->log_file,
				config->policy };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < config->issuer_count; i++) {
		free(config->issuers[i].issuer);
		free(config->issuers[i].audience);
		free(config->issuers[i].key);
	}
	for (size_t i = 0; i < config->repository_count; i++)
		repositories_done(&config->repositories[i]);
	for (size_t i = 0; i < config->upstream_count; i++)
		upstream_done(&config->upstreams[i]);
	for (size_t i = 0; i < config->webhook_count; i++)
		webhook_done(&config->webhooks[i]);
	free(config->issuers);
	free(config->repositories);
	free(config->upstreams);
	free(config->webhooks);
	og_strv_free(config->metrics_readers);
	og_permissions_free(config->permissions);
	*config = (struct og_registry_config){};
}

/* Room for @count items of @size; NULL and a failure when there are too many, or none. */
static void *make_items(struct config_reader *reader, const struct og_json *object, const char *key,
			size_t count, size_t size)
{
	void *items = NULL;

	if (count > COUNT_MAX)
		config_fail(reader, object, key, "over %u of them", COUNT_MAX);
	else if (count > 0)
		items = calloc(count, size);
	if (count > 0 && items == NULL && reader->r == 0)
		reader->r = og_fail(reader->err, -ENOMEM, "read the configuration");
	return items;
}

/* ---- sections ---- */

static void read_tls(struct config_reader *reader, const struct og_json *tls,
		     const struct og_json *root, struct og_registry_config *config)
{
	og_auto_free char *client = NULL;

	config_keys(reader, tls, "tls", KEYS("certificate", "key", "client-ca", "client"));
	config_path(reader, tls, "certificate", &config->tls_certificate);
	config_path(reader, tls, "key", &config->tls_key);
	config_path(reader, tls, "client-ca", &config->tls_client_ca);
	config_text(reader, tls, "client", &client);
	if (config->tls_certificate == NULL || config->tls_key == NULL)
		config_fail(reader, root, "tls", "certificate and key are needed");
	if (client == NULL)
		return;
	config->tls_client_optional = og_streq(client, "optional");
	if (!config->tls_client_optional && !og_streq(client, "required"))
		config_fail(reader, tls, "client", "it must be required or optional");
	if (config->tls_client_ca == NULL)
		config_fail(reader, tls, "client", "without client-ca no certificate is asked for");
}

static void read_rights(struct config_reader *reader, const struct og_json *subjects,
			const char *pattern, struct og_registry_config *config)
{
	struct og_json_member member = {};

	while (reader->r == 0 && og_json_next(subjects, &member)) {
		struct og_err err = {};
		unsigned rights = 0;

		if (og_json_kind(member.value) != OG_JSON_ARRAY)
			config_fail(reader, subjects, member.key, "it must be a list of rights");
		for (size_t i = 0; reader->r == 0 && i < og_json_count(member.value); i++) {
			const char *word = og_json_string(og_json_at(member.value, i), "");
			unsigned right = og_right_parse(word);

			if (right == 0)
				config_fail(reader, subjects, member.key,
					    "'%s' is no right; there are read, create, update and "
					    "delete",
					    word);
			rights |= right;
		}
		if (reader->r == 0 &&
		    og_permissions_add(config->permissions, pattern, member.key, rights, &err) < 0)
			config_fail(reader, subjects, member.key, "%s", err.text);
	}
}

static void read_permissions(struct config_reader *reader, const struct og_json *permissions,
			     struct og_registry_config *config)
{
	struct og_json_member member = {};

	if (og_permissions_new(&config->permissions, reader->err) < 0)
		reader->r = -ENOMEM;
	while (reader->r == 0 && og_json_next(permissions, &member)) {
		if (og_json_kind(member.value) != OG_JSON_OBJECT)
			config_fail(reader, permissions, member.key,
				    "it must be a mapping of subjects to lists of rights");
		read_rights(reader, member.value, member.key, config);
	}
}

static void read_issuers(struct config_reader *reader, const struct og_json *access,
			 const struct og_json *list, struct og_registry_config *config)
{
	size_t count = og_json_count(list);

	config->issuers = make_items(reader, access, "issuers", count, sizeof(*config->issuers));
	if (config->issuers == NULL)
		return;
	config->issuer_count = count;
	for (size_t i = 0; i < count; i++) {
		struct og_config_issuer *issuer = &config->issuers[i];
		const struct og_json *entry = og_json_at(list, i);

		config_keys(reader, entry, "issuers", KEYS("issuer", "audience", "key"));
		config_text(reader, entry, "issuer", &issuer->issuer);
		config_text(reader, entry, "audience", &issuer->audience);
		config_path(reader, entry, "key", &issuer->key);
		if (issuer->issuer == NULL || issuer->audience == NULL || issuer->key == NULL)
			config_fail(reader, access, "issuers",
				    "each needs issuer, audience and key");
	}
}

static void read_access(struct config_reader *reader, const struct og_json *access,
			struct og_registry_config *config)
{
	const struct og_json *list, *permissions;

	config->has_access = true;
	config->open = false;
	config_keys(reader, access, "access",
		    KEYS("open", "htpasswd", "service", "token-lifetime", "issuers",
			 "permissions"));
	config_bool(reader, access, "open", &config->open);
	config_path(reader, access, "htpasswd", &config->htpasswd);
	config_text(reader, access, "service", &config->service);
	config_seconds(reader, access, "token-lifetime", &config->token_s);
	if (config->token_s < TOKEN_LEAST_S || config->token_s > DAY_S)
		config_fail(reader, access, "token-lifetime", "it must be from %us to 1d",
			    TOKEN_LEAST_S);
	if (config->service != NULL && strpbrk(config->service, "\"\\, ") != NULL)
		config_fail(reader, access, "service", "a name without blanks and quotes");
	list = config_list(reader, access, "issuers");
	if (list != NULL)
		read_issuers(reader, access, list, config);
	permissions = config_section(reader, access, "permissions");
	if (permissions == NULL)
		return;
	if (config->open)
		config_fail(reader, access, "open", "the permissions say who may do what");
	read_permissions(reader, permissions, config);
}

static void read_rate(struct config_reader *reader, const struct og_json *limits, const char *key,
		      struct og_config_rate *rate)
{
	const struct og_json *section = config_section(reader, limits, key);

	if (section == NULL)
		return;
	config_keys(reader, section, key, KEYS("rate", "burst"));
	rate->burst = 0;
	config_number(reader, section, "rate", 0, 1000000, &rate->rate);
	config_number(reader, section, "burst", 1, 10000000, &rate->burst);
	if (rate->burst == 0)
		rate->burst = rate->rate > 0 ? 2 * rate->rate : 1;
}

static void read_limits(struct config_reader *reader, const struct og_json *limits,
			struct og_registry_config *config)
{
	config_keys(reader, limits, "limits",
		    KEYS("requests", "logins", "connections", "min-rate"));
	read_rate(reader, limits, "requests", &config->requests);
	read_rate(reader, limits, "logins", &config->logins);
	config_number(reader, limits, "connections", 1, 100000, &config->connections);
	config_bytes(reader, limits, "min-rate", &config->min_rate);
	if (config->min_rate > UINT32_MAX)
		config_fail(reader, limits, "min-rate", "no connection is as fast");
}

static void read_storage(struct config_reader *reader, const struct og_json *storage,
			 struct og_registry_config *config)
{
	config_keys(reader, storage, "storage",
		    KEYS("grace", "collect-every", "scrub-every", "retention-every", "untagged",
			 "upload-timeout", "uploads", "uploads-size", "sparse-indexes"));
	config_seconds(reader, storage, "grace", &config->grace_s);
	config_seconds(reader, storage, "collect-every", &config->collect_s);
	config_seconds(reader, storage, "scrub-every", &config->scrub_s);
	config_seconds(reader, storage, "retention-every", &config->retention_s);
	config_seconds(reader, storage, "untagged", &config->untagged_s);
	config_seconds(reader, storage, "upload-timeout", &config->upload_s);
	config_number(reader, storage, "uploads", 1, 1000000, &config->uploads_max);
	config_bytes(reader, storage, "uploads-size", &config->uploads_bytes);
	config_bool(reader, storage, "sparse-indexes", &config->sparse_indexes);
	if (config->retention_s == 0)
		config_fail(reader, storage, "retention-every", "it must be a while");
}

static void read_quota(struct config_reader *reader, const struct og_json *quota,
		       struct og_config_repositories *rule)
{
	rule->has_quota = true;
	rule->quota_bytes = rule->quota_tags = UINT64_MAX;
	config_keys(reader, quota, "quota", KEYS("size", "tags"));
	config_bytes(reader, quota, "size", &rule->quota_bytes);
	config_number(reader, quota, "tags", 0, INT64_MAX, &rule->quota_tags);
}

static void read_retention(struct config_reader *reader, const struct og_json *retention,
			   struct og_config_repositories *rule)
{
	rule->has_retention = true;
	rule->keep_last = rule->max_age_s = rule->max_unused_s = UINT64_MAX;
	config_keys(reader, retention, "retention",
		    KEYS("keep-last", "max-age", "max-unused", "keep"));
	config_number(reader, retention, "keep-last", 1, INT64_MAX, &rule->keep_last);
	config_seconds(reader, retention, "max-age", &rule->max_age_s);
	config_seconds(reader, retention, "max-unused", &rule->max_unused_s);
	config_texts(reader, retention, "keep", &rule->keep);
	if (rule->max_age_s == 0 || rule->max_unused_s == 0)
		config_fail(reader, retention, NULL, "an age of 0 would remove every tag");
}

static void read_repositories(struct config_reader *reader, const struct og_json *section,
			      struct og_registry_config *config)
{
	struct og_json_member member = {};
	size_t count = og_json_count(section);

	config->repositories =
		make_items(reader, section, NULL, count, sizeof(*config->repositories));
	if (config->repositories == NULL)
		return;
	config->repository_count = count;
	for (size_t i = 0; reader->r == 0 && og_json_next(section, &member); i++) {
		struct og_config_repositories *rule = &config->repositories[i];
		const struct og_json *entry = config_section(reader, section, member.key), *sub;
		struct og_err err = {};

		rule->pattern = strdup(member.key);
		if (entry == NULL || rule->pattern == NULL ||
		    og_repository_pattern_check(member.key, &err) < 0) {
			config_fail(reader, section, member.key, "%s",
				    err.text[0] != '\0' ? err.text : "it says nothing");
			break;
		}
		config_keys(reader, entry, "repositories", KEYS("quota", "immutable", "retention"));
		sub = config_section(reader, entry, "quota");
		if (sub != NULL)
			read_quota(reader, sub, rule);
		sub = config_section(reader, entry, "retention");
		if (sub != NULL)
			read_retention(reader, sub, rule);
		config_texts(reader, entry, "immutable", &rule->immutable);
		rule->has_immutable = rule->immutable != NULL;
	}
}

static void read_upstreams(struct config_reader *reader, const struct og_json *section,
			   struct og_registry_config *config)
{
	struct og_json_member member = {};
	size_t count = og_json_count(section);

	config->upstreams = make_items(reader, section, NULL, count, sizeof(*config->upstreams));
	if (config->upstreams == NULL)
		return;
	config->upstream_count = count;
	for (size_t i = 0; reader->r == 0 && og_json_next(section, &member); i++) {
		struct og_config_upstream *upstream = &config->upstreams[i];
		const struct og_json *entry = config_section(reader, section, member.key);

		upstream->fresh_s = 60;
		upstream->prefix = strdup(og_streq(member.key, "*") ? "" : member.key);
		if (entry == NULL || upstream->prefix == NULL ||
		    og_repository_pattern_check(member.key, NULL) < 0 ||
		    strchr(member.key + 1, '*') != NULL) {
			config_fail(reader, section, member.key,
				    "a mapping below a prefix of repositories, or \"*\"");
			break;
		}
		config_keys(reader, entry, "upstreams",
			    KEYS("url", "user", "password-file", "ca", "insecure", "fresh"));
		config_url(reader, entry, "url", &upstream->url);
		config_text(reader, entry, "user", &upstream->user);
		config_path(reader, entry, "password-file", &upstream->password_file);
		config_path(reader, entry, "ca", &upstream->ca);
		config_bool(reader, entry, "insecure", &upstream->insecure);
		config_seconds(reader, entry, "fresh", &upstream->fresh_s);
		if (upstream->url == NULL)
			config_fail(reader, section, member.key, "url is needed");
		if ((upstream->user == NULL) != (upstream->password_file == NULL))
			config_fail(reader, section, member.key,
				    "user and password-file go together");
	}
}

static void read_events(struct config_reader *reader, const struct og_json *entry,
			struct og_config_webhook *webhook)
{
	og_cleanup(og_strv_freep) char **events = NULL;

	config_texts(reader, entry, "events", &events);
	if (events == NULL)
		return;
	webhook->events = 0;
	for (size_t i = 0; events[i] != NULL; i++) {
		unsigned event = og_streq(events[i], "push")	 ? OG_CONFIG_PUSH
				 : og_streq(events[i], "pull")	 ? OG_CONFIG_PULL
				 : og_streq(events[i], "delete") ? OG_CONFIG_DELETE
								 : 0U;

		if (event == 0)
			config_fail(reader, entry, "events",
				    "'%s' is none; there are push, pull and delete", events[i]);
		webhook->events |= event;
	}
}

static void read_webhooks(struct config_reader *reader, const struct og_json *root,
			  const struct og_json *list, struct og_registry_config *config)
{
	size_t count = og_json_count(list);

	config->webhooks = make_items(reader, root, "webhooks", count, sizeof(*config->webhooks));
	if (config->webhooks == NULL)
		return;
	config->webhook_count = count;
	for (size_t i = 0; i < count; i++) {
		struct og_config_webhook *webhook = &config->webhooks[i];
		const struct og_json *entry = og_json_at(list, i);
		struct og_err err = {};

		*webhook = (struct og_config_webhook){ .events = OG_CONFIG_PUSH | OG_CONFIG_DELETE,
						       .timeout_s = WEBHOOK_TIMEOUT_S,
						       .attempts = WEBHOOK_ATTEMPTS };
		config_keys(reader, entry, "webhooks",
			    KEYS("url", "secret-file", "ca", "events", "repositories", "timeout",
				 "attempts"));
		config_url(reader, entry, "url", &webhook->url);
		config_path(reader, entry, "secret-file", &webhook->secret_file);
		config_path(reader, entry, "ca", &webhook->ca);
		read_events(reader, entry, webhook);
		config_texts(reader, entry, "repositories", &webhook->repositories);
		config_seconds(reader, entry, "timeout", &webhook->timeout_s);
		config_number(reader, entry, "attempts", 1, 20, &webhook->attempts);
		for (size_t k = 0;
		     webhook->repositories != NULL && webhook->repositories[k] != NULL; k++)
			if (og_repository_pattern_check(webhook->repositories[k], &err) < 0)
				config_fail(reader, entry, "repositories", "%s", err.text);
		if (webhook->timeout_s == 0 || webhook->timeout_s > 300)
			config_fail(reader, entry, "timeout", "it must be from 1s to 5m");
		if (webhook->url == NULL)
			config_fail(reader, root, "webhooks", "each needs a url");
	}
}

static void read_metrics(struct config_reader *reader, const struct og_json *metrics,
			 struct og_registry_config *config)
{
	config_keys(reader, metrics, "metrics", KEYS("addr", "readers"));
	config_text(reader, metrics, "addr", &config->metrics_addr);
	config_texts(reader, metrics, "readers", &config->metrics_readers);
}

static void read_log(struct config_reader *reader, const struct og_json *log,
		     struct og_registry_config *config)
{
	og_auto_free char *format = NULL;

	config_keys(reader, log, "access-log", KEYS("file", "format"));
	config_path(reader, log, "file", &config->log_file);
	config_text(reader, log, "format", &format);
	if (config->log_file == NULL)
		config_fail(reader, log, NULL,
			    "access-log: file is needed (\"-\": standard output)");
	if (format == NULL)
		return;
	config->log_combined = og_streq(format, "combined");
	if (!config->log_combined && !og_streq(format, "json"))
		config_fail(reader, log, "format", "it must be json or combined");
}

static void read_root(struct config_reader *reader, const struct og_json *root,
		      struct og_registry_config *config)
{
	static const struct {
		const char *key;
		void (*read)(struct config_reader *reader, const struct og_json *section,
			     struct og_registry_config *config);
	} sections[] = {
		{ "access", read_access },	 { "limits", read_limits },
		{ "storage", read_storage },	 { "repositories", read_repositories },
		{ "upstreams", read_upstreams }, { "metrics", read_metrics },
		{ "access-log", read_log },
	};
	const struct og_json *section;

	config_keys(reader, root, "the file",
		    KEYS("addr", "root", "url", "policy", "tls", "access", "limits", "storage",
			 "repositories", "upstreams", "webhooks", "metrics", "access-log"));
	config_text(reader, root, "addr", &config->addr);
	config_path(reader, root, "root", &config->root);
	config_url(reader, root, "url", &config->url);
	config_path(reader, root, "policy", &config->policy);
	if (config->policy != NULL && config->url == NULL)
		config_fail(reader, root, "policy",
			    "a policy names images by the registry's name: set url");
	section = config_section(reader, root, "tls");
	if (section != NULL)
		read_tls(reader, section, root, config);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		section = config_section(reader, root, sections[i].key);
		if (section != NULL)
			sections[i].read(reader, section, config);
	}
	section = config_list(reader, root, "webhooks");
	if (section != NULL)
		read_webhooks(reader, root, section, config);
}

int og_registry_config_parse(struct og_registry_config *config, const char *text, size_t len,
			     const char *folder, struct og_err *err)
{
	og_cleanup(og_yaml_freep) struct og_yaml *yaml = NULL;
	struct config_reader reader = { .folder = folder, .err = err };
	int r = og_yaml_parse(text, len, &yaml, err);

	if (r < 0)
		return r;
	reader.yaml = yaml;
	if (og_json_kind(og_yaml_root(yaml)) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EINVAL, "line 1: no mapping of keys");
	read_root(&reader, og_yaml_root(yaml), config);
	return reader.r;
}

int og_registry_config_read(struct og_registry_config *config, const char *path, struct og_err *err)
{
	og_auto_free char *text = NULL, *folder = strdup(path);
	char *slash;
	size_t len = 0;
	int r;

	if (folder == NULL)
		return og_fail(err, -ENOMEM, "read '%s'", path);
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder ? 1 : 0] = '\0';
	r = og_read_file(AT_FDCWD, path, OG_REGISTRY_CONFIG_MAX, &text, &len, err);
	if (r < 0)
		return r;
	r = og_registry_config_parse(config, text, len, slash != NULL ? folder : ".", err);
	return r < 0 ? og_fail_in(err, r, "'%s'", path) : 0;
}

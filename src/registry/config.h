/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry's configuration file (docs/registry-config.md): YAML, every key checked. A key that is
 * not known is refused with its line and the known one that is nearest: what is misspelt in a file
 * that says who may do what must not be passed over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/permissions.h"
#include "base/cleanup.h"
#include "base/err.h"

#define OG_REGISTRY_CONFIG_MAX (1U << 20) /* bytes of the file */

/* Bytes a second, on average once two minutes were waited for: no link is as slow that somebody pulls
 * an image over (a modem of 2400 baud was), and none can hold a connection for a byte a minute. */
#define OG_REGISTRY_MIN_RATE 240U

struct og_config_issuer {
	char *issuer, *audience, *key; /* key: a PEM file */
};

/* What holds for the repositories of a pattern. Of several patterns the longest that says something
 * of it counts, for each of quota, immutable and retention by itself. */
struct og_config_repositories {
	char *pattern;

	bool has_quota;
	uint64_t quota_bytes; /* UINT64_MAX: none */
	uint64_t quota_tags;  /* likewise */

	bool has_immutable;
	char **immutable; /* patterns of tags; empty: none is */

	bool has_retention;
	uint64_t keep_last;    /* of tags by push; UINT64_MAX: any number */
	uint64_t max_age_s;    /* since the push; UINT64_MAX: any */
	uint64_t max_unused_s; /* since the last pull, or the push; UINT64_MAX: any */
	char **keep;	       /* patterns of tags that stay in any case; NULL: none */
};

struct og_config_upstream {
	char *prefix; /* "hub": hub/library/debian is library/debian there; "": everything */
	char *url;    /* "https://registry-1.docker.io" */
	char *user, *password_file, *ca;
	bool insecure;	  /* takes any certificate */
	uint64_t fresh_s; /* so long a tag is believed without asking */
};

enum og_config_events {
	OG_CONFIG_PUSH = 1,
	OG_CONFIG_PULL = 2,
	OG_CONFIG_DELETE = 4,
};

struct og_config_webhook {
	char *url, *secret_file, *ca;
	unsigned events;     /* enum og_config_events, ored */
	char **repositories; /* patterns; NULL: all */
	uint64_t timeout_s, attempts;
};

/* Tokens come back at @rate a second, up to @burst; rate 0: no limit. */
struct og_config_rate {
	uint64_t rate, burst;
};

struct og_registry_config {
	/* All texts are owned, and NULL where the file does not say. */
	char *addr, *root, *url;
	char *policy; /* the gate's (gate.h); needs url */

	char *tls_certificate, *tls_key, *tls_client_ca;
	bool tls_client_optional;

	bool has_access; /* there is a section `access`: else the registry is open */
	bool open;
	char *htpasswd, *service;
	uint64_t token_s;
	struct og_config_issuer *issuers;
	size_t issuer_count;
	struct og_permissions *permissions; /* owned until og_take_ptr(); NULL: none */

	struct og_config_rate requests; /* of each account, or address of nobody's */
	struct og_config_rate logins;	/* that fail, of each address */
	uint64_t connections, min_rate;

	uint64_t grace_s, collect_s, scrub_s, untagged_s, upload_s, uploads_max, uploads_bytes;
	uint64_t retention_s; /* how often tags are looked over */
	bool sparse_indexes;

	struct og_config_repositories *repositories;
	size_t repository_count;
	struct og_config_upstream *upstreams;
	size_t upstream_count;
	struct og_config_webhook *webhooks;
	size_t webhook_count;

	char *metrics_addr;
	char **metrics_readers; /* subjects as in permissions; NULL: no /metrics on the main address */

	char *log_file; /* NULL: none; "-": standard output */
	bool log_combined;
};

/* What holds without a file. On success og_registry_config_done() is the caller's duty. */
void og_registry_config_init(struct og_registry_config *config);
void og_registry_config_done(struct og_registry_config *config);

/*
 * Reads @path over what og_registry_config_init() set. Relative paths in it are from its folder.
 * Errors: -EINVAL (the text says file and line), the kernel's.
 */
int og_registry_config_read(struct og_registry_config *config, const char *path,
			    struct og_err *err);

/* Likewise a text; @folder for relative paths. */
int og_registry_config_parse(struct og_registry_config *config, const char *text, size_t len,
			     const char *folder, struct og_err *err);

/* What holds for @repository: the longest pattern that says something of it, or NULL. */
const struct og_config_repositories *
og_registry_config_quota(const struct og_registry_config *config, const char *repository);
const struct og_config_repositories *
og_registry_config_immutable(const struct og_registry_config *config, const char *repository);
const struct og_config_repositories *
og_registry_config_retention(const struct og_registry_config *config, const char *repository);

/* Does one of @patterns (`*` stands for any characters; NULL: none) match @tag? */
bool og_tag_matches(char *const *patterns, const char *tag);

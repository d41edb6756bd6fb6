/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/config.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char whole[] =
	"addr: 127.0.0.1:5000\n"
	"root: /var/lib/onggi-registry\n"
	"url: https://registry.example.org/\n"
	"tls: {certificate: tls/c.pem, key: /k.pem, client-ca: ca.pem, client: optional}\n"
	"access:\n"
	"  htpasswd: htpasswd\n"
	"  service: registry.example.org\n"
	"  token-lifetime: 10m\n"
	"  issuers:\n"
	"    - {issuer: https://auth.example.org, audience: reg, key: auth.pem}\n"
	"  permissions:\n"
	"    \"team/*\":\n"
	"      group:dev: [read, create, update]\n"
	"      alice: [delete]\n"
	"    \"**\": {\"*\": [read]}\n"
	"limits:\n"
	"  requests: {rate: 50}\n"
	"  logins: {rate: 2, burst: 5}\n"
	"  min-rate: 1KiB\n"
	"storage: {grace: 2h, collect-every: 1d, sparse-indexes: true}\n"
	"repositories:\n"
	"  \"**\":\n"
	"    quota: {size: 10GiB, tags: 100}\n"
	"    immutable: [\"v*\"]\n"
	"  \"team/*\":\n"
	"    retention: {keep-last: 10, max-age: 30d, keep: latest}\n"
	"  team/free:\n"
	"    immutable: []\n"
	"upstreams:\n"
	"  hub: {url: \"https://registry-1.docker.io\", fresh: 5m}\n"
	"webhooks:\n"
	"  - {url: \"http://127.0.0.1:9/hook\", events: push, repositories: [\"team/**\"]}\n"
	"metrics: {addr: 127.0.0.1:9100, readers: [group:ops]}\n"
	"access-log: {file: \"-\", format: combined}\n";

TEST(a_whole_file_is_read)
{
	struct og_subject lead = { OG_SUBJECT_ACCOUNT, "alice", "dev" };
	struct og_registry_config config;
	struct og_err err = {};
	int r;

	og_registry_config_init(&config);
	CHECK(config.open);
	r = og_registry_config_parse(&config, whole, strlen(whole), "/etc/onggi", &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_OK(r);
	CHECK(og_streq(config.url, "https://registry.example.org"));
	CHECK(og_streq(config.tls_certificate, "/etc/onggi/tls/c.pem"));
	CHECK(og_streq(config.tls_key, "/k.pem"));
	CHECK(config.tls_client_optional && config.has_access && !config.open);
	CHECK_EQ(config.token_s, 600);
	CHECK_EQ(config.issuer_count, 1);
	CHECK_EQ(og_permissions_rights(config.permissions, &lead, "team/x"), OG_RIGHT_ALL);
	CHECK_EQ(config.requests.rate, 50);
	CHECK_EQ(config.requests.burst, 100);
	CHECK_EQ(config.logins.burst, 5);
	CHECK_EQ(config.min_rate, 1024);
	CHECK_EQ(config.grace_s, 7200);
	CHECK_EQ(config.upstream_count, 1);
	CHECK_EQ(config.upstreams[0].fresh_s, 300);
	CHECK_EQ(config.webhooks[0].events, OG_CONFIG_PUSH);
	CHECK(og_streq(config.metrics_readers[0], "group:ops"));
	CHECK(config.log_combined && og_streq(config.log_file, "-"));
	og_registry_config_done(&config);
}

TEST(slow_clients_are_let_go_unless_the_file_says_otherwise)
{
	static const char none[] = "limits: {min-rate: 0}\n",
			  other[] = "limits: {connections: 9}\n";
	struct og_registry_config config;

	og_registry_config_init(&config);
	CHECK_OK(og_registry_config_parse(&config, other, strlen(other), ".", NULL));
	CHECK_EQ(config.min_rate, OG_REGISTRY_MIN_RATE);
	CHECK_OK(og_registry_config_parse(&config, none, strlen(none), ".", NULL));
	CHECK_EQ(config.min_rate, 0);
	og_registry_config_done(&config);
}

TEST(each_property_has_its_own_longest_pattern)
{
	struct og_registry_config config;
	const struct og_config_repositories *rule;

	og_registry_config_init(&config);
	CHECK_OK(og_registry_config_parse(&config, whole, strlen(whole), ".", NULL));
	rule = og_registry_config_quota(&config, "team/free");
	CHECK(rule != NULL && rule->quota_bytes == 10ULL << 30 && rule->quota_tags == 100);
	rule = og_registry_config_immutable(&config, "team/free");
	CHECK(rule != NULL && !og_tag_matches(rule->immutable, "v1"));
	rule = og_registry_config_immutable(&config, "team/app");
	CHECK(rule != NULL && og_tag_matches(rule->immutable, "v1"));
	CHECK(!og_tag_matches(rule->immutable, "latest"));
	rule = og_registry_config_retention(&config, "team/app");
	CHECK(rule != NULL && rule->keep_last == 10 && rule->max_age_s == 30 * 86400);
	CHECK(rule->max_unused_s == UINT64_MAX && og_tag_matches(rule->keep, "latest"));
	CHECK(og_registry_config_retention(&config, "other") == NULL);
	og_registry_config_done(&config);
}

TEST(what_is_not_understood_is_refused_with_its_line)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{ "adr: x\n", "line 1: adr: no such key in the file; did you mean 'addr'?" },
		{ "# x\n\nacces: {}\n",
		  "line 3: acces: no such key in the file; did you mean 'access'?" },
		{ "zebra: 1\n", "line 1: zebra: no such key in the file" },
		{ "access:\n  permisions: {}\n",
		  "line 2: permisions: no such key in access; did you mean 'permissions'?" },
		{ "access:\n  open: maybe\n", "line 2: open: it must be true or false" },
		{ "access:\n  open: true\n  permissions: {}\n", "line 2: open" },
		{ "access:\n  permissions:\n    \"a/*\":\n      bob: [read, write]\n",
		  "line 4: bob: 'write' is no right" },
		{ "access:\n  permissions:\n    \"a/*\":\n      bob: read\n",
		  "line 4: bob: it must be a list" },
		{ "access:\n  permissions:\n    A:\n      bob: [read]\n", "'A' is no pattern" },
		{ "access:\n  permissions:\n    a: [bob]\n", "line 3: a: it must be a mapping" },
		{ "access: {token-lifetime: 5s}\n", "token-lifetime: it must be from 60s" },
		{ "access:\n  htpasswd:\n", "line 2: htpasswd: it has no value" },
		{ "storage: {grace: 90}\n", "grace: it must be a time" },
		{ "storage: {grace: 90x}\n", "grace: it must be a time" },
		{ "limits: {requests: {rate: -1}}\n", "rate: it must be from 0" },
		{ "limits: {requests: {rate: 1.5}}\n", "rate: it must be a number" },
		{ "repositories: {a: {quota: {size: 10XB}}}\n", "size: it must be a size" },
		{ "repositories: {a: {quota: {bytes: 1}}}\n", "no such key in quota" },
		{ "repositories: {\"a b\": {quota: {size: 1}}}\n", "is no pattern" },
		{ "repositories: {a: {retention: {max-age: 0s}}}\n", "would remove every tag" },
		{ "repositories: {a: {retention: {keep-last: 0}}}\n",
		  "keep-last: it must be from 1" },
		{ "upstreams: {hub: {url: \"file:///etc/passwd\"}}\n", "url: it must be http" },
		{ "upstreams: {hub: {url: \"https://u:p@h/\"}}\n", "without a user" },
		{ "upstreams: {\"a/*\": {url: \"https://h\"}}\n", "below a prefix" },
		{ "upstreams: {hub: {url: \"https://h\", user: x}}\n", "go together" },
		{ "webhooks: [{url: \"gopher://h\"}]\n", "url: it must be http" },
		{ "webhooks: [{events: push}]\n", "each needs a url" },
		{ "webhooks: [{url: \"http://h\", events: [fly]}]\n", "'fly' is none" },
		{ "tls: {certificate: x}\n", "certificate and key are needed" },
		{ "tls: {certificate: x, key: y, client: required}\n", "without client-ca" },
		{ "access-log: {format: json}\n", "file is needed" },
		{ "access-log: {file: x, format: xml}\n", "json or combined" },
		{ "- a\n", "no mapping" },
		{ "addr: x\naddr: y\n", "line 2: 'addr' is there twice" },
		{ "addr: &a x\n", "line 1: anchors" },
		{ "addr: \"a\\nb\"\n", "control characters" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct og_registry_config config;
		struct og_err err = {};

		og_registry_config_init(&config);
		CHECK_EQ(og_registry_config_parse(&config, rows[i].text, strlen(rows[i].text), ".",
						  &err),
			 -EINVAL);
		if (strstr(err.text, rows[i].what) == NULL) {
			fprintf(stderr, "%s: %s\n", rows[i].text, err.text);
			exit(EXIT_FAILURE);
		}
		og_registry_config_done(&config);
	}
}

TEST(tags_match_their_patterns)
{
	static const struct {
		const char *pattern, *tag;
		bool want;
	} rows[] = {
		{ "*", "latest", true },     { "v*", "v1.0", true },
		{ "v*", "1.0", false },	     { "*-rc*", "1-rc2", true },
		{ "*-rc", "1-rc2", false },  { "1.0", "1.0", true },
		{ "1.0", "1x0", false },     { "", "x", false },
		{ "a*b*c", "aabbcc", true }, { "a*b*c", "aabbc_", false },
		{ "***", "x", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char pattern[16];
		char *const patterns[] = { pattern, NULL };

		strcpy(pattern, rows[i].pattern);
		CHECK_EQ(og_tag_matches(patterns, rows[i].tag), rows[i].want);
	}
	CHECK(!og_tag_matches(NULL, "x"));
}

TEST_MAIN(TEST_ENTRY(a_whole_file_is_read),
	  TEST_ENTRY(slow_clients_are_let_go_unless_the_file_says_otherwise),
	  TEST_ENTRY(each_property_has_its_own_longest_pattern),
	  TEST_ENTRY(what_is_not_understood_is_refused_with_its_line),
	  TEST_ENTRY(tags_match_their_patterns))

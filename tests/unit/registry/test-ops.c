/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, logs, numbers, notifications, and which tags go. */
#include <errno.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/json.h"
#include "base/test.h"
#include "base/text.h"
#include "registry/access_log.h"
#include "registry/metrics.h"
#include "registry/rate.h"
#include "registry/registry.h"
#include "registry/retention.h"
#include "registry/webhooks.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- rates ---- */

TEST(a_bucket_empties_and_fills)
{
	struct og_rate *rate = NULL;
	unsigned wait_s = 0;

	CHECK_OK(og_rate_new(2, 5, &rate, NULL));
	for (int i = 0; i < 5; i++)
		CHECK(og_rate_take(rate, "alice", 1, 1000000, &wait_s));
	CHECK(!og_rate_take(rate, "alice", 1, 1000000, &wait_s));
	CHECK_EQ(wait_s, 1);
	CHECK(!og_rate_take(rate, "alice", 5, 1000000, &wait_s));
	CHECK_EQ(wait_s, 3);
	/* Others have their own. */
	CHECK(og_rate_take(rate, "bob", 5, 1000000, &wait_s));
	/* Half a second is one token of two a second. */
	CHECK(!og_rate_take(rate, "alice", 1, 1000499, &wait_s));
	CHECK(og_rate_take(rate, "alice", 1, 1000500, &wait_s));
	CHECK(!og_rate_take(rate, "alice", 0, 1000500, &wait_s));
	/* Never more than the burst, and never back in time. */
	CHECK(og_rate_take(rate, "alice", 5, 9000000, &wait_s));
	CHECK(!og_rate_take(rate, "alice", 1, 9000000, &wait_s));
	CHECK(!og_rate_take(rate, "alice", 1, 1000000, &wait_s));
	CHECK(og_rate_take(NULL, "alice", 1000, 0, &wait_s));
	og_rate_free(rate);
}

TEST(what_came_all_at_once_is_made_up_for)
{
	struct og_rate *rate = NULL;
	unsigned wait_s = 0;

	CHECK_OK(og_rate_new(1, 3, &rate, NULL));
	for (int i = 0; i < 10; i++)
		CHECK(og_rate_take(rate, "eve", 0, 1000000, &wait_s));
	for (int i = 0; i < 10; i++)
		og_rate_charge(rate, "eve", 1000000);
	CHECK(!og_rate_take(rate, "eve", 0, 1000000, &wait_s));
	CHECK_EQ(wait_s, 9);
	CHECK(!og_rate_take(rate, "eve", 0, 1007999, &wait_s));
	CHECK(og_rate_take(rate, "eve", 0, 1008000, &wait_s));
	/* It is no debt for life, and leaves others alone. */
	for (unsigned i = 0; i < 2 * OG_RATE_DEBT_S; i++)
		og_rate_charge(rate, "eve", 1008000);
	CHECK(!og_rate_take(rate, "eve", 0, 1008000, &wait_s));
	CHECK_EQ(wait_s, OG_RATE_DEBT_S + 2);
	CHECK(og_rate_take(rate, "bob", 0, 1008000, &wait_s));
	og_rate_charge(NULL, "eve", 0);
	og_rate_free(rate);
}

TEST(strangers_in_any_number_do_not_free_who_asks_too_often)
{
	struct og_rate *rate = NULL;
	unsigned wait_s = 0;
	char name[32];

	CHECK_OK(og_rate_new(1, 3, &rate, NULL));
	CHECK(og_rate_take(rate, "eve", 3, 1000000, &wait_s));
	for (int i = 0; i < 200000; i++) {
		(void)snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		CHECK(og_rate_take(rate, name, 1, 1000000, &wait_s) || i > 1000);
	}
	CHECK(!og_rate_take(rate, "eve", 1, 1000000, &wait_s));
	og_rate_free(rate);
}

TEST(a_network_of_ipv6_is_one_stranger)
{
	static const struct {
		const char *address, *name;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
		{ "2001:db8:1:2:ffff::1", "2001:db8:1:2::" },
		{ "2001:db8:1:3::1", "2001:db8:1:3::" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "", "" },
	};

	char name[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		og_rate_name(rows[i].address, name);
		CHECK(og_streq(name, rows[i].name));
	}
}

/* ---- the access log ---- */

static const struct og_access_record hostile = {
	.at = { .tv_sec = 1800000000, .tv_nsec = 5000000 },
	.address = "192.0.2.1",
	.account = "alice",
	.method = "GET",
	.path = "/v2/a%0d%0a\"/x",
	.agent = "a\r\n{\"status\":200}\x1b[31m\x7f\xc3\xa4\xff \" \\",
	.referer = "http://x\n192.0.2.9 - - \"GET /\"",
	.status = 404,
	.bytes = 12,
	.duration_us = 345,
};

static void check_one_clean_line(const struct og_text *text)
{
	CHECK(text->len > 0 && text->buf[text->len - 1] == '\n');
	for (size_t i = 0; i + 1 < text->len; i++)
		CHECK(text->buf[i] >= ' ' && text->buf[i] < 0x7f);
}

TEST(what_a_client_sends_stays_within_its_field)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_text json = {}, combined = {};

	og_access_record_json(&hostile, &json);
	check_one_clean_line(&json);
	CHECK_OK(og_json_parse(json.buf, json.len - 1, &root, NULL));
	CHECK_EQ(og_json_int(og_json_get(root, "status"), 0), 404);
	CHECK(og_streq(og_json_string(og_json_get(root, "account"), ""), "alice"));
	CHECK(og_starts_with(og_json_string(og_json_get(root, "agent"), ""), "a\r\n{\"status\""));
	og_access_record_combined(&hostile, &combined);
	check_one_clean_line(&combined);
	CHECK(og_starts_with(combined.buf, "192.0.2.1 - alice [15/Jan/2027:08:00:00 +0000] \"GET "
					   "/v2/a%0d%0a\\\"/x HTTP/1.1\" 404 12 \"http://x\\x0a"));
}

TEST(long_fields_are_cut_and_missing_ones_are_told)
{
	og_auto_free char *agent = malloc(100000);
	struct og_access_record record = {
		.address = "", .account = "", .method = "GET", .path = "/", .status = 200
	};
	og_auto_text json = {}, combined = {};

	memset(agent, '\n', 99999);
	agent[99999] = '\0';
	record.agent = agent;
	og_access_record_json(&record, &json);
	CHECK(json.len < 6 * OG_ACCESS_LOG_FIELD_MAX + 500);
	record.agent = NULL;
	og_access_record_combined(&record, &combined);
	CHECK(og_streq(combined.buf, "- - - [01/Jan/1970:00:00:00 +0000] \"GET / HTTP/1.1\" 200 0 "
				     "\"-\" \"-\"\n"));
}

TEST(a_log_that_was_moved_away_is_begun_anew)
{
	struct og_access_record record = {
		.address = "", .account = "", .method = "GET", .path = "/", .status = 200
	};
	struct og_access_log *log = NULL;
	og_auto_free char *old = NULL, *new = NULL;
	size_t len = 0;

	CHECK_OK(og_access_log_open("log", false, &log, NULL));
	og_access_log_write(log, &record);
	CHECK_OK(rename("log", "log.1"));
	(void)usleep(1100000);
	og_access_log_write(log, &record);
	og_access_log_free(log);
	CHECK_OK(og_read_file(AT_FDCWD, "log.1", 1000, &old, &len, NULL));
	CHECK_OK(og_read_file(AT_FDCWD, "log", 1000, &new, &len, NULL));
	CHECK(strchr(old, '\n') == old + strlen(old) - 1);
	CHECK(strchr(new, '\n') == new + strlen(new) - 1);
}

/* ---- numbers ---- */

TEST(numbers_are_written_as_prometheus_reads_them)
{
	struct og_metrics metrics = {};
	og_auto_text text = {};

	og_metrics_request(&metrics, "GET", 200, 100, 700);
	og_metrics_request(&metrics, "GET", 404, 0, 400);
	og_metrics_request(&metrics, "BREW\"}", 200, 0, 999999999);
	og_metrics_add(&metrics, OG_METRIC_BLOB_PUSHES, 3);
	og_metrics_write(&metrics, &text);
	CHECK(strstr(text.buf, "requests_total{method=\"GET\",status=\"2xx\"} 1\n") != NULL);
	CHECK(strstr(text.buf, "requests_total{method=\"GET\",status=\"4xx\"} 1\n") != NULL);
	CHECK(strstr(text.buf, "requests_total{method=\"other\",status=\"2xx\"} 1\n") != NULL);
	CHECK(strstr(text.buf, "BREW") == NULL);
	CHECK(strstr(text.buf, "seconds_bucket{le=\"0.0005\"} 1\n") != NULL);
	CHECK(strstr(text.buf, "seconds_bucket{le=\"0.002\"} 2\n") != NULL);
	CHECK(strstr(text.buf, "seconds_bucket{le=\"+Inf\"} 3\n") != NULL);
	CHECK(strstr(text.buf, "seconds_count 3\n") != NULL);
	CHECK(strstr(text.buf, "\nonggi_registry_blob_pushes_total 3\n") != NULL);
	CHECK(strstr(text.buf, "\nonggi_registry_sent_bytes_total 100\n") != NULL);
}

/* ---- notifications ---- */

TEST(a_notification_has_distributions_form)
{
	const struct og_notification push = {
		.action = OG_CONFIG_PUSH,
		.repository = "team/app",
		.tag = "v1",
		.digest = "sha256:00",
		.media_type = "application/vnd.oci.image.manifest.v1+json",
		.base_url = "https://reg",
		.account = "alice",
		.address = "192.0.2.1",
		.agent = "docker\r\n\"",
		.method = "PUT",
		.bytes = 123,
	};
	og_auto_free char *text = og_notification_write(&push, "id1", "2026-11-28T00:00:00Z");

	CHECK(og_streq(text,
		       "{\"events\":[{\"id\":\"id1\",\"timestamp\":\"2026-11-28T00:00:00Z\","
		       "\"action\":\"push\",\"target\":{\"mediaType\":"
		       "\"application/vnd.oci.image.manifest.v1+json\",\"size\":123,"
		       "\"digest\":\"sha256:00\",\"length\":123,\"repository\":\"team/app\","
		       "\"url\":\"https://reg/v2/team/app/manifests/sha256:00\",\"tag\":\"v1\"},"
		       "\"request\":{\"addr\":\"192.0.2.1\",\"method\":\"PUT\","
		       "\"useragent\":\"docker\\r\\n\\\"\"},\"actor\":{\"name\":\"alice\"}}]}"));
}

/* ---- retention ---- */

#define DAY 86400
#define NOW (1000 * DAY)

static const char rules[] = "repositories:\n"
			    "  last/*: {retention: {keep-last: 2, keep: [\"v*\"]}}\n"
			    "  old/*: {retention: {max-age: 10d}}\n"
			    "  unused/*: {retention: {max-unused: 10d}}\n"
			    "  old/fixed: {immutable: [\"1.*\"]}\n";

TEST(tags_go_by_number_age_and_use)
{
	static const struct {
		const char *repository, *tag;
		int pushed_day, pulled_day;
		bool want;
	} rows[] = {
		{ "last/a", "1", 990, 0, true },     { "last/a", "2", 991, 0, true },
		{ "last/a", "3", 992, 0, false },    { "last/a", "4", 993, 0, false },
		{ "last/a", "v1", 1, 0, false },     { "last/a", "v2", 994, 0, false },
		{ "last/b", "1", 1, 0, false },	     { "old/a", "1", 989, 0, true },
		{ "old/a", "2", 990, 0, false },     { "old/a", "3", 1, 999, true },
		{ "old/fixed", "1.0", 1, 0, false }, { "old/fixed", "2.0", 1, 0, true },
		{ "unused/a", "1", 1, 989, true },   { "unused/a", "2", 1, 991, false },
		{ "unused/a", "3", 995, 0, false },  { "unused/a", "4", 1, 0, true },
		{ "other/a", "1", 1, 1, false },     { "old/a", "future", 2000, 0, false },
	};
	struct og_retention_tag tags[COUNT_OF(rows)];
	struct og_registry_config config;
	size_t expected = 0;

	og_registry_config_init(&config);
	CHECK_OK(og_registry_config_parse(&config, rules, strlen(rules), ".", NULL));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		tags[i] = (struct og_retention_tag){ rows[i].repository, rows[i].tag,
						     (int64_t)rows[i].pushed_day * DAY,
						     (int64_t)rows[i].pulled_day * DAY, true };
		expected += rows[i].want ? 1 : 0;
	}
	CHECK_EQ(og_retention_select(&config, tags, COUNT_OF(rows), NOW), expected);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < COUNT_OF(rows); k++)
			if (og_streq(tags[k].repository, rows[i].repository) &&
			    og_streq(tags[k].tag, rows[i].tag) && tags[k].goes != rows[i].want) {
				fprintf(stderr, "%s:%s\n", rows[i].repository, rows[i].tag);
				exit(EXIT_FAILURE);
			}
	CHECK_EQ(og_retention_select(&config, NULL, 0, NOW), 0);
	og_registry_config_done(&config);
}

TEST(a_tag_in_use_is_no_unused_one)
{
	static const char text[] = "repositories: {a: {retention: {max-unused: 30m}}}\n";
	struct og_registry_config config;

	og_registry_config_init(&config);
	CHECK_OK(og_registry_config_parse(&config, text, strlen(text), ".", NULL));
	for (int64_t since = 0; since < 7200; since += 100) {
		struct og_retention_tag tag = { "a", "1", 1, NOW - since, false };

		/* A pull that came after one that was written down may not have been. */
		CHECK_EQ(og_retention_select(&config, &tag, 1, NOW),
			 since > OG_REGISTRY_PULLED_EVERY_S + 1800);
	}
	og_registry_config_done(&config);
}

TEST_MAIN(TEST_ENTRY(a_bucket_empties_and_fills), TEST_ENTRY(what_came_all_at_once_is_made_up_for),
	  TEST_ENTRY(strangers_in_any_number_do_not_free_who_asks_too_often),
	  TEST_ENTRY(a_network_of_ipv6_is_one_stranger),
	  TEST_ENTRY(what_a_client_sends_stays_within_its_field),
	  TEST_ENTRY(long_fields_are_cut_and_missing_ones_are_told),
	  TEST_ENTRY(a_log_that_was_moved_away_is_begun_anew),
	  TEST_ENTRY(numbers_are_written_as_prometheus_reads_them),
	  TEST_ENTRY(a_notification_has_distributions_form),
	  TEST_ENTRY(tags_go_by_number_age_and_use), TEST_ENTRY(a_tag_in_use_is_no_unused_one))

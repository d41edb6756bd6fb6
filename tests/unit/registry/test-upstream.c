/* SPDX-License-Identifier: Apache-2.0 */
/* A54: where an upstream may lead, by redirects and by the token server that it names. */
#include "registry/upstream.h"

#include "base/test.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST(an_upstream_leads_neither_to_this_machine_nor_to_plain_http)
{
	static const struct {
		const char *upstream, *url;
		bool want;
	} rows[] = {
		{ "https://reg.example", "https://reg.example/v2/", true },
		{ "https://reg.example", "https://cdn.example/blob?x=1", true },
		{ "https://reg.example", "http://reg.example/v2/", false },
		{ "https://reg.example", "http://cdn.example/", false },
		{ "https://reg.example", "https://localhost/", false },
		{ "https://reg.example", "https://LOCALHOST:444/", false },
		{ "https://reg.example", "https://a.localhost/", false },
		{ "https://reg.example", "https://localhost./", false },
		{ "https://reg.example", "https://127.0.0.1./", false },
		{ "https://reg.example", "https://127.0.0.1/", false },
		{ "https://reg.example", "https://127.9.9.9:8443/", false },
		{ "https://reg.example", "https://127.1/", false },
		{ "https://reg.example", "https://2130706433/", false },
		{ "https://reg.example", "https://0x7f000001/", false },
		{ "https://reg.example", "https://0.0.0.0/", false },
		{ "https://reg.example", "https://169.254.169.254/latest/meta-data", false },
		{ "https://reg.example", "https://[::1]/", false },
		{ "https://reg.example", "https://[::]/", false },
		{ "https://reg.example", "https://[fe80::1]/", false },
		{ "https://reg.example", "https://[::ffff:127.0.0.1]/", false },
		{ "https://reg.example", "https://192.0.2.1/", true },
		{ "https://reg.example", "file:///etc/passwd", false },
		{ "https://reg.example", "gopher://reg.example/", false },
		{ "http://reg.example", "https://cdn.example/", true },
		{ "http://reg.example", "http://169.254.169.254/", false },
		{ "http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char url[64];
		struct og_config_upstream config = { .url = url };
		struct og_upstream *upstream = NULL;

		strcpy(url, rows[i].upstream);
		CHECK_OK(og_upstream_new(&config, &upstream, NULL));
		if (og_upstream_may_ask(upstream, rows[i].url) != rows[i].want) {
			fprintf(stderr, "%s: %s\n", rows[i].upstream, rows[i].url);
			exit(EXIT_FAILURE);
		}
		og_upstream_free(upstream);
	}
}

TEST_MAIN(TEST_ENTRY(an_upstream_leads_neither_to_this_machine_nor_to_plain_http))

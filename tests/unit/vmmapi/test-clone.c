/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata service's half that a clone has of its own (vmmapi/bind_net.c). */
#include <stdlib.h>

#include "base/test.h"
#include "vmmapi/bind.h"

#define GET_BEGIN "GET /a HTTP/1.1\r\nX-metadata-token: "

struct service {
	struct og_vmmapi api;
	struct og_bind bind;
	struct og_metrics metrics;
	char answer[65536];
};

static void begin(struct service *s)
{
	og_bind_init(&s->bind, NULL, false);
	og_vmmapi_init(&s->api, &og_bind_ops, &s->bind);
	s->api.metrics.shared = &s->metrics;
	s->api.has_mmds_config = true;
	s->api.mmds_config.version = 1; /* V2 */
	CHECK_OK(og_bind_nets(&s->bind, &s->api, NULL));
}

static int ask(struct service *s, const char *request)
{
	const struct og_mmds_config *config = &s->bind.config.mmds;
	struct og_mmds_reply reply;
	size_t n = config->respond(config->data, request, strlen(request), 1000, 7, s->answer,
				   sizeof(s->answer) - 1, &reply);

	s->answer[n] = '\0';
	return atoi(s->answer + strlen("HTTP/1.1 "));
}

static void get_token(struct service *s, char *token, size_t size)
{
	CHECK_EQ(ask(s,
		     "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 60\r\n\r\n"),
		 200);
	(void)snprintf(token, size, "%s", strstr(s->answer, "\r\n\r\n") + 4);
}

static int show_token(struct service *s, const char *token)
{
	char request[300];

	(void)snprintf(request, sizeof(request), GET_BEGIN "%s\r\n\r\n", token);
	return ask(s, request);
}

TEST(a_clone_takes_no_token_of_the_first_and_counts_by_itself)
{
	static struct service s;
	struct og_metrics own = {};
	char first[128], second[128];

	begin(&s);
	get_token(&s, first, sizeof(first));
	CHECK_EQ(show_token(&s, first), 404); /* a good token: nothing is there */
	CHECK_OK(s.bind.config.mmds.cloned(s.bind.config.mmds.data, &own));
	CHECK_EQ(show_token(&s, first), 401);
	CHECK_EQ(atomic_load(&own.mmds.rx_invalid_token), 1);
	CHECK_EQ(atomic_load(&s.metrics.mmds.rx_invalid_token), 0);
	get_token(&s, second, sizeof(second));
	CHECK_EQ(show_token(&s, second), 404);
	CHECK_OK(s.bind.config.mmds.cloned(s.bind.config.mmds.data, NULL));
	CHECK_EQ(show_token(&s, second), 401); /* and without counters */
	og_bind_close_nets(&s.bind);
}

TEST_MAIN(TEST_ENTRY(a_clone_takes_no_token_of_the_first_and_counts_by_itself))

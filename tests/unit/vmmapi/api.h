/* SPDX-License-Identifier: Apache-2.0 */
/* An API with nothing behind it: every operation succeeds and is counted. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"
#include "vmmapi/http.h"
#include "vmmapi/routes.h"
#include "vmmapi/vmmapi.h"

struct fake {
	struct og_vmmapi api;
	unsigned started, paused, resumed, snapshots, loaded, loaded_running, forked,
		updates[OG_UPDATES];
	unsigned queries[OG_QUERIES];
	bool fails; /* as when the machine says no */
};

static inline int fake_result(const struct fake *fake, struct og_err *err)
{
	return fake->fails ? og_fail_plain(err, -EIO, "the machine says no") : 0;
}

static inline int fake_start(void *data, struct og_vmmapi *api, struct og_err *err)
{
	(void)api;
	((struct fake *)data)->started++;
	return fake_result(data, err);
}

static inline int fake_pause(void *data, struct og_err *err)
{
	((struct fake *)data)->paused++;
	return fake_result(data, err);
}

static inline int fake_resume(void *data, struct og_err *err)
{
	((struct fake *)data)->resumed++;
	return fake_result(data, err);
}

static inline int fake_load(void *data, struct og_vmmapi *api,
			    const struct og_api_snapshot_load *load, struct og_err *err)
{
	(void)api;
	((struct fake *)data)->loaded++;
	((struct fake *)data)->loaded_running += load->resume_vm;
	return fake_result(data, err);
}

static inline int fake_snapshot(void *data, struct og_vmmapi *api,
				const struct og_api_snapshot_create *create, struct og_err *err)
{
	(void)api;
	(void)create;
	((struct fake *)data)->snapshots++;
	return fake_result(data, err);
}

static inline int fake_fork(void *data, struct og_vmmapi *api, const struct og_api_fork *fork,
			    struct og_err *err)
{
	(void)api;
	(void)fork;
	((struct fake *)data)->forked++;
	return fake_result(data, err);
}

static inline int fake_update(void *data, struct og_vmmapi *api, enum og_api_update update,
			      const void *body, struct og_err *err)
{
	(void)api;
	(void)body;
	((struct fake *)data)->updates[update]++;
	return fake_result(data, err);
}

static inline int fake_query(void *data, struct og_vmmapi *api, enum og_api_query query,
			     struct og_json **ret_json, struct og_err *err)
{
	(void)api;
	((struct fake *)data)->queries[query]++;
	if (((struct fake *)data)->fails)
		return fake_result(data, err);
	*ret_json = og_json_new_object();
	return 0;
}

static inline struct fake *fake_new(void)
{
	static const struct og_vmmapi_ops ops = {
		fake_start,    fake_pause, fake_resume, fake_load,
		fake_snapshot, fake_fork,  fake_update, fake_query
	};
	struct fake *fake = calloc(1, sizeof(*fake));

	CHECK(fake != NULL);
	og_vmmapi_init(&fake->api, &ops, fake);
	return fake;
}

static inline struct fake *fake_free(struct fake *fake)
{
	og_vmmapi_done(&fake->api);
	free(fake);
	return NULL;
}

static inline void fake_freep(struct fake **fake)
{
	(void)fake_free(*fake);
}

#define og_auto_fake og_cleanup(fake_freep) struct fake

/* The status; *@ret_body (may be NULL) is the caller's to free. */
static inline int ask(struct fake *fake, const char *method, const char *path, const char *body,
		      char **ret_body)
{
	struct og_api_reply reply;
	struct og_http_request request;
	struct og_http_refusal refusal;
	char head[1024];

	(void)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", method,
		       path, strlen(body));
	CHECK(og_http_parse(head, strlen(head), &request, NULL, 0, &refusal) > 0);
	og_vmmapi_request(&fake->api, &request, body, &reply);
	CHECK(reply.body == NULL || reply.status != 204);
	if (ret_body != NULL)
		*ret_body = reply.body;
	else
		free(reply.body);
	return reply.status;
}

/* A request that must fail with 400 and a fault message that has @says in it. */
static inline void refused(struct fake *fake, const char *method, const char *path,
			   const char *body, const char *says)
{
	og_auto_free char *answer = NULL;
	struct og_json *json = NULL;
	int status = ask(fake, method, path, body, &answer);

	if (status != 400 || answer == NULL || strstr(answer, says) == NULL) {
		fprintf(stderr, "%s %s %s\n  is %d %s\n  wanted: %s\n", method, path, body, status,
			answer != NULL ? answer : "", says);
		exit(EXIT_FAILURE);
	}
	CHECK_OK(og_json_parse(answer, strlen(answer), &json, NULL));
	CHECK_EQ(og_json_count(json), 1);
	CHECK(og_json_string(og_json_get(json, "fault_message"), NULL) != NULL);
	(void)og_json_free(json);
}

static inline void accepted(struct fake *fake, const char *method, const char *path,
			    const char *body)
{
	og_auto_free char *answer = NULL;
	int status = ask(fake, method, path, body, &answer);

	if (status != 204 && status != 200) {
		fprintf(stderr, "%s %s %s\n  is %d %s\n", method, path, body, status,
			answer != NULL ? answer : "");
		exit(EXIT_FAILURE);
	}
}

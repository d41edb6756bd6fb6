/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of registries for a client: push, login, search. */
#include <errno.h>
#include <string.h>

#include "api/call.h"
#include "api/progress.h"
#include "format/docker_query.h"

#define SEARCH_LIMIT	 25 /* Docker's */
#define SEARCH_LIMIT_MAX 100

static struct og_images *images(const struct call *call)
{
	return og_engine_images(call->engine);
}

static const char *const *insecure(const struct call *call)
{
	return og_engine_config(call->engine)->insecure_registries;
}

/* ---- push ---- */

/* What only tools read: {"progressDetail":{},"aux":{"Tag":…,"Digest":…,"Size":…}} */
static void write_aux(struct call *call, const struct og_pushed *pushed)
{
	struct og_json *json = og_json_new_object();
	struct og_json *aux = og_json_new_object();

	og_json_set_string(aux, "Tag", pushed->tag);
	og_json_set_string(aux, "Digest", pushed->digest);
	og_json_set(aux, "Size", og_json_new_uint(pushed->size));
	og_json_set(json, "progressDetail", og_json_new_object());
	og_json_set(json, "aux", aux);
	(void)write_json_line(call, json);
}

static int push_one(struct call *call, struct og_push *push, const char *reference,
		    struct og_err *err)
{
	struct og_pushed pushed;
	int r;

	push->reference = reference;
	r = og_images_push(images(call), push, &pushed, err);
	if (r < 0)
		return r;
	og_events_image(call->engine, "push", reference, reference);
	write_aux(call, &pushed);
	return 0;
}

/* Without a tag Docker pushes all that the repository has here. */
static int push_all(struct call *call, struct og_push *push, const char *name, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	int r = og_images_repository_tags(images(call), name, &tags, err);

	for (char **tag = tags; r == 0 && *tag != NULL; tag++)
		r = push_one(call, push, *tag, err);
	return r;
}

static int push(struct call *call, struct og_err *err)
{
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
	struct call_progress progress = { .call = call };
	og_auto_free char *reference = NULL;
	struct og_push push = {
		.insecure = insecure(call),
		.progress = call_progress_step,
		.progress_data = &progress,
	};
	int r = og_registry_auth_parse(og_http_request_header(call->request, "X-Registry-Auth"),
				       &auth, err);

	if (r < 0)
		return r;
	reference = join_reference(call->param, query_text(call, "tag"));
	if (reference == NULL)
		return -ENOMEM;
	push.user = or_null(auth.user);
	push.password = push.user == NULL ? NULL : auth.password;
	push.identity_token = or_null(auth.identity_token);
	if (*query_text(call, "tag") != '\0')
		r = push_one(call, &push, reference, err);
	else
		r = push_all(call, &push, call->param, err);
	return call_progress_finish(&progress, r, err);
}

/* ---- login ---- */

static int refuse_login(struct call *call, struct og_err *err)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "message", error_text(err));
	return reply_json(call, 401, json);
}

static int login(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	struct og_json *answer;
	struct og_login login = { .insecure = insecure(call) };
	const char *address = "";
	int r = read_json(call, &body, err);

	if (r < 0)
		return r;
	if (og_json_opt_string(body, "username", &login.user, err) < 0 ||
	    og_json_opt_string(body, "password", &login.password, err) < 0 ||
	    og_json_opt_string(body, "identitytoken", &login.identity_token, err) < 0 ||
	    og_json_opt_string(body, "serveraddress", &address, err) < 0)
		return -EINVAL;
	login.address = address;
	r = og_images_login(&login, err);
	if (r == -EACCES)
		return refuse_login(call, err);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	og_json_set_string(answer, "IdentityToken", "");
	og_json_set_string(answer, "Status", "Login Succeeded");
	return reply_json(call, 200, answer);
}

/* ---- search ---- */

static bool fits(const struct og_found_repository *found, const struct og_json *filters)
{
	const struct og_json *stars = og_filters_get(filters, "stars");
	int64_t least = 0;

	if (stars != NULL)
		(void)og_parse_i64(og_json_string(og_json_at(stars, 0), "0"), 0, INT64_MAX, &least);
	return found->stars >= least &&
	       og_filters_allow(filters, "is-official", found->official ? "true" : "false") &&
	       og_filters_allow(filters, "is-automated", found->automated ? "true" : "false");
}

static struct og_json *found_json(const struct og_found_repository *found)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "name", found->name);
	og_json_set_string(json, "description", found->description);
	og_json_set_int(json, "star_count", found->stars);
	og_json_set_bool(json, "is_official", found->official);
	og_json_set_bool(json, "is_automated", found->automated);
	return json;
}

static int search(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = { "stars", "is-official", "is-automated", NULL };
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	og_cleanup(og_search_result_done) struct og_search_result found = {};
	struct og_search search = { .insecure = insecure(call) };
	struct og_json *answer;
	int64_t limit = SEARCH_LIMIT;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r == 0)
		r = query_int(call, "limit", 0, SEARCH_LIMIT_MAX, &limit, err);
	if (r == 0)
		r = og_registry_auth_parse(og_http_request_header(call->request, "X-Registry-Auth"),
					   &auth, err);
	if (r < 0)
		return r;
	search.term = query_text(call, "term");
	search.list_tags = query_bool(call, "listTags", false);
	search.limit = limit > 0 ? (size_t)limit : SEARCH_LIMIT;
	search.user = or_null(auth.user);
	search.password = search.user == NULL ? NULL : auth.password;
	search.identity_token = or_null(auth.identity_token);
	r = og_images_search(&search, &found, err);
	if (r < 0)
		return r;
	answer = og_json_new_array();
	for (size_t i = 0; i < found.count; i++)
		if (fits(&found.items[i], filters))
			og_json_push(answer, found_json(&found.items[i]));
	return reply_json(call, 200, answer);
}

const struct route registry_routes[] = {
	{ "POST", "/images/{*}/push", push, BODY_NONE },
	{ "GET", "/images/search", search, BODY_NONE },
	{ "POST", "/auth", login, BODY_JSON },
	{},
};

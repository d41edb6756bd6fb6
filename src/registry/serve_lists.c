/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: tags, repositories, referrers, each in pages (distribution-spec, "Listing ..."). */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "registry/internal.h"

/* A page, where nobody asks for less. */
#define TAGS_PAGE_MAX	   10000
#define CATALOG_PAGE_MAX   1000
#define REFERRERS_PAGE_MAX 500
/* Annotations may be long (A63): what a manifest may have, beside the page's first one. */
#define REFERRERS_PAGE_BYTES (1U << 20)

/* Repositories looked at for a page, of which the caller may read none. */
#define CATALOG_LOOKED_MAX 100000

/* ?n=; false: the answer is given. */
static bool page_size(struct call *call, uint64_t max, uint64_t *ret_n)
{
	const char *text = og_http_query(call->request, "n");

	*ret_n = max;
	if (text == NULL)
		return true;
	if (og_parse_u64(text, 0, INT64_MAX, ret_n) < 0) {
		reply_error(call, 400, "PAGINATION_NUMBER_INVALID", "?n= is no number");
		return false;
	}
	if (*ret_n > max)
		*ret_n = max;
	return true;
}

static const char *last_of(const struct call *call)
{
	const char *last = og_http_query(call->request, "last");

	return last != NULL ? last : "";
}

/* Tags and names need no escapes in a query. */
static void set_link(struct call *call, const char *path, uint64_t n, const char *last,
		     const char *more)
{
	og_auto_free char *link =
		og_strdupf("<%s?n=%" PRIu64 "&last=%s%s>; rel=\"next\"", path, n, last, more);

	if (link != NULL)
		og_http_set_header(call->request, "Link", link);
}

static void reply_text(struct call *call, const char *type, struct og_text *text)
{
	if (text->failed)
		reply_error(call, 500, "UNKNOWN", "out of memory");
	else
		og_http_reply(call->request, 200, type, text->buf, text->len);
}

/* ---- tags ---- */

/* One row more than the page tells whether there is another page. */
static int list_tags(struct call *call, uint64_t n, struct og_text *text, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	char last[OG_TAG_MAX] = "";
	uint64_t count = 0;
	int r = og_db_query(og_records_read(call->registry->records), &query, err,
			    "SELECT t.name FROM repositories r, tags t WHERE r.name = ?"
			    " AND t.repository = r.id AND t.name > ? ORDER BY t.name LIMIT ?",
			    "ssi", call->path.name, last_of(call), (int64_t)n + 1);

	while (r >= 0 && (r = og_query_next(query, err)) > 0 && count < n) {
		(void)snprintf(last, sizeof(last), "%s", og_query_text(query, 0));
		og_text_addf(text, "%s\"%s\"", count++ > 0 ? "," : "", last);
	}
	if (r > 0 && n > 0) {
		og_auto_free char *path = og_strdupf("/v2/%s/tags/list", call->path.name);

		set_link(call, path, n, last, "");
	}
	return r < 0 ? r : 0;
}

static bool repository_is_known(struct call *call)
{
	struct og_records *records = call->registry->records;
	int r = og_records_has_repository(og_records_read(records), call->path.name, NULL);

	og_records_unread(records);
	return r > 0;
}

void serve_tags(struct call *call)
{
	og_auto_text text = {};
	struct og_err err = {};
	bool answered = false;
	uint64_t n;
	int r;

	if (!page_size(call, TAGS_PAGE_MAX, &n))
		return;
	if (!repository_is_known(call)) {
		if (call->registry->engine != NULL &&
		    og_engine_images_serve_tags(call->registry->engine, call, &err) == 0)
			return;
		if (!fetch_missing(call, "", true, &answered) || !repository_is_known(call)) {
			if (!answered)
				reply_error(call, 404, "NAME_UNKNOWN",
					    "there is no such repository");
			return;
		}
	}
	og_text_addf(&text, "{\"name\":\"%s\",\"tags\":[", call->path.name);
	r = list_tags(call, n, &text, &err);
	og_records_unread(call->registry->records);
	og_text_add(&text, "]}");
	if (r < 0)
		reply_failure(call, r, "NAME_UNKNOWN", &err);
	else
		reply_text(call, "application/json", &text);
}

/* ---- catalog ---- */

/* The next name after @name, into it. 1, 0: there is none. */
static int next_repository(struct call *call, char name[OG_REPOSITORY_MAX], struct og_err *err)
{
	struct og_records *records = call->registry->records;
	struct og_db *db = og_records_read(records);
	struct og_query *query = NULL;
	char previous[OG_REPOSITORY_MAX];
	int r = og_db_query(db, &query, err,
			    "SELECT name FROM repositories r WHERE name > ? AND"
			    " (EXISTS (SELECT 1 FROM manifests WHERE repository = r.id) OR"
			    "  EXISTS (SELECT 1 FROM links WHERE repository = r.id))"
			    " ORDER BY name LIMIT 1",
			    "s", name);

	memcpy(previous, name, sizeof(previous));
	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		(void)snprintf(name, OG_REPOSITORY_MAX, "%s", og_query_text(query, 0));
	(void)og_query_free(query);
	og_records_unread(records);
	if (r >= 0 && call->registry->engine != NULL)
		r = og_engine_images_merge_next(call->registry->engine, r > 0, previous, name);
	return r;
}

void serve_catalog(struct call *call)
{
	char name[OG_REPOSITORY_MAX], listed[OG_REPOSITORY_MAX] = "";
	og_auto_text text = {};
	struct og_err err = {};
	uint64_t n, count = 0;
	int r = 0;

	if (!page_size(call, CATALOG_PAGE_MAX, &n))
		return;
	(void)snprintf(name, sizeof(name), "%s", last_of(call));
	og_text_add(&text, "{\"repositories\":[");
	for (unsigned looked = 0; looked < CATALOG_LOOKED_MAX; looked++) {
		r = next_repository(call, name, &err);
		if (r <= 0)
			break;
		if (!may_silently(call, name, OG_REGISTRY_CATALOG))
			continue;
		if (count == n) {
			if (n > 0)
				set_link(call, "/v2/_catalog", n, listed, "");
			break;
		}
		og_text_addf(&text, "%s\"%s\"", count++ > 0 ? "," : "", name);
		memcpy(listed, name, sizeof(listed));
	}
	og_text_add(&text, "]}");
	if (r < 0)
		reply_failure(call, r, "NAME_UNKNOWN", &err);
	else
		reply_text(call, "application/json", &text);
}

/* ---- referrers ---- */

struct referrers {
	const char *type; /* wanted, NULL: any */
	uint64_t n;
	uint64_t count;
	int64_t last; /* row of the last one listed */
	bool more;
};

static void add_string(struct og_text *text, const char *key, const char *value)
{
	og_cleanup(og_json_freep) struct og_json *string = og_json_new_string(value);
	og_auto_free char *quoted = og_json_write(string);

	og_text_addf(text, "\"%s\":%s", key, quoted);
}

static void add_referrer(struct referrers *referrers, struct og_query *query, struct og_text *text)
{
	const char *annotations = og_query_text(query, 5);

	og_text_add(text, referrers->count++ > 0 ? ",{" : "{");
	add_string(text, "mediaType", og_query_text(query, 2));
	og_text_addf(text, ",\"digest\":\"%s\",\"size\":%" PRId64, og_query_text(query, 1),
		     og_query_int(query, 4));
	if (og_query_text(query, 3)[0] != '\0') {
		og_text_add(text, ",");
		add_string(text, "artifactType", og_query_text(query, 3));
	}
	if (annotations[0] != '\0') {
		og_text_add(text, ",\"annotations\":");
		og_text_add(text, annotations);
	}
	og_text_add(text, "}");
	referrers->last = og_query_int(query, 0);
}

static int list_referrers(struct call *call, struct referrers *referrers, int64_t after_row,
			  struct og_text *text, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(
		og_records_read(call->registry->records), &query, err,
		"SELECT m.id, b.digest, m.media_type, m.artifact_type, b.bytes,"
		" m.annotations FROM repositories r, manifests m, blobs b"
		" WHERE r.name = ?1 AND m.repository = r.id AND m.subject = ?2"
		" AND m.id > ?3 AND b.id = m.blob AND (?4 IS NULL OR m.artifact_type = ?4)"
		" ORDER BY m.id",
		"ssis", call->path.name, call->path.digest.text, after_row, referrers->type);

	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		size_t len = strlen(og_query_text(query, 5));

		referrers->more = referrers->count == referrers->n ||
				  (referrers->count > 0 && text->len + len > REFERRERS_PAGE_BYTES);
		if (referrers->more)
			break;
		add_referrer(referrers, query, text);
	}
	return r < 0 ? r : 0;
}

/* Only letters, digits and a few more as they are. */
static void add_escaped(struct og_text *text, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		if (isalnum((unsigned char)*c) || strchr("-._~/", *c) != NULL)
			og_text_add_bytes(text, c, 1);
		else
			og_text_addf(text, "%%%02X", (unsigned char)*c);
}

static void link_referrers(struct call *call, const struct referrers *referrers)
{
	og_auto_free char *path =
		og_strdupf("/v2/%s/referrers/%s", call->path.name, call->path.digest.text);
	og_auto_text filter = {};
	char last[24];

	(void)snprintf(last, sizeof(last), "%" PRId64, referrers->last);
	if (referrers->type != NULL) {
		og_text_add(&filter, "&artifactType=");
		add_escaped(&filter, referrers->type);
	}
	set_link(call, path, referrers->n, last, filter.buf != NULL ? filter.buf : "");
}

void serve_referrers(struct call *call)
{
	struct referrers referrers = { .type = og_http_query(call->request, "artifactType") };
	const char *last = og_http_query(call->request, "last");
	og_auto_text text = {};
	struct og_err err = {};
	int64_t after_row = 0;
	int r;

	if (!page_size(call, REFERRERS_PAGE_MAX, &referrers.n))
		return;
	if (referrers.n == 0)
		referrers.n = 1;
	if (last != NULL && og_parse_i64(last, 0, INT64_MAX, &after_row) < 0) {
		reply_error(call, 400, "PAGINATION_NUMBER_INVALID", "?last= is none of ours");
		return;
	}
	og_text_add(&text, "{\"schemaVersion\":2,"
			   "\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
			   "\"manifests\":[");
	r = list_referrers(call, &referrers, after_row, &text, &err);
	og_records_unread(call->registry->records);
	og_text_add(&text, "]}");
	if (referrers.type != NULL)
		og_http_set_header(call->request, "OCI-Filters-Applied", "artifactType");
	if (referrers.more)
		link_referrers(call, &referrers);
	if (r < 0)
		reply_failure(call, r, "NAME_UNKNOWN", &err);
	else
		reply_text(call, "application/vnd.oci.image.index.v1+json", &text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry lists, page by page: tags, repositories, referrers. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/json.h"
#include "base/text.h"
#include "format/manifest.h"
#include "image/remote_ask.h"
#include "image/remote_referrers.h"

/* As many as one may ask for everywhere; the registry may give fewer a page. */
#define PAGE_NAMES "1000"

/* A registry that gives page after page without an entry must end some day. */
#define PAGES_MAX 10000

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* ---- pages ---- */

/* Takes over what it wants to keep of @page, by setting it to NULL. */
typedef int take_page_fn(void *data, struct og_json **page, const struct og_http_response *response,
			 struct og_err *err);

/* Link: </v2/x/tags/list?last=b>; rel="next" (RFC 8288). The caller's to free; NULL: the last page. */
static char *next_page(const struct og_inquiry *inquiry, const struct og_http_response *response)
{
	const char *link = og_http_header(response, "Link", 0);
	const char *end = link != NULL && link[0] == '<' ? strchr(link, '>') : NULL;
	og_auto_free char *target = NULL;
	char *url = NULL;

	if (end == NULL || strstr(end, "next") == NULL)
		return NULL;
	target = strndup(link + 1, (size_t)(end - link) - 1);
	if (target == NULL || og_http_resolve(inquiry->asked_url, target, &url) < 0)
		return NULL;
	return url;
}

/* Errors: also -ENOENT when @may_miss and the first page is a 404. */
static int walk_pages(struct og_inquiry *inquiry, take_page_fn *take, void *data,
		      struct og_err *err)
{
	og_auto_free char *url = NULL;

	for (int i = 0; i < PAGES_MAX; i++) {
		og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
		og_cleanup(og_json_freep) struct og_json *page = NULL;
		const char *body;
		size_t len;
		int r = og_inquire(inquiry, &response, err);

		if (r < 0)
			return r;
		body = og_http_body(response, &len);
		if (og_json_parse(body, len, &page, err) < 0)
			return og_fail_in(err, -EPROTO, "the registry's list");
		r = take(data, &page, response, err);
		if (r < 0)
			return r;
		free(url);
		url = next_page(inquiry, response);
		if (url == NULL)
			return 0;
		inquiry->url = url;
	}
	return og_fail_plain(err, -E2BIG, "the registry's list has no end");
}

/* ---- tags and repositories ---- */

struct names {
	const char *key; /* of the array in a page */
	char **items;	 /* owned */
	size_t count;
};

static int add_name(struct names *names, const char *name, struct og_err *err)
{
	if (names->count == OG_REMOTE_LIST_MAX)
		return og_fail_plain(err, -E2BIG, "the registry lists over %u names",
				     OG_REMOTE_LIST_MAX);
	if (og_grow(names->items, names->count + 1) < 0)
		return no_memory(err);
	names->items[names->count] = strdup(name);
	names->items[names->count + 1] = NULL;
	return names->items[names->count] != NULL ? (names->count++, 0) : no_memory(err);
}

/* What would garble a terminal is no name. */
static bool is_printable(const char *name)
{
	for (; *name != '\0'; name++)
		if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7f)
			return false;
	return true;
}

static int take_names(void *data, struct og_json **page, const struct og_http_response *response,
		      struct og_err *err)
{
	struct names *names = data;
	struct og_json *array = NULL;
	int r = og_json_opt_array(*page, names->key, &array, err);

	(void)response;
	if (r < 0)
		return og_fail_in(err, -EPROTO, "the registry's list");
	for (size_t i = 0; i < og_json_count(array) && r == 0; i++) {
		const char *name = og_json_string(og_json_at(array, i), NULL);

		if (name == NULL || !is_printable(name))
			return og_fail_plain(err, -EPROTO,
					     "the registry's list: an entry is no name");
		r = add_name(names, name, err);
	}
	return r;
}

static int list_names(struct og_inquiry *inquiry, const char *key, char ***ret_names,
		      struct og_err *err)
{
	struct names names = { .key = key };
	int r;

	if (og_grow(names.items, 0) < 0)
		return no_memory(err);
	names.items[0] = NULL;
	inquiry->max_body_bytes = OG_REMOTE_PAGE_MAX;
	r = walk_pages(inquiry, take_names, &names, err);
	if (r < 0) {
		og_strv_free(names.items);
		return r;
	}
	*ret_names = names.items;
	return 0;
}

int og_remote_tags(struct og_remote *registry, struct og_http_client *client, char ***ret_tags,
		   struct og_err *err)
{
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = "tags/list?n=" PAGE_NAMES,
	};
	int r = list_names(&inquiry, "tags", ret_tags, err);

	return r < 0 ? og_fail_in(err, r, "list tags") : 0;
}

int og_remote_catalog(struct og_remote *registry, struct og_http_client *client,
		      char ***ret_repositories, struct og_err *err)
{
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.root = "v2",
		.path = "_catalog?n=" PAGE_NAMES,
	};
	int r = list_names(&inquiry, "repositories", ret_repositories, err);

	return r < 0 ? og_fail_in(err, r, "list repositories") : 0;
}

int og_remote_search(struct og_remote *registry, struct og_http_client *client, const char *words,
		     size_t limit, struct og_json **ret_answer, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *escaped = og_http_escape(client, words);
	og_auto_free char *path = og_strdupf("search?q=%s&n=%zu", escaped, limit);
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.root = "v1",
		.path = path,
		.max_body_bytes = OG_REMOTE_PAGE_MAX,
	};
	const char *body;
	size_t len;
	int r;

	if (escaped == NULL || path == NULL)
		return no_memory(err);
	r = og_inquire(&inquiry, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "search");
	body = og_http_body(response, &len);
	if (og_json_parse(body, len, ret_answer, err) < 0)
		return og_fail_in(err, -EPROTO, "search");
	return 0;
}

/* ---- referrers ---- */

void og_referrers_done(struct og_referrers *referrers)
{
	for (size_t i = 0; i < referrers->page_count; i++)
		og_json_free(referrers->pages[i]);
	free(referrers->pages);
	free(referrers->items);
	*referrers = (struct og_referrers){};
}

struct referrers {
	struct og_referrers list;
	const char *artifact_type; /* NULL: all */
};

bool og_remote_is_digest(const char *text)
{
	size_t want = og_starts_with(text, "sha256:")	? 64
		      : og_starts_with(text, "sha512:") ? 128
							: 0;

	return want > 0 && strlen(text) == 7 + want && strspn(text + 7, "0123456789abcdef") == want;
}

static int read_referrer(const struct og_json *json, struct og_referrer *ret_referrer,
			 struct og_err *err)
{
	struct og_referrer referrer = { .media_type = "", .artifact_type = "", .digest = "" };
	struct og_json *annotations = NULL;
	struct og_json_member member = {};
	int64_t size = -1;

	if (og_json_kind(json) != OG_JSON_OBJECT ||
	    og_json_opt_string(json, "mediaType", &referrer.media_type, err) < 0 ||
	    og_json_opt_string(json, "artifactType", &referrer.artifact_type, err) < 0 ||
	    og_json_opt_string(json, "digest", &referrer.digest, err) < 0 ||
	    og_json_opt_int(json, "size", 0, OG_MANIFEST_BYTES_MAX, &size, err) < 0 || size < 0 ||
	    og_json_opt_object(json, "annotations", &annotations, err) < 0)
		return og_fail_plain(err, -EPROTO, "the list of referrers: a bad descriptor");
	if (!og_remote_is_digest(referrer.digest))
		return og_fail_plain(err, -EPROTO, "the list of referrers: bad digest '%.80s'",
				     referrer.digest);
	while (og_json_next(annotations, &member))
		if (og_json_kind(member.value) != OG_JSON_STRING)
			return og_fail_plain(err, -EPROTO,
					     "the list of referrers: an annotation is no text");
	referrer.size = (uint64_t)size;
	referrer.annotations = annotations;
	*ret_referrer = referrer;
	return 0;
}

static int keep_page(struct og_referrers *list, struct og_json **page, size_t more,
		     struct og_err *err)
{
	struct og_referrer *items;

	if (og_grow(list->pages, list->page_count) < 0)
		return no_memory(err);
	list->pages[list->page_count++] = og_take_ptr(*page);
	items = reallocarray(list->items, list->count + more + 1, sizeof(*items));
	if (items == NULL)
		return no_memory(err);
	list->items = items;
	return 0;
}

static int take_referrers(void *data, struct og_json **page,
			  const struct og_http_response *response, struct og_err *err)
{
	struct referrers *referrers = data;
	struct og_referrers *list = &referrers->list;
	struct og_json *array = NULL;
	int r = og_json_opt_array(*page, "manifests", &array, err);

	(void)response;
	if (r < 0)
		return og_fail_in(err, -EPROTO, "the list of referrers");
	if (og_json_count(array) > OG_REMOTE_REFERRERS_MAX - list->count)
		return og_fail_plain(err, -E2BIG, "over %u referrers", OG_REMOTE_REFERRERS_MAX);
	r = keep_page(list, page, og_json_count(array), err);
	for (size_t i = 0; i < og_json_count(array) && r == 0; i++) {
		struct og_referrer item;

		r = read_referrer(og_json_at(array, i), &item, err);
		/* A registry may filter or not, and says so in a header that not all send. */
		if (r == 0 && (referrers->artifact_type == NULL ||
			       og_streq(item.artifact_type, referrers->artifact_type)))
			list->items[list->count++] = item;
	}
	return r;
}

/* "sha256-HEX", the tag for "sha256:HEX"; a longer digest is cut as the specification says. */
static void referrers_tag(const char *digest, char ret_tag[OG_IMAGEREF_TAG_MAX + 1])
{
	(void)snprintf(ret_tag, OG_IMAGEREF_TAG_MAX + 1, "%s", digest);
	for (char *c = ret_tag; *c != '\0'; c++)
		*c = *c == ':' ? '-' : *c;
}

/* The index under the stand-in tag, as text; an empty document when there is none. */
static int get_stand_in(struct og_remote *registry, struct og_http_client *client,
			const char *digest, struct og_document *ret_document, struct og_err *err)
{
	char tag[OG_IMAGEREF_TAG_MAX + 1];
	struct og_err quiet = {};
	int r;

	referrers_tag(digest, tag);
	r = og_remote_manifest(registry, client, tag, ret_document, &quiet);
	if (r == -ENOENT)
		return 0;
	if (r < 0 && err != NULL)
		*err = quiet;
	return r;
}

static int list_stand_in(struct og_remote *registry, struct og_http_client *client,
			 const char *digest, struct referrers *referrers, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_json_freep) struct og_json *page = NULL;
	int r = get_stand_in(registry, client, digest, &document, err);

	if (r < 0 || document.buf == NULL)
		return r;
	if (og_json_parse(document.buf, document.len, &page, err) < 0)
		return og_fail_in(err, -EPROTO, "the list of referrers");
	return take_referrers(referrers, &page, NULL, err);
}

int og_remote_referrers(struct og_remote *registry, struct og_http_client *client,
			const char *digest, const char *artifact_type,
			struct og_referrers *ret_referrers, struct og_err *err)
{
	static const char *const headers[] = { "Accept: " OG_MEDIA_OCI_INDEX, NULL };
	struct referrers referrers = { .artifact_type = artifact_type };
	og_auto_free char *type = artifact_type != NULL ? og_http_escape(client, artifact_type)
							: NULL;
	og_auto_free char *path = og_strdupf("referrers/%s%s%s", digest,
					     type != NULL ? "?artifactType=" : "",
					     type != NULL ? type : "");
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = path,
		.headers = headers,
		.max_body_bytes = OG_MANIFEST_BYTES_MAX,
	};
	int r;

	if (path == NULL)
		return no_memory(err);
	r = walk_pages(&inquiry, take_referrers, &referrers, err);
	/* Those that know no such path say 404, some that it is no request at all. */
	if (r == -ENOENT || (r == -EPROTO && referrers.list.page_count == 0))
		r = list_stand_in(registry, client, digest, &referrers, err);
	if (r < 0) {
		og_referrers_done(&referrers.list);
		return og_fail_in(err, r, "list referrers");
	}
	*ret_referrers = referrers.list;
	return 0;
}

/* ---- entering one by hand ---- */

static struct og_json *make_entry(const struct og_json *manifest, const char *media_type,
				  const struct og_digest *digest, size_t len)
{
	const char *type = og_json_string(og_json_get(manifest, "artifactType"), NULL);
	const struct og_json *annotations = og_json_get(manifest, "annotations");
	struct og_json *entry = og_json_new_object();

	if (type == NULL)
		type = og_json_string(og_json_get(og_json_get(manifest, "config"), "mediaType"),
				      NULL);
	og_json_set_string(entry, "mediaType", media_type);
	og_json_set_string(entry, "digest", og_digest_format(digest).text);
	og_json_set(entry, "size", og_json_new_uint(len));
	if (type != NULL)
		og_json_set_string(entry, "artifactType", type);
	if (annotations != NULL)
		og_json_set(entry, "annotations", og_json_copy(annotations));
	return entry;
}

static struct og_json *new_index(void)
{
	struct og_json *index = og_json_new_object();

	og_json_set_int(index, "schemaVersion", 2);
	og_json_set_string(index, "mediaType", OG_MEDIA_OCI_INDEX);
	og_json_set(index, "manifests", og_json_new_array());
	return index;
}

/* Adds @entry, which is taken over. Returns 1, or 0 when it is there already. */
static int add_entry(struct og_json *index, struct og_json *entry)
{
	struct og_json *list = og_json_get(index, "manifests");
	const char *digest = og_json_string(og_json_get(entry, "digest"), "");

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *other = og_json_get(og_json_at(list, i), "digest");

		if (og_streq(og_json_string(other, ""), digest)) {
			og_json_free(entry);
			return 0;
		}
	}
	og_json_push(list, entry);
	return 1;
}

static int enter(struct og_remote *registry, struct og_http_client *client, const char *subject,
		 struct og_json *entry, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_json_freep) struct og_json *index = NULL;
	og_auto_free char *text = NULL;
	char tag[OG_IMAGEREF_TAG_MAX + 1];
	bool known = false;
	int r = get_stand_in(registry, client, subject, &document, err);

	if (r == 0 && document.buf != NULL)
		r = og_json_parse(document.buf, document.len, &index, err);
	if (r < 0 || og_json_kind(og_json_get(index, "manifests")) != OG_JSON_ARRAY)
		index = og_json_free(index);
	if (r < 0) {
		og_json_free(entry);
		return r;
	}
	if (index == NULL)
		index = new_index();
	if (add_entry(index, entry) == 0)
		return 0;
	text = og_json_write(index);
	referrers_tag(subject, tag);
	return og_remote_put_plain_manifest(registry, client, tag, OG_MEDIA_OCI_INDEX, text,
					    strlen(text), &known, err);
}

int og_referrers_enter(struct og_remote *registry, struct og_http_client *client,
		       const char *media_type, const void *buf, size_t len,
		       const struct og_digest *digest, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *manifest = NULL;
	const char *subject;
	int r = og_json_parse(buf, len, &manifest, err);

	if (r < 0)
		return og_fail_in(err, r, "push manifest");
	subject = og_json_string(og_json_get(og_json_get(manifest, "subject"), "digest"), NULL);
	if (subject == NULL)
		return 0;
	if (!og_remote_is_digest(subject))
		return og_fail_plain(err, -EINVAL, "push manifest: its subject has no digest");
	r = enter(registry, client, subject, make_entry(manifest, media_type, digest, len), err);
	return r < 0 ? og_fail_in(err, r, "enter it as a referrer") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a registry about itself: does it take these credentials, what does it hold? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/json.h"
#include "base/text.h"
#include "image/images.h"
#include "image/remote.h"

/* The index that searches for Docker Hub; its registry does not. */
#define HUB_INDEX "index.docker.io"

/* "https://index.docker.io/v1/" and "localhost:5000" are both what clients call a registry. */
static int parse_address(const char *address, struct og_imageref *ret_ref, struct og_err *err)
{
	const char *start = strstr(address, "://");
	og_auto_free char *host = NULL;
	og_auto_free char *name = NULL;

	start = start != NULL ? start + 3 : address;
	host = strndup(start, strcspn(start, "/"));
	if (host == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (host[0] == '\0' || og_streq(host, HUB_INDEX))
		name = strdup("docker.io/library/x");
	else
		name = og_strdupf("%s/x", host);
	if (name == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (og_imageref_parse(name, ret_ref, NULL) < 0 ||
	    (host[0] != '\0' && strpbrk(host, ".:") == NULL && !og_streq(host, "localhost")))
		return og_fail_plain(err, -EINVAL, "'%.200s' is no registry's address", address);
	return 0;
}

int og_images_login(const struct og_login *login, struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	const struct og_remote_options options = {
		.access = OG_REMOTE_LOGIN,
		.user = login->user,
		.password = login->password,
		.identity_token = login->identity_token,
		.insecure = login->insecure,
	};
	struct og_imageref ref;
	int r = parse_address(login->address, &ref, err);

	if (r == 0)
		r = og_http_client_new(&client, err);
	if (r == 0)
		r = og_remote_new(&ref, &options, &registry, err);
	return r < 0 ? r : og_remote_ping(registry, client, err);
}

/* ---- search ---- */

void og_search_result_done(struct og_search_result *result)
{
	for (size_t i = 0; i < result->count; i++) {
		free(result->items[i].name);
		free(result->items[i].description);
	}
	free(result->items);
	*result = (struct og_search_result){};
}

/* One search under way. */
struct seeking {
	const struct og_search *search;
	struct og_imageref ref; /* its domain counts; of a list of tags its path, too */
	char prefix[OG_IMAGEREF_NAME_MAX +
		    2];	   /* "localhost:5000/" before each name; "" for the Hub */
	const char *words; /* borrowed from the term */
	struct og_search_result *result;
};

static int add_found(struct seeking *seeking, const char *name, const struct og_json *entry,
		     struct og_err *err)
{
	struct og_search_result *result = seeking->result;
	struct og_found_repository found = {
		.name = og_strdupf("%s%s", seeking->prefix, name),
		.description = strdup(og_json_string(og_json_get(entry, "description"), "")),
		.stars = og_json_int(og_json_get(entry, "star_count"), 0),
		.official = og_json_bool(og_json_get(entry, "is_official"), false),
		.automated = og_json_bool(og_json_get(entry, "is_automated"), false),
	};

	if (og_grow(result->items, result->count) < 0 || found.name == NULL ||
	    found.description == NULL) {
		free(found.name);
		free(found.description);
		return og_fail(err, -ENOMEM, "no memory");
	}
	result->items[result->count++] = found;
	return 0;
}

static int add_index_results(struct seeking *seeking, const struct og_json *answer,
			     struct og_err *err)
{
	struct og_json *list = NULL;
	int r = og_json_opt_array(answer, "results", &list, err);

	if (r < 0)
		return og_fail_in(err, -EPROTO, "search");
	for (size_t i = 0; i < og_json_count(list) && r == 0; i++) {
		const struct og_json *entry = og_json_at(list, i);
		const char *name = og_json_string(og_json_get(entry, "name"), NULL);

		if (seeking->result->count == seeking->search->limit)
			break;
		if (name == NULL)
			return og_fail_plain(err, -EPROTO, "search: an entry has no name");
		r = add_found(seeking, name, entry, err);
	}
	return r;
}

/* Names that hold the words; all of them where there are none. */
static int add_names(struct seeking *seeking, char *const *names, struct og_err *err)
{
	int r = 0;

	for (; *names != NULL && r == 0; names++) {
		if (seeking->result->count == seeking->search->limit)
			break;
		if (strstr(*names, seeking->words) != NULL)
			r = add_found(seeking, *names, NULL, err);
	}
	return r;
}

static int open_registry(const struct seeking *seeking, struct og_remote_options *options,
			 unsigned int access, struct og_remote **ret_registry, struct og_err *err)
{
	const struct og_search *search = seeking->search;

	*options = (struct og_remote_options){
		.access = access,
		.user = search->user,
		.password = search->password,
		.identity_token = search->identity_token,
		.insecure = search->insecure,
	};
	return og_remote_new(&seeking->ref, options, ret_registry, err);
}

static int search_index(struct seeking *seeking, struct og_http_client *client, struct og_err *err)
{
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	struct og_remote_options options;
	int r = open_registry(seeking, &options, OG_REMOTE_LOGIN, &registry, err);

	if (r == 0)
		r = og_remote_search(registry, client, seeking->words, seeking->search->limit,
				     &answer, err);
	return r < 0 ? r : add_index_results(seeking, answer, err);
}

static int search_catalog(struct seeking *seeking, struct og_http_client *client,
			  struct og_err *err)
{
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	og_cleanup(og_strv_freep) char **names = NULL;
	struct og_remote_options options;
	int r = open_registry(seeking, &options, OG_REMOTE_CATALOG, &registry, err);

	if (r == 0)
		r = og_remote_catalog(registry, client, &names, err);
	return r < 0 ? r : add_names(seeking, names, err);
}

static int list_tags(struct seeking *seeking, struct og_http_client *client, struct og_err *err)
{
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	og_cleanup(og_strv_freep) char **tags = NULL;
	struct og_remote_options options;
	int r = open_registry(seeking, &options, OG_REMOTE_PULL, &registry, err);

	if (r == 0)
		r = og_remote_tags(registry, client, &tags, err);
	(void)snprintf(seeking->prefix, sizeof(seeking->prefix), "%.*s:", OG_IMAGEREF_NAME_MAX,
		       og_imageref_familiar(&seeking->ref).text);
	seeking->words = "";
	return r < 0 ? r : add_names(seeking, tags, err);
}

/* "HOST/words" or "words": where to ask, and for what. */
static int read_term(struct seeking *seeking, struct og_err *err)
{
	const char *term = seeking->search->term;
	size_t len = strcspn(term, "/");
	og_auto_free char *first = strndup(term, len);
	int r;

	if (first == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (seeking->search->list_tags)
		return og_imageref_parse(term, &seeking->ref, err);
	if (strpbrk(first, ".:") == NULL && !og_streq(first, "localhost")) {
		seeking->words = term;
		return og_imageref_parse(HUB_INDEX "/x", &seeking->ref, err);
	}
	r = parse_address(first, &seeking->ref, err);
	if (r < 0)
		return r;
	seeking->words = term[len] == '/' ? term + len + 1 : term + len;
	if (!og_streq(seeking->ref.domain, OG_IMAGEREF_HUB)) {
		(void)snprintf(seeking->prefix, sizeof(seeking->prefix), "%s/", first);
		return 0;
	}
	return og_imageref_parse(HUB_INDEX "/x", &seeking->ref, err);
}

int og_images_search(const struct og_search *search, struct og_search_result *ret_result,
		     struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	og_cleanup(og_search_result_done) struct og_search_result result = {};
	struct seeking seeking = { .search = search, .result = &result };
	int r = read_term(&seeking, err);

	if (r == 0)
		r = og_http_client_new(&client, err);
	if (r < 0)
		return r;
	if (search->list_tags) {
		r = list_tags(&seeking, client, err);
	} else {
		/* Only few registries still have Docker's search; all list their repositories. */
		r = search_index(&seeking, client, err);
		if ((r == -ENOENT || r == -EPROTO) && seeking.prefix[0] != '\0')
			r = search_catalog(&seeking, client, err);
	}
	if (r < 0)
		return r;
	*ret_result = result;
	result = (struct og_search_result){};
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_query.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"

static bool is_accepted(const char *const *accepted, const char *key)
{
	for (; *accepted != NULL; accepted++) {
		if (og_streq(*accepted, key))
			return true;
	}
	return false;
}

/* The values of one key in either form; NULL: neither. */
static struct og_json *read_values(const struct og_json *given)
{
	og_cleanup(og_json_freep) struct og_json *values = og_json_new_array();
	struct og_json_member member = {};

	if (og_json_kind(given) == OG_JSON_ARRAY) {
		for (size_t i = 0; i < og_json_count(given); i++) {
			const char *value = og_json_string(og_json_at(given, i), NULL);

			if (value == NULL)
				return NULL;
			og_json_push(values, og_json_new_string(value));
		}
		return og_take_ptr(values);
	}
	if (og_json_kind(given) != OG_JSON_OBJECT)
		return NULL;
	while (og_json_next(given, &member)) {
		if (og_json_bool(member.value, false))
			og_json_push(values, og_json_new_string(member.key));
	}
	return og_take_ptr(values);
}

int og_filters_parse(const char *text, const char *const *accepted, struct og_json **ret_filters,
		     struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *filters = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *given = NULL;
	struct og_json_member member = {};
	int r;

	if (text != NULL && *text != '\0') {
		if (strlen(text) > OG_FILTERS_MAX_BYTES)
			return og_fail(err, -EINVAL, "filters are over %u bytes",
				       OG_FILTERS_MAX_BYTES);
		r = og_json_parse(text, strlen(text), &given, err);
		if (r < 0)
			return og_fail_in(err, r, "filters");
		if (og_json_kind(given) != OG_JSON_OBJECT)
			return og_fail(err, -EINVAL, "filters must be a JSON object");
	}
	while (og_json_next(given, &member)) {
		struct og_json *values;

		if (!is_accepted(accepted, member.key))
			return og_fail(err, -EINVAL, "invalid filter '%s'", member.key);
		values = read_values(member.value);
		if (values == NULL)
			return og_fail(err, -EINVAL, "filter '%s' must be a list of strings",
				       member.key);
		og_json_set(filters, member.key, values);
	}
	*ret_filters = og_take_ptr(filters);
	return 0;
}

const struct og_json *og_filters_get(const struct og_json *filters, const char *key)
{
	const struct og_json *values = og_json_get(filters, key);

	return og_json_count(values) == 0 ? NULL : values;
}

bool og_filters_allow(const struct og_json *filters, const char *key, const char *value)
{
	const struct og_json *values = og_filters_get(filters, key);

	for (size_t i = 0; i < og_json_count(values); i++) {
		if (og_streq(og_json_string(og_json_at(values, i), ""), value))
			return true;
	}
	return values == NULL;
}

static bool has_label(const struct og_json *labels, const char *wanted)
{
	size_t len = strcspn(wanted, "=");
	struct og_json_member member = {};

	while (og_json_next(labels, &member)) {
		if (strlen(member.key) != len || strncmp(member.key, wanted, len) != 0)
			continue;
		return wanted[len] == '\0' ||
		       og_streq(og_json_string(member.value, ""), wanted + len + 1);
	}
	return false;
}

bool og_filters_allow_labels(const struct og_json *filters, const struct og_json *labels)
{
	const struct og_json *values = og_filters_get(filters, "label");

	for (size_t i = 0; i < og_json_count(values); i++) {
		if (!has_label(labels, og_json_string(og_json_at(values, i), "")))
			return false;
	}
	return true;
}

/* ---- credentials ---- */

void og_registry_auth_done(struct og_registry_auth *auth)
{
	free(auth->user);
	free(auth->password);
	free(auth->identity_token);
	*auth = (struct og_registry_auth){};
}

/* "auth": base64 of user:password. */
static int read_pair(const char *text, struct og_registry_auth *auth)
{
	og_auto_free char *pair = NULL;
	size_t len = 0;
	char *colon;
	int r = og_base64_decode(text, &pair, &len);

	if (r < 0)
		return r;
	colon = strchr(pair, ':');
	if (colon == NULL || strlen(pair) != len)
		return -EINVAL;
	*colon = '\0';
	free(auth->user);
	free(auth->password);
	auth->user = strdup(pair);
	auth->password = strdup(colon + 1);
	return 0;
}

int og_registry_auth_parse(const char *text, struct og_registry_auth *ret_auth, struct og_err *err)
{
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *bytes = NULL;
	const char *user = "", *password = "", *token = "", *pair = "";
	size_t len = 0;
	int r = 0;

	if (text != NULL && *text != '\0') {
		if (strlen(text) > OG_REGISTRY_AUTH_MAX_BYTES ||
		    og_base64_decode(text, &bytes, &len) < 0 ||
		    og_json_parse(bytes, len, &root, NULL) < 0 ||
		    og_json_kind(root) != OG_JSON_OBJECT ||
		    og_json_opt_string(root, "username", &user, NULL) < 0 ||
		    og_json_opt_string(root, "password", &password, NULL) < 0 ||
		    og_json_opt_string(root, "identitytoken", &token, NULL) < 0 ||
		    og_json_opt_string(root, "auth", &pair, NULL) < 0)
			return og_fail(err, -EINVAL, "invalid X-Registry-Auth header");
	}
	auth = (struct og_registry_auth){
		.user = strdup(user),
		.password = strdup(password),
		.identity_token = strdup(token),
	};
	if (*user == '\0' && *pair != '\0')
		r = read_pair(pair, &auth);
	if (r < 0)
		return og_fail(err, r, "invalid X-Registry-Auth header");
	if (auth.user == NULL || auth.password == NULL || auth.identity_token == NULL)
		return og_fail(err, -ENOMEM, "read X-Registry-Auth");
	*ret_auth = auth;
	auth = (struct og_registry_auth){};
	return 0;
}

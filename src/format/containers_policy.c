/* SPDX-License-Identifier: Apache-2.0 */
#include "format/containers_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- identities ---- */

/* A text without tag and digest gets "latest" from the parser; here that is a difference. */
static bool is_name_only(const char *text)
{
	const char *slash = strrchr(text, '/');

	return strchr(text, '@') == NULL && strchr(slash != NULL ? slash : text, ':') == NULL;
}

static bool same_name(const struct og_imageref *a, const struct og_imageref *b)
{
	return og_streq(a->domain, b->domain) && og_streq(a->path, b->path);
}

/* As Go's reference.String() would compare: name, tag, digest. */
static bool same_reference(const struct og_imageref *a, const struct og_imageref *b)
{
	if (!same_name(a, b) || a->has_digest != b->has_digest)
		return false;
	if (a->has_digest)
		return og_digest_equal(&a->digest, &b->digest);
	return og_streq(a->tag, b->tag);
}

static bool repo_digest_or_exact(const struct og_imageref *sign, const char *text,
				 const struct og_imageref *ref)
{
	if (ref->has_digest)
		return same_name(sign, ref);
	return !is_name_only(text) && same_reference(sign, ref);
}

/* @ref with the prefix @from of its name replaced by @to, or as it is where it has not that prefix. */
static bool remap(const struct og_imageref *ref, const char *from, const char *to,
		  struct og_imageref *ret_ref)
{
	struct og_imageref_text name = og_imageref_name(ref);
	size_t len = strlen(from);
	og_auto_free char *text = NULL;

	*ret_ref = *ref;
	if (!og_starts_with(name.text, from) || (name.text[len] != '\0' && name.text[len] != '/'))
		return true;
	text = og_strdupf("%s%s:latest", to, name.text + len);
	if (text == NULL || og_imageref_parse(text, ret_ref, NULL) < 0)
		return false;
	memcpy(ret_ref->tag, ref->tag, sizeof(ret_ref->tag));
	ret_ref->has_digest = ref->has_digest;
	ret_ref->digest = ref->digest;
	return true;
}

bool og_identity_matches(const struct og_signed_identity *identity, const char *signed_reference,
			 const struct og_imageref *ref)
{
	struct og_imageref sign, other;

	if (og_imageref_parse(signed_reference, &sign, NULL) < 0)
		return false;
	switch (identity->kind) {
	case OG_IDENTITY_REPO_DIGEST_OR_EXACT:
		return repo_digest_or_exact(&sign, signed_reference, ref);
	case OG_IDENTITY_EXACT:
		return !is_name_only(signed_reference) && same_reference(&sign, ref);
	case OG_IDENTITY_REPOSITORY:
		return same_name(&sign, ref);
	case OG_IDENTITY_EXACT_REFERENCE:
		return og_imageref_parse(identity->reference, &other, NULL) == 0 &&
		       !is_name_only(signed_reference) && !is_name_only(identity->reference) &&
		       same_reference(&sign, &other);
	case OG_IDENTITY_EXACT_REPOSITORY:
		return og_imageref_parse(identity->reference, &other, NULL) == 0 &&
		       same_name(&sign, &other);
	case OG_IDENTITY_REMAP:
		return remap(ref, identity->reference, identity->signed_prefix, &other) &&
		       repo_digest_or_exact(&sign, signed_reference, &other);
	}
	return false;
}

/* ---- reading ---- */

/* Refuses members that are not among @names (NULL-terminated). */
static int check_members(const struct og_json *object, const char *const *names, struct og_err *err)
{
	const char *stray = og_json_stray(object, names);

	if (og_json_kind(object) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EINVAL, "an object is wanted");
	return stray == NULL ? 0 : og_fail_plain(err, -EINVAL, "'%.60s' is unknown", stray);
}

static int text_member(const struct og_json *object, const char *name, const char **ret_text,
		       struct og_err *err)
{
	*ret_text = og_json_string(og_json_get(object, name), "");
	if ((*ret_text)[0] == '\0')
		return og_fail_plain(err, -EINVAL, "%s is missing, or no text", name);
	return 0;
}

static const struct identity_kind {
	const char *name;
	enum og_identity_kind kind;
	const char *members[4]; /* "type" and up to two more */
} identity_kinds[] = {
	{ "matchExact", OG_IDENTITY_EXACT, { "type" } },
	{ "matchRepoDigestOrExact", OG_IDENTITY_REPO_DIGEST_OR_EXACT, { "type" } },
	{ "matchRepository", OG_IDENTITY_REPOSITORY, { "type" } },
	{ "exactReference", OG_IDENTITY_EXACT_REFERENCE, { "type", "dockerReference" } },
	{ "exactRepository", OG_IDENTITY_EXACT_REPOSITORY, { "type", "dockerRepository" } },
	{ "remapIdentity", OG_IDENTITY_REMAP, { "type", "prefix", "signedPrefix" } },
};

static int check_reference(const struct og_signed_identity *identity, struct og_err *err)
{
	struct og_imageref ref;

	if (identity->kind != OG_IDENTITY_EXACT_REFERENCE &&
	    identity->kind != OG_IDENTITY_EXACT_REPOSITORY)
		return 0;
	if (identity->kind == OG_IDENTITY_EXACT_REFERENCE && is_name_only(identity->reference))
		return og_fail_plain(err, -EINVAL, "dockerReference: '%.80s' has no tag or digest",
				     identity->reference);
	return og_imageref_parse(identity->reference, &ref, err);
}

static int read_identity(const struct og_json *value, struct og_signed_identity *ret_identity,
			 struct og_err *err)
{
	const char *type = og_json_string(og_json_get(value, "type"), "");
	const struct identity_kind *kind = NULL;
	int r;

	for (size_t i = 0; i < sizeof(identity_kinds) / sizeof(identity_kinds[0]); i++) {
		if (og_streq(identity_kinds[i].name, type))
			kind = &identity_kinds[i];
	}
	if (kind == NULL)
		return og_fail_plain(err, -EINVAL, "signedIdentity: type '%.60s' is unknown", type);
	r = check_members(value, kind->members, err);
	if (r == 0 && kind->members[1] != NULL)
		r = text_member(value, kind->members[1], &ret_identity->reference, err);
	if (r == 0 && kind->members[2] != NULL)
		r = text_member(value, kind->members[2], &ret_identity->signed_prefix, err);
	ret_identity->kind = kind->kind;
	if (r == 0)
		r = check_reference(ret_identity, err);
	return r < 0 ? og_fail_in(err, r, "signedIdentity") : 0;
}

/* A text or a list of texts, which is what @one and @many are, into a list. */
static int read_keys(const struct og_json *demand, const char *one, const char *many,
		     const char ***ret_list, struct og_err *err)
{
	const char *single = og_json_string(og_json_get(demand, one), NULL);
	const struct og_json *array = og_json_get(demand, many);
	size_t count = array != NULL ? og_json_count(array) : (single != NULL ? 1 : 0);
	const char **list;

	if (og_json_get(demand, one) != NULL && (single == NULL || single[0] == '\0'))
		return og_fail_plain(err, -EINVAL, "%s is no text", one);
	if (array != NULL && (og_json_kind(array) != OG_JSON_ARRAY || count == 0 ||
			      count > OG_POLICY_KEYS_MAX || single != NULL))
		return og_fail_plain(err, -EINVAL, "%s must be 1 to %d texts, without %s", many,
				     OG_POLICY_KEYS_MAX, one);
	list = calloc(count + 1, sizeof(list[0]));
	if (list == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_list = list;
	for (size_t i = 0; i < count; i++) {
		list[i] = array != NULL ? og_json_string(og_json_at(array, i), "") : single;
		if (list[i][0] == '\0')
			return og_fail_plain(err, -EINVAL, "%s: an empty text, or none", many);
	}
	return 0;
}

static int read_sigstore(const struct og_json *value, struct og_demand *demand, struct og_err *err)
{
	static const char *const members[] = { "type",
					       "keyPath",
					       "keyPaths",
					       "keyData",
					       "keyDatas",
					       "fulcio",
					       "pki",
					       "rekorPublicKeyPath",
					       "rekorPublicKeyPaths",
					       "rekorPublicKeyData",
					       "rekorPublicKeyDatas",
					       "signedIdentity",
					       NULL };
	const struct og_json *identity = og_json_get(value, "signedIdentity");
	bool others = og_json_get(value, "fulcio") != NULL || og_json_get(value, "pki") != NULL;
	size_t sources;
	int r = check_members(value, members, err);

	if (r == 0)
		r = read_keys(value, "keyPath", "keyPaths", &demand->key_paths, err);
	if (r == 0)
		r = read_keys(value, "keyData", "keyDatas", &demand->key_data, err);
	if (r == 0 && identity != NULL)
		r = read_identity(identity, &demand->identity, err);
	if (r < 0)
		return r;
	demand->kind = OG_DEMAND_SIGSTORE;
	sources = (size_t)(demand->key_paths[0] != NULL) + (size_t)(demand->key_data[0] != NULL) +
		  (size_t)others;
	if (sources != 1)
		return og_fail_plain(err, -EINVAL,
				     "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio "
				     "and pki is wanted");
	for (size_t i = 7; members[i + 1] != NULL; i++)
		others = others || og_json_get(value, members[i]) != NULL;
	if (others) {
		demand->kind = OG_DEMAND_UNSUPPORTED;
		demand->why = "it asks for Fulcio, Rekor or a PKI, which onggi does not check";
	}
	return 0;
}

static int read_demand(const struct og_json *value, struct og_demand *demand, struct og_err *err)
{
	static const char *const only_type[] = { "type", NULL };
	const char *type = og_json_string(og_json_get(value, "type"), "");

	if (og_streq(type, "sigstoreSigned"))
		return read_sigstore(value, demand, err);
	if (og_streq(type, "signedBy")) {
		demand->kind = OG_DEMAND_UNSUPPORTED;
		demand->why = "it asks for an OpenPGP signature (signedBy), which onggi does not "
			      "check; sigstoreSigned it does";
		return 0;
	}
	if (og_streq(type, "insecureAcceptAnything"))
		demand->kind = OG_DEMAND_ANYTHING;
	else if (og_streq(type, "reject"))
		demand->kind = OG_DEMAND_REJECT;
	else
		return og_fail_plain(err, -EINVAL, "type '%.60s' is unknown", type);
	return check_members(value, only_type, err);
}

static int add_scope(struct og_containers_policy *policy, const char *transport, const char *name,
		     const struct og_json *list, struct og_err *err)
{
	struct og_policy_scope *scope = &policy->scopes[policy->count];
	size_t count = og_json_count(list);

	if (og_json_kind(list) != OG_JSON_ARRAY || count == 0 || count > OG_POLICY_DEMANDS_MAX)
		return og_fail_plain(err, -EINVAL, "'%.80s': 1 to %d requirements are wanted", name,
				     OG_POLICY_DEMANDS_MAX);
	*scope = (struct og_policy_scope){ .transport = transport, .name = name };
	scope->demands = calloc(count, sizeof(scope->demands[0]));
	if (scope->demands == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	policy->count++;
	scope->count = count;
	for (size_t i = 0; i < count; i++) {
		int r = read_demand(og_json_at(list, i), &scope->demands[i], err);

		if (r < 0)
			return og_fail_in(err, r, "%s '%.80s', requirement %zu", transport, name,
					  i + 1);
	}
	return 0;
}

static size_t count_scopes(const struct og_json *transports)
{
	struct og_json_member member = {};
	size_t count = 1;

	while (og_json_next(transports, &member))
		count += og_json_count(member.value);
	return count;
}

static int read_transport(struct og_containers_policy *policy, const char *transport,
			  const struct og_json *scopes, struct og_err *err)
{
	struct og_json_member member = {};
	int r = 0;

	if (og_json_kind(scopes) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EINVAL, "transports.%.60s is no object", transport);
	while (r == 0 && og_json_next(scopes, &member))
		r = add_scope(policy, transport, member.key, member.value, err);
	return r;
}

static int read_policy(struct og_containers_policy *policy, struct og_err *err)
{
	static const char *const members[] = { "default", "transports", NULL };
	const struct og_json *transports = og_json_get(policy->root, "transports");
	struct og_json_member member = {};
	int r = check_members(policy->root, members, err);

	if (r == 0 && transports != NULL && og_json_kind(transports) != OG_JSON_OBJECT)
		r = og_fail_plain(err, -EINVAL, "transports is no object");
	if (r == 0 && count_scopes(transports) > OG_POLICY_SCOPES_MAX)
		r = og_fail_plain(err, -E2BIG, "over %d scopes", OG_POLICY_SCOPES_MAX);
	if (r < 0)
		return r;
	policy->scopes = calloc(count_scopes(transports), sizeof(policy->scopes[0]));
	if (policy->scopes == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = add_scope(policy, "", "default", og_json_get(policy->root, "default"), err);
	while (r == 0 && og_json_next(transports, &member))
		r = read_transport(policy, member.key, member.value, err);
	return r;
}

int og_containers_policy_parse(const char *buf, size_t len,
			       struct og_containers_policy **ret_policy, struct og_err *err)
{
	og_cleanup(og_containers_policy_freep) struct og_containers_policy *policy = NULL;
	int r;

	if (len > OG_CONTAINERS_POLICY_MAX)
		return og_fail_plain(err, -E2BIG, "policy: over %u bytes",
				     OG_CONTAINERS_POLICY_MAX);
	policy = calloc(1, sizeof(*policy));
	if (policy == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_json_parse(buf, len, &policy->root, err);
	if (r == 0)
		r = read_policy(policy, err);
	if (r < 0)
		return og_fail_in(err, r, "policy");
	*ret_policy = og_take_ptr(policy);
	return 0;
}

struct og_containers_policy *og_containers_policy_free(struct og_containers_policy *policy)
{
	if (policy == NULL)
		return NULL;
	for (size_t i = 0; i < policy->count; i++) {
		for (size_t j = 0; j < policy->scopes[i].count; j++) {
			free(policy->scopes[i].demands[j].key_paths);
			free(policy->scopes[i].demands[j].key_data);
		}
		free(policy->scopes[i].demands);
	}
	free(policy->scopes);
	(void)og_json_free(policy->root);
	free(policy);
	return NULL;
}

/* ---- finding ---- */

static const struct og_policy_scope *find_name(const struct og_containers_policy *policy,
					       const char *name)
{
	for (size_t i = 1; i < policy->count; i++) {
		if (og_streq(policy->scopes[i].transport, "docker") &&
		    og_streq(policy->scopes[i].name, name))
			return &policy->scopes[i];
	}
	return NULL;
}

/* "*.b.c" and "*.c" for the host a.b.c, on any port. */
static const struct og_policy_scope *find_wildcard(const struct og_containers_policy *policy,
						   char *domain)
{
	const struct og_policy_scope *found = NULL;

	domain[strcspn(domain, ":")] = '\0';

	for (const char *dot = strchr(domain, '.'); dot != NULL && found == NULL;
	     dot = strchr(dot + 1, '.')) {
		char name[OG_IMAGEREF_NAME_MAX + 3];

		(void)snprintf(name, sizeof(name), "*%s", dot);
		found = find_name(policy, name);
	}
	return found;
}

const struct og_policy_scope *og_containers_policy_find(const struct og_containers_policy *policy,
							const struct og_imageref *ref)
{
	struct og_imageref_text name = og_imageref_name(ref);
	char whole[sizeof(name.text) + sizeof(ref->tag) + 1]; /* a tag is longer than a digest */
	const struct og_policy_scope *found;
	char *slash;

	(void)snprintf(whole, sizeof(whole), "%s%c%s", name.text, ref->has_digest ? '@' : ':',
		       ref->has_digest ? og_digest_format(&ref->digest).text : ref->tag);
	found = find_name(policy, whole);
	for (;;) {
		if (found == NULL)
			found = find_name(policy, name.text);
		slash = strrchr(name.text, '/');
		if (found != NULL || slash == NULL)
			break;
		*slash = '\0';
	}
	/* The loop has left the host alone. */
	if (found == NULL)
		found = find_wildcard(policy, name.text);
	if (found == NULL)
		found = find_name(policy, "");
	return found != NULL ? found : &policy->scopes[0];
}

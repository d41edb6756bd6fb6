/* SPDX-License-Identifier: Apache-2.0 */
#include "access/permissions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NAME_CHARS  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-"

enum rule_subject {
	RULE_ACCOUNT,
	RULE_GROUP,
	RULE_CLIENT,
	RULE_SIGNED_IN,
	RULE_ANYBODY,
};

struct rule {
	char *pattern; /* owned */
	char *name;    /* owned; of an account, group or client */
	enum rule_subject subject;
	unsigned rights;
};

struct og_permissions {
	struct rule *rules;
	size_t count;
};

int og_permissions_new(struct og_permissions **ret_permissions, struct og_err *err)
{
	*ret_permissions = calloc(1, sizeof(**ret_permissions));
	return *ret_permissions != NULL ? 0 : og_fail(err, -ENOMEM, "permissions");
}

struct og_permissions *og_permissions_free(struct og_permissions *permissions)
{
	if (permissions == NULL)
		return NULL;
	for (size_t i = 0; i < permissions->count; i++) {
		free(permissions->rules[i].pattern);
		free(permissions->rules[i].name);
	}
	free(permissions->rules);
	free(permissions);
	return NULL;
}

bool og_subject_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= OG_SUBJECT_NAME_MAX && strspn(name, NAME_CHARS) == len &&
	       strchr(".@-", name[0]) == NULL && !og_streq(name, "signed-in");
}

bool og_groups_have(const char *groups, const char *group)
{
	size_t len = strlen(group);

	for (const char *at = groups; *at != '\0';) {
		size_t span = strcspn(at, ",");

		if (span == len && memcmp(at, group, len) == 0)
			return true;
		at += span;
		at += *at == ',' ? 1 : 0;
	}
	return false;
}

unsigned og_right_parse(const char *word)
{
	static const struct {
		const char *word;
		enum og_right right;
	} rights[] = {
		{ "read", OG_RIGHT_READ },
		{ "create", OG_RIGHT_CREATE },
		{ "update", OG_RIGHT_UPDATE },
		{ "delete", OG_RIGHT_DELETE },
	};

	for (size_t i = 0; i < COUNT_OF(rights); i++)
		if (og_streq(word, rights[i].word))
			return rights[i].right;
	return 0;
}

/* ---- patterns ---- */

int og_repository_pattern_check(const char *pattern, struct og_err *err)
{
	size_t len = strlen(pattern);

	if (len == 0 || len > OG_PERMISSIONS_PATTERN_MAX ||
	    strspn(pattern, "abcdefghijklmnopqrstuvwxyz0123456789._-/*") != len ||
	    strstr(pattern, "***") != NULL || strstr(pattern, "//") != NULL || pattern[0] == '/' ||
	    pattern[len - 1] == '/')
		return og_fail_plain(err, -EINVAL, "'%s' is no pattern of repository names",
				     pattern);
	return 0;
}

/*
 * reach[i]: what of the pattern was read so far matches the first i characters. One step for each
 * character of the pattern and of the name: no pattern is slow (as one that backtracks is).
 */
bool og_repository_matches(const char *pattern, const char *name)
{
	bool reach[OG_PERMISSIONS_PATTERN_MAX + 1] = { true };
	size_t len = strlen(name);

	if (len > OG_PERMISSIONS_PATTERN_MAX)
		return false;
	for (const char *at = pattern; *at != '\0'; at++) {
		bool deep = at[0] == '*' && at[1] == '*';

		if (*at == '*') {
			for (size_t i = 1; i <= len; i++)
				if (reach[i - 1] && (deep || name[i - 1] != '/'))
					reach[i] = true;
			at += deep ? 1 : 0;
			continue;
		}
		for (size_t i = len; i > 0; i--)
			reach[i] = reach[i - 1] && name[i - 1] == *at;
		reach[0] = false;
	}
	return reach[len];
}

int og_repository_pattern_compare(const char *a, const char *b)
{
	size_t all_a = strlen(a), all_b = strlen(b), own_a = all_a, own_b = all_b;

	for (const char *at = a; *at != '\0'; at++)
		own_a -= *at == '*' ? 1 : 0;
	for (const char *at = b; *at != '\0'; at++)
		own_b -= *at == '*' ? 1 : 0;
	if (own_a != own_b)
		return own_a < own_b ? -1 : 1;
	/* One star says more than two. */
	return all_a == all_b ? 0 : all_a < all_b ? 1 : -1;
}

/* ---- rules ---- */

static int parse_subject(const char *subject, struct rule *rule, struct og_err *err)
{
	const char *name = subject;

	if (og_streq(subject, "*") || og_streq(subject, "signed-in")) {
		rule->subject = subject[0] == '*' ? RULE_ANYBODY : RULE_SIGNED_IN;
		name = "";
	} else if (og_starts_with(subject, "group:")) {
		rule->subject = RULE_GROUP;
		name += strlen("group:");
	} else if (og_starts_with(subject, "client:")) {
		rule->subject = RULE_CLIENT;
		name += strlen("client:");
	} else {
		rule->subject = RULE_ACCOUNT;
	}
	/* A certificate's name is whatever its authority wrote. */
	if (rule->subject == RULE_CLIENT ? *name == '\0' || strlen(name) > OG_SUBJECT_NAME_MAX
					 : *name != '\0' && !og_subject_name_ok(name))
		return og_fail_plain(err, -EINVAL, "'%s' names no account, group or client",
				     subject);
	if (*name == '\0' && rule->subject < RULE_SIGNED_IN)
		return og_fail_plain(err, -EINVAL, "'%s' names nobody", subject);
	rule->name = strdup(name);
	return rule->name != NULL ? 0 : og_fail(err, -ENOMEM, "permissions");
}

int og_permissions_add(struct og_permissions *permissions, const char *pattern, const char *subject,
		       unsigned rights, struct og_err *err)
{
	struct rule rule = { .rights = rights };
	int r = og_repository_pattern_check(pattern, err);

	if (r < 0)
		return r;
	if (permissions->count == OG_PERMISSIONS_RULES_MAX)
		return og_fail_plain(err, -E2BIG, "over %u rules", OG_PERMISSIONS_RULES_MAX);
	if (og_grow(permissions->rules, permissions->count) < 0)
		return og_fail(err, -ENOMEM, "permissions");
	r = parse_subject(subject, &rule, err);
	if (r < 0)
		return r;
	rule.pattern = strdup(pattern);
	if (rule.pattern == NULL) {
		free(rule.name);
		return og_fail(err, -ENOMEM, "permissions");
	}
	permissions->rules[permissions->count++] = rule;
	return 0;
}

static bool is_meant(const struct rule *rule, const struct og_subject *subject)
{
	switch (rule->subject) {
	case RULE_ANYBODY:
		return true;
	case RULE_SIGNED_IN:
		return subject->kind != OG_SUBJECT_ANYBODY;
	case RULE_ACCOUNT:
		return subject->kind == OG_SUBJECT_ACCOUNT && og_streq(subject->name, rule->name);
	case RULE_CLIENT:
		return subject->kind == OG_SUBJECT_CLIENT && og_streq(subject->name, rule->name);
	case RULE_GROUP:
		return subject->kind == OG_SUBJECT_ACCOUNT &&
		       og_groups_have(subject->groups, rule->name);
	}
	return false;
}

/* What the rules of exactly @pattern give. */
static unsigned rights_of(const struct og_permissions *permissions, const char *pattern,
			  const struct og_subject *subject)
{
	unsigned rights = 0;

	for (size_t i = 0; i < permissions->count; i++)
		if (og_streq(permissions->rules[i].pattern, pattern) &&
		    is_meant(&permissions->rules[i], subject))
			rights |= permissions->rules[i].rights;
	return rights;
}

unsigned og_permissions_rights(const struct og_permissions *permissions,
			       const struct og_subject *subject, const char *repository)
{
	const char *longest = NULL;
	unsigned rights = 0;

	for (size_t i = 0; i < permissions->count; i++) {
		const char *pattern = permissions->rules[i].pattern;

		if ((longest == NULL || og_repository_pattern_compare(pattern, longest) > 0) &&
		    og_repository_matches(pattern, repository))
			longest = pattern;
	}
	if (longest == NULL)
		return 0;
	rights = rights_of(permissions, longest, subject);
	for (size_t i = 0; i < permissions->count && rights != 0; i++) {
		const char *pattern = permissions->rules[i].pattern;

		if (og_repository_pattern_compare(pattern, longest) == 0 &&
		    !og_streq(pattern, longest) && og_repository_matches(pattern, repository))
			rights &= rights_of(permissions, pattern, subject);
	}
	return rights;
}

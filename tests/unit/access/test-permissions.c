/* SPDX-License-Identifier: Apache-2.0 */
#include "access/permissions.h"

#include <errno.h>
#include <time.h>

#include "access/scope.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define R OG_RIGHT_READ
#define C OG_RIGHT_CREATE
#define U OG_RIGHT_UPDATE
#define D OG_RIGHT_DELETE

TEST(patterns_match_what_they_say)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
		{ "team/app", "team/app", true },
		{ "team/app", "team/app2", false },
		{ "team/app", "team/ap", false },
		{ "team/*", "team/app", true },
		{ "team/*", "team/app/x", false },
		{ "team/*", "team", false },
		{ "team/*", "teams/app", false },
		{ "team/**", "team/app/x/y", true },
		{ "team/**", "team", false },
		{ "**", "a", true },
		{ "**", "a/b/c", true },
		{ "*", "a", true },
		{ "*", "a/b", false },
		{ "**/app", "a/b/app", true },
		{ "**/app", "app", false },
		{ "*/app-*", "x/app-1", true },
		{ "*/app-*", "x/app-1/y", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXbY", false },
		{ "a/**/z", "a/b/c/z", true },
		{ "a.c", "abc", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_OK(og_repository_pattern_check(rows[i].pattern, NULL));
		if (og_repository_matches(rows[i].pattern, rows[i].name) != rows[i].want) {
			fprintf(stderr, "%s, %s\n", rows[i].pattern, rows[i].name);
			exit(EXIT_FAILURE);
		}
	}
}

TEST(no_pattern_is_slow)
{
	og_auto_text pattern = {};
	char name[OG_PERMISSIONS_PATTERN_MAX + 1];
	clock_t start = clock();

	for (int i = 0; i < 63; i++)
		og_text_add(&pattern, "**a");
	og_text_add(&pattern, "b");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		CHECK(!og_repository_matches(pattern.buf, name));
	/* One that backtracks takes longer than the sun has. */
	CHECK((clock() - start) / CLOCKS_PER_SEC < 10);
}

struct rule {
	const char *pattern, *subject;
	unsigned rights;
};

static const struct rule rules[] = {
	{ "**", "admin", R | C | U | D },
	{ "**", "*", R },
	{ "team/**", "group:dev", R | C },
	{ "team/**", "lead", R | C | U },
	{ "team/**", "signed-in", R },
	{ "team/secret", "alice", R },
	{ "ci/*", "client:builder.example.org", R | C | U },
	{ "shared/*", "alice", R | C },
	{ "s*/images", "alice", R | U },
	{ "tied/*", "alice", R | C },
	{ "*/tied", "alice", R | U },
};

static struct og_permissions *make(void)
{
	struct og_permissions *permissions = NULL;

	CHECK_OK(og_permissions_new(&permissions, NULL));
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		CHECK_OK(og_permissions_add(permissions, rules[i].pattern, rules[i].subject,
					    rules[i].rights, NULL));
	return permissions;
}

TEST(the_longest_match_alone_counts)
{
	static const struct {
		enum og_subject_kind kind;
		const char *name, *groups, *repository;
		unsigned want;
	} rows[] = {
		{ OG_SUBJECT_ANYBODY, "", "", "library/x", R },
		{ OG_SUBJECT_ACCOUNT, "admin", "", "library/x", R | C | U | D },
		{ OG_SUBJECT_ACCOUNT, "bob", "", "library/x", R },
		/* The rules of ** say nothing of team. */
		{ OG_SUBJECT_ANYBODY, "", "", "team/app", 0 },
		{ OG_SUBJECT_ACCOUNT, "admin", "", "team/app", R },
		{ OG_SUBJECT_ACCOUNT, "bob", "", "team/app", R },
		{ OG_SUBJECT_ACCOUNT, "bob", "ops,dev", "team/app", R | C },
		{ OG_SUBJECT_ACCOUNT, "bob", "developers", "team/app", R },
		{ OG_SUBJECT_ACCOUNT, "lead", "dev", "team/a/b", R | C | U },
		{ OG_SUBJECT_ACCOUNT, "alice", "dev", "team/secret", R },
		{ OG_SUBJECT_ACCOUNT, "bob", "dev", "team/secret", 0 },
		{ OG_SUBJECT_ACCOUNT, "admin", "", "team/secret", 0 },
		{ OG_SUBJECT_ACCOUNT, "alice", "dev", "team/secret/more", R | C },
		/* A certificate and an account of the same name are two. */
		{ OG_SUBJECT_CLIENT, "builder.example.org", "", "ci/x", R | C | U },
		{ OG_SUBJECT_ACCOUNT, "builder.example.org", "", "ci/x", 0 },
		{ OG_SUBJECT_CLIENT, "admin", "", "library/x", R },
		{ OG_SUBJECT_CLIENT, "admin", "", "team/app", R },
		/* More characters of its own are longer; of two as long both must allow. */
		{ OG_SUBJECT_ACCOUNT, "alice", "", "shared/images", R | U },
		{ OG_SUBJECT_ACCOUNT, "alice", "", "tied/tied", R },
		{ OG_SUBJECT_ACCOUNT, "group:dev", "", "team/app", R },
	};
	og_cleanup(og_permissions_freep) struct og_permissions *permissions = make();

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct og_subject subject = { rows[i].kind, rows[i].name, rows[i].groups };
		unsigned rights = og_permissions_rights(permissions, &subject, rows[i].repository);

		if (rights != rows[i].want) {
			fprintf(stderr, "row %zu, %s in %s: %u, not %u\n", i, rows[i].name,
				rows[i].repository, rights, rows[i].want);
			exit(EXIT_FAILURE);
		}
	}
}

TEST(without_a_match_nothing_is_allowed)
{
	og_cleanup(og_permissions_freep) struct og_permissions *permissions = NULL;
	struct og_subject subject = { OG_SUBJECT_ACCOUNT, "alice", "" };

	CHECK_OK(og_permissions_new(&permissions, NULL));
	CHECK_EQ(og_permissions_rights(permissions, &subject, "x"), 0);
	CHECK_OK(og_permissions_add(permissions, "a/*", "alice", OG_RIGHT_ALL, NULL));
	CHECK_EQ(og_permissions_rights(permissions, &subject, "b/x"), 0);
}

TEST(rules_that_say_nothing_are_refused)
{
	static const struct {
		const char *pattern, *subject;
	} rows[] = {
		{ "", "alice" },     { "/a", "alice" },	   { "a/", "alice" },
		{ "a//b", "alice" }, { "a***", "alice" },  { "A", "alice" },
		{ "a b", "alice" },  { "a\n", "alice" },   { "a/../b?", "alice" },
		{ "a", "" },	     { "a", "group:" },	   { "a", "client:" },
		{ "a", "a b" },	     { "a", "group:a,b" }, { "a", "alice:bob" },
		{ "a", "a/b" },	     { "a", "-x" },	   { "a", "group:signed-in" },
	};
	og_cleanup(og_permissions_freep) struct og_permissions *permissions = make();

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_EQ(og_permissions_add(permissions, rows[i].pattern, rows[i].subject, R, NULL),
			 -EINVAL);
}

TEST(scopes_are_read)
{
	static const struct {
		const char *text, *type, *name;
		unsigned rights;
	} rows[] = {
		{ "repository:team/app:pull", "repository", "team/app", R },
		{ "repository:team/app:pull,push", "repository", "team/app", R | C | U },
		{ "repository:host:5000/app:delete", "repository", "host:5000/app", D },
		{ "repository(plugin):x:*", "repository", "x", R | C | U | D },
		{ "registry:catalog:*", "registry", "catalog", R | C | U | D },
		{ "repository:x:", "repository", "x", 0 },
		{ "repository:x:fly,pull", "repository", "x", R },
	};

	static const char *const bad[] = {
		"",
		":",
		"::",
		"a:b",
		"repository:x",
		"repository::pull",
		":x:pull",
		"repository:x y:pull",
		"repository:x\r\n:pull",
		"repository:\"x\":pull",
	};
	struct og_scope scope;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_OK(og_scope_parse(rows[i].text, strlen(rows[i].text), &scope, NULL));
		CHECK(og_streq(scope.type, rows[i].type) && og_streq(scope.name, rows[i].name));
		CHECK_EQ(scope.rights, rows[i].rights);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		CHECK_EQ(og_scope_parse(bad[i], strlen(bad[i]), &scope, NULL), -EINVAL);
	CHECK_EQ(og_scope_parse("repository:x:pull", 2000, &scope, NULL), -E2BIG);
}

TEST_MAIN(TEST_ENTRY(patterns_match_what_they_say), TEST_ENTRY(no_pattern_is_slow),
	  TEST_ENTRY(the_longest_match_alone_counts),
	  TEST_ENTRY(without_a_match_nothing_is_allowed),
	  TEST_ENTRY(rules_that_say_nothing_are_refused), TEST_ENTRY(scopes_are_read))

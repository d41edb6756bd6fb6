/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/base64.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define BCRYPT	    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" /* U*U */

static void add_account(const char *name, const char *password, const char *groups)
{
	struct og_accounts *accounts = NULL;

	CHECK_OK(og_accounts_open(AT_FDCWD, &accounts, NULL));
	CHECK_OK(og_accounts_add(accounts, name, password, groups, NULL));
	og_accounts_free(accounts);
}

static void remove_account(const char *name)
{
	struct og_accounts *accounts = NULL;

	CHECK_OK(og_accounts_open(AT_FDCWD, &accounts, NULL));
	CHECK_OK(og_accounts_remove(accounts, name, NULL));
	og_accounts_free(accounts);
}

static struct og_access *make(bool with_rules)
{
	og_auto_fd dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct og_access_options options = { .dir_fd = dir_fd, .service = "reg", .token_s = 300 };
	struct og_access *access = NULL;

	CHECK_OK(og_replace_file(AT_FDCWD, "htpasswd", "bob:" BCRYPT "\n",
				 strlen("bob:" BCRYPT "\n"), 0600, false, NULL));
	options.htpasswd = "htpasswd";
	if (with_rules) {
		CHECK_OK(og_permissions_new(&options.permissions, NULL));
		CHECK_OK(og_permissions_add(options.permissions, "team/*", "group:dev",
					    OG_RIGHT_READ | OG_RIGHT_CREATE, NULL));
		CHECK_OK(og_permissions_add(options.permissions, "**", "*", OG_RIGHT_READ, NULL));
		CHECK_OK(og_permissions_add(options.permissions, "**", "client:robot", OG_RIGHT_ALL,
					    NULL));
	}
	CHECK_OK(og_access_new(&options, &access, NULL));
	return access;
}

static char *basic(const char *pair)
{
	og_auto_free char *encoded = og_base64_encode(pair, strlen(pair));

	return og_strdupf("Basic %s", encoded);
}

static int ask(struct og_access *access, const char *authorization, struct og_identity *identity)
{
	struct og_err err = {};
	int r = og_access_identify(access, authorization, NULL, identity, &err);

	CHECK((r < 0) == (err.text[0] != '\0'));
	return r;
}

TEST(accounts_of_both_kinds_sign_in)
{
	struct og_access *access;
	struct og_identity identity;

	add_account("alice", "open:sesame", "dev");
	access = make(true);
	for (int i = 0; i < 2; i++) { /* the second time it is remembered */
		og_auto_free char *alice = basic("alice:open:sesame");
		og_auto_free char *bob = basic("bob:U*U");

		CHECK_OK(ask(access, alice, &identity));
		CHECK(identity.kind == OG_SUBJECT_ACCOUNT && og_streq(identity.name, "alice"));
		CHECK(og_streq(identity.groups, "dev"));
		CHECK_EQ(og_access_rights(access, &identity, "team/x"), 3);
		CHECK_OK(ask(access, bob, &identity));
		CHECK_EQ(og_access_rights(access, &identity, "team/x"), 0);
		CHECK_EQ(og_access_rights(access, &identity, "x"), OG_RIGHT_READ);
	}
	CHECK_OK(ask(access, NULL, &identity));
	CHECK_EQ(identity.kind, OG_SUBJECT_ANYBODY);
	og_access_free(access);
}

TEST(wrong_credentials_are_refused_and_not_taken_for_none)
{
	static const char *const pairs[] = { "alice:wrong",	"alice:", ":",
					     "carol:secret",	"alice",  "alice:secret2",
					     "../alice:secret", "" };
	static const char *const headers[] = { "",	     "Basic",  "Basic ",
					       "Basic !!!!", "Bearer", "Bearer x",
					       "Digest a",   "basic",  "Basic YQB6Og==" };
	struct og_access *access;
	struct og_identity identity;

	add_account("alice", "secret", "");
	access = make(false);
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		og_auto_free char *header = basic(pairs[i]);

		CHECK_EQ(ask(access, header, &identity), -EACCES);
	}
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		CHECK_EQ(ask(access, headers[i], &identity), -EACCES);
	og_access_free(access);
}

TEST(a_removed_account_is_not_remembered)
{
	og_auto_free char *alice = basic("alice:secret");
	og_auto_free char *bearer = NULL, *token = NULL;
	struct og_access *access;
	struct og_identity identity;
	char refresh[OG_REFRESH_TOKEN_CHARS + 1];

	add_account("alice", "secret", "");
	access = make(false);
	CHECK_OK(ask(access, alice, &identity));
	CHECK_OK(og_access_issue(access, &identity, NULL, 0, time(NULL), &token, NULL));
	CHECK_OK(og_access_issue_refresh(access, &identity, refresh, NULL));
	bearer = og_strdupf("Bearer %s", token);
	CHECK_OK(ask(access, bearer, &identity));
	og_identity_done(&identity);
	CHECK_OK(og_access_check_refresh(access, refresh, &identity, NULL));
	remove_account("alice");
	CHECK_EQ(ask(access, alice, &identity), -EACCES);
	CHECK_EQ(ask(access, bearer, &identity), -EACCES);
	CHECK_EQ(og_access_check_refresh(access, refresh, &identity, NULL), -EACCES);
	/* Somebody else of that name has a password of their own. */
	add_account("alice", "another", "");
	CHECK_EQ(ask(access, alice, &identity), -EACCES);
	CHECK_EQ(og_access_check_refresh(access, refresh, &identity, NULL), -EACCES);
	og_access_free(access);
}

TEST(a_token_narrows_and_never_widens)
{
	struct og_scope scopes[] = {
		{ "repository", "team/x", OG_RIGHT_ALL },
		{ "repository", "other", OG_RIGHT_READ },
		{ "registry", "catalog", OG_RIGHT_ALL },
	};
	og_auto_free char *alice = basic("alice:secret"), *token = NULL, *bearer = NULL;
	char refresh[OG_REFRESH_TOKEN_CHARS + 1];
	struct og_access *access;
	struct og_identity identity;

	add_account("alice", "secret", "dev");
	access = make(true);
	CHECK_OK(ask(access, alice, &identity));
	CHECK_OK(og_access_issue(access, &identity, scopes, 2, time(NULL), &token, NULL));
	CHECK_EQ(scopes[0].rights, OG_RIGHT_READ | OG_RIGHT_CREATE);
	bearer = og_strdupf("Bearer %s", token);
	CHECK_OK(ask(access, bearer, &identity));
	CHECK_EQ(og_access_rights(access, &identity, "team/x"), OG_RIGHT_READ | OG_RIGHT_CREATE);
	CHECK_EQ(og_access_rights(access, &identity, "other"), OG_RIGHT_READ);
	CHECK_EQ(og_access_rights(access, &identity, "team/y"), 0);
	CHECK(!og_access_may_list(access, &identity));
	og_identity_done(&identity);
	free(og_take_ptr(token));
	CHECK_OK(ask(access, alice, &identity));
	CHECK_OK(og_access_issue(access, &identity, &scopes[2], 1, time(NULL), &token, NULL));
	free(og_take_ptr(bearer));
	bearer = og_strdupf("Bearer %s", token);
	CHECK_OK(ask(access, bearer, &identity));
	CHECK(og_access_may_list(access, &identity));
	/* It leads to nothing that lasts longer. */
	CHECK_EQ(og_access_issue_refresh(access, &identity, refresh, NULL), -EACCES);
	og_identity_done(&identity);
	og_access_free(access);
}

TEST(certificates_and_their_tokens_are_clients)
{
	struct og_scope scope = { "repository", "x", OG_RIGHT_ALL };
	og_auto_free char *token = NULL, *bearer = NULL;
	struct og_access *access = make(true);
	struct og_identity identity;

	CHECK_OK(og_access_identify(access, NULL, "robot", &identity, NULL));
	CHECK(identity.kind == OG_SUBJECT_CLIENT && og_streq(identity.name, "client:robot"));
	CHECK_EQ(og_access_rights(access, &identity, "x"), OG_RIGHT_ALL);
	CHECK_OK(og_access_issue(access, &identity, &scope, 1, time(NULL), &token, NULL));
	bearer = og_strdupf("Bearer %s", token);
	CHECK_OK(ask(access, bearer, &identity));
	CHECK_EQ(og_access_rights(access, &identity, "x"), OG_RIGHT_ALL);
	og_identity_done(&identity);
	CHECK_OK(og_access_identify(access, NULL, "stranger", &identity, NULL));
	CHECK_EQ(og_access_rights(access, &identity, "x"), OG_RIGHT_READ);
	CHECK_EQ(og_access_identify(access, NULL, "", &identity, NULL), -EACCES);
	og_access_free(access);
}

TEST(without_rules_who_has_signed_in_may_do_everything)
{
	og_auto_fd dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct og_access_options options = { .dir_fd = dir_fd, .service = "reg", .open = true };
	struct og_access *access = make(false);
	og_auto_free char *bob = basic("bob:U*U");
	struct og_identity anybody = {}, identity;

	CHECK_EQ(og_access_rights(access, &anybody, "x"), 0);
	CHECK(!og_access_may_list(access, &anybody));
	CHECK_OK(ask(access, bob, &identity));
	CHECK_EQ(og_access_rights(access, &identity, "x"), OG_RIGHT_ALL);
	og_access_free(access);
	CHECK_OK(og_access_new(&options, &access, NULL));
	CHECK_EQ(og_access_rights(access, &anybody, "x"), OG_RIGHT_ALL);
	og_access_free(access);
}

TEST_MAIN(TEST_ENTRY(accounts_of_both_kinds_sign_in),
	  TEST_ENTRY(wrong_credentials_are_refused_and_not_taken_for_none),
	  TEST_ENTRY(a_removed_account_is_not_remembered),
	  TEST_ENTRY(a_token_narrows_and_never_widens),
	  TEST_ENTRY(certificates_and_their_tokens_are_clients),
	  TEST_ENTRY(without_rules_who_has_signed_in_may_do_everything))

/* SPDX-License-Identifier: Apache-2.0 */
#include "access/accounts.h"

#include <errno.h>
#include <fcntl.h>

#include "access/htpasswd.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"

#define NOW    1800000000
#define LINE   "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" /* U*U */
#define LINE_2 "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a" /* U*U*U */

static struct og_accounts *open_here(void)
{
	struct og_accounts *accounts = NULL;

	CHECK_OK(og_accounts_open(AT_FDCWD, &accounts, NULL));
	return accounts;
}

static int count(void *data, const struct og_account *account)
{
	og_text_addf(data, "%s(%s) ", account->name, account->groups);
	return 0;
}

TEST(accounts_are_kept_and_changed)
{
	struct og_accounts *accounts = open_here();
	struct og_account account;
	og_auto_text names = {};

	CHECK_OK(og_accounts_add(accounts, "bob", "secret", "dev,ops", NULL));
	CHECK_OK(og_accounts_add(accounts, "alice", "secret", "", NULL));
	CHECK_EQ(og_accounts_add(accounts, "bob", "other", "", NULL), -EEXIST);
	CHECK_OK(og_accounts_find(accounts, "bob", &account, NULL));
	CHECK_OK(og_password_verify("secret", account.line, NULL));
	CHECK_OK(og_accounts_set_password(accounts, "bob", "new", NULL));
	CHECK_OK(og_accounts_set_groups(accounts, "bob", "dev", NULL));
	og_accounts_free(accounts);

	accounts = open_here();
	CHECK_OK(og_accounts_find(accounts, "bob", &account, NULL));
	CHECK_EQ(og_password_verify("secret", account.line, NULL), -EACCES);
	CHECK_OK(og_password_verify("new", account.line, NULL));
	CHECK_OK(og_accounts_each(accounts, count, &names, NULL));
	CHECK(og_streq(names.buf, "alice() bob(dev) "));
	CHECK_OK(og_accounts_remove(accounts, "bob", NULL));
	CHECK_EQ(og_accounts_remove(accounts, "bob", NULL), -ENOENT);
	CHECK_EQ(og_accounts_find(accounts, "bob", &account, NULL), -ENOENT);
	CHECK_EQ(og_accounts_set_password(accounts, "bob", "x", NULL), -ENOENT);
	og_accounts_free(accounts);
}

TEST(what_would_break_a_line_is_no_name)
{
	static const char *const names[] = { "",	  "a:b",     "a b",	"a\nb",
					     "-a",	  "../a",    "a/b",	"*",
					     "signed-in", "group:a", "\xc3\xa4" };
	static const char *const groups[] = { ",", "a,", ",a", "a,,b", "a b", "a:b" };
	struct og_accounts *accounts = open_here();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK_EQ(og_accounts_add(accounts, names[i], "x", "", NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		CHECK_EQ(og_accounts_add(accounts, "a", "x", groups[i], NULL), -EINVAL);
	CHECK_EQ(og_accounts_add(accounts, "a", "", "", NULL), -EINVAL);
	og_accounts_free(accounts);
}

TEST(refresh_tokens_end_with_their_account_and_their_time)
{
	char token[OG_REFRESH_TOKEN_CHARS + 1], other[OG_REFRESH_TOKEN_CHARS + 1];
	char name[OG_SUBJECT_NAME_MAX + 1], proof[OG_REFRESH_PROOF_CHARS + 1],
		want[OG_REFRESH_PROOF_CHARS + 1];
	struct og_accounts *accounts = open_here();
	const int64_t over = NOW + (int64_t)OG_REFRESH_TOKEN_DAYS * 86400;

	CHECK_OK(og_accounts_add(accounts, "bob", "secret", "", NULL));
	CHECK_OK(og_accounts_refresh_new(accounts, "bob", LINE, NOW, token, NULL));
	CHECK_OK(og_accounts_refresh_new(accounts, "bob", LINE, NOW, other, NULL));
	CHECK(strlen(token) == OG_REFRESH_TOKEN_CHARS && !og_streq(token, other));
	CHECK_OK(og_accounts_refresh_find(accounts, token, over - 1, name, proof, NULL));
	og_accounts_proof(LINE, want);
	CHECK(og_streq(name, "bob") && og_streq(proof, want));
	CHECK_EQ(og_accounts_refresh_find(accounts, token, over, name, proof, NULL), -EACCES);
	CHECK_EQ(og_accounts_refresh_find(accounts, "", NOW, name, proof, NULL), -EACCES);
	token[OG_REFRESH_TOKEN_CHARS - 1] ^= 1;
	CHECK_EQ(og_accounts_refresh_find(accounts, token, NOW, name, proof, NULL), -EACCES);
	CHECK_OK(og_accounts_set_password(accounts, "bob", "new", NULL));
	CHECK_EQ(og_accounts_refresh_find(accounts, other, NOW, name, proof, NULL), -EACCES);
	og_accounts_free(accounts);
}

TEST(old_refresh_tokens_make_room)
{
	char first[OG_REFRESH_TOKEN_CHARS + 1], token[OG_REFRESH_TOKEN_CHARS + 1];
	char name[OG_SUBJECT_NAME_MAX + 1], proof[OG_REFRESH_PROOF_CHARS + 1];
	struct og_accounts *accounts = open_here();

	CHECK_OK(og_accounts_refresh_new(accounts, "bob", LINE, NOW, first, NULL));
	for (int i = 1; i < OG_REFRESH_TOKENS_MAX; i++)
		CHECK_OK(og_accounts_refresh_new(accounts, "bob", LINE, NOW + i, token, NULL));
	CHECK_OK(og_accounts_refresh_find(accounts, first, NOW, name, proof, NULL));
	CHECK_OK(og_accounts_refresh_new(accounts, "bob", LINE, NOW + 1000, token, NULL));
	CHECK_EQ(og_accounts_refresh_find(accounts, first, NOW, name, proof, NULL), -EACCES);
	CHECK_OK(og_accounts_refresh_find(accounts, token, NOW, name, proof, NULL));
	og_accounts_free(accounts);
}

static void put(const char *text)
{
	CHECK_OK(og_replace_file(AT_FDCWD, "htpasswd", text, strlen(text), 0600, false, NULL));
}

TEST(a_file_of_passwords_is_read_again_when_it_changes)
{
	char line[OG_PASSWORD_LINE_MAX];
	struct og_htpasswd *htpasswd = NULL;
	struct og_err err = {};

	put("# who may\n\nbob:" LINE "\r\nalice:" LINE_2 "\n");
	CHECK_OK(og_htpasswd_open("htpasswd", &htpasswd, &err));
	CHECK_OK(og_htpasswd_find(htpasswd, "bob", line, &err));
	CHECK(og_streq(line, LINE));
	CHECK_OK(og_htpasswd_find(htpasswd, "alice", line, &err));
	CHECK_EQ(og_htpasswd_find(htpasswd, "carol", line, &err), -ENOENT);

	put("carol:" LINE "\n");
	CHECK_OK(og_htpasswd_find(htpasswd, "carol", line, &err));
	CHECK_EQ(og_htpasswd_find(htpasswd, "bob", line, &err), -ENOENT);
	CHECK(err.text[0] == '\0');

	/* Half a file does not lock everybody out, and is told once. */
	put("carol:" LINE "\nbob");
	CHECK_OK(og_htpasswd_find(htpasswd, "carol", line, &err));
	CHECK(strstr(err.text, "line 2") != NULL);
	err = (struct og_err){};
	CHECK_OK(og_htpasswd_find(htpasswd, "carol", line, &err));
	CHECK(err.text[0] == '\0');

	CHECK(unlink("htpasswd") == 0);
	CHECK_EQ(og_htpasswd_find(htpasswd, "carol", line, &err), -ENOENT);
	og_htpasswd_free(htpasswd);
}

TEST(hostile_lines_are_refused_with_their_number)
{
	static const struct {
		const char *text, *what;
		int want;
	} rows[] = {
		{ "bob:" LINE
		  "\neve:$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
		  "line 2: bcrypt cost 31", -E2BIG },
		{ "eve:$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2g\n",
		  "line 1: Argon2id with m=4194304", -E2BIG },
		{ "eve:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "line 1: neither", -EINVAL },
		{ "eve\n", "line 1: no ':'", -EINVAL },
		{ ":" LINE "\n", "line 1", -EINVAL },
		{ "a b:" LINE "\n", "line 1", -EINVAL },
		{ "eve:" LINE "\neve:" LINE_2 "\n", "twice", -EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct og_htpasswd *htpasswd = NULL;
		struct og_err err = {};

		put(rows[i].text);
		CHECK_EQ(og_htpasswd_open("htpasswd", &htpasswd, &err), rows[i].want);
		if (strstr(err.text, rows[i].what) == NULL) {
			fprintf(stderr, "%s\n", err.text);
			exit(EXIT_FAILURE);
		}
	}
}

TEST_MAIN(TEST_ENTRY(accounts_are_kept_and_changed), TEST_ENTRY(what_would_break_a_line_is_no_name),
	  TEST_ENTRY(refresh_tokens_end_with_their_account_and_their_time),
	  TEST_ENTRY(old_refresh_tokens_make_room),
	  TEST_ENTRY(a_file_of_passwords_is_read_again_when_it_changes),
	  TEST_ENTRY(hostile_lines_are_refused_with_their_number))

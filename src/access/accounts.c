/* SPDX-License-Identifier: Apache-2.0 */
#include "access/accounts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/db.h"
#include "base/text.h"

#define FILE_NAME	"accounts.db"
#define REFRESH_PREFIX	"ogr_"
#define SECONDS_PER_DAY 86400

static const char *const steps[] = {
	"CREATE TABLE account (name TEXT PRIMARY KEY, line TEXT NOT NULL, groups TEXT NOT NULL,"
	" created INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE refresh (hash TEXT PRIMARY KEY, account TEXT NOT NULL,"
	" proof TEXT NOT NULL, made INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX refresh_account ON refresh (account, made);",
};

struct og_accounts {
	pthread_mutex_t lock;
	struct og_db *db; /* guarded by the lock */
};

static void lock(struct og_accounts *accounts)
{
	(void)pthread_mutex_lock(&accounts->lock);
}

static void unlock(struct og_accounts *accounts)
{
	(void)pthread_mutex_unlock(&accounts->lock);
}

int og_accounts_open(int dir_fd, struct og_accounts **ret_accounts, struct og_err *err)
{
	og_cleanup(og_accounts_freep) struct og_accounts *accounts = calloc(1, sizeof(*accounts));
	int r;

	if (accounts == NULL)
		return og_fail(err, -ENOMEM, FILE_NAME);
	(void)pthread_mutex_init(&accounts->lock, NULL);
	r = og_db_open(dir_fd, FILE_NAME, steps, sizeof(steps) / sizeof(steps[0]), &accounts->db,
		       err);
	if (r < 0)
		return og_fail_in(err, r, FILE_NAME);
	*ret_accounts = og_take_ptr(accounts);
	return 0;
}

struct og_accounts *og_accounts_free(struct og_accounts *accounts)
{
	if (accounts == NULL)
		return NULL;
	og_db_free(accounts->db);
	(void)pthread_mutex_destroy(&accounts->lock);
	free(accounts);
	return NULL;
}

static int check_groups(const char *groups, struct og_err *err)
{
	char name[OG_SUBJECT_NAME_MAX + 1];

	if (strlen(groups) > OG_ACCOUNT_GROUPS_MAX)
		return og_fail_plain(err, -EINVAL, "over %u characters of groups",
				     OG_ACCOUNT_GROUPS_MAX);
	for (const char *at = groups; *at != '\0';) {
		size_t span = strcspn(at, ",");

		if (span < sizeof(name)) {
			memcpy(name, at, span);
			name[span] = '\0';
		}
		if (span >= sizeof(name) || !og_subject_name_ok(name) ||
		    (at[span] == ',' && at[span + 1] == '\0'))
			return og_fail_plain(err, -EINVAL, "'%s' is no list of groups", groups);
		at += span + (at[span] == ',' ? 1 : 0);
	}
	return 0;
}

int og_accounts_add(struct og_accounts *accounts, const char *name, const char *password,
		    const char *groups, struct og_err *err)
{
	char line[OG_PASSWORD_LINE_MAX];
	int64_t changes;
	int r;

	if (!og_subject_name_ok(name))
		return og_fail_plain(err, -EINVAL,
				     "'%s' is no account's name: letters, digits and ._@- are, at "
				     "most %u",
				     name, OG_SUBJECT_NAME_MAX);
	r = check_groups(groups, err);
	if (r == 0)
		r = og_password_hash(password, line, err);
	if (r < 0)
		return r;
	lock(accounts);
	r = og_db_run(accounts->db, err,
		      "INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", "sssi",
		      name, line, groups, (int64_t)time(NULL));
	changes = og_db_changes(accounts->db);
	unlock(accounts);
	if (r == 0 && changes == 0)
		return og_fail_plain(err, -EEXIST, "there is an account '%s'", name);
	return r;
}

/* Runs @sql, which is of the account @name and must change a row. */
static int change(struct og_accounts *accounts, const char *name, const char *sql,
		  const char *value, struct og_err *err)
{
	int r;

	lock(accounts);
	if (value != NULL)
		r = og_db_run(accounts->db, err, sql, "ss", value, name);
	else
		r = og_db_run(accounts->db, err, sql, "s", name);
	if (r == 0 && og_db_changes(accounts->db) == 0)
		r = og_fail_plain(err, -ENOENT, "there is no account '%s'", name);
	unlock(accounts);
	return r;
}

static int forget_refresh(struct og_accounts *accounts, const char *name, struct og_err *err)
{
	int r;

	lock(accounts);
	r = og_db_run(accounts->db, err, "DELETE FROM refresh WHERE account = ?", "s", name);
	unlock(accounts);
	return r;
}

int og_accounts_set_password(struct og_accounts *accounts, const char *name, const char *password,
			     struct og_err *err)
{
	char line[OG_PASSWORD_LINE_MAX];
	int r = og_password_hash(password, line, err);

	if (r == 0)
		r = change(accounts, name, "UPDATE account SET line = ? WHERE name = ?", line, err);
	return r < 0 ? r : forget_refresh(accounts, name, err);
}

int og_accounts_set_groups(struct og_accounts *accounts, const char *name, const char *groups,
			   struct og_err *err)
{
	int r = check_groups(groups, err);

	return r < 0 ? r
		     : change(accounts, name, "UPDATE account SET groups = ? WHERE name = ?",
			      groups, err);
}

int og_accounts_remove(struct og_accounts *accounts, const char *name, struct og_err *err)
{
	int r = change(accounts, name, "DELETE FROM account WHERE name = ?", NULL, err);

	return r < 0 ? r : forget_refresh(accounts, name, err);
}

static int take_row(struct og_query *query, struct og_account *ret_account, struct og_err *err)
{
	const char *name = og_query_text(query, 0), *line = og_query_text(query, 1),
		   *groups = og_query_text(query, 2);

	if (strlen(name) > OG_SUBJECT_NAME_MAX || strlen(line) >= OG_PASSWORD_LINE_MAX ||
	    strlen(groups) > OG_ACCOUNT_GROUPS_MAX)
		return og_fail_plain(err, -EUCLEAN, FILE_NAME ": a damaged row");
	memcpy(ret_account->name, name, strlen(name) + 1);
	memcpy(ret_account->line, line, strlen(line) + 1);
	memcpy(ret_account->groups, groups, strlen(groups) + 1);
	ret_account->created = og_query_int(query, 3);
	return 0;
}

int og_accounts_find(struct og_accounts *accounts, const char *name, struct og_account *ret_account,
		     struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r;

	lock(accounts);
	r = og_db_query(accounts->db, &query, err,
			"SELECT name, line, groups, created FROM account WHERE name = ?", "s",
			name);
	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		r = take_row(query, ret_account, err);
	else if (r == 0)
		r = -ENOENT;
	query = og_query_free(query);
	unlock(accounts);
	return r;
}

int og_accounts_each(struct og_accounts *accounts,
		     int (*fn)(void *data, const struct og_account *account), void *data,
		     struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	struct og_account account;
	int r;

	lock(accounts);
	r = og_db_query(accounts->db, &query, err,
			"SELECT name, line, groups, created FROM account ORDER BY name", "");
	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		r = take_row(query, &account, err);
		if (r == 0)
			r = fn(data, &account);
	}
	query = og_query_free(query);
	unlock(accounts);
	return r;
}

/* ---- refresh tokens ---- */

#define HASH_CHARS OG_REFRESH_PROOF_CHARS

static void hash(const char *what, const char *text, char ret_hex[HASH_CHARS + 1])
{
	unsigned char mac[OG_HMAC_SHA256_BYTES];

	og_hmac_sha256(what, strlen(what), text, strlen(text), mac);
	for (size_t i = 0; i < sizeof(mac); i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", mac[i]);
}

/* The token has 288 random bits: nothing slower than one hash is needed to keep it. */
static void hash_refresh(const char *token, char ret_hex[HASH_CHARS + 1])
{
	hash("onggi refresh token", token, ret_hex);
}

void og_accounts_proof(const char *line, char ret_proof[OG_REFRESH_PROOF_CHARS + 1])
{
	hash("onggi password line", line, ret_proof);
}

static void make_refresh(char ret_token[OG_REFRESH_TOKEN_CHARS + 1])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char random[OG_REFRESH_TOKEN_CHARS];
	size_t prefix = strlen(REFRESH_PREFIX);

	og_random(random, sizeof(random));
	memcpy(ret_token, REFRESH_PREFIX, prefix);
	for (size_t i = prefix; i < OG_REFRESH_TOKEN_CHARS; i++)
		ret_token[i] = alphabet[random[i] % 64];
	ret_token[OG_REFRESH_TOKEN_CHARS] = '\0';
	explicit_bzero(random, sizeof(random));
}

int og_accounts_refresh_new(struct og_accounts *accounts, const char *name, const char *line,
			    int64_t now, char ret_token[OG_REFRESH_TOKEN_CHARS + 1],
			    struct og_err *err)
{
	char hex[HASH_CHARS + 1], proof[HASH_CHARS + 1];
	int r;

	make_refresh(ret_token);
	hash_refresh(ret_token, hex);
	og_accounts_proof(line, proof);
	lock(accounts);
	r = og_db_begin(accounts->db, err);
	if (r == 0)
		r = og_db_run(accounts->db, err,
			      "DELETE FROM refresh WHERE until <= ? OR hash IN (SELECT hash FROM"
			      " refresh WHERE account = ? ORDER BY made DESC LIMIT -1 OFFSET ?)",
			      "isi", now, name, (int64_t)OG_REFRESH_TOKENS_MAX - 1);
	if (r == 0)
		r = og_db_run(accounts->db, err, "INSERT INTO refresh VALUES (?, ?, ?, ?, ?)",
			      "sssii", hex, name, proof, now,
			      now + (int64_t)OG_REFRESH_TOKEN_DAYS * SECONDS_PER_DAY);
	if (r == 0)
		r = og_db_commit(accounts->db, err);
	og_db_rollback(accounts->db);
	unlock(accounts);
	return r;
}

static int take_refresh(struct og_query *query, char ret_name[OG_SUBJECT_NAME_MAX + 1],
			char ret_proof[OG_REFRESH_PROOF_CHARS + 1], struct og_err *err)
{
	const char *name = og_query_text(query, 0), *proof = og_query_text(query, 1);

	if (strlen(name) > OG_SUBJECT_NAME_MAX || strlen(proof) != OG_REFRESH_PROOF_CHARS)
		return og_fail_plain(err, -EUCLEAN, FILE_NAME ": a damaged row");
	memcpy(ret_name, name, strlen(name) + 1);
	memcpy(ret_proof, proof, OG_REFRESH_PROOF_CHARS + 1);
	return 0;
}

int og_accounts_refresh_find(struct og_accounts *accounts, const char *token, int64_t now,
			     char ret_name[OG_SUBJECT_NAME_MAX + 1],
			     char ret_proof[OG_REFRESH_PROOF_CHARS + 1], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	char hex[HASH_CHARS + 1];
	int r;

	if (strlen(token) != OG_REFRESH_TOKEN_CHARS)
		return og_fail_plain(err, -EACCES, "no such refresh token");
	hash_refresh(token, hex);
	lock(accounts);
	r = og_db_query(accounts->db, &query, err,
			"SELECT account, proof FROM refresh WHERE hash = ? AND until > ?", "si",
			hex, now);
	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		r = take_refresh(query, ret_name, ret_proof, err);
	else if (r == 0)
		r = og_fail_plain(err, -EACCES, "no such refresh token");
	query = og_query_free(query);
	unlock(accounts);
	return r;
}

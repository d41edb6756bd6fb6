/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry's own accounts, in accounts.db of its folder: names, passwords as Argon2id, groups; and
 * the refresh tokens that stand for them ("identity tokens", what docker login keeps in place of a
 * password). Of a refresh token only its hash is kept.
 *
 * May be used by many threads, and beside another process: what the command line changes is seen by
 * a server at once.
 */
#pragma once

#include <stdint.h>

#include "access/permissions.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/password.h"

#define OG_ACCOUNT_GROUPS_MAX  1024U /* chars of all groups of an account */
#define OG_REFRESH_TOKEN_CHARS 52U   /* "ogr_" and 48 of base64url's: 288 bits */
#define OG_REFRESH_TOKENS_MAX  100   /* of one account; the oldest go */
#define OG_REFRESH_TOKEN_DAYS  90

struct og_accounts;

struct og_account {
	char name[OG_SUBJECT_NAME_MAX + 1];
	char line[OG_PASSWORD_LINE_MAX];
	char groups[OG_ACCOUNT_GROUPS_MAX + 1]; /* "GROUP,GROUP" */
	int64_t created;			/* seconds since 1970 */
};

/* In the folder @dir_fd. On success *@ret_accounts is the caller's to free. Errors: og_db_open()'s. */
int og_accounts_open(int dir_fd, struct og_accounts **ret_accounts, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_accounts *og_accounts_free(struct og_accounts *accounts);
OG_DEFINE_CLEANUP(struct og_accounts, og_accounts_free)

/* Errors: -EINVAL (a name or group that is none, an empty password), -EEXIST. */
int og_accounts_add(struct og_accounts *accounts, const char *name, const char *password,
		    const char *groups, struct og_err *err);

/* A new password; refresh tokens of the old one are void. Errors: -ENOENT, -EINVAL. */
int og_accounts_set_password(struct og_accounts *accounts, const char *name, const char *password,
			     struct og_err *err);
int og_accounts_set_groups(struct og_accounts *accounts, const char *name, const char *groups,
			   struct og_err *err);

/* Errors: -ENOENT. */
int og_accounts_remove(struct og_accounts *accounts, const char *name, struct og_err *err);

/* Errors: -ENOENT (@err is then left alone). */
int og_accounts_find(struct og_accounts *accounts, const char *name, struct og_account *ret_account,
		     struct og_err *err);

/* Calls @fn for each, by name; a negative result ends it and is returned. */
int og_accounts_each(struct og_accounts *accounts,
		     int (*fn)(void *data, const struct og_account *account), void *data,
		     struct og_err *err);

/* Tells lines apart: a refresh token is worth something while its account's password is the same. */
#define OG_REFRESH_PROOF_CHARS (2U * OG_HMAC_SHA256_BYTES)
void og_accounts_proof(const char *line, char ret_proof[OG_REFRESH_PROOF_CHARS + 1]);

/*
 * Makes a refresh token for @name, which need not be one of these accounts (htpasswd), and whose
 * password is kept as @line now.
 */
int og_accounts_refresh_new(struct og_accounts *accounts, const char *name, const char *line,
			    int64_t now, char ret_token[OG_REFRESH_TOKEN_CHARS + 1],
			    struct og_err *err);

/*
 * Whose is @token? It is worth something only while @ret_proof is that of the account's line.
 * Errors: -EACCES (nobody's, or over).
 */
int og_accounts_refresh_find(struct og_accounts *accounts, const char *token, int64_t now,
			     char ret_name[OG_SUBJECT_NAME_MAX + 1],
			     char ret_proof[OG_REFRESH_PROOF_CHARS + 1], struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access: who somebody is, and what they may do.
 *
 * Somebody is who they show to be, by a password (Basic), a token (Bearer) or a certificate (mTLS);
 * what they may do is said by rules (permissions.h), and a token only narrows that. Wrong credentials
 * are refused, never taken for none. This part knows names and rights, and nothing of HTTP or of what
 * is kept.
 *
 * A right password is remembered for a minute, keyed by a secret of this process, since to check one
 * takes 25 ms by design, and so is a token's signature (0.2 ms); a changed or removed account is no longer remembered. At most
 * OG_ACCESS_CHECKS_MAX passwords are checked at a time, so that guessing takes neither all memory
 * nor all processors.
 *
 * All functions may be called by many threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/accounts.h"
#include "access/permissions.h"
#include "access/scope.h"
#include "access/tokens.h"

#define OG_ACCESS_CHECKS_MAX 2U
#define OG_ACCESS_REMEMBER_S 60

struct og_access;

struct og_access_options {
	int dir_fd;			    /* borrowed: where accounts.db and token.key are */
	const char *htpasswd;		    /* NULL: none */
	struct og_permissions *permissions; /* taken over; NULL: everything, for who has signed in */
	bool open; /* nobody needs to show anything: without permissions everybody may do everything */
	const char *service;			   /* the audience of our tokens */
	unsigned token_s;			   /* how long they are good for */
	void (*log)(void *data, const char *line); /* may be NULL; called in any thread */
	void *log_data;
};

/* On success *@ret_access is the caller's to free. */
int og_access_new(struct og_access_options *options, struct og_access **ret_access,
		  struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_access *og_access_free(struct og_access *access);
OG_DEFINE_CLEANUP(struct og_access, og_access_free)

/* As og_tokens_trust(); before the first request. */
int og_access_trust(struct og_access *access, const char *issuer, const char *audience,
		    const char *pem, size_t len, struct og_err *err);

/* Who asks. Zeroed it is anybody. */
struct og_identity {
	enum og_subject_kind kind;
	/* An account's; "client:NAME" of a certificate, "token:NAME" of another issuer's token; "". */
	char name[OG_SUBJECT_NAME_MAX + 8];
	char groups[OG_ACCOUNT_GROUPS_MAX + 1];
	bool has_token;
	bool of_stranger; /* another issuer's token: its scopes are the rights */
	struct og_jwt token;
};

void og_identity_done(struct og_identity *identity);

/*
 * Who shows @authorization (the header's value, NULL: none) and a certificate that was checked and
 * names @client (NULL: none)? A certificate counts where nothing else is shown. On success
 * og_identity_done() is the caller's duty.
 *
 * Errors: -EACCES (wrong, over, malformed, of a kind that is not known), -EIO and the like (our own).
 */
int og_access_identify(struct og_access *access, const char *authorization, const char *client,
		       struct og_identity *ret_identity, struct og_err *err);

/* Likewise by name and password, and by a refresh token. */
int og_access_check_password(struct og_access *access, const char *name, const char *password,
			     struct og_identity *ret_identity, struct og_err *err);
int og_access_check_refresh(struct og_access *access, const char *token,
			    struct og_identity *ret_identity, struct og_err *err);

/* The rights (enum og_right, ored) of @identity in @repository. */
unsigned og_access_rights(const struct og_access *access, const struct og_identity *identity,
			  const char *repository);

/* Likewise, if its token were for everything: would another token help? */
unsigned og_access_rights_of_account(const struct og_access *access,
				     const struct og_identity *identity, const char *repository);

/* May @identity ask for the list of repositories (those it may read are listed)? */
bool og_access_may_list(const struct og_access *access, const struct og_identity *identity);

/*
 * Makes a token for @identity with what of @scopes it may do (their rights are cut down); the
 * caller's to free.
 */
int og_access_issue(const struct og_access *access, const struct og_identity *identity,
		    struct og_scope *scopes, size_t count, int64_t now, char **ret_token,
		    struct og_err *err);

/* A refresh token for @identity, an account that has shown its password. */
int og_access_issue_refresh(struct og_access *access, const struct og_identity *identity,
			    char ret_token[OG_REFRESH_TOKEN_CHARS + 1], struct og_err *err);

const struct og_tokens *og_access_tokens(const struct og_access *access);

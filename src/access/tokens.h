/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: ours, signed with a key on P-256 that is kept in the registry's folder (token.key)
 * and made when it is missing; and those of other issuers whose public keys the administrator has
 * named. A key is chosen by issuer and algorithm, never by what a token says of itself: its `kid` is
 * compared with our keys' names and is otherwise nothing.
 *
 * May be used by many threads once all issuers are trusted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/scope.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "format/jwt.h"

#define OG_TOKENS_ISSUER "onggi-registry"
#define OG_TOKENS_S	 300U /* how long ours are good for; the specification's least is 60 */
#define OG_TOKENS_KEYS	 16U  /* of other issuers */

struct og_tokens;

/*
 * @dir_fd: where token.key is or goes. @service: who we are, the audience of ours. On success
 * *@ret_tokens is the caller's to free. Errors: -EBADMSG (the key's file is none), the kernel's.
 */
int og_tokens_open(int dir_fd, const char *service, unsigned lifetime_s,
		   struct og_tokens **ret_tokens, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_tokens *og_tokens_free(struct og_tokens *tokens);
OG_DEFINE_CLEANUP(struct og_tokens, og_tokens_free)

/* Takes tokens of @issuer for @audience that are signed by the key or certificate @pem. */
int og_tokens_trust(struct og_tokens *tokens, const char *issuer, const char *audience,
		    const char *pem, size_t len, struct og_err *err);

const char *og_tokens_service(const struct og_tokens *tokens);
unsigned og_tokens_lifetime_s(const struct og_tokens *tokens);

/*
 * Makes a token for @subject ("" for anybody) with the rights of @scopes, in new memory, the
 * caller's to free.
 */
int og_tokens_issue(const struct og_tokens *tokens, const char *subject,
		    const struct og_scope *scopes, size_t count, int64_t now, char **ret_token,
		    struct og_err *err);

/*
 * Is @text a token, of somebody we trust, for us, and valid now? On success og_jwt_done() is the
 * caller's duty, and *@ret_ours tells whether it is one of ours. @verified: this very text was found good before,
 * so that its signature need not be checked again; all else is. Errors: -EACCES, whatever is wrong;
 * the text says what.
 */
int og_tokens_verify(const struct og_tokens *tokens, const char *text, bool verified, int64_t now,
		     struct og_jwt *ret_jwt, bool *ret_ours, struct og_err *err);

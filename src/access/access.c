/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/htpasswd.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/password.h"
#include "base/text.h"

#define REMEMBERED   256U /* passwords and tokens; two that fall on the same place take turns */
#define SECRET_BYTES 32U
#define BASIC_MAX    2048U /* chars of Basic's base64 */

/* What an unknown account's password is checked by, so that the time does not tell that there is none:
 * a line as ours are, of random bytes that nobody has. */
#define NOBODYS_LINE                                                   \
	"$argon2id$v=19$m=19456,t=2,p=1$D4wRMfjE4RoBmNFuQKsPjw$mJA3gQ" \
	"y/xcVoc2NjORi9waQxK9zkPO++4xtbAIinG50"

struct remembered {
	unsigned char mac[OG_HMAC_SHA256_BYTES];
	uint64_t until_ms;
};

struct og_access {
	struct og_accounts *accounts;	    /* owned */
	struct og_htpasswd *htpasswd;	    /* owned; NULL: none */
	struct og_permissions *permissions; /* owned; NULL: none */
	struct og_tokens *tokens;	    /* owned */
	bool open;
	void (*log)(void *data, const char *line);
	void *log_data;

	sem_t checks;
	unsigned char secret[SECRET_BYTES], token_secret[SECRET_BYTES];
	pthread_mutex_t lock;
	struct remembered remembered[REMEMBERED]; /* guarded by the lock */
};

int og_access_new(struct og_access_options *options, struct og_access **ret_access,
		  struct og_err *err)
{
	og_cleanup(og_access_freep) struct og_access *access = calloc(1, sizeof(*access));
	int r;

	if (access == NULL) {
		og_permissions_free(options->permissions);
		return og_fail(err, -ENOMEM, "access");
	}
	(void)pthread_mutex_init(&access->lock, NULL);
	(void)sem_init(&access->checks, 0, OG_ACCESS_CHECKS_MAX);
	access->permissions = options->permissions;
	access->open = options->open;
	access->log = options->log;
	access->log_data = options->log_data;
	og_random(access->secret, sizeof(access->secret));
	og_random(access->token_secret, sizeof(access->token_secret));
	r = og_accounts_open(options->dir_fd, &access->accounts, err);
	if (r == 0 && options->htpasswd != NULL)
		r = og_htpasswd_open(options->htpasswd, &access->htpasswd, err);
	if (r == 0)
		r = og_tokens_open(options->dir_fd, options->service, options->token_s,
				   &access->tokens, err);
	if (r < 0)
		return r;
	*ret_access = og_take_ptr(access);
	return 0;
}

struct og_access *og_access_free(struct og_access *access)
{
	if (access == NULL)
		return NULL;
	og_tokens_free(access->tokens);
	og_htpasswd_free(access->htpasswd);
	og_accounts_free(access->accounts);
	og_permissions_free(access->permissions);
	(void)sem_destroy(&access->checks);
	(void)pthread_mutex_destroy(&access->lock);
	explicit_bzero(access, sizeof(*access));
	free(access);
	return NULL;
}

int og_access_trust(struct og_access *access, const char *issuer, const char *audience,
		    const char *pem, size_t len, struct og_err *err)
{
	return og_tokens_trust(access->tokens, issuer, audience, pem, len, err);
}

const struct og_tokens *og_access_tokens(const struct og_access *access)
{
	return access->tokens;
}

void og_identity_done(struct og_identity *identity)
{
	if (identity->has_token)
		og_jwt_done(&identity->token);
	identity->has_token = false;
}

/* ---- accounts, wherever they are ---- */

/* Own accounts go before those of the file. Errors: -ENOENT. */
static int find_account(struct og_access *access, const char *name, struct og_account *ret_account,
			struct og_err *err)
{
	struct og_err trouble = {};
	int r = og_accounts_find(access->accounts, name, ret_account, err);

	if (r != -ENOENT || access->htpasswd == NULL)
		return r;
	*ret_account = (struct og_account){};
	r = og_htpasswd_find(access->htpasswd, name, ret_account->line, &trouble);
	if (trouble.text[0] != '\0' && access->log != NULL)
		access->log(access->log_data, trouble.text);
	if (r == 0)
		memcpy(ret_account->name, name, strlen(name) + 1);
	return r;
}

static void become(const struct og_account *account, struct og_identity *identity)
{
	identity->kind = OG_SUBJECT_ACCOUNT;
	memcpy(identity->name, account->name, strlen(account->name) + 1);
	memcpy(identity->groups, account->groups, strlen(account->groups) + 1);
}

/* The password's mark among those that were right. The line is in it: a new one is another mark. */
static void mark_of(const struct og_access *access, const char *line, const char *password,
		    unsigned char mac[OG_HMAC_SHA256_BYTES])
{
	char text[OG_PASSWORD_LINE_MAX + OG_PASSWORD_MAX + 2];
	size_t len = strlen(line), password_len = strlen(password);

	memcpy(text, line, len + 1);
	memcpy(text + len + 1, password, password_len + 1);
	og_hmac_sha256(access->secret, sizeof(access->secret), text, len + password_len + 2, mac);
	explicit_bzero(text, sizeof(text));
}

static bool is_remembered(struct og_access *access, const unsigned char mac[OG_HMAC_SHA256_BYTES])
{
	struct remembered *place = &access->remembered[mac[0] % REMEMBERED];
	bool found;

	(void)pthread_mutex_lock(&access->lock);
	found = place->until_ms > og_clock_ms() &&
		og_secret_equal(place->mac, mac, sizeof(place->mac));
	(void)pthread_mutex_unlock(&access->lock);
	return found;
}

static void remember(struct og_access *access, const unsigned char mac[OG_HMAC_SHA256_BYTES])
{
	struct remembered *place = &access->remembered[mac[0] % REMEMBERED];

	(void)pthread_mutex_lock(&access->lock);
	memcpy(place->mac, mac, sizeof(place->mac));
	place->until_ms = og_clock_ms() + OG_ACCESS_REMEMBER_S * 1000ULL;
	(void)pthread_mutex_unlock(&access->lock);
}

static int verify(struct og_access *access, const char *line, const char *password,
		  struct og_err *err)
{
	unsigned char mac[OG_HMAC_SHA256_BYTES];
	int r;

	mark_of(access, line, password, mac);
	if (is_remembered(access, mac))
		return 0;
	while (sem_wait(&access->checks) < 0 && errno == EINTR)
		;
	r = og_password_verify(password, line, err);
	(void)sem_post(&access->checks);
	if (r == 0)
		remember(access, mac);
	return r;
}

int og_access_check_password(struct og_access *access, const char *name, const char *password,
			     struct og_identity *ret_identity, struct og_err *err)
{
	struct og_account account;
	int r;

	if (!og_subject_name_ok(name) || password[0] == '\0' || strlen(password) > OG_PASSWORD_MAX)
		return og_fail_plain(err, -EACCES, "unknown account or wrong password");
	r = find_account(access, name, &account, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT) {
		(void)verify(access, NOBODYS_LINE, password, NULL);
		return og_fail_plain(err, -EACCES, "unknown account or wrong password");
	}
	r = verify(access, account.line, password, err);
	if (r == -EACCES)
		return og_fail_plain(err, -EACCES, "unknown account or wrong password");
	if (r < 0)
		return r;
	*ret_identity = (struct og_identity){};
	become(&account, ret_identity);
	return 0;
}

int og_access_check_refresh(struct og_access *access, const char *token,
			    struct og_identity *ret_identity, struct og_err *err)
{
	char proof[OG_REFRESH_PROOF_CHARS + 1], now[OG_REFRESH_PROOF_CHARS + 1];
	char name[OG_SUBJECT_NAME_MAX + 1];
	struct og_account account;
	int r = og_accounts_refresh_find(access->accounts, token, time(NULL), name, proof, err);

	if (r == 0)
		r = find_account(access, name, &account, err);
	if (r == -ENOENT)
		return og_fail_plain(err, -EACCES, "the refresh token's account is gone");
	if (r < 0)
		return r;
	og_accounts_proof(account.line, now);
	if (!og_secret_equal(proof, now, OG_REFRESH_PROOF_CHARS))
		return og_fail_plain(err, -EACCES, "the refresh token's password has changed");
	*ret_identity = (struct og_identity){};
	become(&account, ret_identity);
	return 0;
}

/* ---- who asks ---- */

static int by_basic(struct og_access *access, const char *encoded, struct og_identity *ret_identity,
		    struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	char *colon;
	int r;

	if (strlen(encoded) > BASIC_MAX || og_base64_decode(encoded, &text, &len) < 0 ||
	    strlen(text) != len || (colon = strchr(text, ':')) == NULL)
		return og_fail_plain(err, -EACCES, "malformed credentials");
	*colon = '\0';
	r = og_access_check_password(access, text, colon + 1, ret_identity, err);
	explicit_bzero(text, len);
	return r;
}

/* An account may have gone, or changed its groups, since its token was made. */
static int take_token(struct og_access *access, struct og_identity *identity, bool ours,
		      struct og_err *err)
{
	struct og_account account;
	int r;

	identity->of_stranger = !ours;
	if (!ours) {
		if (strlen(identity->token.sub) > OG_SUBJECT_NAME_MAX)
			return og_fail_plain(err, -EACCES, "token: its subject is too long");
		identity->kind = OG_SUBJECT_ACCOUNT;
		(void)snprintf(identity->name, sizeof(identity->name), "token:%.*s",
			       (int)OG_SUBJECT_NAME_MAX, identity->token.sub);
		return 0;
	}
	if (identity->token.sub[0] == '\0')
		return 0;
	if (og_starts_with(identity->token.sub, "client:")) {
		identity->kind = OG_SUBJECT_CLIENT;
		(void)snprintf(identity->name, sizeof(identity->name), "%.*s",
			       (int)OG_SUBJECT_NAME_MAX + 7, identity->token.sub);
		return 0;
	}
	r = find_account(access, identity->token.sub, &account, err);
	if (r == 0)
		become(&account, identity);
	return r == -ENOENT ? og_fail_plain(err, -EACCES, "token: its account is gone") : r;
}

static int by_bearer(struct og_access *access, const char *text, struct og_identity *ret_identity,
		     struct og_err *err)
{
	unsigned char mac[OG_HMAC_SHA256_BYTES];
	struct og_identity identity = {};
	bool ours = false, verified;
	int r;

	og_hmac_sha256(access->token_secret, sizeof(access->token_secret), text, strlen(text), mac);
	verified = is_remembered(access, mac);
	r = og_tokens_verify(access->tokens, text, verified, time(NULL), &identity.token, &ours,
			     err);
	if (r < 0)
		return r;
	if (!verified)
		remember(access, mac);
	identity.has_token = true;
	r = take_token(access, &identity, ours, err);
	if (r < 0) {
		og_identity_done(&identity);
		return r;
	}
	*ret_identity = identity;
	return 0;
}

/* What stands behind the scheme, NULL: it is another. */
static const char *behind(const char *authorization, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ')
		return NULL;
	return authorization + len + strspn(authorization + len, " ");
}

int og_access_identify(struct og_access *access, const char *authorization, const char *client,
		       struct og_identity *ret_identity, struct og_err *err)
{
	const char *value;

	if (authorization != NULL) {
		value = behind(authorization, "Basic");
		if (value != NULL)
			return by_basic(access, value, ret_identity, err);
		value = behind(authorization, "Bearer");
		if (value != NULL)
			return by_bearer(access, value, ret_identity, err);
		return og_fail_plain(err, -EACCES, "neither Basic nor Bearer");
	}
	*ret_identity = (struct og_identity){};
	if (client == NULL)
		return 0;
	if (client[0] == '\0' || strlen(client) > OG_SUBJECT_NAME_MAX)
		return og_fail_plain(err, -EACCES, "a certificate whose name is none");
	ret_identity->kind = OG_SUBJECT_CLIENT;
	(void)snprintf(ret_identity->name, sizeof(ret_identity->name), "client:%s", client);
	return 0;
}

/* ---- what they may ---- */

static unsigned rights_by_rules(const struct og_access *access, const struct og_identity *identity,
				const char *repository)
{
	struct og_subject subject = { .kind = identity->kind,
				      .name = identity->name,
				      .groups = identity->groups };

	if (access->permissions == NULL)
		return access->open || identity->kind != OG_SUBJECT_ANYBODY ? OG_RIGHT_ALL : 0;
	if (identity->kind == OG_SUBJECT_CLIENT)
		subject.name += strlen("client:");
	return og_permissions_rights(access->permissions, &subject, repository);
}

static unsigned rights_by_token(const struct og_jwt *token, const char *repository)
{
	struct og_jwt_access entry;
	unsigned rights = 0;

	for (size_t i = 0; og_jwt_access_at(token, i, &entry); i++) {
		if (!og_streq(entry.type, OG_SCOPE_TYPE_REPO) || !og_streq(entry.name, repository))
			continue;
		for (size_t k = 0; k < og_json_count(entry.actions); k++) {
			const char *word = og_json_string(og_json_at(entry.actions, k), "");

			rights |= og_scope_rights(word, strlen(word));
		}
	}
	return rights;
}

unsigned og_access_rights(const struct og_access *access, const struct og_identity *identity,
			  const char *repository)
{
	unsigned rights = OG_RIGHT_ALL;

	if (!identity->of_stranger)
		rights = rights_by_rules(access, identity, repository);
	if (identity->has_token)
		rights &= rights_by_token(&identity->token, repository);
	return rights;
}

unsigned og_access_rights_of_account(const struct og_access *access,
				     const struct og_identity *identity, const char *repository)
{
	return identity->of_stranger ? OG_RIGHT_ALL : rights_by_rules(access, identity, repository);
}

bool og_access_may_list(const struct og_access *access, const struct og_identity *identity)
{
	struct og_jwt_access entry;

	if (!identity->has_token)
		return access->open || access->permissions != NULL ||
		       identity->kind != OG_SUBJECT_ANYBODY;
	for (size_t i = 0; og_jwt_access_at(&identity->token, i, &entry); i++)
		if (og_streq(entry.type, OG_SCOPE_TYPE_REG) &&
		    og_streq(entry.name, OG_SCOPE_CATALOG) && og_jwt_allows(&entry, "*"))
			return true;
	return false;
}

int og_access_issue(const struct og_access *access, const struct og_identity *identity,
		    struct og_scope *scopes, size_t count, int64_t now, char **ret_token,
		    struct og_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (og_streq(scopes[i].type, OG_SCOPE_TYPE_REPO))
			scopes[i].rights &= og_access_rights(access, identity, scopes[i].name);
		else if (!og_streq(scopes[i].type, OG_SCOPE_TYPE_REG) ||
			 !og_streq(scopes[i].name, OG_SCOPE_CATALOG) ||
			 !og_access_may_list(access, identity))
			scopes[i].rights = 0;
	}
	return og_tokens_issue(access->tokens, identity->name, scopes, count, now, ret_token, err);
}

int og_access_issue_refresh(struct og_access *access, const struct og_identity *identity,
			    char ret_token[OG_REFRESH_TOKEN_CHARS + 1], struct og_err *err)
{
	struct og_account account;
	int r;

	/* What a token shows is narrower and over sooner: it must not lead to more. */
	if (identity->kind != OG_SUBJECT_ACCOUNT || identity->has_token)
		return og_fail_plain(err, -EACCES,
				     "only who shows a password gets a refresh token");
	r = find_account(access, identity->name, &account, err);
	return r < 0 ? r
		     : og_accounts_refresh_new(access->accounts, account.name, account.line,
					       time(NULL), ret_token, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for registries, from Docker's own config.json ($DOCKER_CONFIG, else ~/.docker):
 * credHelpers, credsStore (docker-credential-NAME, run with `get`), auths.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * The header "X-Registry-Auth: ..." for the registry that @reference, an image's name, names. The
 * caller frees it. Without credentials it is that of an empty object. Errors: a config.json that
 * is none, a helper that fails.
 */
int og_credentials_header(const char *reference, char **ret_header, struct og_err *err);

/* The registry in "HOST/name:tag", or Docker's own key of Docker Hub. The caller frees it. */
char *og_credentials_registry(const char *reference);

/* The key of a registry that is named by itself: "localhost:5000", "https://x/", "". The caller's. */
char *og_credentials_key(const char *address);

/* NULL: none. Owned; og_credentials_done() ends it. */
struct og_credentials {
	char *user;
	char *password;
	char *identity_token;
};

void og_credentials_done(struct og_credentials *credentials);

/* @registry is such a key. None found is success. Errors: as for og_credentials_header(). */
int og_credentials_find(const char *registry, struct og_credentials *ret_credentials,
			struct og_err *err);

/*
 * Gives them to the helper that config.json names for the registry, else writes them into config.json:
 * then *@ret_where is its path, the caller's to free, else it is untouched.
 */
int og_credentials_store(const char *registry, const struct og_credentials *credentials,
			 char **ret_where, struct og_err *err);

int og_credentials_erase(const char *registry, bool *ret_found, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for registries, from Docker's own config.json ($DOCKER_CONFIG, else ~/.docker):
 * credHelpers, credsStore (docker-credential-NAME, run with `get`), auths.
 */
#pragma once

#include "base/err.h"

/*
 * The header "X-Registry-Auth: ..." for the registry that @reference, an image's name, names. The
 * caller frees it. Without credentials it is that of an empty object. Errors: a config.json that
 * is none, a helper that fails.
 */
int og_credentials_header(const char *reference, char **ret_header, struct og_err *err);

/* The registry in "HOST/name:tag", or Docker's own key of Docker Hub. The caller frees it. */
char *og_credentials_registry(const char *reference);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * The password of a key: ONGGI_KEY_PASSWORD or COSIGN_PASSWORD, else asked for on the terminal, twice where
 * @new. The caller wipes and frees it. Errors: -ENOTTY (nobody to ask), -EINVAL (the two differ).
 */
int password_read(const char *what, bool new, char **ret_password, struct og_err *err);

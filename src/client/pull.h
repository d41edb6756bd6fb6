/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "client/session.h"

/*
 * Pulls @reference with the user's credentials and shows the progress on @out. @platform may be
 * NULL. *@ret_last (may be NULL): the daemon's last word, the caller's to free.
 */
int og_pull(struct og_session *session, const char *reference, const char *platform, FILE *out,
	    bool quiet, char **ret_last, struct og_err *err);

/* Cuts "name:tag" or "name@digest" behind the name. @ret_name is the caller's to free; *@ret_tag,
 * borrowed from @reference, is NULL when it has neither. */
int og_reference_split(const char *reference, char **ret_name, const char **ret_tag,
		       struct og_err *err);

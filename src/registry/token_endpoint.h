/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token endpoint (distribution's token authentication): GET with Basic credentials or none, and
 * POST as OAuth 2 has it (grant_type password or refresh_token). It gives a token for what of the asked
 * scopes the account may do; what it may not is left out, and is no error (A56: no word about whether
 * something exists).
 */
#pragma once

#include "access/access.h"
#include "base/http_server.h"

#define OG_TOKEN_PATH	  "/token"
#define OG_TOKEN_FORM_MAX (64U << 10) /* bytes of a POST's form */

/*
 * Answers. @identity: who showed what in the request's own headers. Returns 0, or -EACCES: the
 * credentials in the form are wrong, which was answered (401).
 */
int og_token_endpoint_serve(struct og_access *access, const struct og_identity *identity,
			    struct og_http_request *request);

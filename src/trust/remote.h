/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence (evidence.h) from a registry that is asked over the network. */
#pragma once

#include "base/http_client.h"
#include "image/remote.h"
#include "trust/evidence.h"

/* og_evidence_fetch() from there. Errors: the registry's and the network's. */
int og_evidence_fetch_remote(struct og_evidence *evidence, struct og_remote *registry,
			     struct og_http_client *client, struct og_err *err);

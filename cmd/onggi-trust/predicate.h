/* SPDX-License-Identifier: Apache-2.0 */
/* What attestations are of: cosign's words, and the URIs they stand for. */
#pragma once

/* "vuln" or a URI: the URI. NULL: it is neither a word that is known nor a URI. */
const char *trust_predicate_type(const char *word);

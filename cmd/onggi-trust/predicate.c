/* SPDX-License-Identifier: Apache-2.0 */
#include "predicate.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

/* cosign's words for types of predicates. */
static const char *const types[][2] = {
	{ "custom", "https://cosign.sigstore.dev/attestation/v1" },
	{ "cyclonedx", "https://cyclonedx.org/bom" },
	{ "link", "https://in-toto.io/Link/v1" },
	{ "openvex", "https://openvex.dev/ns" },
	{ "slsaprovenance", "https://slsa.dev/provenance/v0.2" },
	{ "slsaprovenance02", "https://slsa.dev/provenance/v0.2" },
	{ "slsaprovenance1", "https://slsa.dev/provenance/v1" },
	{ "spdx", "https://spdx.dev/Document" },
	{ "spdxjson", "https://spdx.dev/Document" },
	{ "vuln", "https://cosign.sigstore.dev/attestation/vuln/v1" },
};

const char *trust_predicate_type(const char *word)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (og_streq(types[i][0], word))
			return types[i][1];
	}
	return strchr(word, ':') != NULL ? word : NULL;
}

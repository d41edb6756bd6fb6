/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte of an input chooses the reader. */
#include <stdlib.h>

#include "access/gate.h"
#include "base/pk.h"
#include "format/artifact.h"
#include "format/containers_policy.h"
#include "format/cosign_key.h"
#include "format/dsse.h"
#include "format/simplesigning.h"

#include "replay.h"

static void read_envelope(const char *text, size_t len, bool bundle)
{
	og_auto_dsse dsse = {};
	og_auto_statement statement = {};
	int r = bundle ? og_bundle_parse(text, len, &dsse, NULL)
		       : og_dsse_parse(text, len, &dsse, NULL);

	if (r == 0 && dsse.count == 0)
		abort();
	if (r == 0 && og_statement_parse(dsse.payload, dsse.payload_len, &statement, NULL) == 0 &&
	    (statement.count == 0 || !og_statement_is_about(&statement, &statement.subjects[0])))
		abort();
}

static void read_policy(const char *text, size_t len)
{
	og_cleanup(og_containers_policy_freep) struct og_containers_policy *policy = NULL;
	struct og_imageref ref;

	if (og_imageref_parse("example.org/a/b:c", &ref, NULL) < 0)
		abort();
	if (og_containers_policy_parse(text, len, &policy, NULL) < 0)
		return;
	for (size_t i = 0; i < policy->count; i++) {
		if (policy->scopes[i].count == 0)
			abort();
		for (size_t j = 0; j < policy->scopes[i].count; j++)
			(void)og_identity_matches(&policy->scopes[i].demands[j].identity,
						  "example.org/a/b:c", &ref);
	}
	if (og_containers_policy_find(policy, &ref) == NULL)
		abort();
}

static void read_gate(const char *text, size_t len, bool json)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;

	if (og_admission_parse(text, len, json, &gate, NULL) < 0)
		return;
	for (size_t i = 0; i < gate->rule_count; i++) {
		const struct og_admission_rule *rule = &gate->rules[i];

		for (size_t j = 0; rule->signed_by[j] != NULL; j++) {
			if (og_admission_signer(gate, rule->signed_by[j]) == NULL)
				abort();
		}
		(void)og_admission_applies(rule, "example.org/a/b", OG_ADMISSION_CREATE);
	}
}

/* What is read is written as it was read. */
static void read_signature(const char *text, size_t len)
{
	uint8_t raw[OG_PK_RAW_BYTES], der[OG_PK_SIGNATURE_MAX];
	size_t der_len = 0;

	if (og_pk_raw_from_der(text, len, raw) < 0)
		return;
	if (og_pk_der_from_raw(raw, der, &der_len) < 0 || der_len != len ||
	    memcmp(der, text, len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	og_auto_free char *text = NULL;
	struct og_simplesigning payload = {};
	struct og_cosign_key key = {};

	if (size == 0)
		return 0;
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[--size] = '\0';
	switch (data[0]) {
	case 'a':
		(void)og_artifact_parse(text, size, &artifact, NULL);
		break;
	case 'b':
	case 'd':
		read_envelope(text, size, data[0] == 'b');
		break;
	case 'g':
	case 'y':
		read_gate(text, size, data[0] == 'g');
		break;
	case 'k':
		if (og_cosign_key_parse(text, size, &key, NULL) == 0)
			og_cosign_key_done(&key);
		break;
	case 'p':
		read_policy(text, size);
		break;
	case 's':
		if (og_simplesigning_parse(text, size, &payload, NULL) == 0)
			og_simplesigning_done(&payload);
		break;
	case 'x':
		read_signature(text, size);
		break;
	default:
		break;
	}
	return 0;
}

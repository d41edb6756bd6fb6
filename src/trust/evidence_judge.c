/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing of a text is looked at before a signature over it held. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "format/simplesigning.h"
#include "trust/evidence.h"

/* What was found where no signature did. */
struct findings {
	size_t total, malformed, other_key, other_digest, other_name;
	char name[160]; /* the last wrong one */
};

static bool covers(const struct og_evidence *evidence, const struct og_digest *digest)
{
	return og_digest_equal(digest, &evidence->manifest) ||
	       (evidence->index != NULL && og_digest_equal(digest, &evidence->index_digest));
}

static bool signed_by_any(const struct og_keys *keys, const char *text, size_t len,
			  const char *signature, size_t signature_len)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (og_pk_verify(keys->items[i], text, len, signature, signature_len, NULL) == 0)
			return true;
	}
	return false;
}

/* Is an envelope's PAE signed by one of them? */
static bool envelope_holds(const struct og_dsse *dsse, const struct og_keys *keys)
{
	size_t len = 0;
	og_auto_free char *pae = og_dsse_pae(dsse->type, dsse->payload, dsse->payload_len, &len);

	for (size_t i = 0; pae != NULL && i < dsse->count; i++) {
		if (signed_by_any(keys, pae, len, dsse->signatures[i].bytes,
				  dsse->signatures[i].len))
			return true;
	}
	return false;
}

/*
 * Opens a statement that one of @keys signed. Returns 1, or 0: malformed or by another; errors: -ENOMEM.
 * On 1 the caller ends *@ret_statement.
 */
static int open_statement(const struct og_evidence_item *item, const struct og_keys *keys,
			  struct findings *findings, struct og_statement *ret_statement)
{
	og_auto_dsse dsse = {};
	int r = item->kind == OG_EVIDENCE_BUNDLE
			? og_bundle_parse(item->text, item->len, &dsse, NULL)
			: og_dsse_parse(item->text, item->len, &dsse, NULL);

	if (r == 0 && !envelope_holds(&dsse, keys)) {
		findings->other_key++;
		return 0;
	}
	if (r == 0 && !og_streq(dsse.type, OG_MEDIA_INTOTO))
		r = -EBADMSG;
	if (r == 0)
		r = og_statement_parse(dsse.payload, dsse.payload_len, ret_statement, NULL);
	if (r == -ENOMEM)
		return r;
	findings->malformed += r < 0 ? 1 : 0;
	return r < 0 ? 0 : 1;
}

static bool name_matches(const struct og_signed_identity *identity, const char *name,
			 const struct og_imageref *ref, struct findings *findings)
{
	if (og_identity_matches(identity, name, ref))
		return true;
	findings->other_name++;
	(void)snprintf(findings->name, sizeof(findings->name), "%s", name);
	return false;
}

static bool signature_holds(const struct og_evidence *evidence, const struct og_evidence_item *item,
			    const struct og_keys *keys, const struct og_signed_identity *identity,
			    const struct og_imageref *ref, struct findings *findings)
{
	og_cleanup(og_simplesigning_done) struct og_simplesigning payload = {};

	if (item->signature == NULL || item->signature_len == 0) {
		findings->malformed++;
		return false;
	}
	if (!signed_by_any(keys, item->text, item->len, item->signature, item->signature_len)) {
		findings->other_key++;
		return false;
	}
	if (og_simplesigning_parse(item->text, item->len, &payload, NULL) < 0) {
		findings->malformed++;
		return false;
	}
	if (!covers(evidence, &payload.digest)) {
		findings->other_digest++;
		return false;
	}
	return name_matches(identity, payload.reference, ref, findings);
}

static bool is_about(const struct og_evidence *evidence, const struct og_statement *statement)
{
	return og_statement_is_about(statement, &evidence->manifest) ||
	       (evidence->index != NULL &&
		og_statement_is_about(statement, &evidence->index_digest));
}

/* The name beside the first subject that is the image. */
static const char *subject_name(const struct og_evidence *evidence,
				const struct og_statement *statement)
{
	const struct og_json *list = og_json_get(statement->root, "subject");

	for (size_t i = 0; i < statement->count; i++) {
		if (covers(evidence, &statement->subjects[i]))
			return og_json_string(og_json_get(og_json_at(list, i), "name"), "");
	}
	return "";
}

static int statement_signs(const struct og_evidence *evidence, const struct og_evidence_item *item,
			   const struct og_keys *keys, const struct og_signed_identity *identity,
			   const struct og_imageref *ref, struct findings *findings)
{
	og_auto_statement statement = {};
	int r = open_statement(item, keys, findings, &statement);

	if (r <= 0)
		return r;
	if (!og_streq(statement.predicate_type, OG_PREDICATE_SIGN)) {
		findings->total--; /* it says something about the image, and is no signature */
		return 0;
	}
	if (!is_about(evidence, &statement)) {
		findings->other_digest++;
		return 0;
	}
	return name_matches(identity, subject_name(evidence, &statement), ref, findings) ? 1 : 0;
}

static int explain(const struct findings *findings, struct og_err *err)
{
	if (findings->total == 0)
		return og_fail_plain(err, -EKEYREJECTED, "there is no signature");
	if (findings->other_name > 0)
		return og_fail_plain(err, -EKEYREJECTED, "it is signed under another name ('%s')",
				     findings->name);
	return og_fail_plain(err, -EKEYREJECTED,
			     "none of %zu signatures is good: %zu by another key, %zu of another "
			     "image, %zu malformed",
			     findings->total, findings->other_key, findings->other_digest,
			     findings->malformed);
}

int og_evidence_signed(const struct og_evidence *evidence, const struct og_keys *keys,
		       const struct og_signed_identity *identity, const struct og_imageref *ref,
		       const struct og_evidence_item **ret_item, struct og_err *err)
{
	struct findings findings = {};

	for (size_t i = 0; i < evidence->count; i++) {
		const struct og_evidence_item *item = &evidence->items[i];
		int r;

		findings.total++;
		if (item->kind == OG_EVIDENCE_SIGNATURE)
			r = signature_holds(evidence, item, keys, identity, ref, &findings);
		else
			r = statement_signs(evidence, item, keys, identity, ref, &findings);
		if (r < 0)
			return og_fail(err, r, "no memory");
		if (r > 0) {
			if (ret_item != NULL)
				*ret_item = item;
			return 0;
		}
	}
	return explain(&findings, err);
}

int og_evidence_attestations(const struct og_evidence *evidence, const struct og_keys *keys,
			     const char *predicate_type, og_attestation_fn *fn, void *data,
			     struct og_err *err)
{
	int count = 0;

	for (size_t i = 0; i < evidence->count; i++) {
		og_auto_statement statement = {};
		struct findings findings = {};
		int r;

		if (evidence->items[i].kind == OG_EVIDENCE_SIGNATURE)
			continue;
		r = open_statement(&evidence->items[i], keys, &findings, &statement);
		if (r < 0)
			return og_fail(err, r, "no memory");
		if (r == 0 || !is_about(evidence, &statement) ||
		    og_streq(statement.predicate_type, OG_PREDICATE_SIGN) ||
		    (predicate_type != NULL && !og_streq(statement.predicate_type, predicate_type)))
			continue;
		r = fn(data, &evidence->items[i], &statement);
		if (r < 0)
			return r;
		count++;
	}
	return count;
}

/* ---- containers-policy.json ---- */

static int read_demand_keys(const struct og_demand *demand, struct og_keys *keys,
			    struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && demand->key_paths[i] != NULL; i++)
		r = og_keys_add_file(keys, demand->key_paths[i], err);
	for (size_t i = 0; r == 0 && demand->key_data[i] != NULL; i++) {
		og_auto_free char *pem = NULL;
		size_t len = 0;

		if (og_base64_decode(demand->key_data[i], &pem, &len) < 0)
			return og_fail_plain(err, -EBADMSG, "keyData is not base64");
		r = og_keys_add_text(keys, pem, len, err);
	}
	return r;
}

static int meet(const struct og_evidence *evidence, const struct og_demand *demand,
		const struct og_imageref *ref, struct og_err *err)
{
	og_auto_keys keys = {};
	int r;

	switch (demand->kind) {
	case OG_DEMAND_ANYTHING:
		return 0;
	case OG_DEMAND_REJECT:
		return og_fail_plain(err, -EKEYREJECTED, "the policy rejects all images here");
	case OG_DEMAND_UNSUPPORTED:
		return og_fail_plain(err, -EKEYREJECTED, "%s", demand->why);
	case OG_DEMAND_SIGSTORE:
		break;
	}
	r = read_demand_keys(demand, &keys, err);
	if (r < 0)
		return r;
	return og_evidence_signed(evidence, &keys, &demand->identity, ref, NULL, err);
}

int og_evidence_meets(const struct og_evidence *evidence, const struct og_containers_policy *policy,
		      const struct og_imageref *ref, struct og_err *err)
{
	const struct og_policy_scope *scope = og_containers_policy_find(policy, ref);

	for (size_t i = 0; i < scope->count; i++) {
		int r = meet(evidence, &scope->demands[i], ref, err);

		if (r < 0)
			return og_fail_in(err, r, "%s '%s', requirement %zu",
					  scope->transport[0] != '\0' ? scope->transport : "policy",
					  scope->name, i + 1);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/sign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/text.h"
#include "format/artifact.h"
#include "format/dsse.h"
#include "format/simplesigning.h"
#include "trust/attached.h"

static struct og_attachment attachment_to(const struct og_signing *signing)
{
	return (struct og_attachment){
		.subject = signing->subject->digest,
		.subject_media_type = signing->subject->media_type,
		.subject_size = signing->subject->len,
	};
}

static int sign_text(const struct og_signing *signing, const char *text, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *annotations = og_json_new_object();
	og_auto_free char *base64 = NULL;
	struct og_attachment attachment = attachment_to(signing);
	uint8_t signature[OG_PK_SIGNATURE_MAX];
	size_t len = 0;
	int r = og_sk_sign(signing->sk, text, strlen(text), signature, &len, err);

	if (r < 0)
		return r;
	base64 = og_base64_encode(signature, len);
	if (base64 == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	og_json_set_string(annotations, OG_COSIGN_SIGNATURE, base64);
	attachment.artifact_type = OG_MEDIA_COSIGN_SIGNATURE;
	attachment.media_type = OG_MEDIA_SIMPLESIGNING;
	attachment.buf = text;
	attachment.len = strlen(text);
	attachment.layer_annotations = annotations;
	if (signing->layout == OG_LAYOUT_TAG)
		return og_attach_tag(signing->registry, signing->client, "sig", &attachment, err);
	return og_attach_referrer(signing->registry, signing->client, &attachment, NULL, err);
}

/* ---- envelopes ---- */

/* The envelope or bundle around @statement, the caller's. */
static int seal_statement(const struct og_signing *signing, const char *statement, char **ret_text,
			  struct og_err *err)
{
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
	og_auto_free char *pae = NULL;
	uint8_t signature[OG_PK_SIGNATURE_MAX];
	size_t pae_len = 0, len = 0;
	int r;

	pae = og_dsse_pae(OG_MEDIA_INTOTO, statement, strlen(statement), &pae_len);
	if (pae == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_sk_sign(signing->sk, pae, pae_len, signature, &len, err);
	if (r == 0)
		r = og_sk_public(signing->sk, &pk, err);
	if (r < 0)
		return r;
	if (signing->layout == OG_LAYOUT_BUNDLE)
		*ret_text = og_bundle_write(OG_MEDIA_INTOTO, statement, strlen(statement),
					    signature, len, og_pk_id(pk));
	else
		*ret_text = og_dsse_write(OG_MEDIA_INTOTO, statement, strlen(statement), signature,
					  len);
	return *ret_text == NULL ? og_fail(err, -ENOMEM, "no memory") : 0;
}

/* As cosign annotates bundles. */
static struct og_json *bundle_annotations(const char *predicate_type)
{
	struct og_json *annotations = og_json_new_object();
	char now[OG_CLOCK_TEXT_BYTES];

	og_clock_now(now);
	og_json_set_string(annotations, "dev.sigstore.bundle.content", "dsse-envelope");
	og_json_set_string(annotations, "dev.sigstore.bundle.predicateType", predicate_type);
	og_json_set_string(annotations, "org.opencontainers.image.created", now);
	return annotations;
}

static int attach_statement(const struct og_signing *signing, const char *statement,
			    const char *predicate_type, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *layer = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *annotations = bundle_annotations(predicate_type);
	og_auto_free char *text = NULL;
	struct og_attachment attachment = attachment_to(signing);
	int r = seal_statement(signing, statement, &text, err);

	if (r < 0)
		return r;
	if (strlen(text) > OG_DSSE_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "the attestation is over %u MiB",
				     OG_DSSE_BYTES_MAX >> 20);
	attachment.buf = text;
	attachment.len = strlen(text);
	if (signing->layout == OG_LAYOUT_BUNDLE) {
		attachment.artifact_type = attachment.media_type = OG_MEDIA_BUNDLE;
		attachment.annotations = annotations;
		return og_attach_referrer(signing->registry, signing->client, &attachment, NULL,
					  err);
	}
	og_json_set_string(layer, OG_COSIGN_SIGNATURE, "");
	og_json_set_string(layer, "predicateType", predicate_type);
	attachment.layer_annotations = layer;
	attachment.artifact_type = attachment.media_type = OG_MEDIA_DSSE;
	if (signing->layout == OG_LAYOUT_TAG)
		return og_attach_tag(signing->registry, signing->client, "att", &attachment, err);
	return og_attach_referrer(signing->registry, signing->client, &attachment, NULL, err);
}

int og_attest(const struct og_signing *signing, const char *predicate_type,
	      struct og_json *predicate, struct og_err *err)
{
	og_auto_free char *statement = og_statement_write(signing->name, &signing->subject->digest,
							  predicate_type, predicate);

	if (statement == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return attach_statement(signing, statement, predicate_type, err);
}

int og_sign(const struct og_signing *signing, struct og_err *err)
{
	og_auto_free char *text = NULL;

	if (signing->layout == OG_LAYOUT_BUNDLE)
		return og_attest(signing, OG_PREDICATE_SIGN, og_json_new_object(), err);
	text = og_simplesigning_write(signing->name, &signing->subject->digest, "onggi " OG_VERSION,
				      signing->now_s);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return sign_text(signing, text, err);
}

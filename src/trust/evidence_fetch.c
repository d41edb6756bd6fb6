/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/artifact.h"
#include "format/simplesigning.h"
#include "trust/evidence.h"

/* Artifacts of one subject that are looked into; a registry may list thousands. */
#define REFERRERS_MAX 256

struct fetch {
	struct og_evidence *evidence;
	const struct og_evidence_source *source;
	const struct og_digest *subject; /* whose referrers are looked at */
	size_t looked_at;
};

/* ---- artifacts ---- */

/* The kind of evidence that a blob is; false: it is something else. */
static bool kind_of(const struct og_artifact_blob *blob, enum og_evidence_kind *ret_kind,
		    size_t *ret_max)
{
	*ret_max = OG_DSSE_BYTES_MAX;
	if (og_streq(blob->media_type, OG_MEDIA_SIMPLESIGNING)) {
		*ret_kind = OG_EVIDENCE_SIGNATURE;
		*ret_max = OG_SIMPLESIGNING_BYTES_MAX;
	} else if (og_streq(blob->media_type, OG_MEDIA_DSSE)) {
		*ret_kind = OG_EVIDENCE_ENVELOPE;
	} else if (og_streq(blob->media_type, OG_MEDIA_BUNDLE)) {
		*ret_kind = OG_EVIDENCE_BUNDLE;
	} else {
		return false;
	}
	return true;
}

static int add_blob(struct fetch *fetch, const struct og_artifact_blob *blob, const char *place,
		    struct og_err *err)
{
	og_auto_free char *text = NULL;
	enum og_evidence_kind kind = OG_EVIDENCE_SIGNATURE;
	const char *signature = NULL;
	size_t max = 0;
	int r;

	if (!kind_of(blob, &kind, &max))
		return 0;
	if (kind == OG_EVIDENCE_SIGNATURE)
		signature = og_json_string(og_json_get(blob->annotations, OG_COSIGN_SIGNATURE), "");
	r = fetch->source->blob(fetch->source->data, &blob->digest, blob->size, max, &text, err);
	if (r == 0)
		r = og_evidence_add(fetch->evidence, kind, place, text, (size_t)blob->size,
				    signature, err);
	return r;
}

/*
 * A list or blob that is gone, damaged or too large vouches for nothing, and must not keep what else there is from
 * doing so; that a registry does not answer is another thing.
 */
static bool vouches_for_nothing(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -E2BIG;
}

static int add_artifact(struct fetch *fetch, const char *reference, const char *place,
			const struct og_digest *subject, struct og_err *err)
{
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = fetch->source->manifest(fetch->source->data, reference, &buf, &len, err);

	if (r == 0)
		r = og_artifact_parse(buf, len, &artifact, err);
	if (r == 0 && subject != NULL &&
	    (!artifact->has_subject || !og_digest_equal(&artifact->subject, subject)))
		return 0;
	for (size_t i = 0; r == 0 && i < artifact->count; i++) {
		r = add_blob(fetch, &artifact->blobs[i], place, err);
		if (vouches_for_nothing(r) && fetch->evidence->count < OG_EVIDENCE_ITEMS_MAX)
			r = 0;
	}
	return vouches_for_nothing(r) ? 0 : r;
}

static int add_tag(struct fetch *fetch, const struct og_digest *digest, const char *kind,
		   struct og_err *err)
{
	og_auto_free char *tag = og_strdupf("sha256-%s.%s", og_digest_hex(digest).text, kind);
	og_auto_free char *place = og_strdupf("tag %s", tag != NULL ? tag : "");

	if (tag == NULL || place == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return add_artifact(fetch, tag, place, NULL, err);
}

/* Registries without the API may say what the type of a referrer is, or its configuration's. */
static bool may_vouch(const char *type)
{
	return type[0] == '\0' || og_streq(type, OG_MEDIA_OCI_EMPTY) ||
	       og_streq(type, OG_MEDIA_BUNDLE) || og_streq(type, OG_MEDIA_DSSE) ||
	       og_streq(type, OG_MEDIA_INTOTO) || og_streq(type, OG_MEDIA_COSIGN_SIGNATURE) ||
	       og_streq(type, OG_MEDIA_SIMPLESIGNING);
}

static int add_referrer(void *data, const char *digest, const char *type, struct og_err *err)
{
	struct fetch *fetch = data;
	char place[200];

	if (!may_vouch(type) || !og_starts_with(digest, OG_DIGEST_PREFIX))
		return 0;
	if (fetch->looked_at++ == REFERRERS_MAX)
		return 1;
	(void)snprintf(place, sizeof(place), "referrer %s", digest);
	return add_artifact(fetch, digest, place, fetch->subject, err);
}

static int fetch_of(struct fetch *fetch, const struct og_digest *digest, struct og_err *err)
{
	int r = add_tag(fetch, digest, "sig", err);

	if (r == 0)
		r = add_tag(fetch, digest, "att", err);
	fetch->subject = digest;
	fetch->looked_at = 0;
	if (r == 0)
		r = fetch->source->referrers(fetch->source->data, digest, add_referrer, fetch, err);
	return r < 0 ? og_fail_in(err, r, "signatures of %.19s", og_digest_format(digest).text) : 0;
}

int og_evidence_fetch(struct og_evidence *evidence, const struct og_evidence_source *source,
		      struct og_err *err)
{
	struct fetch fetch = { .evidence = evidence, .source = source };
	int r = fetch_of(&fetch, &evidence->manifest, err);

	if (r == 0 && evidence->index != NULL &&
	    !og_digest_equal(&evidence->index_digest, &evidence->manifest))
		r = fetch_of(&fetch, &evidence->index_digest, err);
	if (r == 0 && err != NULL)
		*err = (struct og_err){}; /* of lists that are not there */
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "format/artifact.h"
#include "format/simplesigning.h"
#include "trust/attached.h"
#include "trust/evidence.h"

/* Artifacts of one subject that are looked into; a registry may list thousands. */
#define REFERRERS_MAX 256

struct fetch {
	struct og_evidence *evidence;
	struct og_registry *registry;
	struct og_http_client *client;
};

/* ---- blobs ---- */

struct collected {
	char *buf; /* owned */
	size_t len, size;
};

static int collect(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct collected *collected = data;

	if (len > collected->size - collected->len)
		return og_fail_plain(err, -EBADMSG, "longer than said");
	memcpy(collected->buf + collected->len, buf, len);
	collected->len += len;
	return 0;
}

static int check_blob(const char *buf, size_t len, const struct og_digest *want, struct og_err *err)
{
	og_cleanup(og_sha256_freep) struct og_sha256 *sha256 = NULL;
	struct og_digest got;
	int r = og_sha256_new(&sha256, err);

	if (r == 0)
		r = og_sha256_add(sha256, buf, len, err);
	if (r < 0)
		return r;
	og_sha256_finish(sha256, got.sha256);
	if (!og_digest_equal(&got, want))
		return og_fail_plain(err, -EBADMSG, "blob %s: its content is another",
				     og_digest_format(want).text);
	return 0;
}

int og_attached_blob(struct og_registry *registry, struct og_http_client *client,
		     const struct og_digest *digest, uint64_t size, size_t max_bytes,
		     char **ret_buf, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	struct collected collected = { .size = (size_t)size };
	int r;

	if (size > max_bytes)
		return og_fail_plain(err, -E2BIG, "blob %s: over %zu bytes",
				     og_digest_format(digest).text, max_bytes);
	buf = calloc(1, (size_t)size + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	collected.buf = buf;
	r = og_registry_blob(registry, client, digest, size, collect, &collected, err);
	if (r == 0)
		r = check_blob(buf, (size_t)size, digest, err);
	if (r == 0)
		*ret_buf = og_take_ptr(buf);
	return r;
}

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
	r = og_attached_blob(fetch->registry, fetch->client, &blob->digest, blob->size, max, &text,
			     err);
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
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	int r = og_registry_manifest(fetch->registry, fetch->client, reference, &document, err);

	if (r == 0)
		r = og_artifact_parse(document.buf, document.len, &artifact, err);
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

static int add_referrers(struct fetch *fetch, const struct og_digest *digest, struct og_err *err)
{
	og_cleanup(og_referrers_done) struct og_referrers list = {};
	size_t looked_at = 0;
	int r = og_registry_referrers(fetch->registry, fetch->client, og_digest_format(digest).text,
				      NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.count && looked_at < REFERRERS_MAX; i++) {
		char place[200];

		if (!may_vouch(list.items[i].artifact_type) ||
		    !og_starts_with(list.items[i].digest, OG_DIGEST_PREFIX))
			continue;
		looked_at++;
		(void)snprintf(place, sizeof(place), "referrer %s", list.items[i].digest);
		r = add_artifact(fetch, list.items[i].digest, place, digest, err);
	}
	return r;
}

static int fetch_of(struct fetch *fetch, const struct og_digest *digest, struct og_err *err)
{
	int r = add_tag(fetch, digest, "sig", err);

	if (r == 0)
		r = add_tag(fetch, digest, "att", err);
	if (r == 0)
		r = add_referrers(fetch, digest, err);
	return r < 0 ? og_fail_in(err, r, "signatures of %.19s", og_digest_format(digest).text) : 0;
}

int og_evidence_fetch(struct og_evidence *evidence, struct og_registry *registry,
		      struct og_http_client *client, struct og_err *err)
{
	struct fetch fetch = { .evidence = evidence, .registry = registry, .client = client };
	int r = fetch_of(&fetch, &evidence->manifest, err);

	if (r == 0 && evidence->index != NULL &&
	    !og_digest_equal(&evidence->index_digest, &evidence->manifest))
		r = fetch_of(&fetch, &evidence->index_digest, err);
	if (r == 0 && err != NULL)
		*err = (struct og_err){}; /* of lists that are not there */
	return r;
}

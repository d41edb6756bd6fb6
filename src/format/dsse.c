/* SPDX-License-Identifier: Apache-2.0 */
#include "format/dsse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "format/artifact.h"

#define SIGNATURE_MAX 1024 /* bytes: base/pk.h's bound */

void og_dsse_done(struct og_dsse *dsse)
{
	free(dsse->type);
	free(dsse->payload);
	for (size_t i = 0; i < dsse->count; i++)
		free(dsse->signatures[i].bytes);
	*dsse = (struct og_dsse){};
}

static int decode(const struct og_json *object, const char *key, char **ret_buf, size_t *ret_len,
		  struct og_err *err)
{
	const char *text = og_json_string(og_json_get(object, key), "");
	int r;

	if (text[0] == '\0')
		return og_fail_plain(err, -EBADMSG, "%s is missing", key);
	r = og_base64_decode(text, ret_buf, ret_len);
	if (r == -EINVAL)
		return og_fail_plain(err, -EBADMSG, "%s is not base64", key);
	return r < 0 ? og_fail(err, r, "%s", key) : 0;
}

static int read_signatures(const struct og_json *list, struct og_dsse *dsse, struct og_err *err)
{
	size_t count = og_json_count(list);

	if (og_json_kind(list) != OG_JSON_ARRAY || count == 0)
		return og_fail_plain(err, -EBADMSG, "it has no signature");
	if (count > OG_DSSE_SIGNATURES_MAX)
		return og_fail_plain(err, -E2BIG, "it has over %d signatures",
				     OG_DSSE_SIGNATURES_MAX);
	for (size_t i = 0; i < count; i++) {
		struct og_dsse_signature *signature = &dsse->signatures[i];
		int r = decode(og_json_at(list, i), "sig", &signature->bytes, &signature->len, err);

		if (r < 0)
			return r;
		dsse->count++;
		if (signature->len == 0 || signature->len > SIGNATURE_MAX)
			return og_fail_plain(err, -EBADMSG, "a signature of %zu bytes",
					     signature->len);
	}
	return 0;
}

static int read_envelope(const struct og_json *root, struct og_dsse *ret_dsse, struct og_err *err)
{
	og_auto_dsse dsse = {};
	const char *type = og_json_string(og_json_get(root, "payloadType"), "");
	int r;

	if (type[0] == '\0')
		return og_fail_plain(err, -EBADMSG, "payloadType is missing");
	dsse.type = strdup(type);
	if (dsse.type == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = decode(root, "payload", &dsse.payload, &dsse.payload_len, err);
	if (r == 0)
		r = read_signatures(og_json_get(root, "signatures"), &dsse, err);
	if (r < 0)
		return r;
	*ret_dsse = dsse;
	dsse = (struct og_dsse){};
	return 0;
}

static int parse(const char *buf, size_t len, struct og_json **ret_root, struct og_err *err)
{
	int r;

	if (len > OG_DSSE_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "over %u bytes", OG_DSSE_BYTES_MAX);
	r = og_json_parse(buf, len, ret_root, err);
	return r == -EINVAL ? -EBADMSG : r;
}

int og_dsse_parse(const char *buf, size_t len, struct og_dsse *ret_dsse, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	int r = parse(buf, len, &root, err);

	if (r == 0)
		r = read_envelope(root, ret_dsse, err);
	return r < 0 ? og_fail_in(err, r, "DSSE envelope") : 0;
}

int og_bundle_parse(const char *buf, size_t len, struct og_dsse *ret_dsse, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *media_type;
	int r = parse(buf, len, &root, err);

	if (r == 0) {
		media_type = og_json_string(og_json_get(root, "mediaType"), "");
		if (!og_streq(media_type, OG_MEDIA_BUNDLE))
			r = og_fail_plain(err, -EBADMSG, "'%.80s' is not %s", media_type,
					  OG_MEDIA_BUNDLE);
	}
	if (r == 0 && og_json_get(root, "messageSignature") != NULL)
		r = og_fail_plain(err, -EBADMSG, "it signs a file and no image (messageSignature)");
	if (r == 0)
		r = read_envelope(og_json_get(root, "dsseEnvelope"), ret_dsse, err);
	return r < 0 ? og_fail_in(err, r, "sigstore bundle") : 0;
}

char *og_dsse_pae(const char *type, const char *payload, size_t len, size_t *ret_len)
{
	og_auto_text text = {};

	og_text_addf(&text, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	og_text_add_bytes(&text, payload, len);
	*ret_len = text.len;
	return og_text_take(&text);
}

/* ---- writing ---- */

static void set_base64(struct og_json *object, const char *key, const void *buf, size_t len)
{
	og_auto_free char *text = og_base64_encode(buf, len);

	og_json_set_string(object, key, text != NULL ? text : "");
}

static struct og_json *envelope(const char *type, const char *payload, size_t len,
				const void *signature, size_t signature_len)
{
	struct og_json *root = og_json_new_object();
	struct og_json *list = og_json_new_array();
	struct og_json *one = og_json_new_object();

	set_base64(one, "sig", signature, signature_len);
	og_json_set_string(one, "keyid", "");
	og_json_push(list, one);
	set_base64(root, "payload", payload, len);
	og_json_set_string(root, "payloadType", type);
	og_json_set(root, "signatures", list);
	return root;
}

char *og_dsse_write(const char *type, const char *payload, size_t len, const void *signature,
		    size_t signature_len)
{
	og_cleanup(og_json_freep) struct og_json *root =
		envelope(type, payload, len, signature, signature_len);

	return og_json_write(root);
}

char *og_bundle_write(const char *type, const char *payload, size_t len, const void *signature,
		      size_t signature_len, const uint8_t *key_id)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *material = og_json_new_object();
	struct og_json *key = og_json_new_object();

	og_json_set_string(root, "mediaType", OG_MEDIA_BUNDLE);
	set_base64(key, "hint", key_id, OG_SHA256_BYTES);
	og_json_set(material, "publicKey", key);
	og_json_set(root, "verificationMaterial", material);
	og_json_set(root, "dsseEnvelope", envelope(type, payload, len, signature, signature_len));
	return og_json_write(root);
}

/* ---- statements ---- */

void og_statement_done(struct og_statement *statement)
{
	free(statement->subjects);
	(void)og_json_free(statement->root);
	*statement = (struct og_statement){};
}

static int read_subjects(struct og_statement *statement, struct og_err *err)
{
	const struct og_json *list = og_json_get(statement->root, "subject");
	size_t count = og_json_count(list);

	if (og_json_kind(list) != OG_JSON_ARRAY || count == 0)
		return og_fail_plain(err, -EBADMSG, "it is about nothing (subject)");
	if (count > OG_STATEMENT_SUBJECTS_MAX)
		return og_fail_plain(err, -E2BIG, "it has over %d subjects",
				     OG_STATEMENT_SUBJECTS_MAX);
	statement->subjects = calloc(count, sizeof(statement->subjects[0]));
	if (statement->subjects == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count; i++) {
		const struct og_json *digest = og_json_get(og_json_at(list, i), "digest");
		const char *hex = og_json_string(og_json_get(digest, "sha256"), "");

		if (strlen(hex) != OG_DIGEST_HEX_CHARS ||
		    og_digest_parse_hex(hex, &statement->subjects[i]) < 0)
			return og_fail_plain(err, -EBADMSG, "subject %zu has no sha256", i);
		statement->count++;
	}
	return 0;
}

int og_statement_parse(const char *buf, size_t len, struct og_statement *ret_statement,
		       struct og_err *err)
{
	og_auto_statement statement = {};
	const char *type;
	int r = parse(buf, len, &statement.root, err);

	if (r < 0)
		return og_fail_in(err, r, "in-toto statement");
	type = og_json_string(og_json_get(statement.root, "_type"), "");
	statement.predicate_type = og_json_string(og_json_get(statement.root, "predicateType"), "");
	statement.predicate = og_json_get(statement.root, "predicate");
	if (!og_streq(type, OG_STATEMENT_V1) && !og_streq(type, OG_STATEMENT_V01))
		r = og_fail_plain(err, -EBADMSG, "its _type is '%.80s'", type);
	else if (statement.predicate_type[0] == '\0')
		r = og_fail_plain(err, -EBADMSG, "it has no predicateType");
	else
		r = read_subjects(&statement, err);
	if (r < 0)
		return og_fail_in(err, r, "in-toto statement");
	*ret_statement = statement;
	statement = (struct og_statement){};
	return 0;
}

bool og_statement_is_about(const struct og_statement *statement, const struct og_digest *digest)
{
	for (size_t i = 0; i < statement->count; i++) {
		if (og_digest_equal(&statement->subjects[i], digest))
			return true;
	}
	return false;
}

char *og_statement_write(const char *name, const struct og_digest *digest,
			 const char *predicate_type, struct og_json *predicate)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *list = og_json_new_array();
	struct og_json *subject = og_json_new_object();
	struct og_json *digests = og_json_new_object();

	og_json_set_string(root, "_type", OG_STATEMENT_V1);
	og_json_set_string(subject, "name", name);
	og_json_set_string(digests, "sha256", og_digest_hex(digest).text);
	og_json_set(subject, "digest", digests);
	og_json_push(list, subject);
	og_json_set(root, "subject", list);
	og_json_set_string(root, "predicateType", predicate_type);
	og_json_set(root, "predicate", predicate);
	return og_json_write(root);
}

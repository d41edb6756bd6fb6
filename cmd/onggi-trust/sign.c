/* SPDX-License-Identifier: Apache-2.0 */
/* onggi sign, attest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/sealed.h"
#include "base/text.h"
#include "command.h"
#include "format/dsse.h"
#include "format/manifest.h"
#include "format/scan_summary.h"
#include "password.h"
#include "predicate.h"
#include "remote.h"
#include "trust/keys.h"
#include "trust/sign.h"

#define PREDICATE_BYTES_MAX (OG_DSSE_BYTES_MAX / 2)

struct values {
	const char *key;
	const char *layout;
	const char *identity;
	const char *type;
	const char *predicate;
	bool recursive;
	struct og_words insecure;
};

#define COMMON                                                                                         \
	OG_OPTION(struct values, key, "key", 'k', OG_OPTION_TEXT,                                      \
		  "FILE with the private key, cosign's or PEM"),                                       \
		OG_OPTION(                                                                             \
			struct values, layout, "layout", 0, OG_OPTION_TEXT,                            \
			"WHERE it is put: tag (default; cosign's), referrer, or bundle (sigstore's)"), \
		OG_OPTION(struct values, identity, "identity", 0, OG_OPTION_TEXT,                      \
			  "NAME to sign the image under, in place of the one it is called by"),        \
		TRUST_INSECURE(struct values)

static const struct og_option sign_options[] = {
	COMMON,
	OG_OPTION(struct values, recursive, "recursive", 'r', OG_OPTION_FLAG,
		  "sign each image of an index, too"),
};

static const struct og_option attest_options[] = {
	COMMON,
	OG_OPTION(struct values, predicate, "predicate", 0, OG_OPTION_TEXT,
		  "FILE with what is attested, a JSON object; - is the standard input"),
	OG_OPTION(struct values, type, "type", 't', OG_OPTION_TEXT,
		  "TYPE: slsaprovenance, spdxjson, cyclonedx, vuln, openvex, custom, or a URI"),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int read_layout(const char *word, enum og_signing_layout *ret_layout, struct og_err *err)
{
	static const char *const names[] = { "tag", "referrer", "bundle" };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (word == NULL || og_streq(names[i], word)) {
			*ret_layout = (enum og_signing_layout)i;
			return 0;
		}
	}
	return og_fail_plain(err, TRUST_WRONG_USE, "--layout: there are tag, referrer and bundle");
}

static int load_key(const char *path, struct og_sk **ret_sk, struct og_err *err)
{
	og_auto_free char *password = NULL;
	int r;

	if (path == NULL)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--key FILE is needed; 'onggi key generate' makes one");
	r = og_key_is_sealed(path, err);
	if (r > 0)
		r = password_read(path, false, &password, err);
	if (r >= 0)
		r = og_key_load(path, password, ret_sk, err);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	return r;
}

/* What the image is signed as: "host/name:tag", or without the tag where none was given. */
static char *identity_of(const struct remote *remote, const struct values *values)
{
	struct og_imageref_text name = og_imageref_name(&remote->ref);

	if (values->identity != NULL)
		return strdup(values->identity);
	if (!remote->has_tag || remote->ref.tag[0] == '\0')
		return strdup(name.text);
	return og_strdupf("%s:%s", name.text, remote->ref.tag);
}

typedef int one_fn(const struct og_signing *signing, const struct values *values,
		   struct og_err *err);

static int sign_one(const struct og_signing *signing, const struct values *values,
		    struct og_err *err)
{
	(void)values;
	return og_sign(signing, err);
}

static int attest_one(const struct og_signing *signing, const struct values *values,
		      struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *predicate = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r;

	if (og_streq(values->predicate, "-"))
		r = og_read_all(STDIN_FILENO, PREDICATE_BYTES_MAX, &text, &len, err);
	else
		r = og_read_file(AT_FDCWD, values->predicate, PREDICATE_BYTES_MAX, &text, &len,
				 err);
	if (r == 0)
		r = og_json_parse(text, len, &predicate, err);
	if (r < 0)
		return og_fail_in(err, r, "predicate '%s'", values->predicate);
	if (og_json_kind(predicate) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EINVAL, "predicate '%s' is no JSON object",
				     values->predicate);
	if (og_scan_is_report(predicate) &&
	    og_streq(trust_predicate_type(values->type), OG_PREDICATE_SCAN)) {
		struct og_json *report = og_take_ptr(predicate);

		r = og_scan_predicate(report, og_digest_format(&signing->subject->digest).text,
				      &predicate, err);
		if (r < 0)
			return og_fail_in(err, r, "'%s'", values->predicate);
	}
	return og_attest(signing, trust_predicate_type(values->type), og_take_ptr(predicate), err);
}

/* Each manifest of an index, as one of its own. */
static int sign_entries(const struct og_signing *signing, const struct values *values, one_fn *one,
			struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *index = NULL;
	int r = og_manifest_parse_image(signing->subject->buf, signing->subject->len,
					signing->subject->media_type, &index, err);

	for (size_t i = 0; r == 0 && index->is_index && i < index->count; i++) {
		og_cleanup(og_document_done) struct og_document document = {};
		struct og_signing entry = *signing;

		entry.subject = &document;
		r = og_remote_manifest(signing->registry, signing->client,
				       og_digest_format(&index->items[i].sha256).text, &document,
				       err);
		if (r == 0)
			r = one(&entry, values, err);
	}
	return r;
}

static int run_each(const struct values *values, const char *image, one_fn *one, struct og_err *err)
{
	auto_remote remote = {};
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	og_auto_free char *name = NULL;
	enum og_signing_layout layout = OG_LAYOUT_TAG;
	struct og_signing signing;
	int r = read_layout(values->layout, &layout, err);

	if (r == 0)
		r = load_key(values->key, &sk, err);
	if (r == 0)
		r = remote_open(&remote, image, &values->insecure, OG_REMOTE_PUSH, err);
	if (r == 0)
		r = remote_resolve(&remote, &document, err);
	if (r < 0)
		return r;
	name = identity_of(&remote, values);
	if (name == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	signing = (struct og_signing){
		.registry = remote.registry,
		.client = remote.client,
		.subject = &document,
		.sk = sk,
		.layout = layout,
		.name = name,
		.now_s = time(NULL),
	};
	r = one(&signing, values, err);
	if (r == 0 && values->recursive)
		r = sign_entries(&signing, values, one, err);
	if (r == 0)
		(void)printf("%s@%s\n", og_imageref_name(&remote.ref).text,
			     og_digest_format(&document.digest).text);
	return r;
}

static int run_sign(const void *data, int argc, char **argv, struct og_err *err)
{
	(void)argc;
	return run_each(data, argv[0], sign_one, err);
}

static int run_attest(const void *data, int argc, char **argv, struct og_err *err)
{
	const struct values *values = data;

	(void)argc;
	if (values->predicate == NULL || values->type == NULL)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "attest needs --predicate FILE and --type TYPE");
	if (trust_predicate_type(values->type) == NULL)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--type: '%s' is neither known nor a URI", values->type);
	return run_each(values, argv[0], attest_one, err);
}

const struct trust_command trust_sign_commands[] = {
	{ .name = "sign",
	  .arguments = "IMAGE",
	  .summary = "Sign an image in its registry",
	  TRUST_OPTIONS(sign_options, struct values),
	  .least = 1,
	  .most = 1,
	  .run = run_sign },
	{ .name = "attest",
	  .arguments = "IMAGE",
	  .summary = "Attest something of an image: an SBOM, a scan's result, where it came from",
	  TRUST_OPTIONS(attest_options, struct values),
	  .least = 1,
	  .most = 1,
	  .run = run_attest },
	{},
};

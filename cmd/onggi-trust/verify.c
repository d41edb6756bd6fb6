/* SPDX-License-Identifier: Apache-2.0 */
/* onggi verify, tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "format/artifact.h"
#include "format/manifest.h"
#include "predicate.h"
#include "remote.h"

struct values {
	struct og_words keys;
	const char *policy;
	const char *identity;
	const char *platform;
	const char *type;
	struct og_words insecure;
};

static const struct og_option verify_options[] = {
	OG_OPTION(struct values, keys, "key", 'k', OG_OPTION_LIST,
		  "FILE with a public key or certificate; one of several must have signed"),
	OG_OPTION(struct values, policy, "policy", 0, OG_OPTION_TEXT,
		  "FILE to judge by, as containers-policy.json(5) says, in place of --key"),
	OG_OPTION(struct values, identity, "identity", 0, OG_OPTION_TEXT,
		  "NAME[:TAG] that it must be signed as; else its repository's name"),
	OG_OPTION(struct values, platform, "platform", 0, OG_OPTION_TEXT,
		  "OS/ARCHITECTURE of an index whose image is to be vouched for"),
	OG_OPTION(
		struct values, type, "attestation", 0, OG_OPTION_TEXT,
		"TYPE: print attestations of this type (as of attest, or 'all') in place of signatures"),
	TRUST_INSECURE(struct values),
};

static const struct og_option tree_options[] = {
	TRUST_INSECURE(struct values),
};

/* ---- verify ---- */

static int by_policy(const struct remote *remote, const struct og_evidence *evidence,
		     const char *path, struct og_err *err)
{
	og_cleanup(og_containers_policy_freep) struct og_containers_policy *policy = NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, OG_CONTAINERS_POLICY_MAX, &text, &len, err);

	if (r == 0)
		r = og_containers_policy_parse(text, len, &policy, err);
	if (r < 0)
		return og_fail_in(err, r, "'%s'", path);
	return og_evidence_meets(evidence, policy, &remote->ref, err);
}

static struct og_signed_identity identity_of(const struct values *values)
{
	const char *slash;

	if (values->identity == NULL)
		return (struct og_signed_identity){ .kind = OG_IDENTITY_REPOSITORY };
	slash = strrchr(values->identity, '/');
	return (struct og_signed_identity){
		.kind = strpbrk(slash != NULL ? slash : values->identity, ":@") != NULL
				? OG_IDENTITY_EXACT_REFERENCE
				: OG_IDENTITY_EXACT_REPOSITORY,
		.reference = values->identity,
	};
}

static int print_statement(void *data, const struct og_evidence_item *item,
			   const struct og_statement *statement)
{
	og_auto_free char *text = og_json_write(statement->root);

	(void)data;
	(void)item;
	(void)printf("%s\n", text != NULL ? text : "");
	return 0;
}

static int by_keys(const struct remote *remote, const struct og_evidence *evidence,
		   const struct values *values, struct og_err *err)
{
	const struct og_signed_identity identity = identity_of(values);
	const struct og_evidence_item *item = NULL;
	og_auto_keys keys = {};
	int r = 0;

	for (size_t i = 0; r == 0 && i < values->keys.count; i++)
		r = og_keys_add_file(&keys, values->keys.items[i], err);
	if (r < 0)
		return r;
	if (values->type != NULL) {
		r = og_evidence_attestations(
			evidence, &keys,
			og_streq(values->type, "all") ? NULL : trust_predicate_type(values->type),
			print_statement, NULL, err);
		return r == 0  ? og_fail_plain(err, -EKEYREJECTED,
					       "there is no such attestation by these keys")
		       : r > 0 ? 0
			       : r;
	}
	r = og_evidence_signed(evidence, &keys, &identity, &remote->ref, &item, err);
	if (r == 0)
		(void)fprintf(stderr, "signed: %s\n", item->place);
	return r;
}

static int run_verify(const void *data, int argc, char **argv, struct og_err *err)
{
	const struct values *values = data;
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	auto_remote remote = {};
	int r;

	(void)argc;
	if ((values->keys.count == 0) == (values->policy == NULL))
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "verify needs either --key FILE or --policy FILE");
	if (values->type != NULL && !og_streq(values->type, "all") &&
	    trust_predicate_type(values->type) == NULL)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--attestation: '%s' is neither known nor a URI",
				     values->type);
	r = remote_open(&remote, argv[0], &values->insecure, OG_REMOTE_PULL, err);
	/* An index without --platform is judged as a whole: only what is said of it counts. */
	if (r == 0)
		r = remote_evidence(&remote, values->platform, &evidence, err);
	if (r == 0 && values->policy != NULL)
		r = by_policy(&remote, evidence, values->policy, err);
	else if (r == 0)
		r = by_keys(&remote, evidence, values, err);
	if (r < 0)
		return og_fail_in(err, r, "%s", argv[0]);
	if (values->type == NULL)
		(void)printf("%s@%s\n", og_imageref_name(&remote.ref).text,
			     og_digest_format(&evidence->manifest).text);
	return 0;
}

/* ---- tree ---- */

static void print_descriptor(const char *line, const struct og_artifact_blob *blob)
{
	const char *type =
		og_json_string(og_json_get(blob->annotations, "predicateType"), blob->media_type);

	(void)printf("%s%s %s\n", line, og_digest_format(&blob->digest).text, type);
}

static int print_tag(struct remote *remote, const struct og_digest *digest, const char *kind,
		     const char *what, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	og_auto_free char *tag = og_strdupf("sha256-%s.%s", og_digest_hex(digest).text, kind);
	int r;

	if (tag == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_remote_manifest(remote->registry, remote->client, tag, &document, err);
	if (r == -ENOENT) {
		if (err != NULL)
			*err = (struct og_err){};
		return 0;
	}
	if (r == 0)
		r = og_artifact_parse(document.buf, document.len, &artifact, err);
	if (r < 0)
		return r;
	(void)printf("  %s, tag %s\n", what, tag);
	for (size_t i = 0; i < artifact->count; i++)
		print_descriptor("    ", &artifact->blobs[i]);
	return 0;
}

static int print_referrers(struct remote *remote, const struct og_digest *digest,
			   struct og_err *err)
{
	og_cleanup(og_referrers_done) struct og_referrers list = {};
	int r = og_remote_referrers(remote->registry, remote->client, og_digest_format(digest).text,
				    NULL, &list, err);

	if (r == 0 && list.count > 0)
		(void)puts("  referrers");
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		const struct og_json *annotations = list.items[i].annotations;

		(void)printf("    %s %s %s\n", list.items[i].digest, list.items[i].artifact_type,
			     og_json_string(og_json_get(annotations,
							"dev.sigstore.bundle.predicateType"),
					    ""));
	}
	return r;
}

static int print_attached(struct remote *remote, const struct og_digest *digest,
			  const char *platform, struct og_err *err)
{
	int r;

	(void)printf("%s@%s%s\n", og_imageref_familiar(&remote->ref).text,
		     og_digest_format(digest).text, platform);
	r = print_tag(remote, digest, "sig", "signatures", err);
	if (r == 0)
		r = print_tag(remote, digest, "att", "attestations", err);
	if (r == 0)
		r = print_tag(remote, digest, "sbom", "SBOM", err);
	if (r == 0)
		r = print_referrers(remote, digest, err);
	return r;
}

static int run_tree(const void *data, int argc, char **argv, struct og_err *err)
{
	const struct values *values = data;
	auto_remote remote = {};
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_manifest_freep) struct og_manifest *index = NULL;
	int r = remote_open(&remote, argv[0], &values->insecure, OG_REMOTE_PULL, err);

	(void)argc;
	if (r == 0)
		r = remote_resolve(&remote, &document, err);
	if (r == 0)
		r = print_attached(&remote, &document.digest, "", err);
	if (r < 0)
		return r;
	if (og_manifest_parse_image(document.buf, document.len, document.media_type, &index, NULL) <
	    0)
		return 0; /* an artifact */
	for (size_t i = 0; r == 0 && index->is_index && i < index->count; i++) {
		char platform[160];

		(void)snprintf(platform, sizeof(platform), " (%.60s/%.60s)", index->items[i].os,
			       index->items[i].architecture);
		r = print_attached(&remote, &index->items[i].sha256, platform, err);
	}
	return r;
}

const struct trust_command trust_verify_commands[] = {
	{ .name = "verify",
	  .arguments = "IMAGE",
	  .summary = "Is an image signed by whom it should be?",
	  TRUST_OPTIONS(verify_options, struct values),
	  .least = 1,
	  .most = 1,
	  .run = run_verify },
	{ .name = "tree",
	  .arguments = "IMAGE",
	  .summary = "Show what is attached to an image: signatures, attestations, SBOMs",
	  TRUST_OPTIONS(tree_options, struct values),
	  .least = 1,
	  .most = 1,
	  .run = run_tree },
	{},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include <errno.h>

#include "base/test.h"

#define HEX	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BLOB(t) "{\"mediaType\":\"" t "\",\"digest\":\"sha256:" HEX "\",\"size\":5}"
#define WITH(m) "{\"mediaType\":\"a/b\",\"digest\":\"sha256:" HEX "\",\"size\":5," m "}"
#define CONFIG	"\"config\":" BLOB("application/vnd.oci.image.config.v1+json")
#define LAYERS	"\"layers\":[" BLOB("a/b") "]"
#define TWO	"\"schemaVersion\":2,"

static int parse(const char *text, const char *type, struct og_manifest **ret_document)
{
	struct og_err err = {};
	int r = og_manifest_parse(text, strlen(text), type, ret_document, &err);

	if (r < 0)
		CHECK(err.text[0] != '\0');
	return r;
}

static int fails(const char *text, const char *type)
{
	og_cleanup(og_manifest_freep) struct og_manifest *document = NULL;

	return parse(text, type, &document);
}

TEST(an_image_of_any_layers_is_read)
{
	og_cleanup(og_manifest_freep) struct og_manifest *document = NULL;

	CHECK_OK(
		parse("{" TWO CONFIG "," LAYERS ",\"x\":[1.5]}", OG_MEDIA_OCI_MANIFEST, &document));
	CHECK(!document->is_index && document->has_config && !document->has_subject);
	CHECK_EQ(document->count, 1);
	CHECK_EQ(document->items[0].size, 5);
	CHECK(strcmp(document->artifact_type, "application/vnd.oci.image.config.v1+json") == 0);
}

TEST(an_artifact_names_its_type_and_subject)
{
	og_cleanup(og_manifest_freep) struct og_manifest *document = NULL;

	CHECK_OK(parse("{" TWO "\"mediaType\":\"" OG_MEDIA_OCI_MANIFEST
		       "\",\"artifactType\":\"x/y\"," CONFIG "," LAYERS
		       ",\"subject\":" BLOB("c/d") ",\"annotations\":{\"k\":\"v\"}}",
		       NULL, &document));
	CHECK(document->has_subject && document->annotations != NULL);
	CHECK(strcmp(document->artifact_type, "x/y") == 0);
}

TEST(the_candidates_artifact_manifest_is_read)
{
	og_cleanup(og_manifest_freep) struct og_manifest *document = NULL;

	CHECK_OK(parse("{\"mediaType\":\"" OG_MEDIA_OCI_ARTIFACT "\",\"artifactType\":\"a/b\"}",
		       NULL, &document));
	CHECK_EQ(document->count, 0);
}

TEST(the_media_type_comes_from_whoever_says_it)
{
	og_cleanup(og_manifest_freep) struct og_manifest *a = NULL, *b = NULL, *c = NULL;

	CHECK_OK(parse("{" TWO CONFIG "," LAYERS "}", OG_MEDIA_DOCKER_MANIFEST "; charset=utf-8",
		       &a));
	CHECK(strcmp(a->media_type, OG_MEDIA_DOCKER_MANIFEST) == 0);
	CHECK_OK(parse("{" TWO "\"manifests\":[]}", "application/json", &b));
	CHECK(b->is_index && strcmp(b->media_type, OG_MEDIA_OCI_INDEX) == 0);
	CHECK_OK(parse("{" TWO CONFIG "," LAYERS "}", NULL, &c));
	CHECK(strcmp(c->media_type, OG_MEDIA_OCI_MANIFEST) == 0);
}

TEST(two_meanings_are_refused)
{
	CHECK_EQ(fails("{" TWO CONFIG "," LAYERS ",\"manifests\":[]}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO CONFIG "," LAYERS ",\"blobs\":null}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO CONFIG "," LAYERS "}", OG_MEDIA_OCI_INDEX), -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"mediaType\":\"" OG_MEDIA_OCI_INDEX "\"," CONFIG "," LAYERS "}",
		       OG_MEDIA_OCI_MANIFEST),
		 -EBADMSG);
	CHECK_EQ(fails("{" TWO LAYERS "," CONFIG "," LAYERS "}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" CONFIG "," LAYERS "}", NULL), -EBADMSG);
	CHECK_EQ(fails("{\"schemaVersion\":1,\"fsLayers\":[]}", NULL), -ENOTSUP);
	CHECK_EQ(fails("{" TWO CONFIG "," LAYERS "}", "a/b"), -ENOTSUP);
	CHECK_EQ(fails("{}", NULL), -EBADMSG);
}

TEST(members_of_another_kind_are_refused)
{
	CHECK_EQ(fails("{" TWO CONFIG "}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"manifests\":null}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"manifests\":[" WITH("\"urls\":{}") "]}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"manifests\":[" WITH("\"platform\":[]") "]}", NULL), -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"manifests\":[" WITH("\"annotations\":{\"a\":1}") "]}", NULL),
		 -EBADMSG);
	CHECK_EQ(fails("{" TWO "\"manifests\":[" WITH("\"x\":{}") "]}", NULL), 0);
}

TEST(what_is_over_a_limit_is_refused)
{
	og_auto_free char *long_type = calloc(1, 1024);

	CHECK(long_type != NULL);
	(void)snprintf(long_type, 1024, "{%s\"artifactType\":\"%0300d\",%s,%s}", TWO, 0, CONFIG,
		       LAYERS);
	CHECK_EQ(fails(long_type, NULL), -E2BIG);
	CHECK_EQ(fails("{" TWO "\"artifactType\":\"a\\nb\"," CONFIG "," LAYERS "}", NULL),
		 -EBADMSG);
	CHECK_EQ(og_manifest_parse("", OG_MANIFEST_BYTES_MAX + 1, NULL, NULL, NULL), -E2BIG);
}

TEST_MAIN(TEST_ENTRY(an_image_of_any_layers_is_read),
	  TEST_ENTRY(an_artifact_names_its_type_and_subject),
	  TEST_ENTRY(the_candidates_artifact_manifest_is_read),
	  TEST_ENTRY(the_media_type_comes_from_whoever_says_it),
	  TEST_ENTRY(two_meanings_are_refused), TEST_ENTRY(members_of_another_kind_are_refused),
	  TEST_ENTRY(what_is_over_a_limit_is_refused))

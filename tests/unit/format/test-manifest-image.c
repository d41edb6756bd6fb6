/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include "base/test.h"
#include "base/text.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D1  "sha256:" HEX
#define V2  "\"schemaVersion\":2,"
#define CONFIG \
	"\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"digest\":\"" D1 "\",\"size\":7}"
#define LAYER "{\"mediaType\":\"" OG_MEDIA_OCI_LAYER_GZIP "\",\"digest\":\"" D1 "\",\"size\":9}"
#define PLATFORM(arch, variant)                                                               \
	"{\"mediaType\":\"" OG_MEDIA_OCI_MANIFEST "\",\"digest\":\"" D1 "\",\"size\":9,"      \
	"\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\",\"variant\":\"" variant \
	"\"}}"

static int parse(const char *text, const char *came_as, struct og_manifest **ret_manifest,
		 struct og_err *err)
{
	return og_manifest_parse_image(text, strlen(text), came_as, ret_manifest, err);
}

TEST(an_image_manifest_is_read)
{
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;
	struct og_err err = {};

	CHECK_OK(parse("{" V2 "\"mediaType\":\"" OG_MEDIA_OCI_MANIFEST "\"," CONFIG
		       ",\"layers\":[" LAYER "," LAYER "]}",
		       OG_MEDIA_OCI_MANIFEST "; charset=utf-8", &m, &err));
	CHECK(!m->is_index);
	CHECK_EQ(m->count, 2);
	CHECK_EQ(m->items[1].size, 9);
	CHECK_EQ(m->config.size, 7);
	CHECK(strcmp(og_digest_format(&m->items[0].sha256).text, D1) == 0);
}

TEST(the_transport_may_say_what_the_document_does_not)
{
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;

	CHECK_OK(parse("{" V2 CONFIG ",\"layers\":[]}", OG_MEDIA_OCI_MANIFEST, &m, NULL));
	m = og_manifest_free(m);
	CHECK_OK(parse("{" V2 CONFIG ",\"layers\":[]}", "application/json", &m, NULL));
	m = og_manifest_free(m);
	CHECK_OK(parse("{" V2 "\"manifests\":[]}", NULL, &m, NULL));
	CHECK(m->is_index);
}

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static enum og_runnable runnable(const char *type, const char *config_type,
				 const char *config_digest, const char *layer_type)
{
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;
	char text[1024];

	(void)snprintf(
		text, sizeof(text),
		"{" V2 "\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\","
		"\"size\":2},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"" D1 "\",\"size\":9}]}",
		type, config_type, config_digest, layer_type);
	CHECK_OK(og_manifest_parse(text, strlen(text), NULL, &m, NULL));
	return og_manifest_runnable(m);
}

TEST(what_some_client_runs_is_runnable_whatever_it_calls_itself)
{
	static const char helm[] = "application/vnd.cncf.helm.config.v1+json";
	static const char text[] = "application/vnd.dev.cosign.simplesigning.v1+json";
	/* Docker takes these for images, and unpacks what they have. */
	static const char *const vague[] = { "",
					     "application/json",
					     "application/octet-stream",
					     "text/html",
					     "application/vnd.oci.image.config.v2+json",
					     "Application/vnd.docker.plugin.v1+json",
					     OG_MEDIA_OCI_CONFIG };
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;

	for (size_t i = 0; i < sizeof(vague) / sizeof(vague[0]); i++) {
		CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, vague[i], D1, OG_MEDIA_OCI_LAYER),
			 OG_RUNNABLE_YES);
		CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, vague[i], EMPTY, OG_MEDIA_OCI_LAYER),
			 OG_RUNNABLE_YES);
		CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, vague[i], D1, text),
			 OG_RUNNABLE_BY_CONTENT);
	}
	/* podman asks no configuration of Docker's manifests what it is, containerd none at all. */
	CHECK_EQ(runnable(OG_MEDIA_DOCKER_MANIFEST, helm, D1, text), OG_RUNNABLE_BY_CONTENT);
	CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, helm, D1, OG_MEDIA_OCI_LAYER_ZSTD),
		 OG_RUNNABLE_YES);
	CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, helm, D1, "application/vnd.oci.image.layer.v2"),
		 OG_RUNNABLE_YES);
	CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, helm, D1, "application/vnd.cncf.helm.chart.v1"),
		 OG_RUNNABLE_NO);
	CHECK_EQ(runnable(OG_MEDIA_OCI_MANIFEST, OG_MEDIA_OCI_EMPTY, EMPTY, OG_MEDIA_OCI_LAYER),
		 OG_RUNNABLE_NO);
	CHECK_OK(og_manifest_parse("{" V2 "\"manifests\":[]}", strlen("{" V2 "\"manifests\":[]}"),
				   NULL, &m, NULL));
	CHECK_EQ(og_manifest_runnable(m), OG_RUNNABLE_YES);
}

TEST(the_best_platform_is_chosen)
{
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;

	CHECK_OK(parse(
		"{" V2
		"\"manifests\":[" PLATFORM("unknown", "") "," PLATFORM("arm", "v7") "," PLATFORM(
			"arm", "v6") "," PLATFORM("amd64", "") "," PLATFORM("amd64", "v3") "]}",
		NULL, &m, NULL));
	CHECK(og_manifest_choose(m, "linux", "amd64", "") == &m->items[3]);
	CHECK(og_manifest_choose(m, "linux", "amd64", "v3") == &m->items[4]);
	CHECK(og_manifest_choose(m, "linux", "amd64", "v2") == &m->items[3]);
	CHECK(og_manifest_choose(m, "linux", "arm", "v6") == &m->items[2]);
	CHECK(og_manifest_choose(m, "linux", "arm", "") == &m->items[1]);
	CHECK(og_manifest_choose(m, "linux", "arm", "v8") == NULL);
	CHECK(og_manifest_choose(m, "windows", "amd64", "") == NULL);
	CHECK(og_manifest_choose(m, "linux", "riscv64", "") == NULL);
}

static const struct {
	const char *what, *text, *came_as;
	int code;
} bad[] = {
	{ "A50 both an image and an index", "{" V2 CONFIG ",\"layers\":[],\"manifests\":[]}",
	  OG_MEDIA_OCI_MANIFEST, -EBADMSG },
	{ "A50 an index with layers", "{" V2 "\"layers\":[],\"manifests\":[]}", OG_MEDIA_OCI_INDEX,
	  -EBADMSG },
	{ "A50 null manifests count", "{" V2 CONFIG ",\"layers\":[],\"manifests\":null}", NULL,
	  -EBADMSG },
	{ "A50 Content-Type and mediaType differ",
	  "{" V2 "\"mediaType\":\"" OG_MEDIA_OCI_MANIFEST "\"," CONFIG ",\"layers\":[]}",
	  OG_MEDIA_DOCKER_MANIFEST, -EBADMSG },
	{ "A50 an index that came as an image", "{" V2 "\"manifests\":[]}", OG_MEDIA_OCI_MANIFEST,
	  -EBADMSG },
	{ "A50 an image that came as an index", "{" V2 CONFIG ",\"layers\":[]}", OG_MEDIA_OCI_INDEX,
	  -EBADMSG },
	{ "A50 equal keys", "{" V2 CONFIG ",\"layers\":[],\"layers\":[" LAYER "]}", NULL,
	  -EBADMSG },
	{ "A49 capital digest",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"size\":7,\"digest\":"
	  "\"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"},"
	  "\"layers\":[]}",
	  NULL, -EBADMSG },
	{ "A49 a path for a digest",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"size\":7,\"digest\":"
	  "\"sha256:../../../../../../../../../../../../../../../../../../../../../etc\"},"
	  "\"layers\":[]}",
	  NULL, -EBADMSG },
	{ "A49 sha512",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"size\":7,\"digest\":"
	  "\"sha512:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},"
	  "\"layers\":[]}",
	  NULL, -EBADMSG },
	{ "A49 sha512 that is one",
	  "{" V2 CONFIG ",\"layers\":[{\"mediaType\":\"" OG_MEDIA_OCI_LAYER "\",\"size\":7,"
	  "\"digest\":\"sha512:" HEX HEX "\"}]}",
	  NULL, -EBADMSG },
	{ "an artifact manifest", "{\"mediaType\":\"" OG_MEDIA_OCI_ARTIFACT "\",\"blobs\":[]}",
	  NULL, -ENOTSUP },
	{ "a size below zero",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG
	  "\",\"size\":-1,\"digest\":\"" D1 "\"},\"layers\":[]}",
	  NULL, -EBADMSG },
	{ "no size",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"digest\":\"" D1
	  "\"},\"layers\":[]}",
	  NULL, -EBADMSG },
	{ "A51 a size over all limits",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"digest\":\"" D1
	  "\",\"size\":9000000000000000000},\"layers\":[]}",
	  NULL, -E2BIG },
	{ "a configuration over its limit",
	  "{" V2 "\"config\":{\"mediaType\":\"" OG_MEDIA_OCI_CONFIG "\",\"digest\":\"" D1
	  "\",\"size\":100000000},\"layers\":[]}",
	  NULL, -E2BIG },
	{ "schema 1", "{\"schemaVersion\":1,\"fsLayers\":[],\"history\":[]}", NULL, -ENOTSUP },
	{ "no image but an artefact",
	  "{" V2 "\"config\":{\"mediaType\":\"application/vnd.wasm.config.v1+json\",\"size\":7,"
	  "\"digest\":\"" D1 "\"},\"layers\":[]}",
	  NULL, -ENOTSUP },
	{ "A53 a layer of another kind",
	  "{" V2 CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.erofs\",\"size\":7,"
	  "\"digest\":\"" D1 "\"}]}",
	  NULL, -ENOTSUP },
	{ "schemaVersion 3", "{\"schemaVersion\":3," CONFIG ",\"layers\":[]}", NULL, -EBADMSG },
	{ "neither", "{" V2 "\"x\":1}", NULL, -EBADMSG },
	{ "no object", "[]", NULL, -EBADMSG },
	{ "no JSON", "<html>", NULL, -EBADMSG },
	{ "nothing", "", NULL, -EBADMSG },
	{ "layers no array", "{" V2 CONFIG ",\"layers\":{}}", NULL, -EBADMSG },
	{ "a layer no object", "{" V2 CONFIG ",\"layers\":[1]}", NULL, -EBADMSG },
	{ "config no object", "{" V2 "\"config\":1,\"layers\":[]}", NULL, -EBADMSG },
};

TEST(what_is_ambiguous_or_no_image_is_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_manifest *m = NULL;
		struct og_err err = {};

		fprintf(stderr, "%s\n", bad[i].what);
		CHECK_EQ(parse(bad[i].text, bad[i].came_as, &m, &err), bad[i].code);
		CHECK(m == NULL && og_starts_with(err.text, "manifest: "));
	}
}

static char *many(const char *head, const char *item, size_t count)
{
	og_auto_text text = {};

	og_text_add(&text, head);
	for (size_t i = 0; i < count; i++)
		og_text_addf(&text, "%s%s", i > 0 ? "," : "", item);
	og_text_add(&text, "]}");
	return og_text_take(&text);
}

TEST(a51_too_many_descriptors_are_refused)
{
	og_auto_free char *layers = many("{" V2 CONFIG ",\"layers\":[", LAYER, 128);
	og_auto_free char *manifests =
		many("{" V2 "\"manifests\":[", LAYER, OG_INDEX_MANIFESTS_MAX + 1);
	struct og_manifest *m = NULL;

	CHECK_EQ(parse(layers, NULL, &m, NULL), -E2BIG);
	CHECK_EQ(parse(manifests, NULL, &m, NULL), -E2BIG);
}

TEST(a51_too_large_a_document_is_refused)
{
	og_auto_free char *text = malloc(OG_MANIFEST_BYTES_MAX + 1);
	struct og_manifest *m = NULL;

	memset(text, ' ', OG_MANIFEST_BYTES_MAX + 1);
	CHECK_EQ(og_manifest_parse_image(text, OG_MANIFEST_BYTES_MAX + 1, NULL, &m, NULL), -E2BIG);
}

TEST(a54_a_layer_with_urls_is_known_as_one)
{
	og_cleanup(og_manifest_freep) struct og_manifest *m = NULL;

	CHECK_OK(parse("{" V2 CONFIG ",\"layers\":[{\"mediaType\":"
		       "\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\",\"size\":7,"
		       "\"digest\":\"" D1 "\",\"urls\":[\"http://169.254.169.254/\"]}]}",
		       NULL, &m, NULL));
	CHECK(m->items[0].kind == OG_MEDIA_FOREIGN_LAYER);
	CHECK(m->items[0].elsewhere);
}

TEST_MAIN(TEST_ENTRY(an_image_manifest_is_read),
	  TEST_ENTRY(the_transport_may_say_what_the_document_does_not),
	  TEST_ENTRY(what_some_client_runs_is_runnable_whatever_it_calls_itself),
	  TEST_ENTRY(the_best_platform_is_chosen),
	  TEST_ENTRY(what_is_ambiguous_or_no_image_is_refused),
	  TEST_ENTRY(a51_too_many_descriptors_are_refused),
	  TEST_ENTRY(a51_too_large_a_document_is_refused),
	  TEST_ENTRY(a54_a_layer_with_urls_is_known_as_one))

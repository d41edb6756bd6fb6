/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/test.h"
#include "base/text.h"
#include "format/artifact.h"
#include "format/containers_policy.h"
#include "format/cosign_key.h"
#include "format/dsse.h"
#include "format/simplesigning.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D   "sha256:" HEX

static int payload(const char *text)
{
	struct og_simplesigning one = {};
	int r = og_simplesigning_parse(text, strlen(text), &one, NULL);

	if (r == 0)
		og_simplesigning_done(&one);
	return r;
}

#define TEXT(reference, digest, type, more)                                                \
	"{\"critical\":{\"identity\":{\"docker-reference\":\"" reference "\"},\"image\":{" \
	"\"docker-manifest-digest\":\"" digest "\"},\"type\":\"" type "\"}" more "}"

TEST(a_signed_text_is_read_as_skopeo_reads_it)
{
	const char *type = OG_SIMPLESIGNING_TYPE;
	struct og_digest digest;
	og_auto_free char *ours = NULL;

	CHECK_OK(og_digest_parse(D, &digest));
	ours = og_simplesigning_write("a/b:c", &digest, "onggi", 5);
	CHECK_OK(payload(ours));
	CHECK_EQ(strlen(type) > 0, 1);
	CHECK_OK(payload(TEXT("a/b", D, OG_SIMPLESIGNING_TYPE, ",\"optional\":null")));
	CHECK_OK(payload(TEXT("a/b", D, OG_SIMPLESIGNING_TYPE, ",\"optional\":{\"x\":1}")));
	CHECK_EQ(payload(TEXT("a/b", D, OG_SIMPLESIGNING_TYPE, "")), -EBADMSG);
	CHECK_EQ(payload(TEXT("a/b", D, OG_SIMPLESIGNING_TYPE, ",\"optional\":3")), -EBADMSG);
	CHECK_EQ(payload(TEXT("a/b", D, "other", ",\"optional\":null")), -EBADMSG);
	CHECK_EQ(payload(TEXT("", D, OG_SIMPLESIGNING_TYPE, ",\"optional\":null")), -EBADMSG);
	CHECK_EQ(payload(TEXT("a", "sha256:12", OG_SIMPLESIGNING_TYPE, ",\"optional\":null")),
		 -EBADMSG);
	CHECK_EQ(payload(TEXT("a/b", D, OG_SIMPLESIGNING_TYPE, ",\"optional\":null,\"more\":1")),
		 -EBADMSG);
	CHECK_EQ(payload(TEXT("a/b\",\"docker-reference\":\"c", D, OG_SIMPLESIGNING_TYPE,
			      ",\"optional\":null")),
		 -EBADMSG);
	CHECK_EQ(payload("[]"), -EBADMSG);
	CHECK_EQ(payload(""), -EBADMSG);
}

static bool matches(enum og_identity_kind kind, const char *reference, const char *to,
		    const char *sign, const char *asked)
{
	const struct og_signed_identity identity = { kind, reference, to };
	struct og_imageref ref;

	CHECK_OK(og_imageref_parse(asked, &ref, NULL));
	return og_identity_matches(&identity, sign, &ref);
}

/* The cases of containers/image, signature/policy_reference_match_test.go, in short. */
TEST(identities_match_as_in_containers_image)
{
	CHECK(matches(OG_IDENTITY_EXACT, NULL, NULL, "h/a:1", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_EXACT, NULL, NULL, "h/a:2", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_EXACT, NULL, NULL, "h/a", "h/a:latest"));
	CHECK(!matches(OG_IDENTITY_EXACT, NULL, NULL, "h/a:1", "h/a@" D));
	CHECK(matches(OG_IDENTITY_REPO_DIGEST_OR_EXACT, NULL, NULL, "h/a:1", "h/a@" D));
	CHECK(matches(OG_IDENTITY_REPO_DIGEST_OR_EXACT, NULL, NULL, "h/a", "h/a@" D));
	CHECK(matches(OG_IDENTITY_REPO_DIGEST_OR_EXACT, NULL, NULL, "h/a:1", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_REPO_DIGEST_OR_EXACT, NULL, NULL, "h/a", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_REPO_DIGEST_OR_EXACT, NULL, NULL, "h/b:1", "h/a@" D));
	CHECK(matches(OG_IDENTITY_REPOSITORY, NULL, NULL, "h/a", "h/a:1"));
	CHECK(matches(OG_IDENTITY_REPOSITORY, NULL, NULL, "h/a:7", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_REPOSITORY, NULL, NULL, "h/a/b", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_REPOSITORY, NULL, NULL, "UPPER", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_REPOSITORY, NULL, NULL, "", "h/a:1"));
	CHECK(matches(OG_IDENTITY_EXACT_REFERENCE, "h/x:1", NULL, "h/x:1", "h/a:1"));
	CHECK(!matches(OG_IDENTITY_EXACT_REFERENCE, "h/x:1", NULL, "h/x:2", "h/a:1"));
	CHECK(matches(OG_IDENTITY_EXACT_REPOSITORY, "h/x", NULL, "h/x:2", "h/a:1"));
	CHECK(matches(OG_IDENTITY_REMAP, "mirror/v", "h", "h/a:1", "mirror.x/a:1") == false);
	CHECK(matches(OG_IDENTITY_REMAP, "m.io/v", "h.io/w", "h.io/w/a:1", "m.io/v/a:1"));
	CHECK(!matches(OG_IDENTITY_REMAP, "m.io/v", "h.io/w", "m.io/v/a:1", "m.io/v/a:1"));
	CHECK(matches(OG_IDENTITY_REMAP, "m.io/v", "h.io/w", "m.io/vv/a:1", "m.io/vv/a:1"));
}

static const char *scope_of(const struct og_containers_policy *policy, const char *asked)
{
	struct og_imageref ref;

	CHECK_OK(og_imageref_parse(asked, &ref, NULL));
	return og_containers_policy_find(policy, &ref)->name;
}

#define ANY "[{\"type\":\"insecureAcceptAnything\"}]"

TEST(the_closest_scope_counts)
{
	static const char text[] =
		"{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{"
		"\"h.a.io\":" ANY ",\"h.a.io/x\":" ANY ",\"h.a.io/x/y:1\":" ANY ",\"h.a.io/x/y@" D
		"\":" ANY ",\"*.io\":" ANY ",\"\":" ANY "},\"atomic\":{\"q.io\":" ANY "}}}";
	og_cleanup(og_containers_policy_freep) struct og_containers_policy *policy = NULL;

	CHECK_OK(og_containers_policy_parse(text, strlen(text), &policy, NULL));
	CHECK(og_streq(scope_of(policy, "h.a.io/x/y:1"), "h.a.io/x/y:1"));
	CHECK(og_streq(scope_of(policy, "h.a.io/x/y@" D), "h.a.io/x/y@" D));
	CHECK(og_streq(scope_of(policy, "h.a.io/x/y:2"), "h.a.io/x"));
	CHECK(og_streq(scope_of(policy, "h.a.io/xx:2"), "h.a.io"));
	CHECK(og_streq(scope_of(policy, "q.io/a:2"), "*.io"));
	CHECK(og_streq(scope_of(policy, "debian"), "*.io"));
	/* A wildcard is of hosts, whatever their port. */
	CHECK(og_streq(scope_of(policy, "q.io:8443/a:2"), "*.io"));
	CHECK(og_streq(scope_of(policy, "localhost:5000/a"), ""));
}

TEST(a_policy_that_may_mean_more_is_refused)
{
	static const char *const bad[] = {
		"{}",
		"{\"default\":[]}",
		"{\"default\":[{\"type\":\"maybe\"}]}",
		"{\"default\":" ANY ",\"more\":1}",
		"{\"default\":" ANY ",\"default\":" ANY "}",
		"{\"default\":[{\"type\":\"reject\",\"but\":1}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\"}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"\"}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"keyData\":\"b\"}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPaths\":[]}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"keypath\":\"b\"}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{"
		"\"type\":\"some\"}}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{"
		"\"type\":\"exactReference\",\"dockerReference\":\"h/a\"}}]}",
		"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{"
		"\"type\":\"matchExact\",\"prefix\":\"a\"}}]}",
		"{\"default\":" ANY ",\"transports\":{\"docker\":{\"a\":[]}}}",
		"{\"default\":" ANY ",\"transports\":{\"docker\":[]}}",
	};
	og_cleanup(og_containers_policy_freep) struct og_containers_policy *policy = NULL;
	static const char gpg[] = "{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\","
				  "\"keyPath\":\"a\"}]}";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_containers_policy_parse(bad[i], strlen(bad[i]), &policy, NULL),
			 -EINVAL);
	CHECK_OK(og_containers_policy_parse(gpg, strlen(gpg), &policy, NULL));
	CHECK_EQ(policy->scopes[0].demands[0].kind, OG_DEMAND_UNSUPPORTED);
}

TEST(the_text_that_an_envelope_signs_is_the_specifications)
{
	size_t len = 0;
	og_auto_free char *pae =
		og_dsse_pae("http://example.com/HelloWorld", "hello world", 11, &len);

	CHECK(og_streq(pae, "DSSEv1 29 http://example.com/HelloWorld 11 hello world"));
	CHECK_EQ(len, strlen(pae));
}

static int dsse(const char *text)
{
	og_auto_dsse one = {};

	return og_dsse_parse(text, strlen(text), &one, NULL);
}

TEST(envelopes_that_are_none_are_refused)
{
	CHECK_OK(dsse(
		"{\"payloadType\":\"t\",\"payload\":\"YQ==\",\"signatures\":[{\"sig\":\"YQ==\"}]}"));
	CHECK_EQ(
		dsse("{\"payloadType\":\"\",\"payload\":\"YQ==\",\"signatures\":[{\"sig\":\"YQ==\"}]}"),
		-EBADMSG);
	CHECK_EQ(
		dsse("{\"payloadType\":\"t\",\"payload\":\"!\",\"signatures\":[{\"sig\":\"YQ==\"}]}"),
		-EBADMSG);
	CHECK_EQ(dsse("{\"payloadType\":\"t\",\"payload\":\"YQ==\",\"signatures\":[]}"), -EBADMSG);
	CHECK_EQ(
		dsse("{\"payloadType\":\"t\",\"payload\":\"YQ==\",\"signatures\":[{\"sig\":\"\"}]}"),
		-EBADMSG);
	CHECK_EQ(dsse("{\"payloadType\":\"t\",\"payload\":\"YQ==\",\"payload\":\"Yg==\","
		      "\"signatures\":[{\"sig\":\"YQ==\"}]}"),
		 -EBADMSG);
	CHECK_EQ(dsse(""), -EBADMSG);
}

static int statement(const char *text)
{
	og_auto_statement one = {};

	return og_statement_parse(text, strlen(text), &one, NULL);
}

TEST(a_statement_about_nothing_is_refused)
{
	const char *good = "{\"_type\":\"" OG_STATEMENT_V1
			   "\",\"predicateType\":\"p\",\"subject\":[{"
			   "\"digest\":{\"sha256\":\"" HEX "\"}}],\"predicate\":{}}";

	CHECK_OK(statement(good));
	CHECK_EQ(statement("{\"_type\":\"" OG_STATEMENT_V1
			   "\",\"predicateType\":\"p\",\"subject\":[]}"),
		 -EBADMSG);
	CHECK_EQ(statement("{\"_type\":\"" OG_STATEMENT_V1 "\",\"predicateType\":\"p\"}"),
		 -EBADMSG);
	CHECK_EQ(statement("{\"_type\":\"" OG_STATEMENT_V1
			   "\",\"predicateType\":\"p\",\"subject\":[{"
			   "\"digest\":{\"sha512\":\"00\"}}]}"),
		 -EBADMSG);
	CHECK_EQ(statement("{\"_type\":\"x\",\"predicateType\":\"p\",\"subject\":[{\"digest\":{"
			   "\"sha256\":\"" HEX "\"}}]}"),
		 -EBADMSG);
	CHECK_EQ(statement("{\"_type\":\"" OG_STATEMENT_V1
			   "\",\"subject\":[{\"digest\":{\"sha256\":\"" HEX "\"}}]}"),
		 -EBADMSG);
}

TEST(a_list_of_a_thousand_signatures_is_refused)
{
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	og_auto_text text = {};

	og_text_add(&text, "{\"schemaVersion\":2,\"layers\":[");
	for (int i = 0; i < 1000; i++)
		og_text_addf(&text, "%s{\"digest\":\"" D "\",\"size\":1}", i > 0 ? "," : "");
	og_text_add(&text, "]}");
	CHECK_EQ(og_artifact_parse(text.buf, text.len, &artifact, NULL), -E2BIG);
}

TEST(what_is_no_key_file_is_refused)
{
	static const char *const bad[] = {
		"",
		"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\ne30=\n"
		"-----END ENCRYPTED COSIGN PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n!!\n"
		"-----END ENCRYPTED COSIGN PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\ne30=\n"
		"-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
	};
	struct og_cosign_key key = {};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_cosign_key_parse(bad[i], strlen(bad[i]), &key, NULL), -EBADMSG);
	CHECK_OK(og_sealed_new(&key.sealed, NULL));
	key.box = strdup("twenty bytes are here");
	key.box_len = 20;
	{
		og_auto_free char *text = og_cosign_key_write(&key);
		struct og_cosign_key again = {};

		CHECK_OK(og_cosign_key_parse(text, strlen(text), &again, NULL));
		CHECK_EQ(again.sealed.n, OG_SEALED_N);
		CHECK_OK(memcmp(again.box, key.box, 20));
		og_cosign_key_done(&again);
	}
	og_cosign_key_done(&key);
}

TEST_MAIN(TEST_ENTRY(a_signed_text_is_read_as_skopeo_reads_it),
	  TEST_ENTRY(identities_match_as_in_containers_image), TEST_ENTRY(the_closest_scope_counts),
	  TEST_ENTRY(a_policy_that_may_mean_more_is_refused),
	  TEST_ENTRY(the_text_that_an_envelope_signs_is_the_specifications),
	  TEST_ENTRY(envelopes_that_are_none_are_refused),
	  TEST_ENTRY(a_statement_about_nothing_is_refused),
	  TEST_ENTRY(a_list_of_a_thousand_signatures_is_refused),
	  TEST_ENTRY(what_is_no_key_file_is_refused))

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/registry_path.h"

#include <errno.h>

#include "base/test.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct og_registry_path parse(const char *text, enum og_registry_path_fault fault)
{
	struct og_registry_path path;

	CHECK_EQ(og_registry_path_parse(text, &path), fault);
	return path;
}

TEST(each_endpoint_is_known)
{
	CHECK_EQ(parse("/v2", OG_PATH_FINE).route, OG_ROUTE_PING);
	CHECK_EQ(parse("/v2/", OG_PATH_FINE).route, OG_ROUTE_PING);
	CHECK_EQ(parse("/v2/_catalog", OG_PATH_FINE).route, OG_ROUTE_CATALOG);
	CHECK_EQ(parse("/v2/a/tags/list", OG_PATH_FINE).route, OG_ROUTE_TAGS);
	CHECK_EQ(parse("/v2/a/blobs/uploads/", OG_PATH_FINE).route, OG_ROUTE_UPLOADS);
	CHECK_EQ(parse("/v2/a/blobs/uploads", OG_PATH_FINE).route, OG_ROUTE_UPLOADS);
	CHECK_EQ(parse("/v2/a/blobs/sha256:" ZEROS, OG_PATH_FINE).route, OG_ROUTE_BLOB);
	CHECK_EQ(parse("/v2/a/referrers/sha256:" ZEROS, OG_PATH_FINE).route, OG_ROUTE_REFERRERS);
	CHECK_EQ(parse("/v3/a/tags/list", OG_PATH_FINE).route, OG_ROUTE_UNKNOWN);
	CHECK_EQ(parse("/v2/a/other/list", OG_PATH_FINE).route, OG_ROUTE_UNKNOWN);
}

TEST(names_may_hold_the_words_of_endpoints)
{
	struct og_registry_path path =
		parse("/v2/blobs/uploads/manifests/tags/list/blobs/uploads/abc", OG_PATH_FINE);

	CHECK_EQ(path.route, OG_ROUTE_UPLOAD);
	CHECK(strcmp(path.name, "blobs/uploads/manifests/tags/list") == 0);
	CHECK(strcmp(path.upload, "abc") == 0);
}

TEST(a_reference_is_a_tag_or_a_digest)
{
	struct og_registry_path path = parse("/v2/a/b/manifests/v1.0", OG_PATH_FINE);

	CHECK(!path.by_digest && strcmp(path.tag, "v1.0") == 0);
	path = parse("/v2/a/b/manifests/sha512:" ZEROS ZEROS, OG_PATH_FINE);
	CHECK(path.by_digest && path.digest.kind == OG_HASH_SHA512);
	(void)parse("/v2/a/manifests/sha256:0", OG_PATH_BAD_DIGEST);
	(void)parse("/v2/a/manifests/.x", OG_PATH_BAD_TAG);
	(void)parse("/v2/a/manifests/", OG_PATH_BAD_TAG);
	(void)parse("/v2/a/blobs/x", OG_PATH_BAD_DIGEST);
	(void)parse("/v2/a/blobs/uploads/..", OG_PATH_BAD_UPLOAD);
	(void)parse("/v2/a/blobs/uploads/A", OG_PATH_BAD_UPLOAD);
}

TEST(names_follow_the_grammar)
{
	static const char *const good[] = { "a",   "a/b",  "a.b",   "a_b", "a__b",
					    "a-b", "a--b", "a---b", "0",   "a/b/c/d" };
	static const char *const bad[] = { "",	    "A",    "/a",  "a/", "a//b", "a..b",    "a._b",
					   "a___b", "-a",   "a-",  ".",	 "..",	 "a/..",    "a b",
					   "a:b",   "a\\b", "a%b", "_a", "a_",	 "\xc3\xa4" };
	char longest[OG_REPOSITORY_MAX + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(og_repository_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!og_repository_is_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[OG_REPOSITORY_MAX] = '\0';
	CHECK(!og_repository_is_valid(longest));
	longest[OG_REPOSITORY_MAX - 1] = '\0';
	CHECK(og_repository_is_valid(longest));
}

TEST(digests_are_of_two_algorithms)
{
	struct og_blob_digest digest;
	uint8_t hash[OG_HASH_BYTES_MAX] = {};

	CHECK_OK(og_blob_digest_parse("sha256:" ZEROS, &digest));
	og_blob_digest_of(OG_HASH_SHA256, hash, &digest);
	CHECK(strcmp(digest.text, "sha256:" ZEROS) == 0);
	CHECK(strcmp(og_blob_digest_hex(&digest), ZEROS) == 0);
	CHECK_EQ(og_blob_digest_parse("sha384:abc", &digest), -ENOTSUP);
	CHECK_EQ(og_blob_digest_parse("sha256:" ZEROS ZEROS, &digest), -EINVAL);
	CHECK_EQ(og_blob_digest_parse("sha512:" ZEROS, &digest), -EINVAL);
	CHECK_EQ(og_blob_digest_parse(":abc", &digest), -EINVAL);
	CHECK_EQ(og_blob_digest_parse("a++b:abc", &digest), -EINVAL);
	CHECK_EQ(og_blob_digest_parse("sha256:../" ZEROS, &digest), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(each_endpoint_is_known), TEST_ENTRY(names_may_hold_the_words_of_endpoints),
	  TEST_ENTRY(a_reference_is_a_tag_or_a_digest), TEST_ENTRY(names_follow_the_grammar),
	  TEST_ENTRY(digests_are_of_two_algorithms))

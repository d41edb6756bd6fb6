/* SPDX-License-Identifier: Apache-2.0 */
#include "format/sbom.h"

#include "base/test.h"
#include "format/purl.h"
#include "package_list.h"

TEST(package_urls_are_taken_apart)
{
	static const struct {
		const char *url, *type, *namespace, *name, *version;
	} cases[] = {
		{ "pkg:deb/debian/libc6@2.36-9?arch=amd64", "deb", "debian", "libc6", "2.36-9" },
		{ "pkg:npm/%40babel/core@7.0.0", "npm", "@babel", "core", "7.0.0" },
		{ "pkg:NPM/@babel/core@7.0.0", "npm", "@babel", "core", "7.0.0" },
		{ "pkg:npm/@babel/core", "npm", "@babel", "core", "" },
		{ "pkg:golang/github.com/a/b@v1%2Bincompatible#c/d", "golang", "github.com/a", "b",
		  "v1+incompatible" },
		{ "pkg://cargo/x@1", "cargo", "", "x", "1" },
		{ "pkg:pypi/x%00y@1%", "pypi", "", "x%00y", "1%" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct og_purl purl;

		CHECK_OK(og_purl_parse(cases[i].url, &purl));
		CHECK(og_streq(purl.type, cases[i].type));
		CHECK(og_streq(purl.namespace, cases[i].namespace));
		CHECK(og_streq(purl.name, cases[i].name));
		CHECK(og_streq(purl.version, cases[i].version));
	}
}

TEST(what_is_no_package_url_is_refused)
{
	static const char *const bad[] = { "",	       "pkg:",	  "pkg:deb", "pkg:deb/",
					   "http://x", "deb/x@1", "pkg:/x" };
	static char longer[OG_PURL_MAX + 10] = "pkg:deb/";
	static struct og_purl purl;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_purl_parse(bad[i], &purl), -EINVAL);
	memset(longer + 8, 'a', sizeof(longer) - 9);
	CHECK_EQ(og_purl_parse(longer, &purl), -EINVAL);
}

TEST(qualifiers_are_found_and_cut_to_their_room)
{
	static struct og_purl purl;
	char value[6];

	CHECK_OK(og_purl_parse("pkg:rpm/x@1?epoch=2&distro=a%2Db-1&upstream", &purl));
	og_purl_qualifier(&purl, "epoch", value, sizeof(value));
	CHECK(og_streq(value, "2"));
	og_purl_qualifier(&purl, "distro", value, sizeof(value));
	CHECK(og_streq(value, "a-b"));
	og_purl_qualifier(&purl, "upstream", value, sizeof(value));
	CHECK(og_streq(value, ""));
}

static int list(void *data, const char *type, const struct og_package_entry *entry,
		const char *path, struct og_err *err)
{
	og_text_addf(data, "%s %s ", type, path[0] != '\0' ? path : "-");
	return list_package(data, entry, err);
}

static void os(void *data, const char *id, const char *version)
{
	og_text_addf(data, "os %s %s\n", id, version);
}

static void check(const char *text, int code, const char *wanted)
{
	static const struct og_sbom_ops ops = { list, os };
	og_auto_text got = {};

	CHECK_EQ(og_sbom_read(text, strlen(text), &ops, &got, NULL), code);
	CHECK_LIST(got, wanted);
}

TEST(sources_as_each_tool_writes_them)
{
	check("{\"bomFormat\": \"CycloneDX\", \"components\": ["
	      "{\"purl\": \"pkg:deb/debian/a@1?distro=debian-12&upstream=b%402\"},"
	      "{\"purl\": \"pkg:rpm/rhel/c@1?upstream=d-e-1-2.src.rpm\"},"
	      "{\"purl\": \"pkg:deb/f@1\", \"properties\": ["
	      "{\"name\": \"aquasecurity:trivy:SrcName\", \"value\": \"g\"},"
	      "{\"name\": \"aquasecurity:trivy:SrcVersion\", \"value\": \"3\"},"
	      "{\"name\": \"aquasecurity:trivy:SrcRelease\", \"value\": \"4\"},"
	      "{\"name\": \"aquasecurity:trivy:FilePath\", \"value\": \"x/y\"}]}]}",
	      0, "os debian 12\ndeb - a 1 - b 2\nrpm - c 1 - d-e -\ndeb x/y f 1 - g 3-4\n");
	check("{\"spdxVersion\": \"SPDX-2.3\", \"packages\": [{\"sourceInfo\": \"built package from: s 2\","
	      "\"externalRefs\": [{\"referenceType\": \"cpe\"},"
	      "{\"referenceType\": \"purl\", \"referenceLocator\": \"pkg:apk/alpine/a@1-r0\"}]}, 1, {}]}",
	      0, "apk - a 1-r0 - s 2\n");
}

TEST(what_is_no_bill_is_refused)
{
	check("{}", -EBADMSG, "");
	check("[", -EBADMSG, "");
	check("{\"spdxVersion\": \"SPDX-3.0\"}", -EBADMSG, "");
	check("{\"bomFormat\": \"CycloneDX\", \"components\": {\"purl\": 1}}", 0, "");
}

TEST_MAIN(TEST_ENTRY(package_urls_are_taken_apart), TEST_ENTRY(what_is_no_package_url_is_refused),
	  TEST_ENTRY(qualifiers_are_found_and_cut_to_their_room),
	  TEST_ENTRY(sources_as_each_tool_writes_them), TEST_ENTRY(what_is_no_bill_is_refused))

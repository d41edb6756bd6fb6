/* SPDX-License-Identifier: Apache-2.0 */
#include "format/advisories.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"
#include "base/text.h"

/* A line a record: "id aliases|name|status|ranges", what is between lines of ranges being blanks. */
static int note(void *data, struct og_vuln *vuln, struct og_err *err)
{
	struct og_text *all = data;
	char *ranges = vuln->affected[0].ranges;

	(void)err;
	for (char *at = ranges; *at != '\0'; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	og_text_addf(all, "%s %s|%s %s|%u|%s\n", vuln->id, vuln->aliases ? vuln->aliases : "",
		     vuln->affected[0].ecosystem, vuln->affected[0].name, vuln->affected[0].status,
		     ranges);
	return 0;
}

static struct og_json *parse(const char *text)
{
	struct og_json *root;

	CHECK_OK(og_json_parse(text, strlen(text), &root, NULL));
	return root;
}

TEST(a_changelog_says_what_its_versions_fix)
{
	static const char text[] =
		"zlib (1:1.3-2) unstable; urgency=low\n\n"
		"  * Refresh the patch for CVE-2022-37434 (see CVE-2022-3743).\n\n"
		" -- A <a@b>  Thu, 01 Jan 2024 00:00:00 +0000\n\n"
		"zlib (1:1.2.13-1) unstable; urgency=medium\n\n"
		"  * Fix CVE-2022-37434, CVE-2018-25032.\n"
		"  * Not one: CVE-2018-x, XCVE-20-1.\n\n"
		" -- A <a@b>  Thu, 01 Jan 2023 00:00:00 +0000\n";
	og_auto_text all = {};

	CHECK_OK(og_advisories_debian_changelog(text, sizeof(text) - 1, "Debian:12", note, &all,
						NULL));
	CHECK(og_streq(all.buf,
		       "DEBCL-CVE-2018-25032 CVE-2018-25032|Debian:12 zlib|0|[ )1:1.2.13-1 \n"
		       "DEBCL-CVE-2022-3743 CVE-2022-3743|Debian:12 zlib|0|[ )1:1.3-2 \n"
		       "DEBCL-CVE-2022-37434 CVE-2022-37434|Debian:12 zlib|0|[ )1:1.2.13-1 \n"));
	CHECK_EQ(og_advisories_debian_changelog("CVE-2022-37434\n", 15, "Debian:12", note, &all,
						NULL),
		 -EINVAL);
}

TEST(alpines_secdb_says_also_what_was_never_affected)
{
	og_cleanup(og_json_freep) struct og_json *root = parse(
		"{\"distroversion\":\"v3.18\",\"packages\":[{\"pkg\":{\"name\":\"musl\",\"secfixes\":"
		"{\"1.2-r3\":[\"CVE-2020-28928 (+ more)\",\"XSA-1 CVE-2020-2\"],\"0\":[\"CVE-2019-1\"]}}}]}");
	og_auto_text all = {};

	CHECK(og_advisories_is_alpine(root));
	CHECK_OK(og_advisories_alpine(root, note, &all, NULL));
	CHECK(og_streq(all.buf,
		       "ALPINE-CVE-2020-28928 CVE-2020-28928|Alpine:v3.18 musl|0|[ )1.2-r3 \n"
		       "ALPINE-XSA-1 XSA-1|Alpine:v3.18 musl|0|[ )1.2-r3 \n"
		       "ALPINE-CVE-2020-2 CVE-2020-2|Alpine:v3.18 musl|0|[ )1.2-r3 \n"
		       "ALPINE-CVE-2019-1 CVE-2019-1|Alpine:v3.18 musl|2|\n"));
}

TEST(npms_ranges_become_intervals_and_know_their_fix)
{
	og_cleanup(og_json_freep) struct og_json *root = parse(
		"{\"id\":1,\"module_name\":\"bassmaster\",\"title\":\"x\",\"cves\":[\"CVE-2014-7205\"],"
		"\"vulnerable_versions\":\"<=1.5.1 || ^3.0.0\",\"patched_versions\":\">=1.5.2\"}");
	og_auto_text all = {};

	CHECK(og_advisories_is_nodejs(root));
	CHECK_OK(og_advisories_nodejs(root, note, &all, NULL));
	CHECK(og_streq(all.buf,
		       "NSWG-ECO-1 CVE-2014-7205|npm bassmaster|0|[ )1.5.2 [3.0.0 |4.0.0-0 \n"));
}

TEST(what_no_requirement_of_rubys_makes_safe_is_affected)
{
	og_cleanup(og_json_freep) struct og_json *root = parse(
		"{\"gem\":\"rails\",\"cve\":\"2022-1\",\"ghsa\":\"aaaa\",\"title\":\"x\",\"cvss_v3\":6.1,"
		"\"unaffected_versions\":[\"< 4.0.0\"],"
		"\"patched_versions\":[\"~> 5.2.7, >= 5.2.7.1\",\">= 7.0.2.4\"]}");
	og_auto_text all = {};

	CHECK(og_advisories_is_rubysec(root));
	CHECK_OK(og_advisories_rubysec(root, note, &all, NULL));
	CHECK(og_streq(all.buf,
		       "CVE-2022-1 GHSA-aaaa|RubyGems rails|0|[4.0.0 )5.2.7.1 [5.3 )7.0.2.4 \n"));
}

TEST(retirejs_without_an_end_is_passed_over)
{
	og_cleanup(og_json_freep) struct og_json *root = parse(
		"{\"jquery\":{\"npmname\":\"jquery\",\"extractors\":{},\"vulnerabilities\":["
		"{\"below\":\"1.6.3\",\"severity\":\"medium\",\"identifiers\":{\"CVE\":[\"CVE-2011-4969\"]}},"
		"{\"atOrAbove\":\"1.2.1\",\"below\":\"1.9.0b1\",\"identifiers\":{\"githubID\":\"GHSA-q\"}},"
		"{\"severity\":\"low\",\"identifiers\":{}}]}}");
	og_auto_text all = {};

	CHECK(og_advisories_is_retirejs(root));
	CHECK_OK(og_advisories_retirejs(root, note, &all, NULL));
	CHECK(og_streq(all.buf, "RETIREJS-jquery-1 CVE-2011-4969|npm jquery|0|[ )1.6.3 \n"
				"RETIREJS-jquery-2 GHSA-q|npm jquery|0|[1.2.1 )1.9.0b1 \n"));
}

TEST_MAIN(TEST_ENTRY(a_changelog_says_what_its_versions_fix),
	  TEST_ENTRY(alpines_secdb_says_also_what_was_never_affected),
	  TEST_ENTRY(npms_ranges_become_intervals_and_know_their_fix),
	  TEST_ENTRY(what_no_requirement_of_rubys_makes_safe_is_affected),
	  TEST_ENTRY(retirejs_without_an_end_is_passed_over))

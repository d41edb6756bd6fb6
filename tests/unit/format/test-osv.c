/* SPDX-License-Identifier: Apache-2.0 */
#include "format/osv.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"
#include "base/text.h"

struct read {
	struct og_json *root;
	struct og_vuln vuln;
};

static int read_text(const char *text, struct read *read)
{
	memset(read, 0, sizeof(*read));
	CHECK_OK(og_json_parse(text, strlen(text), &read->root, NULL));
	return og_osv_read(read->root, &read->vuln, NULL);
}

static void done(struct read *read)
{
	og_vuln_done(&read->vuln);
	og_json_free(read->root);
}

TEST(a_record_is_read)
{
	struct read read;
	const struct og_vuln_affected *affected;

	CHECK_OK(read_text(
		"{\"id\":\"GHSA-1\",\"aliases\":[\"CVE-2024-1\",\"CVE-2024-1\",\"GHSA-1\"],\"summary\":\"Bad\","
		"\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"}],"
		"\"references\":[{\"type\":\"WEB\",\"url\":\"https://a\"},{\"type\":\"ADVISORY\",\"url\":\"https://b\"}],"
		"\"affected\":[{\"package\":{\"ecosystem\":\"PyPI\",\"name\":\"Foo_Bar\"},"
		"\"ranges\":[{\"type\":\"GIT\",\"events\":[{\"introduced\":\"abc\"}]},"
		"{\"type\":\"ECOSYSTEM\",\"events\":[{\"fixed\":\"2.1\"},{\"introduced\":\"2.0\"},"
		"{\"introduced\":\"0\"},{\"fixed\":\"1.5\"}]}],\"versions\":[\"1.0\",\"3.0\"]}]}",
		&read));
	CHECK(og_streq(read.vuln.id, "GHSA-1"));
	CHECK(og_streq(read.vuln.aliases, "CVE-2024-1"));
	CHECK(og_streq(read.vuln.url, "https://b"));
	CHECK_EQ(read.vuln.score_tenths, 98);
	CHECK_EQ(read.vuln.severity, OG_SEVERITY_CRITICAL);
	CHECK_EQ(read.vuln.affected_count, 1);
	affected = &read.vuln.affected[0];
	CHECK(og_streq(affected->ecosystem, "PyPI"));
	CHECK(og_streq(affected->ranges, "[\t)1.5\n[2.0\t)2.1\n=3.0\n"));
	done(&read);
}

static bool holds(const char *ranges, const char *version, const char *fixed)
{
	struct og_vuln_verdict verdict;

	og_vuln_judge(OG_VERSION_SEMVER, ranges, version, &verdict);
	CHECK(!verdict.affected || og_streq(verdict.fixed, fixed));
	return verdict.affected;
}

TEST(versions_are_judged_by_the_ranges)
{
	static const char ranges[] =
		"[\t)1.5.0\n[2.0.0\t]2.1.0\n(3.0.0\t|3.5.0\n=3.9.0\n[4.0.0\t\n";

	CHECK(holds(ranges, "0.0.1", "1.5.0"));
	CHECK(!holds(ranges, "1.5.0", ""));
	CHECK(holds(ranges, "2.0.0", ""));
	CHECK(holds(ranges, "2.1.0", ""));
	CHECK(!holds(ranges, "2.1.1", ""));
	CHECK(!holds(ranges, "3.0.0", ""));
	CHECK(holds(ranges, "3.0.1", ""));
	CHECK(!holds(ranges, "3.5.0", ""));
	CHECK(holds(ranges, "3.9.0", ""));
	CHECK(holds(ranges, "99.0.0", ""));
	/* What is damaged says nothing. */
	CHECK(!holds("\n[\n[1.0.0\n\t)2.0.0\nnonsense\t)9\n=", "1.0.0", ""));
}

TEST(a_rebuild_for_a_release_has_what_its_version_has)
{
	static const char ranges[] = "[\t)17.0.15+6-1\n";

	static const struct {
		const char *version;
		bool affected;
	} cases[] = {
		{ "17.0.15+6-1~deb12u1", false }, { "17.0.15+6-1~bpo12+1", false },
		{ "17.0.15+6-1~", true },	  { "17.0.15+6-1~rc1", true },
		{ "17.0.15+6-0~deb12u1", true },  { "17.0.15+6-1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_vuln_verdict verdict;

		og_vuln_judge(OG_VERSION_DEBIAN, ranges, cases[i].version, &verdict);
		CHECK_EQ(verdict.affected, cases[i].affected);
	}
}

TEST(the_last_one_that_is_affected_is_inside)
{
	struct read read;

	CHECK_OK(read_text(
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},"
		"\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"1.0.0\"},"
		"{\"last_affected\":\"1.0.0\"},{\"introduced\":\"2.0.0\"},{\"limit\":\"*\"}]}]},"
		"{\"package\":{\"ecosystem\":\"npm\",\"name\":\"b\"},\"database_specific\":"
		"{\"last_known_affected_version_range\":\"<= 4.1\"},\"ranges\":[{\"type\":\"SEMVER\","
		"\"events\":[{\"introduced\":\"0\"}]}]}]}",
		&read));
	CHECK(og_streq(read.vuln.affected[0].ranges, "[1.0.0\t]1.0.0\n[2.0.0\t\n"));
	CHECK(og_streq(read.vuln.affected[1].ranges, "[\t]4.1\n"));
	done(&read);
}

TEST(what_the_maintainers_say_is_kept)
{
	struct read read;

	CHECK_OK(read_text(
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"Debian:12\",\"name\":\"a\"},"
		"\"ecosystem_specific\":{\"urgency\":\"unimportant\",\"status\":\"wont-fix\"}},"
		"{\"package\":{\"ecosystem\":\"Ubuntu:22.04:LTS\",\"name\":\"b\"},"
		"\"database_specific\":{\"status\":\"not-affected\"}},"
		"{\"package\":{\"ecosystem\":\"Red Hat:enterprise_linux:9::baseos\",\"name\":\"c\"}},"
		"{\"package\":{\"ecosystem\":\"Nowhere\",\"name\":\"d\"}},{}]}",
		&read));
	CHECK_EQ(read.vuln.affected_count, 3);
	CHECK_EQ(read.vuln.affected[0].status, OG_VULN_WONT_FIX);
	CHECK_EQ(read.vuln.affected[0].severity, OG_SEVERITY_NEGLIGIBLE);
	CHECK_EQ(read.vuln.affected[1].status, OG_VULN_NOT_AFFECTED);
	CHECK(og_streq(read.vuln.affected[1].ecosystem, "Ubuntu:22.04"));
	CHECK(og_streq(read.vuln.affected[2].ecosystem, "Red Hat:9"));
	done(&read);
}

TEST(what_is_against_the_schema_is_refused)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"{\"id\":\"\"}",
		"{\"id\":\"a b\"}",
		"{\"id\":\"X-1\",\"aliases\":[7]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"\"}}]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\\tb\"}}]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},"
		"\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"1\\n2\"}]}]}]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},"
		"\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"intro\":\"1\"}]}]}]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},"
		"\"ranges\":[{\"type\":\"ODD\",\"events\":[]}]}]}",
		"{\"id\":\"X-1\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},\"versions\":[7]}]}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct read read;

		CHECK_EQ(read_text(texts[i], &read), -EINVAL);
		done(&read);
	}
}

TEST_MAIN(TEST_ENTRY(a_record_is_read), TEST_ENTRY(versions_are_judged_by_the_ranges),
	  TEST_ENTRY(a_rebuild_for_a_release_has_what_its_version_has),
	  TEST_ENTRY(the_last_one_that_is_affected_is_inside),
	  TEST_ENTRY(what_the_maintainers_say_is_kept),
	  TEST_ENTRY(what_is_against_the_schema_is_refused))

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/cvss.h"

#include <errno.h>
#include <stdio.h>

#include "base/test.h"

/* Random vectors, scored by another implementation (@pandatix/js-cvss 0.4.4). */
static const struct {
	const char *vector;
	int tenths;
} known[] = {
	{ "CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:A/VC:N/VI:N/VA:N/SC:H/SI:L/SA:N", 45 },
	{ "CVSS:4.0/AV:N/AC:H/AT:N/PR:N/UI:N/VC:L/VI:N/VA:H/SC:L/SI:N/SA:L", 83 },
	{ "CVSS:4.0/AV:P/AC:L/AT:N/PR:H/UI:N/VC:H/VI:H/VA:H/SC:L/SI:N/SA:H", 84 },
	{ "CVSS:4.0/AV:L/AC:L/AT:N/PR:H/UI:P/VC:L/VI:H/VA:N/SC:H/SI:H/SA:L", 70 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:A/VC:H/VI:H/VA:L/SC:L/SI:L/SA:H", 92 },
	{ "CVSS:4.0/AV:P/AC:H/AT:P/PR:L/UI:P/VC:L/VI:L/VA:N/SC:N/SI:L/SA:N", 10 },
	{ "CVSS:4.0/AV:N/AC:H/AT:P/PR:H/UI:A/VC:H/VI:N/VA:H/SC:N/SI:H/SA:L", 69 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:N/VI:L/VA:L/SC:H/SI:H/SA:H", 65 },
	{ "CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:A/VC:H/VI:H/VA:N/SC:H/SI:N/SA:N", 91 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:H/VI:N/VA:L/SC:L/SI:L/SA:L", 70 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:L/SC:H/SI:L/SA:N", 62 },
	{ "CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:N/VC:N/VI:H/VA:N/SC:L/SI:H/SA:N", 57 },
	{ "CVSS:4.0/AV:P/AC:H/AT:N/PR:L/UI:P/VC:H/VI:L/VA:N/SC:H/SI:L/SA:L", 58 },
	{ "CVSS:4.0/AV:P/AC:L/AT:N/PR:H/UI:N/VC:H/VI:N/VA:N/SC:H/SI:L/SA:L", 69 },
	{ "CVSS:4.0/AV:A/AC:H/AT:N/PR:H/UI:N/VC:H/VI:H/VA:L/SC:N/SI:N/SA:H", 85 },
	{ "CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:P/VC:L/VI:L/VA:L/SC:L/SI:N/SA:L", 23 },
	{ "CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:H/SA:N", 49 },
	{ "CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:P/VC:L/VI:N/VA:N/SC:H/SI:L/SA:H", 23 },
	{ "CVSS:4.0/AV:L/AC:H/AT:P/PR:N/UI:P/VC:L/VI:L/VA:N/SC:L/SI:L/SA:L", 20 },
	{ "CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:P/VC:L/VI:L/VA:H/SC:N/SI:H/SA:H", 71 },
	{ "CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:N/VI:L/VA:N/SC:N/SI:H/SA:H", 62 },
	{ "CVSS:4.0/AV:N/AC:L/AT:P/PR:H/UI:A/VC:N/VI:L/VA:H/SC:N/SI:H/SA:L", 69 },
	{ "CVSS:4.0/AV:A/AC:H/AT:N/PR:H/UI:P/VC:N/VI:N/VA:H/SC:H/SI:N/SA:N", 56 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:P/VC:H/VI:L/VA:H/SC:N/SI:L/SA:H", 84 },
	{ "CVSS:4.0/AV:L/AC:H/AT:P/PR:L/UI:A/VC:N/VI:L/VA:N/SC:N/SI:L/SA:L", 10 },
	{ "CVSS:4.0/AV:L/AC:H/AT:P/PR:N/UI:P/VC:L/VI:L/VA:N/SC:N/SI:N/SA:L", 20 },
	{ "CVSS:4.0/AV:N/AC:L/AT:P/PR:H/UI:A/VC:N/VI:L/VA:N/SC:N/SI:L/SA:L", 18 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:P/VC:N/VI:L/VA:N/SC:H/SI:L/SA:L", 62 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:H/VA:H/SC:N/SI:H/SA:L", 92 },
	{ "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:P/VC:L/VI:H/VA:N/SC:H/SI:H/SA:L", 59 },
	{ "CVSS:3.1/AV:N/AC:H/PR:H/UI:R/S:C/C:H/I:N/A:N", 54 },
	{ "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:L", 67 },
	{ "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:N/I:L/A:H", 85 },
	{ "CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:U/C:N/I:L/A:L", 46 },
	{ "CVSS:3.1/AV:P/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:L", 71 },
	{ "CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:H", 74 },
	{ "CVSS:3.1/AV:P/AC:H/PR:L/UI:N/S:U/C:L/I:H/A:H", 59 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:L/I:N/A:L", 54 },
	{ "CVSS:3.1/AV:A/AC:H/PR:N/UI:R/S:C/C:H/I:H/A:N", 75 },
	{ "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:H", 68 },
	{ "CVSS:3.1/AV:P/AC:H/PR:H/UI:N/S:U/C:L/I:L/A:N", 27 },
	{ "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:H", 57 },
	{ "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N", 77 },
	{ "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:L/A:L", 63 },
	{ "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:L/A:L", 56 },
	{ "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:L", 67 },
	{ "CVSS:3.1/AV:P/AC:L/PR:H/UI:N/S:U/C:N/I:N/A:N", 0 },
	{ "CVSS:3.1/AV:A/AC:H/PR:L/UI:R/S:C/C:N/I:L/A:L", 40 },
	{ "CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:L/I:H/A:H", 64 },
	{ "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:L/A:H", 61 },
	{ "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:H", 67 },
	{ "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:L/A:L", 76 },
	{ "CVSS:3.1/AV:A/AC:H/PR:L/UI:R/S:C/C:H/I:L/A:H", 75 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H", 91 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:N/I:L/A:L", 61 },
	{ "CVSS:3.1/AV:P/AC:H/PR:L/UI:N/S:U/C:H/I:L/A:N", 46 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:L", 100 },
	{ "CVSS:3.1/AV:P/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:H", 46 },
	{ "CVSS:3.1/AV:L/AC:L/PR:H/UI:R/S:C/C:L/I:N/A:L", 42 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:L", 86 },
	{ "CVSS:3.0/AV:P/AC:L/PR:L/UI:N/S:U/C:H/I:L/A:N", 49 },
	{ "CVSS:3.0/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:H/A:H", 63 },
	{ "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N", 77 },
	{ "CVSS:3.0/AV:A/AC:H/PR:H/UI:R/S:C/C:N/I:N/A:L", 24 },
	{ "CVSS:3.0/AV:A/AC:H/PR:H/UI:R/S:C/C:L/I:N/A:H", 59 },
	{ "CVSS:3.0/AV:P/AC:H/PR:H/UI:N/S:U/C:H/I:L/A:L", 49 },
	{ "CVSS:3.0/AV:N/AC:L/PR:H/UI:R/S:C/C:N/I:H/A:L", 69 },
	{ "CVSS:3.0/AV:P/AC:H/PR:H/UI:R/S:C/C:N/I:H/A:N", 46 },
	{ "CVSS:3.0/AV:L/AC:L/PR:N/UI:R/S:C/C:N/I:L/A:N", 36 },
	{ "CVSS:3.0/AV:A/AC:H/PR:L/UI:R/S:C/C:H/I:N/A:L", 62 },
	{ "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:H", 68 },
	{ "CVSS:3.0/AV:N/AC:H/PR:L/UI:R/S:C/C:H/I:H/A:H", 80 },
	{ "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N", 71 },
	{ "CVSS:3.0/AV:N/AC:L/PR:H/UI:N/S:U/C:L/I:N/A:H", 55 },
	{ "CVSS:3.0/AV:P/AC:H/PR:L/UI:R/S:C/C:N/I:N/A:L", 19 },
	{ "AV:A/AC:M/Au:N/C:C/I:N/A:C", 73 },
	{ "AV:A/AC:H/Au:S/C:N/I:N/A:C", 43 },
	{ "AV:A/AC:M/Au:N/C:N/I:N/A:N", 0 },
	{ "AV:L/AC:M/Au:S/C:C/I:P/A:C", 62 },
	{ "AV:N/AC:H/Au:M/C:C/I:P/A:C", 64 },
	{ "AV:N/AC:L/Au:S/C:N/I:C/A:N", 68 },
	{ "AV:A/AC:L/Au:M/C:N/I:N/A:C", 50 },
	{ "AV:L/AC:H/Au:S/C:N/I:N/A:C", 38 },
	{ "AV:L/AC:M/Au:N/C:C/I:N/A:P", 54 },
	{ "AV:L/AC:M/Au:S/C:C/I:C/A:P", 62 },
	{ "AV:A/AC:M/Au:N/C:N/I:N/A:P", 29 },
	{ "AV:L/AC:M/Au:N/C:P/I:N/A:N", 19 },
	{ "AV:A/AC:M/Au:S/C:C/I:C/A:P", 70 },
	{ "AV:N/AC:H/Au:M/C:C/I:P/A:C", 64 },
	{ "AV:A/AC:M/Au:S/C:P/I:C/A:C", 70 },
	{ "AV:A/AC:M/Au:S/C:P/I:P/A:C", 63 },
	{ "AV:N/AC:H/Au:S/C:P/I:P/A:P", 46 },
	{ "AV:L/AC:L/Au:S/C:N/I:P/A:C", 52 },
	{ "AV:A/AC:L/Au:S/C:P/I:N/A:P", 41 },
	{ "AV:A/AC:M/Au:N/C:P/I:P/A:C", 69 },
	{ "AV:L/AC:L/Au:S/C:P/I:N/A:P", 32 },
	{ "AV:L/AC:H/Au:M/C:C/I:P/A:P", 49 },
	{ "AV:A/AC:M/Au:N/C:N/I:N/A:P", 29 },
	{ "AV:L/AC:L/Au:N/C:N/I:C/A:N", 49 },
	{ "AV:A/AC:L/Au:M/C:P/I:P/A:P", 47 },
	{ "AV:A/AC:H/Au:M/C:P/I:C/A:P", 52 },
	{ "AV:L/AC:M/Au:N/C:N/I:C/A:P", 54 },
	{ "AV:L/AC:M/Au:M/C:C/I:N/A:P", 48 },
	{ "AV:L/AC:L/Au:N/C:N/I:P/A:N", 21 },
	{ "AV:N/AC:L/Au:N/C:P/I:N/A:N", 50 },
	/* The examples of the specifications. */
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 100 },
	{ "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100 },
	{ "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0 },
	{ "AV:N/AC:L/Au:N/C:C/I:C/A:C", 100 },
	{ "AV:N/AC:L/Au:N/C:N/I:N/A:C", 78 },
	{ "AV:L/AC:H/Au:N/C:C/I:C/A:C", 62 },
	/* What does not count, and another order. */
	{ "CVSS:3.1/A:H/I:H/C:H/S:U/UI:N/PR:N/AC:L/AV:N/E:P/RL:O/RC:C/MAV:L", 98 },
};

TEST(scores_are_those_of_others)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		int tenths = -1;

		CHECK_OK(og_cvss_score(known[i].vector, &tenths));
		if (tenths == known[i].tenths)
			continue;
		fprintf(stderr, "%s: %d, not %d\n", known[i].vector, tenths, known[i].tenths);
		wrong++;
	}
	CHECK_EQ(wrong, 0);
}

TEST(what_is_no_vector_is_refused)
{
	static const char *const vectors[] = {
		"",
		"CVSS:3.1/",
		"7.5",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X",
		"CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/ZZ:H",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:HH",
		"CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"AV:N/AC:L/Au:N/C:C/I:C/A:C/AV:",
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		int tenths = -7;

		CHECK_EQ(og_cvss_score(vectors[i], &tenths), -EINVAL);
		CHECK_EQ(tenths, -7);
	}
}

TEST(ratings_are_those_of_the_versions)
{
	CHECK_EQ(og_cvss_severity("CVSS:3.1/AV:N", 90), OG_SEVERITY_CRITICAL);
	CHECK_EQ(og_cvss_severity("CVSS:3.1/AV:N", 89), OG_SEVERITY_HIGH);
	CHECK_EQ(og_cvss_severity("CVSS:4.0/AV:N", 69), OG_SEVERITY_MEDIUM);
	CHECK_EQ(og_cvss_severity("CVSS:3.0/AV:N", 39), OG_SEVERITY_LOW);
	CHECK_EQ(og_cvss_severity("CVSS:3.0/AV:N", 0), OG_SEVERITY_NEGLIGIBLE);
	CHECK_EQ(og_cvss_severity("AV:N/AC:L", 100), OG_SEVERITY_HIGH);
}

TEST_MAIN(TEST_ENTRY(scores_are_those_of_others), TEST_ENTRY(what_is_no_vector_is_refused),
	  TEST_ENTRY(ratings_are_those_of_the_versions))

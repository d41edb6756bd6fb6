/* SPDX-License-Identifier: Apache-2.0 */
/* Names of ecosystems: records and installed systems must meet in one. */
#include "format/ecosystem.h"

#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST(what_products_of_one_release_are_called_becomes_one_name)
{
	static const struct {
		const char *given, *want;
	} rows[] = {
		{ "SUSE:Linux Enterprise Server 15 SP5", "SUSE:15.5" },
		{ "SUSE:Linux Enterprise Server 15 SP5-LTSS", "SUSE:15.5" },
		{ "SUSE:Linux Enterprise Server for SAP Applications 15 SP5", "SUSE:15.5" },
		{ "SUSE:Linux Enterprise Server LTSS Extended Security 12 SP5", "SUSE:12.5" },
		{ "SUSE:Linux Enterprise High Performance Computing 15 SP3-ESPOS", "SUSE:15.3" },
		{ "SUSE:Linux Enterprise Module for Basesystem 15 SP6", "SUSE:15.6" },
		{ "SUSE:Linux Enterprise Module for Python 3 15 SP4", "SUSE:15.4" },
		{ "SUSE:Linux Enterprise Server 11 SP4 LTSS", "SUSE:11.4" },
		{ "SUSE:Linux Enterprise Module for Containers 12", "SUSE:12" },
		{ "SUSE:Linux Enterprise Server 15-LTSS", "SUSE:15" },
		{ "SUSE:Linux Enterprise Server 16.0", "SUSE:16.0" },
		{ "SUSE:Package Hub 15 SP6", "SUSE:15.6" },
		{ "SUSE:Linux Enterprise Micro 5.5", "SUSE:Micro 5.5" },
		{ "SUSE:Linux Enterprise Micro for Rancher 5.4", "SUSE:Micro 5.4" },
		{ "SUSE:Linux Micro 6.1", "SUSE:Micro 6.1" },
		{ "SUSE:Linux Enterprise Server", "SUSE:Linux Enterprise Server" },
		{ "SUSE:Manager Server Module 4.3", "SUSE:Manager Server Module 4.3" },
		{ "SUSE:15.5", "SUSE:15.5" },
		{ "openSUSE:Leap 15.6", "openSUSE:Leap 15.6" },
		{ "Red Hat:enterprise_linux:9::baseos", "Red Hat:9" },
		{ "Ubuntu:22.04:LTS", "Ubuntu:22.04" },
	};

	char found[OG_ECOSYSTEM_MAX];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_OK(og_ecosystem_normalize(rows[i].given, found));
		if (!og_streq(found, rows[i].want)) {
			fprintf(stderr, "%s: %s\n", rows[i].given, found);
			exit(EXIT_FAILURE);
		}
	}
	CHECK_EQ(og_ecosystem_normalize("SUSE:Linux Enterprise Server "
					"1111111111111111111111111111111111111111111111111",
					found),
		 -EINVAL);
}

TEST(a_system_has_the_name_that_its_records_have)
{
	static const struct {
		const char *id, *version, *want;
	} rows[] = {
		{ "sles", "15.5", "SUSE:15.5" },
		{ "sles", "15", "SUSE:15" },
		{ "sles", "12.5", "SUSE:12.5" },
		{ "sles", "16.0", "SUSE:16.0" },
		{ "sles_sap", "15.5", "SUSE:15.5" },
		{ "sled", "15.6", "SUSE:15.6" },
		{ "sle-micro", "5.5", "SUSE:Micro 5.5" },
		{ "sl-micro", "6.1", "SUSE:Micro 6.1" },
		{ "slem", "5.4", "SUSE:Micro 5.4" },
		{ "suse", "15.5", "SUSE:15.5" },
		{ "opensuse-leap", "15.6", "openSUSE:Leap 15.6" },
		{ "opensuse-tumbleweed", "20260101", "openSUSE:Tumbleweed" },
		{ "debian", "12.4", "Debian:12" },
		{ "alpine", "3.19.1", "Alpine:v3.19" },
	};

	char found[OG_ECOSYSTEM_MAX];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_OK(og_ecosystem_of_os(rows[i].id, rows[i].version, found));
		if (!og_streq(found, rows[i].want)) {
			fprintf(stderr, "%s %s: %s\n", rows[i].id, rows[i].version, found);
			exit(EXIT_FAILURE);
		}
	}
	CHECK_EQ(og_ecosystem_of_os("sles", "", found), -ENOENT);
	CHECK_EQ(og_ecosystem_of_os("plan9", "4", found), -ENOENT);
}

TEST_MAIN(TEST_ENTRY(what_products_of_one_release_are_called_becomes_one_name),
	  TEST_ENTRY(a_system_has_the_name_that_its_records_have))

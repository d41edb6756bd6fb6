/* SPDX-License-Identifier: Apache-2.0 */
#include "format/ecosystem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/version_parts.h"

static int write_out(char *out, size_t size, const char *a, const char *b, size_t b_len)
{
	int len = snprintf(out, size, "%s%.*s", a, (int)b_len, b);

	return len < 0 || (size_t)len >= size ? -EINVAL : 0;
}

/*
 * SUSE has an ecosystem for each module and phase of support of a release ("Linux Enterprise Module for Python
 * 3 15 SP5", "Linux Enterprise Server 15 SP5-LTSS"), while os-release(5) says "15.5", and a system has packages
 * of many. One package's versions are of one line in all of them. Micro is a release of its own.
 */
static int normalize_suse(const char *product, char ret_ecosystem[OG_ECOSYSTEM_MAX])
{
	bool micro = og_starts_with(product, "Linux Enterprise Micro") ||
		     og_starts_with(product, "Linux Micro");
	const char *version = "", *pack = "";
	char release[32];
	int len;

	/* The last number counts: those before are of a name. */
	for (const char *word = product; *word != '\0';) {
		if (og_is_digit(word[0])) {
			version = word;
			pack = "";
		} else if (word[0] == 'S' && word[1] == 'P' && og_is_digit(word[2])) {
			pack = word + 2;
		}
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	len = snprintf(release, sizeof(release), "%.*s%s%.*s", (int)strspn(version, "0123456789."),
		       version, *pack != '\0' ? "." : "", (int)strspn(pack, "0123456789"), pack);
	if (*version == '\0' || len < 0 || (size_t)len >= sizeof(release))
		return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, "SUSE:", product,
				 strlen(product));
	return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, micro ? "SUSE:Micro " : "SUSE:", release,
			 (size_t)len);
}

static bool is_suse_enterprise(const char *product)
{
	return og_starts_with(product, "Linux Enterprise ") ||
	       og_starts_with(product, "Linux Micro ") || og_starts_with(product, "Package Hub ");
}

int og_ecosystem_normalize(const char *ecosystem, char ret_ecosystem[OG_ECOSYSTEM_MAX])
{
	static const char red_hat[] = "Red Hat:enterprise_linux:";
	enum og_version_order order;

	for (size_t i = 0; ecosystem[i] != '\0'; i++)
		if ((unsigned char)ecosystem[i] < ' ' || i > 200)
			return -EINVAL;
	if (og_version_order_of(ecosystem, &order) < 0)
		return -ENOENT;
	if (og_starts_with(ecosystem, red_hat)) {
		const char *version = ecosystem + sizeof(red_hat) - 1;

		return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, "Red Hat:", version,
				 strcspn(version, ":."));
	}
	if (og_starts_with(ecosystem, "SUSE:") && is_suse_enterprise(ecosystem + strlen("SUSE:")))
		return normalize_suse(ecosystem + strlen("SUSE:"), ret_ecosystem);
	if (og_starts_with(ecosystem, "Ubuntu:") && og_ends_with(ecosystem, ":LTS"))
		return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, "", ecosystem,
				 strlen(ecosystem) - 4);
	return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, "", ecosystem, strlen(ecosystem));
}

static const struct {
	const char *os_id;
	const char *ecosystem; /* what stands before the version */
	size_t parts;	       /* how many of the version's numbers count */
} systems[] = {
	{ "debian", "Debian:", 1 },
	{ "raspbian", "Debian:", 1 },
	{ "ubuntu", "Ubuntu:", 2 },
	{ "alpine", "Alpine:v", 2 },
	{ "rhel", "Red Hat:", 1 },
	{ "centos", "Red Hat:", 1 },
	{ "almalinux", "AlmaLinux:", 1 },
	{ "rocky", "Rocky Linux:", 1 },
	{ "fedora", "Fedora:", 1 },
	{ "ol", "Oracle Linux:", 1 },
	{ "amzn", "Amazon Linux:", 1 },
	{ "azurelinux", "Azure Linux:", 1 },
	{ "photon", "Photon OS:", 2 },
	{ "mageia", "Mageia:", 1 },
	{ "opensuse-leap", "openSUSE:Leap ", 2 },
	{ "opensuse-tumbleweed", "openSUSE:Tumbleweed", 0 },
	{ "sles", "SUSE:", 2 },
	{ "sles_sap", "SUSE:", 2 },
	{ "sled", "SUSE:", 2 },
	{ "sle_hpc", "SUSE:", 2 },
	{ "sle-micro", "SUSE:Micro ", 2 },
	{ "sl-micro", "SUSE:Micro ", 2 },
	{ "suse-microos", "SUSE:Micro ", 2 },
	{ "wolfi", "Wolfi", 0 },
	{ "chainguard", "Chainguard", 0 },
	/* What OSV has of it is of 2 and 3, which are one line of releases. */
	{ "mariner", "Azure Linux:", 1 },
	/* As package URLs and bills of materials of others call them. */
	{ "suse", "SUSE:", 2 },
	{ "slem", "SUSE:Micro ", 2 },
	{ "redhat", "Red Hat:", 1 },
	{ "alma", "AlmaLinux:", 1 },
	{ "oracle", "Oracle Linux:", 1 },
	{ "amazon", "Amazon Linux:", 1 },
	{ "azure", "Azure Linux:", 1 },
	{ "cbl-mariner", "Azure Linux:", 1 },
};

int og_ecosystem_of_os(const char *os_id, const char *os_version,
		       char ret_ecosystem[OG_ECOSYSTEM_MAX])
{
	for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
		size_t len = 0;

		if (!og_streq(systems[i].os_id, os_id))
			continue;
		if (systems[i].parts > 0 && !og_is_digit(os_version[0]))
			return -ENOENT;
		for (size_t part = 0; part < systems[i].parts; part++) {
			if (part > 0 && os_version[len] == '.')
				len++;
			while (og_is_digit(os_version[len]))
				len++;
		}
		return write_out(ret_ecosystem, OG_ECOSYSTEM_MAX, systems[i].ecosystem, os_version,
				 len) < 0
			       ? -ENOENT
			       : 0;
	}
	return -ENOENT;
}

int og_ecosystem_package(const char *ecosystem, const char *name,
			 char ret_name[OG_VULN_NAME_MAX + 1])
{
	size_t len = 0;

	if (!og_streq(ecosystem, "PyPI"))
		return write_out(ret_name, OG_VULN_NAME_MAX + 1, "", name,
				 strnlen(name, OG_VULN_NAME_MAX + 1));
	for (size_t i = 0; name[i] != '\0'; i++) {
		bool separator = name[i] == '-' || name[i] == '_' || name[i] == '.';

		if (len == OG_VULN_NAME_MAX)
			return -EINVAL;
		if (!separator)
			ret_name[len++] = og_to_lower(name[i]);
		else if (len == 0 || ret_name[len - 1] != '-')
			ret_name[len++] = '-';
	}
	ret_name[len] = '\0';
	return 0;
}

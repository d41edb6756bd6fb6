/* SPDX-License-Identifier: Apache-2.0 */
#include "format/version.h"

#include <errno.h>

#include "base/text.h"
#include "format/version_parts.h"

struct og_slice og_slice_take_digits(struct og_slice *text)
{
	size_t count = 0;
	struct og_slice taken;

	while (count < text->len && og_is_digit(text->at[count]))
		count++;
	taken = og_slice_head(*text, count);
	*text = og_slice_skip(*text, count);
	return taken;
}

bool og_slice_is(struct og_slice text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

bool og_slice_begins_nocase(struct og_slice text, const char *word)
{
	for (size_t i = 0; word[i] != '\0'; i++)
		if (i >= text.len || og_to_lower(text.at[i]) != word[i])
			return false;
	return true;
}

bool og_slice_is_nocase(struct og_slice text, const char *word)
{
	return text.len == strlen(word) && og_slice_begins_nocase(text, word);
}

bool og_slice_is_digits(struct og_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!og_is_digit(text.at[i]))
			return false;
	return text.len > 0;
}

static struct og_slice without_zeros(struct og_slice number)
{
	while (number.len > 0 && number.at[0] == '0')
		number = og_slice_skip(number, 1);
	return number;
}

int og_compare_digits(struct og_slice a, struct og_slice b)
{
	a = without_zeros(a);
	b = without_zeros(b);
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len > 0 ? memcmp(a.at, b.at, a.len) : 0;
}

int og_compare_bytes(struct og_slice a, struct og_slice b)
{
	size_t both = a.len < b.len ? a.len : b.len;
	int order = both > 0 ? memcmp(a.at, b.at, both) : 0;

	if (order != 0 || a.len == b.len)
		return order;
	return a.len < b.len ? -1 : 1;
}

int og_compare_nocase(struct og_slice a, struct og_slice b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++) {
		int order = og_to_lower(a.at[i]) - og_to_lower(b.at[i]);

		if (order != 0)
			return order;
	}
	return (a.len > b.len) - (a.len < b.len);
}

static int (*const orders[OG_VERSION_ORDERS])(struct og_slice a, struct og_slice b) = {
	[OG_VERSION_DEBIAN] = og_version_debian, [OG_VERSION_RPM] = og_version_rpm,
	[OG_VERSION_APK] = og_version_apk,	 [OG_VERSION_SEMVER] = og_version_semver,
	[OG_VERSION_PEP440] = og_version_pep440, [OG_VERSION_GEM] = og_version_gem,
	[OG_VERSION_MAVEN] = og_version_maven,
};

/* As the OSV schema lists them. */
static const struct {
	const char *name;
	enum og_version_order order;
} ecosystems[] = {
	{ "Debian", OG_VERSION_DEBIAN },
	{ "Ubuntu", OG_VERSION_DEBIAN },
	{ "Echo", OG_VERSION_DEBIAN },
	{ "Alpine", OG_VERSION_APK },
	{ "Wolfi", OG_VERSION_APK },
	{ "Chainguard", OG_VERSION_APK },
	{ "MinimOS", OG_VERSION_APK },
	{ "Alpaquita", OG_VERSION_APK },
	{ "BellSoft Hardened Containers", OG_VERSION_APK },
	{ "Red Hat", OG_VERSION_RPM },
	{ "AlmaLinux", OG_VERSION_RPM },
	{ "Rocky Linux", OG_VERSION_RPM },
	{ "Fedora", OG_VERSION_RPM },
	{ "Oracle Linux", OG_VERSION_RPM },
	{ "Amazon Linux", OG_VERSION_RPM },
	{ "Azure Linux", OG_VERSION_RPM },
	{ "Mageia", OG_VERSION_RPM },
	{ "openEuler", OG_VERSION_RPM },
	{ "openSUSE", OG_VERSION_RPM },
	{ "SUSE", OG_VERSION_RPM },
	{ "Photon OS", OG_VERSION_RPM },
	{ "CentOS", OG_VERSION_RPM },
	{ "npm", OG_VERSION_SEMVER },
	{ "Go", OG_VERSION_SEMVER },
	{ "crates.io", OG_VERSION_SEMVER },
	{ "PyPI", OG_VERSION_PEP440 },
	{ "RubyGems", OG_VERSION_GEM },
	{ "Maven", OG_VERSION_MAVEN },
};

int og_version_compare(enum og_version_order order, const char *a, const char *b)
{
	struct og_slice left = { a, strnlen(a, OG_VERSION_MAX) };
	struct og_slice right = { b, strnlen(b, OG_VERSION_MAX) };

	return orders[order](left, right);
}

int og_version_order_of(const char *ecosystem, enum og_version_order *ret_order)
{
	struct og_slice name = { ecosystem, strcspn(ecosystem, ":") };

	for (size_t i = 0; i < sizeof(ecosystems) / sizeof(ecosystems[0]); i++) {
		if (og_slice_is(name, ecosystems[i].name)) {
			*ret_order = ecosystems[i].order;
			return 0;
		}
	}
	return -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "trust/match_parts.h"

/* Adds @part percent-encoded (RFC 3986), but for "/" where @slashes, and ":" as purl-spec has it. */
static void add_encoded(struct og_text *purl, const char *part, bool slashes)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-_.~:/";

	while (*part != '\0') {
		size_t len = strspn(part, plain);
		const char *slash = slashes ? NULL : memchr(part, '/', len);

		if (slash != NULL)
			len = (size_t)(slash - part);
		og_text_add_bytes(purl, part, len);
		part += len;
		if (*part != '\0')
			og_text_addf(purl, "%%%02X", (unsigned char)*part++);
	}
}

/* "alpine" has "alpine", Red Hat's "rhel" is "redhat" (purl-spec, PURL-TYPES). */
const char *og_purl_namespace(const char *os_id)
{
	return og_streq(os_id, "rhel") ? "redhat" : os_id;
}

static void add_path(struct og_text *purl, const struct og_inventory *inventory,
		     const struct og_package *package)
{
	const char *colon;

	if (package->type <= OG_PACKAGE_RPM && inventory->os_id[0] != '\0') {
		add_encoded(purl, og_purl_namespace(inventory->os_id), false);
		og_text_add(purl, "/");
	}
	colon = package->type == OG_PACKAGE_MAVEN ? strchr(package->name, ':') : NULL;
	if (colon != NULL) {
		og_auto_free char *group =
			og_strdupf("%.*s", (int)(colon - package->name), package->name);

		purl->failed = purl->failed || group == NULL;
		add_encoded(purl, group != NULL ? group : "", false);
		og_text_add(purl, "/");
	}
	/* Names of npm and Go have their namespace in front, with a slash. */
	add_encoded(purl, colon != NULL ? colon + 1 : package->name,
		    package->type == OG_PACKAGE_NPM || package->type == OG_PACKAGE_GO);
}

int og_package_purl(const struct og_inventory *inventory, const struct og_package *package,
		    char **ret_purl)
{
	bool system = package->type <= OG_PACKAGE_RPM;
	const char *version = package->version;
	const char *colon = package->type == OG_PACKAGE_RPM ? strchr(version, ':') : NULL;
	og_auto_text purl = {};
	char mark = '?';

	og_text_addf(&purl, "pkg:%s/", og_package_type_name(package->type));
	add_path(&purl, inventory, package);
	og_text_add(&purl, "@");
	/* RPM's epoch is a qualifier. */
	add_encoded(&purl, colon != NULL ? colon + 1 : version, false);
	if (package->architecture[0] != '\0') {
		og_text_add(&purl, "?arch=");
		add_encoded(&purl, package->architecture, false);
		mark = '&';
	}
	if (system && inventory->os_id[0] != '\0' && inventory->os_version[0] != '\0') {
		og_text_addf(&purl, "%cdistro=", mark);
		add_encoded(&purl, inventory->os_id, false);
		og_text_add(&purl, "-");
		add_encoded(&purl, inventory->os_version, false);
		mark = '&';
	}
	if (colon != NULL)
		og_text_addf(&purl, "%cepoch=%.*s", mark, (int)(colon - version), version);
	*ret_purl = og_text_take(&purl);
	return *ret_purl == NULL ? -ENOMEM : 0;
}

int og_inventory_purl(const struct og_inventory *inventory, char **ret_purl)
{
	const char *slash = strrchr(inventory->target, '/');
	const char *name = slash != NULL ? slash + 1 : inventory->target;
	og_auto_text purl = {};

	if (inventory->image_digest[0] != '\0') {
		og_auto_free char *base = og_strdupf("%.*s", (int)strcspn(name, ":@"), name);

		purl.failed = base == NULL;
		og_text_add(&purl, "pkg:oci/");
		add_encoded(&purl, base != NULL ? base : "", false);
		og_text_add(&purl, "@");
		add_encoded(&purl, inventory->image_digest, false);
	}
	*ret_purl = og_text_take(&purl);
	return *ret_purl == NULL ? -ENOMEM : 0;
}

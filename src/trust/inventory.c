/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/inventory.h"

#include "trust/texts.h"

const char *og_package_type_name(enum og_package_type type)
{
	static const char *const names[OG_PACKAGE_TYPES] = {
		[OG_PACKAGE_DEB] = "deb",     [OG_PACKAGE_APK] = "apk",
		[OG_PACKAGE_RPM] = "rpm",     [OG_PACKAGE_NPM] = "npm",
		[OG_PACKAGE_PYPI] = "pypi",   [OG_PACKAGE_GO] = "golang",
		[OG_PACKAGE_CARGO] = "cargo", [OG_PACKAGE_GEM] = "gem",
		[OG_PACKAGE_MAVEN] = "maven",
	};

	return type < OG_PACKAGE_TYPES ? names[type] : "";
}

const char *og_finding_kind_name(enum og_finding_kind kind)
{
	static const char *const names[OG_FINDING_KINDS] = {
		[OG_FINDING_SECRET] = "secret",
		[OG_FINDING_SETUID] = "setuid",
		[OG_FINDING_ROOT_USER] = "root-user",
		[OG_FINDING_ENV_SECRET] = "env-secret",
		[OG_FINDING_NO_HEALTHCHECK] = "no-healthcheck",
		[OG_FINDING_ADD] = "add",
		[OG_FINDING_UPDATE_ALONE] = "update-alone",
	};

	return names[kind];
}

int og_inventory_set_unseen(struct og_inventory *inventory, const char *text, struct og_err *err)
{
	const char *kept = og_texts_add(inventory->texts, og_span_of(text));

	if (kept == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	inventory->unseen = kept;
	return 0;
}

struct og_inventory *og_inventory_free(struct og_inventory *inventory)
{
	if (inventory == NULL)
		return NULL;
	free(inventory->packages);
	free(inventory->findings);
	free(inventory->layers);
	(void)og_texts_free(inventory->texts);
	free(inventory);
	return NULL;
}

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

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX 2.3 (ISO/IEC 5962) as JSON: a bill of materials. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trust/report_parts.h"

#define NO_ASSERTION "NOASSERTION"

static void set_unknown(struct og_json *package)
{
	og_json_set_string(package, "downloadLocation", NO_ASSERTION);
	og_json_set_bool(package, "filesAnalyzed", false);
	og_json_set_string(package, "licenseConcluded", NO_ASSERTION);
	og_json_set_string(package, "licenseDeclared", NO_ASSERTION);
	og_json_set_string(package, "copyrightText", NO_ASSERTION);
	og_json_set_string(package, "supplier", NO_ASSERTION);
}

static void set_purl(struct og_json *package, const char *purl)
{
	struct og_json *refs = og_json_new_array(), *ref = og_json_new_object();

	og_json_set_string(ref, "referenceCategory", "PACKAGE-MANAGER");
	og_json_set_string(ref, "referenceType", "purl");
	og_json_set_string(ref, "referenceLocator", purl);
	og_json_push(refs, ref);
	og_json_set(package, "externalRefs", refs);
}

static struct og_json *package_of(const struct og_inventory *inventory, const struct og_refs *refs,
				  size_t index)
{
	const struct og_package *package = &inventory->packages[index];
	struct og_json *object = og_json_new_object();
	og_auto_free char *id = og_strdupf("SPDXRef-Package-%zu", index),
			  *source = og_strdupf("built package from: %s %s", package->source_name,
					       package->source_version),
			  *comment = og_strdupf("license as it says: %s", package->license);

	og_json_set_string(object, "SPDXID", id != NULL ? id : "");
	og_json_set_string(object, "name", package->name);
	og_json_set_string(object, "versionInfo", package->version);
	set_unknown(object);
	if (package->license[0] != '\0' && comment != NULL)
		og_json_set_string(object, "licenseComments", comment);
	if (package->type <= OG_PACKAGE_RPM && source != NULL)
		og_json_set_string(object, "sourceInfo", source);
	og_json_set_string(object, "primaryPackagePurpose", "LIBRARY");
	set_purl(object, refs->purls[index]);
	return object;
}

static struct og_json *target_of(const struct og_inventory *inventory)
{
	struct og_json *object = og_json_new_object();
	og_auto_free char *purl = NULL;

	og_json_set_string(object, "SPDXID", "SPDXRef-Target");
	og_json_set_string(object, "name", inventory->target);
	if (inventory->image_digest[0] != '\0')
		og_json_set_string(object, "versionInfo", inventory->image_digest);
	set_unknown(object);
	og_json_set_string(object, "primaryPackagePurpose",
			   inventory->layer_count > 0 ? "CONTAINER" : "OTHER");
	if (og_inventory_purl(inventory, &purl) == 0 && purl[0] != '\0')
		set_purl(object, purl);
	return object;
}

static struct og_json *relationship(const char *from, const char *kind, const char *to)
{
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "spdxElementId", from);
	og_json_set_string(object, "relationshipType", kind);
	og_json_set_string(object, "relatedSpdxElement", to);
	return object;
}

static struct og_json *creation(const struct og_report *report)
{
	struct og_json *info = og_json_new_object(), *creators = og_json_new_array();
	og_auto_free char *whole = og_strdupf("%.19sZ", report->now);

	/* SPDX knows no fractions of seconds. */
	og_json_set_string(info, "created", whole != NULL ? whole : report->now);
	og_json_push(creators, og_json_new_string("Tool: onggi-" OG_VERSION));
	og_json_set(info, "creators", creators);
	return info;
}

/* One name a document: FNV-1a of what it is about, and when. */
static char *name_space(const struct og_report *report)
{
	const struct og_inventory *inventory = report->scan->inventory;
	const char *const parts[] = { inventory->target, inventory->image_digest, report->now };
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < 3; i++)
		for (const char *at = parts[i]; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3U;
	return og_strdupf("urn:onggi:spdx:%016llx", (unsigned long long)hash);
}

int og_report_spdx(const struct og_report *report, const struct og_refs *refs, struct og_text *out)
{
	const struct og_inventory *inventory = report->scan->inventory;
	struct og_json *root = og_json_new_object(), *packages = og_json_new_array(),
		       *relations = og_json_new_array();
	og_auto_free char *names = name_space(report);

	og_json_set_string(root, "spdxVersion", "SPDX-2.3");
	og_json_set_string(root, "dataLicense", "CC0-1.0");
	og_json_set_string(root, "SPDXID", "SPDXRef-DOCUMENT");
	og_json_set_string(root, "name", inventory->target);
	og_json_set_string(root, "documentNamespace", names != NULL ? names : "");
	og_json_set(root, "creationInfo", creation(report));
	og_json_push(packages, target_of(inventory));
	og_json_push(relations, relationship("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Target"));
	for (size_t i = 0; i < inventory->package_count; i++) {
		og_auto_free char *id = og_strdupf("SPDXRef-Package-%zu", i);

		og_json_push(packages, package_of(inventory, refs, i));
		og_json_push(relations,
			     relationship("SPDXRef-Target", "CONTAINS", id != NULL ? id : ""));
	}
	og_json_set(root, "packages", packages);
	og_json_set(root, "relationships", relations);
	return og_report_add_json(out, root);
}

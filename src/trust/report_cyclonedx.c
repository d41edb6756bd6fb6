/* SPDX-License-Identifier: Apache-2.0 */
/* CycloneDX 1.5 (ECMA-424's forerunner): what is in it, and, where it was looked for, what is wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trust/report_parts.h"

#define ROOT_REF "onggi-target"

static void add_property(struct og_json *properties, const char *name, const char *value)
{
	struct og_json *property;

	if (value[0] == '\0')
		return;
	property = og_json_new_object();
	og_json_set_string(property, "name", name);
	og_json_set_string(property, "value", value);
	og_json_push(properties, property);
}

static void set_properties(struct og_json *component, const struct og_inventory *inventory,
			   const struct og_package *package)
{
	struct og_json *properties = og_json_new_array();
	bool other_source = !og_streq(package->source_name, package->name) ||
			    !og_streq(package->source_version, package->version);

	if (other_source) {
		add_property(properties, "onggi:source:name", package->source_name);
		add_property(properties, "onggi:source:version", package->source_version);
	}
	add_property(properties, "onggi:path", package->path);
	if (package->owned)
		add_property(properties, "onggi:owned", "true");
	if (package->layer < inventory->layer_count) {
		const struct og_inventory_layer *layer = &inventory->layers[package->layer];

		add_property(properties, "onggi:layer:digest", layer->digest);
		add_property(properties, "onggi:layer:diffID", layer->diff_id);
	}
	og_json_set(component, "properties", properties);
}

static void set_license(struct og_json *component, const char *name)
{
	struct og_json *licenses, *choice, *license;

	if (name[0] == '\0')
		return;
	licenses = og_json_new_array();
	choice = og_json_new_object();
	license = og_json_new_object();
	og_json_set_string(license, "name", name);
	og_json_set(choice, "license", license);
	og_json_push(licenses, choice);
	og_json_set(component, "licenses", licenses);
}

/* Maven's and npm's names are in two parts in CycloneDX. */
static void set_name(struct og_json *component, const struct og_package *package)
{
	const char *border = package->type == OG_PACKAGE_MAVEN ? strchr(package->name, ':')
			     : package->type == OG_PACKAGE_NPM && package->name[0] == '@'
				     ? strchr(package->name, '/')
				     : NULL;
	og_auto_free char *group = NULL;

	if (border != NULL) {
		group = og_strdupf("%.*s", (int)(border - package->name), package->name);
		og_json_set_string(component, "group", group != NULL ? group : "");
	}
	og_json_set_string(component, "name", border != NULL ? border + 1 : package->name);
}

static struct og_json *component_of(const struct og_inventory *inventory,
				    const struct og_refs *refs, size_t index)
{
	const struct og_package *package = &inventory->packages[index];
	struct og_json *component = og_json_new_object();

	og_json_set_string(component, "bom-ref", refs->refs[index]);
	og_json_set_string(component, "type", "library");
	set_name(component, package);
	og_json_set_string(component, "version", package->version);
	set_license(component, package->license);
	og_json_set_string(component, "purl", refs->purls[index]);
	set_properties(component, inventory, package);
	return component;
}

static struct og_json *system_of(const struct og_inventory *inventory)
{
	struct og_json *component = og_json_new_object();

	og_json_set_string(component, "bom-ref", "onggi-os");
	og_json_set_string(component, "type", "operating-system");
	og_json_set_string(component, "name", inventory->os_id);
	og_json_set_string(component, "version", inventory->os_version);
	if (inventory->os_name[0] != '\0')
		og_json_set_string(component, "description", inventory->os_name);
	return component;
}

static struct og_json *target_of(const struct og_inventory *inventory)
{
	struct og_json *component = og_json_new_object();
	og_auto_free char *purl = NULL;

	og_json_set_string(component, "bom-ref", ROOT_REF);
	og_json_set_string(component, "type",
			   inventory->layer_count > 0 ? "container" : "application");
	og_json_set_string(component, "name", inventory->target);
	if (inventory->image_digest[0] != '\0')
		og_json_set_string(component, "version", inventory->image_digest);
	if (og_inventory_purl(inventory, &purl) == 0 && purl[0] != '\0')
		og_json_set_string(component, "purl", purl);
	return component;
}

static struct og_json *metadata_of(const struct og_report *report)
{
	struct og_json *metadata = og_json_new_object(), *tools = og_json_new_object(),
		       *list = og_json_new_array(), *tool = og_json_new_object();

	og_json_set_string(metadata, "timestamp", report->now);
	og_json_set_string(tool, "type", "application");
	og_json_set_string(tool, "name", "onggi");
	og_json_set_string(tool, "version", OG_VERSION);
	og_json_push(list, tool);
	og_json_set(tools, "components", list);
	og_json_set(metadata, "tools", tools);
	og_json_set(metadata, "component", target_of(report->scan->inventory));
	return metadata;
}

static const char *method_of(const char *vector)
{
	if (og_starts_with(vector, "CVSS:4.0/"))
		return "CVSSv4";
	if (og_starts_with(vector, "CVSS:3.1/"))
		return "CVSSv31";
	return og_starts_with(vector, "CVSS:3.0/") ? "CVSSv3" : "CVSSv2";
}

static struct og_json *ratings_of(const struct og_hit *hit)
{
	static const char *const severities[OG_SEVERITIES] = {
		[OG_SEVERITY_UNKNOWN] = "unknown", [OG_SEVERITY_NEGLIGIBLE] = "info",
		[OG_SEVERITY_LOW] = "low",	   [OG_SEVERITY_MEDIUM] = "medium",
		[OG_SEVERITY_HIGH] = "high",	   [OG_SEVERITY_CRITICAL] = "critical",
	};
	struct og_json *array = og_json_new_array(), *rating = og_json_new_object();

	if (hit->score_tenths >= 0)
		og_json_set(rating, "score", og_json_new_double(hit->score_tenths / 10.0));
	og_json_set_string(rating, "severity", severities[hit->severity]);
	if (hit->vector[0] != '\0') {
		og_json_set_string(rating, "method", method_of(hit->vector));
		og_json_set_string(rating, "vector", hit->vector);
	}
	og_json_push(array, rating);
	return array;
}

static struct og_json *analysis_of(const struct og_hit *hit)
{
	static const struct {
		const char *said, *state;
	} states[] = {
		{ "not_affected", "not_affected" }, { "fixed", "resolved" },
		{ "affected", "exploitable" },	    { "under_investigation", "in_triage" },
		{ "ignored", "exploitable" },
	};
	struct og_json *analysis = og_json_new_object();

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (og_streq(states[i].said, hit->said))
			og_json_set_string(analysis, "state", states[i].state);
	if (hit->reason[0] != '\0')
		og_json_set_string(analysis, "detail", hit->reason);
	return analysis;
}

static struct og_json *affects_of(const struct og_scan *scan, const struct og_refs *refs,
				  const struct og_hit *hit)
{
	struct og_json *affects = og_json_new_array();

	for (size_t i = 0; i < hit->package_count; i++) {
		struct og_json *one = og_json_new_object(), *versions = og_json_new_array(),
			       *version = og_json_new_object();

		og_json_set_string(one, "ref", refs->refs[hit->packages[i]]);
		og_json_set_string(version, "version",
				   scan->inventory->packages[hit->packages[i]].version);
		og_json_set_string(version, "status", "affected");
		og_json_push(versions, version);
		og_json_set(one, "versions", versions);
		og_json_push(affects, one);
	}
	return affects;
}

static struct og_json *vulnerability_of(const struct og_scan *scan, const struct og_refs *refs,
					const struct og_hit *hit)
{
	struct og_json *object = og_json_new_object(), *source = og_json_new_object();

	og_json_set_string(object, "id", hit->id);
	og_json_set_string(source, "name", hit->source);
	if (hit->url[0] != '\0')
		og_json_set_string(source, "url", hit->url);
	og_json_set(object, "source", source);
	og_json_set(object, "ratings", ratings_of(hit));
	if (hit->summary[0] != '\0')
		og_json_set_string(object, "description", hit->summary);
	if (hit->fixed[0] != '\0') {
		og_auto_free char *text = og_strdupf("Update %s to %s", hit->name, hit->fixed);

		og_json_set_string(object, "recommendation", text != NULL ? text : "");
	}
	if (strchr(hit->published, 'T') != NULL)
		og_json_set_string(object, "published", hit->published);
	if (hit->said[0] != '\0')
		og_json_set(object, "analysis", analysis_of(hit));
	og_json_set(object, "affects", affects_of(scan, refs, hit));
	return object;
}

/* That not all of the components are known. */
static struct og_json *incomplete(void)
{
	struct og_json *list = og_json_new_array(), *one = og_json_new_object();

	og_json_set_string(one, "aggregate", "incomplete");
	og_json_push(list, one);
	return list;
}

int og_report_cyclonedx(const struct og_report *report, const struct og_refs *refs,
			struct og_text *out)
{
	const struct og_scan *scan = report->scan;
	const struct og_inventory *inventory = scan->inventory;
	struct og_json *root = og_json_new_object(), *components = og_json_new_array(),
		       *vulnerabilities = og_json_new_array();

	og_json_set_string(root, "$schema", "http://cyclonedx.org/schema/bom-1.5.schema.json");
	og_json_set_string(root, "bomFormat", "CycloneDX");
	og_json_set_string(root, "specVersion", "1.5");
	og_json_set_int(root, "version", 1);
	og_json_set(root, "metadata", metadata_of(report));
	if (inventory->os_id[0] != '\0')
		og_json_push(components, system_of(inventory));
	for (size_t i = 0; i < inventory->package_count; i++)
		og_json_push(components, component_of(inventory, refs, i));
	og_json_set(root, "components", components);
	if (inventory->unseen[0] != '\0')
		og_json_set(root, "compositions", incomplete());
	for (size_t i = 0; i < scan->hit_count; i++)
		og_json_push(vulnerabilities, vulnerability_of(scan, refs, &scan->hits[i]));
	if (scan->database_written[0] != '\0')
		og_json_set(root, "vulnerabilities", vulnerabilities);
	else
		og_json_free(vulnerabilities);
	return og_report_add_json(out, root);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* OASIS SARIF 2.1.0: a rule a vulnerability, a result a row. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trust/report_parts.h"

static const char *level_of(enum og_severity severity)
{
	if (severity >= OG_SEVERITY_HIGH)
		return "error";
	return severity == OG_SEVERITY_MEDIUM ? "warning" : "note";
}

static struct og_json *message(const char *text)
{
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "text", text);
	return object;
}

static void set_messagef(struct og_json *object, const char *key, char *text)
{
	og_json_set(object, key, message(text != NULL ? text : ""));
	free(text);
}

/* RFC 3986: what may stand in a URI stays; a path's own "%", "?" and "#" mean nothing. */
static void set_uri(struct og_json *object, const char *key, const char *text, bool is_path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~!$&'()*+,;=:@/";
	og_auto_text uri = {};

	/* What is before the first colon would be a scheme. */
	if (is_path && strcspn(text, ":") < strcspn(text, "/"))
		og_text_add(&uri, "./");
	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL || (!is_path && strchr("%?#[]", *text) != NULL))
			og_text_add_bytes(&uri, text, 1);
		else
			og_text_addf(&uri, "%%%02X", (unsigned char)*text);
	}
	og_json_set_string(object, key, uri.buf != NULL ? uri.buf : "");
}

static struct og_json *rule_of(const struct og_hit *hit)
{
	/* What GitHub sorts by, where there is no score. */
	static const char *const scores[OG_SEVERITIES] = {
		"0.0", "0.1", "2.0", "5.5", "8.0", "9.5"
	};
	struct og_json *rule = og_json_new_object(), *properties = og_json_new_object(),
		       *tags = og_json_new_array(), *configuration = og_json_new_object();

	og_json_set_string(rule, "id", hit->id);
	set_messagef(rule, "shortDescription",
		     og_strdupf("%s", hit->summary[0] != '\0' ? hit->summary : hit->id));
	if (hit->url[0] != '\0')
		set_uri(rule, "helpUri", hit->url, false);
	og_json_set_string(configuration, "level", level_of(hit->severity));
	og_json_set(rule, "defaultConfiguration", configuration);
	og_json_set_string(properties, "security-severity",
			   hit->score_tenths >= 0 ? og_score_text(hit->score_tenths).text
						  : scores[hit->severity]);
	og_json_push(tags, og_json_new_string("security"));
	og_json_push(tags, og_json_new_string("vulnerability"));
	og_json_push(tags, og_json_new_string(og_severity_name(hit->severity)));
	og_json_set(properties, "tags", tags);
	og_json_set(rule, "properties", properties);
	return rule;
}

static struct og_json *location_of(const struct og_inventory *inventory, const char *path)
{
	struct og_json *location = og_json_new_object(), *physical = og_json_new_object(),
		       *artifact = og_json_new_object(), *region = og_json_new_object();

	if (path[0] != '\0')
		set_uri(artifact, "uri", path, true);
	else
		set_uri(artifact, "uri", inventory->target, false);
	og_json_set(physical, "artifactLocation", artifact);
	og_json_set_int(region, "startLine", 1);
	og_json_set(physical, "region", region);
	og_json_set(location, "physicalLocation", physical);
	return location;
}

static struct og_json *suppressions_of(const struct og_hit *hit)
{
	struct og_json *array = og_json_new_array(), *one = og_json_new_object();

	og_json_set_string(one, "kind", "external");
	og_json_set_string(one, "justification", hit->reason[0] != '\0' ? hit->reason : hit->said);
	og_json_push(array, one);
	return array;
}

static struct og_json *result_of(const struct og_scan *scan, const struct og_refs *refs,
				 const struct og_hit *hit, size_t rule)
{
	const char *last = NULL;
	struct og_json *result = og_json_new_object(), *locations = og_json_new_array(),
		       *prints = og_json_new_object();
	og_auto_free char *print = og_strdupf("%s/%s", hit->id, refs->purls[hit->packages[0]]);

	og_json_set_string(result, "ruleId", hit->id);
	og_json_set_int(result, "ruleIndex", (int64_t)rule);
	og_json_set_string(result, "level", level_of(hit->severity));
	set_messagef(result, "message",
		     og_strdupf("%s %s: %s (%s), %s%s", hit->name, hit->version, hit->id,
				og_severity_name(hit->severity),
				hit->fixed[0] != '\0' ? "fixed in "
						      : og_hit_status_name(hit->status),
				hit->fixed));
	/* It is mended when it is in all of them. */
	for (size_t i = 0; i < hit->package_count; i++) {
		const char *path = scan->inventory->packages[hit->packages[i]].path;

		if (last == NULL || !og_streq(last, path))
			og_json_push(locations, location_of(scan->inventory, path));
		last = path;
	}
	og_json_set(result, "locations", locations);
	og_json_set_string(prints, "onggi/v1", print != NULL ? print : "");
	og_json_set(result, "partialFingerprints", prints);
	if (hit->hidden)
		og_json_set(result, "suppressions", suppressions_of(hit));
	return result;
}

static struct og_json *finding_result(const struct og_inventory *inventory,
				      const struct og_finding *finding)
{
	struct og_json *result = og_json_new_object(), *locations = og_json_new_array();

	og_json_set_string(result, "ruleId", finding->rule);
	og_json_set_string(result, "level",
			   finding->kind == OG_FINDING_SECRET ||
					   finding->kind == OG_FINDING_ENV_SECRET
				   ? "error"
				   : "note");
	set_messagef(result, "message",
		     og_strdupf("%s: %s", og_finding_kind_name(finding->kind), finding->detail));
	og_json_push(locations, location_of(inventory, finding->path));
	og_json_set(result, "locations", locations);
	return result;
}

static int compare_ids(const void *left, const void *right, void *data)
{
	const struct og_hit *hits = data;
	const size_t *a = left, *b = right;
	int way = strcmp(hits[*a].id, hits[*b].id);

	return way != 0 ? way : (*a > *b) - (*a < *b);
}

/* One rule for each id, of the first row that has it; @ret_rules: each row's. */
static int add_rules(const struct og_scan *scan, struct og_json *rules, size_t *ret_rules)
{
	og_auto_free size_t *order = calloc(scan->hit_count + 1, sizeof(order[0]));
	size_t count = 0;

	if (order == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < scan->hit_count; i++)
		order[i] = i;
	qsort_r(order, scan->hit_count, sizeof(order[0]), compare_ids, scan->hits);
	for (size_t i = 0; i < scan->hit_count; i++) {
		const struct og_hit *hit = &scan->hits[order[i]];

		if (i == 0 || !og_streq(hit->id, scan->hits[order[i - 1]].id)) {
			og_json_push(rules, rule_of(hit));
			count++;
		}
		ret_rules[order[i]] = count - 1;
	}
	return 0;
}

int og_report_sarif(const struct og_report *report, const struct og_refs *refs, struct og_text *out)
{
	const struct og_scan *scan = report->scan;
	og_auto_free size_t *rule_of_hit = calloc(scan->hit_count + 1, sizeof(rule_of_hit[0]));
	struct og_json *root = og_json_new_object(), *runs = og_json_new_array(),
		       *run = og_json_new_object(), *tool = og_json_new_object(),
		       *driver = og_json_new_object(), *rules = og_json_new_array(),
		       *results = og_json_new_array();
	int r = rule_of_hit == NULL ? -ENOMEM : add_rules(scan, rules, rule_of_hit);

	for (size_t i = 0; r == 0 && i < scan->hit_count; i++)
		og_json_push(results, result_of(scan, refs, &scan->hits[i], rule_of_hit[i]));
	for (size_t i = 0; i < scan->inventory->finding_count; i++)
		og_json_push(results,
			     finding_result(scan->inventory, &scan->inventory->findings[i]));
	og_json_set_string(root, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	og_json_set_string(root, "version", "2.1.0");
	og_json_set_string(driver, "name", "onggi");
	og_json_set_string(driver, "fullName", "onggi scan");
	og_json_set_string(driver, "version", OG_VERSION);
	og_json_set(driver, "rules", rules);
	og_json_set(tool, "driver", driver);
	og_json_set(run, "tool", tool);
	og_json_set(run, "results", results);
	og_json_push(runs, run);
	og_json_set(root, "runs", runs);
	return r < 0 ? (og_json_free(root), r) : og_report_add_json(out, root);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trust/report_parts.h"

static const char *const format_names[OG_REPORT_FORMATS] = {
	[OG_REPORT_TABLE] = "table",	     [OG_REPORT_JSON] = "json", [OG_REPORT_SARIF] = "sarif",
	[OG_REPORT_CYCLONEDX] = "cyclonedx", [OG_REPORT_SPDX] = "spdx", [OG_REPORT_JUNIT] = "junit",
};

int og_report_format_parse(const char *name, enum og_report_format *ret_format)
{
	for (size_t i = 0; i < OG_REPORT_FORMATS; i++) {
		if (og_streq(format_names[i], name)) {
			*ret_format = (enum og_report_format)i;
			return 0;
		}
	}
	return -EINVAL;
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

struct og_score_text og_score_text(int tenths)
{
	struct og_score_text score = {};

	if (tenths >= 0)
		(void)snprintf(score.text, sizeof(score.text), "%d.%d", tenths / 10, tenths % 10);
	return score;
}

int64_t og_report_database_days(const struct og_report *report)
{
	struct timespec written, now;

	if (og_clock_parse(report->scan->database_written, &written) < 0 ||
	    og_clock_parse(report->now, &now) < 0 || now.tv_sec < written.tv_sec)
		return -1;
	return (now.tv_sec - written.tv_sec) / (24L * 60 * 60);
}

static int compare_purls(const void *left, const void *right, void *data)
{
	char *const *purls = data;
	const size_t *a = left, *b = right;
	int way = strcmp(purls[*a], purls[*b]);

	return way != 0 ? way : (*a > *b) - (*a < *b);
}

int og_refs_init(const struct og_inventory *inventory, struct og_refs *ret_refs)
{
	size_t count = inventory->package_count, same = 1;
	og_auto_free size_t *order = calloc(count + 1, sizeof(order[0]));

	*ret_refs = (struct og_refs){ .purls = calloc(count + 1, sizeof(char *)),
				      .refs = calloc(count + 1, sizeof(char *)),
				      .count = count };
	if (order == NULL || ret_refs->purls == NULL || ret_refs->refs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		order[i] = i;
		if (og_package_purl(inventory, &inventory->packages[i], &ret_refs->purls[i]) < 0)
			return -ENOMEM;
	}
	qsort_r(order, count, sizeof(order[0]), compare_purls, ret_refs->purls);
	for (size_t i = 0; i < count; i++) {
		const char *purl = ret_refs->purls[order[i]];

		same = i > 0 && og_streq(purl, ret_refs->purls[order[i - 1]]) ? same + 1 : 1;
		ret_refs->refs[order[i]] = same == 1 ? og_strdupf("%s", purl)
						     : og_strdupf("%s#%zu", purl, same);
		if (ret_refs->refs[order[i]] == NULL)
			return -ENOMEM;
	}
	return 0;
}

void og_refs_done(struct og_refs *refs)
{
	for (size_t i = 0; i < refs->count; i++) {
		if (refs->purls != NULL)
			free(refs->purls[i]);
		if (refs->refs != NULL)
			free(refs->refs[i]);
	}
	free(refs->purls);
	free(refs->refs);
	*refs = (struct og_refs){};
}

int og_report_add_json(struct og_text *out, struct og_json *root)
{
	og_auto_free char *text = og_json_write_pretty(root);

	og_json_free(root);
	if (text == NULL)
		return -ENOMEM;
	og_text_add(out, text);
	og_text_add(out, "\n");
	return 0;
}

static void set_layer(struct og_json *object, const struct og_inventory *inventory, size_t index)
{
	struct og_json *layer;

	if (index >= inventory->layer_count)
		return;
	layer = og_json_new_object();
	og_json_set_int(layer, "index", (int64_t)index);
	og_json_set_string(layer, "digest", inventory->layers[index].digest);
	og_json_set_string(layer, "diff_id", inventory->layers[index].diff_id);
	og_json_set_string(layer, "created_by", inventory->layers[index].created_by);
	og_json_set(object, "layer", layer);
}

static struct og_json *words(const char *text)
{
	struct og_json *array = og_json_new_array();

	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		og_auto_free char *word = og_strdupf("%.*s", (int)len, text);

		if (len > 0)
			og_json_push(array, og_json_new_string(word != NULL ? word : ""));
		text += len + (text[len] == ' ');
	}
	return array;
}

static struct og_json *package_tree(const struct og_inventory *inventory,
				    const struct og_refs *refs, size_t index)
{
	const struct og_package *package = &inventory->packages[index];
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "type", og_package_type_name(package->type));
	og_json_set_string(object, "name", package->name);
	og_json_set_string(object, "version", package->version);
	og_json_set_string(object, "purl", refs->purls[index]);
	og_json_set_string(object, "path", package->path);
	set_layer(object, inventory, package->layer);
	return object;
}

static struct og_json *hit_tree(const struct og_scan *scan, const struct og_refs *refs,
				const struct og_hit *hit)
{
	struct og_json *object = og_json_new_object(), *packages = og_json_new_array();

	og_json_set_string(object, "id", hit->id);
	og_json_set(object, "aliases", words(hit->aliases));
	og_json_set_string(object, "severity", og_severity_name(hit->severity));
	if (hit->score_tenths >= 0)
		og_json_set(object, "score", og_json_new_double(hit->score_tenths / 10.0));
	og_json_set_string(object, "vector", hit->vector);
	og_json_set_string(object, "status", og_hit_status_name(hit->status));
	og_json_set_string(object, "ecosystem", hit->ecosystem);
	og_json_set_string(object, "package", hit->name);
	og_json_set_string(object, "version", hit->version);
	og_json_set_string(object, "fixed_version", hit->fixed);
	og_json_set_string(object, "summary", hit->summary);
	og_json_set_string(object, "url", hit->url);
	og_json_set_string(object, "published", hit->published);
	og_json_set_string(object, "source", hit->source);
	for (size_t i = 0; i < hit->package_count; i++)
		og_json_push(packages, package_tree(scan->inventory, refs, hit->packages[i]));
	og_json_set(object, "packages", packages);
	if (hit->said[0] != '\0') {
		og_json_set_string(object, "said", hit->said);
		og_json_set_string(object, "reason", hit->reason);
	}
	return object;
}

static struct og_json *summary_tree(const struct og_scan *scan)
{
	const struct og_inventory *inventory = scan->inventory;
	struct og_json *summary = og_json_new_object(), *fixable = og_json_new_object(),
		       *packages = og_json_new_object(), *findings = og_json_new_object();
	int64_t counts[OG_FINDING_KINDS] = {};

	for (size_t i = OG_SEVERITIES; i > 0; i--) {
		const char *name = og_severity_name((enum og_severity)(i - 1));

		og_json_set_int(summary, name, scan->total[i - 1]);
		og_json_set_int(fixable, name, scan->fixable[i - 1]);
	}
	og_json_set(summary, "fixable", fixable);
	og_json_set_int(summary, "hidden", scan->hidden);
	og_json_set_int(packages, "total", (int64_t)inventory->package_count);
	og_json_set_int(packages, "judged", (int64_t)scan->judged);
	og_json_set_int(packages, "owned", (int64_t)scan->owned);
	og_json_set_int(packages, "unjudged", (int64_t)scan->unjudged);
	og_json_set(summary, "packages", packages);
	for (size_t i = 0; i < inventory->finding_count; i++)
		counts[inventory->findings[i].kind]++;
	for (size_t i = 0; i < OG_FINDING_KINDS; i++)
		og_json_set_int(findings, og_finding_kind_name((enum og_finding_kind)i), counts[i]);
	og_json_set(summary, "findings", findings);
	return summary;
}

static struct og_json *database_tree(const struct og_report *report)
{
	const struct og_scan *scan = report->scan;
	struct og_json *database, *sources;
	int64_t days = og_report_database_days(report);

	if (scan->database_written[0] == '\0')
		return NULL;
	database = og_json_new_object();
	sources = og_json_new_array();
	og_json_set_string(database, "written", scan->database_written);
	if (days >= 0)
		og_json_set_int(database, "age_days", days);
	for (size_t i = 0; i < scan->source_count; i++) {
		struct og_json *source = og_json_new_object();

		og_json_set_string(source, "name", scan->sources[i].name);
		og_json_set_string(source, "imported", scan->sources[i].imported);
		og_json_set_string(source, "newest", scan->sources[i].newest);
		og_json_set_int(source, "records", scan->sources[i].records);
		og_json_push(sources, source);
	}
	og_json_set(database, "sources", sources);
	return database;
}

static struct og_json *findings_tree(const struct og_inventory *inventory)
{
	struct og_json *array = og_json_new_array();

	for (size_t i = 0; i < inventory->finding_count; i++) {
		const struct og_finding *finding = &inventory->findings[i];
		struct og_json *object = og_json_new_object();

		og_json_set_string(object, "kind", og_finding_kind_name(finding->kind));
		og_json_set_string(object, "rule", finding->rule);
		og_json_set_string(object, "path", finding->path);
		og_json_set_string(object, "detail", finding->detail);
		og_json_set_bool(object, "deleted", finding->deleted);
		set_layer(object, inventory, finding->layer);
		og_json_push(array, object);
	}
	return array;
}

static struct og_json *identity_tree(const struct og_inventory *inventory, struct og_json *root)
{
	struct og_json *image = og_json_new_object(), *os = og_json_new_object(),
		       *scanner = og_json_new_object();

	og_json_set_string(root, "schema", "onggi-scan/1");
	og_json_set_string(root, "target", inventory->target);
	og_json_set_string(image, "digest", inventory->image_digest);
	og_json_set_string(image, "id", inventory->image_id);
	og_json_set(root, "image", image);
	og_json_set_string(os, "id", inventory->os_id);
	og_json_set_string(os, "version", inventory->os_version);
	og_json_set_string(os, "name", inventory->os_name);
	og_json_set(root, "os", os);
	og_json_set_string(scanner, "name", "onggi");
	og_json_set_string(scanner, "version", OG_VERSION);
	og_json_set(root, "scanner", scanner);
	return root;
}

static struct og_json *report_tree(const struct og_report *report, const struct og_refs *refs)
{
	const struct og_scan *scan = report->scan;
	struct og_json *root = identity_tree(scan->inventory, og_json_new_object()),
		       *shown = og_json_new_array(), *hidden = og_json_new_array(),
		       *warnings = og_json_new_array();

	og_json_set_string(root, "scanned_at", report->now);
	og_json_set(root, "database", database_tree(report));
	og_json_set_bool(root, "complete",
			 scan->database_written[0] != '\0' && scan->unjudged == 0);
	og_json_set(root, "summary", summary_tree(scan));
	for (size_t i = 0; i < scan->warning_count; i++)
		og_json_push(warnings, og_json_new_string(scan->warnings[i]));
	og_json_set(root, "warnings", warnings);
	for (size_t i = 0; i < scan->hit_count; i++)
		og_json_push(scan->hits[i].hidden ? hidden : shown,
			     hit_tree(scan, refs, &scan->hits[i]));
	og_json_set(root, "vulnerabilities", shown);
	og_json_set(root, "hidden", hidden);
	og_json_set(root, "findings", findings_tree(scan->inventory));
	return root;
}

static int write_with_refs(const struct og_report *report, enum og_report_format format,
			   struct og_text *out)
{
	struct og_refs refs;
	int r = og_refs_init(report->scan->inventory, &refs);

	if (r == 0 && format == OG_REPORT_JSON)
		r = og_report_add_json(out, report_tree(report, &refs));
	else if (r == 0 && format == OG_REPORT_SARIF)
		r = og_report_sarif(report, &refs, out);
	else if (r == 0 && format == OG_REPORT_CYCLONEDX)
		r = og_report_cyclonedx(report, &refs, out);
	else if (r == 0)
		r = og_report_spdx(report, &refs, out);
	og_refs_done(&refs);
	return r;
}

int og_report_write(const struct og_report *report, enum og_report_format format,
		    struct og_text *out, struct og_err *err)
{
	int r;

	if (format == OG_REPORT_TABLE)
		r = og_report_table(report, out);
	else if (format == OG_REPORT_JUNIT)
		r = og_report_junit(report, out);
	else
		r = write_with_refs(report, format, out);
	return r < 0 || out->failed ? og_fail(err, -ENOMEM, "report") : 0;
}

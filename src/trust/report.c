/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_stream.h"
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

static void write_tree(struct og_json_stream *out, const char *key, struct og_json *tree)
{
	og_json_stream_value(out, key, tree);
	og_json_free(tree);
}

static void write_layer(struct og_json_stream *out, const struct og_inventory *inventory,
			size_t index)
{
	if (index >= inventory->layer_count)
		return;
	og_json_stream_object(out, "layer");
	write_tree(out, "index", og_json_new_int((int64_t)index));
	og_json_stream_string(out, "digest", inventory->layers[index].digest);
	og_json_stream_string(out, "diff_id", inventory->layers[index].diff_id);
	og_json_stream_string(out, "created_by", inventory->layers[index].created_by);
	og_json_stream_end(out);
}

static void write_words(struct og_json_stream *out, const char *key, const char *text)
{
	og_json_stream_array(out, key);
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (len > 0)
			og_json_stream_part(out, NULL, text, len);
		text += len + (text[len] == ' ');
	}
	og_json_stream_end(out);
}

static void write_package(struct og_json_stream *out, const struct og_inventory *inventory,
			  const struct og_refs *refs, size_t index)
{
	const struct og_package *package = &inventory->packages[index];

	og_json_stream_object(out, NULL);
	og_json_stream_string(out, "type", og_package_type_name(package->type));
	og_json_stream_string(out, "name", package->name);
	og_json_stream_string(out, "version", package->version);
	og_json_stream_string(out, "purl", refs->purls[index]);
	og_json_stream_string(out, "path", package->path);
	write_layer(out, inventory, package->layer);
	og_json_stream_end(out);
}

static void write_hit(struct og_json_stream *out, const struct og_scan *scan,
		      const struct og_refs *refs, const struct og_hit *hit)
{
	og_json_stream_object(out, NULL);
	og_json_stream_string(out, "id", hit->id);
	write_words(out, "aliases", hit->aliases);
	og_json_stream_string(out, "severity", og_severity_name(hit->severity));
	if (hit->score_tenths >= 0)
		og_json_stream_double(out, "score", hit->score_tenths / 10.0);
	og_json_stream_string(out, "vector", hit->vector);
	og_json_stream_string(out, "status", og_hit_status_name(hit->status));
	og_json_stream_string(out, "ecosystem", hit->ecosystem);
	og_json_stream_string(out, "package", hit->name);
	og_json_stream_string(out, "version", hit->version);
	og_json_stream_string(out, "fixed_version", hit->fixed);
	og_json_stream_string(out, "summary", hit->summary);
	og_json_stream_string(out, "url", hit->url);
	og_json_stream_string(out, "published", hit->published);
	og_json_stream_string(out, "source", hit->source);
	og_json_stream_array(out, "packages");
	for (size_t i = 0; i < hit->package_count; i++)
		write_package(out, scan->inventory, refs, hit->packages[i]);
	og_json_stream_end(out);
	if (hit->said[0] != '\0') {
		og_json_stream_string(out, "said", hit->said);
		og_json_stream_string(out, "reason", hit->reason);
	}
	og_json_stream_end(out);
}

static void write_hits(struct og_json_stream *out, const char *key, const struct og_scan *scan,
		       const struct og_refs *refs, bool hidden)
{
	og_json_stream_array(out, key);
	for (size_t i = 0; i < scan->hit_count; i++)
		if (scan->hits[i].hidden == hidden)
			write_hit(out, scan, refs, &scan->hits[i]);
	og_json_stream_end(out);
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

static void write_findings(struct og_json_stream *out, const struct og_inventory *inventory)
{
	og_json_stream_array(out, "findings");
	for (size_t i = 0; i < inventory->finding_count; i++) {
		const struct og_finding *finding = &inventory->findings[i];

		og_json_stream_object(out, NULL);
		og_json_stream_string(out, "kind", og_finding_kind_name(finding->kind));
		og_json_stream_string(out, "rule", finding->rule);
		og_json_stream_string(out, "path", finding->path);
		og_json_stream_string(out, "detail", finding->detail);
		write_tree(out, "deleted", og_json_new_bool(finding->deleted));
		write_layer(out, inventory, finding->layer);
		og_json_stream_end(out);
	}
	og_json_stream_end(out);
}

static void write_identity(struct og_json_stream *out, const struct og_inventory *inventory)
{
	og_json_stream_string(out, "schema", "onggi-scan/1");
	og_json_stream_string(out, "target", inventory->target);
	og_json_stream_object(out, "image");
	og_json_stream_string(out, "digest", inventory->image_digest);
	og_json_stream_string(out, "id", inventory->image_id);
	og_json_stream_end(out);
	og_json_stream_object(out, "os");
	og_json_stream_string(out, "id", inventory->os_id);
	og_json_stream_string(out, "version", inventory->os_version);
	og_json_stream_string(out, "name", inventory->os_name);
	og_json_stream_end(out);
	og_json_stream_object(out, "scanner");
	og_json_stream_string(out, "name", "onggi");
	og_json_stream_string(out, "version", OG_VERSION);
	og_json_stream_end(out);
}

/* Not as a tree, as the small reports are: each row would be a hundred allocations. */
static void write_json(const struct og_report *report, const struct og_refs *refs,
		       struct og_text *text)
{
	const struct og_scan *scan = report->scan;
	struct og_json_stream out = { .text = text, .pretty = true };

	og_json_stream_object(&out, NULL);
	write_identity(&out, scan->inventory);
	og_json_stream_string(&out, "scanned_at", report->now);
	write_tree(&out, "database", database_tree(report));
	write_tree(&out, "complete",
		   og_json_new_bool(scan->database_written[0] != '\0' && scan->unjudged == 0 &&
				    scan->inventory->unseen[0] == '\0'));
	write_tree(&out, "summary", summary_tree(scan));
	og_json_stream_array(&out, "warnings");
	for (size_t i = 0; i < scan->warning_count; i++)
		og_json_stream_string(&out, NULL, scan->warnings[i]);
	og_json_stream_end(&out);
	write_hits(&out, "vulnerabilities", scan, refs, false);
	write_hits(&out, "hidden", scan, refs, true);
	write_findings(&out, scan->inventory);
	og_json_stream_end(&out);
	og_text_add(text, "\n");
}

static int write_with_refs(const struct og_report *report, enum og_report_format format,
			   struct og_text *out)
{
	struct og_refs refs;
	int r = og_refs_init(report->scan->inventory, &refs);

	if (r == 0 && format == OG_REPORT_JSON)
		write_json(report, &refs, out);
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

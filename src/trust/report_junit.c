/* SPDX-License-Identifier: Apache-2.0 */
/* JUnit's XML, as CI systems read it. */
#include "trust/report_parts.h"

/* Texts hold no control characters (match.h, inventory.h), so that only these mean something. */
static void add_escaped(struct og_text *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			og_text_add(out, "&amp;");
			break;
		case '<':
			og_text_add(out, "&lt;");
			break;
		case '>':
			og_text_add(out, "&gt;");
			break;
		case '"':
			og_text_add(out, "&quot;");
			break;
		default:
			og_text_add_bytes(out, text, 1);
		}
	}
}

static void add_attribute(struct og_text *out, const char *name, const char *value)
{
	og_text_addf(out, " %s=\"", name);
	add_escaped(out, value);
	og_text_add(out, "\"");
}

static void begin_case(struct og_text *out, const char *class, const char *class_version,
		       const char *name)
{
	og_text_add(out, "    <testcase classname=\"");
	add_escaped(out, class);
	og_text_add(out, class_version[0] != '\0' ? " " : "");
	add_escaped(out, class_version);
	og_text_add(out, "\"");
	add_attribute(out, "name", name);
	og_text_add(out, " time=\"0\">\n");
}

static void add_hit(struct og_text *out, const struct og_hit *hit)
{
	og_auto_free char *name = og_strdupf("[%s] %s", og_severity_name(hit->severity), hit->id);

	begin_case(out, hit->name, hit->version, name != NULL ? name : hit->id);
	if (hit->hidden) {
		og_text_add(out, "      <skipped");
		add_attribute(out, "message", hit->reason[0] != '\0' ? hit->reason : hit->said);
		og_text_add(out, "/>\n");
	} else {
		og_text_add(out, "      <failure type=\"vulnerability\"");
		add_attribute(out, "message", hit->summary[0] != '\0' ? hit->summary : hit->id);
		og_text_add(out, ">");
		add_escaped(out,
			    hit->fixed[0] != '\0' ? "fixed in " : og_hit_status_name(hit->status));
		add_escaped(out, hit->fixed);
		og_text_add(out, "</failure>\n");
	}
	og_text_add(out, "    </testcase>\n");
}

int og_report_junit(const struct og_report *report, struct og_text *out)
{
	const struct og_scan *scan = report->scan;
	size_t failed = scan->hit_count - scan->hidden;
	size_t tests = scan->hit_count > 0 ? scan->hit_count : 1;

	og_text_add(out,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"onggi scan\"");
	og_text_addf(out, " tests=\"%zu\" failures=\"%zu\">\n  <testsuite", tests, failed);
	add_attribute(out, "name", scan->inventory->target);
	og_text_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%u\"", tests,
		     failed, scan->hidden);
	add_attribute(out, "timestamp", report->now);
	og_text_add(out, " time=\"0\">\n");
	if (scan->hit_count == 0) {
		begin_case(out, scan->inventory->target, "", "no known vulnerability");
		og_text_add(out, "    </testcase>\n");
	}
	for (size_t i = 0; i < scan->hit_count; i++)
		add_hit(out, &scan->hits[i]);
	og_text_add(out, "  </testsuite>\n</testsuites>\n");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For people. All texts come from inventory and database, where control characters became blanks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trust/report_parts.h"

#define COLUMNS	      6
#define SUMMARY_LEAST 20 /* columns */

static const char *const titles[COLUMNS] = { "PACKAGE",	 "VERSION",  "VULNERABILITY",
					     "SEVERITY", "FIXED IN", "SUMMARY" };

/* SGR codes of terminals (ECMA-48). */
static const char *const colours[OG_SEVERITIES] = {
	[OG_SEVERITY_UNKNOWN] = "2", [OG_SEVERITY_NEGLIGIBLE] = "2",
	[OG_SEVERITY_LOW] = "36",    [OG_SEVERITY_MEDIUM] = "33",
	[OG_SEVERITY_HIGH] = "31",   [OG_SEVERITY_CRITICAL] = "1;31",
};

/* Characters of UTF-8; wide ones count as one. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* The bytes of the first @width characters. */
static int bytes_of(const char *text, size_t width)
{
	const char *at = text;

	for (; *at != '\0'; at++) {
		if ((*at & 0xc0) == 0x80)
			continue;
		if (width-- == 0)
			break;
	}
	return (int)(at - text);
}

static void cells_of(const struct og_hit *hit, const char *cells[COLUMNS])
{
	static const char *const unfixed[OG_HIT_STATUSES] = {
		[OG_HIT_FIXED] = "",
		[OG_HIT_UNFIXED] = "-",
		[OG_HIT_WONT_FIX] = "won't fix",
	};

	cells[0] = hit->name;
	cells[1] = hit->version;
	cells[2] = hit->id;
	cells[3] = og_severity_name(hit->severity);
	cells[4] = hit->fixed[0] != '\0' ? hit->fixed : unfixed[hit->status];
	cells[5] = hit->summary;
}

static void add_cell(struct og_text *out, const char *text, size_t width, const char *colour)
{
	size_t own = width_of(text);

	if (colour != NULL)
		og_text_addf(out, "\033[%sm%s\033[0m", colour, text);
	else
		og_text_add(out, text);
	og_text_addf(out, "%*s", (int)(own < width ? width - own : 0) + 2, "");
}

static void add_row(const struct og_report *report, const char *const cells[COLUMNS],
		    const size_t widths[COLUMNS], const char *colour, struct og_text *out)
{
	size_t used = 0, left = SIZE_MAX;

	for (size_t i = 0; i + 1 < COLUMNS; i++) {
		add_cell(out, cells[i], widths[i], i == 3 ? colour : NULL);
		used += widths[i] + 2;
	}
	if (report->width > 0)
		left = report->width > used + SUMMARY_LEAST ? report->width - used : SUMMARY_LEAST;
	og_text_addf(out, "%.*s", bytes_of(cells[COLUMNS - 1], left), cells[COLUMNS - 1]);
	while (out->len > 0 && out->buf[out->len - 1] == ' ')
		out->buf[--out->len] = '\0';
	og_text_add(out, "\n");
}

static void add_hits(const struct og_report *report, bool hidden, struct og_text *out)
{
	const struct og_scan *scan = report->scan;
	size_t widths[COLUMNS];
	const char *cells[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = width_of(titles[c]);
	for (size_t i = 0; i < scan->hit_count; i++) {
		cells_of(&scan->hits[i], cells);
		for (size_t c = 0; c + 1 < COLUMNS && scan->hits[i].hidden == hidden; c++)
			if (width_of(cells[c]) > widths[c])
				widths[c] = width_of(cells[c]);
	}
	add_row(report, titles, widths, NULL, out);
	for (size_t i = 0; i < scan->hit_count; i++) {
		const struct og_hit *hit = &scan->hits[i];

		if (hit->hidden != hidden)
			continue;
		cells_of(hit, cells);
		if (hidden)
			cells[5] = hit->reason[0] != '\0' ? hit->reason : hit->said;
		add_row(report, cells, widths, report->colours ? colours[hit->severity] : NULL,
			out);
	}
}

static void add_findings(const struct og_inventory *inventory, struct og_text *out)
{
	if (inventory->finding_count > 0)
		og_text_add(out, "\nWhat should not be in it:\n");
	for (size_t i = 0; i < inventory->finding_count; i++) {
		const struct og_finding *finding = &inventory->findings[i];

		og_text_addf(out, "  %s: %s%s%s%s", og_finding_kind_name(finding->kind),
			     finding->path, finding->path[0] != '\0' ? ": " : "", finding->detail,
			     finding->deleted ? " (deleted by a later layer, and still in it)"
					      : "");
		if (finding->layer < inventory->layer_count)
			og_text_addf(out, " [layer %zu]", finding->layer);
		og_text_add(out, "\n");
	}
}

static void add_head(const struct og_report *report, struct og_text *out)
{
	const struct og_scan *scan = report->scan;
	const struct og_inventory *inventory = scan->inventory;
	int64_t days = og_report_database_days(report);

	og_text_add(out, inventory->target);
	if (inventory->os_name[0] != '\0')
		og_text_addf(out, " (%s)", inventory->os_name);
	og_text_addf(out, "\n%zu packages", inventory->package_count);
	if (scan->owned > 0)
		og_text_addf(out, ", %zu of them brought by others", scan->owned);
	if (scan->database_written[0] != '\0')
		og_text_addf(out, "; database of %.10s", scan->database_written);
	if (days > 0)
		og_text_addf(out, ", %lld day%s old", (long long)days, days == 1 ? "" : "s");
	og_text_add(out, "\n");
}

static void add_totals(const struct og_scan *scan, struct og_text *out)
{
	unsigned total = 0, fixable = 0;

	for (size_t i = 0; i < OG_SEVERITIES; i++) {
		total += scan->total[i];
		fixable += scan->fixable[i];
	}
	og_text_addf(out, "\n%u vulnerabilit%s", total, total == 1 ? "y" : "ies");
	for (size_t i = OG_SEVERITIES; total > 0 && i > 0; i--)
		if (scan->total[i - 1] > 0)
			og_text_addf(out, ", %u %s", scan->total[i - 1],
				     og_severity_name((enum og_severity)(i - 1)));
	if (total > 0)
		og_text_addf(out, "; %u fixed in a later version", fixable);
	if (scan->hidden > 0)
		og_text_addf(out, "; %u more not counted (--show-hidden)", scan->hidden);
	og_text_add(out, "\n");
}

int og_report_table(const struct og_report *report, struct og_text *out)
{
	const struct og_scan *scan = report->scan;

	add_head(report, out);
	if (scan->hit_count > scan->hidden) {
		og_text_add(out, "\n");
		add_hits(report, false, out);
	}
	if (report->hidden && scan->hidden > 0) {
		og_text_add(out, "\nNot counted, and why:\n");
		add_hits(report, true, out);
	}
	add_findings(scan->inventory, out);
	if (scan->database_written[0] != '\0')
		add_totals(scan, out);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/units.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct og_unit_text og_human_size(int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	struct og_unit_text human;
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 1000.0 && unit < 6; unit++)
		size /= 1000.0;
	(void)snprintf(human.text, sizeof(human.text), "%.3g%s", size, units[unit]);
	/* Three digits of 999.6 round to 1e+03. */
	if (strchr(human.text, 'e') != NULL)
		(void)snprintf(human.text, sizeof(human.text), "%.0f%s", size, units[unit]);
	return human;
}

struct og_unit_text og_human_duration(int64_t seconds)
{
	static const struct {
		int64_t below; /* seconds */
		int64_t unit;
		const char *one;
		const char *many;
	} steps[] = {
		{ 1, 1, "Less than a second", "Less than a second" },
		{ 60, 1, "1 second", "%lld seconds" },
		{ 60 * 60, 60, "About a minute", "%lld minutes" },
		{ 48 * 3600, 3600, "About an hour", "%lld hours" },
		{ 14 * 86400, 86400, "%lld days", "%lld days" },
		{ 60 * 86400, 7 * 86400, "%lld weeks", "%lld weeks" },
		{ 730 * 86400LL, 30 * 86400, "%lld months", "%lld months" },
		{ INT64_MAX, 365 * 86400LL, "%lld years", "%lld years" },
	};
	struct og_unit_text human = {};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		long long count = seconds / steps[i].unit;

		if (seconds >= steps[i].below)
			continue;
		if (count <= 1 && strchr(steps[i].one, '%') == NULL)
			(void)snprintf(human.text, sizeof(human.text), "%s", steps[i].one);
		else
			(void)snprintf(human.text, sizeof(human.text), "%lld%s", count,
				       strchr(steps[i].many, ' '));
		break;
	}
	return human;
}

struct og_unit_text og_short_id(const char *id)
{
	const char *colon = strchr(id, ':');
	struct og_unit_text text;

	(void)snprintf(text.text, sizeof(text.text), "%.12s", colon != NULL ? colon + 1 : id);
	return text;
}

struct og_unit_text og_local_time(int64_t seconds)
{
	struct og_unit_text text = {};
	time_t moment = (time_t)seconds;
	struct tm tm = {};

	(void)localtime_r(&moment, &tm);
	(void)strftime(text.text, sizeof(text.text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "image/parts.h"

#define BAR_INTERVAL_MS 100

void og_reporter_init(struct og_reporter *reporter, og_progress_fn *fn, void *data)
{
	*reporter = (struct og_reporter){ .fn = fn, .data = data };
	(void)pthread_mutex_init(&reporter->lock, NULL);
}

void og_reporter_done(struct og_reporter *reporter)
{
	(void)pthread_mutex_destroy(&reporter->lock);
}

void og_reporter_end(struct og_reporter *reporter, int code)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&reporter->code, &none, code);
}

int og_reporter_tick(void *data)
{
	struct og_reporter *reporter = data;

	return atomic_load(&reporter->code);
}

int og_report(struct og_reporter *reporter, const char *id, const char *text, uint64_t current,
	      uint64_t total)
{
	const struct og_progress progress = {
		.id = id, .text = text, .current = current, .total = total
	};
	int r = 0;

	if (reporter->fn != NULL) {
		(void)pthread_mutex_lock(&reporter->lock);
		r = reporter->fn(reporter->data, &progress);
		(void)pthread_mutex_unlock(&reporter->lock);
	}
	if (r < 0)
		og_reporter_end(reporter, r);
	return og_reporter_tick(reporter);
}

int og_reportf(struct og_reporter *reporter, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return og_report(reporter, NULL, text, 0, 0);
}

int og_bar_advance(struct og_bar *bar, uint64_t bytes)
{
	uint64_t now = og_clock_ms();

	bar->current += bytes;
	if (now - bar->shown_ms < BAR_INTERVAL_MS)
		return og_reporter_tick(bar->reporter);
	bar->shown_ms = now;
	return og_report(bar->reporter, bar->id, bar->text, bar->current, bar->total);
}

void og_short_id(const struct og_digest *digest, char ret_id[13])
{
	(void)snprintf(ret_id, 13, "%.12s", og_digest_hex(digest).text);
}

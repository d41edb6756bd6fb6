/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and times as people read them, in Docker's words. */
#pragma once

#include <stdint.h>

#define OG_UNIT_TEXT_BYTES 48

struct og_unit_text {
	char text[OG_UNIT_TEXT_BYTES];
};

/* 1984172 -> "1.98MB" */
struct og_unit_text og_human_size(int64_t bytes);

/* 7260 -> "2 hours" */
struct og_unit_text og_human_duration(int64_t seconds);

/* "sha256:14a681c63660..." -> "14a681c63660" */
struct og_unit_text og_short_id(const char *id);

/* Seconds since 1970 -> "2026-11-23 18:04:05 +0900 KST" in local time. */
struct og_unit_text og_local_time(int64_t seconds);

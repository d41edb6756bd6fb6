/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as RFC 3339 text in UTC, as all documents of Docker and OCI have them. */
#pragma once

#include <stdint.h>
#include <time.h>

#define OG_CLOCK_TEXT_BYTES 40

/* The zero moment of Docker's documents: "it has not happened". */
#define OG_CLOCK_NEVER "0001-01-01T00:00:00Z"

/* "2026-11-23T18:04:05.123456789Z" */
void og_clock_format(const struct timespec *moment, char ret_text[OG_CLOCK_TEXT_BYTES]);

/* The same for this moment. */
void og_clock_now(char ret_text[OG_CLOCK_TEXT_BYTES]);

/* Reads RFC 3339 with any fraction and offset. Years 0001 to 9999. Errors: -EINVAL. */
int og_clock_parse(const char *text, struct timespec *ret_moment);

/* Milliseconds that only ever grow. */
uint64_t og_clock_ms(void);

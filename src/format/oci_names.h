/* SPDX-License-Identifier: Apache-2.0 */
/* The names that config.json has for numbers of the kernel. */
#pragma once

/* "CAP_CHOWN" -> 0 (capabilities(7)). Errors: -EINVAL (no such name). */
int og_cap_number(const char *name);

/* 0 -> "CAP_CHOWN"; NULL: no such number. */
const char *og_cap_name(int number);

/* "RLIMIT_NOFILE" -> 7, as on every architecture that we run on. Errors: -EINVAL. */
int og_rlimit_number(const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/* Signals by name and number, as kill(1) and Docker call them. */
#pragma once

/* "TERM", "SIGTERM", "15" -> 15; 0 when there is none of that name. */
int og_signal_number(const char *text);

/* 15 -> "TERM"; NULL when it has no name. */
const char *og_signal_name(int number);

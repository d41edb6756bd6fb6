/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <string.h>

/* "TERM", NULL where there is no such signal. */
static inline const char *sigabbrev_np(int number)
{
	static const char names[32][8] = {
		"",	  "HUP",  "INT",    "QUIT", "ILL",   "TRAP", "ABRT", "BUS",
		"FPE",	  "KILL", "USR1",   "SEGV", "USR2",  "PIPE", "ALRM", "TERM",
		"STKFLT", "CHLD", "CONT",   "STOP", "TSTP",  "TTIN", "TTOU", "URG",
		"XCPU",	  "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR",  "SYS",
	};

	return number > 0 && number < 32 ? names[number] : NULL;
}

static inline const char *strerrordesc_np(int code)
{
	return strerror(code);
}

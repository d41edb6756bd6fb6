/* SPDX-License-Identifier: Apache-2.0 */
#include "client/signals.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

int og_signal_number(const char *text)
{
	uint64_t number = 0;

	if (og_parse_u64(text, 1, (uint64_t)SIGRTMAX, &number) == 0)
		return (int)number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);

		if (name != NULL && strcasecmp(name, text) == 0)
			return i;
	}
	return 0;
}

const char *og_signal_name(int number)
{
	return sigabbrev_np(number);
}

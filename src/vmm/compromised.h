/* SPDX-License-Identifier: Apache-2.0 */
/* What a compromised I/O thread or front does, in the weakened build; else nothing. */
#pragma once

#ifdef OG_WEAKENED
void og_act_compromised(const char *where);
#else
static inline void og_act_compromised(const char *where)
{
	(void)where;
}
#endif

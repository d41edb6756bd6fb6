/* SPDX-License-Identifier: Apache-2.0 */
/* Private to vmm/: what a compromised I/O thread does, in the weakened build; else nothing. */
#pragma once

#ifdef OG_WEAKENED
void og_vmm_act_compromised(void);
#else
static inline void og_vmm_act_compromised(void)
{
}
#endif

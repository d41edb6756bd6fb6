/* SPDX-License-Identifier: Apache-2.0 */
/* Instead of musl's, which repeats the kernel's header without what came after it. */
#pragma once

#include <linux/prctl.h>

int prctl(int option, ...);

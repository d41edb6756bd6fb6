/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "format/guest.h"

/* What the guest's kernel counts. What it does not is 0. */
void og_guest_stats_read(struct og_guest_stats *ret_stats);

/* SPDX-License-Identifier: Apache-2.0 */
/* --net: a network card in words, "KEY=VALUE,KEY=VALUE". */
#pragma once

#include "vmm/vmm.h"

/* Adds a card to @config. Its descriptor is open afterwards. Errors: -EINVAL, those of og_tap_open(). */
int og_net_option(struct og_vmm_config *config, const char *words, struct og_err *err);

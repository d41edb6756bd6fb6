/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps: network interfaces of the host whose other end is a descriptor. They are opened by whoever may
 * (root, or the owner of the tap) before the machine's process is locked up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* An interface's name, NUL included (IFNAMSIZ). */
#define OG_TAP_NAME_MAX 16

/*
 * Attaches to the tap called @name, which is made where there is none and the caller may. Frames have
 * the header of net_header.h in front, and reading never blocks. *@ret_fd is the caller's.
 * Errors: -EINVAL (no interface's name), those of /dev/net/tun: -EPERM, -EBUSY (it is in use).
 */
int og_tap_open(const char *name, int *ret_fd, struct og_err *err);

/*
 * Brings an open tap into the form above and tells the offloads (TUN_F_*) that this kernel has; none are
 * on. Errors: -EINVAL (no tap, or one whose frames have no header).
 */
int og_tap_prepare(int fd, unsigned *ret_offloads, struct og_err *err);

/* What frames the tap may give from now on. The one call of this part that a locked up machine makes. */
int og_tap_set_offloads(int fd, unsigned offloads);

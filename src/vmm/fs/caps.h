/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities of a process that serves files, inside its own user namespace where it has one. */
#pragma once

#include <linux/capability.h>
#include <stdint.h>

#define OG_FS_CAP(name) (1ULL << CAP_##name)

/* Files of every user, with their owners; and making them as another user. */
#define OG_FS_CAPS_WRITE                                                                      \
	(OG_FS_CAP(CHOWN) | OG_FS_CAP(DAC_OVERRIDE) | OG_FS_CAP(FOWNER) | OG_FS_CAP(FSETID) | \
	 OG_FS_CAP(SETUID) | OG_FS_CAP(SETGID))

/* Files of every user, to be read. */
#define OG_FS_CAPS_READ OG_FS_CAP(DAC_READ_SEARCH)

/* Of OG_FS_CAPS_WRITE, which the process kept, those of @caps count from here on. */
void og_fs_caps_effective(uint64_t caps);

/* SPDX-License-Identifier: Apache-2.0 */
/* os-release(5): which distribution this is. Without I/O. */
#pragma once

#include <stddef.h>

#define OG_OS_RELEASE_VALUE_MAX 128 /* bytes, NUL included; longer ones are cut */

struct og_os_release {
	char id[OG_OS_RELEASE_VALUE_MAX]; /* "debian"; "" where missing */
	char version_id[OG_OS_RELEASE_VALUE_MAX];
	char pretty_name[OG_OS_RELEASE_VALUE_MAX];
	char codename[OG_OS_RELEASE_VALUE_MAX]; /* VERSION_CODENAME */
};

/* Never fails: what is not understood is left empty. Quotes and the shell's escapes are undone. */
void og_os_release_read(const char *buf, size_t len, struct og_os_release *ret_release);

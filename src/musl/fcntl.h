/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <fcntl.h>

/* musl's own sets close-on-exec by a second call, for kernels that no one has any more. */
#undef open
#define open(path, ...) openat(AT_FDCWD, path, __VA_ARGS__)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that another process brings page by page (userfaultfd), asked for as Firecracker does it:
 * the descriptor goes over a stream socket with a JSON text of where the memory is and where in the
 * memory file each region is kept.
 */
#pragma once

#include "vmm/memory.h"

/*
 * Both descriptors stay the caller's; @device_fd is /dev/userfaultfd, or negative: then the system
 * call is tried. The socket stays open as long as the machine: its end tells who serves it.
 * @huge: the memory is of 2 MiB pages, and is brought in such. Afterwards a touch of memory waits until the other side has brought the page.
 * Errors: -EPERM (the host does not let this process), what the socket says.
 */
int og_uffd_begin(struct og_mem *mem, int device_fd, int socket_fd, bool huge, struct og_err *err);

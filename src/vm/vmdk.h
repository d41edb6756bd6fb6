/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of several files, described for QEMU: a VMDK descriptor with one flat extent a file. */
#pragma once

#include "base/err.h"
#include "vm/disks.h"

/*
 * Writes the description, and a sparse file of zeros for the gaps, into @dir_fd. Files are named
 * by descriptors that QEMU must inherit, @dir_fd too. @path gets the description's.
 */
int og_vmdk_write(const struct og_vm_disk *disk, int dir_fd, char *path, size_t path_size,
		  struct og_err *err);

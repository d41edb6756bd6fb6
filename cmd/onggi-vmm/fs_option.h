/* SPDX-License-Identifier: Apache-2.0 */
/* --fs: a shared folder in words, "tag=TAG,path=DIR[,ro]". */
#pragma once

#include "vmm/vmm.h"

/*
 * Adds a folder to @config and starts the process that serves it: the machine opens no file.
 * "/dev/fd/N" in place of DIR is an open descriptor. Errors: -EINVAL, those of og_fs_start().
 */
int og_fs_option(struct og_vmm_config *config, const char *words, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory whose first fork copies no page tables, however much there is. It lies in a file without a
 * name that the machine alone has, mapped as shared, until shortly before that fork. Then, while
 * the guest runs, each piece of it is mapped anew, as private: what the guest wrote so far stays in
 * the file, which nobody writes any more, and what it writes from then on are pages of its own. The
 * fork has to copy page tables of those few alone; all others both machines find in the file.
 *
 * The file needs not be of one instant for that, and the machine is afterwards as if it had been
 * restored from it.
 */
#pragma once

#include "vmm/memory.h"

/*
 * Puts @mem, all of it, of which nothing was touched yet, into such a file. Where the file would be
 * larger than RLIMIT_FSIZE allows memory stays what it is, and forks copy page tables.
 * Errors: what the kernel refuses.
 */
int og_mem_share(struct og_mem *mem, struct og_err *err);

/*
 * Makes a shared @mem private, and the file @mem->file_fd. The guest may run; no device may be
 * about to write into its memory. Nothing is done where memory is not shared.
 * Errors: -ENOMEM; the next call goes on.
 */
int og_mem_unshare(struct og_mem *mem, struct og_err *err);

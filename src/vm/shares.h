/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's folders and files that a VM's workload has as mounts of type bind. The hypervisor
 * shares each by virtio-fs under a tag, and the guest mounts what has that tag at the destination.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/oci_config.h"

/* onggi-vmm's. */
#define OG_VM_SHARES_MAX 8

/* How the guest is told of one: in place of the type, and as an option for a single file. */
#define OG_VM_SHARE_TYPE "virtiofs"
#define OG_VM_SHARE_FILE "onggi.file"

struct og_vm_share {
	const struct og_oci_mount *mount; /* borrowed */
	char tag[16];
	int fd; /* O_PATH; owned */
	bool readonly, is_file;
};

struct og_vm_shares {
	struct og_vm_share items[OG_VM_SHARES_MAX];
	size_t count;
};

/*
 * Opens what @config mounts from the host, in its order. On success *@ret_shares is the caller's to
 * free, and keeps pointing into @config.
 * Errors: -E2BIG, -EOPNOTSUPP (neither a folder nor a file, or an option that a VM cannot have),
 * those of open().
 */
int og_vm_shares_open(const struct og_oci_config *config, struct og_vm_shares **ret_shares,
		      struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_vm_shares *og_vm_shares_free(struct og_vm_shares *shares);
OG_DEFINE_CLEANUP(struct og_vm_shares, og_vm_shares_free)

/* NULL where @mount is nothing of the host's. */
const struct og_vm_share *og_vm_shares_find(const struct og_vm_shares *shares,
					    const struct og_oci_mount *mount);

/* Adds the options that the guest is told of, separated by commas. */
struct og_text;
void og_vm_share_options(const struct og_vm_share *share, struct og_text *out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into images, folders, disks and bills of materials, and makes an inventory (inventory.h) of
 * each. Nothing is run, mounted or unpacked. What is read is a stranger's: damaged databases of a
 * distribution's packages are an error, since nothing could be said of what they hide; damaged
 * files of a language's packages are passed over, as the language itself would.
 *
 * On success *@ret_inventory is the caller's to free. Errors of all: -EBADMSG (damaged), -E2BIG,
 * -EFBIG (a limit), -ENOMEM, what reading says.
 */
#pragma once

#include "trust/inventory.h"

/* A root file system below @dir_fd. Links are not followed, other file systems not entered. */
int og_inspect_folder(int dir_fd, const char *target, struct og_inventory **ret_inventory,
		      struct og_err *err);

/*
 * An image in a tar: Docker's form or an OCI layout, compressed or not. @fd is read from where it
 * stands; what is no plain file there is first copied into one without a name. @name, a name or tag in the archive,
 * chooses among several; NULL: the only one, the first, or this platform's. Each layer must be what the
 * image's configuration says. Errors: also -ENOENT (no such image in it).
 */
int og_inspect_archive(int fd, const char *name, const char *target,
		       struct og_inventory **ret_inventory, struct og_err *err);

/* An OCI layout in a folder; @name as above, or a digest. */
int og_inspect_layout(int dir_fd, const char *name, const char *target,
		      struct og_inventory **ret_inventory, struct og_err *err);

/* A disk's files; borrowed. What they are is what whoever opened them says: it is never guessed. */
struct og_inspect_disk {
	int fd; /* a file or a device */
	bool qcow2;
	int backing_fd; /* what a qcow2 image lies over; negative: nothing */
	bool backing_qcow2;
};

/*
 * A disk with a GPT, an MBR or no table, and ext2, ext3 or ext4 on it. Each of its file systems counts as
 * a root. What is only in a journal is not seen, and of a qcow2 image nothing of the snapshots inside: stop
 * the machine first. Errors: also -ENOTSUP (no file system that is read), -EOPNOTSUPP (a qcow2 image of a
 * kind that is not read, or over another file), -EINVAL (it lies over none).
 */
int og_inspect_disk(const struct og_inspect_disk *disk, const char *target,
		    struct og_inventory **ret_inventory, struct og_err *err);

/* A bill of materials: CycloneDX or SPDX 2, as JSON. What it says is believed. */
int og_inspect_sbom(int fd, const char *target, struct og_inventory **ret_inventory,
		    struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks of a VM as the annotation org.onggi.vm.disks gives them: JSON text
 *	[{"readonly":true,"parts":[{"path":"/…/merged.erofs","offset":0},
 *				   {"path":"/…/layer.erofs","offset":1048576}]},
 *	 {"readonly":false,"parts":[{"path":"/…/scratch.img","offset":0}]}]
 * A disk is its parts at their byte offsets, and zeros between them. The first disk is the image,
 * the second, if there, what is written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_VM_DISKS_MAX	 2
#define OG_VM_PARTS_MAX	 256U	      /* Docker stops at 127 layers */
#define OG_VM_DISK_ALIGN 512U	      /* sectors */
#define OG_VM_DISK_MAX	 (1ULL << 44) /* 16 TiB: what EROFS addresses with blocks of 4 KiB */

struct og_vm_part {
	int fd; /* owned */
	uint64_t offset;
	uint64_t size;
};

struct og_vm_disk {
	bool readonly;
	struct og_vm_part *parts;
	size_t part_count;
};

struct og_vm_disks {
	struct og_vm_disk items[OG_VM_DISKS_MAX];
	size_t count;
};

/*
 * Reads @text and opens every file. On success *@ret_disks is the caller's to free.
 * Errors: -EINVAL (the text, or parts that overlap), or what open() says of a named file.
 */
int og_vm_disks_open(const char *text, struct og_vm_disks **ret_disks, struct og_err *err);
struct og_vm_disks *og_vm_disks_free(struct og_vm_disks *disks);
OG_DEFINE_CLEANUP(struct og_vm_disks, og_vm_disks_free)

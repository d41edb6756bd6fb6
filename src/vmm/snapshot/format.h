/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file of a snapshot, byte by byte in docs/snapshot-format.md: a header, tagged sections,
 * a checksum. No I/O. The reader takes a stranger's bytes and judges sizes, tags and the checksum;
 * what a section says is judged by whoever it belongs to.
 *
 * A section whose tag begins with a capital letter must be understood; any other may be skipped.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/limits.h"
#include "vmm/snapshot/pack.h"

#define OG_SNAPSHOT_MAJOR 1U
#define OG_SNAPSHOT_MINOR 1U

/* 32 vCPUs with the largest registers, all devices, and a configuration. */
#define OG_SNAPSHOT_BYTES_MAX (8U << 20)

/* The vCPUs' and, beside them, room for what later versions add. */
#define OG_SNAPSHOT_SECTIONS_MAX (OG_VMM_CPUS_MAX + 32U)

#define OG_SNAPSHOT_TAG(a, b, c, d) \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

#define OG_SNAPSHOT_MACHINE OG_SNAPSHOT_TAG('M', 'A', 'C', 'H')
#define OG_SNAPSHOT_KVM	    OG_SNAPSHOT_TAG('K', 'V', 'M', ' ')
#define OG_SNAPSHOT_VCPU    OG_SNAPSHOT_TAG('V', 'C', 'P', 'U') /* one for each, in order */
#define OG_SNAPSHOT_SERIAL  OG_SNAPSHOT_TAG('S', 'E', 'R', 'L')
#define OG_SNAPSHOT_PCI	    OG_SNAPSHOT_TAG('P', 'C', 'I', ' ')
#define OG_SNAPSHOT_DEVICES OG_SNAPSHOT_TAG('D', 'E', 'V', 'S')
#define OG_SNAPSHOT_KEYS    OG_SNAPSHOT_TAG('k', 'e', 'y', 's') /* from 1.1 on */
#define OG_SNAPSHOT_CONFIG  OG_SNAPSHOT_TAG('c', 'o', 'n', 'f') /* the front's own text */

/* Begins with the header; after it sections are written into @pack; then it is finished. */
void og_snapshot_begin(struct og_pack *pack, void *buf, size_t room);

/* Gives what og_pack_close() wants. */
size_t og_snapshot_open_section(struct og_pack *pack, uint32_t tag);

/* -ENOSPC: it did not fit. Then @pack->len bytes are the file. */
int og_snapshot_finish(struct og_pack *pack, struct og_err *err);

struct og_snapshot {
	uint16_t minor;
	unsigned n_sections;

	struct og_snapshot_section {
		uint32_t tag;
		struct og_unpack content;
	} sections[OG_SNAPSHOT_SECTIONS_MAX];
};

/*
 * Looks at @len bytes, which the result borrows. Errors: -EBADMSG (no snapshot, cut, bent, or its
 * sizes cannot be), -ENOTSUP (of a version, or with a section, that is not known here).
 */
int og_snapshot_read(const void *bytes, size_t len, struct og_snapshot *ret_snapshot,
		     struct og_err *err);

/* The same where the checksum is known to be right: it was made in memory, or somebody has read it. */
int og_snapshot_read_again(const void *bytes, size_t len, struct og_snapshot *ret_snapshot,
			   struct og_err *err);

/* The @nth section of that tag, to be read from its start; where there is none it has failed. */
struct og_unpack og_snapshot_section(const struct og_snapshot *snapshot, uint32_t tag,
				     unsigned nth);

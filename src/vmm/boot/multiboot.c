/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that say by a header how they are to be started (multiboot 0.6.96, section 3.1). */
#include <string.h>

#include "vmm/boot/formats.h"

#define HEADER_MAGIC 0x1badb002U
#define HEADER_ALIGN 4U
#define FLAG_ALIGN   (1U << 0) /* modules on pages: they always are */
#define FLAG_MEMORY  (1U << 1) /* always given */
#define FLAG_VIDEO   (1U << 2)
#define FLAG_ADDRESS (1U << 16)
#define FLAGS_MUST   0xffffU /* what a loader that does not know it must not ignore */

struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

#define HEADER_BYTES_MIN 12

bool og_multiboot_find(const struct og_kernel_file *file, size_t *ret_offset)
{
	struct header h;

	for (size_t at = 0;
	     file->head_bytes >= HEADER_BYTES_MIN && at <= file->head_bytes - HEADER_BYTES_MIN;
	     at += HEADER_ALIGN) {
		memcpy(&h, file->head + at, HEADER_BYTES_MIN);
		if (h.magic == HEADER_MAGIC && h.magic + h.flags + h.checksum == 0) {
			*ret_offset = at;
			return true;
		}
	}
	return false;
}

/* The "a.out kludge": addresses from the header, one segment that begins before it in the file. */
static int plan_addresses(const struct og_kernel_file *file, size_t offset, const struct header *h,
			  struct og_kernel_plan *plan, struct og_err *err)
{
	uint64_t start, bytes, memory;

	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > offset)
		return og_kernel_refuse(err, "multiboot header is not where it says it is loaded");
	start = offset - (h->header_addr - h->load_addr);
	bytes = file->bytes - start;
	if (h->load_end_addr != 0) {
		if (h->load_end_addr < h->load_addr)
			return og_kernel_refuse(err, "multiboot kernel ends before it begins");
		bytes = h->load_end_addr - h->load_addr;
	}
	memory = bytes;
	if (h->bss_end_addr != 0) {
		if (h->bss_end_addr < h->load_addr || h->bss_end_addr - h->load_addr < bytes)
			return og_kernel_refuse(err, "multiboot kernel ends inside itself");
		memory = h->bss_end_addr - h->load_addr;
	}
	plan->entry = h->entry_addr;
	return og_kernel_add_segment(file, plan, start, bytes, h->load_addr, memory, err);
}

int og_multiboot_plan(const struct og_kernel_file *file, size_t offset, bool elf,
		      struct og_kernel_plan *plan, struct og_err *err)
{
	size_t left = file->head_bytes - offset;
	struct header h = {};

	memcpy(&h, file->head + offset, left < sizeof(h) ? left : sizeof(h));
	if ((h.flags & FLAG_VIDEO) != 0)
		return og_kernel_refuse(err, "multiboot kernel wants a screen, and there is none");
	if ((h.flags & FLAGS_MUST & ~(FLAG_ALIGN | FLAG_MEMORY)) != 0)
		return og_kernel_refuse(err, "multiboot kernel wants what version 1 does not have");

	plan->protocol = OG_KERNEL_MULTIBOOT;
	plan->notes_bytes = 0;
	if (elf)
		return 0;
	if ((h.flags & FLAG_ADDRESS) == 0 || left < sizeof(h))
		return og_kernel_refuse(err, "multiboot kernel is no ELF file and says no address");
	return plan_addresses(file, offset, &h, plan, err);
}

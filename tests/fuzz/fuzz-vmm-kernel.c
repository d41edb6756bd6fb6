/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel's first bytes, and its notes among them; whatever is planned must lie in the file and in memory. */
#include "replay.h"

#include "vmm/boot/kernel.h"

#define FILE_BYTES (16ULL << 20)
#define MEMORY_END (64ULL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_kernel_plan plan;
	size_t head = size < OG_KERNEL_HEAD_BYTES ? size : OG_KERNEL_HEAD_BYTES;

	if (og_kernel_plan(data, head, FILE_BYTES, MEMORY_END, &plan, NULL) < 0)
		return 0;
	if (plan.notes_bytes > 0) {
		size_t at = plan.notes_offset < head ? (size_t)plan.notes_offset : head;
		size_t bytes = plan.notes_bytes < head - at ? (size_t)plan.notes_bytes : head - at;

		if (og_kernel_plan_notes(data + at, bytes, &plan, NULL) < 0)
			return 0;
	}
	if (plan.protocol == OG_KERNEL_UNKNOWN || !og_kernel_plan_loads(&plan, plan.entry))
		abort();
	if (plan.n_segments > OG_KERNEL_SEGMENTS_MAX || plan.end > MEMORY_END)
		abort();
	for (unsigned i = 0; i < plan.n_segments; i++) {
		const struct og_kernel_segment *s = &plan.segments[i];

		if (s->file_offset > FILE_BYTES || s->file_bytes > FILE_BYTES - s->file_offset ||
		    s->gpa < 0x100000 || s->gpa > MEMORY_END || s->file_bytes > MEMORY_END - s->gpa)
			abort();
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/seccomp_emit.h"

/* A conditional jump reaches 255 instructions; two may yet come before it. */
#define REACH 250

size_t og_emit(struct og_emit *emit, uint16_t code, uint32_t k)
{
	if (emit->used == OG_SECCOMP_FILTER_MAX) {
		emit->full = true;
		return emit->used;
	}
	emit->used++;
	emit->code[OG_SECCOMP_FILTER_MAX - emit->used] =
		(struct sock_filter){ .code = code, .k = k };
	return emit->used;
}

void og_emit_lead_to(struct og_emit *emit, size_t place)
{
	if (place != emit->used)
		(void)og_emit(emit, BPF_JMP | BPF_JA, (uint32_t)(emit->used - place));
}

size_t og_emit_return(struct og_emit *emit, uint32_t verdict)
{
	size_t place;

	for (size_t i = 0; i < OG_EMIT_VERDICTS; i++) {
		place = emit->verdicts[i].place;
		if (place != 0 && emit->verdicts[i].verdict == verdict &&
		    emit->used - place <= REACH)
			return place;
	}
	place = og_emit(emit, BPF_RET | BPF_K, verdict);
	emit->verdicts[emit->next_verdict].verdict = verdict;
	emit->verdicts[emit->next_verdict].place = place;
	emit->next_verdict = (emit->next_verdict + 1) % OG_EMIT_VERDICTS;
	return place;
}

/* @place, or a jump to it that is near. */
static size_t near(struct og_emit *emit, size_t place)
{
	if (emit->used - place <= REACH)
		return place;
	return og_emit(emit, BPF_JMP | BPF_JA, (uint32_t)(emit->used - place));
}

size_t og_emit_branch(struct og_emit *emit, uint16_t jump, uint32_t k, size_t yes, size_t no)
{
	size_t place;

	if (yes == no)
		return yes;
	yes = near(emit, yes);
	no = near(emit, no);
	place = og_emit(emit, BPF_JMP | BPF_K | jump, k);
	if (!emit->full) {
		emit->code[OG_SECCOMP_FILTER_MAX - place].jt = (uint8_t)(place - yes - 1);
		emit->code[OG_SECCOMP_FILTER_MAX - place].jf = (uint8_t)(place - no - 1);
	}
	return place;
}

size_t og_emit_test(struct og_emit *emit, uint32_t offset, uint32_t mask, uint16_t jump, uint32_t k,
		    size_t yes, size_t no)
{
	if (yes == no)
		return yes;
	(void)og_emit_branch(emit, jump, k, yes, no);
	if (mask != UINT32_MAX)
		(void)og_emit(emit, BPF_ALU | BPF_AND | BPF_K, mask);
	return og_emit(emit, BPF_LD | BPF_W | BPF_ABS, offset);
}

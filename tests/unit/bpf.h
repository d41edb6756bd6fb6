/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel does with a seccomp program, for the instructions that filters are made of. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* *@steps (may be NULL) grows by the instructions that were run. */
static inline uint32_t bpf_run(const struct sock_filter *code, size_t len,
			       const struct seccomp_data *data, unsigned long *steps)
{
	uint32_t a = 0;
	uint32_t x = 0;
	uint32_t memory[BPF_MEMWORDS] = {};

	for (size_t i = 0; i < len; i++) {
		const struct sock_filter *f = &code[i];

		if (steps != NULL)
			(*steps)++;
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + f->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_ST:
			memory[f->k] = a;
			break;
		case BPF_LD | BPF_MEM:
			a = memory[f->k];
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_MISC | BPF_TXA:
			a = x;
			break;
		case BPF_JMP | BPF_JA:
			i += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			i += a > f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fprintf(stderr, "instruction %zu is 0x%x\n", i, f->code);
			exit(EXIT_FAILURE);
		}
	}
	fprintf(stderr, "ran over the end\n");
	exit(EXIT_FAILURE);
}

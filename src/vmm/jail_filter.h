/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of a jail (jail.h) as the program that the kernel runs at each system call (seccomp(2), classic BPF).
 *
 * At its start the kernel tries the program with every call that there is, to know those that are always
 * allowed, and compiles it: that was an eighth of a restore while each rule was asked after the other. So
 * numbers are found by halves, and what leads to the same end shares it.
 */
#pragma once

#include <linux/filter.h>
#include <stdint.h>

#define OG_JAIL_NOT_THERE (-1) /* the call fails, as on a kernel that has it not */
#define OG_JAIL_ANY	  (-2)

/* A system call that stays allowed, where one argument has one value unless that is OG_JAIL_ANY. */
struct og_jail_rule {
	int call;
	int argument;
	uint32_t value;
};

#define OG_JAIL_RULES_MAX   128
#define OG_JAIL_PROGRAM_MAX (5 * OG_JAIL_RULES_MAX)

struct og_jail_program {
	struct sock_filter code[OG_JAIL_PROGRAM_MAX];
	unsigned short len;
};

/*
 * What no rule allows ends the process, and so does whatever is called by another table of numbers. @rules are
 * sorted by this; of a call that is allowed with any argument other rules say nothing.
 */
void og_jail_compile(struct og_jail_rule *rules, unsigned n, struct og_jail_program *ret_program);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What linux.seccomp calls things, and what the kernel calls them: actions, comparisons, flags,
 * architectures and system calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/oci_config.h"

struct og_seccomp_name {
	const char *name;
	uint32_t value;
};

/* Tables end with a row without a name. */
extern const struct og_seccomp_name og_seccomp_actions[]; /* SECCOMP_RET_* */
/* Since Linux 5.19, which the headers of Debian 12 have: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV. */
#define OG_SECCOMP_WAIT_KILLABLE (1U << 5)

extern const struct og_seccomp_name og_seccomp_flags[];	      /* SECCOMP_FILTER_FLAG_* */
extern const struct og_seccomp_name og_seccomp_comparisons[]; /* enum og_seccomp_op */

/* The row of @name, or NULL. */
const struct og_seccomp_name *og_seccomp_find(const struct og_seccomp_name *table,
					      const char *name);

enum og_seccomp_op {
	OG_SECCOMP_NE,
	OG_SECCOMP_LT,
	OG_SECCOMP_LE,
	OG_SECCOMP_EQ,
	OG_SECCOMP_GE,
	OG_SECCOMP_GT,
	OG_SECCOMP_MASKED_EQ,
};

/*
 * "SCMP_ACT_ERRNO" and its number (none: EPERM) as a filter's verdict. Errors: -EINVAL (no such
 * action, or one that takes no number).
 */
int og_seccomp_action(const char *name, const struct og_oci_uint *number, uint32_t *ret_action);

/* One set of numbers that a program on this machine can call the kernel by. */
struct og_seccomp_abi {
	const char *name;    /* "SCMP_ARCH_X86_64" */
	uint32_t audit_arch; /* AUDIT_ARCH_*: two may share it and differ by @bit */
	uint32_t bit;	     /* set in each number */
	bool narrow;	     /* arguments have 32 bits */
	bool multiplexed; /* sockets and System V IPC also by one call each, as 32-bit x86 has it */
};

#if defined(__x86_64__)
#define OG_SECCOMP_ABIS 3
#else
#define OG_SECCOMP_ABIS 1
#endif

/* The first is the machine's own. */
extern const struct og_seccomp_abi og_seccomp_abis[OG_SECCOMP_ABIS];

/* One of those of the specification, of whatever machine. */
bool og_seccomp_is_architecture(const char *name);

#define OG_SECCOMP_CALL_BYTES 30 /* the longest name has 28 characters */

/* No pointer in it, which would have to be relocated at each start of a static program. */
struct og_seccomp_call {
	char name[OG_SECCOMP_CALL_BYTES];
	int16_t numbers[OG_SECCOMP_ABIS]; /* without the ABI's bit; -1: there is no such call */
	uint8_t socketcall, ipc;	  /* their first argument for it; 0: they are not for it */
};

#define OG_SECCOMP_NUMBER_MAX 1023 /* the largest one is 547 (x32) */

/* All system calls, by name. */
extern const struct og_seccomp_call og_seccomp_calls[];
extern const size_t og_seccomp_call_count;

/* The call @name, or NULL. */
const struct og_seccomp_call *og_seccomp_call(const char *name);

/*
 * What @call is as a multiplexed call: the number of socketcall() or ipc(), and in *@ret_which its
 * first argument. Negative: it is none.
 */
int og_seccomp_multiplexed(const struct og_seccomp_call *call, uint32_t *ret_which);

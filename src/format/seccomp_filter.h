/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp as the program that the kernel runs at each system call (seccomp(2), classic BPF).
 *
 * What a profile means:
 * - A call that no rule names gets the default action; so does one whose rules' conditions all fail.
 * - A rule without conditions decides alone, the first of several. Rules whose action is the
 *   default action count as not there. Both as libseccomp has it.
 * - A rule's conditions must all hold; where two are on one argument, each is a rule of its own.
 * - Where several rules with conditions fit, the most specific decides, whatever their order:
 *   one on a later argument before one on an earlier, then EQ, NE and MASKED_EQ before LT and LE
 *   before GT and GE, then the tighter bound, then the earlier rule.
 * - A value of MASKED_EQ is taken without the bits that its mask has not; a mask of 0 always fits.
 * - 32-bit calls have the low halves of the values. On x86 their sockets and System V IPC are
 *   also reached by socketcall() and ipc(): there the first argument says which call it is, and
 *   conditions on it cannot be told.
 * - Names that are not known are skipped. The machine's own ABI is always there; a call by another
 *   one than those named ends the thread.
 *
 * The program finds a number by binary search, so that it is short to run for all, and calls that
 * are always allowed are found to be so by the kernel, which then asks it no more.
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>

#include "base/err.h"
#include "format/oci_config.h"

#define OG_SECCOMP_FILTER_MAX 4096 /* instructions: BPF_MAXINSNS of the kernel */

/*
 * Compiles @config into @code. Errors: -EINVAL (names the member below linux.seccomp), -E2BIG
 * (more conditions than a program can hold), -ENOMEM.
 */
int og_seccomp_compile(const struct og_oci_seccomp *config,
		       struct sock_filter code[OG_SECCOMP_FILTER_MAX], size_t *ret_len,
		       struct og_err *err);

/*
 * Whether @code is a program as og_seccomp_compile() makes them: known instructions, jumps forward
 * and inside, loads inside of the call's data, a return at the end.
 */
bool og_seccomp_filter_ok(const struct sock_filter *code, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/seccomp_names.h"

#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/text.h"

const struct og_seccomp_name og_seccomp_actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{},
};

const struct og_seccomp_name og_seccomp_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", OG_SECCOMP_WAIT_KILLABLE },
	{},
};

const struct og_seccomp_name og_seccomp_comparisons[] = {
	{ "SCMP_CMP_EQ", OG_SECCOMP_EQ }, { "SCMP_CMP_GE", OG_SECCOMP_GE },
	{ "SCMP_CMP_GT", OG_SECCOMP_GT }, { "SCMP_CMP_LE", OG_SECCOMP_LE },
	{ "SCMP_CMP_LT", OG_SECCOMP_LT }, { "SCMP_CMP_MASKED_EQ", OG_SECCOMP_MASKED_EQ },
	{ "SCMP_CMP_NE", OG_SECCOMP_NE }, {},
};

#if defined(__x86_64__)
const struct og_seccomp_abi og_seccomp_abis[OG_SECCOMP_ABIS] = {
	{ "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, 0, false, false },
	{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 0, true, true },
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, 0x40000000 /* __X32_SYSCALL_BIT */, true, false },
};
#elif defined(__aarch64__)
const struct og_seccomp_abi og_seccomp_abis[OG_SECCOMP_ABIS] = {
	{ "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, 0, false, false },
};
#elif defined(__riscv) && __riscv_xlen == 64
const struct og_seccomp_abi og_seccomp_abis[OG_SECCOMP_ABIS] = {
	{ "SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64, 0, false, false },
};
#else
#error "name this machine's system call ABI here"
#endif

static const char *const architectures[] = {
	"AARCH64",   "ARM",    "LOONGARCH64", "M68K",	     "MIPS",   "MIPS64",
	"MIPS64N32", "MIPSEL", "MIPSEL64",    "MIPSEL64N32", "PARISC", "PARISC64",
	"PPC",	     "PPC64",  "PPC64LE",     "RISCV64",     "S390",   "S390X",
	"SH",	     "SHEB",   "X32",	      "X86",	     "X86_64",
};

const struct og_seccomp_call og_seccomp_calls[] = {
#include <format/seccomp_calls.inc> /* made at build time */
};

const size_t og_seccomp_call_count = sizeof(og_seccomp_calls) / sizeof(og_seccomp_calls[0]);

const struct og_seccomp_name *og_seccomp_find(const struct og_seccomp_name *table, const char *name)
{
	for (; table->name != NULL; table++) {
		if (og_streq(table->name, name))
			return table;
	}
	return NULL;
}

int og_seccomp_action(const char *name, const struct og_oci_uint *number, uint32_t *ret_action)
{
	const struct og_seccomp_name *found = og_seccomp_find(og_seccomp_actions, name);

	if (found == NULL)
		return -EINVAL;
	if (found->value == SECCOMP_RET_ERRNO || found->value == SECCOMP_RET_TRACE) {
		uint32_t data = number->set ? (uint32_t)number->value : EPERM;

		*ret_action = found->value | (data & SECCOMP_RET_DATA);
		return 0;
	}
	if (number->set)
		return -EINVAL;
	*ret_action = found->value;
	return 0;
}

bool og_seccomp_is_architecture(const char *name)
{
	for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
		if (og_starts_with(name, "SCMP_ARCH_") && og_streq(name + 10, architectures[i]))
			return true;
	}
	return false;
}

/* The first eight characters as a number that sorts as they do. */
static uint64_t key_of(const char *name)
{
	uint64_t key;

	memcpy(&key, name, sizeof(key));
	return be64toh(key);
}

/* A profile names some hundred calls: most are told apart by one comparison of numbers a step. */
const struct og_seccomp_call *og_seccomp_call(const char *name)
{
	char padded[OG_SECCOMP_CALL_BYTES] = "";
	size_t len = strnlen(name, sizeof(padded));
	size_t first = 0;
	size_t end = og_seccomp_call_count;
	uint64_t key;

	if (len == sizeof(padded))
		return NULL;
	memcpy(padded, name, len);
	key = key_of(padded);
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		const struct og_seccomp_call *call = &og_seccomp_calls[middle];
		uint64_t other = key_of(call->name);
		int r = key == other ? strcmp(padded, call->name) : key < other ? -1 : 1;

		if (r == 0)
			return call;
		if (r < 0)
			end = middle;
		else
			first = middle + 1;
	}
	return NULL;
}

#define SOCKETCALL 102 /* numbers of 32-bit x86 */
#define IPC	   117

int og_seccomp_multiplexed(const struct og_seccomp_call *call, uint32_t *ret_which)
{
	*ret_which = call->socketcall != 0 ? call->socketcall : call->ipc;
	return *ret_which == 0 ? -ENOENT : call->socketcall != 0 ? SOCKETCALL : IPC;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cpuid.h>
#include <errno.h>

#include "vmm/vmm.h"
#include "vmm/x86/kvm.h"

/* Leaf 1, and leaf 0x80000001. */
#define ECX_VMX (1U << 5)
#define ECX_SVM (1U << 2)

static bool has_bit(unsigned leaf, unsigned ecx_bit)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) != 0 && (ecx & ecx_bit) != 0;
}

int og_vmm_usable(struct og_err *err)
{
	bool vmx = has_bit(1, ECX_VMX), svm = has_bit(0x80000001, ECX_SVM);
	struct og_kvm kvm;
	int r;

	if (!vmx && !svm)
		return og_fail(
			err, -ENOTSUP,
			"the processor offers neither VMX nor SVM (turn on virtualisation in the "
			"firmware, or nested virtualisation on the host)");
	if ((!vmx || access("/sys/module/kvm_intel", F_OK) < 0) &&
	    (!svm || access("/sys/module/kvm_amd", F_OK) < 0))
		return og_fail(err, -ENOTSUP, "%s is not loaded", vmx ? "kvm_intel" : "kvm_amd");

	r = og_kvm_init(&kvm, -EBADF, err);
	if (r == 0)
		og_kvm_done(&kvm);
	return r;
}

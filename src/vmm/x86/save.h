/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking from KVM all that it keeps of a machine, and giving it to another (saved.h). The vCPUs do
 * not run meanwhile. Loading is for a fresh machine, in this order: og_kvm_load(), then
 * og_vcpu_load() for each.
 */
#pragma once

#include "vmm/x86/kvm.h"
#include "vmm/x86/saved.h"
#include "vmm/x86/vcpu.h"

int og_kvm_save(struct og_kvm *kvm, struct og_pack *pack, struct og_err *err);
int og_vcpu_save(struct og_vcpu *vcpu, const struct og_kvm *kvm, struct og_pack *pack,
		 struct og_err *err);

/*
 * @realtime: the guest's clock goes on by the time that passed on the host's, where that KVM kept
 * it; else it goes on from where it was.
 * Errors: -EBADMSG (something is missing), -EINVAL and others (KVM refuses what the file says).
 */
int og_kvm_load(struct og_kvm *kvm, const struct og_saved *saved, bool realtime,
		struct og_err *err);
int og_vcpu_load(struct og_vcpu *vcpu, const struct og_kvm *kvm, const struct og_saved *saved,
		 struct og_err *err);

/* Tells the guest's watchdogs that it stood still, where it uses KVM's clock. */
void og_vcpu_was_paused(struct og_vcpu *vcpu);

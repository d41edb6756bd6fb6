/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isolation by a hypervisor: a guest kernel, an initramfs and the workload's disks, driven as a
 * process (onggi-vmm, or QEMU where there is no usable KVM). A supervisor process stands for the
 * workload on the host: it holds the hypervisor, speaks the guest protocol with onggi-init, and
 * relays streams. It knows nothing of images, of the host's namespaces, or of what is inside a
 * hypervisor.
 *
 *	onggi-runtime create --fork--> supervisor --fork, exec--> hypervisor
 *	onggi-runtime start --ROOT/ID/start.sock--^   |  ^--console socket: guest protocol--> guest
 *	onggi-runtime kill, exec --ROOT/ID/vm.sock----'
 *
 * The hypervisor dies with the supervisor (PR_SET_PDEATHSIG), the supervisor ends when the
 * hypervisor does, and everything in the guest dies with the hypervisor, so that whichever of
 * them is killed, nothing is left.
 *
 * Annotations of the bundle, which the engine writes and never takes from an image:
 *	org.onggi.vm.disks	what the guest's disks are made of (vm/disks.h); required
 *	org.onggi.user		"user[:group]" to be looked up in the guest, instead of process.user
 * Memory is linux.resources.memory.limit, processors are cpu.quota / cpu.period.
 */
#pragma once

#include "runtime/isolation.h"

extern const struct og_isolation og_isolation_vm;

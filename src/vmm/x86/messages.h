/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts by message (MSI): numbers behind the I/O APIC's inputs, each of which KVM sends as the
 * message that the guest wrote for it, when the event descriptor wired to it is signalled.
 */
#pragma once

#include <stdint.h>

#include "vmm/x86/kvm.h"

#define OG_MESSAGE_GSI 24 /* the first; the I/O APIC has those below */

struct og_messages;

/* Room for @n numbers. On success *@ret_messages is the caller's to free. */
int og_messages_new(struct og_kvm *kvm, unsigned n, struct og_messages **ret_messages,
		    struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_messages *og_messages_free(struct og_messages *messages);

/* Number OG_MESSAGE_GSI + @index sends @message to @address from now on. Any thread. */
void og_messages_set(struct og_messages *messages, unsigned index, uint64_t address,
		     uint32_t message);

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/messages.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define PIC_PINS     8U
#define PIC_INPUTS   16U
#define FIXED_ROUTES (PIC_INPUTS + OG_MESSAGE_GSI)

struct og_messages {
	pthread_mutex_t lock;
	int vm_fd; /* borrowed */
	unsigned n;
	struct kvm_irq_routing *table; /* owned: what KVM has without us, then one a number */
};

static void route_chip(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* Setting a table replaces the one that KVM began with: each input leads to both controllers. */
static void route_inputs(struct kvm_irq_routing *table)
{
	for (uint32_t i = 0; i < PIC_INPUTS; i++)
		route_chip(table, i, i < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
			   i % PIC_PINS);
	for (uint32_t i = 0; i < OG_MESSAGE_GSI; i++)
		route_chip(table, i, KVM_IRQCHIP_IOAPIC, i);
}

int og_messages_new(struct og_kvm *kvm, unsigned n, struct og_messages **ret_messages,
		    struct og_err *err)
{
	struct og_messages *messages = calloc(1, sizeof(*messages));

	if (messages == NULL)
		return og_fail(err, -ENOMEM, "make interrupt messages");
	messages->vm_fd = kvm->vm_fd;
	messages->n = n;
	(void)pthread_mutex_init(&messages->lock, NULL);
	messages->table =
		calloc(1, sizeof(*messages->table) +
				  (FIXED_ROUTES + n) * sizeof(messages->table->entries[0]));
	if (messages->table == NULL) {
		og_messages_free(messages);
		return og_fail(err, -ENOMEM, "make interrupt messages");
	}
	route_inputs(messages->table);
	*ret_messages = messages;
	return 0;
}

struct og_messages *og_messages_free(struct og_messages *messages)
{
	if (messages != NULL)
		free(messages->table);
	free(messages);
	return NULL;
}

static struct kvm_irq_routing_entry *find(struct kvm_irq_routing *table, uint32_t gsi)
{
	for (uint32_t i = FIXED_ROUTES; i < table->nr; i++)
		if (table->entries[i].gsi == gsi)
			return &table->entries[i];
	return &table->entries[table->nr++];
}

void og_messages_set(struct og_messages *messages, unsigned index, uint64_t address,
		     uint32_t message)
{
	struct kvm_irq_routing_entry *entry;

	if (index >= messages->n)
		return;
	(void)pthread_mutex_lock(&messages->lock);
	entry = find(messages->table, OG_MESSAGE_GSI + index);
	*entry = (struct kvm_irq_routing_entry){
		.gsi = OG_MESSAGE_GSI + index,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)address,
			   .address_hi = (uint32_t)(address >> 32),
			   .data = message },
	};
	/* A message that KVM refuses is the guest's loss alone. */
	(void)ioctl(messages->vm_fd, KVM_SET_GSI_ROUTING, messages->table);
	(void)pthread_mutex_unlock(&messages->lock);
}

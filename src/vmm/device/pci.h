/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One PCI bus: the configuration space of its functions, reached by I/O ports (PCI 3.0, 3.2.2.3.2)
 * and by memory (ECAM, PCI Express 7.2.2), and which function's BAR answers at an address.
 *
 * Any access of any width is safe: what is no register reads as zeros or ones and is not written. The
 * guest may put BARs where it likes; they answer inside the bus's window only. No I/O.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/snapshot/pack.h"

#define OG_PCI_PORT  0xcf8
#define OG_PCI_PORTS 8

#define OG_PCI_DEVICES	    32
#define OG_PCI_FUNCTIONS    8
#define OG_PCI_CONFIG_BYTES 256
#define OG_PCI_BARS	    6
#define OG_PCI_NOWHERE	    UINT64_MAX

/* ECAM: 4 KiB a function. */
#define OG_PCI_ECAM_BYTES (OG_PCI_DEVICES * OG_PCI_FUNCTIONS * 4096ULL)

struct og_pci_function;

struct og_pci_ops {
	/* Access to a BAR. Any thread, no lock held. */
	void (*access)(struct og_pci_function *function, unsigned bar, uint64_t offset,
		       uint64_t *value, unsigned len, bool write);

	/* A BAR answers elsewhere now, or nowhere. The bus is locked. May be NULL, as all below. */
	void (*moved)(struct og_pci_function *function, unsigned bar, uint64_t from, uint64_t to);

	/* Bytes from @offset of the configuration space are about to be read, or were written. */
	void (*reading)(struct og_pci_function *function, unsigned offset, unsigned len);
	void (*written)(struct og_pci_function *function, unsigned offset, unsigned len);
};

struct og_pci_identity {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits */
	uint8_t revision;
};

struct og_pci_function {
	const struct og_pci_ops *ops; /* NULL: nothing but configuration space */
	void *device;		      /* borrowed */
	uint8_t config[OG_PCI_CONFIG_BYTES];
	uint8_t writable[OG_PCI_CONFIG_BYTES]; /* bits */

	struct og_pci_bar {
		uint32_t bytes; /* a power of two, 4 KiB or more; 0: there is none */
		uint64_t gpa;	/* where it answers, or OG_PCI_NOWHERE */
	} bars[OG_PCI_BARS];

	unsigned capabilities_end;
};

struct og_pci_bus {
	pthread_mutex_t lock;
	uint64_t window_gpa, window_bytes; /* where BARs answer */
	struct og_pci_function *functions[OG_PCI_DEVICES * OG_PCI_FUNCTIONS]; /* borrowed */
	uint32_t address; /* what was last written to port 0xcf8 */
};

void og_pci_bus_init(struct og_pci_bus *bus, uint64_t window_gpa, uint64_t window_bytes);

/* @devfn: device * 8 + function; free until now. Before the guest runs. */
void og_pci_bus_add(struct og_pci_bus *bus, unsigned devfn, struct og_pci_function *function);

void og_pci_function_init(struct og_pci_function *function, const struct og_pci_ops *ops,
			  void *device, const struct og_pci_identity *identity);

/* A memory BAR of 32 bits, which decodes at @gpa from the start unless that is OG_PCI_NOWHERE. */
void og_pci_add_bar(struct og_pci_function *function, unsigned bar, uint32_t bytes, uint64_t gpa);

/*
 * Adds a capability of @len bytes, of which the first two are filled in, and returns its offset.
 * The caller keeps to what fits.
 */
unsigned og_pci_add_capability(struct og_pci_function *function, uint8_t id, const void *bytes,
			       unsigned len);

/* Accesses of 1, 2 or 4 bytes; others, and what lies across a word, read all ones. */
uint32_t og_pci_config_read(struct og_pci_bus *bus, unsigned devfn, unsigned offset, unsigned len);
void og_pci_config_write(struct og_pci_bus *bus, unsigned devfn, unsigned offset, uint32_t value,
			 unsigned len);

/* For struct og_bus; @device is the bus. Offsets from OG_PCI_PORT, from ECAM's start, of the window. */
void og_pci_ports_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);
void og_pci_ecam_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);
void og_pci_window_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);

/* What the guest wrote into configuration spaces. Errors of loading: -EBADMSG. */
void og_pci_save(struct og_pci_bus *bus, struct og_pack *pack);
int og_pci_load(struct og_pci_bus *bus, struct og_unpack *unpack, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/pci.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#define COMMAND_WRITABLE \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)
#define PIN_A	     1
#define CAPABILITIES 0x40
#define ENABLE	     (1U << 31)

static uint32_t get(const uint8_t *at, unsigned len)
{
	uint32_t value = 0;

	memcpy(&value, at, len);
	return value;
}

static void set(uint8_t *at, uint32_t value, unsigned len)
{
	memcpy(at, &value, len);
}

void og_pci_bus_init(struct og_pci_bus *bus, uint64_t window_gpa, uint64_t window_bytes)
{
	*bus = (struct og_pci_bus){ .window_gpa = window_gpa, .window_bytes = window_bytes };
	(void)pthread_mutex_init(&bus->lock, NULL);
}

static uint64_t decoded_at(const struct og_pci_bus *bus, const struct og_pci_function *f,
			   unsigned bar)
{
	uint64_t gpa = get(f->config + PCI_BASE_ADDRESS_0 + 4 * bar, 4) & PCI_BASE_ADDRESS_MEM_MASK;
	uint32_t bytes = f->bars[bar].bytes;

	if (bytes == 0 || (f->config[PCI_COMMAND] & PCI_COMMAND_MEMORY) == 0 ||
	    gpa < bus->window_gpa || gpa - bus->window_gpa > bus->window_bytes - bytes)
		return OG_PCI_NOWHERE;
	return gpa;
}

static void move_bars(struct og_pci_bus *bus, struct og_pci_function *f)
{
	for (unsigned i = 0; i < OG_PCI_BARS; i++) {
		uint64_t from = f->bars[i].gpa, to = decoded_at(bus, f, i);

		if (f->bars[i].bytes == 0 || from == to)
			continue;
		f->bars[i].gpa = to;
		if (f->ops != NULL && f->ops->moved != NULL)
			f->ops->moved(f, i, from, to);
	}
}

void og_pci_bus_add(struct og_pci_bus *bus, unsigned devfn, struct og_pci_function *function)
{
	assert(devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS && bus->functions[devfn] == NULL);
	bus->functions[devfn] = function;
	move_bars(bus, function);
}

void og_pci_function_init(struct og_pci_function *function, const struct og_pci_ops *ops,
			  void *device, const struct og_pci_identity *id)
{
	uint8_t *c = function->config;

	*function = (struct og_pci_function){
		.ops = ops,
		.device = device,
		.capabilities_end = CAPABILITIES,
	};
	set(c + PCI_VENDOR_ID, id->vendor, 2);
	set(c + PCI_DEVICE_ID, id->device, 2);
	set(c + PCI_CLASS_REVISION, id->class_code << 8 | id->revision, 4);
	set(c + PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor, 2);
	set(c + PCI_SUBSYSTEM_ID, id->subsystem, 2);
	set(function->writable + PCI_COMMAND, COMMAND_WRITABLE, 2);
	function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	function->writable[PCI_LATENCY_TIMER] = 0xff;
	function->writable[PCI_INTERRUPT_LINE] = 0xff;
	for (unsigned i = 0; i < OG_PCI_BARS; i++)
		function->bars[i].gpa = OG_PCI_NOWHERE;
}

void og_pci_add_bar(struct og_pci_function *function, unsigned bar, uint32_t bytes, uint64_t gpa)
{
	function->bars[bar].bytes = bytes;
	set(function->writable + PCI_BASE_ADDRESS_0 + 4 * bar, ~(bytes - 1), 4);
	function->config[PCI_INTERRUPT_PIN] = PIN_A;
	if (gpa == OG_PCI_NOWHERE)
		return;
	set(function->config + PCI_BASE_ADDRESS_0 + 4 * bar, (uint32_t)gpa, 4);
	function->config[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
}

unsigned og_pci_add_capability(struct og_pci_function *function, uint8_t id, const void *bytes,
			       unsigned len)
{
	unsigned at = function->capabilities_end;
	uint8_t *c = function->config;

	assert(at + len <= OG_PCI_CONFIG_BYTES);
	memcpy(c + at, bytes, len);
	c[at] = id;
	c[at + 1] = c[PCI_CAPABILITY_LIST];
	c[PCI_CAPABILITY_LIST] = (uint8_t)at;
	c[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	function->capabilities_end = (at + len + 3) & ~3U;
	return at;
}

static bool is_register(unsigned offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4) && offset % len == 0 &&
	       offset < OG_PCI_CONFIG_BYTES;
}

uint32_t og_pci_config_read(struct og_pci_bus *bus, unsigned devfn, unsigned offset, unsigned len)
{
	struct og_pci_function *f =
		devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS ? bus->functions[devfn] : NULL;
	uint32_t value;

	if (f == NULL)
		return UINT32_MAX;
	if (!is_register(offset, len))
		return offset >= OG_PCI_CONFIG_BYTES ? 0 : UINT32_MAX;
	(void)pthread_mutex_lock(&bus->lock);
	if (f->ops != NULL && f->ops->reading != NULL)
		f->ops->reading(f, offset, len);
	value = get(f->config + offset, len);
	(void)pthread_mutex_unlock(&bus->lock);
	return value;
}

void og_pci_config_write(struct og_pci_bus *bus, unsigned devfn, unsigned offset, uint32_t value,
			 unsigned len)
{
	struct og_pci_function *f =
		devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS ? bus->functions[devfn] : NULL;
	uint32_t mask;

	if (f == NULL || !is_register(offset, len))
		return;
	(void)pthread_mutex_lock(&bus->lock);
	mask = get(f->writable + offset, len);
	set(f->config + offset, (get(f->config + offset, len) & ~mask) | (value & mask), len);
	move_bars(bus, f);
	if (f->ops != NULL && f->ops->written != NULL)
		f->ops->written(f, offset, len);
	(void)pthread_mutex_unlock(&bus->lock);
}

/* The register that the last address names, @byte of its word; no function where it names none. */
static unsigned named(struct og_pci_bus *bus, unsigned byte, unsigned *ret_offset)
{
	uint32_t address = __atomic_load_n(&bus->address, __ATOMIC_RELAXED);

	*ret_offset = (address & 0xfc) + byte;
	if ((address & ENABLE) == 0 || (address >> 16 & 0xff) != 0)
		return UINT32_MAX;
	return address >> 8 & 0xff;
}

void og_pci_ports_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_pci_bus *bus = device;
	unsigned at, devfn;

	if (offset < 4) {
		if (offset != 0 || len != 4)
			return;
		if (write)
			__atomic_store_n(&bus->address, (uint32_t)*value, __ATOMIC_RELAXED);
		else
			*value = __atomic_load_n(&bus->address, __ATOMIC_RELAXED);
		return;
	}
	devfn = named(bus, (unsigned)offset - 4, &at);
	if (write)
		og_pci_config_write(bus, devfn, at, (uint32_t)*value, len);
	else
		*value = og_pci_config_read(bus, devfn, at, len);
}

void og_pci_ecam_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	unsigned devfn = (unsigned)(offset >> 12), at = offset & 0xfff;

	if (write && len <= 4)
		og_pci_config_write(device, devfn, at, (uint32_t)*value, len);
	else if (!write)
		*value = len <= 4 ? og_pci_config_read(device, devfn, at, len) : UINT64_MAX;
}

static struct og_pci_function *find_bar(struct og_pci_bus *bus, uint64_t gpa, unsigned *ret_bar,
					uint64_t *ret_offset)
{
	for (unsigned devfn = 0; devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS; devfn++) {
		struct og_pci_function *f = bus->functions[devfn];

		for (unsigned i = 0; f != NULL && i < OG_PCI_BARS; i++) {
			const struct og_pci_bar *bar = &f->bars[i];

			if (bar->gpa == OG_PCI_NOWHERE || gpa < bar->gpa ||
			    gpa - bar->gpa >= bar->bytes)
				continue;
			*ret_bar = i;
			*ret_offset = gpa - bar->gpa;
			return f;
		}
	}
	return NULL;
}

void og_pci_window_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_pci_bus *bus = device;
	struct og_pci_function *f;
	uint64_t at = 0;
	unsigned bar = 0;

	(void)pthread_mutex_lock(&bus->lock);
	f = find_bar(bus, bus->window_gpa + offset, &bar, &at);
	(void)pthread_mutex_unlock(&bus->lock);
	if (f != NULL && f->ops != NULL && len <= f->bars[bar].bytes - at)
		f->ops->access(f, bar, at, value, len, write);
}

void og_pci_save(struct og_pci_bus *bus, struct og_pack *pack)
{
	og_pack_u32(pack, bus->address);
	for (unsigned devfn = 0; devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS; devfn++)
		if (bus->functions[devfn] != NULL)
			og_pack_bytes(pack, bus->functions[devfn]->config, OG_PCI_CONFIG_BYTES);
}

/* Bits that the guest cannot write stay what this machine has. */
int og_pci_load(struct og_pci_bus *bus, struct og_unpack *unpack, struct og_err *err)
{
	uint8_t config[OG_PCI_CONFIG_BYTES];

	bus->address = og_unpack_u32(unpack);
	for (unsigned devfn = 0; devfn < OG_PCI_DEVICES * OG_PCI_FUNCTIONS; devfn++) {
		struct og_pci_function *f = bus->functions[devfn];

		if (f == NULL)
			continue;
		og_unpack_bytes(unpack, config, sizeof(config));
		if (unpack->failed)
			return og_fail(err, -EBADMSG, "PCI configuration is cut short");
		for (unsigned i = 0; i < OG_PCI_CONFIG_BYTES; i++)
			f->config[i] = (uint8_t)((f->config[i] & ~f->writable[i]) |
						 (config[i] & f->writable[i]));
		move_bars(bus, f);
		if (f->ops != NULL && f->ops->written != NULL)
			f->ops->written(f, 0, OG_PCI_CONFIG_BYTES);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/acpi.h"

#include <errno.h>
#include <string.h>

#include "vmm/boot/dsdt.h"
#include "vmm/device/acpi_pm.h"
#include "vmm/x86/layout.h"

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

#define RSDP_V1_BYTES 20

/* Generic address structure (5.2.3.2). */
struct address {
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
} __attribute__((packed));

#define SPACE_PORTS 1
#define ACCESS_BYTE 1

/* Fixed ACPI description table (5.2.9); what is zero on reduced hardware has no name here. */
struct fadt {
	struct og_acpi_header header;
	uint32_t facs, dsdt;
	uint8_t zero1[46 - 44];
	uint16_t sci;
	uint8_t zero4[56 - 48];
	uint32_t pm1a_event, zero5, pm1a_control, zero6, zero7, pm_timer;
	uint8_t zero8[88 - 80];
	uint8_t pm1_event_bytes, pm1_control_bytes, zero9, pm_timer_bytes;
	uint8_t zero10[109 - 92];
	uint16_t boot_architecture;
	uint8_t zero2;
	uint32_t flags;
	struct address reset_register;
	uint8_t reset_value;
	uint16_t arm_boot_architecture;
	uint8_t minor_version;
	uint64_t x_facs, x_dsdt;
	uint8_t zero3[244 - 148];
	struct address sleep_control, sleep_status;
	char hypervisor[8];
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "FADT of ACPI 6");

/* Nothing of a PC is there, so that nobody looks for it. */
#define BOOT_LEGACY   (1U << 0)
#define BOOT_8042     (1U << 1)
#define BOOT_NO_VGA   (1U << 2)
#define BOOT_NO_CMOS  (1U << 5)
#define FADT_BUTTONS  (3U << 4) /* none that are registers */
#define FADT_RESET    (1U << 10)
#define FADT_REDUCED  (1U << 20)
#define FADT_WBINVD   (1U << 0)
#define FADT_REVISION 6
#define FADT_MINOR    4
#define MADT_REVISION 5
#define DSDT_REVISION 2 /* 64-bit integers */
#define TABLE_ALIGN   16U
#define TABLES_MAX    3 /* that the XSDT names */

struct madt {
	struct og_acpi_header header;
	uint32_t lapic;
	uint32_t flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

#define LAPIC_ENABLED 1

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

#define MADT_IOAPIC 1

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

#define MADT_OVERRIDE  2
#define MADT_8259      1
#define LEVEL_AND_HIGH 0x0d

/* Firmware ACPI control structure (5.2.10): it has no checksum. */
struct facs {
	char signature[4];
	uint32_t length;
	uint8_t zero1[32 - 8];
	uint8_t version;
	uint8_t zero2[64 - 33];
} __attribute__((packed));

/* Where configuration spaces are in memory (PCI Firmware 3.2, 4.1.2). */
struct mcfg {
	struct og_acpi_header header;
	uint64_t reserved;

	struct {
		uint64_t base;
		uint16_t segment;
		uint8_t first_bus, last_bus;
		uint32_t reserved;
	} __attribute__((packed)) space;
} __attribute__((packed));

struct xsdt {
	struct og_acpi_header header;
	uint64_t tables[TABLES_MAX];
} __attribute__((packed));

struct writer {
	uint8_t *buf;
	size_t len, room;
	uint64_t gpa;
	bool failed;
};

static uint8_t checksum(const void *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
	return (uint8_t)-sum;
}

static void *append(struct writer *w, const void *bytes, size_t len)
{
	void *at = w->buf + w->len;

	if (w->failed || len > w->room - w->len) {
		w->failed = true;
		return NULL;
	}
	memcpy(at, bytes, len);
	w->len += len;
	return at;
}

static struct og_acpi_header header(const char *signature, uint8_t revision)
{
	struct og_acpi_header h = {
		.revision = revision,
		.oem_id = { 'O', 'N', 'G', 'G', 'I', ' ' },
		.oem_table_id = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ' },
		.oem_revision = 1,
		.creator_id = { 'O', 'N', 'G', 'G' },
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* Begins a table at an aligned place; NULL when there is no room left. */
static uint8_t *begin(struct writer *w)
{
	size_t pad = -w->len & (TABLE_ALIGN - 1);

	if (w->failed || pad > w->room - w->len) {
		w->failed = true;
		return NULL;
	}
	w->len += pad;
	return w->buf + w->len;
}

/* Gives the table at @start, to the writer's end, its length and checksum; returns its address. */
static uint64_t finish(struct writer *w, uint8_t *start)
{
	struct og_acpi_header *h = (struct og_acpi_header *)(void *)start;

	if (w->failed)
		return 0;
	h->length = (uint32_t)(w->buf + w->len - start);
	h->checksum = 0;
	h->checksum = checksum(start, h->length);
	return w->gpa + (uint64_t)(start - w->buf);
}

static uint64_t write_dsdt(struct writer *w, const struct og_acpi *acpi)
{
	struct og_acpi_header h = header("DSDT", DSDT_REVISION);
	uint8_t *start = begin(w);
	struct og_aml aml;

	if (append(w, &h, sizeof(h)) == NULL)
		return 0;
	og_aml_init(&aml, w->buf + w->len, w->room - w->len);
	og_dsdt_describe(&aml, acpi);
	w->len += aml.len;
	w->failed |= aml.failed;
	return finish(w, start);
}

static struct address port(uint16_t number)
{
	return (struct address){
		.space = SPACE_PORTS,
		.bit_width = 8,
		.access_size = ACCESS_BYTE,
		.address = number,
	};
}

/* First of the tables: what is 48 behind the root pointer is where a multiple of 64 may be. */
static uint64_t write_facs(struct writer *w)
{
	struct facs facs = {
		.signature = { 'F', 'A', 'C', 'S' },
		.length = sizeof(facs),
		.version = 2,
	};
	uint8_t *start = begin(w);

	(void)append(w, &facs, sizeof(facs));
	return w->failed ? 0 : w->gpa + (uint64_t)(start - w->buf);
}

/* Not reduced: an operating system must know of the 8259 to silence it after a firmware. */
static void describe_pc(struct fadt *fadt)
{
	fadt->boot_architecture = BOOT_LEGACY | BOOT_NO_VGA;
	fadt->flags = FADT_RESET | FADT_WBINVD | FADT_BUTTONS;
	fadt->sci = OG_PM_GSI;
	fadt->pm1a_event = OG_PM_EVENT_PORT;
	fadt->pm1_event_bytes = OG_PM_EVENT_PORTS;
	fadt->pm1a_control = OG_PM_CONTROL_PORT;
	fadt->pm1_control_bytes = OG_PM_CONTROL_PORTS;
	fadt->pm_timer = OG_PM_TIMER_PORT_SEABIOS;
	fadt->pm_timer_bytes = OG_PM_TIMER_PORTS;
	fadt->sleep_control = fadt->sleep_status = (struct address){};
}

static uint64_t write_fadt(struct writer *w, const struct og_acpi *acpi, uint64_t facs,
			   uint64_t dsdt)
{
	struct fadt fadt = {
		.header = header("FACP", FADT_REVISION),
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.boot_architecture = BOOT_NO_VGA | BOOT_NO_CMOS | (acpi->keyboard ? BOOT_8042 : 0),
		.flags = FADT_REDUCED | FADT_RESET | FADT_WBINVD,
		.reset_register = port(OG_POWER_PORT + OG_POWER_RESET),
		.reset_value = OG_POWER_RESET_VALUE,
		.minor_version = FADT_MINOR,
		.sleep_control = port(OG_POWER_PORT + OG_POWER_SLEEP),
		.sleep_status = port(OG_POWER_PORT + OG_POWER_SLEEP_STATUS),
		.hypervisor = { 'O', 'N', 'G', 'G', 'I' },
	};
	uint8_t *start;

	if (acpi->pc) {
		fadt.facs = (uint32_t)facs;
		describe_pc(&fadt);
	}
	start = begin(w);
	(void)append(w, &fadt, sizeof(fadt));
	return finish(w, start);
}

static uint64_t write_madt(struct writer *w, unsigned cpus, bool pc)
{
	struct madt madt = { .header = header("APIC", MADT_REVISION),
			     .lapic = OG_LAPIC_GPA,
			     .flags = pc ? MADT_8259 : 0 };
	const struct madt_override events = {
		.type = MADT_OVERRIDE,
		.length = sizeof(events),
		.source = OG_PM_GSI,
		.gsi = OG_PM_GSI,
		.flags = LEVEL_AND_HIGH,
	};
	struct madt_ioapic ioapic = {
		.type = MADT_IOAPIC,
		.length = sizeof(ioapic),
		.id = (uint8_t)cpus,
		.address = OG_IOAPIC_GPA,
	};
	uint8_t *start = begin(w);

	(void)append(w, &madt, sizeof(madt));
	for (unsigned i = 0; i < cpus; i++) {
		struct madt_lapic lapic = {
			.length = sizeof(lapic),
			.uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = LAPIC_ENABLED,
		};

		(void)append(w, &lapic, sizeof(lapic));
	}
	(void)append(w, &ioapic, sizeof(ioapic));
	if (pc)
		(void)append(w, &events, sizeof(events));
	return finish(w, start);
}

static uint64_t write_mcfg(struct writer *w)
{
	struct mcfg mcfg = { .header = header("MCFG", 1), .space.base = OG_PCI_ECAM_GPA };
	uint8_t *start = begin(w);

	(void)append(w, &mcfg, sizeof(mcfg));
	return finish(w, start);
}

int og_acpi_write(const struct og_acpi *acpi, uint64_t gpa, void *buf, size_t room,
		  struct og_err *err)
{
	struct writer w = { .buf = buf, .room = room, .gpa = gpa };
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'O', 'N', 'G', 'G', 'I', ' ' },
		.revision = 2,
		.length = sizeof(rsdp),
	};
	struct xsdt xsdt = { .header = header("XSDT", 1) };
	struct rsdp *root = append(&w, &rsdp, sizeof(rsdp));
	unsigned n = 2;
	uint64_t facs = acpi->pc ? write_facs(&w) : 0;
	uint8_t *start;

	xsdt.tables[0] = write_fadt(&w, acpi, facs, write_dsdt(&w, acpi));
	xsdt.tables[1] = write_madt(&w, acpi->cpus, acpi->pc);
	if (acpi->pci && !acpi->pc)
		xsdt.tables[n++] = write_mcfg(&w);
	start = begin(&w);
	(void)append(&w, &xsdt, sizeof(xsdt.header) + n * sizeof(xsdt.tables[0]));
	rsdp.xsdt = finish(&w, start);
	if (w.failed || root == NULL)
		return og_fail(err, -ENOSPC, "write ACPI tables into %zu bytes", room);

	rsdp.checksum = checksum(&rsdp, RSDP_V1_BYTES);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(root, &rsdp, sizeof(rsdp));
	return 0;
}

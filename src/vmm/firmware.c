/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that begins with a firmware: what SeaBIOS and OVMF need of a PC (QEMU's "pc", with an
 * i440FX), and no more: the firmware's image below 4 GiB, its configuration device, the south
 * bridge's two functions, clock, timers, and a port for its log.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "vmm/boot/params.h"
#include "vmm/boot/table_loader.h"
#include "vmm/device/acpi_pm.h"
#include "vmm/device/cmos.h"
#include "vmm/device/fw_cfg.h"
#include "vmm/machine.h"

/* OVMF has 4 MiB at most; what grows beyond is none. */
#define IMAGE_BYTES_MAX (16ULL << 20)
#define IMAGE_BYTES_MIN (64ULL << 10)
#define IMAGE_ALIGN	4096ULL

/* The end of it is also seen below 1 MiB, where a processor in real mode goes on. */
#define LOW_COPY_BYTES (128ULL << 10)
#define LOW_COPY_END   (1ULL << 20)
#define IMAGE_END      (1ULL << 32)

#define LOG_PORT  0x402
#define LOG_READY 0xe9

#define RESET_PORT 0xcf9 /* in the middle of PCI's */
#define RESET_BIT  4

/* Registers that a firmware writes and reads back (i440FX, PIIX3 and PIIX4). */
#define MULTIFUNCTION 0x80
#define BRIDGE_SHADOW 0x59 /* 7 bytes: our memory there may always be written */
#define BRIDGE_SMRAM  0x72
#define ISA_ROUTES    0x60 /* 4 bytes */
#define PM_BASE	      0x40
#define PM_BASE_IO    1
#define PM_SMI	      0x58
#define PM_SMI_DONE   (1U << 25) /* there is no SMM to set up */
#define PM_ENABLE     0x80

struct og_vmm_firmware {
	void *image;
	size_t image_bytes;
	struct og_fw_cfg fw_cfg;
	struct og_cmos cmos;
	struct og_pci_function isa, pm;
	struct og_table_loader loader;
	uint16_t events_enabled;

	struct {
		uint64_t gpa, bytes;
		uint32_t type;
	} __attribute__((packed)) map[OG_MEMORY_MAP_MAX];
};

static void log_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	const struct og_vmm *vmm = device;

	(void)offset;
	if (!write)
		*value = LOG_READY;
	else if (vmm->config->firmware_log_fd >= 0 && len == 1)
		(void)og_write_all(vmm->config->firmware_log_fd, value, 1);
}

static void reset_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_vmm *vmm = device;

	(void)offset;
	(void)len;
	if (!write)
		*value = 0;
	else if ((*value & RESET_BIT) != 0)
		og_power_end(&vmm->power, OG_REBOOTED);
}

/* All ones, as where nobody answers: firmware then waits for no keyboard. */
static void keyboard_access(void *device, uint64_t offset, uint64_t *value, unsigned len,
			    bool write)
{
	struct og_vmm *vmm = device;

	if (write)
		og_i8042_access(&vmm->keyboard, offset, value, len, true);
	else
		*value = UINT64_MAX;
}

static int read_image(struct og_vmm *vmm, struct og_vmm_firmware *fw, struct og_err *err)
{
	int fd = vmm->config->firmware_fd;
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at file");
	if (!S_ISREG(st.st_mode) || st.st_size % (off_t)IMAGE_ALIGN != 0 ||
	    (uint64_t)st.st_size < IMAGE_BYTES_MIN || (uint64_t)st.st_size > IMAGE_BYTES_MAX)
		return og_fail(err, -ENOEXEC,
			       "no firmware image: a file of 64 KiB to 16 MiB in whole pages");
	fw->image = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fw->image == MAP_FAILED) {
		fw->image = NULL;
		return og_fail(err, -ENOMEM, "no memory for firmware");
	}
	fw->image_bytes = (size_t)st.st_size;
	got = og_pread_upto(fd, fw->image, fw->image_bytes, 0);
	if (got < 0)
		return og_fail(err, (int)got, "read file");
	return (size_t)got == fw->image_bytes ? 0 : og_fail(err, -EIO, "file became shorter");
}

/* Read only where a processor begins; a copy in memory below 1 MiB, which firmware may change. */
static int place_image(struct og_vmm *vmm, struct og_vmm_firmware *fw, struct og_err *err)
{
	uint64_t low = fw->image_bytes < LOW_COPY_BYTES ? fw->image_bytes : LOW_COPY_BYTES;
	void *at = og_mem_at(&vmm->mem, LOW_COPY_END - low, low);

	if (at == NULL)
		return og_fail(err, -ENOMEM, "no memory below 1 MiB");
	memcpy(at, (const uint8_t *)fw->image + fw->image_bytes - low, low);
	return og_kvm_set_rom(&vmm->kvm, IMAGE_END - fw->image_bytes, fw->image, fw->image_bytes,
			      err);
}

static void add_south_bridge(struct og_vmm *vmm, struct og_vmm_firmware *fw)
{
	static const struct og_pci_identity isa = { 0x8086, 0x7000, 0x1af4, 0x1100, 0x060100, 0 };
	static const struct og_pci_identity pm = { 0x8086, 0x7113, 0x1af4, 0x1100, 0x068000, 3 };
	struct og_pci_function *bridge = og_vmm_pci_bridge(vmm);
	const uint32_t smi = PM_SMI_DONE;

	memset(bridge->writable + BRIDGE_SHADOW, 0xff, 7);
	bridge->writable[BRIDGE_SMRAM] = 0xff;
	og_pci_function_init(&fw->isa, NULL, NULL, &isa);
	fw->isa.config[PCI_HEADER_TYPE] = MULTIFUNCTION;
	memset(fw->isa.writable + ISA_ROUTES, 0xff, 4);
	og_pci_function_init(&fw->pm, NULL, NULL, &pm);
	fw->pm.config[PM_BASE] = PM_BASE_IO;
	fw->pm.writable[PM_BASE] = 0xc0;
	fw->pm.writable[PM_BASE + 1] = 0xff;
	fw->pm.writable[PM_ENABLE] = 0xff;
	memcpy(fw->pm.config + PM_SMI, &smi, sizeof(smi));
	og_vmm_pci_add(vmm, 1 * OG_PCI_FUNCTIONS, &fw->isa);
	og_vmm_pci_add(vmm, 1 * OG_PCI_FUNCTIONS + 3, &fw->pm);
}

static void add_ports(struct og_vmm *vmm, struct og_vmm_firmware *fw)
{
	og_bus_add(&vmm->ports, OG_FW_CFG_PORT, OG_FW_CFG_PORTS, og_fw_cfg_access, &fw->fw_cfg);
	og_bus_add(&vmm->ports, OG_CMOS_PORT, OG_CMOS_PORTS, og_cmos_access, &fw->cmos);
	og_bus_add(&vmm->ports, OG_PM_TIMER_PORT_SEABIOS, OG_PM_TIMER_PORTS, og_pm_timer_access,
		   NULL);
	og_bus_add(&vmm->ports, OG_PM_TIMER_PORT_OVMF, OG_PM_TIMER_PORTS, og_pm_timer_access, NULL);
	og_bus_add(&vmm->ports, OG_PM_EVENT_PORT, OG_PM_EVENT_PORTS, og_pm_event_access,
		   &fw->events_enabled);
	og_bus_add(&vmm->ports, OG_PM_CONTROL_PORT, OG_PM_CONTROL_PORTS, og_pm_control_access,
		   &vmm->power);
	og_bus_add(&vmm->ports, OG_I8042_PORT, OG_I8042_PORTS, keyboard_access, vmm);
	og_bus_add(&vmm->ports, LOG_PORT, 1, log_access, vmm);
}

/* What firmware is told of the machine. */
static int add_files(struct og_vmm *vmm, struct og_vmm_firmware *fw, struct og_err *err)
{
	static const uint16_t serial_console = OG_SERIAL_PORT;
	const struct og_acpi acpi = {
		.cpus = vmm->config->cpus,
		.virtio_devices = vmm->n_slots,
		.pci = true,
		.pc = true,
		.pci_gpa = og_vmm_pci_window(vmm),
		.serial = vmm->config->serial,
	};
	unsigned n = 0;
	int r = og_table_loader_write(&acpi, &fw->loader, err);

	if (r < 0)
		return r;
	/* A firmware lays out the first MiB itself: only whole ranges of memory are told. */
	for (unsigned i = 0; i < vmm->mem.n_regions; i++, n++) {
		fw->map[n].gpa = vmm->mem.regions[i].gpa;
		fw->map[n].bytes = vmm->mem.regions[i].bytes;
		fw->map[n].type = OG_MEMORY_RAM;
	}
	og_fw_cfg_add(&fw->fw_cfg, "etc/e820", fw->map, n * sizeof(fw->map[0]));
	og_fw_cfg_add(&fw->fw_cfg, OG_LOADER_RSDP_FILE, fw->loader.rsdp, sizeof(fw->loader.rsdp));
	og_fw_cfg_add(&fw->fw_cfg, OG_LOADER_TABLES_FILE, fw->loader.tables,
		      fw->loader.tables_bytes);
	og_fw_cfg_add(&fw->fw_cfg, OG_LOADER_FILE, fw->loader.commands,
		      fw->loader.n_commands * sizeof(fw->loader.commands[0]));
	if (vmm->config->serial)
		og_fw_cfg_add(&fw->fw_cfg, "etc/sercon-port", &serial_console,
			      sizeof(serial_console));
	return 0;
}

/* Before PCI's ports are added: this one is in the middle of them. */
int og_vmm_add_pc(struct og_vmm *vmm, struct og_err *err)
{
	bool firmware = vmm->config->firmware_fd >= 0;

	if (firmware)
		og_bus_add(&vmm->ports, RESET_PORT, 1, reset_access, vmm);
	return firmware || vmm->config->timer ? og_kvm_add_timer(&vmm->kvm, err) : 0;
}

int og_vmm_add_firmware(struct og_vmm *vmm, struct og_err *err)
{
	uint64_t high = vmm->mem.n_regions > 1 ? vmm->mem.regions[1].bytes : 0;
	struct og_vmm_firmware *fw = calloc(1, sizeof(*fw));
	int r;

	if (fw == NULL)
		return og_fail(err, -ENOMEM, "make firmware's devices");
	vmm->firmware = fw;
	r = read_image(vmm, fw, err);
	if (r == 0)
		r = place_image(vmm, fw, err);
	if (r < 0)
		return og_fail_in(err, r, "firmware '%s'", vmm->config->firmware_name);
	og_fw_cfg_init(&fw->fw_cfg, &vmm->mem, vmm->config->cpus);
	og_cmos_init(&fw->cmos, og_mem_low_end(&vmm->mem), high);
	add_south_bridge(vmm, fw);
	add_ports(vmm, fw);
	return add_files(vmm, fw, err);
}

void og_vmm_free_firmware(struct og_vmm *vmm)
{
	if (vmm->firmware != NULL && vmm->firmware->image != NULL)
		(void)munmap(vmm->firmware->image, vmm->firmware->image_bytes);
	free(vmm->firmware);
	vmm->firmware = NULL;
}

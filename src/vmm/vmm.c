/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vmm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/loop.h"
#include "vmm/boot/acpi.h"
#include "vmm/boot/load.h"
#include "vmm/device/event.h"
#include "vmm/device/serial.h"
#include "vmm/device/virtio_blk.h"
#include "vmm/device/virtio_console.h"
#include "vmm/device/virtio_mmio.h"
#include "vmm/device/virtio_rng.h"
#include "vmm/jail.h"
#include "vmm/x86/kvm.h"
#include "vmm/x86/layout.h"
#include "vmm/x86/vcpu.h"

/* One place of the virtio bus: how the guest reaches a device and the I/O thread serves it. */
struct slot {
	struct og_virtio_mmio mmio;
	struct og_virtio *virtio; /* borrowed */
};

struct og_vmm {
	struct og_mem mem;
	struct og_kvm kvm;
	struct og_bus ports, mmio;
	struct og_power power;
	struct og_loop *loop;
	int stop_fd;

	struct og_vcpu *vcpus; /* owned, as all below */
	unsigned n_vcpus;
	struct og_vcpu_world world;
	pthread_barrier_t start;

	struct slot slots[OG_VIRTIO_COUNT_MAX];
	unsigned n_slots;
	struct og_virtio_blk *blks;
	unsigned n_blks;
	struct og_virtio_console *console;
	struct og_virtio_rng *rng;

	struct og_serial *serial;
	struct og_source *serial_input;
	int serial_in_fd;
};

static void on_stop(struct og_source *source, uint32_t events, void *data)
{
	struct og_vmm *vmm = data;

	(void)source;
	(void)events;
	og_loop_stop(vmm->loop);
}

static void on_kick(struct og_source *source, uint32_t events, void *data)
{
	struct og_virtio *virtio = data;

	(void)source;
	(void)events;
	og_event_clear(virtio->kick_fd);
	og_virtio_work(virtio);
}

static void on_console(struct og_source *source, uint32_t events, void *data)
{
	uint32_t gone = EPOLLHUP | EPOLLERR;

	(void)source;
	og_virtio_console_ready(data, (events & (EPOLLIN | EPOLLRDHUP | gone)) != 0,
				(events & (EPOLLOUT | gone)) != 0);
}

/* The source is armed for one event at a time: a line that hung up is not reported for ever. */
static void on_serial_input(struct og_source *source, uint32_t events, void *data)
{
	struct og_vmm *vmm = data;
	uint8_t bytes[OG_SERIAL_FIFO];
	unsigned room = og_serial_room(vmm->serial);
	ssize_t got;

	(void)events;
	if (room == 0)
		return; /* on_serial_room() arms it again */
	got = read(vmm->serial_in_fd, bytes, room);
	if (got <= 0) {
		vmm->serial_input = og_source_remove(source);
		return;
	}
	og_serial_input(vmm->serial, bytes, (unsigned)got);
	(void)og_source_watch(source, EPOLLIN | EPOLLONESHOT);
}

static void on_serial_room(struct og_source *source, uint32_t events, void *data)
{
	struct og_vmm *vmm = data;

	(void)source;
	(void)events;
	og_event_clear(vmm->serial->room_fd);
	if (vmm->serial_input != NULL)
		(void)og_source_watch(vmm->serial_input, EPOLLIN | EPOLLONESHOT);
}

static void serial_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	if (len != 1)
		return;
	if (write)
		og_serial_write(device, (unsigned)offset, (uint8_t)*value);
	else
		*value = og_serial_read(device, (unsigned)offset);
}

static void virtio_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	if (write)
		og_virtio_mmio_write(device, offset, *value, len);
	else
		*value = og_virtio_mmio_read(device, offset, len);
}

/* Gives a device its registers, interrupt and notifications. */
static int plug(struct og_vmm *vmm, struct og_virtio *virtio, struct og_err *err)
{
	unsigned index = vmm->n_slots++;
	struct slot *slot = &vmm->slots[index];
	uint64_t gpa = OG_VIRTIO_GPA + index * OG_VIRTIO_MMIO_BYTES;
	int r;

	slot->virtio = virtio;
	slot->mmio.virtio = virtio;
	og_bus_add(&vmm->mmio, gpa, OG_VIRTIO_MMIO_BYTES, virtio_access, &slot->mmio);
	r = og_kvm_wire_interrupt(&vmm->kvm, OG_VIRTIO_GSI + index, virtio->interrupt_fd, err);
	if (r == 0)
		r = og_kvm_wire_notify(&vmm->kvm, gpa + OG_VIRTIO_MMIO_NOTIFY, virtio->kick_fd,
				       err);
	if (r == 0)
		r = og_loop_add_fd(vmm->loop, virtio->kick_fd, EPOLLIN, on_kick, virtio, NULL, err);
	return r;
}

static int add_disk(struct og_vmm *vmm, const struct og_vmm_disk *config, struct og_err *err)
{
	struct og_virtio_blk *blk = &vmm->blks[vmm->n_blks];
	char id[] = { 'd', 'i', 's', 'k', (char)('a' + vmm->n_blks), 0 };
	struct og_disk disk;
	int r;

	r = og_disk_init(&disk, config->parts, config->n_parts, config->readonly, err);
	if (r < 0)
		return r;
	r = og_virtio_blk_init(blk, &disk, id, &vmm->mem, err);
	if (r < 0)
		return r;
	vmm->n_blks++;
	return plug(vmm, &blk->virtio, err);
}

static int add_disks(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	if (config->n_disks == 0)
		return 0;
	vmm->blks = calloc(config->n_disks, sizeof(*vmm->blks));
	if (vmm->blks == NULL)
		return og_fail(err, -ENOMEM, "make disks");
	for (unsigned i = 0; i < config->n_disks; i++) {
		int r = add_disk(vmm, &config->disks[i], err);

		if (r < 0)
			return og_fail_in(err, r, "disk '%s'", config->disks[i].name);
	}
	return 0;
}

static int add_console(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	struct og_virtio_console *console;
	int r;

	if (config->console_fd < 0)
		return 0;
	console = calloc(1, sizeof(*console));
	if (console == NULL)
		return og_fail(err, -ENOMEM, "make console");
	r = og_virtio_console_init(console, config->console_fd, config->console_name, &vmm->mem,
				   err);
	if (r < 0) {
		free(console);
		return r;
	}
	vmm->console = console;
	r = plug(vmm, &console->virtio, err);
	if (r < 0)
		return r;
	return og_loop_add_fd(vmm->loop, config->console_fd,
			      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_console, console, NULL,
			      err);
}

static int add_rng(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	struct og_virtio_rng *rng = calloc(1, sizeof(*rng));
	int r;

	(void)config;
	if (rng == NULL)
		return og_fail(err, -ENOMEM, "make entropy device");
	r = og_virtio_rng_init(rng, &vmm->mem, err);
	if (r < 0) {
		free(rng);
		return r;
	}
	vmm->rng = rng;
	return plug(vmm, &rng->virtio, err);
}

static int watch_serial_input(struct og_vmm *vmm, struct og_err *err)
{
	int r = og_loop_add_fd(vmm->loop, vmm->serial_in_fd, EPOLLIN | EPOLLONESHOT,
			       on_serial_input, vmm, &vmm->serial_input, err);

	/* A file is no line to wait for: there is no input then. */
	return r == -EPERM ? 0 : r;
}

static int add_serial(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	struct og_serial *serial;
	int r;

	if (!config->serial)
		return 0;
	serial = calloc(1, sizeof(*serial));
	if (serial == NULL)
		return og_fail(err, -ENOMEM, "make serial port");
	r = og_serial_init(serial, config->serial_out_fd, err);
	if (r < 0) {
		free(serial);
		return r;
	}
	vmm->serial = serial;
	vmm->serial_in_fd = config->serial_in_fd;
	og_bus_add(&vmm->ports, OG_SERIAL_PORT, OG_SERIAL_PORTS, serial_access, serial);
	r = og_kvm_wire_interrupt(&vmm->kvm, OG_SERIAL_GSI, serial->interrupt_fd, err);
	if (r == 0)
		r = og_loop_add_fd(vmm->loop, serial->room_fd, EPOLLIN, on_serial_room, vmm, NULL,
				   err);
	if (r == 0 && config->serial_in_fd >= 0)
		r = watch_serial_input(vmm, err);
	return r;
}

static int add_power(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	(void)config;
	vmm->stop_fd = og_event_new();
	if (vmm->stop_fd < 0)
		return og_fail(err, -errno, "make event descriptor");
	vmm->power.stop_fd = vmm->stop_fd;
	og_bus_add(&vmm->ports, OG_POWER_PORT, OG_POWER_PORTS, og_power_access, &vmm->power);
	og_bus_add(&vmm->ports, OG_I8042_PORT, OG_I8042_PORTS, og_i8042_access, &vmm->power);
	return og_loop_add_fd(vmm->loop, vmm->stop_fd, EPOLLIN, on_stop, vmm, NULL, err);
}

static int add_memory(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	int r = og_mem_init(&vmm->mem, config->memory_mib << 20, err);

	if (r < 0)
		return r;
	r = og_loop_new(&vmm->loop, err);
	return r < 0 ? r : og_kvm_add_memory(&vmm->kvm, &vmm->mem, err);
}

static int add_vcpus(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	og_auto_free struct og_cpuid *cpuid = malloc(sizeof(*cpuid));
	int r;

	vmm->vcpus = calloc(config->cpus, sizeof(*vmm->vcpus));
	if (cpuid == NULL || vmm->vcpus == NULL)
		return og_fail(err, -ENOMEM, "make vCPUs");
	vmm->world = (struct og_vcpu_world){
		.ports = &vmm->ports,
		.mmio = &vmm->mmio,
		.power = &vmm->power,
		.start = &vmm->start,
	};
	r = og_cpuid_supported(&vmm->kvm, cpuid, err);
	for (unsigned i = 0; r == 0 && i < config->cpus; i++) {
		r = og_vcpu_init(&vmm->vcpus[i], &vmm->kvm, i, config->cpus, cpuid, &vmm->world,
				 err);
		if (r == 0)
			vmm->n_vcpus++;
	}
	return r;
}

/* After the devices: the tables name them. */
static int add_guest(struct og_vmm *vmm, const struct og_vmm_config *config, struct og_err *err)
{
	struct og_acpi acpi = {
		.cpus = config->cpus,
		.virtio_devices = vmm->n_slots,
		.serial = config->serial,
	};
	struct og_boot boot = {
		.kernel_fd = config->kernel_fd,
		.initrd_fd = config->initrd_fd,
		.kernel_name = config->kernel_name,
		.initrd_name = config->initrd_name,
		.cmdline = config->cmdline,
		.acpi_rsdp = OG_ACPI_GPA,
	};
	void *tables = og_mem_at(&vmm->mem, OG_ACPI_GPA, OG_ACPI_BYTES);
	struct og_entry entry;
	int r;

	if (tables == NULL)
		return og_fail(err, -ENOMEM, "no memory for ACPI tables");
	r = og_acpi_write(&acpi, OG_ACPI_GPA, tables, OG_ACPI_BYTES, err);
	if (r == 0)
		r = og_boot_load(&boot, &vmm->mem, &entry, err);
	if (r == 0)
		r = og_vcpu_set_entry(&vmm->vcpus[0], &vmm->mem, entry.rip, entry.rsi, err);
	return r;
}

/* What a machine is made of, in the order in which it is put together. */
static int (*const parts[])(struct og_vmm *vmm, const struct og_vmm_config *config,
			    struct og_err *err) = {
	add_memory, add_power, add_vcpus, add_serial, add_disks, add_console, add_rng, add_guest,
};

static int check(const struct og_vmm_config *config, struct og_err *err)
{
	if (config->cpus < 1 || config->cpus > OG_VMM_CPUS_MAX)
		return og_fail(err, -EINVAL, "%u vCPUs (1 to %d)", config->cpus, OG_VMM_CPUS_MAX);
	if (config->memory_mib < OG_VMM_MEMORY_MIB_MIN ||
	    config->memory_mib > OG_VMM_MEMORY_MIB_MAX)
		return og_fail(err, -EINVAL, "memory of %llu MiB (%d to %u)",
			       (unsigned long long)config->memory_mib, OG_VMM_MEMORY_MIB_MIN,
			       OG_VMM_MEMORY_MIB_MAX);
	if (config->n_disks > OG_VMM_DISKS_MAX)
		return og_fail(err, -EINVAL, "%u disks (up to %d)", config->n_disks,
			       OG_VMM_DISKS_MAX);
	return 0;
}

int og_vmm_new(const struct og_vmm_config *config, struct og_vmm **ret_vmm, struct og_err *err)
{
	og_cleanup(og_vmm_freep) struct og_vmm *vmm = NULL;
	int r = check(config, err);

	if (r < 0)
		return r;
	vmm = calloc(1, sizeof(*vmm));
	if (vmm == NULL)
		return og_fail(err, -ENOMEM, "make virtual machine");
	vmm->stop_fd = -EBADF;
	r = og_kvm_init(&vmm->kvm, err);
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = parts[i](vmm, config, err);
	if (r < 0)
		return r;

	*ret_vmm = og_take_ptr(vmm);
	return 0;
}

static void free_devices(struct og_vmm *vmm)
{
	for (unsigned i = 0; i < vmm->n_blks; i++)
		og_virtio_blk_done(&vmm->blks[i]);
	free(vmm->blks);
	if (vmm->console != NULL)
		og_virtio_console_done(vmm->console);
	free(vmm->console);
	if (vmm->rng != NULL)
		og_virtio_rng_done(vmm->rng);
	free(vmm->rng);
	if (vmm->serial != NULL)
		og_serial_done(vmm->serial);
	free(vmm->serial);
}

struct og_vmm *og_vmm_free(struct og_vmm *vmm)
{
	if (vmm == NULL)
		return NULL;
	og_loop_free(vmm->loop);
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_done(&vmm->vcpus[i]);
	free(vmm->vcpus);
	free_devices(vmm);
	og_close(vmm->stop_fd);
	og_kvm_done(&vmm->kvm);
	og_mem_done(&vmm->mem);
	free(vmm);
	return NULL;
}

/* Brings all threads to the barrier and past it, this one confined. */
static int start(struct og_vmm *vmm, bool confine, struct og_err *err)
{
	int r = og_vcpu_prepare_kick(err);

	if (r < 0)
		return r;
	vmm->world.confine = confine ? og_jail_vcpu : NULL;
	(void)pthread_barrier_init(&vmm->start, NULL, vmm->n_vcpus + 1);
	for (unsigned i = 0; i < vmm->n_vcpus; i++) {
		r = og_vcpu_start(&vmm->vcpus[i], err);
		if (r < 0)
			return r; /* the process ends: those at the barrier never ran */
	}
	if (confine)
		r = og_jail_io(err);
	if (r == 0)
		(void)pthread_barrier_wait(&vmm->start);
	return r;
}

static void stop(struct og_vmm *vmm)
{
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_kick(&vmm->vcpus[i]);
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_join(&vmm->vcpus[i]);
}

int og_vmm_run(struct og_vmm *vmm, bool confine, enum og_outcome *ret_outcome, struct og_err *err)
{
	int r = start(vmm, confine, err);

	if (r < 0)
		return r;
	r = og_loop_run(vmm->loop, err);
	og_power_end(&vmm->power, OG_FAILED); /* unless it ended by itself */
	stop(vmm);
	if (r < 0)
		return r;

	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		if (vmm->vcpus[i].err.code != 0) {
			if (err != NULL)
				*err = vmm->vcpus[i].err;
			return vmm->vcpus[i].err.code;
		}
	if (vmm->console != NULL)
		og_virtio_console_drain(vmm->console);
	*ret_outcome = (enum og_outcome)atomic_load(&vmm->power.outcome);
	return 0;
}

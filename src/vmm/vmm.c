/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vmm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/boot/acpi.h"
#include "vmm/boot/load.h"
#include "vmm/compromised.h"
#include "vmm/jail.h"
#include "vmm/machine.h"
#include "vmm/memory_share.h"
#include "vmm/x86/save.h"

void og_vmm_config_init(struct og_vmm_config *config)
{
	*config = (struct og_vmm_config){
		.kvm_fd = -EBADF,
		.kernel_fd = -EBADF,
		.initrd_fd = -EBADF,
		.firmware_fd = -EBADF,
		.firmware_log_fd = -EBADF,
		.cmdline = "",
		.place = OG_MEM_PLACE_ANY,
		.cpus = 1,
		.console.fd = -EBADF,
		.vsock.listen_fd = -EBADF,
		.serial_in_fd = -EBADF,
		.serial_out_fd = -EBADF,
		.control_fd = -EBADF,
		.snapshot = { .memory_fd = -EBADF,
			      .uffd_socket_fd = -EBADF,
			      .uffd_device_fd = -EBADF },
		.jail = OG_JAIL_NONE,
		.broker_fd = -EBADF,
		.metrics_fd = -EBADF,
	};
}

void og_vmm_config_keep(struct og_vmm_config *config, int fd)
{
	if (fd >= 0 && config->n_kept < OG_VMM_FDS_MAX)
		config->kept_fds[config->n_kept++] = fd;
}

/* Unless what the machine was restored from brought it. */
static int add_hotplug(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_hotplug_config *config = &vmm->config->hotplug;
	int r;

	if (config->total_mib == 0 || vmm->mem.hotplug.region.bytes > 0)
		return 0;
	r = og_hotplug_check(config, err);
	return r < 0 ? r
		     : og_mem_add_hotplug(&vmm->mem, config->total_mib << 20,
					  config->slot_mib << 20, err);
}

/* All its slots for hot-plug are yet to be given to this machine. */
static void adopt_memory(struct og_vmm *vmm, const struct og_mem *given)
{
	const struct og_mem_hotplug *hotplug = &given->hotplug;

	vmm->mem = *given;
	if (hotplug->region.bytes > 0)
		for (uint64_t i = 0; i < hotplug->region.bytes / hotplug->slot_bytes; i++)
			og_mem_set_present(&vmm->mem, (unsigned)i, false);
}

/* For forks. What has a place of its own stays there, and what is restored has its own file. */
static bool is_to_be_shared(const struct og_vmm_config *config)
{
	const struct og_mem_place *place = &config->place;

	return config->forkable && config->control_fd >= 0 && config->snapshot.state == NULL &&
	       !place->huge && !place->lock && place->node < 0;
}

static int add_memory(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_mem *given = vmm->config->snapshot.memory;
	int r = 0;

	if (given != NULL)
		adopt_memory(vmm, given);
	else
		r = og_mem_init(&vmm->mem, vmm->config->memory_mib << 20, err);
	if (r == 0 && given == NULL)
		r = add_hotplug(vmm, err);
	if (r == 0 && is_to_be_shared(vmm->config))
		r = og_mem_share(&vmm->mem, err);
	if (r == 0 && given == NULL)
		r = og_mem_place(&vmm->mem, &vmm->config->place, err);
	if (r < 0)
		return r;
	vmm->free_gpa = og_mem_end(&vmm->mem) < OG_GAP_END ? OG_GAP_END : og_mem_end(&vmm->mem);
	if (given == NULL && (vmm->config->forkable || vmm->config->place.prefer_huge))
		og_mem_prefer_huge(&vmm->mem);
	vmm->kvm.log_dirty = vmm->config->track_dirty_pages;
	r = og_loop_new(&vmm->loop, err);
	return r < 0 ? r : og_kvm_add_memory(&vmm->kvm, &vmm->mem, err);
}

static bool has_template(const struct og_vmm_config *config)
{
	return config->cpu_template != NULL || (config->cpu_template_name != NULL &&
						strcmp(config->cpu_template_name, "None") != 0);
}

/* Those of its snapshot are loaded later; but a template is also asked whether it is for this host. */
static bool has_features(const struct og_vmm_config *config)
{
	return config->snapshot.state != NULL && !has_template(config);
}

struct cpu {
	struct og_cpuid cpuid;
	struct og_cpu_template room;
};

/* Makes of what KVM supports what the guest is to see; *@ret_template stays NULL without one. */
static int choose_cpu(struct og_vmm *vmm, struct cpu *cpu,
		      const struct og_cpu_template **ret_template, struct og_err *err)
{
	const struct og_cpu_template *template = vmm->config->cpu_template;
	struct og_cpuid *cpuid = &cpu->cpuid;
	int r = og_cpuid_supported(&vmm->kvm, cpuid, err);

	if (r == 0 && template == NULL && has_template(vmm->config)) {
		r = og_cpu_template_named(vmm->config->cpu_template_name, cpuid, &cpu->room, err);
		template = &cpu->room;
	}
	if (r < 0 || template == NULL)
		return r;
	*ret_template = template;
	r = og_kvm_require(&vmm->kvm, template->capabilities, template->n_capabilities, err);
	return r < 0 ? r : og_cpu_template_apply(template, cpuid, err);
}

static int add_vcpus(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_cpu_layout layout = {
		.cpus = vmm->config->cpus,
		.smt = vmm->config->smt,
		.tsc_deadline = vmm->kvm.tsc_deadline,
	};
	bool known = has_features(vmm->config);
	og_auto_free struct cpu *cpu = known ? NULL : malloc(sizeof(*cpu));
	const struct og_cpu_template *template = NULL;
	int r = 0;

	vmm->vcpus = calloc(vmm->config->cpus, sizeof(*vmm->vcpus));
	if ((!known && cpu == NULL) || vmm->vcpus == NULL)
		return og_fail(err, -ENOMEM, "make vCPUs");
	vmm->world = (struct og_vcpu_world){
		.ports = &vmm->ports,
		.mmio = &vmm->mmio,
		.power = &vmm->power,
		.gate = &vmm->gate,
		.metrics = vmm->config->metrics != NULL ? &vmm->config->metrics->vcpu : NULL,
	};
	if (!known)
		r = choose_cpu(vmm, cpu, &template, err);
	for (unsigned i = 0; r == 0 && i < vmm->config->cpus; i++) {
		r = og_vcpu_init(&vmm->vcpus[i], &vmm->kvm, i, &layout, known ? NULL : &cpu->cpuid,
				 &vmm->world, err);
		if (r == 0)
			vmm->n_vcpus++;
		if (r == 0 && template != NULL)
			r = og_vcpu_modify_msrs(&vmm->vcpus[i], template, err);
	}
	return r;
}

static int boot_guest(struct og_vmm *vmm, struct og_err *err)
{
	struct og_acpi acpi = {
		.cpus = vmm->config->cpus,
		.virtio_devices = vmm->n_slots,
		.pci = vmm->pci != NULL,
		.serial = vmm->config->serial,
		.keyboard = vmm->config->keyboard,
		.generation = true,
	};
	struct og_boot boot = {
		.kernel_fd = vmm->config->kernel_fd,
		.initrd_fd = vmm->config->initrd_fd,
		.kernel_name = vmm->config->kernel_name,
		.initrd_name = vmm->config->initrd_name,
		.cmdline = vmm->config->cmdline,
		.acpi_rsdp = OG_ACPI_GPA,
	};
	void *tables = og_mem_at(&vmm->mem, OG_ACPI_GPA, OG_ACPI_BYTES);
	struct og_entry entry;
	int r;

	if (vmm->config->firmware_fd >= 0)
		return og_vmm_add_firmware(vmm, err); /* the processors begin as after a reset */

	if (tables == NULL)
		return og_fail(err, -ENOMEM, "no memory for ACPI tables");
	r = og_acpi_write(&acpi, OG_ACPI_GPA, tables, OG_ACPI_BYTES, err);
	if (r == 0)
		r = og_boot_load(&boot, &vmm->mem, &entry, err);
	if (r == 0 && entry.timer && !vmm->kvm.timer)
		r = og_kvm_add_timer(&vmm->kvm, err);
	if (r == 0)
		r = og_vcpu_set_entry(&vmm->vcpus[0], &vmm->mem, &entry, err);
	return r;
}

/* After the devices: the tables name them, and a snapshot has their state. */
static int add_guest(struct og_vmm *vmm, struct og_err *err)
{
	return vmm->config->snapshot.state != NULL ? og_vmm_restore(vmm, err)
						   : boot_guest(vmm, err);
}

/* What a machine is made of, in the order in which it is put together. */
static int (*const parts[])(struct og_vmm *vmm, struct og_err *err) = {
	add_memory,	    og_vmm_add_power,	      og_vmm_add_keyboard,  og_vmm_add_vmgenid,
	add_vcpus,	    og_vmm_add_serial,	      og_vmm_add_pc,	    og_vmm_add_pci,
	og_vmm_add_devices, og_vmm_prepare_snapshots, og_vmm_prepare_forks, add_guest,
	og_vmm_add_control,
};

static int check(const struct og_vmm_config *config, struct og_err *err)
{
	if (config->cpus < 1 || config->cpus > OG_VMM_CPUS_MAX)
		return og_fail(err, -EINVAL, "%u vCPUs (1 to %d)", config->cpus, OG_VMM_CPUS_MAX);
	if (config->smt && config->cpus > 1 && config->cpus % 2 != 0)
		return og_fail(err, -EINVAL, "%u vCPUs are not threads of whole cores (SMT)",
			       config->cpus);
	if (config->memory_mib < OG_VMM_MEMORY_MIB_MIN ||
	    config->memory_mib > OG_VMM_MEMORY_MIB_MAX)
		return og_fail(err, -EINVAL, "memory of %llu MiB (%d to %u)",
			       (unsigned long long)config->memory_mib, OG_VMM_MEMORY_MIB_MIN,
			       OG_VMM_MEMORY_MIB_MAX);
	if (config->n_disks > OG_VMM_DISKS_MAX)
		return og_fail(err, -EINVAL, "%u disks (up to %d)", config->n_disks,
			       OG_VMM_DISKS_MAX);
	if (config->n_nets > OG_VMM_NETS_MAX)
		return og_fail(err, -EINVAL, "%u network cards (up to %d)", config->n_nets,
			       OG_VMM_NETS_MAX);
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
	vmm->config = config;
	vmm->mem = (struct og_mem)OG_MEM_NONE;
	vmm->stop_fd = -EBADF;
	og_gate_init(&vmm->gate, true);
	if (config->kvm != NULL)
		vmm->kvm = *config->kvm;
	else
		r = og_kvm_init(&vmm->kvm, config->kvm_fd, err);
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = parts[i](vmm, err);
	if (r < 0)
		return r;

	*ret_vmm = og_take_ptr(vmm);
	return 0;
}

struct og_vmm *og_vmm_free(struct og_vmm *vmm)
{
	if (vmm == NULL)
		return NULL;
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_done(&vmm->vcpus[i]);
	free(vmm->vcpus);
	og_vmm_free_devices(vmm); /* some take what they watch out of the loop */
	og_loop_free(vmm->loop);
	og_vmm_free_snapshots(vmm);
	free(vmm->dirty_scratch);
	free(vmm->fork_room);
	free(vmm->collapsed);
	og_close(vmm->stop_fd);
	og_kvm_done(&vmm->kvm);
	og_mem_done(&vmm->mem);
	free(vmm);
	return NULL;
}

void og_vmm_pause(struct og_vmm *vmm)
{
	if (vmm->paused)
		return;
	vmm->paused = true;
	og_gate_close(&vmm->gate);
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_kick(&vmm->vcpus[i]);
	og_gate_gather(&vmm->gate, vmm->n_vcpus);
	for (unsigned i = 0; i < vmm->n_slots; i++)
		og_virtio_stop(vmm->slots[i].virtio);
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_was_paused(&vmm->vcpus[i]);
}

void og_vmm_resume(struct og_vmm *vmm)
{
	if (!vmm->paused)
		return;
	vmm->paused = false;
	for (unsigned i = 0; i < vmm->n_slots; i++)
		og_virtio_go_on(vmm->slots[i].virtio);
	og_gate_open(&vmm->gate);
}

static unsigned powers(const struct og_vmm_config *config)
{
	return (config->control_fd >= 0 ? OG_JAIL_SNAPSHOTS : 0U) |
	       (config->forkable ? OG_JAIL_FORKS : 0U);
}

/* Brings all threads to the gate, each confined, this one too. */
static int start(struct og_vmm *vmm, bool confine, struct og_err *err)
{
	int r = og_vcpu_prepare_kick(err);

	if (r < 0)
		return r;
	vmm->world.confine = vmm->pci != NULL ? og_jail_vcpu_pci : og_jail_vcpu;
	if (!confine)
		vmm->world.confine = NULL;
	for (unsigned i = 0; i < vmm->n_vcpus; i++) {
		r = og_vcpu_start(&vmm->vcpus[i], err);
		if (r < 0)
			return r; /* the process ends: those at the gate never ran */
	}
	if (vmm->config->forkable) /* nobody waits for them */
		(void)signal(SIGCHLD, SIG_IGN);
	return confine && !vmm->config->confined ? og_jail_io(powers(vmm->config), err) : 0;
}

/* All devices are as in a pause until then: a restored one has work to do at once. */
static void begin(struct og_vmm *vmm)
{
	const struct og_answer started = {};

	vmm->paused = true;
	for (unsigned i = 0; i < vmm->n_slots; i++)
		vmm->slots[i].virtio->stopped = true;
	if (!vmm->config->start_paused)
		og_vmm_resume(vmm);
	if (vmm->config->control_fd >= 0)
		(void)og_control_answer(vmm->config->control_fd, &started);
	og_act_compromised("");
}

static void stop(struct og_vmm *vmm)
{
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_kick(&vmm->vcpus[i]);
	og_gate_open(&vmm->gate);
	for (unsigned i = 0; i < vmm->n_vcpus; i++)
		og_vcpu_join(&vmm->vcpus[i]);
}

static void drain(struct og_vmm *vmm)
{
	for (unsigned i = 0; i < vmm->n_slots; i++)
		if (vmm->slots[i].virtio->ops->drain != NULL)
			vmm->slots[i].virtio->ops->drain(vmm->slots[i].virtio);
}

int og_vmm_run(struct og_vmm *vmm, bool confine, enum og_outcome *ret_outcome, struct og_err *err)
{
	int r = start(vmm, confine, err);

	if (r < 0)
		return r;
	begin(vmm);
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
	drain(vmm);
	*ret_outcome = (enum og_outcome)atomic_load(&vmm->power.outcome);
	return 0;
}

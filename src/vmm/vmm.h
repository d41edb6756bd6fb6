/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onggi's hypervisor: one virtual machine on KVM, in one process.
 *
 * It is given open descriptors and numbers. It knows no image, JSON, HTTP or path, parses no text,
 * and treats all that the guest and the kernel file say as hostile.
 *
 *	x86/		processors and the KVM machine
 *	boot/		kernels, boot_params, ACPI
 *	device/		one file a device; virtqueues; transports apart from devices
 *	snapshot/	what a machine is, as bytes
 *
 * Each vCPU has a thread. The thread that calls og_vmm_run() does all other work: it waits for what
 * the guest notifies and for sockets and files, moves the data, and carries out commands
 * (control.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/device/power.h"
#include "vmm/device/virtio_balloon.h"
#include "vmm/device/virtio_blk.h"
#include "vmm/device/virtio_console.h"
#include "vmm/device/virtio_fs.h"
#include "vmm/device/virtio_mem.h"
#include "vmm/device/virtio_net.h"
#include "vmm/device/virtio_pmem.h"
#include "vmm/device/virtio_rng.h"
#include "vmm/device/virtio_vsock.h"
#include "vmm/jail.h"
#include "vmm/limits.h"
#include "vmm/memory_place.h"
#include "vmm/metrics.h"
#include "vmm/snapshot/snapshot.h"

/*
 * What a machine is made of. Descriptors and texts stay the caller's and must outlive the machine.
 * A negative descriptor: there is none. Begin with og_vmm_config_init().
 */
struct og_vmm_config {
	int kvm_fd;		  /* /dev/kvm; negative: it is opened */
	const struct og_kvm *kvm; /* a machine of it that is there already, taken over; or NULL */

	int kernel_fd; /* a regular file: bzImage or ELF64 */
	int initrd_fd;
	const char *kernel_name, *initrd_name; /* for messages */
	const char *cmdline;
	int firmware_fd; /* a firmware's image (SeaBIOS, OVMF) in place of a kernel: a PC */
	const char *firmware_name;
	int firmware_log_fd; /* what it writes to port 0x402 */
	uint64_t memory_mib;
	struct og_mem_place place;
	unsigned cpus;
	bool smt;				    /* two vCPUs are threads of one core */
	const struct og_cpu_template *cpu_template; /* may be NULL */
	const char *cpu_template_name; /* a known one (cpu_template.h), else; NULL or "None": none */

	bool timer; /* a PC's (8254); a firmware and a multiboot kernel have it anyway */
	bool pci;   /* virtio devices on a PCI bus in place of the MMIO transport */

	/* In the order in which the guest finds them: kind by kind (devices.c). */
	struct og_blk_config disks[OG_VMM_DISKS_MAX];
	unsigned n_disks;
	struct og_net_config nets[OG_VMM_NETS_MAX];
	unsigned n_nets;
	struct og_mmds_config mmds; /* nets[].mmds points here where it may be reached */
	struct og_console_config console;
	struct og_rng_config rng;
	struct og_vsock_config vsock;
	struct og_balloon_config balloon;
	struct og_hotplug_config hotplug;
	struct og_pmem_config pmems[OG_VMM_PMEMS_MAX];
	unsigned n_pmems;
	struct og_fs_config shares[OG_VMM_SHARES_MAX];
	unsigned n_shares;

	bool keyboard; /* for OG_COMMAND_CTRL_ALT_DEL; with a firmware there is none */
	bool serial;   /* whether there is a serial port at all */
	int serial_in_fd, serial_out_fd;
	struct og_bucket_config serial_limit; /* bytes of its output */

	int control_fd;	   /* commands (control.h), the machine's end */
	int broker_fd;	   /* struct og_device_world */
	bool start_paused; /* until OG_COMMAND_RESUME */

	bool track_dirty_pages; /* for snapshots of changes alone */
	bool forkable;		/* for OG_COMMAND_FORK: more system calls, memory in a file */
	bool confined;		/* the process is a fork of one that gave up system calls */
	struct og_snapshot_source snapshot;

	struct og_jail_config jail; /* taken up by og_process_start() */

	struct og_metrics *metrics; /* zeroed; may be NULL */
	int metrics_fd;		    /* a clone's, before it is mapped */

	/* Every descriptor above, for a process that keeps no other (process.h). */
	int kept_fds[OG_VMM_FDS_MAX];
	unsigned n_kept;
};

void og_vmm_config_init(struct og_vmm_config *config);

/* Says that @fd is the configuration's; negative ones and those beyond OG_VMM_FDS_MAX are not. */
void og_vmm_config_keep(struct og_vmm_config *config, int fd);

struct og_vmm;

/*
 * Builds the machine up to its first instruction. On success *@ret_vmm is the caller's to free.
 *
 * Errors: -ENOEXEC (the kernel is none), -ENOMEM, -E2BIG, -EINVAL (a number out of range, a bad
 * disk), those of /dev/kvm; each text names its object.
 */
int og_vmm_new(const struct og_vmm_config *config, struct og_vmm **ret_vmm, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_vmm *og_vmm_free(struct og_vmm *vmm);
OG_DEFINE_CLEANUP(struct og_vmm, og_vmm_free)

/*
 * Runs the guest until it ends: *@ret_outcome is OG_POWERED_OFF or OG_REBOOTED. Once. With @confine
 * the process is locked up first (jail.h) and can do little more than this afterwards. Where there
 * is a control_fd, its first message says that the guest runs now.
 */
int og_vmm_run(struct og_vmm *vmm, bool confine, enum og_outcome *ret_outcome, struct og_err *err);

/*
 * Whether a stock kernel runs on this host's KVM: 0, or why not. A /dev/kvm without VMX or SVM
 * behind it (kvm_pvm) only looks as if it did.
 */
int og_vmm_usable(struct og_err *err);

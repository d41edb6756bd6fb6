/* SPDX-License-Identifier: Apache-2.0 */
/* Private to vmm/: what a machine consists of, for the files that build, command and save it. */
#pragma once

#include <time.h>

#include "base/loop.h"
#include "vmm/control.h"
#include "vmm/device/i8042.h"
#include "vmm/device/serial.h"
#include "vmm/device/virtio_mmio.h"
#include "vmm/device/virtio_pci.h"
#include "vmm/device/vmgenid.h"
#include "vmm/fork.h"
#include "vmm/gate.h"
#include "vmm/vmm.h"
#include "vmm/x86/kvm.h"
#include "vmm/x86/layout.h"
#include "vmm/x86/vcpu.h"

struct device_kind;

/* One virtio device and how the guest reaches it. */
struct slot {
	const struct device_kind *kind;
	char id[OG_VMM_ID_MAX];	  /* unique within the machine */
	unsigned index;		  /* within its kind */
	struct og_virtio *virtio; /* owned */
	struct og_virtio_mmio mmio;
};

struct og_vmm {
	const struct og_vmm_config *config;
	struct og_mem mem;
	struct og_kvm kvm;
	uint64_t free_gpa; /* from here on the guest has no memory */
	struct og_bus ports, mmio;
	struct og_power power;
	struct og_loop *loop;
	int stop_fd;

	struct og_vcpu *vcpus; /* owned, as all below */
	unsigned n_vcpus;
	struct og_vcpu_world world;
	struct og_gate gate;
	bool paused;

	struct slot slots[OG_VIRTIO_COUNT_MAX];
	unsigned n_slots;

	struct og_vmm_pci *pci;		  /* NULL: virtio devices are on the MMIO transport */
	struct og_vmm_firmware *firmware; /* NULL: it began with a kernel */
	struct og_vmgenid vmgenid;
	struct og_i8042 keyboard;
	struct og_serial *serial;
	struct og_source *serial_input;
	int serial_in_fd;

	uint8_t *state_buf; /* OG_SNAPSHOT_BYTES_MAX and a configuration; NULL: no snapshots */
	struct og_fork_room *fork_room; /* NULL: no forks, as below */
	uint8_t *collapsed;		/* one for each 2 MiB that were made a huge page */
	uint64_t *dirty_scratch;	/* a bit a page; NULL: pages are not tracked */
	bool has_base;			/* there is a snapshot that changes can be told from */
};

static inline uint64_t og_vmm_microseconds(void)
{
	struct timespec now = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* devices.c: adds all virtio devices of the configuration, and what a PC has. */
int og_vmm_add_devices(struct og_vmm *vmm, struct og_err *err);
int og_vmm_add_serial(struct og_vmm *vmm, struct og_err *err);
int og_vmm_add_power(struct og_vmm *vmm, struct og_err *err);
int og_vmm_add_keyboard(struct og_vmm *vmm, struct og_err *err);
int og_vmm_add_vmgenid(struct og_vmm *vmm, struct og_err *err);
void og_vmm_free_devices(struct og_vmm *vmm);

/*
 * pci_machine.c: a bus where the configuration asks for one, and a virtio device's place on it. Its
 * state is loaded after the devices'.
 */
int og_vmm_add_pci(struct og_vmm *vmm, struct og_err *err);
int og_vmm_plug_pci(struct og_vmm *vmm, struct og_virtio *virtio, unsigned index,
		    struct og_err *err);
void og_vmm_free_pci(struct og_vmm *vmm);
void og_vmm_save_pci(struct og_vmm *vmm, struct og_pack *pack);
int og_vmm_load_pci(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err);

uint64_t og_vmm_pci_window(const struct og_vmm *vmm); /* first address where BARs answer */
struct og_pci_function *og_vmm_pci_bridge(struct og_vmm *vmm);
void og_vmm_pci_add(struct og_vmm *vmm, unsigned devfn, struct og_pci_function *function);

/* firmware.c: what a PC has, before the bus; then the firmware and its devices, behind all others. */
int og_vmm_add_pc(struct og_vmm *vmm, struct og_err *err);
int og_vmm_add_firmware(struct og_vmm *vmm, struct og_err *err);
void og_vmm_free_firmware(struct og_vmm *vmm);

/* NULL: there is no such device. */
struct slot *og_vmm_find_device(struct og_vmm *vmm, const char *id);

/* The I/O thread's. Pausing returns when no vCPU runs and no request is in flight. */
void og_vmm_pause(struct og_vmm *vmm);
void og_vmm_resume(struct og_vmm *vmm);

/* snapshot/snapshot.c: sets memory aside; a machine begins from config->snapshot; the command. */
int og_vmm_prepare_snapshots(struct og_vmm *vmm, struct og_err *err);
void og_vmm_free_snapshots(struct og_vmm *vmm);
int og_vmm_restore(struct og_vmm *vmm, struct og_err *err);
int og_vmm_collect_dirty(struct og_vmm *vmm, struct og_err *err);
int og_vmm_snapshot(struct og_vmm *vmm, const struct og_snapshot_command *command, const int *fds,
		    unsigned n_fds, struct og_snapshot_answer *ret_answer, struct og_err *err);

/* fork.c, and devices.c's part: @config gets @fd in place of what the device has. */
struct og_fork_room;
int og_vmm_prepare_forks(struct og_vmm *vmm, struct og_err *err);

/* The first fork's: memory is mapped anew, private from its file. Devices stand still meanwhile. */
int og_vmm_own_memory(struct og_vmm *vmm, struct og_err *err);
int og_vmm_fork(struct og_vmm *vmm, const struct og_fork_command *command, const int *fds,
		unsigned n_fds, struct og_fork_answer *ret_answer, struct og_err *err);
int og_vmm_fork_device(const struct slot *slot, struct og_fork_room *room,
		       struct og_vmm_config *config, const struct og_fork_given *given, int fd,
		       struct og_err *err);

/* Room of its own for a disk that has another descriptor in the child. */
struct og_disk_part *og_fork_part(struct og_fork_room *room, unsigned index);

/* commands.c: watches the control socket. */
int og_vmm_add_control(struct og_vmm *vmm, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices there are, and how each is put into a machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/device/event.h"
#include "vmm/machine.h"

/* What a fork's child is given for a device. */
struct change {
	struct og_fork_room *room;
	struct og_vmm_config *config;
	const struct og_fork_given *given; /* NULL: nothing */
	int fd;				   /* negative: none */
};

/*
 * One kind of virtio device: how many the configuration asks for, and how the @index-th is made.
 * The guest finds devices in the order of this table; a snapshot keeps them in it, too.
 */
struct device_kind {
	const char *name;
	unsigned (*count)(const struct og_vmm_config *config);
	int (*make)(const struct og_vmm_config *config, const struct og_device_world *world,
		    struct og_virtio **ret_virtio, struct og_err *err);
	const char *(*id)(const struct og_vmm_config *config, unsigned index); /* NULL: @name */

	/*
	 * The machine forks: @change->config, the child's, gets its own descriptor. NULL: a device
	 * of this kind needs none.
	 */
	int (*fork)(struct change *change, unsigned index, struct og_err *err);
};

static unsigned count_disks(const struct og_vmm_config *config)
{
	return config->n_disks;
}

static int make_disk(const struct og_vmm_config *config, const struct og_device_world *world,
		     struct og_virtio **ret_virtio, struct og_err *err)
{
	const struct og_blk_config *disk = &config->disks[world->index];
	int r = og_virtio_blk_new(disk, world, ret_virtio, err);

	return r < 0 ? og_fail_in(err, r, "disk '%s'", disk->name) : 0;
}

static const char *disk_id(const struct og_vmm_config *config, unsigned index)
{
	return config->disks[index].id;
}

/* What nobody writes, both may read. */
static int fork_disk(struct change *change, unsigned index, struct og_err *err)
{
	struct og_blk_config *disk = &change->config->disks[index];

	disk->async = false; /* what is confined makes no ring */
	if (disk->has_backing)
		og_vmm_config_keep(change->config, disk->backing.fd);
	if (change->fd < 0) {
		if (!disk->readonly)
			return og_fail(err, -EINVAL, "a fork needs a disk of its own for '%s'",
				       disk->id);
		for (unsigned i = 0; i < disk->n_parts; i++)
			og_vmm_config_keep(change->config, disk->parts[i].fd);
		return 0;
	}
	if (disk->n_parts != 1)
		return og_fail(err, -EINVAL, "disk '%s' is of several files", disk->id);
	*og_fork_part(change->room, index) = disk->parts[0];
	disk->parts = og_fork_part(change->room, index);
	disk->parts[0].fd = change->fd;
	og_vmm_config_keep(change->config, change->fd);
	return 0;
}

static int fork_console(struct change *change, unsigned index, struct og_err *err)
{
	(void)index;
	if (change->fd < 0)
		return og_fail(err, -EINVAL, "a fork needs a socket of its own for the console");
	change->config->console.fd = change->fd;
	og_vmm_config_keep(change->config, change->fd);
	return 0;
}

/* Without a socket no program of the host reaches the guest. */
static int fork_vsock(struct change *change, unsigned index, struct og_err *err)
{
	(void)index;
	(void)err;
	change->config->vsock.listen_fd = change->fd;
	og_vmm_config_keep(change->config, change->fd);
	return 0;
}

static unsigned count_nets(const struct og_vmm_config *config)
{
	return config->n_nets;
}

static int make_net(const struct og_vmm_config *config, const struct og_device_world *world,
		    struct og_virtio **ret_virtio, struct og_err *err)
{
	const struct og_net_config *net = &config->nets[world->index];
	int r = og_virtio_net_new(net, world, ret_virtio, err);

	return r < 0 ? og_fail_in(err, r, "network card '%s'", net->id) : 0;
}

static const char *net_id(const struct og_vmm_config *config, unsigned index)
{
	return config->nets[index].id;
}

/* Two machines at one tap would take each other's frames. */
static int fork_net(struct change *change, unsigned index, struct og_err *err)
{
	struct og_net_config *net = &change->config->nets[index];

	if (change->fd < 0)
		return og_fail(err, -EINVAL, "a fork needs a tap of its own for '%s'", net->id);
	net->tap_fd = change->fd;
	if (change->given->has_mac)
		memcpy(net->mac, change->given->mac, sizeof(net->mac));
	og_vmm_config_keep(change->config, change->fd);
	return 0;
}

static unsigned count_consoles(const struct og_vmm_config *config)
{
	return config->console.fd >= 0;
}

static int make_console(const struct og_vmm_config *config, const struct og_device_world *world,
			struct og_virtio **ret_virtio, struct og_err *err)
{
	return og_virtio_console_new(&config->console, world, ret_virtio, err);
}

static unsigned count_rngs(const struct og_vmm_config *config)
{
	return config->rng.present;
}

static int make_rng(const struct og_vmm_config *config, const struct og_device_world *world,
		    struct og_virtio **ret_virtio, struct og_err *err)
{
	return og_virtio_rng_new(&config->rng, world, ret_virtio, err);
}

static unsigned count_vsocks(const struct og_vmm_config *config)
{
	return config->vsock.present;
}

static int make_vsock(const struct og_vmm_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	return og_virtio_vsock_new(&config->vsock, world, ret_virtio, err);
}

static unsigned count_balloons(const struct og_vmm_config *config)
{
	return config->balloon.present;
}

static int make_balloon(const struct og_vmm_config *config, const struct og_device_world *world,
			struct og_virtio **ret_virtio, struct og_err *err)
{
	return og_virtio_balloon_new(&config->balloon, world, ret_virtio, err);
}

static unsigned count_hotplugs(const struct og_vmm_config *config)
{
	return config->hotplug.total_mib > 0;
}

static int make_hotplug(const struct og_vmm_config *config, const struct og_device_world *world,
			struct og_virtio **ret_virtio, struct og_err *err)
{
	return og_virtio_mem_new(&config->hotplug, world, ret_virtio, err);
}

static unsigned count_pmems(const struct og_vmm_config *config)
{
	return config->n_pmems;
}

static int make_pmem(const struct og_vmm_config *config, const struct og_device_world *world,
		     struct og_virtio **ret_virtio, struct og_err *err)
{
	const struct og_pmem_config *pmem = &config->pmems[world->index];
	int r = og_virtio_pmem_new(pmem, world, ret_virtio, err);

	return r < 0 ? og_fail_in(err, r, "persistent memory '%s'", pmem->name) : 0;
}

static const char *pmem_id(const struct og_vmm_config *config, unsigned index)
{
	return config->pmems[index].id;
}

/* The guest writes into the file itself where it may: that one file cannot be two. */
static int fork_pmem(struct change *change, unsigned index, struct og_err *err)
{
	struct og_pmem_config *pmem = &change->config->pmems[index];

	if (change->fd < 0 && !pmem->readonly)
		return og_fail(err, -EINVAL, "a fork needs a file of its own for '%s'", pmem->id);
	if (change->fd >= 0)
		pmem->fd = change->fd;
	og_vmm_config_keep(change->config, pmem->fd);
	return 0;
}

static unsigned count_shares(const struct og_vmm_config *config)
{
	return config->n_shares;
}

static int make_share(const struct og_vmm_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	const struct og_fs_config *share = &config->shares[world->index];
	int r = og_virtio_fs_new(share, world, ret_virtio, err);

	return r < 0 ? og_fail_in(err, r, "shared folder '%s'", share->tag) : 0;
}

static const char *share_id(const struct og_vmm_config *config, unsigned index)
{
	return config->shares[index].id;
}

/* One server knows one guest. */
static int fork_share(struct change *change, unsigned index, struct og_err *err)
{
	struct og_fs_config *share = &change->config->shares[index];

	if (change->fd < 0)
		return og_fail(err, -EINVAL, "a fork needs a server of its own for '%s'",
			       share->id);
	share->socket_fd = change->fd;
	og_vmm_config_keep(change->config, share->socket_fd);
	return 0;
}

/* Hot-plug memory comes first: what others have in it is looked for when they are loaded. */
static const struct device_kind kinds[] = {
	{ "hotplug", count_hotplugs, make_hotplug, NULL, NULL },
	{ "disk", count_disks, make_disk, disk_id, fork_disk },
	{ "net", count_nets, make_net, net_id, fork_net },
	{ "console", count_consoles, make_console, NULL, fork_console },
	{ "entropy", count_rngs, make_rng, NULL, NULL },
	{ "vsock", count_vsocks, make_vsock, NULL, fork_vsock },
	{ "balloon", count_balloons, make_balloon, NULL, NULL },
	{ "pmem", count_pmems, make_pmem, pmem_id, fork_pmem },
	{ "share", count_shares, make_share, share_id, fork_share },
};

static void on_kick(struct og_source *source, uint32_t events, void *data)
{
	struct og_virtio *virtio = data;

	(void)source;
	(void)events;
	og_event_clear(virtio->kick_fd);
	og_virtio_work(virtio);
}

static void virtio_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	if (write)
		og_virtio_mmio_write(device, offset, *value, len);
	else
		*value = og_virtio_mmio_read(device, offset, len);
}

/* Gives a device its registers, interrupt and notifications. */
static int plug(struct og_vmm *vmm, struct slot *slot, struct og_err *err)
{
	unsigned index = (unsigned)(slot - vmm->slots);
	struct og_virtio *virtio = slot->virtio;
	uint64_t gpa = OG_VIRTIO_GPA + index * OG_VIRTIO_MMIO_BYTES;
	int r = 0;

	if (vmm->pci != NULL) {
		r = og_vmm_plug_pci(vmm, virtio, index, err);
		return r < 0 ? r
			     : og_loop_add_fd(vmm->loop, virtio->kick_fd, EPOLLIN, on_kick, virtio,
					      NULL, err);
	}
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

static int add_device(struct og_vmm *vmm, const struct device_kind *kind, unsigned index,
		      struct og_err *err)
{
	const struct og_device_world world = {
		.mem = &vmm->mem,
		.kvm = &vmm->kvm,
		.free_gpa = &vmm->free_gpa,
		.loop = vmm->loop,
		.metrics = vmm->config->metrics,
		.index = index,
		.broker_fd = vmm->config->broker_fd,
	};
	const char *id = kind->id != NULL ? kind->id(vmm->config, index) : kind->name;
	struct slot *slot;
	int r;

	if (vmm->n_slots == OG_VIRTIO_COUNT_MAX)
		return og_fail(err, -E2BIG, "more than %d devices", OG_VIRTIO_COUNT_MAX);
	if (og_vmm_find_device(vmm, id) != NULL)
		return og_fail(err, -EEXIST, "two devices are called '%s'", id);
	slot = &vmm->slots[vmm->n_slots];
	slot->kind = kind;
	slot->index = index;
	(void)strncpy(slot->id, id, sizeof(slot->id) - 1);
	r = kind->make(vmm->config, &world, &slot->virtio, err);
	if (r < 0)
		return r;
	vmm->n_slots++;
	return plug(vmm, slot, err);
}

int og_vmm_add_devices(struct og_vmm *vmm, struct og_err *err)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (unsigned index = 0; index < kinds[i].count(vmm->config); index++) {
			int r = add_device(vmm, &kinds[i], index, err);

			if (r < 0)
				return r;
		}
	return 0;
}

int og_vmm_fork_device(const struct slot *slot, struct og_fork_room *room,
		       struct og_vmm_config *config, const struct og_fork_given *given, int fd,
		       struct og_err *err)
{
	struct change change = { .room = room, .config = config, .given = given, .fd = fd };

	if (slot->kind->fork != NULL)
		return slot->kind->fork(&change, slot->index, err);
	return given == NULL
		       ? 0
		       : og_fail(err, -EINVAL, "device '%s' has nothing to be given", slot->id);
}

struct slot *og_vmm_find_device(struct og_vmm *vmm, const char *id)
{
	for (unsigned i = 0; i < vmm->n_slots; i++)
		if (strcmp(vmm->slots[i].id, id) == 0)
			return &vmm->slots[i];
	return NULL;
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

static int watch_serial_input(struct og_vmm *vmm, struct og_err *err)
{
	int r = og_loop_add_fd(vmm->loop, vmm->serial_in_fd, EPOLLIN | EPOLLONESHOT,
			       on_serial_input, vmm, &vmm->serial_input, err);

	/* A file is no line to wait for: there is no input then. */
	return r == -EPERM ? 0 : r;
}

int og_vmm_add_serial(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_vmm_config *config = vmm->config;
	struct og_metrics *metrics = config->metrics;
	struct og_serial *serial;
	int r;

	if (!config->serial)
		return 0;
	serial = calloc(1, sizeof(*serial));
	if (serial == NULL)
		return og_fail(err, -ENOMEM, "make serial port");
	r = og_serial_init(serial, config->serial_out_fd, &config->serial_limit,
			   metrics != NULL ? &metrics->uart : NULL, err);
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

static void on_stop(struct og_source *source, uint32_t events, void *data)
{
	struct og_vmm *vmm = data;

	(void)source;
	(void)events;
	og_loop_stop(vmm->loop);
}

int og_vmm_add_power(struct og_vmm *vmm, struct og_err *err)
{
	vmm->stop_fd = og_event_new();
	if (vmm->stop_fd < 0)
		return og_fail(err, -errno, "make event descriptor");
	vmm->power.stop_fd = vmm->stop_fd;
	og_bus_add(&vmm->ports, OG_POWER_PORT, OG_POWER_PORTS, og_power_access, &vmm->power);
	return og_loop_add_fd(vmm->loop, vmm->stop_fd, EPOLLIN, on_stop, vmm, NULL, err);
}

/* Where there is none, its controller still resets. */
int og_vmm_add_keyboard(struct og_vmm *vmm, struct og_err *err)
{
	struct og_i8042 *keyboard = &vmm->keyboard;
	bool firmware = vmm->config->firmware_fd >= 0;
	int r = og_i8042_init(keyboard, vmm->config->keyboard && !firmware, &vmm->power, err);

	if (r < 0)
		return r;
	if (vmm->config->metrics != NULL)
		keyboard->resets = &vmm->config->metrics->i8042_reset_count;
	if (!firmware) /* a PC answers in another way */
		og_bus_add(&vmm->ports, OG_I8042_PORT, OG_I8042_PORTS, og_i8042_access, keyboard);
	return keyboard->present
		       ? og_kvm_wire_interrupt(&vmm->kvm, OG_I8042_GSI, keyboard->interrupt_fd, err)
		       : 0;
}

int og_vmm_add_vmgenid(struct og_vmm *vmm, struct og_err *err)
{
	int r;

	if (vmm->config->firmware_fd >= 0)
		return 0; /* its place is the firmware's */
	r = og_vmgenid_init(&vmm->vmgenid, &vmm->mem, vmm->config->snapshot.state != NULL, err);
	return r < 0 ? r
		     : og_kvm_wire_interrupt(&vmm->kvm, OG_VMGENID_GSI, vmm->vmgenid.interrupt_fd,
					     err);
}

void og_vmm_free_devices(struct og_vmm *vmm)
{
	og_vmm_free_firmware(vmm);
	og_vmm_free_pci(vmm);
	og_vmgenid_done(&vmm->vmgenid);
	og_i8042_done(&vmm->keyboard);
	for (unsigned i = 0; i < vmm->n_slots; i++)
		vmm->slots[i].virtio = og_virtio_free(vmm->slots[i].virtio);
	if (vmm->serial != NULL)
		og_serial_done(vmm->serial);
	free(vmm->serial);
	vmm->serial = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/machine.h"
#include "vmm/snapshot/memory_file.h"
#include "vmm/snapshot/state.h"
#include "vmm/snapshot/uffd.h"

#define STATE_BUF_BYTES (OG_SNAPSHOT_BYTES_MAX + OG_SNAPSHOT_CONFIG_MAX)

void og_vmm_free_snapshots(struct og_vmm *vmm)
{
	if (vmm->state_buf != NULL)
		(void)munmap(vmm->state_buf, STATE_BUF_BYTES);
	vmm->state_buf = NULL;
}

int og_vmm_prepare_snapshots(struct og_vmm *vmm, struct og_err *err)
{
	void *state_buf;
	int r = 0;

	if (vmm->config->control_fd < 0)
		return 0;
	/* Nothing is taken from the host before it is used: malloc() would write at its end. */
	state_buf = mmap(NULL, STATE_BUF_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (state_buf == MAP_FAILED)
		return og_fail(err, -ENOMEM, "make room for the machine's state");
	vmm->state_buf = state_buf;
	if (vmm->config->track_dirty_pages) {
		vmm->dirty_scratch = calloc(og_mem_file_bytes(&vmm->mem) / 4096 / 64 + 1, 8);
		if (vmm->dirty_scratch == NULL)
			return og_fail(err, -ENOMEM, "make map of written pages");
		if (vmm->mem.dirty == NULL)
			r = og_mem_track(&vmm->mem, err);
	}
	return r;
}

/* What the guest wrote since the last time joins what devices wrote. */
int og_vmm_collect_dirty(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_mem_hotplug *hotplug = &vmm->mem.hotplug;
	uint64_t slots = hotplug->region.bytes > 0 ? hotplug->region.bytes / hotplug->slot_bytes
						   : 0;
	uint64_t base = og_mem_file_offset(&vmm->mem, vmm->mem.n_regions);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < vmm->mem.n_regions; i++)
		r = og_kvm_add_dirty(&vmm->kvm, i, &vmm->mem.regions[i],
				     &vmm->mem.dirty[og_mem_file_offset(&vmm->mem, i) / 4096 / 64],
				     vmm->dirty_scratch, err);
	for (uint64_t i = 0; r == 0 && i < slots; i++) {
		const struct og_mem_region piece = { .bytes = hotplug->slot_bytes };
		uint64_t offset = base + i * hotplug->slot_bytes;

		if (og_mem_is_present(&vmm->mem, (unsigned)i))
			r = og_kvm_add_dirty(&vmm->kvm, OG_KVM_SLOT_HOTPLUG + (uint32_t)i, &piece,
					     &vmm->mem.dirty[offset / 4096 / 64],
					     vmm->dirty_scratch, err);
	}
	return r;
}

static int write_all(int fd, const void *bytes, size_t len, struct og_err *err)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov = { .iov_base = (uint8_t *)(uintptr_t)bytes + done,
				     .iov_len = len - done };
		ssize_t put = pwritev(fd, &iov, 1, (off_t)done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return og_fail(err, put < 0 ? -errno : -EIO, "write the machine's state");
		done += (size_t)put;
	}
	return 0;
}

/* Reads the front's text to the buffer's end, behind where the state may reach. */
static ssize_t read_config(struct og_vmm *vmm, int fd, struct og_err *err)
{
	uint8_t *to = vmm->state_buf + OG_SNAPSHOT_BYTES_MAX;
	size_t len = 0;

	while (fd >= 0) {
		struct iovec iov = { .iov_base = to + len,
				     .iov_len = OG_SNAPSHOT_CONFIG_MAX - len };
		ssize_t got = preadv(fd, &iov, 1, (off_t)len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return og_fail(err, -errno, "read what the state is to keep");
		if (got == 0)
			break;
		len += (size_t)got;
		if (len == OG_SNAPSHOT_CONFIG_MAX)
			return og_fail(err, -E2BIG, "the state keeps no text of 1 MiB");
	}
	return (ssize_t)len;
}

static int save_state(struct og_vmm *vmm, int fd, int config_fd, uint64_t *ret_bytes,
		      struct og_err *err)
{
	ssize_t config_bytes = read_config(vmm, config_fd, err);
	struct og_pack pack;
	int r;

	if (config_bytes < 0)
		return (int)config_bytes;
	og_snapshot_begin(&pack, vmm->state_buf, OG_SNAPSHOT_BYTES_MAX);
	r = og_vmm_save(vmm, &pack, vmm->state_buf + OG_SNAPSHOT_BYTES_MAX, (size_t)config_bytes,
			err);
	if (r == 0)
		r = write_all(fd, pack.buf, pack.len, err);
	if (r == 0)
		*ret_bytes = pack.len;
	(void)madvise(vmm->state_buf, OG_SNAPSHOT_BYTES_MAX, MADV_DONTNEED);
	return r;
}

static int save_memory(struct og_vmm *vmm, int fd, bool diff, uint64_t *ret_bytes,
		       struct og_err *err)
{
	int r = vmm->mem.dirty != NULL ? og_vmm_collect_dirty(vmm, err) : 0;

	if (r < 0)
		return r;
	if (diff && vmm->has_base)
		return og_memory_file_write_dirty(&vmm->mem, fd, ret_bytes, err);
	/* Before the first one everything has changed: what was loaded to boot from as well. */
	r = og_memory_file_write(&vmm->mem, fd, ret_bytes, err);
	if (r == 0)
		og_memory_file_clean(&vmm->mem);
	vmm->has_base |= r == 0;
	return r;
}

/* What the guest's disks were told to keep is kept, should the host end with the machine. */
static int flush_disks(struct og_vmm *vmm, struct og_err *err)
{
	for (unsigned i = 0; i < vmm->config->n_disks; i++) {
		const struct og_blk_config *disk = &vmm->config->disks[i];

		for (unsigned part = 0; !disk->readonly && part < disk->n_parts; part++)
			if (fdatasync(disk->parts[part].fd) < 0)
				return og_fail(err, -errno, "flush disk '%s'", disk->id);
	}
	return 0;
}

int og_vmm_snapshot(struct og_vmm *vmm, const struct og_snapshot_command *command, const int *fds,
		    unsigned n_fds, struct og_snapshot_answer *ret_answer, struct og_err *err)
{
	uint64_t from = og_vmm_microseconds();
	int r;

	if (n_fds < 2 || og_memory_file_is_same(fds[0], fds[1]))
		return og_fail(err, -EINVAL, "a snapshot is written into two files");
	if (!vmm->paused)
		return og_fail(err, -EBUSY, "the machine must be paused for a snapshot");
	if (command->diff != 0 && vmm->mem.dirty == NULL)
		return og_fail(
			err, -EINVAL,
			"the machine does not track dirty pages: changes alone are not known");
	r = flush_disks(vmm, err);
	if (r == 0)
		r = save_state(vmm, fds[0], n_fds > 2 ? fds[2] : -EBADF, &ret_answer->state_bytes,
			       err);
	if (r == 0)
		r = save_memory(vmm, fds[1], command->diff != 0, &ret_answer->memory_bytes, err);
	ret_answer->microseconds = og_vmm_microseconds() - from;
	return r;
}

static int load_memory(struct og_vmm *vmm, const struct og_snapshot_source *source,
		       struct og_err *err)
{
	if (source->memory != NULL)
		return 0; /* it is there */
	if (source->memory_fd >= 0)
		return og_memory_file_map(&vmm->mem, source->memory_fd, err);
	if (source->uffd_socket_fd >= 0)
		return og_uffd_begin(&vmm->mem, source->uffd_device_fd, source->uffd_socket_fd,
				     vmm->config->place.huge, err);
	return og_fail(err, -EINVAL, "the snapshot comes without its memory");
}

int og_vmm_restore(struct og_vmm *vmm, struct og_err *err)
{
	const struct og_snapshot_source *source = &vmm->config->snapshot;
	struct og_snapshot snapshot;
	int r = (source->was_read ? og_snapshot_read_again : og_snapshot_read)(
		source->state, source->state_bytes, &snapshot, err);

	if (r == 0)
		r = og_vmm_check(vmm, &snapshot, err);
	if (r == 0)
		r = load_memory(vmm, source, err);
	vmm->has_base = source->memory == NULL; /* of a clone, who knows what the first one took */
	if (r == 0)
		r = og_vmm_load(vmm, &snapshot, source->realtime, err);
	return r;
}

int og_snapshot_config(const void *state, size_t len, const void **ret_config, size_t *ret_bytes,
		       struct og_err *err)
{
	struct og_snapshot snapshot;
	struct og_unpack config;
	int r = og_snapshot_read(state, len, &snapshot, err);

	if (r < 0)
		return r;
	config = og_snapshot_section(&snapshot, OG_SNAPSHOT_CONFIG, 0);
	if (config.failed)
		return og_fail(err, -ENOENT, "the snapshot keeps no configuration");
	*ret_config = config.at;
	*ret_bytes = config.left;
	return 0;
}

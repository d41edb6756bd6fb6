/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fork.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/memory_share.h"
#include "vmm/process.h"
#include "vmm/snapshot/state.h"

#define HUGE_BYTES (2ULL << 20)
#define PAGE_BYTES 4096ULL
#define HUGE_PAGES (HUGE_BYTES / PAGE_BYTES)

/* What would be taken beside what is there is an eighth at most. */
#define DENSE_PAGES (HUGE_PAGES / 8 * 7)

#define COLLAPSE_TOGETHER 4U
#define COLLAPSE_US	  50000U

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

struct og_fork_room {
	struct og_vmm_config config;
	struct og_disk_part parts[OG_VMM_DISKS_MAX];
};

struct og_disk_part *og_fork_part(struct og_fork_room *room, unsigned index)
{
	return &room->parts[index];
}

/* A row for what is no device: where its descriptor goes. */
static const struct {
	const char *id;
	size_t at;
	bool needed;
} others[] = {
	{ OG_FORK_CONTROL, offsetof(struct og_vmm_config, control_fd), true },
	{ OG_FORK_KVM, offsetof(struct og_vmm_config, kvm_fd), true },
	{ OG_FORK_METRICS, offsetof(struct og_vmm_config, metrics_fd), false },
	{ OG_FORK_BROKER, offsetof(struct og_vmm_config, broker_fd), false },
	{ OG_FORK_SERIAL_IN, offsetof(struct og_vmm_config, serial_in_fd), false },
	{ OG_FORK_SERIAL_OUT, offsetof(struct og_vmm_config, serial_out_fd), false },
};

#define OTHERS_COUNT (sizeof(others) / sizeof(others[0]))

static const struct og_fork_given *find(const struct og_fork_command *command, const char *id,
					const int *fds, int *ret_fd)
{
	for (uint32_t i = 0; i < command->n; i++)
		if (strncmp(command->given[i].id, id, sizeof(command->given[i].id)) == 0) {
			*ret_fd = fds[i];
			return &command->given[i];
		}
	*ret_fd = -EBADF;
	return NULL;
}

static int take_others(struct og_vmm_config *config, const struct og_fork_command *command,
		       const int *fds, unsigned *taken, struct og_err *err)
{
	for (size_t i = 0; i < OTHERS_COUNT; i++) {
		int fd;

		*taken += find(command, others[i].id, fds, &fd) != NULL;
		if (others[i].needed && fd < 0)
			return og_fail(err, -EINVAL, "a fork needs the descriptor %s",
				       others[i].id);
		memcpy((uint8_t *)config + others[i].at, &fd, sizeof(fd));
		og_vmm_config_keep(config, fd);
	}
	return 0;
}

static int take_devices(struct og_vmm *vmm, struct og_fork_room *room,
			const struct og_fork_command *command, const int *fds, unsigned *taken,
			struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < vmm->n_slots; i++) {
		int fd;
		const struct og_fork_given *given = find(command, vmm->slots[i].id, fds, &fd);

		*taken += given != NULL;
		r = og_vmm_fork_device(&vmm->slots[i], room, &room->config, given, fd, err);
	}
	return r;
}

/* The child's configuration: nothing of it is shared that must not be. */
static int prepare(struct og_vmm *vmm, const struct og_fork_command *command, const int *fds,
		   struct og_err *err)
{
	struct og_fork_room *room = vmm->fork_room;
	struct og_vmm_config *config = &room->config;
	unsigned taken = 0;
	int r;

	*config = *vmm->config;
	config->n_kept = 0;
	config->kernel_fd = config->initrd_fd = -EBADF;
	config->kvm = NULL;
	config->confined = true;
	config->metrics = NULL;
	config->start_paused = command->start_paused != 0;
	config->snapshot = (struct og_snapshot_source){
		.was_read = true,
		.state = vmm->state_buf,
		.memory = &vmm->mem,
		.memory_fd = -EBADF,
		.uffd_socket_fd = -EBADF,
		.uffd_device_fd = -EBADF,
		.realtime = true, /* its clock does not stop for having been forked */
	};
	r = take_others(config, command, fds, &taken, err);
	if (r == 0)
		r = take_devices(vmm, room, command, fds, &taken, err);
	if (r == 0 && taken != command->n)
		r = og_fail(err, -EINVAL, "the machine has not all that the fork is given for");
	return r;
}

static bool is_dense(const uint8_t *at)
{
	uint8_t resident[HUGE_PAGES];
	unsigned pages = 0;

	if (mincore((void *)(uintptr_t)at, HUGE_BYTES, resident) < 0)
		return false;
	for (unsigned i = 0; i < HUGE_PAGES; i++)
		pages += resident[i] & 1;
	return pages >= DENSE_PAGES;
}

/*
 * Each piece once: to collapse again what was shared since would copy it for nobody's good. Some
 * that lie together go in one call, which first of all waits for all of the host's CPUs. A kernel
 * that cannot leaves memory as it is. What is not done by @until is left for the next fork: devices
 * wait meanwhile.
 */
static void collapse_region(uint8_t *collapsed, uint8_t *host, uint64_t pieces, uint64_t until)
{
	for (uint64_t n = 0; n < pieces && og_vmm_microseconds() < until;) {
		uint64_t first = n;

		while (n < pieces && n < first + COLLAPSE_TOGETHER && collapsed[n] == 0 &&
		       is_dense(host + n * HUGE_BYTES))
			collapsed[n++] = 1;
		if (n > first)
			(void)madvise(host + first * HUGE_BYTES, (n - first) * HUGE_BYTES,
				      MADV_COLLAPSE);
		else
			n++;
	}
}

/* Of memory that is in a file no page tables are copied, and its pages are collapsed ten times slower. */
static void collapse(struct og_vmm *vmm)
{
	uint64_t until = og_vmm_microseconds() + COLLAPSE_US;

	if (vmm->mem.file_fd >= 0 || vmm->mem.shared_fd >= 0 || vmm->mem.remote)
		return;
	for (unsigned i = 0; i < vmm->mem.n_regions; i++)
		collapse_region(vmm->collapsed + og_mem_file_offset(&vmm->mem, i) / HUGE_BYTES,
				vmm->mem.regions[i].host, vmm->mem.regions[i].bytes / HUGE_BYTES,
				until);
}

/* Counters and the metadata service's secrets are each machine's own. */
static int part_from_parent(struct og_vmm_config *config)
{
	void *metrics = NULL;

	if (config->metrics_fd >= 0)
		metrics = mmap(NULL, sizeof(*config->metrics), PROT_READ | PROT_WRITE, MAP_SHARED,
			       config->metrics_fd, 0);
	if (metrics == MAP_FAILED)
		return -errno;
	config->metrics = metrics;
	config->metrics_fd = og_close(config->metrics_fd);
	return config->mmds.cloned != NULL ? config->mmds.cloned(config->mmds.data, metrics) : 0;
}

/* What a device has on its way into a page must not miss the guest's copy of it. */
int og_vmm_own_memory(struct og_vmm *vmm, struct og_err *err)
{
	int r;

	if (!og_mem_is_shared(&vmm->mem))
		return 0;
	for (unsigned i = 0; i < vmm->n_slots; i++)
		og_virtio_stop(vmm->slots[i].virtio);
	r = og_mem_unshare(&vmm->mem, err);
	for (unsigned i = 0; i < vmm->n_slots && !vmm->paused; i++)
		og_virtio_go_on(vmm->slots[i].virtio);
	return r;
}

/* The parent's objects stay where they are, unwritten and so shared: freeing them would copy them. */
__attribute__((noreturn)) static void be_child(struct og_vmm_config *config)
{
	struct og_err err = {};

	og_process_keep_only(config);
	_exit(part_from_parent(config) < 0 ? OG_EXIT_ERROR : og_vmm_go_on(config, &err));
}

/* Between pausing and resuming. */
static pid_t take_and_fork(struct og_vmm *vmm, struct og_fork_answer *answer, struct og_err *err)
{
	uint64_t from = og_vmm_microseconds();
	struct og_vmm_config *config = &vmm->fork_room->config;
	struct og_pack pack;
	pid_t pid;
	int r = vmm->mem.dirty != NULL ? og_vmm_collect_dirty(vmm, err) : 0;

	og_snapshot_begin(&pack, vmm->state_buf, OG_SNAPSHOT_BYTES_MAX);
	if (r == 0)
		r = og_vmm_save(vmm, &pack, NULL, 0, err);
	if (r < 0)
		return r;
	config->snapshot.state_bytes = pack.len;
	answer->save_us = og_vmm_microseconds() - from;
	pid = fork();
	if (pid == 0)
		be_child(config);
	answer->fork_us = og_vmm_microseconds() - from - answer->save_us;
	return pid < 0 ? og_fail(err, -errno, "fork the machine's process") : pid;
}

int og_vmm_prepare_forks(struct og_vmm *vmm, struct og_err *err)
{
	if (!vmm->config->forkable || vmm->config->control_fd < 0)
		return 0;
	vmm->fork_room = calloc(1, sizeof(*vmm->fork_room));
	vmm->collapsed = calloc(og_mem_file_bytes(&vmm->mem) / HUGE_BYTES + 1, 1);
	if (vmm->fork_room == NULL || vmm->collapsed == NULL)
		return og_fail(err, -ENOMEM, "make room for forks");
	return 0;
}

int og_vmm_fork(struct og_vmm *vmm, const struct og_fork_command *command, const int *fds,
		unsigned n_fds, struct og_fork_answer *ret_answer, struct og_err *err)
{
	struct og_fork_answer answer = {};
	bool was_paused = vmm->paused;
	uint64_t from, ready;
	pid_t pid;
	int r;

	if (vmm->fork_room == NULL)
		return og_fail(err, -ENOTSUP, "the machine was not configured as one to fork");
	if (command->n != n_fds)
		return og_fail(err, -EINVAL, "a fork of %u descriptors came with %u", command->n,
			       n_fds);
	if (vmm->mem.remote)
		return og_fail(err, -ENOTSUP, "memory that another process brings cannot fork");
	r = prepare(vmm, command, fds, err);
	if (r < 0)
		return r;

	from = og_vmm_microseconds();
	collapse(vmm);
	r = og_vmm_own_memory(vmm, err);
	if (r < 0)
		return r;
	/* It tells which pages are in the file. */
	og_vmm_config_keep(&vmm->fork_room->config, vmm->mem.file_fd);
	ready = og_vmm_microseconds();
	answer.before_us = ready - from;
	og_vmm_pause(vmm);
	answer.stop_us = og_vmm_microseconds() - ready;
	pid = take_and_fork(vmm, &answer, err);
	if (!was_paused)
		og_vmm_resume(vmm);
	answer.pause_us = og_vmm_microseconds() - ready;
	if (pid < 0)
		return pid;
	answer.pid = pid;
	*ret_answer = answer;
	return 0;
}

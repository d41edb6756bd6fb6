/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works. An image may name /proc/self/exe as the program to run or as a script's
 * interpreter: then it is this very file that the workload executes, and once nothing executes it
 * any more, a descriptor of it opens for writing. Other runtimes copy themselves to memory or to a
 * read-only mount and execute that, at the price of a second process start. We stay, and change
 * what the link leads to: prctl(PR_SET_MM_MAP) sets it to another open file, if the old one is not
 * mapped any more. The other one is the same file through a detached read-only mount. So the
 * constant segments are mapped again from there, at their places and with the same content, and
 * the writable ones are moved over by an anonymous copy. No instruction notices.
 */
#include "container/hide.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/weak.h"

#define PAGE 4096UL

struct remapping {
	int fd;
	uintptr_t start_code, end_code, start_data, end_data;
};

static int protection(const ElfW(Phdr) * segment)
{
	int prot = 0;

	prot |= (segment->p_flags & PF_R) != 0 ? PROT_READ : 0;
	prot |= (segment->p_flags & PF_W) != 0 ? PROT_WRITE : 0;
	prot |= (segment->p_flags & PF_X) != 0 ? PROT_EXEC : 0;
	return prot;
}

/* Between the copy and the move nothing here may write to the program's own variables. */
static int move_writable(uintptr_t start, size_t len)
{
	void *old = (void *)start;
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, old, len);
	return mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, old) == MAP_FAILED ? -errno
											: 0;
}

static int remap_segment(struct remapping *remapping, const ElfW(Phdr) * segment, uintptr_t base)
{
	uintptr_t start = (base + segment->p_vaddr) & ~(PAGE - 1);
	uintptr_t end = (base + segment->p_vaddr + segment->p_filesz + PAGE - 1) & ~(PAGE - 1);
	off_t offset = (off_t)(segment->p_offset & ~(PAGE - 1));

	if ((segment->p_flags & PF_W) != 0) {
		remapping->start_data = start;
		remapping->end_data = end;
		return move_writable(start, end - start);
	}
	if ((segment->p_flags & PF_X) != 0) {
		remapping->start_code = start;
		remapping->end_code = end;
	}
	return mmap((void *)start, end - start, protection(segment), MAP_PRIVATE | MAP_FIXED,
		    remapping->fd, offset) == MAP_FAILED
		       ? -errno
		       : 0;
}

/* The first object is the program itself; a static one has no others but the kernel's. */
static int remap_program(struct dl_phdr_info *info, size_t size, void *data)
{
	const ElfW(Phdr) *relro = NULL;
	int r = 0;

	(void)size;
	for (size_t i = 0; r == 0 && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_GNU_RELRO)
			relro = segment;
		if (segment->p_type == PT_LOAD)
			r = remap_segment(data, segment, info->dlpi_addr);
	}
	if (r == 0 && relro != NULL) {
		uintptr_t start = (info->dlpi_addr + relro->p_vaddr) & ~(PAGE - 1);
		uintptr_t end = (info->dlpi_addr + relro->p_vaddr + relro->p_memsz) & ~(PAGE - 1);

		r = mprotect((void *)start, end - start, PROT_READ) < 0 ? -errno : 0;
	}
	return r < 0 ? r : 1;
}

/* Everything but the file stays roughly where it is; the kernel only checks that it is sane. */
static int set_exe(const struct remapping *remapping)
{
	uintptr_t brk = (uintptr_t)sbrk(0);
	uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
	struct prctl_mm_map map = {
		.start_code = remapping->start_code,
		.end_code = remapping->end_code,
		.start_data = remapping->start_data,
		.end_data = remapping->end_data,
		.start_brk = brk,
		.brk = brk,
		.start_stack = stack,
		.arg_start = stack,
		.arg_end = stack,
		.env_start = stack,
		.env_end = stack,
		.exe_fd = (uint32_t)remapping->fd,
	};

	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0 ? -errno : 0;
}

/* This program's file through a detached mount that can never be written. */
static int open_readonly(void)
{
	og_auto_fd tree_fd =
		open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd;

	if (tree_fd < 0 || mount_setattr(tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	/* A mount whose root is a file is opened by way of its descriptor. */
	fd = open(og_fd_path(tree_fd).text, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Its owner could make it writable. */
static bool may_write_self(void)
{
	struct stat st;

	return access("/proc/self/exe", W_OK) == 0 || stat("/proc/self/exe", &st) < 0 ||
	       st.st_uid == geteuid();
}

static int copy_self(int *ret_copy_fd, struct og_err *err)
{
	og_auto_fd exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	og_auto_fd copy_fd = memfd_create("onggi-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct stat st;
	ssize_t n = 1;

	if (exe_fd < 0 || copy_fd < 0 || fstat(exe_fd, &st) < 0)
		return og_fail(err, -errno, "copy this program");
	for (off_t left = st.st_size; n > 0 && left > 0; left -= n)
		n = sendfile(copy_fd, exe_fd, NULL, (size_t)left);
	if (n <= 0 || fchmod(copy_fd, 0500) < 0 || fcntl(copy_fd, F_ADD_SEALS, seals) < 0)
		return og_fail(err, n == 0 ? -EIO : -errno, "copy this program");
	*ret_copy_fd = og_take_fd(&copy_fd);
	return 0;
}

int og_hide_begin(int *ret_fd, struct og_err *err)
{
	int fd;

	*ret_fd = -EBADF;
	if (!og_weak("A17") && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return og_fail(err, -errno, "hide from debuggers");
	fd = open_readonly();
	if (fd == -EPERM && geteuid() != 0)
		return may_write_self() ? copy_self(ret_fd, err) : 0;
	if (fd < 0)
		return og_fail(err, fd, "make a read-only view of this program");
	*ret_fd = fd;
	return 0;
}

int og_hide_behind(int fd, struct og_err *err)
{
	struct remapping remapping = { .fd = fd };
	int r;

	if (fd < 0 || og_weak("A1"))
		return 0;
	r = dl_iterate_phdr(remap_program, &remapping);
	if (r >= 0)
		r = set_exe(&remapping);
	return r < 0 ? og_fail(err, r, "hide this program's file") : 0;
}

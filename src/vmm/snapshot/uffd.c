/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"

#define PAGE_BYTES	4096U
#define HUGE_PAGE_BYTES (2U << 20)

/* A region's object has some 160 characters. */
#define TEXT_BYTES 1024

static int open_uffd(int device_fd, struct og_err *err)
{
	int flags = O_CLOEXEC | O_NONBLOCK;
	int fd = device_fd >= 0 ? ioctl(device_fd, USERFAULTFD_IOC_NEW, flags)
				: (int)syscall(SYS_userfaultfd, flags);
	/* A balloon that gives memory back is told of: those pages are zeros then. */
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };

	if (fd < 0)
		return og_fail(err, -errno, "have memory brought by another process (userfaultfd)");
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		int r = -errno;

		og_close(fd);
		return og_fail(err, r, "this kernel's userfaultfd lacks removal events");
	}
	return fd;
}

/* What was written while the machine was built goes: nothing is there before it is brought. */
static int watch(int fd, const struct og_mem_region *region, struct og_err *err)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)region->host, .len = region->bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (madvise(region->host, region->bytes, MADV_DONTNEED) < 0 ||
	    ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return og_fail(err, -errno, "watch the guest's memory");
	return 0;
}

/* Returns the characters written. */
static int describe(const struct og_mem *mem, unsigned index, unsigned page_bytes, char *text,
		    size_t room)
{
	const struct og_mem_region *region = og_mem_region(mem, index);

	return snprintf(text, room,
			"%s{\"base_host_virt_addr\":%llu,\"size\":%llu,\"offset\":%llu,"
			"\"page_size\":%u,\"page_size_kib\":%u}",
			index > 0 ? "," : "", (unsigned long long)(uintptr_t)region->host,
			(unsigned long long)region->bytes,
			(unsigned long long)og_mem_file_offset(mem, index), page_bytes, page_bytes);
}

int og_uffd_begin(struct og_mem *mem, int device_fd, int socket_fd, bool huge, struct og_err *err)
{
	og_auto_fd fd = open_uffd(device_fd, err);
	const struct og_mem_region *region;
	char text[TEXT_BYTES] = "[";
	size_t len = 1;
	int r = fd < 0 ? fd : 0;

	for (unsigned i = 0; r == 0 && (region = og_mem_region(mem, i)) != NULL; i++) {
		r = watch(fd, region, err);
		len += (size_t)describe(mem, i, huge ? HUGE_PAGE_BYTES : PAGE_BYTES, text + len,
					sizeof(text) - len);
	}
	if (r < 0)
		return r;
	text[len++] = ']';
	r = og_fdpass_send(socket_fd, text, len, &fd, 1, err);
	if (r < 0)
		return r;
	mem->remote = true;
	return 0;
}

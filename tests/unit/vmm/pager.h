/* SPDX-License-Identifier: Apache-2.0 */
/* Who brings memory to a machine, page by page (vmm/snapshot/uffd.h): an example, and what tests use. */
#pragma once

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "base/fdpass.h"
#include "machine.h"

#define PAGER_PAGE 4096ULL

struct pager {
	int uffd;
	uint64_t base, bytes; /* of the one region, where the machine has it */
	uint8_t *file;	      /* the memory file */
	unsigned brought;
};

static inline uint64_t pager_number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	CHECK(at != NULL);
	return strtoull(at + strlen(name), NULL, 10);
}

static inline void pager_listen(struct pager *pager, int socket_fd, const char *memory)
{
	char text[1024] = {};
	og_auto_fd fd = open(memory, O_RDONLY | O_CLOEXEC);
	size_t n_fds;

	CHECK(og_fdpass_receive(socket_fd, text, sizeof(text) - 1, &pager->uffd, 1, &n_fds, NULL) >
	      0);
	CHECK_EQ(n_fds, 1);
	pager->base = pager_number(text, "\"base_host_virt_addr\":");
	pager->bytes = pager_number(text, "\"size\":");
	CHECK_EQ(pager_number(text, "\"offset\":"), 0);
	pager->file = mmap(NULL, pager->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(pager->file != MAP_FAILED);
}

static inline void pager_bring(struct pager *pager, uint64_t address)
{
	uint64_t at = address & ~(PAGER_PAGE - 1);
	struct uffdio_copy copy = {
		.dst = at,
		.src = (uintptr_t)pager->file + (at - pager->base),
		.len = PAGER_PAGE,
	};

	CHECK(at >= pager->base && at < pager->base + pager->bytes);
	CHECK(ioctl(pager->uffd, UFFDIO_COPY, &copy) == 0 || errno == EEXIST);
	pager->brought++;
}

/* Until the machine has ended. Returns how many pages it took. */
static inline unsigned pager_serve(struct pager *pager)
{
	struct pollfd p = { .fd = pager->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (poll(&p, 1, 10000) == 1 && (p.revents & (POLLERR | POLLHUP)) == 0) {
		ssize_t got = read(pager->uffd, &msg, sizeof(msg));

		if (got != (ssize_t)sizeof(msg))
			break;
		if (msg.event == UFFD_EVENT_PAGEFAULT)
			pager_bring(pager, msg.arg.pagefault.address);
	}
	return pager->brought;
}

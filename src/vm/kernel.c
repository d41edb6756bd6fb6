/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/kernel.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/install.h"
#include "base/io.h"
#include "base/text.h"

/* Linux's Documentation/arch/x86/boot.rst */
#define BZIMAGE_MAGIC_AT 0x202
#define BOOT_FLAG_AT	 0x1fe
#define HEAD_BYTES	 1024

static bool is_bzimage(const unsigned char *head)
{
	return head[BOOT_FLAG_AT] == 0x55 && head[BOOT_FLAG_AT + 1] == 0xaa &&
	       memcmp(head + BZIMAGE_MAGIC_AT, "HdrS", 4) == 0;
}

static bool is_elf(const unsigned char *head)
{
	return memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS64 &&
	       head[18] == EM_X86_64 && head[19] == 0;
}

static int open_file(const char *given, const char *installed, const char *what, struct og_err *err)
{
	og_auto_free char *path = given != NULL ? strdup(given) : NULL;
	struct stat st;
	int r = given == NULL ? og_install_path(installed, &path, err) : 0;
	og_auto_fd fd = -EBADF;

	if (r < 0)
		return og_fail_in(err, r, "find the guest's %s", what);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "find the guest's %s", what);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return og_fail(err, -ENOENT, "no guest %s at '%s' (`make install` puts one there)",
			       what, path);
	if (fd < 0)
		return og_fail(err, -errno, "open the guest's %s '%s'", what, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return og_fail(err, -EINVAL, "the guest's %s '%s' is no file, or empty", what,
			       path);
	return og_take_fd(&fd);
}

int og_vm_kernel_open(const char *path, bool unpacked, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	unsigned char head[HEAD_BYTES] = "";

	if (path == NULL && unpacked)
		fd = open_file(NULL, "lib/onggi/guest/vmlinux", "kernel", NULL);
	if (fd < 0)
		fd = open_file(path, "lib/onggi/guest/vmlinuz", "kernel", err);
	if (fd < 0)
		return fd;
	if (og_pread_upto(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    (!is_bzimage(head) && !is_elf(head)))
		return og_fail(err, -EINVAL,
			       "'%s' is no kernel: neither a bzImage nor an ELF vmlinux for x86-64",
			       path != NULL ? path : "lib/onggi/guest/vmlinuz");
	return og_take_fd(&fd);
}

int og_vm_initramfs_open(const char *path, struct og_err *err)
{
	return open_file(path, "lib/onggi/guest/initramfs.cpio", "initramfs", err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/kernel.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/install.h"
#include "base/io.h"
#include "base/text.h"

/* Linux's Documentation/arch/x86/boot.rst */
#define BZIMAGE_MAGIC_AT 0x202
#define BOOT_FLAG_AT	 0x1fe
#define HEAD_BYTES	 1024

#define ENV_NAME "ONGGI_GUEST_KERNEL"

/* Of an installation, in the order of preference. */
struct installed {
	const char *name, *cmdline;
	const char *unpacked, *packed, *initramfs;
};

static const struct installed kernels[] = {
	{ "small", "", "lib/onggi/guest/small/vmlinux", "lib/onggi/guest/small/bzImage",
	  "lib/onggi/guest/small/initramfs.cpio" },
	/* Its self-tests of cryptography are a quarter of its boot; for entropy there is virtio-rng. */
	{ "debian", "cryptomgr.notests initcall_blacklist=jent_mod_init", "lib/onggi/guest/vmlinux",
	  "lib/onggi/guest/vmlinuz", "lib/onggi/guest/initramfs.cpio" },
};

#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))
#define DEBIAN	(&kernels[KERNELS - 1])

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

static int open_file(const char *path, const char *what, struct og_err *err)
{
	og_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

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

static int open_installed(const char *relative, const char *what, struct og_err *err)
{
	og_auto_free char *path = NULL;
	int r = og_install_path(relative, &path, err);

	return r < 0 ? og_fail_in(err, r, "find the guest's %s", what) : open_file(path, what, err);
}

static bool is_installed(const struct installed *kernel)
{
	og_auto_free char *path = NULL;

	return og_install_path(kernel->initramfs, &path, NULL) == 0 && access(path, R_OK) == 0;
}

static int choose(const struct installed **ret_kernel, struct og_err *err)
{
	const char *name = getenv(ENV_NAME);
	bool asked = name != NULL && *name != '\0';

	for (size_t i = 0; i < KERNELS; i++) {
		if (asked ? og_streq(kernels[i].name, name) : is_installed(&kernels[i])) {
			*ret_kernel = &kernels[i];
			return 0;
		}
	}
	if (asked)
		return og_fail(err, -EINVAL, ENV_NAME "=%s: there are small and debian", name);
	*ret_kernel = DEBIAN; /* opening it says what is missing */
	return 0;
}

static int open_kernel(const char *path, const struct installed *kernel, struct og_err *err)
{
	const char *name = path != NULL ? path : kernel->unpacked;
	og_auto_fd fd = path != NULL ? open_file(path, "kernel", err)
				     : open_installed(name, "kernel", NULL);
	unsigned char head[HEAD_BYTES] = "";

	if (fd < 0 && path == NULL) {
		name = kernel->packed;
		fd = open_installed(name, "kernel", err);
	}
	if (fd < 0)
		return fd;
	if (og_pread_upto(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    (!is_bzimage(head) && !is_elf(head)))
		return og_fail(err, -EINVAL,
			       "'%s' is no kernel: neither a bzImage nor an ELF vmlinux for x86-64",
			       name);
	return og_take_fd(&fd);
}

int og_vm_kernel_open(const char *kernel, const char *initramfs, struct og_vm_kernel *ret_kernel,
		      struct og_err *err)
{
	const struct installed *installed = DEBIAN;
	og_auto_fd kernel_fd = -EBADF;
	int r = kernel == NULL && initramfs == NULL ? choose(&installed, err) : 0;

	if (r < 0)
		return r;
	kernel_fd = open_kernel(kernel, installed, err);
	if (kernel_fd < 0)
		return kernel_fd;
	r = initramfs != NULL ? open_file(initramfs, "initramfs", err)
			      : open_installed(installed->initramfs, "initramfs", err);
	if (r < 0)
		return r;
	*ret_kernel = (struct og_vm_kernel){
		.name = kernel != NULL ? "given" : installed->name,
		.cmdline = installed->cmdline,
		.kernel_fd = og_take_fd(&kernel_fd),
		.initramfs_fd = r,
	};
	return 0;
}

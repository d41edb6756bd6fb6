/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/load.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "vmm/boot/params.h"
#include "vmm/device/power.h"
#include "vmm/x86/layout.h"

#define PAGE_BYTES 4096ULL

/* Multiboot kernels take the first word of their command line for their own name. */
#define MULTIBOOT_NAME "kernel "

static int regular_file_bytes(int fd, uint64_t *ret_bytes, struct og_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at file");
	if (!S_ISREG(st.st_mode))
		return og_fail(err, -EINVAL, "no regular file");
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static int read_into(const struct og_mem *mem, uint64_t gpa, int fd, uint64_t offset,
		     uint64_t bytes, struct og_err *err)
{
	void *at = og_mem_at(mem, gpa, bytes);
	ssize_t got;

	if (at == NULL)
		return og_fail(err, -ENOMEM, "no memory at 0x%llx", (unsigned long long)gpa);
	got = og_pread_upto(fd, at, bytes, offset);
	if (got < 0)
		return og_fail(err, (int)got, "read file");
	if ((uint64_t)got != bytes)
		return og_fail(err, -EIO, "file became shorter while it was read");
	return 0;
}

/* Kernels of some formats say in a second place how they are to be started. */
static int look_at_notes(int fd, struct og_kernel_plan *plan, struct og_err *err)
{
	uint8_t notes[OG_KERNEL_NOTES_BYTES];
	ssize_t got;

	if (plan->notes_bytes == 0)
		return 0;
	got = og_pread_upto(fd, notes, plan->notes_bytes, plan->notes_offset);
	if (got < 0)
		return og_fail(err, (int)got, "read file");
	return og_kernel_plan_notes(notes, (size_t)got, plan, err);
}

static int load_kernel(int fd, const struct og_mem *mem, struct og_kernel_plan *ret_plan,
		       struct og_err *err)
{
	uint8_t head[OG_KERNEL_HEAD_BYTES];
	uint64_t bytes;
	ssize_t got;
	int r;

	r = regular_file_bytes(fd, &bytes, err);
	if (r < 0)
		return r;
	got = og_pread_upto(fd, head, sizeof(head), 0);
	if (got < 0)
		return og_fail(err, (int)got, "read file");

	r = og_kernel_plan(head, (size_t)got, bytes, og_mem_low_end(mem), ret_plan, err);
	if (r == 0)
		r = look_at_notes(fd, ret_plan, err);
	for (unsigned i = 0; r == 0 && i < ret_plan->n_segments; i++) {
		const struct og_kernel_segment *s = &ret_plan->segments[i];

		r = read_into(mem, s->gpa, fd, s->file_offset, s->file_bytes, err);
	}
	return r;
}

static int load_initrd(int fd, const struct og_mem *mem, struct og_boot_params *params,
		       struct og_err *err)
{
	const struct og_kernel_plan *plan = params->plan;
	uint64_t end = og_mem_low_end(mem);
	uint64_t bytes, gpa;
	int r;

	r = regular_file_bytes(fd, &bytes, err);
	if (r < 0)
		return r;
	if (end > plan->initrd_end_max)
		end = plan->initrd_end_max;
	if (bytes > end || end - bytes < plan->end)
		return og_fail(err, -ENOMEM, "%llu MiB do not fit behind the kernel: more memory",
			       (unsigned long long)((bytes + 0xfffff) >> 20));

	gpa = (end - bytes) & ~(PAGE_BYTES - 1);
	if (gpa < plan->end)
		return og_fail(err, -ENOMEM, "does not fit behind the kernel: more memory");
	params->initrd_gpa = gpa;
	params->initrd_bytes = bytes;
	return read_into(mem, gpa, fd, 0, bytes, err);
}

static int load_cmdline(const char *cmdline, const struct og_mem *mem,
			struct og_boot_params *params, struct og_err *err)
{
	const struct og_kernel_plan *plan = params->plan;
	const char *name = plan->protocol == OG_KERNEL_MULTIBOOT ? MULTIBOOT_NAME : "";
	size_t name_len = strlen(name), len = name_len + strlen(cmdline);
	char *at = og_mem_at(mem, OG_CMDLINE_GPA, len + 1);

	if (len > plan->cmdline_max || len >= OG_CMDLINE_BYTES || at == NULL)
		return og_fail(err, -E2BIG,
			       "kernel command line of %zu bytes (this kernel takes %llu)", len,
			       (unsigned long long)plan->cmdline_max);
	memcpy(at, name, name_len);
	memcpy(at + name_len, cmdline, len - name_len + 1);
	params->cmdline_gpa = OG_CMDLINE_GPA;
	return 0;
}

/*
 * A kernel that finds neither EFI nor a way of its own to restart jumps here in real mode, as Linux
 * does by default where ACPI says reduced hardware.
 */
static int write_reset_vector(const struct og_mem *mem, struct og_err *err)
{
	static const uint8_t code[] = {
		0xba,
		(OG_POWER_PORT + OG_POWER_RESET) & 0xff,
		(OG_POWER_PORT + OG_POWER_RESET) >> 8, /* mov $port, %dx */
		0xb0,
		OG_POWER_RESET_VALUE, /* mov $value, %al */
		0xee,		      /* out %al, %dx */
		0xf4,		      /* hlt */
		0xeb,
		0xfd, /* jmp to the hlt */
	};
	void *at = og_mem_at(mem, OG_RESET_GPA, sizeof(code));

	if (at == NULL)
		return og_fail(err, -ENOMEM, "no memory for the reset vector");
	memcpy(at, code, sizeof(code));
	return 0;
}

int og_boot_load(const struct og_boot *boot, const struct og_mem *mem, struct og_entry *ret_entry,
		 struct og_err *err)
{
	struct og_kernel_plan plan;
	struct og_boot_params params = { .plan = &plan, .acpi_rsdp = boot->acpi_rsdp };
	int r;

	if (og_mem_low_end(mem) <= OG_HIGH_RAM_GPA)
		return og_fail(err, -ENOMEM, "no memory for a kernel");
	r = load_kernel(boot->kernel_fd, mem, &plan, err);
	if (r < 0)
		return og_fail_in(err, r, "kernel '%s'", boot->kernel_name);

	r = write_reset_vector(mem, err);
	if (r == 0)
		r = load_cmdline(boot->cmdline, mem, &params, err);
	if (r < 0)
		return r;
	if (boot->initrd_fd >= 0) {
		r = load_initrd(boot->initrd_fd, mem, &params, err);
		if (r < 0)
			return og_fail_in(err, r, "initrd '%s'", boot->initrd_name);
	}
	return og_boot_params_write(&params, mem, ret_entry, err);
}

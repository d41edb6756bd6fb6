/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/load.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "vmm/boot/kernel.h"
#include "vmm/device/power.h"
#include "vmm/x86/layout.h"

#define PAGE_BYTES 4096ULL

#define E820_RAM      1
#define E820_RESERVED 2

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
	for (unsigned i = 0; r == 0 && i < ret_plan->n_segments; i++) {
		const struct og_kernel_segment *s = &ret_plan->segments[i];

		r = read_into(mem, s->gpa, fd, s->file_offset, s->file_bytes, err);
	}
	return r;
}

static int load_initrd(int fd, const struct og_mem *mem, const struct og_kernel_plan *plan,
		       struct boot_params *params, struct og_err *err)
{
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
	params->hdr.ramdisk_image = (uint32_t)gpa;
	params->hdr.ramdisk_size = (uint32_t)bytes;
	return read_into(mem, gpa, fd, 0, bytes, err);
}

static int load_cmdline(const char *cmdline, const struct og_mem *mem,
			const struct og_kernel_plan *plan, struct boot_params *params,
			struct og_err *err)
{
	size_t len = strlen(cmdline);
	void *at = og_mem_at(mem, OG_CMDLINE_GPA, len + 1);

	if (len > plan->cmdline_max || len >= OG_CMDLINE_BYTES || at == NULL)
		return og_fail(err, -E2BIG,
			       "kernel command line of %zu bytes (this kernel takes %llu)", len,
			       (unsigned long long)plan->cmdline_max);
	memcpy(at, cmdline, len + 1);
	params->hdr.cmd_line_ptr = (uint32_t)OG_CMDLINE_GPA;
	return 0;
}

static void add_e820(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = start,
		.size = end - start,
		.type = type,
	};
}

static void describe_memory(struct boot_params *params, const struct og_mem *mem)
{
	add_e820(params, 0, OG_LOW_RAM_END, E820_RAM);
	add_e820(params, OG_LOW_RAM_END, OG_HIGH_RAM_GPA, E820_RESERVED);
	add_e820(params, OG_HIGH_RAM_GPA, og_mem_low_end(mem), E820_RAM);
	for (unsigned i = 1; i < mem->n_regions; i++)
		add_e820(params, mem->regions[i].gpa, mem->regions[i].gpa + mem->regions[i].bytes,
			 E820_RAM);
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
	struct boot_params *params = og_mem_at(mem, OG_ZERO_PAGE_GPA, sizeof(*params));
	struct og_kernel_plan plan;
	int r;

	if (params == NULL || og_mem_low_end(mem) <= OG_HIGH_RAM_GPA)
		return og_fail(err, -ENOMEM, "no memory for a kernel");
	r = load_kernel(boot->kernel_fd, mem, &plan, err);
	if (r < 0)
		return og_fail_in(err, r, "kernel '%s'", boot->kernel_name);

	r = write_reset_vector(mem, err);
	if (r < 0)
		return r;
	*params = (struct boot_params){ .hdr = plan.setup, .acpi_rsdp_addr = boot->acpi_rsdp };
	describe_memory(params, mem);
	r = load_cmdline(boot->cmdline, mem, &plan, params, err);
	if (r < 0)
		return r;
	if (boot->initrd_fd >= 0) {
		r = load_initrd(boot->initrd_fd, mem, &plan, params, err);
		if (r < 0)
			return og_fail_in(err, r, "initrd '%s'", boot->initrd_name);
	}

	*ret_entry = (struct og_entry){ .rip = plan.entry, .rsi = OG_ZERO_PAGE_GPA };
	return 0;
}

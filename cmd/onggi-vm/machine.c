/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* Debian's places; the first that is there. */
static const char *const firmwares[][3] = {
	[VM_BIOS] = { "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin" },
	[VM_UEFI] = { "/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd" },
};

static const char *const packages[] = { [VM_BIOS] = "seabios", [VM_UEFI] = "ovmf" };

static int find_firmware(struct vm_machine *machine, struct og_err *err)
{
	if (machine->firmware == VM_FIRMWARE_FILE)
		return 0;
	for (const char *const *at = firmwares[machine->firmware]; *at != NULL; at++) {
		if (access(*at, R_OK) == 0) {
			machine->firmware_path = *at;
			return 0;
		}
	}
	return og_fail(err, -ENOENT, "no '%s' (Debian's package %s)", *firmwares[machine->firmware],
		       packages[machine->firmware]);
}

static void add(struct og_words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A program without memory for a word has nothing to go on with. */
static void add(struct og_words *words, const char *fmt, ...)
{
	va_list ap;
	char *word;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&word, fmt, ap);
	va_end(ap);
	if (len < 0 || og_words_add(words, word) < 0)
		abort();
}

static const char *format_of(bool qcow2)
{
	return qcow2 ? "qcow2" : "raw";
}

/* ---- onggi-vmm ---- */

static void add_vmm_disk(const struct og_disk_file *disk, struct og_words *words)
{
	add(words, "--disk");
	if (disk->backing_fd < 0)
		add(words, "path=/dev/fd/%d,format=%s,readonly=%s", disk->fd,
		    format_of(disk->qcow2), disk->readonly ? "on" : "off");
	else
		add(words,
		    "path=/dev/fd/%d,format=%s,readonly=%s,backing=/dev/fd/%d,backing_format=%s",
		    disk->fd, format_of(disk->qcow2), disk->readonly ? "on" : "off",
		    disk->backing_fd, format_of(disk->backing_qcow2));
}

static void add_vmm_words(const struct vm_machine *machine, struct og_words *words)
{
	add(words, "--id");
	add(words, "%s", machine->name);
	add(words, "--firmware");
	add(words, "%s", machine->firmware_path);
	add(words, "--memory");
	add(words, "%u", machine->memory_mib);
	add(words, "--cpus");
	add(words, "%u", machine->cpus);
	add(words, "--serial");
	add(words, "stdio");
	for (size_t i = 0; i < machine->disk_count; i++)
		add_vmm_disk(&machine->disks[i], words);
	for (size_t i = 0; i < machine->net_count; i++) {
		add(words, "--net");
		add(words, "%s", machine->nets[i]);
	}
}

/* ---- QEMU ---- */

/* The format is always said, and "backing": null keeps QEMU from what an image says of itself. */
static void add_qemu_disk(const struct og_disk_file *disk, size_t index, struct og_words *words)
{
	char backing[160] = "";

	if (disk->qcow2 && disk->backing_fd < 0)
		(void)snprintf(backing, sizeof(backing), ",\"backing\":null");
	else if (disk->qcow2)
		(void)snprintf(
			backing, sizeof(backing),
			",\"backing\":{\"driver\":\"%s\",\"read-only\":true,\"file\":{"
			"\"driver\":\"file\",\"filename\":\"/dev/fd/%d\",\"locking\":\"off\"}}",
			format_of(disk->backing_qcow2), disk->backing_fd);
	add(words, "-blockdev");
	add(words,
	    "{\"driver\":\"%s\",\"node-name\":\"disk%zu\",\"read-only\":%s,\"file\":{\"driver\":\"file\","
	    "\"filename\":\"/dev/fd/%d\",\"locking\":\"off\"}%s}",
	    format_of(disk->qcow2), index, disk->readonly ? "true" : "false", disk->fd, backing);
	add(words, "-device");
	add(words, "virtio-blk-pci,drive=disk%zu,bootindex=%zu", index, index);
}

/* "tap=NAME[,mac=MAC]" is onggi-vmm's way; both words end where a comma is. */
static void add_qemu_net(const char *net, size_t index, struct og_words *words)
{
	const char *mac = strstr(net, ",mac=");
	size_t name_len = strcspn(net + strlen("tap="), ",");

	add(words, "-netdev");
	add(words, "tap,id=net%zu,ifname=%.*s,script=no,downscript=no", index, (int)name_len,
	    net + strlen("tap="));
	add(words, "-device");
	if (mac != NULL)
		add(words, "virtio-net-pci,netdev=net%zu%s", index, mac);
	else
		add(words, "virtio-net-pci,netdev=net%zu", index);
}

static void add_qemu_words(const struct vm_machine *machine, struct og_words *words)
{
	static const char *const fixed[] = {
		"-M",
		"pc,graphics=off",
		"-accel",
		"tcg,thread=multi",
		"-cpu",
		"max",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-chardev",
		"stdio,id=serial,signal=off",
		"-serial",
		"chardev:serial",
		"-device",
		"virtio-rng-pci",
		/* What QEMU may not do: become another user, start programs, change its limits. */
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	};

	add(words, "-name");
	add(words, "%s", machine->name);
	add(words, "-bios");
	add(words, "%s", machine->firmware_path);
	add(words, "-m");
	add(words, "%u", machine->memory_mib);
	add(words, "-smp");
	add(words, "%u", machine->cpus);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		add(words, "%s", fixed[i]);
	if (machine->ends_at_reboot)
		add(words, "-no-reboot");
	for (size_t i = 0; i < machine->disk_count; i++)
		add_qemu_disk(&machine->disks[i], i, words);
	for (size_t i = 0; i < machine->net_count; i++)
		add_qemu_net(machine->nets[i], i, words);
}

int vm_machine_command(struct vm_machine *machine, const struct og_vm_choice *choice,
		       struct og_words *ret_command, struct og_err *err)
{
	int r = find_firmware(machine, err);

	if (r < 0)
		return r;
	add(ret_command, "%s", choice->program);
	if (og_streq(choice->name, "onggi-vmm"))
		add_vmm_words(machine, ret_command);
	else
		add_qemu_words(machine, ret_command);
	return 0;
}

void vm_machine_let_inherit(const struct vm_machine *machine)
{
	for (size_t i = 0; i < machine->disk_count; i++) {
		(void)fcntl(machine->disks[i].fd, F_SETFD, 0);
		if (machine->disks[i].backing_fd >= 0)
			(void)fcntl(machine->disks[i].backing_fd, F_SETFD, 0);
	}
}

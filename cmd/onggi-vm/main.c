/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-vm(1): `onggi vm run` boots an installed system from its disk, in the foreground. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "machine.h"
#include "watch.h"

#define EXIT_USAGE 125 /* a wrong use, as onggi's and docker's */

#define VMM_REBOOT 10 /* onggi-vmm(1): the guest asked for a reset */

#define MIB	       (1LL << 20)
#define MEMORY_DEFAULT (1024 * MIB)
#define MEMORY_MIN     (32 * MIB)
#define CPUS_MAX       32

struct values {
	struct og_words disks, nets;
	const char *firmware, *hypervisor, *name;
	int64_t memory, cpus;
	bool no_reboot;
};

#define ROW(member, name, letter, kind, help) \
	OG_OPTION(struct values, member, name, letter, kind, help)

static const struct og_option options[] = {
	ROW(disks, "disk", 0, OG_OPTION_LIST,
	    "FILE,format=raw|qcow2 [,readonly] [,backing=FILE,backing_format=raw|qcow2]"),
	ROW(firmware, "firmware", 0, OG_OPTION_TEXT,
	    "KIND: bios (default), uefi, or a file's path"),
	ROW(memory, "memory", 'm', OG_OPTION_SIZE, "SIZE of the guest's memory (1g)"),
	ROW(cpus, "cpus", 0, OG_OPTION_INT, "N virtual processors (1)"),
	ROW(nets, "net", 0, OG_OPTION_LIST, "tap=NAME[,mac=MAC]: a network card at that tap"),
	ROW(hypervisor, "hypervisor", 0, OG_OPTION_TEXT,
	    "NAME: onggi-vmm or qemu (the first that can serve)"),
	ROW(name, "name", 0, OG_OPTION_TEXT, "NAME for lists of processes"),
	ROW(no_reboot, "no-reboot", 0, OG_OPTION_FLAG, "end where the guest restarts itself"),
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static int print_help(FILE *out)
{
	(void)fputs("usage: onggi vm run --disk FILE,format=raw|qcow2 [OPTIONS]\n\n"
		    "Boot an installed system from its disk, its serial port at this terminal.\n"
		    "Ctrl-] ends it.\n\nOptions:\n",
		    out);
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *help = options[i].help;
		size_t word = options[i].kind == OG_OPTION_FLAG ? 0 : strcspn(help, " :");
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s %.*s", options[i].name, (int)word, help);
		(void)fprintf(out, "  %-34s %s\n", left, help);
	}
	return out == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

static int set_firmware(struct vm_machine *machine, const char *firmware, struct og_err *err)
{
	if (firmware == NULL || og_streq(firmware, "bios")) {
		machine->firmware = VM_BIOS;
	} else if (og_streq(firmware, "uefi")) {
		machine->firmware = VM_UEFI;
	} else if (strchr(firmware, '/') != NULL) {
		machine->firmware = VM_FIRMWARE_FILE;
		machine->firmware_path = firmware;
		if (access(firmware, R_OK) < 0)
			return og_fail(err, -errno, "--firmware %s", firmware);
	} else {
		return og_fail_plain(err, -EINVAL,
				     "--firmware %s is none of bios, uefi and a path with a '/'",
				     firmware);
	}
	return 0;
}

static int set_nets(struct vm_machine *machine, const struct og_words *nets, struct og_err *err)
{
	machine->nets = nets->items;
	machine->net_count = nets->count;
	for (size_t i = 0; i < nets->count; i++) {
		const char *rest = nets->items[i] + strcspn(nets->items[i], ",");

		if (!og_starts_with(nets->items[i], "tap=") ||
		    (*rest != '\0' &&
		     (!og_starts_with(rest, ",mac=") || strchr(rest + 1, ',') != NULL)))
			return og_fail_plain(err, -EINVAL, "--net %s is not tap=NAME[,mac=MAC]",
					     nets->items[i]);
	}
	return 0;
}

static int set_machine(struct vm_machine *machine, const struct values *values, struct og_err *err)
{
	int r;

	if (values->disks.count == 0 || values->disks.count > VM_DISKS_MAX)
		return og_fail_plain(err, -EINVAL, "vm run needs --disk, 1 to %d times",
				     VM_DISKS_MAX);
	if (values->cpus < 1 || values->cpus > CPUS_MAX)
		return og_fail_plain(err, -EINVAL, "--cpus %lld is not 1 to %d",
				     (long long)values->cpus, CPUS_MAX);
	if (values->memory < MEMORY_MIN || values->memory / MIB > INT32_MAX)
		return og_fail_plain(err, -EINVAL, "--memory is at least 32m");
	machine->name = values->name != NULL ? values->name : "vm";
	machine->memory_mib = (unsigned int)(values->memory / MIB);
	machine->cpus = (unsigned int)values->cpus;
	machine->ends_at_reboot = values->no_reboot;
	r = set_firmware(machine, values->firmware, err);
	if (r == 0)
		r = set_nets(machine, &values->nets, err);
	for (size_t i = 0; r == 0 && i < values->disks.count; i++) {
		r = og_disk_file_open(values->disks.items[i], &machine->disks[i], err);
		if (r < 0)
			return og_fail_in(err, r, "--disk %s", values->disks.items[i]);
		machine->disk_count++;
	}
	return r;
}

/* QEMU starts a guest again by itself; onggi-vmm ends, and is started again here. */
static int boot(struct vm_machine *machine, const struct og_vm_choice *choice, struct og_err *err)
{
	struct og_words command = {};
	int r = vm_machine_command(machine, choice, &command, err);

	if (r == 0) {
		do {
			r = vm_watch(machine, &command, err);
		} while (r == VMM_REBOOT && !machine->ends_at_reboot);
	}
	for (size_t i = 0; i < command.count; i++)
		free((void *)(uintptr_t)command.items[i]);
	og_words_done(&command);
	return r;
}

static int run(const struct values *values, struct og_err *err)
{
	struct vm_machine machine = {};
	struct og_vm_choice choice;
	int r = set_machine(&machine, values, err);

	if (r == 0)
		r = values->hypervisor != NULL
			    ? og_vm_choose_named(values->hypervisor, &choice, err)
			    : og_vm_choose(&choice, err);
	if (r == 0 && values->hypervisor == NULL && og_streq(choice.name, "qemu"))
		(void)fprintf(stderr, "WARNING: VMs are slow on this host: %s\n", choice.reason);
	if (r == 0)
		r = boot(&machine, &choice, err);
	for (size_t i = 0; i < machine.disk_count; i++)
		og_disk_file_close(&machine.disks[i]);
	return r;
}

int main(int argc, char **argv)
{
	struct values values = { .memory = MEMORY_DEFAULT, .cpus = 1 };
	struct og_err err = {};
	int used, r;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc >= 2 && og_streq(argv[1], "--version")) {
		(void)puts("onggi-vm version " OG_VERSION);
		return EXIT_SUCCESS;
	}
	for (int i = 1; i < argc; i++)
		if (og_streq(argv[i], "--help"))
			return print_help(stdout);
	if (argc < 3 || !og_streq(argv[1], "vm") || !og_streq(argv[2], "run"))
		return print_help(stderr);
	used = og_options_read(options, OPTIONS, argc - 3, argv + 3, &values, &err);
	if (used >= 0 && used < argc - 3)
		used = og_fail_plain(&err, -EINVAL, "vm run takes no '%s'", argv[3 + used]);
	r = used < 0 ? used : run(&values, &err);
	og_options_done(options, OPTIONS, &values);
	if (r >= 0)
		return r;
	(void)fprintf(stderr, "onggi: %s\n", err.text);
	return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

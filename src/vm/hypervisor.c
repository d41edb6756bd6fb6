/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/install.h"
#include "base/spawn.h"
#include "base/text.h"
#include "format/guest.h"
#include "vm/vmdk.h"

#define ENV_NAME       "ONGGI_HYPERVISOR"
#define PROBE_TEXT_MAX 4096
#define DEFAULT_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define QEMU	       "qemu-system-x86_64"

/*
 * quiet: what the kernel says is kept for errors, not shown. A panic switches off at once, by the
 * one way that needs no device. PCI is left out, as no guest has it, and the kernel's own words
 * are added. Mitigations stay on: being isolated is what a VM is for.
 */
#define CMDLINE                                                                       \
	"console=ttyS0 quiet panic=-1 reboot=t pci=off 8250.nr_uarts=1 tsc=reliable " \
	"rcupdate.rcu_expedited=1 random.trust_cpu=on"

#define TSC_SAMPLE_NS 20000000

/* A command line that is being put together; words are owned. */
struct words {
	char *items[1024];
	size_t count;
	bool failed;
};

struct og_hypervisor {
	const char *name;
	unsigned int own_mib;
	bool shares_folders;
	int (*locate)(struct og_vm_choice *choice, struct og_err *err); /* fills in program */
	/* Fills in reason, or says why it cannot serve. */
	int (*probe)(struct og_vm_choice *choice, struct og_err *err);
	int (*words)(const struct og_vm_machine *machine, struct words *words, struct og_err *err);
};

static void add(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *words, const char *fmt, ...)
{
	va_list ap;
	char *word;

	va_start(ap, fmt);
	if (words->count + 1 == sizeof(words->items) / sizeof(words->items[0]) ||
	    vasprintf(&word, fmt, ap) < 0)
		words->failed = true;
	else
		words->items[words->count++] = word;
	va_end(ap);
}

static void words_done(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
}

/* ---- onggi-vmm ---- */

static int vmm_locate(struct og_vm_choice *choice, struct og_err *err)
{
	og_auto_free char *program = NULL;
	int r = og_install_path("bin/onggi-vmm", &program, err);

	if (r < 0)
		return r;
	if (access(program, X_OK) < 0)
		return og_fail(err, -errno, "'%s'", program);
	(void)snprintf(choice->program, sizeof(choice->program), "%s", program);
	return 0;
}

static int vmm_probe(struct og_vm_choice *choice, struct og_err *err)
{
	og_auto_free char *text = NULL;
	char probe[] = "--probe";
	char *argv[] = { choice->program, probe, NULL };
	int r = og_spawn_wait(&(struct og_spawn){ .path = choice->program, .argv = argv },
			      PROBE_TEXT_MAX, &text, err);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (r != 0)
		return og_fail_as(err, -ENODEV, *text != '\0' ? text : "KVM does not serve here");
	(void)snprintf(choice->reason, sizeof(choice->reason), "%s",
		       *text != '\0' ? text : "KVM serves here");
	return 0;
}

static void add_shares(const struct og_vm_shares *shares, struct words *words)
{
	for (size_t i = 0; shares != NULL && i < shares->count; i++) {
		const struct og_vm_share *share = &shares->items[i];

		add(words, "--fs");
		add(words, "tag=%s,path=/dev/fd/%d%s", share->tag, share->fd,
		    share->readonly ? ",ro" : "");
	}
}

static int vmm_words(const struct og_vm_machine *machine, struct words *words, struct og_err *err)
{
	(void)err;
	add(words, "--id");
	add(words, "%s", machine->id);
	add(words, "--kernel");
	add(words, "/dev/fd/%d", machine->kernel.kernel_fd);
	add(words, "--initrd");
	add(words, "/dev/fd/%d", machine->kernel.initramfs_fd);
	add(words, "--cmdline");
	add(words, CMDLINE " %s", machine->kernel.cmdline);
	add(words, "--memory");
	add(words, "%u", machine->memory_mib);
	add(words, "--cpus");
	add(words, "%u", machine->cpus);
	add(words, "--console");
	add(words, "fd:%d", machine->console_fd);
	add(words, "--serial");
	add(words, "/dev/fd/%d", machine->log_fd);
	for (size_t i = 0; i < machine->disks->count; i++) {
		const struct og_vm_disk *disk = &machine->disks->items[i];

		add(words, disk->readonly ? "--disk-readonly" : "--disk");
		add(words, "/dev/fd/%d", disk->parts[0].fd);
		for (size_t part = 1; part < disk->part_count; part++) {
			add(words, "--part");
			add(words, "%llu:/dev/fd/%d", (unsigned long long)disk->parts[part].offset,
			    disk->parts[part].fd);
		}
	}
	add_shares(machine->shares, words);
	return 0;
}

/* ---- QEMU ---- */

static int find_program(const char *name, char *path, size_t size)
{
	const char *folders = getenv("PATH");

	if (folders == NULL || *folders == '\0')
		folders = DEFAULT_PATH;
	for (const char *at = folders; *at != '\0';) {
		size_t len = strcspn(at, ":");

		(void)snprintf(path, size, "%.*s/%s", (int)len, at, name);
		if (*at == '/' && access(path, X_OK) == 0)
			return 0;
		at += len + (at[len] == ':');
	}
	return -ENOENT;
}

static int qemu_locate(struct og_vm_choice *choice, struct og_err *err)
{
	int r = find_program(QEMU, choice->program, sizeof(choice->program));

	return r < 0 ? og_fail(err, r, QEMU " (Debian's package qemu-system-x86)") : 0;
}

static int qemu_probe(struct og_vm_choice *choice, struct og_err *err)
{
	(void)err;
	(void)snprintf(choice->reason, sizeof(choice->reason), "software emulation");
	return 0;
}

/*
 * A file that is opened for us is named by its descriptor. The format is always said: QEMU must
 * never guess it from what a guest has written.
 */
static int qemu_disk(const struct og_vm_machine *machine, size_t index, struct words *words,
		     struct og_err *err)
{
	const struct og_vm_disk *disk = &machine->disks->items[index];
	int r;

	add(words, "-blockdev");
	if (disk->part_count == 1) {
		add(words,
		    "driver=raw,node-name=disk%zu,read-only=%s,file.driver=file,"
		    "file.filename=/dev/fd/%d,file.locking=off",
		    index, disk->readonly ? "on" : "off", disk->parts[0].fd);
	} else {
		char path[64];

		r = og_vmdk_write(disk, machine->dir_fd, path, sizeof(path), err);
		if (r < 0)
			return r;
		add(words,
		    "driver=vmdk,node-name=disk%zu,read-only=on,file.driver=file,"
		    "file.filename=%s,file.locking=off",
		    index, path);
	}
	add(words, "-device");
	add(words, "virtio-blk-device,drive=disk%zu", index);
	return 0;
}

/*
 * The frequency of the processor's time stamp counter, which QEMU's emulation passes through. A
 * guest that has to find it out by the emulated PIT fails to when the host is busy, and hangs.
 */
static unsigned int tsc_khz(void)
{
	struct timespec before, after, pause = { .tv_nsec = TSC_SAMPLE_NS };
	uint64_t first, ticks, ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	first = __rdtsc();
	(void)nanosleep(&pause, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	ticks = __rdtsc() - first;
	ns = (uint64_t)(after.tv_sec - before.tv_sec) * 1000000000U + (uint64_t)after.tv_nsec -
	     (uint64_t)before.tv_nsec;
	return (unsigned int)(ticks * 1000000U / ns);
}

static int qemu_words(const struct og_vm_machine *machine, struct words *words, struct og_err *err)
{
	static const char *const fixed[] = {
		/* Without PIT and PIC a guest under software emulation finds no clock. */
		"-M",
		"microvm,pit=on,pic=on,rtc=on,isa-serial=on,acpi=on,auto-kernel-cmdline=off",
		"-cpu",
		"max",
		"-accel",
		"tcg,thread=multi,tb-size=64",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-no-reboot",
		/* What QEMU may not do: become another user, start programs, change its limits. */
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-device",
		"virtio-serial-device",
		"-device",
		"virtserialport,chardev=guest,name=" OG_GUEST_PORT,
		"-device",
		"virtio-rng-device",
	};
	int r = 0;

	add(words, "-name");
	add(words, "%s", machine->id);
	add(words, "-m");
	add(words, "%u", machine->memory_mib);
	add(words, "-smp");
	add(words, "%u", machine->cpus);
	add(words, "-kernel");
	add(words, "/dev/fd/%d", machine->kernel.kernel_fd);
	add(words, "-initrd");
	add(words, "/dev/fd/%d", machine->kernel.initramfs_fd);
	add(words, "-append");
	add(words, CMDLINE " tsc_early_khz=%u %s", tsc_khz(), machine->kernel.cmdline);
	add(words, "-serial");
	add(words, "file:/dev/fd/%d", machine->log_fd);
	add(words, "-chardev");
	add(words, "socket,id=guest,fd=%d", machine->console_fd);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		add(words, "%s", fixed[i]);
	for (size_t i = 0; r == 0 && i < machine->disks->count; i++)
		r = qemu_disk(machine, i, words, err);
	return r;
}

/* In the order of preference. */
static const struct og_hypervisor hypervisors[] = {
	{ "onggi-vmm", 32, true, vmm_locate, vmm_probe, vmm_words },
	{ "qemu", 256, false, qemu_locate, qemu_probe,
	  qemu_words }, /* its translations are 64 of these */
};

#define HYPERVISORS (sizeof(hypervisors) / sizeof(hypervisors[0]))

static void take(const struct og_hypervisor *hypervisor, struct og_vm_choice *choice)
{
	*choice = (struct og_vm_choice){
		.hypervisor = hypervisor,
		.name = hypervisor->name,
		.own_mib = hypervisor->own_mib,
		.shares_folders = hypervisor->shares_folders,
	};
}

static int look(struct og_vm_choice *choice, struct og_err *err)
{
	int r = choice->hypervisor->locate(choice, err);

	return r == 0 ? choice->hypervisor->probe(choice, err) : r;
}

int og_vm_choose_named(const char *name, struct og_vm_choice *ret_choice, struct og_err *err)
{
	for (size_t i = 0; i < HYPERVISORS; i++) {
		struct og_vm_choice choice;
		int r;

		if (!og_streq(hypervisors[i].name, name))
			continue;
		take(&hypervisors[i], &choice);
		(void)snprintf(choice.reason, sizeof(choice.reason), "%s was asked for", name);
		r = hypervisors[i].locate(&choice, err);
		if (r == 0)
			*ret_choice = choice;
		return r;
	}
	return og_fail(err, -EINVAL, "no hypervisor is called '%s': there are onggi-vmm and qemu",
		       name);
}

static int choose_by_name(const char *name, struct og_vm_choice *choice, struct og_err *err)
{
	int r = og_vm_choose_named(name, choice, err);

	if (r == 0)
		r = choice->hypervisor->probe(choice, err);
	if (r < 0)
		return og_fail_in(err, r, ENV_NAME "=%s", name);
	(void)snprintf(choice->reason, sizeof(choice->reason), ENV_NAME "=%s", name);
	return 0;
}

int og_vm_choose(struct og_vm_choice *ret_choice, struct og_err *err)
{
	const char *name = getenv(ENV_NAME);
	struct og_vm_choice choice = {};
	struct og_err why = {}, last = {};

	if (name != NULL && *name != '\0') {
		int r = choose_by_name(name, &choice, err);

		if (r == 0)
			*ret_choice = choice;
		return r;
	}
	for (size_t i = 0; i < HYPERVISORS; i++) {
		take(&hypervisors[i], &choice);
		if (look(&choice, i == 0 ? &why : &last) < 0)
			continue;
		if (i > 0)
			(void)snprintf(choice.reason, sizeof(choice.reason),
				       "software emulation, because %s cannot serve: %.400s",
				       hypervisors[0].name, why.text);
		*ret_choice = choice;
		return 0;
	}
	return og_fail(err, -ENOENT, "no hypervisor: onggi-vmm: %.200s; QEMU: %.200s", why.text,
		       last.text);
}

static int let_inherit(int fd)
{
	return fcntl(fd, F_SETFD, 0);
}

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * fork(), into a PID namespace where that is allowed: the rest of its jail a hypervisor makes
 * itself, but this one only whoever starts it can.
 */
static pid_t fork_apart(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	return pid < 0 && errno == EPERM ? fork() : pid;
}

/* Between fork and exec. posix_spawn() cannot tie a child's life to ours, so this does. */
static void become(const struct og_vm_choice *choice, const struct og_vm_machine *machine,
		   char **argv, int parent_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || has_ended(parent_fd) || setsid() < 0 ||
	    dup2(null_fd, 0) < 0 || dup2(machine->log_fd, 1) < 0 || dup2(machine->log_fd, 2) < 0)
		_exit(127);
	(void)let_inherit(machine->kernel.kernel_fd);
	(void)let_inherit(machine->kernel.initramfs_fd);
	(void)let_inherit(machine->console_fd);
	(void)let_inherit(machine->log_fd);
	(void)let_inherit(machine->dir_fd);
	for (size_t i = 0; i < machine->disks->count; i++) {
		for (size_t part = 0; part < machine->disks->items[i].part_count; part++)
			(void)let_inherit(machine->disks->items[i].parts[part].fd);
	}
	for (size_t i = 0; machine->shares != NULL && i < machine->shares->count; i++)
		(void)let_inherit(machine->shares->items[i].fd);
	(void)execv(choice->program, argv);
	dprintf(2, "cannot run %s: %s\n", choice->program, strerrordesc_np(errno));
	_exit(127);
}

int og_vm_spawn(const struct og_vm_choice *choice, const struct og_vm_machine *machine,
		pid_t *ret_pid, struct og_err *err)
{
	struct words *words = calloc(1, sizeof(*words));
	og_auto_fd parent_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	pid_t pid = -1;
	int r;

	if (words == NULL)
		return og_fail(err, -ENOMEM, "start %s", choice->name);
	add(words, "%s", choice->name);
	r = choice->hypervisor->words(machine, words, err);
	if (r == 0 && words->failed)
		r = og_fail(err, -E2BIG, "start %s: too many disks", choice->name);
	if (r == 0) {
		pid = fork_apart();
		if (pid == 0)
			become(choice, machine, words->items, parent_fd);
		if (pid < 0)
			r = og_fail(err, -errno, "start %s", choice->name);
	}
	words_done(words);
	free(words);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

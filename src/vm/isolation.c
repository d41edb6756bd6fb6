/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_stats.h"
#include "runtime/gate.h"
#include "runtime/hooks.h"
#include "runtime/state.h"
#include "vm/console.h"
#include "vm/control.h"
#include "vm/exec.h"
#include "vm/kernel.h"
#include "vm/start.h"
#include "vm/supervisor.h"

#define MEMORY_DEFAULT_MIB 512U
#define MEMORY_MIN_MIB	   128U /* Debian's kernel and a page cache to speak of */
#define MEMORY_MAX_MIB	   (1U << 20)
#define CPUS_MAX	   8U /* onggi-vmm's */
#define MIB		   (1024U * 1024U)
#define KILL_LIMIT_MS	   10000
#define KVM_MAJOR	   10 /* of /dev/kvm, Documentation/admin-guide/devices.txt */
#define KVM_MINOR	   232

#define ANNOTATION(name) "org.onggi." name

static unsigned int memory_of(const struct og_oci_config *config)
{
	const struct og_oci_int *limit = &config->linux_.resources.memory.limit;
	uint64_t mib;

	if (!limit->set || limit->value <= 0)
		return MEMORY_DEFAULT_MIB;
	mib = ((uint64_t)limit->value + MIB - 1) / MIB;
	if (mib < MEMORY_MIN_MIB)
		return MEMORY_MIN_MIB;
	return mib > MEMORY_MAX_MIB ? MEMORY_MAX_MIB : (unsigned int)mib;
}

static unsigned int cpus_of(const struct og_oci_config *config)
{
	const struct og_oci_cpu *cpu = &config->linux_.resources.cpu;
	uint64_t period = cpu->period.set && cpu->period.value > 0 ? cpu->period.value : 100000;
	uint64_t cpus;

	if (!cpu->quota.set || cpu->quota.value <= 0)
		return 1;
	cpus = ((uint64_t)cpu->quota.value + period - 1) / period;
	return cpus > CPUS_MAX ? CPUS_MAX : (unsigned int)cpus;
}

/* /dev/null has nothing to relay; anything else is a stream. */
static bool has_stdin(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0)
		return false;
	return !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3);
}

/* What create needs, and lets go of when it is done or has failed. */
struct creation {
	struct og_vm_choice choice;
	struct og_supervisor_setup setup;
	struct og_vm_disks *disks;
	struct og_vm_shares *shares;
	struct og_text frame;
	struct og_cgroup *cgroup;
	int go_fd;    /* our end */
	int ready_fd; /* our end */
	pid_t pid;
};

static void creation_init(struct creation *creation)
{
	*creation = (struct creation){ .go_fd = -1, .ready_fd = -1 };
	creation->setup = (struct og_supervisor_setup){
		.streams = { -1, -1, -1 },
		.go_fd = -1,
		.ready_fd = -1,
		.gate_fd = -1,
		.control_fd = -1,
		.state_fd = -1,
		.machine = { .kernel = { .kernel_fd = -1, .initramfs_fd = -1 }, .dir_fd = -1 },
	};
}

static void creation_done(struct creation *creation)
{
	struct og_supervisor_setup *setup = &creation->setup;

	(void)og_close(setup->streams[0]);
	(void)og_close(setup->go_fd);
	(void)og_close(setup->ready_fd);
	(void)og_close(setup->gate_fd);
	(void)og_close(setup->control_fd);
	(void)og_close(setup->machine.kernel.kernel_fd);
	(void)og_close(setup->machine.kernel.initramfs_fd);
	(void)og_close(setup->machine.dir_fd);
	(void)og_close(creation->go_fd);
	(void)og_close(creation->ready_fd);
	creation->disks = og_vm_disks_free(creation->disks);
	creation->shares = og_vm_shares_free(creation->shares);
	og_text_done(&creation->frame);
	creation->cgroup = og_cgroup_free(creation->cgroup);
}

static int plan_shares(const struct og_oci_config *config, struct creation *creation,
		       struct og_err *err)
{
	int r = og_vm_shares_open(config, &creation->shares, err);

	if (r < 0)
		return r;
	creation->setup.machine.shares = creation->shares;
	if (creation->shares->count == 0 || creation->choice.shares_folders)
		return 0;
	return og_fail(
		err, -EOPNOTSUPP,
		"mount '%s': under %s a VM shares no folders of the host (%s); leave the volume "
		"out, or use isolation container",
		creation->shares->items[0].mount->destination, creation->choice.name,
		creation->choice.reason);
}

/* Everything that a bad bundle or installation can be refused for before anything is made. */
static int plan_machine(struct og_workload *workload, struct creation *creation, struct og_err *err)
{
	const struct og_oci_config *config = workload->config;
	const char *disks = og_oci_annotation(config, ANNOTATION("vm.disks"));
	struct og_vm_machine *machine = &creation->setup.machine;
	int r = og_vm_config_check(config, err);

	if (r < 0)
		return r;
	if (disks == NULL)
		return og_fail(err, -EINVAL,
			       "isolation vm needs the annotation " ANNOTATION("vm.disks"));
	r = og_vm_disks_open(disks, &creation->disks, err);
	if (r == 0)
		r = og_vm_choose(&creation->choice, err);
	if (r == 0)
		r = plan_shares(config, creation, err);
	if (r < 0)
		return r;
	machine->id = workload->id;
	machine->dir_fd = openat(workload->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (machine->dir_fd < 0)
		return og_fail(err, -errno, "open the state folder");
	creation->setup.state_fd = workload->dir_fd;
	machine->disks = creation->disks;
	machine->memory_mib = memory_of(config);
	machine->cpus = cpus_of(config);
	return og_vm_kernel_open(og_oci_annotation(config, ANNOTATION("vm.kernel")),
				 og_oci_annotation(config, ANNOTATION("vm.initramfs")),
				 &machine->kernel, err);
}

static int plan_process(struct og_workload *workload, struct creation *creation, struct og_err *err)
{
	const struct og_oci_process *process = &workload->config->process;
	struct og_vm_start start = {
		.number = OG_GUEST_MAIN,
		.process = process,
		.config = workload->config,
		.shares = creation->shares,
		.user = og_oci_annotation(workload->config, ANNOTATION("user")),
		.has_stdin = has_stdin(),
		.rows = (uint32_t)process->console_size.height,
		.columns = (uint32_t)process->console_size.width,
	};
	int r = og_vm_start_put(&start, &creation->frame, err);

	creation->setup.terminal = process->terminal;
	creation->setup.start_payload = creation->frame.buf + OG_GUEST_HEADER_BYTES;
	creation->setup.start_len = creation->frame.len - OG_GUEST_HEADER_BYTES;
	return r;
}

static int open_channels(struct og_workload *workload, const struct og_create_options *options,
			 struct creation *creation, struct og_err *err)
{
	struct og_supervisor_setup *setup = &creation->setup;
	int go[2], ready[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make a pipe");
	setup->go_fd = go[0];
	creation->go_fd = go[1];
	if (pipe2(ready, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make a pipe");
	creation->ready_fd = ready[0];
	setup->ready_fd = ready[1];
	if (setup->terminal) {
		int fd = og_vm_console_open(&workload->config->process, options->console_socket,
					    options->console_fd, err);

		for (int i = 0; i < 3; i++)
			setup->streams[i] = fd;
		if (fd < 0)
			return fd;
	}
	setup->gate_fd = og_gate_open(workload->dir_fd, err);
	if (setup->gate_fd < 0)
		return setup->gate_fd;
	setup->control_fd = og_vm_control_open(workload->dir_fd, err);
	return setup->control_fd < 0 ? setup->control_fd : 0;
}

static int fork_supervisor(struct creation *creation, struct og_err *err)
{
	creation->setup.choice = &creation->choice;
	creation->pid = fork();
	if (creation->pid < 0)
		return og_fail(err, -errno, "make the supervisor");
	if (creation->pid == 0) {
		(void)og_close(creation->go_fd);
		(void)og_close(creation->ready_fd);
		og_supervisor_run(&creation->setup);
	}
	creation->setup.go_fd = og_close(creation->setup.go_fd);
	creation->setup.ready_fd = og_close(creation->setup.ready_fd);
	return 0;
}

/*
 * The supervisor and the hypervisor live in the workload's cgroup. Its memory is the guest's and
 * the hypervisor's own; processes are counted in the guest. Of the host's devices it has /dev/kvm,
 * and those that every workload has.
 */
static int make_cgroup(struct og_workload *workload, struct creation *creation, struct og_err *err)
{
	const struct og_oci_linux *linux_ = &workload->config->linux_;
	struct og_oci_resources resources = linux_->resources;
	struct og_oci_memory *memory = &resources.memory;
	struct og_oci_device_rule kvm = {
		.allow = true,
		.type = 'c',
		.major = { .set = true, .value = KVM_MAJOR },
		.minor = { .set = true, .value = KVM_MINOR },
		.access = "rw",
	};
	int r = og_cgroup_find(linux_->cgroups_path, workload->id, &creation->cgroup, err);

	if (r < 0)
		return r;
	if (memory->limit.set && memory->limit.value > 0) {
		int64_t own = (int64_t)creation->choice.own_mib * MIB;

		memory->limit.value = (int64_t)creation->setup.machine.memory_mib * MIB + own;
		memory->swap.set = false;
	}
	memory->reservation.set = false;
	resources.pids.limit.set = false;
	resources.devices.items = &kvm;
	resources.devices.count = 1;
	resources.unified.count = 0;
	og_json_set(workload->extra, "cgroups", og_cgroup_save(creation->cgroup));
	r = og_workload_save(workload, err);
	if (r < 0)
		return r;
	r = og_cgroup_make(creation->cgroup, &resources, err);
	if (r < 0) /* what could not be made is not ours to remove */
		og_json_set(workload->extra, "cgroups", og_cgroup_save(creation->cgroup));
	return r < 0 ? r : og_cgroup_limit(creation->cgroup, &resources, &workload->notes, err);
}

static int remember(struct og_workload *workload, const struct creation *creation,
		    struct og_err *err)
{
	workload->pid = creation->pid;
	workload->pid_start = og_pid_start(creation->pid);
	og_json_set_string(workload->extra, "hypervisor", creation->choice.name);
	og_json_set_string(workload->extra, "reason", creation->choice.reason);
	og_json_set_string(workload->extra, "kernel", creation->setup.machine.kernel.name);
	return og_workload_save(workload, err);
}

static int run_hooks(struct og_workload *workload, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &workload->config->hooks;
	og_cleanup(og_json_freep) struct og_json *state =
		og_workload_state_json(workload, OG_STATUS_CREATING);
	og_auto_free char *text = og_json_write(state);
	int r = og_hooks_run("prestart", &hooks->prestart, text, err);

	return r < 0 ? r : og_hooks_run("createRuntime", &hooks->create_runtime, text, err);
}

static int await_ready(struct creation *creation, struct og_err *err)
{
	struct og_supervisor_ready ready;
	ssize_t n;

	if (og_write_all(creation->go_fd, "g", 1) < 0)
		return og_fail(err, -EPIPE, "the supervisor has ended");
	n = og_read_upto(creation->ready_fd, &ready, sizeof(ready));
	if (n != sizeof(ready))
		return og_fail(err, -EPIPE, "the supervisor was killed");
	ready.text[sizeof(ready.text) - 1] = '\0';
	return ready.code < 0 ? og_fail_as(err, ready.code, ready.text) : 0;
}

static int create_in(struct og_workload *workload, const struct og_create_options *options,
		     struct creation *creation, struct og_err *err)
{
	int r = plan_machine(workload, creation, err);

	if (r == 0)
		r = plan_process(workload, creation, err);
	if (r == 0)
		r = open_channels(workload, options, creation, err);
	if (r == 0)
		r = make_cgroup(workload, creation, err);
	if (r == 0)
		r = fork_supervisor(creation, err);
	if (r == 0)
		r = remember(workload, creation, err);
	if (r == 0)
		r = og_cgroup_join(creation->cgroup, creation->pid, false, err);
	if (r == 0)
		r = run_hooks(workload, err);
	return r < 0 ? r : await_ready(creation, err);
}

static int vm_create(struct og_workload *workload, const struct og_create_options *options,
		     struct og_err *err)
{
	struct creation creation;
	int r;

	if (options->systemd_helper != NULL)
		return og_fail(err, -ENOTSUP,
			       "--systemd-cgroup is for containers: a VM has the cgroupfs driver");
	creation_init(&creation);
	r = create_in(workload, options, &creation, err);
	if (r < 0 && creation.pid > 0) {
		(void)kill(creation.pid, SIGKILL);
		(void)waitpid(creation.pid, NULL, 0);
		workload->pid = 0;
	}
	if (r < 0 && creation.cgroup != NULL)
		(void)og_cgroup_destroy(creation.cgroup, NULL);
	creation_done(&creation);
	return r;
}

/* The supervisor, if it is still the process that create made. */
static int supervisor_fd(const struct og_workload *workload)
{
	og_auto_fd fd = -EBADF;

	if (workload->pid <= 0)
		return -ESRCH;
	fd = pidfd_open(workload->pid, 0);
	if (fd < 0 || workload->pid_start == 0 ||
	    og_pid_start(workload->pid) != workload->pid_start)
		return -ESRCH;
	return og_take_fd(&fd);
}

static int vm_kill(struct og_workload *workload, int signal, bool all, struct og_err *err)
{
	struct og_vm_request request = { .op = OG_VM_KILL, .signal = signal, .all = all };
	og_auto_fd pid_fd = supervisor_fd(workload);
	og_auto_fd fd = -EBADF;
	struct og_vm_answer answer;

	if (pid_fd < 0)
		return og_fail(err, -ESRCH, "the workload has ended");
	fd = og_vm_control_connect(workload->dir_fd, err);
	return fd < 0 ? fd : og_vm_control_ask(fd, &request, NULL, 0, &answer, err);
}

static int kill_supervisor(const struct og_workload *workload, struct og_err *err)
{
	og_auto_fd fd = supervisor_fd(workload);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return 0;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return og_fail(err, -errno, "kill the supervisor");
	if (poll(&poll_fd, 1, KILL_LIMIT_MS) == 0)
		return og_fail(err, -ETIMEDOUT, "kill the supervisor %d", workload->pid);
	return 0;
}

/* The hypervisor dies with its supervisor; the cgroup's end waits for it. */
static int vm_destroy(struct og_workload *workload, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	const struct og_json *saved = og_json_get(workload->extra, "cgroups");
	int r = kill_supervisor(workload, err);

	if (r < 0 || saved == NULL)
		return r;
	r = og_cgroup_load(saved, &cgroup, err);
	return r < 0 ? r : og_cgroup_destroy(cgroup, err);
}

/* The hypervisor's and the supervisor's, as the host counts them. */
static int vm_stats(struct og_workload *workload, struct og_json **ret_stats, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = og_cgroup_load(og_json_get(workload->extra, "cgroups"), &cgroup, err);

	if (r == 0)
		*ret_stats = og_cgroup_stats(cgroup);
	return r;
}

static void vm_features(struct og_json *annotations)
{
	struct og_vm_choice choice;
	struct og_err err = {};

	if (og_vm_choose(&choice, &err) < 0) {
		og_json_set_string(annotations, ANNOTATION("vm.reason"), err.text);
		return;
	}
	og_json_set_string(annotations, ANNOTATION("vm.hypervisor"), choice.name);
	og_json_set_string(annotations, ANNOTATION("vm.reason"), choice.reason);
}

const struct og_isolation og_isolation_vm = {
	.name = "vm",
	.create = vm_create,
	.kill = vm_kill,
	.destroy = vm_destroy,
	.exec = og_vm_exec,
	.stats = vm_stats,
	.features = vm_features,
};

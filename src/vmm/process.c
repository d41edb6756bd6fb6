/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/process.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/weak.h"
#include "vmm/control.h"
#include "vmm/handover.h"
#include "vmm/jail.h"
#include "vmm/x86/kvm.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE false /* the sanitizers make system calls of their own */
#else
#define CONFINE true
#endif

/* Where a configuration is handed over (handover.h); at is NULL where it was there from the start. */
struct room {
	void *at;
	int fd;
};

static void leave_room(void *room)
{
	if (room != NULL)
		(void)munmap(room, OG_HANDOVER_BYTES);
}

/* Returns the exit status. */
static int build_and_run(const struct og_vmm_config *config, struct og_err *err)
{
	og_cleanup(og_vmm_freep) struct og_vmm *vmm = NULL;
	enum og_outcome outcome = OG_FAILED;
	int r = og_vmm_new(config, &vmm, err);

	if (r == 0)
		r = og_vmm_run(vmm, CONFINE && !og_weak("A80-seccomp"), &outcome, err);
	if (r < 0)
		return OG_EXIT_ERROR;
	return outcome == OG_REBOOTED ? OG_EXIT_REBOOT : OG_EXIT_OFF;
}

int og_vmm_become(const struct og_vmm_config *config, struct og_err *err)
{
	int r = og_jail_prepare(err);

	return r < 0 ? OG_EXIT_ERROR : build_and_run(config, err);
}

/* What is opened by path is opened here: the machine has none. */
static int open_kvm(struct og_vmm_config *config, struct og_err *err)
{
	if (config->kvm_fd >= 0)
		return 0;
	config->kvm_fd = og_kvm_open(err);
	og_vmm_config_keep(config, config->kvm_fd);
	return config->kvm_fd < 0 ? config->kvm_fd : 0;
}

/* Whoever wanted to take this process along still does: a change of user makes the kernel forget. */
static int enter_jail(const struct og_jail_config *jail, struct og_err *err)
{
	struct og_jail_origin origin = og_jail_origin();
	pid_t parent = getppid();
	int with_parent = 0, r;

	(void)prctl(PR_GET_PDEATHSIG, &with_parent, 0, 0, 0);
	r = og_jail_enter(jail, &origin, err);
	if (r == 0 && with_parent != 0 &&
	    (prctl(PR_SET_PDEATHSIG, with_parent, 0, 0, 0) < 0 || getppid() != parent))
		r = og_fail(err, -ESRCH, "the process that started this one has ended");
	return r;
}

int og_vmm_become_jailed(struct og_vmm_config *config, struct og_err *err)
{
	int r = open_kvm(config, err);

	if (r == 0)
		r = enter_jail(&config->jail, err);
	return r < 0 ? OG_EXIT_ERROR : og_vmm_become(config, err);
}

static void close_range_of(unsigned first, unsigned last)
{
	if (first <= last)
		(void)syscall(SYS_close_range, first, last, 0);
}

/* Closes all but standard input, output and error and the configuration's own. */
void og_process_keep_only(const struct og_vmm_config *config)
{
	unsigned next = 3;

	for (;;) {
		int lowest = -1;

		for (unsigned i = 0; i < config->n_kept; i++)
			if (config->kept_fds[i] >= (int)next &&
			    (lowest < 0 || config->kept_fds[i] < lowest))
				lowest = config->kept_fds[i];
		if (lowest < 0)
			break;
		close_range_of(next, (unsigned)lowest - 1);
		next = (unsigned)lowest + 1;
	}
	close_range_of(next, UINT32_MAX);
}

static void say_why(const struct og_vmm_config *config, const struct og_err *err)
{
	struct og_answer answer = { .code = err->code };

	memcpy(answer.text, err->text, sizeof(answer.text));
	(void)og_control_answer(config->control_fd, &answer);
}

int og_vmm_go_on(const struct og_vmm_config *config, struct og_err *err)
{
	int status = build_and_run(config, err);

	if (status == OG_EXIT_ERROR)
		say_why(config, err);
	return status;
}

/* A view of its own: the front cannot change what this process has written, nor the other way round. */
static int see_room(void *room, int room_fd, struct og_err *err)
{
	if (mmap(room, OG_HANDOVER_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, room_fd, 0) == MAP_FAILED)
		return og_fail(err, -errno, "see what the machine is to be");
	(void)og_close(room_fd);
	return 0;
}

/* Returns when all have come; without a word where there is no front any more. */
static int receive_fds(int control_fd, struct og_handover_fds *ret_fds, struct og_err *err)
{
	struct pollfd p = { .fd = control_fd, .events = POLLIN };
	uint32_t left;

	ret_fds->n = 0;
	do {
		size_t got = 0;
		ssize_t n;

		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
		n = og_fdpass_receive(control_fd, &left, sizeof(left), ret_fds->fds + ret_fds->n,
				      OG_VMM_FDS_MAX - ret_fds->n, &got, err);
		if (n == 0)
			_exit(OG_EXIT_ERROR);
		if (n != sizeof(left))
			return n < 0 ? (int)n : og_fail(err, -EPROTO, "no descriptors came");
		ret_fds->n += (unsigned)got;
	} while (left > 0);
	return 0;
}

/* Until it is told what to be; @own has the descriptors that it began with. */
static int wait_in_jail(const struct og_vmm_config *own, const struct room *room,
			struct og_kvm *kvm, struct og_err *err)
{
	struct og_vmm_config *config = room->at;
	struct og_handover_fds fds;
	int r = see_room(room->at, room->fd, err);

	if (r == 0)
		r = og_jail_prepare(err);
	if (r == 0)
		r = og_kvm_init(kvm, own->kvm_fd, err);
	if (r == 0)
		r = og_kvm_make_first_vcpu(kvm, err);
	if (r == 0)
		r = receive_fds(own->control_fd, &fds, err);
	if (r == 0)
		r = og_handover_unpack(config, &fds, err);
	if (r < 0)
		return r;
	config->kvm = kvm;
	config->control_fd = own->control_fd;
	config->broker_fd = own->broker_fd;
	return 0;
}

/* Returns the exit status. */
static int wait_and_run(struct og_vmm_config *config, const struct room *room, struct og_err *err)
{
	struct og_kvm kvm;

	return wait_in_jail(config, room, &kvm, err) < 0 ? OG_EXIT_ERROR
							 : build_and_run(room->at, err);
}

/* Whoever holds the other end of the socket closes it before a parent's end is told of. */
static bool is_alone(int control_fd)
{
	struct pollfd p = { .fd = control_fd };

	return poll(&p, 1, 0) != 0;
}

/* @origin: not NULL where it has its jail to enter yet. @parent: as getppid() says it here. */
__attribute__((noreturn)) static void be_machine(struct og_vmm_config *config,
						 const struct room *room,
						 const struct og_jail_origin *origin, pid_t parent)
{
	struct og_err err = {};
	int status = OG_EXIT_ERROR;

	if (origin == NULL || og_jail_enter(&config->jail, origin, &err) == 0) {
		og_process_keep_only(config);
		/* After the jail: a change of user makes the kernel forget it. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
		    is_alone(config->control_fd))
			_exit(OG_EXIT_ERROR);
		status = room->at == NULL ? og_vmm_become(config, &err)
					  : wait_and_run(config, room, &err);
	}
	if (status == OG_EXIT_ERROR)
		say_why(config, &err);
	_exit(status);
}

static int status_of(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : OG_EXIT_ERROR;
}

/* Until the machine or the front has ended. */
static void keep(pid_t machine, int front_fd)
{
	og_auto_fd pidfd = (int)syscall(SYS_pidfd_open, machine, 0);
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
				{ .fd = front_fd, .events = POLLIN } };
	int wait_status = 0;
	uint8_t status;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[1].revents != 0)
		(void)kill(machine, SIGKILL);
	while (waitpid(machine, &wait_status, 0) < 0 && errno == EINTR)
		;
	status = (uint8_t)status_of(wait_status);
	(void)!send(front_fd, &status, 1, MSG_NOSIGNAL);
}

/* The namespace's first process, where the machine is not. */
__attribute__((noreturn)) static void be_keeper(struct og_vmm_config *config,
						const struct room *room,
						const struct og_jail_origin *origin, int front_fd)
{
	struct og_err err = {};
	pid_t keeper = getpid(), machine = -1;

	if (og_jail_enter(&config->jail, origin, &err) == 0) {
		machine = fork();
		if (machine == 0)
			be_machine(config, room, NULL, keeper);
		if (machine < 0)
			(void)og_fail(&err, -errno, "start the machine's process");
	}
	if (machine < 0) {
		say_why(config, &err);
		_exit(OG_EXIT_ERROR);
	}
	config->kept_fds[0] = front_fd;
	config->n_kept = 1;
	og_process_keep_only(config);
	leave_room(room->at);
	keep(machine, front_fd);
	(void)close(front_fd);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(OG_EXIT_OFF);
}

/* fork(), in namespaces. Nothing runs in the child that a C library would have to be told of. */
static pid_t fork_into(int flags)
{
	return flags == 0 ? fork() : (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static int fork_machine(struct og_vmm_config *config, const struct room *room,
			struct og_process *process, struct og_err *err)
{
	struct og_jail_origin origin = og_jail_origin();
	int flags = og_jail_clone_flags(&config->jail), ends[2], r = 0;

	origin.cloned = true;
	process->kept = config->jail.enabled && config->forkable;
	if (process->kept && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return og_fail(err, -errno, "make a pair of sockets");
	process->pid = fork_into(flags);
	if (process->pid == 0 && process->kept)
		be_keeper(config, room, &origin, ends[1]);
	if (process->pid == 0) /* from inside a PID namespace its parent has no number */
		be_machine(config, room, &origin, (flags & CLONE_NEWPID) != 0 ? 0 : origin.pid);
	if (process->kept) {
		og_close(ends[1]);
		process->ended_fd = ends[0];
	}
	if (process->pid < 0)
		r = og_fail(err, -errno, "start the machine's process");
	else if (!process->kept)
		process->ended_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);

	config->control_fd = og_close(config->control_fd);
	config->broker_fd = og_close(config->broker_fd);
	config->n_kept -= 2;
	return r;
}

/* On failure what of *@process was made is the caller's to end, too. */
static int start(struct og_vmm_config *config, const struct room *room, struct og_process *process,
		 struct og_err *err)
{
	int control[2], broker[2], r = open_kvm(config, err);

	if (r == 0)
		r = og_control_pair(control, err);
	if (r < 0)
		return r;
	process->control_fd = control[0];
	r = og_control_pair(broker, err);
	if (r < 0) {
		og_close(control[1]);
		return r;
	}
	process->broker_fd = broker[0];
	config->control_fd = control[1];
	config->broker_fd = broker[1];
	og_vmm_config_keep(config, control[1]);
	og_vmm_config_keep(config, broker[1]);
	return fork_machine(config, room, process, err);
}

/* A keeper of no forks ends with its machine; a client may try often, and each would stay a zombie. */
static void end_start(struct og_process *process)
{
	pid_t keeper = process->kept ? process->pid : 0;

	(void)og_process_end(process);
	if (keeper > 0)
		while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
			;
}

int og_process_start(struct og_vmm_config *config, struct og_process *ret_process,
		     struct og_err *err)
{
	const struct room none = { .at = NULL, .fd = -EBADF };
	struct og_process process = OG_PROCESS_NONE;
	struct og_answer answer;
	int r = start(config, &none, &process, err);

	if (r == 0)
		r = og_control_wait(process.control_fd, &answer, err);
	if (r < 0)
		end_start(&process);
	else
		*ret_process = process;
	return r;
}

static int make_room(struct room *room, struct og_err *err)
{
	void *at;

	room->fd = memfd_create("machine", MFD_CLOEXEC);
	if (room->fd < 0 || ftruncate(room->fd, OG_HANDOVER_BYTES) < 0)
		return og_fail(err, -errno, "make room for a machine's configuration");
	at = mmap(NULL, OG_HANDOVER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, room->fd, 0);
	if (at == MAP_FAILED)
		return og_fail(err, -errno, "make room for a machine's configuration");
	room->at = at;
	return 0;
}

int og_process_prepare(const struct og_jail_config *jail, bool forkable,
		       struct og_process *ret_process, struct og_err *err)
{
	struct room room = { .at = NULL, .fd = -EBADF };
	struct og_process process = OG_PROCESS_NONE;
	struct og_vmm_config config;
	int r = make_room(&room, err);

	process.room = room.at;
	og_vmm_config_init(&config);
	config.jail = *jail;
	config.forkable = forkable;
	og_vmm_config_keep(&config, room.fd);
	if (r == 0)
		r = start(&config, &room, &process, err);
	(void)og_close(config.kvm_fd);
	(void)og_close(room.fd);
	if (r < 0)
		end_start(&process);
	else
		*ret_process = process;
	return r;
}

static int send_fds(int control_fd, const struct og_handover_fds *fds, struct og_err *err)
{
	unsigned sent = 0;
	int r;

	do {
		unsigned n = fds->n - sent < OG_FDPASS_MAX ? fds->n - sent : OG_FDPASS_MAX;
		uint32_t left = fds->n - sent - n;

		r = og_fdpass_send(control_fd, &left, sizeof(left), fds->fds + sent, n, err);
		sent += n;
	} while (r == 0 && sent < fds->n);
	return r;
}

int og_process_begin(struct og_process *process, const struct og_vmm_config *config,
		     struct og_err *err)
{
	struct og_handover_fds fds;
	struct og_answer answer;
	int r = og_handover_pack(config, process->room, &fds, err);

	/* Where it does not take them it has ended, and may have said why. */
	if (r == 0) {
		(void)send_fds(process->control_fd, &fds, NULL);
		r = og_control_wait(process->control_fd, &answer, err);
	}
	leave_room(process->room);
	process->room = NULL;
	if (r < 0)
		end_start(process);
	return r;
}

int og_process_wait(struct og_process *process)
{
	int wait_status = 0;
	uint8_t status = OG_EXIT_ERROR;

	if (process->pid <= 0)
		return OG_EXIT_ERROR;
	if (process->kept) {
		while (recv(process->ended_fd, &status, 1, 0) < 0 && errno == EINTR)
			;
		(void)waitpid(process->pid, NULL, WNOHANG); /* forks may keep it alive */
		process->pid = 0;
		return status;
	}
	while (waitpid(process->pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	process->pid = 0;
	return status_of(wait_status);
}

int og_process_end(struct og_process *process)
{
	int status;

	process->control_fd = og_close(process->control_fd);
	process->broker_fd = og_close(process->broker_fd);
	if (process->kept)
		(void)shutdown(process->ended_fd, SHUT_WR);
	else if (process->pid > 0)
		(void)kill(process->pid, SIGKILL);
	status = og_process_wait(process);
	process->ended_fd = og_close(process->ended_fd);
	leave_room(process->room);
	process->room = NULL;
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/process.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/weak.h"
#include "vmm/control.h"
#include "vmm/jail.h"
#include "vmm/x86/kvm.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE false /* the sanitizers make system calls of their own */
#else
#define CONFINE true
#endif

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

/* @parent: as getppid() says it here; 0 where that is outside of the namespace. */
__attribute__((noreturn)) static void be_machine(struct og_vmm_config *config, pid_t parent)
{
	struct og_err err = {};
	int status;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(OG_EXIT_ERROR);
	og_process_keep_only(config);
	status = og_vmm_become(config, &err);
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

/* The namespace's first process. */
__attribute__((noreturn)) static void be_keeper(struct og_vmm_config *config,
						const struct og_jail_origin *origin, int front_fd)
{
	struct og_err err = {};
	pid_t machine = -1;

	if (og_jail_enter(&config->jail, origin, &err) == 0) {
		machine = fork();
		if (machine == 0)
			be_machine(config, 1);
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

static int start(struct og_vmm_config *config, struct og_process *process, struct og_err *err)
{
	struct og_jail_origin origin = og_jail_origin();
	struct og_answer answer;
	int ends[2], r;

	origin.cloned = true;
	process->kept = config->jail.enabled;
	if (process->kept && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return og_fail(err, -errno, "make a pair of sockets");
	process->pid = fork_into(og_jail_clone_flags(&config->jail));
	if (process->pid == 0 && process->kept)
		be_keeper(config, &origin, ends[1]);
	if (process->pid == 0)
		be_machine(config, origin.pid);
	if (process->kept) {
		og_close(ends[1]);
		process->ended_fd = ends[0];
	}
	if (process->pid < 0)
		return og_fail(err, -errno, "start the machine's process");
	if (!process->kept)
		process->ended_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);

	config->control_fd = og_close(config->control_fd);
	config->broker_fd = og_close(config->broker_fd);
	config->n_kept -= 2;
	r = og_control_wait(process->control_fd, &answer, err);
	return r;
}

int og_process_start(struct og_vmm_config *config, struct og_process *ret_process,
		     struct og_err *err)
{
	struct og_process process = { .ended_fd = -EBADF,
				      .control_fd = -EBADF,
				      .broker_fd = -EBADF };
	int control[2], broker[2], r = open_kvm(config, err);

	if (r == 0)
		r = og_control_pair(control, err);
	if (r < 0)
		return r;
	process.control_fd = control[0];
	r = og_control_pair(broker, err);
	if (r < 0) {
		og_close_all(control, 2);
		return r;
	}
	process.broker_fd = broker[0];
	config->control_fd = control[1];
	config->broker_fd = broker[1];
	og_vmm_config_keep(config, control[1]);
	og_vmm_config_keep(config, broker[1]);
	r = start(config, &process, err);
	if (r < 0)
		(void)og_process_end(&process);
	else
		*ret_process = process;
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
	return status;
}

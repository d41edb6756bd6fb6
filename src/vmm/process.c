/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/control.h"
#include "vmm/jail.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE false /* the sanitizers make system calls of their own */
#else
#define CONFINE true
#endif

int og_vmm_become(const struct og_vmm_config *config, struct og_err *err)
{
	og_cleanup(og_vmm_freep) struct og_vmm *vmm = NULL;
	enum og_outcome outcome = OG_FAILED;
	int r = og_jail_prepare(err);

	if (r == 0)
		r = og_vmm_new(config, &vmm, err);
	if (r == 0)
		r = og_vmm_run(vmm, CONFINE, &outcome, err);
	if (r < 0)
		return OG_EXIT_ERROR;
	return outcome == OG_REBOOTED ? OG_EXIT_REBOOT : OG_EXIT_OFF;
}

static void close_range_of(unsigned first, unsigned last)
{
	if (first <= last)
		(void)syscall(SYS_close_range, first, last, 0);
}

/* Closes all but standard input, output and error and the configuration's own. */
static void keep_only(struct og_vmm_config *config)
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

__attribute__((noreturn)) static void be_machine(struct og_vmm_config *config, pid_t front)
{
	struct og_answer answer = {};
	struct og_err err = {};
	int status;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != front)
		_exit(OG_EXIT_ERROR);
	keep_only(config);
	status = og_vmm_become(config, &err);
	if (status == OG_EXIT_ERROR) {
		answer.code = err.code;
		memcpy(answer.text, err.text, sizeof(answer.text));
		(void)og_control_answer(config->control_fd, &answer);
	}
	_exit(status);
}

static int start(struct og_vmm_config *config, struct og_process *process, struct og_err *err)
{
	pid_t front = getpid();
	struct og_answer answer;
	int r;

	process->pid = fork();
	if (process->pid < 0)
		return og_fail(err, -errno, "start the machine's process");
	if (process->pid == 0)
		be_machine(config, front);

	config->control_fd = og_close(config->control_fd);
	config->broker_fd = og_close(config->broker_fd);
	config->n_kept -= 2;
	r = og_control_wait(process->control_fd, &answer, err);
	if (r < 0)
		(void)og_process_end(process);
	return r;
}

int og_process_start(struct og_vmm_config *config, struct og_process *ret_process,
		     struct og_err *err)
{
	int control[2], broker[2], r = og_control_pair(control, err);

	if (r < 0)
		return r;
	r = og_control_pair(broker, err);
	if (r < 0) {
		og_close_all(control, 2);
		return r;
	}
	*ret_process = (struct og_process){ .control_fd = control[0], .broker_fd = broker[0] };
	config->control_fd = control[1];
	config->broker_fd = broker[1];
	og_vmm_config_keep(config, control[1]);
	og_vmm_config_keep(config, broker[1]);
	return start(config, ret_process, err);
}

int og_process_end(struct og_process *process)
{
	int status = 0;

	process->control_fd = og_close(process->control_fd);
	process->broker_fd = og_close(process->broker_fd);
	if (process->pid <= 0)
		return OG_EXIT_ERROR;
	(void)kill(process->pid, SIGKILL);
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	process->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : OG_EXIT_ERROR;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Commands (control.h), carried out on the I/O thread. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>

#include "vmm/machine.h"

/* What came with a command. Descriptors that are kept are set to a negative number. */
struct call {
	struct og_command command;
	int fds[OG_COMMAND_FDS_MAX];
	unsigned n_fds;
	struct og_answer answer;
};

static int do_status(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	struct og_status status = { .paused = vmm->paused, .vcpus = vmm->n_vcpus };

	(void)err;
	memcpy(call->answer.body, &status, sizeof(status));
	call->answer.bytes = sizeof(status);
	return 0;
}

static int do_pause(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	(void)call;
	(void)err;
	og_vmm_pause(vmm);
	return 0;
}

static int do_resume(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	(void)call;
	(void)err;
	og_vmm_resume(vmm);
	return 0;
}

static int do_device(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	struct slot *slot = og_vmm_find_device(vmm, call->command.id);
	int r;

	if (slot == NULL)
		return og_fail(err, -ENODEV, "no device is called '%s'", call->command.id);
	if (slot->virtio->ops->command == NULL)
		return og_fail(err, -ENOTSUP, "nothing of %s can be changed while it runs",
			       slot->virtio->ops->name);
	r = slot->virtio->ops->command(slot->virtio, call->command.body, call->fds, call->n_fds,
				       call->answer.body, err);
	if (r > 0)
		call->answer.bytes = (uint32_t)r;
	return r;
}

static int do_snapshot(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	struct og_snapshot_command command;
	struct og_snapshot_answer answer = {};
	int r;

	if (call->command.bytes != sizeof(command))
		return og_fail(err, -EPROTO, "no command for a snapshot is like this");
	memcpy(&command, call->command.body, sizeof(command));
	r = og_vmm_snapshot(vmm, &command, call->fds, call->n_fds, &answer, err);
	memcpy(call->answer.body, &answer, sizeof(answer));
	call->answer.bytes = sizeof(answer);
	return r;
}

static int do_fork(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	struct og_fork_command command;
	struct og_fork_answer answer = {};
	int r;

	memcpy(&command, call->command.body, sizeof(command));
	if (call->command.bytes != sizeof(command) || command.n > OG_COMMAND_FDS_MAX)
		return og_fail(err, -EPROTO, "no command for a fork is like this");
	r = og_vmm_fork(vmm, &command, call->fds, call->n_fds, &answer, err);
	memcpy(call->answer.body, &answer, sizeof(answer));
	call->answer.bytes = sizeof(answer);
	return r;
}

static int do_pin(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	struct og_pin pin;

	memcpy(&pin, call->command.body, sizeof(pin));
	if (call->command.bytes != sizeof(pin) || pin.vcpu >= vmm->n_vcpus)
		return og_fail(err, -EINVAL, "there is no vCPU %u", pin.vcpu);
	return og_vcpu_pin(&vmm->vcpus[pin.vcpu], pin.mask, sizeof(pin.mask), err);
}

static int do_mmds(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	const struct og_mmds_config *mmds = &vmm->config->mmds;

	if (mmds->update == NULL)
		return og_fail(err, -ENOTSUP, "there is no metadata service");
	if (call->n_fds == 0)
		return og_fail(err, -EINVAL, "no descriptor came with the data");
	return mmds->update(mmds->data, call->fds[0], err);
}

static int do_stop(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	(void)call;
	(void)err;
	og_power_end(&vmm->power, OG_POWERED_OFF);
	return 0;
}

static int do_keys(struct og_vmm *vmm, struct call *call, struct og_err *err)
{
	(void)call;
	return og_i8042_press(&vmm->keyboard, err);
}

static int (*const handlers[OG_COMMAND_KINDS])(struct og_vmm *vmm, struct call *call,
					       struct og_err *err) = {
	[OG_COMMAND_STATUS] = do_status,     [OG_COMMAND_PAUSE] = do_pause,
	[OG_COMMAND_RESUME] = do_resume,     [OG_COMMAND_DEVICE] = do_device,
	[OG_COMMAND_SNAPSHOT] = do_snapshot, [OG_COMMAND_FORK] = do_fork,
	[OG_COMMAND_PIN] = do_pin,	     [OG_COMMAND_MMDS] = do_mmds,
	[OG_COMMAND_STOP] = do_stop,	     [OG_COMMAND_CTRL_ALT_DEL] = do_keys,
};

static void answer(struct og_vmm *vmm, struct call *call, int r, const struct og_err *err)
{
	call->answer.code = r < 0 ? r : 0;
	if (r < 0)
		memcpy(call->answer.text, err->text, sizeof(call->answer.text));
	(void)og_control_answer(vmm->config->control_fd, &call->answer);
}

static void serve(struct og_vmm *vmm, struct call *call)
{
	struct og_err err = {};
	uint32_t kind = call->command.kind;
	int r = handlers[kind] == NULL ? og_fail(&err, -ENOSYS, "command %u", kind)
				       : handlers[kind](vmm, call, &err);

	for (unsigned i = 0; i < call->n_fds; i++)
		call->fds[i] = og_close(call->fds[i]);
	answer(vmm, call, r, &err);
}

static void on_command(struct og_source *source, uint32_t events, void *data)
{
	struct og_vmm *vmm = data;
	struct call call = {};
	struct og_err err = {};
	int r = og_control_receive(vmm->config->control_fd, &call.command, call.fds, &call.n_fds,
				   &err);

	(void)events;
	if (r == -EPIPE) {
		(void)og_source_remove(source);
		og_power_end(&vmm->power, OG_POWERED_OFF);
	} else if (r < 0) {
		answer(vmm, &call, r, &err);
	} else if (r > 0) {
		serve(vmm, &call);
	}
}

int og_vmm_add_control(struct og_vmm *vmm, struct og_err *err)
{
	if (vmm->config->control_fd < 0)
		return 0;
	return og_loop_add_fd(vmm->loop, vmm->config->control_fd, EPOLLIN, on_command, vmm, NULL,
			      err);
}

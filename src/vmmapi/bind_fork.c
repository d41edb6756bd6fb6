/* SPDX-License-Identifier: Apache-2.0 */
/* PUT /fork: the machine's clone gets descriptors of its own, and a front of its own (front.c). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "vmm/broker.h"
#include "vmm/control.h"
#include "vmm/fork.h"
#include "vmm/tap.h"
#include "vmmapi/bind.h"

/* What goes with the command. All descriptors are the clone's, and closed here afterwards. */
struct gift {
	struct og_fork_command body;
	int fds[OG_COMMAND_FDS_MAX];
};

/* Takes @fd over; a negative one is nothing. */
static int give(struct gift *gift, const char *id, int fd, struct og_err *err)
{
	if (fd < 0)
		return 0;
	if (gift->body.n == OG_COMMAND_FDS_MAX) {
		(void)og_close(fd);
		return og_fail(err, -E2BIG, "give the clone what it needs");
	}
	(void)strncpy(gift->body.given[gift->body.n].id, id, OG_VMM_ID_MAX - 1);
	gift->fds[gift->body.n++] = fd;
	return 0;
}

static const struct og_api_drive_override *override_of(const struct og_api_fork *params,
						       const char *id)
{
	for (unsigned i = 0; i < params->n_drive_overrides; i++)
		if (og_streq(params->drive_overrides[i].drive_id, id))
			return &params->drive_overrides[i];
	return NULL;
}

static int give_drives(struct gift *gift, const struct og_vmmapi *api,
		       const struct og_api_fork *params, struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < api->n_drives; i++) {
		const struct og_api_drive *drive = &api->drives[i].body;
		const struct og_api_drive_override *to = override_of(params, drive->drive_id);
		int fd;

		if (to == NULL)
			continue; /* the machine says whether it can be shared */
		r = og_vmmapi_open(to->path_on_host, drive->is_read_only ? O_RDONLY : O_RDWR, &fd,
				   err);
		r = r < 0 ? og_fail_in(err, r, "drive_overrides")
			  : give(gift, drive->drive_id, fd, err);
	}
	return r;
}

static int give_nets(struct gift *gift, const struct og_api_fork *params, struct og_err *err)
{
	int fd, r = 0;

	for (unsigned i = 0; r == 0 && i < params->n_network_overrides; i++) {
		r = og_tap_open(params->network_overrides[i].host_dev_name, &fd, err);
		if (r < 0)
			return og_fail_in(err, r, "network_overrides[%u].host_dev_name", i);
		r = give(gift, params->network_overrides[i].iface_id, fd, err);
	}
	return r;
}

static int give_vsock(struct gift *gift, const struct og_api_fork *params,
		      struct og_socket_file *file, struct og_err *err)
{
	const char *path = params->vsock_override.uds_path;
	int fd, r;

	if (path[0] == '\0')
		return 0;
	r = og_broker_listen(path, &fd, err);
	if (r < 0)
		return og_fail_in(err, r, "vsock_override.uds_path");
	og_socket_file_note(file, path);
	return give(gift, "vsock", fd, err);
}

/* Shared by the clone's two processes. The machine must not make it shorter than the front reads. */
static int give_metrics(struct gift *gift, struct og_metrics **ret_metrics, struct og_err *err)
{
	og_auto_fd fd = memfd_create("metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *metrics;

	if (fd < 0 || ftruncate(fd, sizeof(struct og_metrics)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return og_fail(err, -errno, "make counters for the clone");
	metrics = mmap(NULL, sizeof(struct og_metrics), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (metrics == MAP_FAILED)
		return og_fail(err, -errno, "make counters for the clone");
	*ret_metrics = metrics;
	return give(gift, OG_FORK_METRICS, og_take_fd(&fd), err);
}

/* Both ends' other halves are @clone's. */
static int give_channels(struct gift *gift, const struct og_bind *bind, struct og_process *clone,
			 struct og_err *err)
{
	int control[2], broker[2], r = og_control_pair(control, err);

	if (r < 0)
		return r;
	clone->control_fd = control[0];
	r = give(gift, OG_FORK_CONTROL, control[1], err);
	if (r == 0)
		r = og_control_pair(broker, err);
	if (r < 0)
		return r;
	clone->broker_fd = broker[0];
	r = give(gift, OG_FORK_BROKER, broker[1], err);
	if (r == 0)
		r = give(gift, OG_FORK_KVM, open("/dev/kvm", O_RDWR | O_CLOEXEC), err);
	if (r == 0)
		r = give(gift, OG_FORK_SERIAL_OUT,
			 fcntl(bind->config.serial_out_fd, F_DUPFD_CLOEXEC, 3), err);
	return r;
}

static int order(struct og_bind *bind, struct gift *gift, const struct og_process *clone,
		 struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_FORK, .bytes = sizeof(gift->body) };
	struct og_answer answer;
	int r;

	memcpy(command.body, &gift->body, sizeof(gift->body));
	r = og_control_call(bind->process.control_fd, &command, gift->fds, gift->body.n, &answer,
			    err);
	og_close_all(gift->fds, gift->body.n);
	return r < 0 ? r : og_control_wait(clone->control_fd, &answer, err);
}

int og_bind_fork(void *data, struct og_vmmapi *api, const struct og_api_fork *params,
		 struct og_err *err)
{
	struct og_bind *bind = data;
	struct og_process clone = OG_PROCESS_NONE;
	struct gift gift = { .body = { .start_paused = !params->resume_vm } };
	struct og_socket_file vsock_file = {};
	struct og_metrics *metrics = NULL;
	int r;

	if (!bind->forkable)
		return og_fail_plain(err, -EOPNOTSUPP,
				     "This machine cannot be forked: onggi-vmm was started without "
				     "--forkable.");
	r = give_channels(&gift, bind, &clone, err);
	if (r == 0)
		r = give_metrics(&gift, &metrics, err);
	if (r == 0)
		r = give_drives(&gift, api, params, err);
	if (r == 0)
		r = give_nets(&gift, params, err);
	if (r == 0)
		r = give_vsock(&gift, params, &vsock_file, err);
	if (r == 0)
		r = order(bind, &gift, &clone, err);
	else
		og_close_all(gift.fds, gift.body.n);
	if (r == 0)
		r = bind->clone(bind->clone_data, &clone, metrics, params, err);
	if (r < 0)
		og_socket_file_remove(&vsock_file);
	/* Without a front the clone ends: nobody holds its control socket. */
	(void)og_close(clone.control_fd);
	(void)og_close(clone.broker_fd);
	if (metrics != NULL)
		(void)munmap(metrics, sizeof(*metrics));
	return r;
}

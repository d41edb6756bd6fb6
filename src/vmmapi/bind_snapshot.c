/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the machine writes two files, and what the API keeps goes with them as JSON, so that the
 * same devices are there when a machine begins from them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "vmm/control.h"
#include "vmm/snapshot/format.h"
#include "vmmapi/bind.h"

static int open_new(const char *field, const char *path, int flags, int *ret_fd, struct og_err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		return og_fail(err, -errno, "%s: open '%s'", field, path);
	*ret_fd = fd;
	return 0;
}

/* Clones and other machines may live from a memory file that is there: theirs it stays. */
static void take_name(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		(void)unlink(path);
}

/* What GET /vm/config shows, in a file without a name. */
static int write_config(const struct og_vmmapi *api, int *ret_fd, struct og_err *err)
{
	struct og_json *json = og_vmmapi_describe(api);
	og_auto_free char *text = og_json_write(json);
	og_auto_fd fd = memfd_create("config", MFD_CLOEXEC);
	int r;

	(void)og_json_free(json);
	if (text == NULL || fd < 0)
		return og_fail(err, -ENOMEM, "keep the configuration");
	r = og_write_all(fd, text, strlen(text));
	if (r < 0)
		return og_fail(err, r, "keep the configuration");
	*ret_fd = og_take_fd(&fd);
	return 0;
}

int og_bind_snapshot(void *data, struct og_vmmapi *api, const struct og_api_snapshot_create *create,
		     struct og_err *err)
{
	struct og_bind *bind = data;
	struct og_command command = { .kind = OG_COMMAND_SNAPSHOT };
	struct og_snapshot_command body = { .diff = create->snapshot_type == 1 };
	struct og_answer answer;
	og_auto_fd state_fd = -EBADF;
	og_auto_fd memory_fd = -EBADF;
	og_auto_fd config_fd = -EBADF;
	int r = open_new("snapshot_path", create->snapshot_path, O_TRUNC, &state_fd, err);

	if (r == 0 && !body.diff)
		take_name(create->mem_file_path);
	/* What becomes of one that is there still is the machine's to say: it may live from it. */
	if (r == 0)
		r = open_new("mem_file_path", create->mem_file_path, 0, &memory_fd, err);
	if (r == 0)
		r = write_config(api, &config_fd, err);
	if (r < 0)
		return r;
	memcpy(command.body, &body, sizeof(body));
	command.bytes = sizeof(body);
	return og_control_call(bind->process.control_fd, &command,
			       (const int[]){ state_fd, memory_fd, config_fd }, 3, &answer, err);
}

static int override_nets(struct og_vmmapi *api, const struct og_api_snapshot_load *load,
			 struct og_err *err)
{
	for (unsigned i = 0; i < load->n_network_overrides; i++) {
		const struct og_api_net_override *to = &load->network_overrides[i];
		struct og_api_net *net = NULL;

		for (unsigned k = 0; k < api->n_nets; k++)
			if (og_streq(api->nets[k].iface_id, to->iface_id))
				net = &api->nets[k];
		if (net == NULL)
			return og_fail_plain(err, -ENODEV,
					     "network_overrides[%u].iface_id: the snapshot has no "
					     "network interface '%s'.",
					     i, to->iface_id);
		memcpy(net->host_dev_name, to->host_dev_name, sizeof(net->host_dev_name));
	}
	return 0;
}

static int override(struct og_vmmapi *api, const struct og_api_snapshot_load *load,
		    struct og_err *err)
{
	const char *uds_path = load->vsock_override.uds_path;

	if (uds_path[0] != '\0' && !api->has_vsock)
		return og_fail_plain(err, -ENODEV, "vsock_override: the snapshot has no vsock.");
	if (uds_path[0] != '\0')
		memcpy(api->vsock.uds_path, uds_path, sizeof(api->vsock.uds_path));
	if (load->huge_pages > 0)
		api->machine.huge_pages = load->huge_pages - 1;
	api->machine.track_dirty_pages = load->track_dirty_pages;
	return override_nets(api, load, err);
}

/* A file is mapped as it is; huge pages of the host's pool can only be filled by somebody. */
static int choose_pages(struct og_vmmapi *api, const struct og_api_snapshot_load *load,
			struct og_err *err)
{
	if (load->mem_backend.backend_type != 0 || api->machine.huge_pages != OG_HUGE_2M)
		return 0;
	if (load->huge_pages > 0)
		return og_fail_plain(err, -EINVAL,
				     "huge_pages: 2M needs a mem_backend of the type Uffd.");
	api->machine.huge_pages = OG_HUGE_NONE;
	return 0;
}

/* The devices that the snapshot had, from what was kept with it. */
static int configure(struct og_bind *bind, struct og_vmmapi *api, size_t bytes,
		     const struct og_api_snapshot_load *load, struct og_err *err)
{
	const void *text;
	size_t len;
	int r = og_snapshot_config(bind->state, bytes, &text, &len, err);

	if (r == 0)
		r = og_vmmapi_restore(api, text, len, err);
	if (r == 0)
		r = override(api, load, err);
	if (r == 0)
		r = choose_pages(api, load, err);
	return r == 0 ? og_bind_configure(bind, api, err) : r;
}

/* Who serves userfaultfd listens at @path. */
static int connect_to(const char *path, int *ret_fd, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return og_fail(err, -ENAMETOOLONG, "mem_backend.backend_path");
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return og_fail(err, -errno, "mem_backend.backend_path: connect to '%s'", path);
	*ret_fd = og_take_fd(&fd);
	return 0;
}

static int open_memory(struct og_vmm_config *config, const struct og_api_mem_backend *backend,
		       int *ret_fd, struct og_err *err)
{
	bool file = backend->backend_type == 0;
	int fd = -EBADF, r;

	if (!file) {
		r = connect_to(backend->backend_path, &fd, err);
		if (r < 0)
			return r;
		config->snapshot.uffd_socket_fd = fd;
		config->snapshot.uffd_device_fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		og_vmm_config_keep(config, config->snapshot.uffd_device_fd);
	} else {
		r = og_vmmapi_open(backend->backend_path, O_RDONLY, &fd, err);
		if (r < 0)
			return og_fail_in(err, r, "mem_backend.backend_path");
		config->snapshot.memory_fd = fd;
	}
	og_vmm_config_keep(config, fd);
	*ret_fd = fd;
	return 0;
}

static int launch(struct og_bind *bind, struct og_vmmapi *api, size_t bytes,
		  const struct og_api_snapshot_load *load, struct og_err *err)
{
	struct og_vmm_config *config = &bind->config;
	og_auto_fd memory_fd = -EBADF;
	int r = open_memory(config, &load->mem_backend, &memory_fd, err);

	if (r < 0)
		return r;
	config->snapshot.state = bind->state;
	config->snapshot.state_bytes = bytes;
	config->snapshot.was_read = true; /* for what it configures */
	config->snapshot.realtime = load->clock_realtime;
	config->start_paused = !load->resume_vm || api->n_pins > 0;
	r = og_bind_launch(bind, api, err);
	(void)og_close(config->snapshot.uffd_device_fd);
	if (r == 0 && load->resume_vm && config->start_paused)
		r = og_control_tell(bind->process.control_fd, OG_COMMAND_RESUME, err);
	return r;
}

int og_bind_load(void *data, struct og_vmmapi *api, const struct og_api_snapshot_load *load,
		 struct og_err *err)
{
	struct og_bind *bind = data;
	og_auto_fd fd = -EBADF;
	size_t bytes;
	int r;

	free(bind->state);
	bind->state = NULL;
	r = og_vmmapi_open(load->snapshot_path, O_RDONLY, &fd, err);
	if (r < 0)
		return og_fail_in(err, r, "snapshot_path");
	r = og_read_all(fd, OG_SNAPSHOT_BYTES_MAX, &bind->state, &bytes, err);
	if (r < 0)
		return og_fail_in(err, r, "snapshot_path: read '%s'", load->snapshot_path);
	r = configure(bind, api, bytes, load, err);
	if (r == 0)
		r = launch(bind, api, bytes, load, err);
	free(bind->state);
	bind->state = NULL;
	if (r == 0)
		return 0;
	og_vmmapi_forget(api); /* so that another snapshot may be tried */
	return og_fail_in(err, r, "Failed to restore from snapshot");
}

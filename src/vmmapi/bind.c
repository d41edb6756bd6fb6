/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "vmm/control.h"
#include "vmm/x86/cpu_template.h"

/*
 * Where the user says nothing: no modules, no waiting for hardware that is not there, and the end of
 * the guest where it panics. The serial port is not probed for, as it costs most of a boot.
 */
#define CMDLINE_DEFAULT                                                                    \
	"reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd " \
	"swiotlb=noforce"

static void set_boot(struct og_bind *bind, struct og_vmmapi *api)
{
	struct og_vmm_config *config = &bind->config;

	config->kernel_fd = api->kernel_fd;
	config->initrd_fd = api->initrd_fd;
	config->kernel_name = api->boot.kernel_image_path;
	config->initrd_name = api->boot.initrd_path;
	config->memory_mib = api->machine.mem_size_mib;
	config->cpus = (unsigned)api->machine.vcpu_count;
	config->smt = api->machine.smt;
	og_vmm_config_keep(config, config->kernel_fd);
	og_vmm_config_keep(config, config->initrd_fd);
}

/* " root=/dev/vda ro", where a device is said to be the root. */
static void set_cmdline(struct og_bind *bind, const struct og_vmmapi *api)
{
	const char *args = og_body_has(&og_body_boot, &api->boot, "boot_args") ? api->boot.boot_args
									       : CMDLINE_DEFAULT;
	const struct og_api_drive *root = &api->drives[0].body;
	size_t room = sizeof(bind->cmdline), used;

	(void)snprintf(bind->cmdline, room, "%s", args);
	used = strlen(bind->cmdline);
	if (api->n_drives > 0 && root->is_root_device)
		(void)snprintf(bind->cmdline + used, room - used, "%sroot=%s%s %s",
			       used > 0 ? " " : "",
			       root->partuuid[0] != '\0' ? "PARTUUID=" : "/dev/vda", root->partuuid,
			       root->is_read_only ? "ro" : "rw");
	for (unsigned i = 0; i < api->n_pmems; i++) {
		used = strlen(bind->cmdline);
		if (api->pmems[i].body.root_device)
			(void)snprintf(bind->cmdline + used, room - used, "%sroot=/dev/pmem%u %s",
				       used > 0 ? " " : "", i,
				       api->pmems[i].body.read_only ? "ro" : "rw");
	}
	bind->config.cmdline = bind->cmdline;
}

static int set_cpu(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	int r;

	bind->config.cpu_template_name = og_api_templates[api->machine.cpu_template];
	if (!api->has_cpu_config)
		return 0;
	r = og_cpu_config_convert(&api->cpu_config, &bind->cpu_template, err);
	bind->config.cpu_template = &bind->cpu_template;
	return r;
}

static void set_drives(struct og_bind *bind, const struct og_vmmapi *api)
{
	for (unsigned i = 0; i < api->n_drives; i++) {
		const struct og_api_opened_drive *drive = &api->drives[i];
		struct og_blk_config *disk = &bind->config.disks[i];

		bind->parts[i] = (struct og_disk_part){ .fd = drive->fd };
		memcpy(disk->id, drive->body.drive_id, sizeof(disk->id));
		disk->name = drive->body.path_on_host;
		disk->parts = &bind->parts[i];
		disk->n_parts = 1;
		disk->readonly = drive->body.is_read_only;
		og_vmm_config_keep(&bind->config, drive->fd);
	}
	bind->config.n_disks = api->n_drives;
}

/* Standard output, unless a file is named. Input is taken from a terminal or pipe alone. */
static int set_serial(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	struct og_vmm_config *config = &bind->config;
	int r = 0;

	config->serial = true;
	config->serial_out_fd = STDOUT_FILENO;
	config->serial_in_fd = STDIN_FILENO;
	if (api->has_serial && api->serial.serial_out_path[0] != '\0')
		r = og_open_sink(api->serial.serial_out_path, &config->serial_out_fd, err);
	og_vmm_config_keep(config, config->serial_out_fd);
	return r < 0 ? og_fail_in(err, r, "serial_out_path") : 0;
}

/* What the machine cannot have yet is refused by name, rather than left out in silence. */
static int refuse_missing(const struct og_vmmapi *api, struct og_err *err)
{
	const struct {
		bool wanted;
		const char *what;
	} missing[] = {
		{ api->n_nets > 0, "network-interfaces" },
		{ api->n_pmems > 0, "pmem" },
		{ api->n_shares > 0, "fs" },
		{ api->has_vsock, "vsock" },
		{ api->has_balloon, "balloon" },
		{ api->has_hotplug, "hotplug/memory" },
		{ api->pci, "enable-pci" },
		{ api->machine.huge_pages == OG_HUGE_2M, "machine-config huge_pages" },
		{ api->has_serial && og_body_has(&og_body_serial, &api->serial, "rate_limiter"),
		  "serial rate_limiter" },
	};

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (missing[i].wanted)
			return og_fail_plain(err, -EOPNOTSUPP, "%s is not supported yet.",
					     missing[i].what);
	return 0;
}

static void on_end(struct og_source *source, uint32_t events, void *data)
{
	struct og_bind *bind = data;

	(void)events;
	bind->ended = og_source_remove(source);
	bind->status = og_process_wait(&bind->process);
	og_loop_stop(bind->loop);
}

static int tell(void *data, const struct og_command *command, const int *fds, unsigned n_fds,
		struct og_answer *ret_answer, struct og_err *err)
{
	struct og_bind *bind = data;

	return og_control_call(bind->process.control_fd, command, fds, n_fds, ret_answer, err);
}

static int pin(struct og_bind *bind, const struct og_api_pin *from, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_PIN };
	struct og_answer answer;
	struct og_pin body = { .vcpu = (uint32_t)from->vcpu };

	for (unsigned i = 0; i < from->n_cpus; i++)
		body.mask[from->cpus[i] / 64] |= 1ULL << from->cpus[i] % 64;
	memcpy(command.body, &body, sizeof(body));
	command.bytes = sizeof(body);
	return tell(bind, &command, NULL, 0, &answer, err);
}

static int configure(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err)
{
	int r = refuse_missing(api, err);

	if (r < 0)
		return r;
	og_vmm_config_init(&bind->config);
	bind->config.jail.enabled = bind->jail;
	bind->config.metrics = api->metrics.shared;
	bind->config.rng.present = api->has_entropy;
	set_boot(bind, api);
	set_cmdline(bind, api);
	set_drives(bind, api);
	r = set_cpu(bind, api, err);
	return r < 0 ? r : set_serial(bind, api, err);
}

/* What takes a machine that is there already. */
static int settle(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	int r = og_loop_add_fd(bind->loop, bind->process.ended_fd, EPOLLIN, on_end, bind,
			       &bind->ended, err);

	for (unsigned i = 0; r == 0 && i < api->n_pins; i++)
		r = pin(bind, &api->pins[i], err);
	if (r == 0 && bind->config.start_paused)
		r = og_control_tell(bind->process.control_fd, OG_COMMAND_RESUME, err);
	return r;
}

static int start(void *data, struct og_vmmapi *api, struct og_err *err)
{
	struct og_bind *bind = data;
	int r = configure(bind, api, err);

	bind->config.start_paused = api->n_pins > 0;
	if (r == 0)
		r = og_process_start(&bind->config, &bind->process, err);
	if (r < 0)
		return r;
	r = settle(bind, api, err);
	if (r < 0)
		og_bind_done(bind);
	return r;
}

static int pause_machine(void *data, struct og_err *err)
{
	return og_control_tell(((struct og_bind *)data)->process.control_fd, OG_COMMAND_PAUSE, err);
}

static int resume_machine(void *data, struct og_err *err)
{
	return og_control_tell(((struct og_bind *)data)->process.control_fd, OG_COMMAND_RESUME,
			       err);
}

static int load(void *data, struct og_vmmapi *api, const struct og_api_snapshot_load *params,
		struct og_err *err)
{
	(void)data;
	(void)api;
	(void)params;
	return og_fail_plain(err, -EOPNOTSUPP, "Loading snapshots is not supported yet.");
}

static int snapshot(void *data, struct og_vmmapi *api, const struct og_api_snapshot_create *create,
		    struct og_err *err)
{
	(void)data;
	(void)api;
	(void)create;
	return og_fail_plain(err, -EOPNOTSUPP, "Creating snapshots is not supported yet.");
}

static int fork_machine(void *data, struct og_vmmapi *api, const struct og_api_fork *params,
			struct og_err *err)
{
	(void)data;
	(void)api;
	(void)params;
	return og_fail_plain(err, -EOPNOTSUPP, "Forking is not supported yet.");
}

static int update(void *data, struct og_vmmapi *api, enum og_api_update kind, const void *body,
		  struct og_err *err)
{
	struct og_bind *bind = data;

	(void)api;
	if (kind == OG_UPDATE_PIN)
		return pin(bind, body, err);
	if (kind == OG_UPDATE_CTRL_ALT_DEL)
		return og_control_tell(bind->process.control_fd, OG_COMMAND_CTRL_ALT_DEL, err);
	return og_fail_plain(err, -EOPNOTSUPP, "This update is not supported yet.");
}

static int query(void *data, struct og_vmmapi *api, enum og_api_query kind,
		 struct og_json **ret_json, struct og_err *err)
{
	(void)data;
	(void)api;
	(void)kind;
	(void)ret_json;
	return og_fail_plain(err, -EOPNOTSUPP, "This is not supported yet.");
}

const struct og_vmmapi_ops og_bind_ops = {
	.start = start,
	.pause = pause_machine,
	.resume = resume_machine,
	.load = load,
	.snapshot = snapshot,
	.fork = fork_machine,
	.update = update,
	.query = query,
};

void og_bind_init(struct og_bind *bind, struct og_loop *loop, bool jail)
{
	bind->loop = loop;
	bind->jail = jail;
	bind->status = OG_EXIT_OFF;
	bind->process.control_fd = bind->process.broker_fd = bind->process.ended_fd = -EBADF;
}

void og_bind_done(struct og_bind *bind)
{
	bind->ended = og_source_remove(bind->ended);
	if (bind->process.control_fd >= 0)
		(void)og_process_end(&bind->process);
}

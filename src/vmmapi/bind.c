/* SPDX-License-Identifier: Apache-2.0 */
/* From what the API keeps to a machine's configuration, and its start. */
#include "vmmapi/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "vmm/broker.h"
#include "vmm/compromised.h"
#include "vmm/control.h"

/*
 * Where the user says nothing: no modules, no waiting for hardware that is not there, and the end of
 * the guest where it panics. The serial port is not probed for, as it costs most of a boot.
 */
#define CMDLINE_DEFAULT                                                                    \
	"reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd " \
	"swiotlb=noforce"

#define CONFINE_AFTER_MS 100U

static void set_boot(struct og_bind *bind, struct og_vmmapi *api)
{
	struct og_vmm_config *config = &bind->config;

	config->kernel_fd = api->kernel_fd;
	config->initrd_fd = api->initrd_fd;
	config->kernel_name = api->boot.kernel_image_path;
	config->initrd_name = api->boot.initrd_path;
	og_vmm_config_keep(config, config->kernel_fd);
	og_vmm_config_keep(config, config->initrd_fd);
}

static struct og_jail_config jail_of(const struct og_bind *bind)
{
	struct og_jail_config jail = OG_JAIL_NONE;

	jail.enabled = bind->jail;
	return jail;
}

static void set_machine(struct og_bind *bind, const struct og_vmmapi *api)
{
	struct og_vmm_config *config = &bind->config;

	config->memory_mib = api->machine.mem_size_mib;
	config->cpus = (unsigned)api->machine.vcpu_count;
	config->place.huge = api->machine.huge_pages == OG_HUGE_2M;
	config->place.prefer_huge = api->machine.huge_pages == OG_HUGE_TRANSPARENT;
	config->smt = api->machine.smt;
	config->track_dirty_pages = api->machine.track_dirty_pages;
	config->pci = api->pci;
	config->forkable = bind->forkable;
	config->rng.present = api->has_entropy;
	og_limit_convert(&api->entropy.rate_limiter, &config->rng.limits);
	config->jail = jail_of(bind);
	config->metrics = api->metrics.shared;
}

static void add_root(struct og_bind *bind, const char *device, bool readonly)
{
	size_t used = strlen(bind->cmdline);

	(void)snprintf(bind->cmdline + used, sizeof(bind->cmdline) - used, "%sroot=%s %s",
		       used > 0 ? " " : "", device, readonly ? "ro" : "rw");
}

/* " root=/dev/vda ro", where a device is said to be the root. */
static void set_cmdline(struct og_bind *bind, const struct og_vmmapi *api)
{
	const char *args = og_body_has(&og_body_boot, &api->boot, "boot_args") ? api->boot.boot_args
									       : CMDLINE_DEFAULT;
	const struct og_api_drive *root = &api->drives[0].body;
	char device[OG_API_PARTUUID_MAX + 16] = "/dev/vda";

	(void)snprintf(bind->cmdline, sizeof(bind->cmdline), "%s", args);
	if (root->partuuid[0] != '\0')
		(void)snprintf(device, sizeof(device), "PARTUUID=%s", root->partuuid);
	if (api->n_drives > 0 && root->is_root_device)
		add_root(bind, device, root->is_read_only);
	for (unsigned i = 0; i < api->n_pmems; i++) {
		(void)snprintf(device, sizeof(device), "/dev/pmem%u", i);
		if (api->pmems[i].body.root_device)
			add_root(bind, device, api->pmems[i].body.read_only);
	}
	bind->config.cmdline = bind->cmdline;
}

static int set_cpu(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err)
{
	int r;

	bind->config.cpu_template_name = og_api_templates[api->machine.cpu_template];
	if (!api->has_cpu_config)
		return 0;
	r = og_cpu_config_convert(&api->cpu_config, &bind->cpu_template, err);
	bind->config.cpu_template = &bind->cpu_template;
	return r;
}

static void convert_bucket(const struct og_api_bucket *from, struct og_bucket_config *to)
{
	to->size = from->size;
	to->one_time_burst = from->one_time_burst;
	to->refill_time_ms = from->refill_time;
}

void og_limit_convert(const struct og_api_limiter *limiter, struct og_limit_config *ret_limit)
{
	convert_bucket(&limiter->bandwidth, &ret_limit->bytes);
	convert_bucket(&limiter->ops, &ret_limit->ops);
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
		disk->unsafe = drive->body.cache_type == 0;
		disk->async = drive->body.io_engine == 1;
		og_limit_convert(&drive->body.rate_limiter, &disk->limits);
		og_vmm_config_keep(&bind->config, drive->fd);
	}
	bind->config.n_disks = api->n_drives;
}

static void set_pmems(struct og_bind *bind, const struct og_vmmapi *api)
{
	for (unsigned i = 0; i < api->n_pmems; i++) {
		const struct og_api_opened_pmem *from = &api->pmems[i];
		struct og_pmem_config *pmem = &bind->config.pmems[i];

		memcpy(pmem->id, from->body.id, sizeof(pmem->id));
		pmem->name = from->body.path_on_host;
		pmem->fd = from->fd;
		pmem->readonly = from->body.read_only;
		og_limit_convert(&from->body.rate_limiter, &pmem->limit);
		og_vmm_config_keep(&bind->config, from->fd);
	}
	bind->config.n_pmems = api->n_pmems;
}

static void set_memory_devices(struct og_bind *bind, const struct og_vmmapi *api)
{
	if (api->has_balloon)
		bind->config.balloon = (struct og_balloon_config){
			.present = true,
			.amount_mib = (uint32_t)api->balloon.amount_mib,
			.deflate_on_oom = api->balloon.deflate_on_oom,
			.stats_interval_s = (uint16_t)api->balloon.stats_polling_interval_s,
			.hinting = api->balloon.free_page_hinting,
			.reporting = api->balloon.free_page_reporting,
		};
	if (api->has_hotplug)
		bind->config.hotplug = (struct og_hotplug_config){
			.total_mib = api->hotplug.total_size_mib,
			.block_mib = api->hotplug.block_size_mib,
			.slot_mib = api->hotplug.slot_size_mib,
		};
}

static void remove_vsock(struct og_bind *bind)
{
	bind->vsock_fd = og_close(bind->vsock_fd);
	og_socket_file_remove(&bind->vsock_file);
}

static int set_vsock(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	struct og_vsock_config *vsock = &bind->config.vsock;
	int r;

	if (!api->has_vsock)
		return 0;
	remove_vsock(bind);
	r = og_broker_listen(api->vsock.uds_path, &bind->vsock_fd, err);
	if (r < 0)
		return og_fail_in(err, r, "uds_path");
	og_socket_file_note(&bind->vsock_file, api->vsock.uds_path);
	vsock->present = true;
	memcpy(vsock->id, "vsock", sizeof("vsock"));
	vsock->guest_cid = (uint32_t)api->vsock.guest_cid;
	vsock->listen_fd = bind->vsock_fd;
	og_vmm_config_keep(&bind->config, bind->vsock_fd);
	return 0;
}

/* Standard output, unless a file is named. */
static int set_serial(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	struct og_vmm_config *config = &bind->config;
	int r = 0;

	config->serial = true;
	config->keyboard = true;
	config->serial_in_fd = STDIN_FILENO;
	config->serial_out_fd = STDOUT_FILENO;
	convert_bucket(&api->serial.rate_limiter, &config->serial_limit);
	if (!api->has_serial || api->serial.serial_out_path[0] == '\0')
		return 0;
	bind->serial_fd = og_close(bind->serial_fd);
	r = og_open_sink(api->serial.serial_out_path, &bind->serial_fd, err);
	if (r < 0)
		return og_fail_in(err, r, "serial_out_path");
	config->serial_out_fd = bind->serial_fd;
	og_vmm_config_keep(config, bind->serial_fd);
	return 0;
}

int og_bind_configure(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err)
{
	int r;

	og_vmm_config_init(&bind->config);
	set_machine(bind, api);
	set_boot(bind, api);
	set_cmdline(bind, api);
	set_drives(bind, api);
	set_pmems(bind, api);
	set_memory_devices(bind, api);
	r = set_cpu(bind, api, err);
	if (r == 0)
		r = og_bind_nets(bind, api, err);
	if (r == 0)
		r = og_bind_shares(bind, api, err);
	if (r == 0)
		r = set_vsock(bind, api, err);
	return r < 0 ? r : set_serial(bind, api, err);
}

static void on_end(struct og_source *source, uint32_t events, void *data)
{
	struct og_bind *bind = data;

	(void)events;
	bind->ended = og_source_remove(source);
	bind->status = og_process_wait(&bind->process);
	if (bind->status == OG_EXIT_ERROR && bind->config.metrics != NULL)
		og_counted(&bind->config.metrics->panic_count, 1);
	og_loop_stop(bind->loop);
}

/* One request at a time: a machine that floods this does not keep the API from its turn. */
static void on_broker(struct og_source *source, uint32_t events, void *data)
{
	struct og_bind *bind = data;

	(void)events;
	if (og_broker_serve(bind->process.broker_fd, bind->vsock_file.path) < 0)
		bind->broker = og_source_remove(source);
}

static int watch_end(struct og_bind *bind, struct og_err *err)
{
	return og_loop_add_fd(bind->loop, bind->process.ended_fd, EPOLLIN, on_end, bind,
			      &bind->ended, err);
}

int og_bind_prepare(struct og_bind *bind, struct og_err *err)
{
	const struct og_jail_config jail = jail_of(bind);
	int r = og_process_prepare(&jail, bind->forkable, &bind->process, err);

	return r < 0 ? r : watch_end(bind, err);
}

/* Where it was watched while it waited, and is no more, nobody is to be told. */
static int begin(struct og_bind *bind, struct og_err *err)
{
	int r = og_process_begin(&bind->process, &bind->config, err);

	if (r < 0)
		bind->ended = og_source_remove(bind->ended);
	return r;
}

static void on_running(struct og_source *source, void *data)
{
	struct og_bind *bind = data;

	(void)source;
	bind->confined = og_jail_front_running(NULL) == 0;
	og_act_compromised("running-");
	if (bind->confined)
		return;
	bind->status = OG_EXIT_ERROR;
	og_loop_stop(bind->loop);
}

/* Not while a restored guest is waited for: the kernel takes a fifteenth of a restore to compile it. */
static int confine_soon(struct og_bind *bind, struct og_err *err)
{
	return bind->confined ? 0
			      : og_loop_add_timer(bind->loop, CONFINE_AFTER_MS, on_running, bind,
						  NULL, err);
}

int og_bind_launch(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err)
{
	bool waits = bind->process.room != NULL;
	int r = waits ? begin(bind, err) : og_process_start(&bind->config, &bind->process, err);

	if (r < 0)
		return r;
	if (!waits)
		r = watch_end(bind, err);
	if (r == 0)
		r = og_loop_add_fd(bind->loop, bind->process.broker_fd, EPOLLIN, on_broker, bind,
				   &bind->broker, err);
	for (unsigned i = 0; r == 0 && i < api->n_pins; i++)
		r = og_bind_pin(bind, &api->pins[i], err);
	if (r == 0)
		r = confine_soon(bind, err);
	if (r < 0)
		og_bind_done(bind);
	return r;
}

static int start(void *data, struct og_vmmapi *api, struct og_err *err)
{
	struct og_bind *bind = data;
	int r = og_bind_configure(bind, api, err);

	if (r == 0) {
		bind->config.start_paused = api->n_pins > 0;
		r = og_bind_launch(bind, api, err);
	}
	if (r == 0 && bind->config.start_paused)
		r = og_control_tell(bind->process.control_fd, OG_COMMAND_RESUME, err);
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

/* Its process is no child of this one: its end of the control socket is closed when it ends. */
static void on_clone_end(struct og_source *source, uint32_t events, void *data)
{
	struct og_bind *bind = data;

	if ((events & (EPOLLHUP | EPOLLERR)) == 0)
		return;
	bind->ended = og_source_remove(source);
	og_loop_stop(bind->loop);
}

int og_bind_adopt(struct og_bind *bind, struct og_loop *loop, const struct og_process *process,
		  const struct og_api_fork *params, struct og_err *err)
{
	int r;

	bind->loop = loop;
	bind->process = *process;
	bind->vsock_fd = bind->serial_fd = -EBADF;
	bind->vsock_file = (struct og_socket_file){}; /* the first one's */
	og_socket_file_note(&bind->vsock_file, params->vsock_override.uds_path);
	r = confine_soon(bind, err);
	if (r == 0)
		r = og_loop_add_fd(loop, process->control_fd, 0, on_clone_end, bind, &bind->ended,
				   err);
	if (r == 0)
		r = og_loop_add_fd(loop, process->broker_fd, EPOLLIN, on_broker, bind,
				   &bind->broker, err);
	return r;
}

const struct og_vmmapi_ops og_bind_ops = {
	.start = start,
	.pause = pause_machine,
	.resume = resume_machine,
	.load = og_bind_load,
	.snapshot = og_bind_snapshot,
	.fork = og_bind_fork,
	.update = og_bind_update,
	.query = og_bind_query,
};

void og_bind_init(struct og_bind *bind, struct og_loop *loop, bool jail)
{
	bind->loop = loop;
	bind->jail = jail;
	bind->status = OG_EXIT_OFF;
	bind->process = (struct og_process)OG_PROCESS_NONE;
	bind->vsock_fd = bind->serial_fd = -EBADF;
	for (unsigned i = 0; i < OG_VMM_NETS_MAX; i++)
		bind->tap_fds[i] = -EBADF;
	for (unsigned i = 0; i < OG_VMM_SHARES_MAX; i++)
		bind->share_fds[i] = -EBADF;
}

void og_bind_done(struct og_bind *bind)
{
	bind->ended = og_source_remove(bind->ended);
	bind->broker = og_source_remove(bind->broker);
	if (bind->process.control_fd >= 0)
		(void)og_process_end(&bind->process);
	remove_vsock(bind);
	og_bind_close_nets(bind);
	og_bind_close_shares(bind);
	bind->serial_fd = og_close(bind->serial_fd);
	free(bind->state);
	bind->state = NULL;
}

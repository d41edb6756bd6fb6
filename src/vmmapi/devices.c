/* SPDX-License-Identifier: Apache-2.0 */
/* What is set before the start: machine, boot source, devices. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "vmmapi/routes.h"

/* As Firecracker, and EC2. */
#define MMDS_IPV4 "169.254.169.254"

int og_vmmapi_open(const char *path, int flags, int *ret_fd, struct og_err *err)
{
	og_auto_fd fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	/* To io_uring it would mean that a disk must not wait either. */
	if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0)
		return og_fail(err, -errno, "open '%s'", path);
	*ret_fd = og_take_fd(&fd);
	return 0;
}

int og_put_boot(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	const struct og_api_boot *boot = body;
	og_auto_fd kernel_fd = -EBADF;
	og_auto_fd initrd_fd = -EBADF;
	int r = og_vmmapi_open(boot->kernel_image_path, O_RDONLY, &kernel_fd, err);

	(void)ret_json;
	api->touched = true;
	if (r < 0)
		return og_fail_in(err, r, "The kernel file cannot be opened");
	if (boot->initrd_path[0] != '\0')
		r = og_vmmapi_open(boot->initrd_path, O_RDONLY, &initrd_fd, err);
	if (r < 0)
		return og_fail_in(err, r, "The initrd file cannot be opened");
	(void)og_close(api->kernel_fd);
	(void)og_close(api->initrd_fd);
	api->kernel_fd = og_take_fd(&kernel_fd);
	api->initrd_fd = og_take_fd(&initrd_fd);
	api->boot = *boot;
	return 0;
}

/* What no single field can say. */
static int set_machine(struct og_vmmapi *api, const struct og_api_machine *machine,
		       struct og_err *err)
{
	api->touched = true;
	if (machine->smt && machine->vcpu_count > 1 && machine->vcpu_count % 2 != 0)
		return og_fail_plain(
			err, -EINVAL,
			"vcpu_count: the number of vCPUs must be 1 or an even number if "
			"smt is enabled.");
	if (machine->huge_pages != OG_HUGE_NONE && machine->mem_size_mib % 2 != 0)
		return og_fail_plain(
			err, -EINVAL,
			"mem_size_mib: the memory size (MiB) must be a multiple of the "
			"configured page size, 2 MiB.");
	if (api->has_balloon && machine->mem_size_mib < api->balloon.amount_mib)
		return og_fail_plain(err, -EINVAL,
				     "mem_size_mib: the memory size (MiB) is smaller than the "
				     "previously set balloon device target size.");
	api->machine = *machine;
	return 0;
}

int og_put_machine(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)ret_json;
	return set_machine(api, body, err);
}

int og_patch_machine(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		     struct og_err *err)
{
	struct og_api_machine machine = api->machine;
	uint8_t *to = (uint8_t *)&machine;
	const uint8_t *from = body;
	uint32_t given;

	(void)ret_json;
	memcpy(&given, body, sizeof(given));
	if (given == 0)
		return og_fail_plain(err, -EINVAL, "Empty PATCH request.");
	for (size_t i = 0; i < og_body_machine_update.n_fields; i++) {
		const struct og_field *field = &og_body_machine_update.fields[i];

		if ((given >> i & 1) != 0)
			memcpy(to + field->at, from + field->at, field->size);
	}
	machine.given |= given; /* the two tables have the same order */
	return set_machine(api, &machine, err);
}

int og_put_cpu_config(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		      struct og_err *err)
{
	(void)ret_json;
	(void)err;
	memcpy(&api->cpu_config, body, sizeof(api->cpu_config));
	api->touched = api->has_cpu_config = true;
	return 0;
}

static bool root_is_pmem(const struct og_vmmapi *api)
{
	for (unsigned i = 0; i < api->n_pmems; i++)
		if (api->pmems[i].body.root_device)
			return true;
	return false;
}

static int check_drive(const struct og_vmmapi *api, const struct og_api_drive *drive,
		       struct og_err *err)
{
	if (drive->socket[0] != '\0')
		return og_fail_plain(err, -EINVAL, "socket: vhost-user devices are not supported.");
	if (drive->path_on_host[0] == '\0')
		return og_fail_plain(err, -EINVAL, "path_on_host: a drive needs a file.");
	if (!drive->is_root_device)
		return 0;
	if (root_is_pmem(api))
		return og_fail_plain(
			err, -EINVAL,
			"is_root_device: the root device is defined as a pmem device.");
	for (unsigned i = 0; i < api->n_drives; i++)
		if (api->drives[i].body.is_root_device &&
		    !og_streq(api->drives[i].body.drive_id, drive->drive_id))
			return og_fail_plain(err, -EINVAL,
					     "is_root_device: A root block device already exists!");
	return 0;
}

/* The drive's place: that of its name, or a new one. The root device comes first. */
static struct og_api_opened_drive *drive_place(struct og_vmmapi *api,
					       const struct og_api_drive *drive)
{
	struct og_api_opened_drive *drives = api->drives;
	unsigned n = api->n_drives;

	for (unsigned i = 0; i < n; i++)
		if (og_streq(drives[i].body.drive_id, drive->drive_id)) {
			(void)og_close(drives[i].fd);
			memmove(&drives[i], &drives[i + 1], (n - i - 1) * sizeof(drives[0]));
			n--;
			if (drive->is_root_device)
				break;
			memmove(&drives[i + 1], &drives[i], (n - i) * sizeof(drives[0]));
			return &drives[i];
		}
	api->n_drives = n + 1;
	if (!drive->is_root_device)
		return &drives[n];
	memmove(&drives[1], &drives[0], n * sizeof(drives[0]));
	return &drives[0];
}

int og_put_drive(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		 struct og_err *err)
{
	const struct og_api_drive *drive = body;
	struct og_api_opened_drive *place;
	bool known = false;
	int fd, r = check_drive(api, drive, err);

	(void)ret_json;
	api->touched = true;
	for (unsigned i = 0; i < api->n_drives; i++)
		known |= og_streq(api->drives[i].body.drive_id, drive->drive_id);
	if (r == 0 && !known && api->n_drives == OG_VMM_DISKS_MAX)
		r = og_fail_plain(err, -ENOSPC, "There are %d drives already.", OG_VMM_DISKS_MAX);
	if (r == 0)
		r = og_vmmapi_open(drive->path_on_host, drive->is_read_only ? O_RDONLY : O_RDWR,
				   &fd, err);
	if (r < 0)
		return r;
	place = drive_place(api, drive);
	place->body = *drive;
	place->fd = fd;
	return 0;
}

int og_put_pmem(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	const struct og_api_pmem *pmem = body;
	unsigned at = api->n_pmems;
	int fd, r = 0;

	(void)ret_json;
	api->touched = true;
	for (unsigned i = 0; i < api->n_pmems; i++)
		if (og_streq(api->pmems[i].body.id, pmem->id))
			at = i;
		else if (pmem->root_device && api->pmems[i].body.root_device)
			r = og_fail_plain(err, -EINVAL,
					  "root_device: A root pmem device already exist.");
	if (pmem->root_device && api->n_drives > 0 && api->drives[0].body.is_root_device)
		r = og_fail_plain(err, -EINVAL,
				  "root_device: the root device is defined as a block device.");
	if (at == OG_VMM_PMEMS_MAX)
		r = og_fail_plain(err, -ENOSPC, "There are %u pmem devices already.", at);
	if (r == 0)
		r = og_vmmapi_open(pmem->path_on_host, pmem->read_only ? O_RDONLY : O_RDWR, &fd,
				   err);
	if (r < 0)
		return r;
	if (at < api->n_pmems)
		(void)og_close(api->pmems[at].fd);
	else
		api->n_pmems++;
	api->pmems[at].body = *pmem;
	api->pmems[at].fd = fd;
	return 0;
}

int og_put_net(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
	       struct og_err *err)
{
	const struct og_api_net *net = body;
	unsigned at = api->n_nets;

	(void)ret_json;
	api->touched = true;
	for (unsigned i = 0; i < api->n_nets; i++)
		if (og_streq(api->nets[i].iface_id, net->iface_id))
			at = i;
		else if (net->guest_mac[0] != '\0' &&
			 strcasecmp(api->nets[i].guest_mac, net->guest_mac) == 0)
			return og_fail_plain(err, -EINVAL,
					     "guest_mac: The MAC address is already in use: %s.",
					     net->guest_mac);
	if (at == OG_VMM_NETS_MAX)
		return og_fail_plain(err, -ENOSPC, "There are %u network interfaces already.", at);
	api->nets[at] = *net;
	api->n_nets += at == api->n_nets;
	return 0;
}

int og_put_fs(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
	      struct og_err *err)
{
	const struct og_api_fs *fs = body;
	unsigned at = api->n_shares;

	(void)ret_json;
	api->touched = true;
	for (unsigned i = 0; i < api->n_shares; i++)
		if (og_streq(api->shares[i].id, fs->id))
			at = i;
	if (at == OG_VMM_SHARES_MAX)
		return og_fail_plain(err, -ENOSPC, "There are %u shared folders already.", at);
	api->shares[at] = *fs;
	api->n_shares += at == api->n_shares;
	return 0;
}

int og_put_vsock(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		 struct og_err *err)
{
	(void)ret_json;
	(void)err;
	memcpy(&api->vsock, body, sizeof(api->vsock));
	api->touched = api->has_vsock = true;
	return 0;
}

int og_put_balloon(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	const struct og_api_balloon *balloon = body;

	(void)ret_json;
	api->touched = true;
	if (balloon->amount_mib > api->machine.mem_size_mib)
		return og_fail_plain(err, -EINVAL,
				     "amount_mib: Amount of pages requested is too large.");
	api->balloon = *balloon;
	api->has_balloon = true;
	return 0;
}

int og_put_entropy(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)ret_json;
	(void)err;
	memcpy(&api->entropy, body, sizeof(api->entropy));
	api->touched = api->has_entropy = true;
	return 0;
}

int og_put_hotplug(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	const struct og_api_hotplug *hotplug = body;
	uint64_t block = hotplug->block_size_mib, slot = hotplug->slot_size_mib;

	(void)ret_json;
	api->touched = true;
	if ((block & (block - 1)) != 0)
		return og_fail_plain(err, -EINVAL, "block_size_mib: must be a power of 2.");
	if (slot % block != 0)
		return og_fail_plain(err, -EINVAL,
				     "slot_size_mib: must be a multiple of block_size_mib.");
	if (hotplug->total_size_mib < slot || hotplug->total_size_mib % slot != 0)
		return og_fail_plain(
			err, -EINVAL,
			"total_size_mib: must be a multiple of slot_size_mib, and not 0.");
	api->hotplug = *hotplug;
	api->has_hotplug = true;
	return 0;
}

int og_put_serial(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	(void)ret_json;
	(void)err;
	memcpy(&api->serial, body, sizeof(api->serial));
	api->has_serial = true;
	return 0;
}

static bool has_net(const struct og_vmmapi *api, const char *id)
{
	for (unsigned i = 0; i < api->n_nets; i++)
		if (og_streq(api->nets[i].iface_id, id))
			return true;
	return false;
}

/* 169.254.1.0 to 169.254.254.255 (RFC 3927, section 2.1). */
static bool is_link_local(const char *address)
{
	const char *third = address + strlen("169.254.");

	return og_starts_with(address, "169.254.") && !og_starts_with(third, "0.") &&
	       !og_starts_with(third, "255.");
}

int og_put_mmds_config(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		       struct og_err *err)
{
	const struct og_api_mmds_config *config = body;

	(void)ret_json;
	api->touched = true;
	if (config->n_network_interfaces == 0)
		return og_fail_plain(err, -EINVAL,
				     "network_interfaces: The list of network interface IDs that "
				     "allow forwarding MMDS requests is empty.");
	for (unsigned i = 0; i < config->n_network_interfaces; i++)
		if (!has_net(api, config->network_interfaces[i]))
			return og_fail_plain(
				err, -EINVAL,
				"network_interfaces[%u]: no network interface has the ID "
				"'%s'.",
				i, config->network_interfaces[i]);
	if (config->ipv4_address[0] != '\0' && !is_link_local(config->ipv4_address))
		return og_fail_plain(err, -EINVAL,
				     "ipv4_address: The MMDS IPv4 address is not link local.");
	api->mmds_config = *config;
	if (config->ipv4_address[0] == '\0') { /* shown as what it is */
		memcpy(api->mmds_config.ipv4_address, MMDS_IPV4, sizeof(MMDS_IPV4));
		og_body_mark(&og_body_mmds_config, &api->mmds_config, "ipv4_address");
	}
	api->has_mmds_config = true;
	return 0;
}

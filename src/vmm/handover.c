/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/handover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/x86/cpu_template.h"

/* Below are the standard streams, which both processes have. */
#define FIRST_FD (STDERR_FILENO + 1)

#define ALIGN 16U

/* Where the next thing goes to in the room. */
struct place {
	uint8_t *at, *end;
	bool full;
};

/* Something of @bytes bytes, of which those of @from are copied; NULL: there was nothing, or no room. */
static void *put(struct place *place, const void *from, size_t bytes)
{
	uint8_t *to = place->at;

	if (from == NULL)
		return NULL;
	if (bytes > (size_t)(place->end - to)) {
		place->full = true;
		return NULL;
	}
	memcpy(to, from, bytes);
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	place->at = bytes > (size_t)(place->end - to) ? place->end : to + bytes;
	return to;
}

static const char *put_text(struct place *place, const char *text)
{
	return put(place, text, text != NULL ? strlen(text) + 1 : 0);
}

static void put_devices(struct place *place, struct og_vmm_config *config,
			const struct og_vmm_config *from)
{
	for (unsigned i = 0; i < config->n_disks; i++) {
		struct og_blk_config *disk = &config->disks[i];

		disk->name = put_text(place, disk->name);
		disk->parts = put(place, disk->parts, disk->n_parts * sizeof(*disk->parts));
		disk->ret_sync = NULL;
	}
	for (unsigned i = 0; i < config->n_pmems; i++)
		config->pmems[i].name = put_text(place, config->pmems[i].name);
	for (unsigned i = 0; i < config->n_nets; i++)
		if (config->nets[i].mmds == &from->mmds)
			config->nets[i].mmds = &config->mmds;
	config->mmds.data = put(place, config->mmds.data, config->mmds.data_bytes);
	config->console.name = put_text(place, config->console.name);
}

static void put_boot(struct place *place, struct og_vmm_config *config)
{
	config->kernel_name = put_text(place, config->kernel_name);
	config->initrd_name = put_text(place, config->initrd_name);
	config->cmdline = put_text(place, config->cmdline);
	config->firmware_name = put_text(place, config->firmware_name);
	config->cpu_template = put(place, config->cpu_template, sizeof(*config->cpu_template));
	config->cpu_template_name = put_text(place, config->cpu_template_name);
	config->snapshot.state = put(place, config->snapshot.state, config->snapshot.state_bytes);
}

/* Every descriptor that a machine is given from outside. */
static void for_each_fd(struct og_vmm_config *config, void (*visit)(int *fd, void *data),
			void *data)
{
	int *const single[] = {
		&config->kernel_fd,
		&config->initrd_fd,
		&config->firmware_fd,
		&config->firmware_log_fd,
		&config->console.fd,
		&config->vsock.listen_fd,
		&config->serial_in_fd,
		&config->serial_out_fd,
		&config->snapshot.memory_fd,
		&config->snapshot.uffd_socket_fd,
		&config->snapshot.uffd_device_fd,
	};

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		visit(single[i], data);
	for (unsigned i = 0; i < config->n_disks; i++) {
		for (unsigned part = 0; part < config->disks[i].n_parts; part++)
			visit(&config->disks[i].parts[part].fd, data);
		if (config->disks[i].has_backing)
			visit(&config->disks[i].backing.fd, data);
	}
	for (unsigned i = 0; i < config->n_nets; i++)
		visit(&config->nets[i].tap_fd, data);
	for (unsigned i = 0; i < config->n_pmems; i++)
		visit(&config->pmems[i].fd, data);
	for (unsigned i = 0; i < config->n_shares; i++)
		visit(&config->shares[i].socket_fd, data);
}

/* Too many leave n above what there is room for. */
static void take_out(int *fd, void *data)
{
	struct og_handover_fds *out = data;

	if (*fd < FIRST_FD)
		return;
	if (out->n < OG_VMM_FDS_MAX)
		out->fds[out->n] = *fd;
	*fd = FIRST_FD + (int)out->n++;
}

static bool is_among(const struct og_handover_fds *fds, int fd)
{
	for (unsigned i = 0; i < fds->n; i++)
		if (fds->fds[i] == fd)
			return true;
	return false;
}

int og_handover_pack(const struct og_vmm_config *config, void *room,
		     struct og_handover_fds *ret_fds, struct og_err *err)
{
	struct place place = { .at = room, .end = (uint8_t *)room + OG_HANDOVER_BYTES };
	struct og_vmm_config *copy = put(&place, config, sizeof(*config));

	put_boot(&place, copy);
	put_devices(&place, copy, config);
	if (place.full)
		return og_fail(err, -E2BIG, "hand the machine over: more than %u MiB",
			       OG_HANDOVER_BYTES >> 20);
	ret_fds->n = 0;
	for_each_fd(copy, take_out, ret_fds);
	if (ret_fds->n > OG_VMM_FDS_MAX)
		return og_fail(err, -E2BIG, "hand the machine over: more than %d descriptors",
			       OG_VMM_FDS_MAX);
	for (unsigned i = 0; i < config->n_kept; i++)
		if (config->kept_fds[i] >= FIRST_FD && !is_among(ret_fds, config->kept_fds[i]))
			return og_fail(err, -EINVAL,
				       "hand the machine over: descriptor %d is no device's",
				       config->kept_fds[i]);
	return 0;
}

struct giving {
	const struct og_handover_fds *fds;
	unsigned given;
};

static void put_in(int *fd, void *data)
{
	struct giving *giving = data;

	if (*fd < FIRST_FD)
		return;
	*fd = giving->given < giving->fds->n ? giving->fds->fds[giving->given] : -EBADF;
	giving->given++;
}

int og_handover_unpack(struct og_vmm_config *config, const struct og_handover_fds *fds,
		       struct og_err *err)
{
	struct giving giving = { .fds = fds };

	config->n_kept = 0;
	for_each_fd(config, put_in, &giving);
	if (giving.given != fds->n)
		return og_fail(err, -EPROTO, "a machine of %u descriptors came with %u",
			       giving.given, fds->n);
	for (unsigned i = 0; i < fds->n; i++)
		og_vmm_config_keep(config, fds->fds[i]);
	return 0;
}

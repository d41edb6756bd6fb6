/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/handover.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/test.h"
#include "vmm/x86/cpu_template.h"

/* A machine with one of everything that points somewhere or has a descriptor. */
struct all {
	struct og_vmm_config config;
	struct og_disk_part parts[2];
	struct og_cpu_template template;
	char texts[8][16];
	unsigned n_texts;
	char metadata[9];
	int next_fd;
};

static int fd_of(struct all *all)
{
	og_vmm_config_keep(&all->config, all->next_fd);
	return all->next_fd++;
}

static const char *text_of(struct all *all)
{
	char *text = all->texts[all->n_texts++];

	(void)snprintf(text, sizeof(all->texts[0]), "text %u", all->n_texts);
	return text;
}

static void describe_devices(struct all *all)
{
	struct og_vmm_config *config = &all->config;

	all->parts[0].fd = fd_of(all);
	all->parts[1].fd = fd_of(all);
	config->disks[0] = (struct og_blk_config){
		.name = text_of(all),
		.parts = all->parts,
		.n_parts = 2,
		.has_backing = true,
		.backing.fd = fd_of(all),
	};
	config->n_disks = config->n_nets = config->n_pmems = config->n_shares = 1;
	config->mmds.data = all->metadata;
	config->mmds.data_bytes = sizeof(all->metadata);
	config->nets[0].tap_fd = fd_of(all);
	config->nets[0].mmds = &config->mmds;
	config->pmems[0].name = text_of(all);
	config->pmems[0].fd = fd_of(all);
	config->shares[0].socket_fd = fd_of(all);
	config->console.name = text_of(all);
	config->console.fd = fd_of(all);
	config->vsock.listen_fd = fd_of(all);
}

static void describe(struct all *all)
{
	struct og_vmm_config *config = &all->config;

	*all = (struct all){ .metadata = "metadata", .next_fd = 100 };
	og_vmm_config_init(config);
	config->kernel_fd = fd_of(all);
	config->kernel_name = text_of(all);
	config->initrd_fd = fd_of(all);
	config->cmdline = text_of(all);
	config->firmware_fd = fd_of(all);
	config->firmware_log_fd = fd_of(all);
	all->template.n_msrs = 7;
	config->cpu_template = &all->template;
	config->cpu_template_name = text_of(all);
	config->serial_in_fd = 0;
	config->serial_out_fd = fd_of(all);
	config->snapshot.state = "state";
	config->snapshot.state_bytes = sizeof("state");
	config->snapshot.memory_fd = fd_of(all);
	config->snapshot.uffd_socket_fd = fd_of(all);
	config->snapshot.uffd_device_fd = fd_of(all);
	describe_devices(all);
}

static void *make_room(void)
{
	void *room = mmap(NULL, OG_HANDOVER_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(room != MAP_FAILED);
	return room;
}

/* As in the other process: what the first had is not there, and descriptors have other numbers. */
static void receive(struct og_handover_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		fds->fds[i] += 1000;
}

TEST(all_that_a_configuration_points_to_goes_with_it)
{
	struct og_vmm_config *got = make_room();
	struct og_handover_fds fds;
	static struct all all;

	describe(&all);
	CHECK_OK(og_handover_pack(&all.config, got, &fds, NULL));
	memset(&all, 0xee, sizeof(all));
	receive(&fds);
	CHECK_OK(og_handover_unpack(got, &fds, NULL));
	CHECK(strcmp(got->kernel_name, "text 1") == 0);
	CHECK(strcmp(got->cmdline, "text 2") == 0);
	CHECK(strcmp(got->cpu_template_name, "text 3") == 0);
	CHECK(strcmp(got->disks[0].name, "text 4") == 0);
	CHECK(strcmp(got->pmems[0].name, "text 5") == 0);
	CHECK(strcmp(got->console.name, "text 6") == 0);
	CHECK(got->initrd_name == NULL);
	CHECK_EQ(got->cpu_template->n_msrs, 7);
	CHECK(strcmp(got->snapshot.state, "state") == 0);
	CHECK(strcmp(got->mmds.data, "metadata") == 0);
	CHECK(got->nets[0].mmds == &got->mmds);
}

TEST(every_descriptor_is_the_one_that_came_for_it)
{
	struct og_vmm_config *got = make_room();
	struct og_handover_fds fds;
	static struct all all;
	int sum;

	describe(&all);
	CHECK_OK(og_handover_pack(&all.config, got, &fds, NULL));
	CHECK_EQ(fds.n, all.config.n_kept);
	receive(&fds);
	CHECK_OK(og_handover_unpack(got, &fds, NULL));
	CHECK_EQ(got->n_kept, fds.n);
	CHECK_EQ(got->serial_in_fd, 0);
	CHECK_EQ(got->kernel_fd, all.config.kernel_fd + 1000);
	CHECK_EQ(got->serial_out_fd, all.config.serial_out_fd + 1000);
	CHECK_EQ(got->disks[0].parts[0].fd, all.parts[0].fd + 1000);
	CHECK_EQ(got->disks[0].parts[1].fd, all.parts[1].fd + 1000);
	CHECK_EQ(got->disks[0].backing.fd, all.config.disks[0].backing.fd + 1000);
	CHECK_EQ(got->nets[0].tap_fd, all.config.nets[0].tap_fd + 1000);
	CHECK_EQ(got->shares[0].socket_fd, all.config.shares[0].socket_fd + 1000);
	CHECK_EQ(got->snapshot.memory_fd, all.config.snapshot.memory_fd + 1000);
	sum = got->vsock.listen_fd + got->console.fd + got->pmems[0].fd;
	CHECK_EQ(sum, all.config.vsock.listen_fd + all.config.console.fd + all.config.pmems[0].fd +
			      3000);
}

TEST(a_descriptor_that_would_be_left_behind_is_refused)
{
	struct og_handover_fds fds;
	struct og_err err = {};
	static struct all all;

	describe(&all);
	og_vmm_config_keep(&all.config, 4711);
	CHECK_EQ(og_handover_pack(&all.config, make_room(), &fds, &err), -EINVAL);
	CHECK(strstr(err.text, "4711") != NULL);
}

TEST(what_does_not_go_into_the_room_is_refused)
{
	struct og_handover_fds fds;
	static struct all all;

	describe(&all);
	all.config.snapshot.state = make_room();
	all.config.snapshot.state_bytes = OG_HANDOVER_BYTES;
	CHECK_EQ(og_handover_pack(&all.config, make_room(), &fds, NULL), -E2BIG);
}

TEST(fewer_descriptors_than_there_were_are_refused)
{
	struct og_vmm_config *got = make_room();
	struct og_handover_fds fds;
	static struct all all;

	describe(&all);
	CHECK_OK(og_handover_pack(&all.config, got, &fds, NULL));
	fds.n--;
	CHECK_EQ(og_handover_unpack(got, &fds, NULL), -EPROTO);
}

TEST_MAIN(TEST_ENTRY(all_that_a_configuration_points_to_goes_with_it),
	  TEST_ENTRY(every_descriptor_is_the_one_that_came_for_it),
	  TEST_ENTRY(a_descriptor_that_would_be_left_behind_is_refused),
	  TEST_ENTRY(what_does_not_go_into_the_room_is_refused),
	  TEST_ENTRY(fewer_descriptors_than_there_were_are_refused))

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver does while a device reads: every device, with a second processor that rewrites queues
 * and descriptors (A79), and with random accesses to every register (A76). The devices must live; ASan
 * and UBSan look on where they are on.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio_balloon.h"
#include "vmm/device/virtio_blk.h"
#include "vmm/device/virtio_console.h"
#include "vmm/device/virtio_mem.h"
#include "vmm/device/virtio_pci.h"
#include "vmm/device/virtio_rng.h"
#include "vmm/device/virtio_vsock.h"

#define SIZE	     16
#define WINDOW	     0xc0000000ULL
#define WINDOW_BYTES 0x10000000ULL

/* A hundredth where every access is watched. */
#ifdef __SANITIZE_ADDRESS__
#define ACCESSES 10000U
#define ROUNDS	 300U
#else
#define ACCESSES 1000000U
#define ROUNDS	 3000U
#endif

static int socket_end(void)
{
	int fds[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	return fds[0];
}

static struct og_disk_part part;

static int make_disk(const struct og_device_world *world, bool async, struct og_virtio **ret)
{
	struct og_blk_config config = { .id = "disk", .parts = &part, .n_parts = 1, .async = async };

	part = (struct og_disk_part){ .fd = memfd_create("disk", MFD_CLOEXEC) };
	CHECK_OK(ftruncate(part.fd, 1 << 20));
	return og_virtio_blk_new(&config, world, ret, NULL);
}

static int make_sync_disk(const struct og_device_world *world, struct og_virtio **ret)
{
	return make_disk(world, false, ret);
}

static int make_async_disk(const struct og_device_world *world, struct og_virtio **ret)
{
	return make_disk(world, true, ret);
}

static int make_rng(const struct og_device_world *world, struct og_virtio **ret)
{
	return og_virtio_rng_new(&(struct og_rng_config){}, world, ret, NULL);
}

static int make_console(const struct og_device_world *world, struct og_virtio **ret)
{
	const struct og_console_config config = { .fd = socket_end(), .name = "port" };

	return og_virtio_console_new(&config, world, ret, NULL);
}

static int make_balloon(const struct og_device_world *world, struct og_virtio **ret)
{
	const struct og_balloon_config config = {
		.present = true, .hinting = true, .reporting = true, .stats_interval_s = 1
	};

	return og_virtio_balloon_new(&config, world, ret, NULL);
}

static int make_hotplug(const struct og_device_world *world, struct og_virtio **ret)
{
	const struct og_hotplug_config config = { .total_mib = 512,
						  .block_mib = 2,
						  .slot_mib = 128 };

	return og_virtio_mem_new(&config, world, ret, NULL);
}

static int make_vsock(const struct og_device_world *world, struct og_virtio **ret)
{
	const struct og_vsock_config config = { .present = true, .guest_cid = 3, .listen_fd = -1 };

	return og_virtio_vsock_new(&config, world, ret, NULL);
}

static const struct kind {
	const char *name;
	int (*make)(const struct og_device_world *world, struct og_virtio **ret);
} kinds[] = {
	{ "blk", make_sync_disk },   { "blk, async", make_async_disk }, { "rng", make_rng },
	{ "console", make_console }, { "balloon", make_balloon },	{ "mem", make_hotplug },
	{ "vsock", make_vsock },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct bench {
	struct driver d;
	struct og_virtio *virtio;
	atomic_bool done;
};

static void begin(struct bench *b, const struct kind *kind)
{
	const struct og_device_world world = { .mem = &b->d.mem, .broker_fd = -1 };

	*b = (struct bench){};
	driver_init_mapped(&b->d, SIZE);
	if (kind->make == make_hotplug)
		CHECK_OK(og_mem_add_hotplug(&b->d.mem, 512ULL << 20, 128ULL << 20, NULL));
	CHECK_OK(kind->make(&world, &b->virtio));
}

static void end(struct bench *b)
{
	(void)og_virtio_free(b->virtio);
	driver_done(&b->d);
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Mostly what makes sense, so that a device goes far before it stumbles. */
static void rewrite(struct bench *b, uint64_t *seed)
{
	static const uint32_t lengths[] = { 0, 1, 16, 20, 44, 512, 4096, 65536, UINT32_MAX };
	unsigned q = (unsigned)next(seed) % b->virtio->ops->n_queues;
	uint64_t gpa = next(seed) % 16 == 0 ? next(seed) : DATA_GPA + next(seed) % 0x40000;
	uint32_t len = lengths[next(seed) % (sizeof(lengths) / sizeof(lengths[0]))];
	uint16_t flags = (uint16_t)(next(seed) % 8 == 0 ? next(seed) : next(seed) % 4);

	driver_desc(&b->d, q, (uint16_t)(next(seed) % SIZE), gpa, len, flags,
		    (uint16_t)(next(seed) % (SIZE + 1)));
	b->d.ram[DATA_GPA + next(seed) % 0x40000] = (uint8_t)(next(seed) % 8);
	set_ram16(&b->d, QUEUE_GPA(q) + 0x1000 + 4 + 2 * (unsigned)(next(seed) % SIZE),
		  (uint16_t)(next(seed) % SIZE));
	if (next(seed) % 64 == 0)
		set_ram16(&b->d, QUEUE_GPA(q) + 0x1000 + 2, (uint16_t)next(seed));
}

static void *second_processor(void *data)
{
	struct bench *b = data;
	uint64_t seed = 88172645463325252ULL;

	while (!atomic_load(&b->done))
		rewrite(b, &seed);
	return NULL;
}

/* A79 */
TEST(a_second_processor_rewrites_what_devices_read)
{
	for (size_t k = 0; k < KINDS; k++) {
		uint64_t seed = k + 1;
		pthread_t thread;
		struct bench b;

		fprintf(stderr, "%s\n", kinds[k].name);
		begin(&b, &kinds[k]);
		CHECK_OK(pthread_create(&thread, NULL, second_processor, &b));
		for (unsigned i = 0; i < ROUNDS; i++) {
			if (i % 16 == 0)
				driver_bring_up(&b.d, b.virtio, next(&seed) % 2 << 28);
			for (unsigned q = 0; q < b.virtio->ops->n_queues; q++)
				driver_offer(&b.d, q, (uint16_t)(next(&seed) % SIZE));
			og_virtio_work(b.virtio);
		}
		atomic_store(&b.done, true);
		CHECK_OK(pthread_join(thread, NULL));
		driver_set(&b.d, VIRTIO_MMIO_STATUS, 0);
		CHECK_EQ(driver_get(&b.d, VIRTIO_MMIO_STATUS), 0);
		end(&b);
	}
}

static unsigned width(uint64_t *seed)
{
	return 1U << next(seed) % 4;
}

/* Half of what is written could be right. */
static uint64_t word(uint64_t *seed)
{
	return next(seed) % 2 == 0 ? next(seed) : next(seed) % 4096;
}

/* A76 */
TEST(any_access_to_a_register_of_mmio_is_survived)
{
	for (size_t k = 0; k < KINDS; k++) {
		uint64_t seed = k + 99;
		struct bench b;

		begin(&b, &kinds[k]);
		driver_bring_up(&b.d, b.virtio, 0);
		for (unsigned i = 0; i < ACCESSES; i++) {
			uint64_t at = next(&seed) % 0x200, value = word(&seed);

			if (next(&seed) % 2 == 0)
				(void)og_virtio_mmio_read(&b.d.mmio, at, width(&seed));
			else
				og_virtio_mmio_write(&b.d.mmio, at, value, width(&seed));
			if (i % 256 == 0)
				driver_bring_up(&b.d, b.virtio, 0);
			if (i % 64 == 0)
				og_virtio_work(b.virtio);
		}
		end(&b);
	}
}

static void access_pci(struct og_pci_bus *bus, struct og_virtio_pci *pci, uint64_t *seed)
{
	uint64_t value = word(seed), gpa = pci->function.bars[0].gpa;
	bool write = next(seed) % 2 == 0;
	unsigned len = width(seed);

	switch (next(seed) % 8) {
	case 0:
		og_pci_ports_access(bus, next(seed) % OG_PCI_PORTS, &value, len, write);
		break;
	case 1:
		og_pci_ecam_access(bus, next(seed) % OG_PCI_ECAM_BYTES, &value, len, write);
		break;
	case 2:
		og_pci_ecam_access(bus, 3 * 8 * 4096 + next(seed) % 256, &value, len, write);
		break;
	default:
		if (gpa == OG_PCI_NOWHERE)
			gpa = WINDOW;
		og_pci_window_access(bus, gpa - WINDOW + next(seed) % OG_VIRTIO_PCI_BAR_BYTES,
				     &value, len, write);
		break;
	}
}

/* A76 */
TEST(any_access_to_pci_is_survived)
{
	static int fds[OG_MSIX_VECTORS_MAX];
	const struct og_virtio_pci_host host = {};

	for (unsigned i = 0; i < OG_MSIX_VECTORS_MAX; i++)
		fds[i] = og_event_new();
	for (size_t k = 0; k < KINDS; k++) {
		uint64_t seed = k + 7;
		struct og_virtio_pci pci;
		struct og_pci_bus bus;
		struct bench b;

		begin(&b, &kinds[k]);
		og_pci_bus_init(&bus, WINDOW, WINDOW_BYTES);
		og_virtio_pci_init(&pci, b.virtio, fds, WINDOW, &host);
		og_pci_bus_add(&bus, 3 * 8, &pci.function);
		for (unsigned i = 0; i < ACCESSES / 2; i++) {
			access_pci(&bus, &pci, &seed);
			if (i % 64 == 0)
				og_virtio_work(b.virtio);
		}
		end(&b);
	}
}

TEST_MAIN(TEST_ENTRY(a_second_processor_rewrites_what_devices_read),
	  TEST_ENTRY(any_access_to_a_register_of_mmio_is_survived),
	  TEST_ENTRY(any_access_to_pci_is_survived))

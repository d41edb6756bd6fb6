/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "base/test.h"
#include "vmm/device/event.h"
#include "vmm/device/power.h"
#include "vmm/device/serial.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/kvm.h"

static struct og_cpuid cpuid;

/* What a host of many cores says, in short. */
static void host(void)
{
	static const struct kvm_cpuid_entry2 entries[] = {
		{ .function = 0x1, .ebx = 0x5a600800, .ecx = 1U << 5, .edx = 1U << 28 },
		{ .function = 0x4, .index = 0, .eax = 0xfc004121 },
		{ .function = 0x4, .index = 3, .eax = 0xfc1fc163 },
		{ .function = 0xa, .eax = 0x07300805 },
		{ .function = 0xb, .index = 0, .ecx = 0x100, .edx = 77 },
		{ .function = 0x80000001, .ecx = 1U << 2 },
		{ .function = 0x80000008, .eax = 0x3030, .ecx = 0x603f },
		{ .function = 0x8000001e, .eax = 77 },
	};

	memset(&cpuid, 0, sizeof(cpuid));
	cpuid.head.nent = sizeof(entries) / sizeof(entries[0]);
	memcpy(cpuid.entries, entries, sizeof(entries));
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == function && cpuid.entries[i].index == index)
			return &cpuid.entries[i];
	CHECK(!"the leaf is there");
	return NULL;
}

TEST(each_vcpu_says_its_own_apic_id_everywhere)
{
	host();
	for (unsigned i = 0; i < 8; i++) {
		og_cpuid_adapt(&cpuid, i, &(struct og_cpu_layout){ 8, false, true });
		CHECK_EQ(leaf(1, 0)->ebx >> 24, i);
		CHECK_EQ(leaf(0xb, 0)->edx, i);
		CHECK_EQ(leaf(0xb, 1)->edx, i);
		CHECK_EQ(leaf(0x8000001e, 0)->eax, i);
	}
}

TEST(the_topology_is_one_package_of_cores)
{
	for (unsigned cpus = 1; cpus <= 32; cpus++) {
		unsigned bits = cpus > 16  ? 5
				: cpus > 8 ? 4
				: cpus > 4 ? 3
				: cpus > 2 ? 2
					   : cpus - 1;

		host();
		og_cpuid_adapt(&cpuid, 0, &(struct og_cpu_layout){ cpus, false, true });
		CHECK_EQ(leaf(0xb, 0)->eax, 0);
		CHECK_EQ(leaf(0xb, 0)->ebx, 1);
		CHECK_EQ(leaf(0xb, 0)->ecx, 0x100);
		CHECK_EQ(leaf(0xb, 1)->eax, bits);
		CHECK_EQ(leaf(0xb, 1)->ebx, cpus);
		CHECK_EQ(leaf(0xb, 1)->ecx, 0x201);
		CHECK_EQ(leaf(0xb, 2)->ecx, 2);
		CHECK_EQ(leaf(0x80000008, 0)->ecx & 0xff, cpus - 1);
		CHECK_EQ(leaf(0x80000008, 0)->eax, 0x3030);
		CHECK_EQ((leaf(1, 0)->edx >> 28 & 1), cpus > 1);
		CHECK_EQ(leaf(4, 0)->eax >> 14 & 0xfff, 0);
		CHECK_EQ(leaf(4, 3)->eax >> 14 & 0xfff, (1U << bits) - 1);
	}
}

TEST(threads_of_a_core_share_its_caches)
{
	host();
	og_cpuid_adapt(&cpuid, 5, &(struct og_cpu_layout){ 8, true, true });
	CHECK_EQ(leaf(0xb, 0)->eax, 1);
	CHECK_EQ(leaf(0xb, 0)->ebx, 2);
	CHECK_EQ(leaf(0xb, 1)->eax, 3);
	CHECK_EQ(leaf(0xb, 1)->ebx, 8);
	CHECK_EQ(leaf(4, 0)->eax >> 14 & 0xfff, 1);
	CHECK_EQ(leaf(4, 3)->eax >> 14 & 0xfff, 7);
	CHECK_EQ(leaf(4, 3)->eax >> 26, 3);
	CHECK_EQ(leaf(0x8000001e, 0)->eax, 5);
	CHECK_EQ(leaf(0x8000001e, 0)->ebx, 1 << 8 | 2);
	og_cpuid_adapt(&cpuid, 0, &(struct og_cpu_layout){ 1, true, true }); /* one is no pair */
	CHECK_EQ(leaf(0xb, 0)->ebx, 1);
}

TEST(nested_virtualisation_and_counters_are_hidden)
{
	host();
	og_cpuid_adapt(&cpuid, 0, &(struct og_cpu_layout){ 1, false, true });
	CHECK_EQ(leaf(1, 0)->ecx & 1U << 5, 0);
	CHECK((leaf(1, 0)->ecx & 1U << 31) != 0);
	CHECK((leaf(1, 0)->ecx & 1U << 24) != 0);
	CHECK_EQ(leaf(0x80000001, 0)->ecx & 1U << 2, 0);
	CHECK_EQ(leaf(0xa, 0)->eax, 0);
}

static unsigned drain(int fd)
{
	char buf[64];
	ssize_t got = read(fd, buf, sizeof(buf));

	return got > 0 ? (unsigned)got : 0;
}

TEST(the_serial_port_sends_and_reports_an_empty_transmitter)
{
	struct og_serial serial;
	int fds[2];

	CHECK_OK(pipe(fds));
	CHECK_OK(og_serial_init(&serial, fds[1], NULL, NULL, NULL));
	CHECK_EQ(og_serial_read(&serial, 5), 0x60);
	og_serial_write(&serial, 0, 'x');
	CHECK_EQ(drain(fds[0]), 1);
	CHECK_EQ(og_serial_read(&serial, 2) & 0xf, 1); /* no interrupt: it is not enabled */
	og_serial_write(&serial, 1, 2);
	CHECK_EQ(og_serial_read(&serial, 2) & 0xf, 2);
	CHECK_EQ(og_serial_read(&serial, 2) & 0xf, 1); /* reading it was the answer */
	og_serial_write(&serial, 3, 0x80);
	og_serial_write(&serial, 0, 'y'); /* a divisor, no byte */
	og_serial_write(&serial, 3, 3);
	og_serial_write(&serial, 0, 'z');
	CHECK_EQ(drain(fds[0]), 1);
	og_serial_done(&serial);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

TEST(what_a_limited_serial_port_is_sent_beyond_it_is_lost_and_counted)
{
	const struct og_bucket_config limit = { .size = 10,
						.one_time_burst = 5,
						.refill_time_ms = 1ULL << 40 };
	struct og_uart_metrics metrics = {};
	struct og_serial serial;
	int fds[2];

	CHECK_OK(pipe(fds));
	CHECK_OK(og_serial_init(&serial, fds[1], &limit, &metrics, NULL));
	og_serial_write(&serial, 4, 0x10); /* what stays inside is not limited */
	for (unsigned i = 0; i < 16; i++)
		og_serial_write(&serial, 0, 'l');
	for (unsigned i = 0; i < 17; i++)
		(void)og_serial_read(&serial, 0);
	og_serial_write(&serial, 4, 0);
	for (unsigned i = 0; i < 60; i++)
		og_serial_write(&serial, 0, 'x');
	CHECK_EQ(drain(fds[0]), 15);
	CHECK_EQ(atomic_load(&metrics.write_count), 15);
	CHECK_EQ(atomic_load(&metrics.rate_limiter_dropped_bytes), 45);
	CHECK_EQ(atomic_load(&metrics.read_count), 16);
	CHECK_EQ(og_serial_read(&serial, 5), 0x60); /* the guest waits for nothing */
	og_serial_done(&serial);

	CHECK_OK(og_serial_init(&serial, fds[0], NULL, &metrics, NULL)); /* cannot be written */
	og_serial_write(&serial, 0, 'x');
	CHECK_EQ(atomic_load(&metrics.missed_write_count), 1);
	CHECK_EQ(atomic_load(&metrics.write_count), 15);
	og_serial_done(&serial);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

TEST(serial_input_fills_a_fifo_and_no_more)
{
	static const uint8_t bytes[OG_SERIAL_FIFO + 4] = "0123456789abcdefgh";
	struct og_serial serial;

	CHECK_OK(og_serial_init(&serial, -1, NULL, NULL, NULL));
	og_serial_write(&serial, 2, 1);
	og_serial_write(&serial, 1, 1);
	og_serial_input(&serial, bytes, sizeof(bytes));
	CHECK_EQ(og_serial_room(&serial), 0);
	CHECK_EQ(og_serial_read(&serial, 2), 0xc4);
	for (unsigned i = 0; i < OG_SERIAL_FIFO; i++) {
		CHECK_EQ(og_serial_read(&serial, 5) & 1, 1);
		CHECK_EQ(og_serial_read(&serial, 0), bytes[i]);
	}
	CHECK_EQ(og_serial_read(&serial, 5) & 1, 0);
	CHECK_EQ(og_serial_read(&serial, 0), 0);
	og_serial_done(&serial);
}

TEST(loopback_comes_back_and_goes_nowhere)
{
	struct og_serial serial;
	int fds[2];

	CHECK_OK(pipe(fds));
	CHECK_OK(og_serial_init(&serial, fds[1], NULL, NULL, NULL));
	og_serial_write(&serial, 4, 0x1f);
	CHECK_EQ(og_serial_read(&serial, 6) & 0xf0, 0xf0);
	for (unsigned i = 0; i < 1000; i++)
		og_serial_write(&serial, 0, 'l');
	CHECK_EQ(og_serial_read(&serial, 0), 'l');
	(void)close(fds[1]);
	CHECK_EQ(drain(fds[0]), 0);
	(void)close(fds[0]);
	og_serial_done(&serial);
}

static enum og_outcome after(og_bus_fn *access, uint64_t offset, uint64_t value)
{
	struct og_power power = { .stop_fd = og_event_new() };

	access(&power, offset, &value, 1, true);
	(void)close(power.stop_fd);
	return (enum og_outcome)atomic_load(&power.outcome);
}

TEST(only_the_right_words_end_the_machine)
{
	CHECK_EQ(after(og_power_access, OG_POWER_SLEEP, 5 << 2 | 0x20), OG_POWERED_OFF);
	CHECK_EQ(after(og_power_access, OG_POWER_SLEEP, 5 << 2), OG_RUNNING);
	CHECK_EQ(after(og_power_access, OG_POWER_SLEEP, 3 << 2 | 0x20), OG_RUNNING);
	CHECK_EQ(after(og_power_access, OG_POWER_SLEEP_STATUS, 0x80), OG_RUNNING);
	CHECK_EQ(after(og_power_access, OG_POWER_RESET, 1), OG_REBOOTED);
	CHECK_EQ(after(og_power_access, OG_POWER_RESET, 0), OG_RUNNING);
}

#define PAGE_BYTES 4096ULL
#define SLOTS	   1000U

/* The first slots of many: a firmware's image is beside them. */
TEST(no_piece_of_plugged_memory_takes_the_firmwares_place)
{
	struct og_kvm kvm;
	uint8_t *rom, *memory;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("# no /dev/kvm\n");
		exit(TEST_SKIP_STATUS);
	}
	rom = mmap(NULL, (SLOTS + 1) * PAGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(rom != MAP_FAILED);
	memory = rom + PAGE_BYTES;
	CHECK_OK(og_kvm_init(&kvm, -1, NULL));
	CHECK_OK(og_kvm_set_rom(&kvm, (1ULL << 32) - PAGE_BYTES, rom, PAGE_BYTES, NULL));
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct og_mem_region region = { .gpa = (1ULL << 32) + i * PAGE_BYTES,
						      .bytes = PAGE_BYTES,
						      .host = memory + i * PAGE_BYTES };

		CHECK_OK(og_kvm_set_memory(&kvm, OG_KVM_SLOT_HOTPLUG + i, &region, false, NULL));
	}
	og_kvm_done(&kvm);
}

TEST_MAIN(TEST_ENTRY(no_piece_of_plugged_memory_takes_the_firmwares_place),
	  TEST_ENTRY(each_vcpu_says_its_own_apic_id_everywhere),
	  TEST_ENTRY(the_topology_is_one_package_of_cores),
	  TEST_ENTRY(threads_of_a_core_share_its_caches),
	  TEST_ENTRY(nested_virtualisation_and_counters_are_hidden),
	  TEST_ENTRY(what_a_limited_serial_port_is_sent_beyond_it_is_lost_and_counted),
	  TEST_ENTRY(the_serial_port_sends_and_reports_an_empty_transmitter),
	  TEST_ENTRY(serial_input_fills_a_fifo_and_no_more),
	  TEST_ENTRY(loopback_comes_back_and_goes_nowhere),
	  TEST_ENTRY(only_the_right_words_end_the_machine))

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_balloon.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/device/pages.h"
#include "vmm/device/virtio_balloon.h"

#define SIZE  16
#define PAGE  4096U
#define PAGES (RAM_BYTES / PAGE)

enum {
	INFLATE,
	DEFLATE,
	THIRD,
	FOURTH,
	FIFTH
};

struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_device_world world;
	struct og_metrics metrics;
	struct og_balloon_status status;
};

static void begin(struct machine *m, const struct og_balloon_config *config)
{
	*m = (struct machine){};
	driver_init_mapped(&m->d, SIZE);
	m->world = (struct og_device_world){ .mem = &m->d.mem, .metrics = &m->metrics };
	CHECK_OK(og_virtio_balloon_new(config, &m->world, &m->virtio, NULL));
	driver_bring_up(&m->d, m->virtio, og_virtio_offers(m->virtio) & 0xffffffff);
	/* Every page but those of the queues has a one in its first byte. */
	for (unsigned i = DATA_GPA / PAGE; i < PAGES; i++)
		m->d.ram[i * PAGE] = 1;
}

static void end(struct machine *m)
{
	og_virtio_free(m->virtio);
	driver_done(&m->d);
}

static unsigned pages_left(const struct machine *m)
{
	unsigned left = 0;

	for (unsigned i = DATA_GPA / PAGE; i < PAGES; i++)
		left += m->d.ram[i * PAGE];
	return left;
}

#define ALL_PAGES (PAGES - DATA_GPA / PAGE)

static int command(struct machine *m, const struct og_balloon_command *what)
{
	return m->virtio->ops->command(m->virtio, what, NULL, 0, &m->status, NULL);
}

#define WORDS_GPA (DATA_GPA + 64)

/* One request of these bytes, which leave the first of their page alone. */
static void request(struct machine *m, unsigned q, const void *bytes, uint32_t len)
{
	memcpy(m->d.ram + WORDS_GPA, bytes, len);
	driver_desc(&m->d, q, 0, WORDS_GPA, len, 0, 0);
	driver_offer(&m->d, q, 0);
	og_virtio_work(m->virtio);
}

TEST(pages_become_ranges_without_doubles)
{
	uint32_t frames[] = { 7, 3, 4, 5, 3, UINT32_MAX, 9, 4, UINT32_MAX - 1 };
	struct og_page_range ranges[9];

	CHECK_EQ(og_pages_to_ranges(frames, 9, ranges), 4);
	CHECK_EQ(ranges[0].gpa, 3 * PAGE);
	CHECK_EQ(ranges[0].bytes, 3 * PAGE);
	CHECK_EQ(ranges[1].gpa, 7 * PAGE);
	CHECK_EQ(ranges[2].gpa, 9 * PAGE);
	CHECK_EQ(ranges[3].gpa, (UINT32_MAX - 1ULL) * PAGE);
	CHECK_EQ(ranges[3].bytes, 2 * PAGE);
	CHECK_EQ(og_pages_to_ranges(frames, 0, ranges), 0);
}

TEST(exactly_the_pages_named_are_given_back)
{
	struct og_balloon_config config = { .present = true, .amount_mib = 1 };
	uint32_t frames[] = { 200, 100, 101, 100 };
	struct machine m;

	begin(&m, &config);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG, 4), 256);
	request(&m, INFLATE, frames, sizeof(frames));
	CHECK_EQ(driver_used(&m.d, INFLATE), 1);
	CHECK_EQ(pages_left(&m), ALL_PAGES - 3);
	CHECK_EQ(m.d.ram[100 * PAGE], 0);
	CHECK_EQ(m.d.ram[101 * PAGE], 0);
	CHECK_EQ(m.d.ram[200 * PAGE], 0);
	CHECK_EQ(m.d.ram[102 * PAGE], 1);
	request(&m, DEFLATE, frames, sizeof(frames));
	CHECK_EQ(driver_used(&m.d, DEFLATE), 1);
	CHECK_EQ(m.metrics.balloon.inflate_count, 1);
	CHECK_EQ(m.metrics.balloon.deflate_count, 1);
	end(&m);
}

/* A72 */
TEST(pages_that_are_not_the_guests_cost_it_the_device)
{
	static const uint32_t bad[] = { PAGES, UINT32_MAX, 0xd0000, 0x100000, 0x80000000 };
	struct og_balloon_config config = { .present = true };
	static uint32_t many[OG_BALLOON_FRAMES_MAX + 1];
	struct machine m;

	begin(&m, &config);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t frames[] = { bad[i] };

		request(&m, INFLATE, frames, sizeof(frames));
		CHECK(driver_needs_reset(&m.d));
		driver_bring_up(&m.d, m.virtio, 0);
	}
	/* More of them than anyone sends, and part of one. */
	request(&m, INFLATE, many, sizeof(many));
	CHECK(driver_needs_reset(&m.d));
	driver_bring_up(&m.d, m.virtio, 0);
	request(&m, INFLATE, many, 6);
	CHECK(driver_needs_reset(&m.d));
	driver_bring_up(&m.d, m.virtio, 0);
	driver_desc(&m.d, INFLATE, 0, DATA_GPA, 4, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, INFLATE, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	CHECK(pages_left(&m) >= ALL_PAGES - 2);
	end(&m);
}

TEST(the_operator_changes_the_amount_and_sees_what_there_is)
{
	struct og_balloon_config config = { .present = true, .deflate_on_oom = true };
	struct og_balloon_command what = { .kind = OG_BALLOON_SET_AMOUNT, .amount_mib = 1 };
	struct machine m;
	uint32_t generation;

	begin(&m, &config);
	CHECK((m.virtio->features & 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM) != 0);
	generation = driver_get(&m.d, VIRTIO_MMIO_CONFIG_GENERATION);
	CHECK_EQ(command(&m, &what), sizeof(m.status));
	CHECK(driver_get(&m.d, VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	CHECK(is_signalled(m.virtio->interrupt_fd));
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG, 4), 256);
	og_virtio_mmio_write(&m.d.mmio, VIRTIO_MMIO_CONFIG + 4, 77, 4);
	og_virtio_mmio_write(&m.d.mmio, VIRTIO_MMIO_CONFIG, 5, 4);
	og_virtio_mmio_write(&m.d.mmio, VIRTIO_MMIO_CONFIG + 4, 5, 1);
	what.kind = OG_BALLOON_GET;
	CHECK(command(&m, &what) > 0);
	CHECK_EQ(m.status.target_pages, 256);
	CHECK_EQ(m.status.actual_pages, 77);
	CHECK_EQ(m.status.config.amount_mib, 1);

	what = (struct og_balloon_command){ .kind = OG_BALLOON_SET_AMOUNT, .amount_mib = 2 };
	CHECK_EQ(command(&m, &what), -EINVAL);
	what.kind = 99;
	CHECK_EQ(command(&m, &what), -EINVAL);
	config.amount_mib = 2;
	m.virtio = og_virtio_free(m.virtio);
	CHECK_EQ(og_virtio_balloon_new(&config, &m.world, &m.virtio, NULL), -EINVAL);
	driver_done(&m.d);
}

static const struct og_balloon_config with_stats = { .present = true, .stats_interval_s = 1 };

TEST(statistics_are_kept_as_the_guest_told_them)
{
	struct virtio_balloon_stat stats[] = {
		{ OG_BALLOON_FREE_MEMORY, 123456789012345 },
		{ OG_BALLOON_DIRECT_RECLAIM, 7 },
		{ OG_BALLOON_STATS, 99 },
		{ 0xffff, 99 },
	};
	struct og_balloon_command get = { .kind = OG_BALLOON_GET };
	struct machine m;

	begin(&m, &with_stats);
	request(&m, THIRD, stats, sizeof(stats));
	CHECK_EQ(driver_used(&m.d, THIRD), 0); /* kept until the next are due */
	CHECK(command(&m, &get) > 0);
	CHECK_EQ(m.status.stats_known,
		 1U << OG_BALLOON_FREE_MEMORY | 1U << OG_BALLOON_DIRECT_RECLAIM);
	CHECK_EQ(m.status.stats[OG_BALLOON_FREE_MEMORY], 123456789012345);
	CHECK_EQ(m.status.stats[OG_BALLOON_DIRECT_RECLAIM], 7);

	/* One that comes too early sends the first back. */
	request(&m, THIRD, stats, sizeof(stats[0]));
	CHECK_EQ(driver_used(&m.d, THIRD), 1);
	end(&m);
}

/* A72 */
TEST(no_more_statistics_are_read_than_there_are_kinds)
{
	static struct virtio_balloon_stat stats[4096 / sizeof(struct virtio_balloon_stat)];
	struct og_balloon_command get = { .kind = OG_BALLOON_GET };
	struct machine m;

	begin(&m, &with_stats);
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		stats[i] = (struct virtio_balloon_stat){ OG_BALLOON_SWAP_IN, i };
	request(&m, THIRD, stats, sizeof(stats));
	CHECK(command(&m, &get) > 0);
	CHECK_EQ(m.status.stats[OG_BALLOON_SWAP_IN], OG_BALLOON_STATS_MAX - 1);
	/* A buffer of half the memory, and one of 7 bytes. */
	driver_desc(&m.d, THIRD, 0, DATA_GPA, RAM_BYTES / 2, 0, 0);
	driver_offer(&m.d, THIRD, 0);
	og_virtio_work(m.virtio);
	request(&m, THIRD, stats, 7);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(statistics_are_not_turned_on_later)
{
	struct og_balloon_command what = { .kind = OG_BALLOON_SET_STATS, .stats_interval_s = 5 };
	struct og_balloon_config config = { .present = true };
	struct machine m;

	begin(&m, &config);
	CHECK_EQ(command(&m, &what), -EINVAL);
	end(&m);
	begin(&m, &with_stats);
	CHECK(command(&m, &what) > 0);
	CHECK_EQ(m.status.config.stats_interval_s, 5);
	what.stats_interval_s = 0;
	CHECK_EQ(command(&m, &what), -EINVAL);
	end(&m);
}

/* The first queue behind the two that are always there is the first whose feature was agreed on. */
TEST(free_pages_that_are_reported_are_given_back)
{
	struct og_balloon_config config = { .present = true, .reporting = true };
	struct machine m;

	begin(&m, &config);
	driver_desc(&m.d, THIRD, 0, 100 * PAGE, 4 * PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
		    1);
	driver_desc(&m.d, THIRD, 1, 200 * PAGE + 1, 2 * PAGE,
		    VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	driver_desc(&m.d, THIRD, 2, 220 * PAGE + 1, PAGE, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, THIRD, 0);
	og_virtio_work(m.virtio);
	CHECK_EQ(driver_used(&m.d, THIRD), 1);
	CHECK_EQ(pages_left(&m), ALL_PAGES - 5);
	CHECK_EQ(m.d.ram[200 * PAGE], 1);
	CHECK_EQ(m.d.ram[201 * PAGE], 0);
	CHECK_EQ(m.d.ram[202 * PAGE], 1);
	CHECK_EQ(m.metrics.balloon.free_page_report_freed, 5 * PAGE);

	/* Beyond memory. */
	driver_desc(&m.d, THIRD, 0, (PAGES - 1) * PAGE, 2 * PAGE, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, THIRD, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	CHECK_EQ(m.d.ram[(PAGES - 1) * PAGE], 1);
	end(&m);
}

static void hint_pages(struct machine *m, unsigned q, unsigned first)
{
	driver_desc(&m->d, q, 0, first * PAGE, 2 * PAGE, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, q, 0);
	og_virtio_work(m->virtio);
}

TEST(hints_count_between_the_hosts_word_and_the_guests_end)
{
	struct og_balloon_config config = { .present = true,
					    .stats_interval_s = 1,
					    .hinting = true };
	struct og_balloon_command start = { .kind = OG_BALLOON_HINT_START,
					    .acknowledge_on_stop = true };
	struct machine m;
	uint32_t id, none = VIRTIO_BALLOON_CMD_ID_STOP;

	begin(&m, &config);
	hint_pages(&m, FOURTH, 100);
	CHECK(command(&m, &start) > 0);
	id = (uint32_t)og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + 8, 4);
	CHECK(id > VIRTIO_BALLOON_CMD_ID_DONE);
	CHECK_EQ(m.status.host_cmd, id);
	hint_pages(&m, FOURTH, 110);
	CHECK_EQ(pages_left(&m), ALL_PAGES);

	request(&m, FOURTH, &id, sizeof(id));
	hint_pages(&m, FOURTH, 120);
	CHECK_EQ(pages_left(&m), ALL_PAGES - 2);
	request(&m, FOURTH, &none, sizeof(none));
	hint_pages(&m, FOURTH, 130);
	CHECK_EQ(pages_left(&m), ALL_PAGES - 2);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + 8, 4),
		 VIRTIO_BALLOON_CMD_ID_DONE);

	CHECK(command(&m, &start) > 0);
	CHECK_EQ(m.status.host_cmd, 2);
	CHECK(m.status.guest_cmd_known);
	start.kind = OG_BALLOON_HINT_STOP;
	CHECK(command(&m, &start) > 0);
	CHECK_EQ(m.status.host_cmd, VIRTIO_BALLOON_CMD_ID_DONE);
	end(&m);

	config.hinting = false;
	begin(&m, &config);
	CHECK_EQ(command(&m, &start), -EINVAL);
	start.kind = OG_BALLOON_HINT_START;
	CHECK_EQ(command(&m, &start), -EINVAL);
	end(&m);
}

TEST(its_state_outlives_the_process)
{
	struct virtio_balloon_stat stat = { OG_BALLOON_FREE_MEMORY, 42 };
	struct og_balloon_command what = { .kind = OG_BALLOON_SET_AMOUNT, .amount_mib = 1 };
	struct og_virtio *other;
	uint8_t state[4096];
	struct og_pack pack;
	struct og_unpack unpack;
	struct machine m;

	begin(&m, &with_stats);
	request(&m, THIRD, &stat, sizeof(stat));
	CHECK(command(&m, &what) > 0);
	og_virtio_mmio_write(&m.d.mmio, VIRTIO_MMIO_CONFIG + 4, 77, 4);
	og_pack_init(&pack, state, sizeof(state));
	CHECK_OK(og_virtio_save(m.virtio, &pack, NULL));

	CHECK_OK(og_virtio_balloon_new(&with_stats, &m.world, &other, NULL));
	og_unpack_init(&unpack, state, pack.len);
	CHECK_OK(og_virtio_load(other, &unpack, NULL));
	og_virtio_free(m.virtio);
	m.virtio = other;
	m.d.mmio.virtio = other;
	what.kind = OG_BALLOON_GET;
	CHECK(command(&m, &what) > 0);
	CHECK_EQ(m.status.target_pages, 256);
	CHECK_EQ(m.status.actual_pages, 77);
	CHECK_EQ(m.status.stats[OG_BALLOON_FREE_MEMORY], 42);
	request(&m, THIRD, &stat, sizeof(stat));
	CHECK_EQ(driver_used(&m.d, THIRD), 1); /* the request that waited is known */

	for (size_t len = 0; len < pack.len; len += 7) {
		CHECK_OK(og_virtio_balloon_new(&with_stats, &m.world, &other, NULL));
		og_unpack_init(&unpack, state, len);
		CHECK(og_virtio_load(other, &unpack, NULL) < 0);
		og_virtio_free(other);
	}
	end(&m);
}

TEST_MAIN(TEST_ENTRY(pages_become_ranges_without_doubles),
	  TEST_ENTRY(exactly_the_pages_named_are_given_back),
	  TEST_ENTRY(pages_that_are_not_the_guests_cost_it_the_device),
	  TEST_ENTRY(the_operator_changes_the_amount_and_sees_what_there_is),
	  TEST_ENTRY(statistics_are_kept_as_the_guest_told_them),
	  TEST_ENTRY(no_more_statistics_are_read_than_there_are_kinds),
	  TEST_ENTRY(statistics_are_not_turned_on_later),
	  TEST_ENTRY(free_pages_that_are_reported_are_given_back),
	  TEST_ENTRY(hints_count_between_the_hosts_word_and_the_guests_end),
	  TEST_ENTRY(its_state_outlives_the_process))

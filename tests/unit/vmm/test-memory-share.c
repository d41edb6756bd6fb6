/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory_share.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "proc.h"
#include "vmm/machine.h"
#include "vmm/snapshot/memory_file.h"

#define MIB	   (1ULL << 20)
#define PAGE	   4096ULL
#define SLOT_BYTES (128 * MIB)
#define PAGES_EACH 1000U

static void begin(struct og_mem *mem, uint64_t bytes)
{
	CHECK_OK(og_mem_init(mem, bytes, NULL));
	CHECK_OK(og_mem_share(mem, NULL));
	CHECK(og_mem_is_shared(mem));
}

static uint64_t *word(const struct og_mem *mem, uint64_t page)
{
	return (uint64_t *)(void *)(mem->regions[0].host + page * PAGE);
}

static void fill(const struct og_mem *mem)
{
	for (uint64_t page = 0; page < mem->regions[0].bytes / PAGE; page++)
		*word(mem, page) = page + 1;
}

static uint64_t taken(const struct og_mem *mem)
{
	struct stat st;

	CHECK_OK(fstat(mem->shared_fd, &st));
	return (uint64_t)st.st_blocks * 512;
}

/* Of all mappings of the file: how many there are, and how many are kept out of core dumps. */
static unsigned count_mappings(unsigned *ret_kept_out)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	bool of_file = false;
	unsigned all = 0;
	char line[512];

	CHECK(file != NULL);
	*ret_kept_out = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, " /memfd:guest") != NULL) {
			of_file = true;
			all++;
		}
		if (of_file && strncmp(line, "VmFlags:", 8) == 0) {
			*ret_kept_out += strstr(line, " dd") != NULL;
			of_file = false;
		}
	}
	(void)fclose(file);
	return all;
}

static void check_ended_well(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(what_is_discarded_is_given_back)
{
	struct og_mem mem;

	begin(&mem, 16 * MIB);
	fill(&mem);
	CHECK_EQ(taken(&mem), 16 * MIB);
	CHECK_OK(og_mem_discard(&mem, 4 * MIB, 8 * MIB));
	CHECK_EQ(taken(&mem), 8 * MIB);
	CHECK_EQ(og_mem_discard_at(&mem, mem.regions[0].host + 1, 3 * PAGE - 1), 2 * PAGE);
	CHECK_EQ(taken(&mem), 8 * MIB - 2 * PAGE);
	CHECK_EQ(*word(&mem, 0), 1);
	CHECK_EQ(*word(&mem, 1), 0);
	CHECK_EQ(*word(&mem, 3), 4);
	CHECK_EQ(*word(&mem, 4 * MIB / PAGE), 0);
	og_mem_done(&mem);
}

TEST(plugged_memory_is_treated_alike)
{
	struct og_mem mem;
	uint8_t *host;
	pid_t pid;

	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_OK(og_mem_add_hotplug(&mem, 2 * SLOT_BYTES, SLOT_BYTES, NULL));
	CHECK_OK(og_mem_share(&mem, NULL));
	host = mem.hotplug.region.host;
	memset(host + SLOT_BYTES, 7, 4 * MIB);
	CHECK_EQ(taken(&mem), 4 * MIB);
	CHECK_EQ(og_mem_discard_at(&mem, host + SLOT_BYTES, 2 * MIB), 2 * MIB);
	CHECK_EQ(taken(&mem), 2 * MIB);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK_EQ(host[SLOT_BYTES], 0);
	CHECK_EQ(host[SLOT_BYTES + 2 * MIB], 7);
	pid = fork();
	if (pid == 0) {
		host[SLOT_BYTES + 2 * MIB] = 8;
		_exit(0);
	}
	check_ended_well(pid);
	CHECK_EQ(host[SLOT_BYTES + 2 * MIB], 7);
	og_mem_done(&mem);
}

/* What it was at that moment: zeros where nothing was written. */
TEST(what_is_discarded_afterwards_is_what_the_file_has)
{
	struct og_mem mem;

	begin(&mem, 16 * MIB);
	*word(&mem, 5) = 50;
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK(!og_mem_is_shared(&mem));
	CHECK_EQ(mem.file_fd, mem.shared_fd);
	*word(&mem, 5) = 51;
	*word(&mem, 6) = 61;
	CHECK_OK(og_mem_discard(&mem, 5 * PAGE, 2 * PAGE));
	CHECK_EQ(*word(&mem, 5), 50);
	CHECK_EQ(*word(&mem, 6), 0);
	og_mem_done(&mem);
}

/* The clones have it, too: one that was taken over must not reach the others by it. */
TEST(nobody_writes_what_clones_share)
{
	struct og_mem mem;

	begin(&mem, 16 * MIB);
	fill(&mem);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK_EQ(pwrite(mem.shared_fd, "x", 1, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(fallocate(mem.shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			   (off_t)PAGE),
		 -1);
	CHECK_EQ(ftruncate(mem.shared_fd, 0), -1);
	CHECK_EQ(ftruncate(mem.shared_fd, (off_t)(32 * MIB)), -1);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem.shared_fd, 0) == MAP_FAILED);
	CHECK_EQ(*word(&mem, 0), 1);
	og_mem_done(&mem);
}

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* Writes pages at random and looks at all of them. Returns whether they are as they must be. */
static bool goes_its_own_way(const struct og_mem *mem, uint64_t mark)
{
	uint64_t pages = mem->regions[0].bytes / PAGE, state = mark, seen = 0, again;

	for (unsigned i = 0; i < PAGES_EACH; i++)
		*word(mem, next(&state) % pages) = mark;
	state = mark;
	for (unsigned i = 0; i < PAGES_EACH; i++)
		if (*word(mem, next(&state) % pages) != mark)
			return false;
	for (uint64_t page = 0; page < pages; page++) {
		again = *word(mem, page);
		if (again != page + 1 && again != mark)
			return false;
		seen += again == mark;
	}
	return seen > PAGES_EACH / 2 && seen <= PAGES_EACH;
}

/* And so does a fork of the fork, and one of a later moment. */
TEST(each_of_many_forks_goes_its_own_way)
{
	struct og_mem mem;
	pid_t pid, second;

	begin(&mem, 64 * MIB);
	fill(&mem);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			_exit(goes_its_own_way(&mem, 1ULL << 40) ? 0 : 1);
		if (!goes_its_own_way(&mem, 1ULL << 41))
			_exit(1);
		check_ended_well(pid);
		_exit(0);
	}
	CHECK(goes_its_own_way(&mem, 1ULL << 42));
	fill(&mem);
	second = fork();
	if (second == 0)
		_exit(goes_its_own_way(&mem, 1ULL << 43) ? 0 : 1);
	CHECK(goes_its_own_way(&mem, 1ULL << 44));
	check_ended_well(pid);
	check_ended_well(second);
	og_mem_done(&mem);
}

/* Page tables for 512 MiB would take 1 MiB. */
TEST(a_fork_copies_no_page_tables)
{
	unsigned long tables;
	struct og_mem mem;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* it has tables of its own */
#endif
	begin(&mem, 512 * MIB);
	fill(&mem);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	*word(&mem, 100 * MIB / PAGE) = 7; /* the guest does not stand still */
	pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(1);
	}
	tables = status_of(pid, "VmPTE:");
	(void)kill(pid, SIGKILL);
	printf("# page tables of the child: %lu KiB\n", tables);
	CHECK(tables < PAGE_TABLES_KIB);
	og_mem_done(&mem);
}

TEST(there_are_some_mappings_and_all_are_kept_out_of_core_dumps)
{
	unsigned kept_out;
	struct og_mem mem;

	begin(&mem, 5120 * MIB); /* nothing of it is touched */
	CHECK_EQ(mem.n_regions, 2);
	CHECK_EQ(count_mappings(&kept_out), 1);
	CHECK_EQ(kept_out, 1);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK_EQ(count_mappings(&kept_out), 40);
	CHECK_EQ(kept_out, 40);
	CHECK_EQ(taken(&mem), 0);
	og_mem_done(&mem);
	CHECK_EQ(count_mappings(&kept_out), 0);
}

/* The memory that is restored from such a machine's is its memory, before and after. */
static void check_saved(struct og_mem *mem, uint64_t pages)
{
	struct og_mem copy;
	uint64_t bytes;
	int fd = open("memory", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_OK(og_memory_file_write(mem, fd, &bytes, NULL));
	CHECK_EQ(bytes, pages * PAGE);
	CHECK_OK(og_mem_init(&copy, mem->regions[0].bytes, NULL));
	CHECK_OK(og_memory_file_map(&copy, fd, NULL));
	CHECK_EQ(memcmp(copy.regions[0].host, mem->regions[0].host, mem->regions[0].bytes), 0);
	og_mem_done(&copy);
	(void)close(fd);
}

TEST(it_is_saved_as_any_memory_is)
{
	struct og_mem mem;

	begin(&mem, 64 * MIB);
	for (uint64_t page = 0; page < 16384; page += 16)
		*word(&mem, page) = page + 1;
	CHECK_OK(og_mem_discard(&mem, 32 * MIB, 16 * MIB));
	check_saved(&mem, 768);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	*word(&mem, 17) = 1;
	*word(&mem, 16) = 0;
	*word(&mem, 16384 - 1) = 1;
	check_saved(&mem, 769);
	og_mem_done(&mem);
}

/* To save it takes nothing from the host. */
TEST(what_was_not_touched_stays_so)
{
	struct og_mem mem;
	uint64_t bytes;
	int fd = open("memory", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	begin(&mem, 64 * MIB);
	*word(&mem, 9) = 1;
	CHECK_OK(og_memory_file_write(&mem, fd, &bytes, NULL));
	CHECK_EQ(bytes, PAGE);
	CHECK_EQ(taken(&mem), PAGE);
	og_mem_done(&mem);
	(void)close(fd);
}

#define MAPPINGS_MAX 140000U

/* Takes all mappings that the kernel allows but @spare; returns what to unmap to have them back. */
static void *take_mappings(unsigned spare)
{
	uint8_t *all = mmap(NULL, MAPPINGS_MAX * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned i = 1;

	CHECK(all != MAP_FAILED);
	while (i < MAPPINGS_MAX && mprotect(all + i * PAGE, PAGE, PROT_READ) == 0)
		i += 2;
	if (i >= MAPPINGS_MAX || i < 2 * spare)
		exit(TEST_SKIP_STATUS); /* this kernel allows more of them */
	CHECK_OK(munmap(all + (i - spare) * PAGE, (MAPPINGS_MAX - i + spare) * PAGE));
	return all;
}

/* What was written between two attempts is neither forgotten nor left out of a file. */
TEST(what_could_be_made_private_in_part_is_whole)
{
	const uint64_t pages = 512 * MIB / PAGE, stride = 64;
	struct og_mem mem;
	void *mappings;
	int r;

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* it maps memory of its own at any time */
#endif
	begin(&mem, pages * PAGE);
	for (uint64_t page = 0; page < pages; page += stride)
		*word(&mem, page) = 1;
	mappings = take_mappings(5);
	r = og_mem_unshare(&mem, NULL);
	CHECK_OK(munmap(mappings, MAPPINGS_MAX * PAGE));
	if (r == 0)
		exit(TEST_SKIP_STATUS); /* it has need of fewer */
	CHECK(og_mem_is_shared(&mem));
	for (uint64_t page = 1; page < pages; page += stride)
		*word(&mem, page) = page;
	check_saved(&mem, 2 * pages / stride);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK(!og_mem_is_shared(&mem));
	for (uint64_t page = 1; page < pages; page += stride)
		CHECK_EQ(*word(&mem, page), page);
	check_saved(&mem, 2 * pages / stride);
	og_mem_done(&mem);
}

/* A device with one request under way, whose page the kernel holds: it goes to the file. */
struct late {
	struct og_virtio virtio;
	const struct og_mem *mem;
	uint8_t *file;
	bool under_way;
};

/* The guest goes on meanwhile, and writes to the same page. */
static void quiesce(struct og_virtio *virtio)
{
	struct late *late = (struct late *)virtio;

	word(late->mem, 0)[1] = 1;
	if (late->under_way)
		late->file[0] = 0x55;
	late->under_way = false;
}

TEST(devices_end_what_they_do_before_memory_is_mapped_anew)
{
	static const struct og_virtio_ops ops = { .name = "late", .quiesce = quiesce };
	struct og_vmm vmm = { .n_slots = 1 };
	struct late late = {
		.virtio = { .ops = &ops, .lock = PTHREAD_MUTEX_INITIALIZER, .kick_fd = -EBADF },
		.mem = &vmm.mem,
		.under_way = true
	};

	begin(&vmm.mem, MIB);
	late.file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vmm.mem.shared_fd, 0);
	CHECK(late.file != MAP_FAILED);
	vmm.slots[0].virtio = &late.virtio;
	CHECK_OK(og_vmm_own_memory(&vmm, NULL));
	CHECK(!og_mem_is_shared(&vmm.mem));
	quiesce(&late.virtio); /* too late, if it was not asked before */
	CHECK_EQ(vmm.mem.regions[0].host[0], 0x55);
	CHECK(!late.virtio.stopped);
	og_mem_done(&vmm.mem);
}

TEST(memory_that_no_file_may_be_as_large_as_is_not_shared)
{
	const struct rlimit limit = { 8 * MIB, 8 * MIB };
	struct og_mem mem;

	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_OK(og_mem_share(&mem, NULL));
	CHECK(!og_mem_is_shared(&mem));
	fill(&mem);
	CHECK_OK(og_mem_unshare(&mem, NULL));
	CHECK(mem.file_fd < 0);
	CHECK_EQ(*word(&mem, 1), 2);
	og_mem_done(&mem);
}

TEST_MAIN(TEST_ENTRY(devices_end_what_they_do_before_memory_is_mapped_anew),
	  TEST_ENTRY(what_is_discarded_is_given_back), TEST_ENTRY(plugged_memory_is_treated_alike),
	  TEST_ENTRY(what_is_discarded_afterwards_is_what_the_file_has),
	  TEST_ENTRY(nobody_writes_what_clones_share),
	  TEST_ENTRY(each_of_many_forks_goes_its_own_way), TEST_ENTRY(a_fork_copies_no_page_tables),
	  TEST_ENTRY(there_are_some_mappings_and_all_are_kept_out_of_core_dumps),
	  TEST_ENTRY(it_is_saved_as_any_memory_is), TEST_ENTRY(what_was_not_touched_stays_so),
	  TEST_ENTRY(what_could_be_made_private_in_part_is_whole),
	  TEST_ENTRY(memory_that_no_file_may_be_as_large_as_is_not_shared))

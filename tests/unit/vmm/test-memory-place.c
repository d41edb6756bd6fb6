/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory_place.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/test.h"

#define BYTES (8ULL << 20)

static size_t resident(const struct og_mem *mem)
{
	static unsigned char pages[BYTES / 4096];
	size_t n = 0;

	CHECK_OK(mincore(mem->regions[0].host, BYTES, pages));
	for (size_t i = 0; i < sizeof(pages); i++)
		n += pages[i] & 1;
	return n;
}

static int place(struct og_mem *mem, struct og_mem_place how, struct og_err *err)
{
	CHECK_OK(og_mem_init(mem, BYTES, NULL));
	return og_mem_place(mem, &how, err);
}

TEST(nothing_is_taken_that_is_not_asked_for)
{
	struct og_mem mem;

	CHECK_OK(place(&mem, (struct og_mem_place)OG_MEM_PLACE_ANY, NULL));
	CHECK_EQ(resident(&mem), 0);
	og_mem_done(&mem);
}

TEST(reserved_memory_is_there_before_the_guest)
{
	struct og_mem mem;

	CHECK_OK(place(&mem, (struct og_mem_place){ .reserve = true, .node = -1 }, NULL));
	CHECK_EQ(resident(&mem), BYTES / 4096);
	og_mem_done(&mem);
}

TEST(locked_memory_is_counted_and_too_much_of_it_refused)
{
	struct rlimit limit = { 0, 0 };
	struct og_err err = {};
	struct og_mem mem;

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* its mlock() does nothing */
#endif
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	if (setresuid(65534, 65534, 65534) < 0 && geteuid() == 0)
		exit(TEST_SKIP_STATUS);
	CHECK(place(&mem, (struct og_mem_place){ .lock = true, .node = -1 }, &err) < 0);
	CHECK(strstr(err.text, "RLIMIT_MEMLOCK") != NULL);
	og_mem_done(&mem);
}

TEST(a_node_that_is_not_there_is_named)
{
	struct og_err err = {};
	struct og_mem mem;
	int r = place(&mem, (struct og_mem_place){ .node = 0 }, &err);

	if (r == -ENOSYS || r == -EPERM)
		exit(TEST_SKIP_STATUS); /* no NUMA in this kernel, or not for us */
	CHECK_OK(r);
	og_mem_done(&mem);
	CHECK_EQ(place(&mem, (struct og_mem_place){ .node = 900 }, &err), -EINVAL);
	CHECK(strstr(err.text, "node 900") != NULL);
	og_mem_done(&mem);
	CHECK_EQ(place(&mem, (struct og_mem_place){ .node = 5000 }, &err), -EINVAL);
	og_mem_done(&mem);
}

/* The pool is the host's: this works where it has pages, and says so where not. */
TEST(huge_pages_come_from_the_pool_or_are_refused)
{
	struct og_err err = {};
	struct og_mem mem;
	int r = place(&mem, (struct og_mem_place){ .huge = true, .reserve = true, .node = -1 },
		      &err);

	if (r == 0) {
		memset(mem.regions[0].host, 1, BYTES);
	} else {
		CHECK_EQ(r, -ENOMEM);
		CHECK(strstr(err.text, "vm.nr_hugepages") != NULL);
	}
	og_mem_done(&mem);
}

TEST_MAIN(TEST_ENTRY(nothing_is_taken_that_is_not_asked_for),
	  TEST_ENTRY(reserved_memory_is_there_before_the_guest),
	  TEST_ENTRY(locked_memory_is_counted_and_too_much_of_it_refused),
	  TEST_ENTRY(a_node_that_is_not_there_is_named),
	  TEST_ENTRY(huge_pages_come_from_the_pool_or_are_refused))

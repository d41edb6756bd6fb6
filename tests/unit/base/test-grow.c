/* SPDX-License-Identifier: Apache-2.0 */
#include "base/grow.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/test.h"

TEST(there_is_room_for_one_more_at_every_count)
{
	og_auto_free uint64_t *numbers = NULL;

	for (size_t count = 0; count < 3000; count++) {
		CHECK_EQ(og_grow(numbers, count), 0);
		CHECK(malloc_usable_size(numbers) >= (count + 1) * sizeof(*numbers));
		numbers[count] = count;
	}
	for (size_t i = 0; i < 3000; i++)
		CHECK_EQ(numbers[i], i);
}

TEST(room_is_kept_where_an_array_became_shorter)
{
	og_auto_free uint8_t *bytes = NULL;

	for (size_t count = 0; count < 100; count++)
		CHECK_EQ(og_grow(bytes, count), 0);
	for (size_t count = 0; count < 100; count++) {
		CHECK_EQ(og_grow(bytes, count), 0);
		CHECK(malloc_usable_size(bytes) > count);
	}
}

TEST(what_cannot_grow_stays_as_it_was)
{
	og_auto_free uint8_t *bytes = NULL;
	uint8_t *before;

	CHECK_EQ(og_grow(bytes, 0), 0);
	before = bytes;
	CHECK_EQ(og_grow_bytes(&bytes, 8, SIZE_MAX / 4), -ENOMEM);
	CHECK(bytes == before);
}

TEST_MAIN(TEST_ENTRY(there_is_room_for_one_more_at_every_count),
	  TEST_ENTRY(room_is_kept_where_an_array_became_shorter),
	  TEST_ENTRY(what_cannot_grow_stays_as_it_was))

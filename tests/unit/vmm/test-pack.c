/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/test.h"
#include "vmm/snapshot/pack.h"

TEST(what_was_packed_is_unpacked_in_order)
{
	uint8_t buf[64], bytes[3];
	struct og_unpack unpack, part;
	struct og_pack pack;
	size_t opened;

	og_pack_init(&pack, buf, sizeof(buf));
	og_pack_u8(&pack, 0x12);
	og_pack_u16(&pack, 0x3456);
	opened = og_pack_open(&pack);
	og_pack_u64(&pack, 0x123456789abcdef0);
	og_pack_bytes(&pack, "abc", 3);
	og_pack_close(&pack, opened);
	og_pack_u32(&pack, 77);
	CHECK(!pack.failed);
	CHECK_EQ(pack.len, 22);
	CHECK_EQ(buf[1], 0x56); /* little endian */

	og_unpack_init(&unpack, buf, pack.len);
	CHECK_EQ(og_unpack_u8(&unpack), 0x12);
	CHECK_EQ(og_unpack_u16(&unpack), 0x3456);
	part = og_unpack_part(&unpack);
	CHECK_EQ(og_unpack_u64(&part), 0x123456789abcdef0);
	og_unpack_bytes(&part, bytes, 3);
	CHECK(memcmp(bytes, "abc", 3) == 0);
	CHECK(og_unpack_done(&part));
	CHECK(!og_unpack_done(&unpack));
	CHECK_EQ(og_unpack_u32(&unpack), 77);
	CHECK(og_unpack_done(&unpack));
}

TEST(running_over_the_end_is_remembered_and_touches_nothing)
{
	uint8_t buf[6] = { 0, 0, 0, 0, 0, 0xaa }, out[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct og_unpack unpack;
	struct og_pack pack;

	og_pack_init(&pack, buf, 5);
	og_pack_u32(&pack, 1);
	og_pack_u16(&pack, 0xffff);
	og_pack_u8(&pack, 0xff);
	CHECK(pack.failed);
	CHECK_EQ(pack.len, 4);
	CHECK_EQ(buf[4], 0);
	CHECK_EQ(buf[5], 0xaa);

	og_unpack_init(&unpack, buf, 5);
	og_unpack_bytes(&unpack, out, 8);
	CHECK_EQ(out[0], 0);
	CHECK_EQ(out[7], 0);
	CHECK_EQ(og_unpack_u8(&unpack), 0);
	CHECK(!og_unpack_done(&unpack));
}

TEST(a_part_that_lies_about_its_length_is_refused)
{
	static const uint8_t lies[] = { 5, 0, 0, 0, 1, 2, 3, 4 };
	static const uint8_t no_bool[] = { 2 };
	struct og_unpack unpack, part;

	og_unpack_init(&unpack, lies, sizeof(lies));
	part = og_unpack_part(&unpack);
	CHECK(part.failed);
	CHECK(unpack.failed);
	CHECK_EQ(og_unpack_u8(&part), 0);

	og_unpack_init(&unpack, no_bool, sizeof(no_bool));
	(void)og_unpack_bool(&unpack);
	CHECK(unpack.failed);
}

TEST_MAIN(TEST_ENTRY(what_was_packed_is_unpacked_in_order),
	  TEST_ENTRY(running_over_the_end_is_remembered_and_touches_nothing),
	  TEST_ENTRY(a_part_that_lies_about_its_length_is_refused))

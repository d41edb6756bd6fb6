/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/message.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

struct message {
	_Alignas(8) uint8_t bytes[512];
	size_t len;
};

static void add(struct message *message, const void *bytes, size_t len)
{
	memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

/* A header of @opcode, then what add() adds; its length is set by judge(). */
static struct message begin(uint32_t opcode)
{
	struct fuse_in_header header = { .opcode = opcode, .unique = 7, .nodeid = 1 };
	struct message message = {};

	add(&message, &header, sizeof(header));
	return message;
}

static int judge(struct message *message, struct og_fuse_request *request)
{
	uint32_t len = (uint32_t)message->len;

	memcpy(message->bytes, &len, sizeof(len));
	return og_fuse_parse(message->bytes, message->len, request);
}

TEST(a_request_is_taken_apart)
{
	struct message m = begin(FUSE_RENAME2);
	struct fuse_rename2_in in = { .newdir = 9, .flags = 1 };
	struct og_fuse_request request;

	add(&m, &in, sizeof(in));
	add(&m, "from\0to", 8);
	CHECK_EQ(judge(&m, &request), 0);
	CHECK_EQ(request.header.unique, 7);
	CHECK_EQ(((const struct fuse_rename2_in *)request.arg)->newdir, 9);
	CHECK(strcmp(request.names[0], "from") == 0 && strcmp(request.names[1], "to") == 0);
	CHECK(request.answered);
	CHECK_EQ(request.data_bytes, 0);
}

TEST(every_cut_of_a_request_is_refused)
{
	struct message m = begin(FUSE_CREATE);
	struct fuse_create_in in = {};
	struct og_fuse_request request;

	add(&m, &in, sizeof(in));
	add(&m, "name", 5);
	CHECK_EQ(judge(&m, &request), 0);
	while (m.len-- > sizeof(struct fuse_in_header))
		CHECK_EQ(judge(&m, &request), -EINVAL);
	m.len = sizeof(struct fuse_in_header) - 1;
	CHECK_EQ(judge(&m, &request), -EPROTO);
	CHECK_EQ(og_fuse_parse(m.bytes, 0, &request), -EPROTO);
}

TEST(names_lead_nowhere)
{
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "../x", "a/", "/a" };
	static const char *const good[] = { "...", "..a", ".a", "a", "\xff\xfe", " ", "a\nb" };
	char name[300] = {};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_fuse_check_name(bad[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_EQ(og_fuse_check_name(good[i]), 0);
	memset(name, 'n', 255);
	CHECK_EQ(og_fuse_check_name(name), 0);
	name[255] = 'n';
	CHECK_EQ(og_fuse_check_name(name), -ENAMETOOLONG);
}

TEST(a_symbolic_link_may_say_anything)
{
	struct message m = begin(FUSE_SYMLINK);
	struct og_fuse_request request;

	add(&m, "name\0../../etc/passwd", 22);
	CHECK_EQ(judge(&m, &request), 0);
	CHECK(strcmp(request.names[1], "../../etc/passwd") == 0);
	m = begin(FUSE_SYMLINK);
	add(&m, "../name\0x", 10);
	CHECK_EQ(judge(&m, &request), -EINVAL);
}

TEST(lengths_have_to_agree)
{
	struct message m = begin(FUSE_WRITE);
	struct fuse_write_in in = { .size = 4 };
	struct fuse_batch_forget_in forget = { .count = 2 };
	struct fuse_forget_one one = { 5, 1 };
	struct og_fuse_request request;

	add(&m, &in, sizeof(in));
	add(&m, "data", 4);
	CHECK_EQ(judge(&m, &request), 0);
	CHECK_EQ(request.data_bytes, 4);
	add(&m, "x", 1);
	CHECK_EQ(judge(&m, &request), -EINVAL);

	m = begin(FUSE_BATCH_FORGET);
	add(&m, &forget, sizeof(forget));
	add(&m, &one, sizeof(one));
	CHECK_EQ(judge(&m, &request), -EINVAL);
	add(&m, &one, sizeof(one));
	CHECK_EQ(judge(&m, &request), 0);
	CHECK(!request.answered);
	/* What the header says of the whole has to be true, too. */
	CHECK_EQ(og_fuse_parse(m.bytes, m.len - 1, &request), -EINVAL);
}

TEST(what_is_not_served_is_said_so_and_can_be_answered)
{
	struct message m = begin(FUSE_IOCTL);
	struct og_fuse_request request;

	CHECK_EQ(judge(&m, &request), -ENOSYS);
	CHECK_EQ(request.header.unique, 7);
	CHECK(request.answered);
}

TEST(versions_that_are_too_old_are_refused)
{
	struct fuse_init_in in = {
		.major = 7, .minor = 31, .max_readahead = 1 << 30, .flags = UINT32_MAX
	};
	struct fuse_init_out out;

	CHECK_EQ(og_fuse_answer_init(&in, &out), 0);
	CHECK_EQ(out.minor, 31);
	CHECK_EQ(out.max_write, OG_FUSE_DATA_MAX);
	CHECK_EQ(out.max_readahead, OG_FUSE_DATA_MAX);
	CHECK_EQ(out.flags & (FUSE_EXPORT_SUPPORT | FUSE_POSIX_LOCKS | FUSE_SECURITY_CTX), 0);
	in.minor = 30;
	CHECK_EQ(og_fuse_answer_init(&in, &out), -EPROTO);
	in = (struct fuse_init_in){ .major = 8, .minor = 31 };
	CHECK_EQ(og_fuse_answer_init(&in, &out), -EPROTO);
}

TEST(entries_fill_the_room_and_no_more)
{
	_Alignas(8) uint8_t buf[128];
	struct fuse_dirent entry = { .ino = 3, .off = 4 };
	size_t used = 0, now;

	memset(buf, 0xee, sizeof(buf));
	while ((now = og_fuse_put_entry(buf, used, 100, NULL, &entry, "name")) > 0)
		used = now;
	CHECK_EQ(used, 96);
	CHECK_EQ(buf[96], 0xee);
	CHECK_EQ(buf[28], 0); /* what pads is zeros */
	CHECK_EQ(og_fuse_put_entry(buf, 101, 100, NULL, &entry, "name"), 0);
}

TEST_MAIN(TEST_ENTRY(a_request_is_taken_apart), TEST_ENTRY(every_cut_of_a_request_is_refused),
	  TEST_ENTRY(names_lead_nowhere), TEST_ENTRY(a_symbolic_link_may_say_anything),
	  TEST_ENTRY(lengths_have_to_agree),
	  TEST_ENTRY(what_is_not_served_is_said_so_and_can_be_answered),
	  TEST_ENTRY(versions_that_are_too_old_are_refused),
	  TEST_ENTRY(entries_fill_the_room_and_no_more))

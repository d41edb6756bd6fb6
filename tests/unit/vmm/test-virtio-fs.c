/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_fs.h"

#include <linux/fuse.h>
#include <sys/socket.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/fs/server.h"
#include "vmm/jail.h"

#define IN_GPA	DATA_GPA
#define OUT_GPA (DATA_GPA + 0x10000U)
#define ROOM	4096U

/* The device, and the test in the server's place. */
struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_metrics metrics;
	int server_fd;
	uint16_t next;
};

static void begin(struct machine *m)
{
	struct og_fs_config config = { .tag = "share" };
	int fds[2];

	*m = (struct machine){};
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	config.socket_fd = fds[0];
	m->server_fd = fds[1];
	driver_init(&m->d, 64);
	CHECK_EQ(og_virtio_fs_new(&config,
				  &(struct og_device_world){ .mem = &m->d.mem,
							     .metrics = &m->metrics },
				  &m->virtio, NULL),
		 0);
	driver_bring_up(&m->d, m->virtio, 0);
}

static void end(struct machine *m)
{
	(void)og_virtio_free(m->virtio);
	og_close(m->server_fd);
	driver_done(&m->d);
}

/* Sends a request of @opcode on queue @q, with @room for its answer. */
static void ask(struct machine *m, unsigned q, uint32_t opcode, uint64_t unique, uint32_t room)
{
	uint16_t head = (uint16_t)(m->next++ * 2 % 64);
	uint32_t in = IN_GPA + head * 64U, out = OUT_GPA + head * ROOM / 2;
	struct fuse_in_header header = { .len = sizeof(header),
					 .opcode = opcode,
					 .unique = unique };

	memcpy(m->d.ram + in, &header, sizeof(header));
	driver_desc(&m->d, q, head, in, sizeof(header), room > 0 ? VRING_DESC_F_NEXT : 0,
		    (uint16_t)(head + 1));
	driver_desc(&m->d, q, (uint16_t)(head + 1), out, room, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, q, head);
	og_virtio_work(m->virtio);
}

/* What the server gets; its number, or 0 for nothing. */
static uint64_t hear(struct machine *m)
{
	struct {
		struct og_fs_envelope envelope;
		struct fuse_in_header header;
	} message;

	if (recv(m->server_fd, &message, sizeof(message), MSG_DONTWAIT) != sizeof(message))
		return 0;
	return message.header.unique;
}

static void answer(struct machine *m, uint64_t unique, uint32_t bytes)
{
	uint8_t message[ROOM] = {};
	struct fuse_out_header out = { .len = bytes, .unique = unique };

	memcpy(message, &out, sizeof(out));
	CHECK_EQ(send(m->server_fd, message, bytes, 0), bytes);
	og_virtio_work(m->virtio);
}

static struct fuse_out_header answered(struct machine *m, uint16_t nth)
{
	struct vring_used_elem elem = driver_answer(&m->d, 1, nth);
	struct fuse_out_header out;

	memcpy(&out, m->d.ram + OUT_GPA + elem.id * ROOM / 2, sizeof(out));
	return out;
}

TEST(the_driver_reads_the_tag)
{
	struct machine m;
	char tag[5];

	begin(&m);
	for (unsigned i = 0; i < sizeof(tag); i++)
		tag[i] = (char)og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + i, 1);
	CHECK(memcmp(tag, "share", 5) == 0);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + 36, 4), 1);
	end(&m);
}

TEST(answers_come_to_the_requests_in_their_order)
{
	struct machine m;

	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 11, 512);
	ask(&m, 1, FUSE_GETATTR, 12, 512);
	CHECK_EQ(hear(&m), 11);
	CHECK_EQ(hear(&m), 12);
	CHECK_EQ(driver_used(&m.d, 1), 0);
	answer(&m, 11, 100);
	CHECK_EQ(driver_used(&m.d, 1), 1);
	CHECK_EQ(driver_answer(&m.d, 1, 0).len, 100);
	answer(&m, 12, 16);
	CHECK_EQ(answered(&m, 0).unique, 11);
	CHECK_EQ(answered(&m, 1).unique, 12);
	CHECK(is_signalled(m.virtio->interrupt_fd));
	end(&m);
}

TEST(a_forget_is_not_answered)
{
	struct machine m;

	begin(&m);
	ask(&m, 0, FUSE_FORGET, 5, 0);
	CHECK_EQ(hear(&m), 5);
	CHECK_EQ(driver_used(&m.d, 0), 1);
	end(&m);
}

TEST(more_wait_in_the_queue)
{
	struct machine m;

	begin(&m);
	for (uint64_t i = 1; i <= OG_FS_IN_FLIGHT_MAX + 3; i++)
		ask(&m, 1, FUSE_GETATTR, i, 512);
	for (uint64_t i = 1; i <= OG_FS_IN_FLIGHT_MAX; i++)
		CHECK_EQ(hear(&m), i);
	CHECK_EQ(hear(&m), 0);
	answer(&m, 1, 16);
	CHECK_EQ(hear(&m), OG_FS_IN_FLIGHT_MAX + 1);
	end(&m);
}

TEST(a_server_that_ends_leaves_errors)
{
	struct machine m;

	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 21, 512);
	ask(&m, 1, FUSE_GETATTR, 22, 512);
	m.server_fd = og_close(m.server_fd);
	og_virtio_work(m.virtio);
	CHECK_EQ(driver_used(&m.d, 1), 2);
	CHECK_EQ(answered(&m, 0).error, -EIO);
	CHECK_EQ(answered(&m, 1).unique, 22);
	ask(&m, 1, FUSE_GETATTR, 23, 512);
	CHECK_EQ(answered(&m, 2).error, -ENOTCONN);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(a_server_that_says_too_much_or_too_little_is_believed_no_more)
{
	for (uint32_t bytes = 8; bytes <= 600; bytes += 592) {
		struct machine m;

		begin(&m);
		memset(m.d.ram + OUT_GPA + 512, 0xee, 100);
		ask(&m, 1, FUSE_GETATTR, 31, 512);
		answer(&m, 31, bytes);
		CHECK_EQ(answered(&m, 0).error, -EIO);
		CHECK_EQ(m.d.ram[OUT_GPA + 512], 0xee);
		end(&m);
	}
}

TEST(answers_from_before_a_reset_go_nowhere)
{
	struct machine m;

	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 41, 512);
	driver_bring_up(&m.d, m.virtio, 0);
	memset(m.d.ram + OUT_GPA, 0xee, 512);
	m.next = 0;
	ask(&m, 1, FUSE_GETATTR, 42, 512);
	answer(&m, 41, 64);
	CHECK_EQ(driver_used(&m.d, 1), 0);
	CHECK_EQ(m.d.ram[OUT_GPA], 0xee);
	answer(&m, 42, 16);
	CHECK_EQ(answered(&m, 0).unique, 42);
	end(&m);
}

/* The I/O thread, which drops them, has few system calls left. */
TEST(a_confined_thread_drops_answers_from_before_a_reset)
{
	struct machine m;
	int status = -1;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* it makes system calls of its own */
#endif
	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 43, 512);
	driver_bring_up(&m.d, m.virtio, 0);
	CHECK_EQ(send(m.server_fd, "an answer", 9, 0), 9);
	pid = fork();
	if (pid == 0) {
		if (og_jail_prepare(NULL) < 0 || og_jail_io(0, NULL) < 0)
			_exit(99);
		og_virtio_work(m.virtio);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	end(&m);
}

TEST(a_request_without_room_for_a_header_breaks_the_rules)
{
	struct machine m;

	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 51, 8);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(a_folder_that_is_mounted_has_no_snapshot)
{
	uint8_t buf[4096];
	struct og_pack pack;
	struct og_err err = {};
	struct machine m;

	begin(&m);
	og_pack_init(&pack, buf, sizeof(buf));
	CHECK_EQ(og_virtio_save(m.virtio, &pack, &err), 0);
	ask(&m, 1, FUSE_INIT, 61, 512);
	answer(&m, 61, 80);
	og_pack_init(&pack, buf, sizeof(buf));
	CHECK_EQ(og_virtio_save(m.virtio, &pack, &err), -EBUSY);
	CHECK(strstr(err.text, "'share'") != NULL);
	ask(&m, 1, FUSE_DESTROY, 62, 512);
	answer(&m, 62, 16);
	og_pack_init(&pack, buf, sizeof(buf));
	CHECK_EQ(og_virtio_save(m.virtio, &pack, &err), 0);
	end(&m);
}

/* Its driver went without a word, as one does whose kernel starts another. */
TEST(after_a_reset_nothing_is_mounted)
{
	uint8_t buf[4096];
	struct og_pack pack;
	struct machine m;

	begin(&m);
	ask(&m, 1, FUSE_INIT, 63, 512);
	answer(&m, 63, 80);
	driver_bring_up(&m.d, m.virtio, 0);
	og_pack_init(&pack, buf, sizeof(buf));
	CHECK_EQ(og_virtio_save(m.virtio, &pack, NULL), 0);
	end(&m);
}

TEST(a_pause_waits_for_what_is_under_way)
{
	struct machine m;
	struct fuse_out_header out = { .len = sizeof(out), .unique = 71 };

	begin(&m);
	ask(&m, 1, FUSE_GETATTR, 71, 512);
	CHECK_EQ(send(m.server_fd, &out, sizeof(out), 0), sizeof(out));
	og_virtio_stop(m.virtio);
	CHECK_EQ(driver_used(&m.d, 1), 1);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(the_driver_reads_the_tag),
	  TEST_ENTRY(answers_come_to_the_requests_in_their_order),
	  TEST_ENTRY(a_forget_is_not_answered), TEST_ENTRY(more_wait_in_the_queue),
	  TEST_ENTRY(a_server_that_ends_leaves_errors),
	  TEST_ENTRY(a_server_that_says_too_much_or_too_little_is_believed_no_more),
	  TEST_ENTRY(answers_from_before_a_reset_go_nowhere),
	  TEST_ENTRY(a_confined_thread_drops_answers_from_before_a_reset),
	  TEST_ENTRY(a_request_without_room_for_a_header_breaks_the_rules),
	  TEST_ENTRY(a_folder_that_is_mounted_has_no_snapshot),
	  TEST_ENTRY(after_a_reset_nothing_is_mounted),
	  TEST_ENTRY(a_pause_waits_for_what_is_under_way))

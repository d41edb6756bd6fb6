/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/virtio_console.h"

#define SIZE 64

enum {
	IN,
	OUT,
	CONTROL_IN,
	CONTROL_OUT
};

struct machine {
	struct driver d;
	struct og_virtio *console;
	int fd; /* the host's end */
	int device_fd;
};

static const struct og_virtio_console *console_of(const struct machine *m)
{
	return m->console->device;
}

static void begin(struct machine *m, uint64_t features)
{
	int fds[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	m->fd = fds[0];
	m->device_fd = fds[1];
	driver_init(&m->d, SIZE);
	CHECK_OK(og_virtio_console_new(
		&(struct og_console_config){ .fd = fds[1], .name = "a.name" },
		&(struct og_device_world){ .mem = &m->d.mem }, &m->console, NULL));
	driver_bring_up(&m->d, m->console, features);
}

static void end(struct machine *m)
{
	(void)og_virtio_free(m->console);
	og_close(m->fd);
	og_close(m->device_fd);
	driver_done(&m->d);
}

static void work(struct machine *m)
{
	og_virtio_work(m->console);
}

static void tell(struct machine *m, uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control message = { .id = id, .event = event, .value = value };

	memcpy(m->d.ram + DATA_GPA, &message, sizeof(message));
	driver_desc(&m->d, CONTROL_OUT, 0, DATA_GPA, sizeof(message), 0, 0);
	driver_offer(&m->d, CONTROL_OUT, 0);
	work(m);
}

/* Offers a room for a control message and returns where it will be. */
static uint32_t listen_at(struct machine *m, uint16_t slot)
{
	uint32_t gpa = DATA_GPA + 0x1000 + 64U * slot;

	driver_desc(&m->d, CONTROL_IN, slot, gpa, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, CONTROL_IN, slot);
	return gpa;
}

static struct virtio_console_control heard(const struct machine *m, uint32_t gpa)
{
	struct virtio_console_control message;

	memcpy(&message, m->d.ram + gpa, sizeof(message));
	return message;
}

static void open_port(struct machine *m)
{
	for (uint16_t i = 0; i < 4; i++)
		(void)listen_at(m, i);
	tell(m, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	tell(m, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	tell(m, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void offer_out(struct machine *m, uint16_t slot, uint32_t gpa, uint32_t bytes)
{
	driver_desc(&m->d, OUT, slot, gpa, bytes, 0, 0);
	driver_offer(&m->d, OUT, slot);
}

static void offer_in(struct machine *m, uint16_t slot, uint32_t gpa, uint32_t bytes)
{
	driver_desc(&m->d, IN, slot, gpa, bytes, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, IN, slot);
}

#define PORTS (1ULL << VIRTIO_CONSOLE_F_MULTIPORT)

TEST(the_port_is_added_named_and_opened)
{
	static struct machine m;
	uint32_t at[3];

	begin(&m, PORTS);
	for (uint16_t i = 0; i < 3; i++)
		at[i] = listen_at(&m, i);
	tell(&m, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	CHECK_EQ(driver_used(&m.d, CONTROL_IN), 1);
	CHECK_EQ(heard(&m, at[0]).event, VIRTIO_CONSOLE_PORT_ADD);
	tell(&m, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	CHECK_EQ(driver_used(&m.d, CONTROL_IN), 3);
	CHECK_EQ(heard(&m, at[1]).event, VIRTIO_CONSOLE_PORT_NAME);
	CHECK_EQ(driver_answer(&m.d, CONTROL_IN, 1).len, sizeof(struct virtio_console_control) + 6);
	CHECK(memcmp(m.d.ram + at[1] + sizeof(struct virtio_console_control), "a.name", 6) == 0);
	CHECK_EQ(heard(&m, at[2]).event, VIRTIO_CONSOLE_PORT_OPEN);
	CHECK_EQ(heard(&m, at[2]).value, 1);
	end(&m);
}

/* A77 */
TEST(a_flood_of_control_messages_stores_nothing)
{
	static struct machine m;

	begin(&m, PORTS);
	for (unsigned i = 0; i < 20000; i++)
		tell(&m, i, (uint16_t)i, (uint16_t)(i >> 3));
	CHECK_EQ(driver_used(&m.d, CONTROL_IN), 0); /* nowhere to answer */
	CHECK_EQ(driver_used(&m.d, CONTROL_OUT), 20000);
	for (uint16_t i = 0; i < 4; i++)
		(void)listen_at(&m, i);
	work(&m);
	CHECK(driver_used(&m.d, CONTROL_IN) <= 3);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(short_and_empty_messages_do_no_harm)
{
	static struct machine m;

	begin(&m, PORTS);
	for (uint32_t len = 0; len < 9; len++) {
		driver_desc(&m.d, CONTROL_OUT, 0, RAM_BYTES - len, len, 0, 0);
		driver_offer(&m.d, CONTROL_OUT, 0);
		driver_desc(&m.d, CONTROL_IN, (uint16_t)len, RAM_BYTES - len, len,
			    VRING_DESC_F_WRITE, 0);
		driver_offer(&m.d, CONTROL_IN, (uint16_t)len);
	}
	tell(&m, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	tell(&m, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	CHECK_EQ(driver_used(&m.d, CONTROL_OUT), 11);
	CHECK_EQ(driver_used(&m.d, CONTROL_IN), 3);
	end(&m);
}

TEST(bytes_go_both_ways)
{
	static struct machine m;
	char buf[64];

	begin(&m, PORTS);
	open_port(&m);
	memcpy(m.d.ram + DATA_GPA + 0x4000, "hello host", 10);
	offer_out(&m, 0, DATA_GPA + 0x4000, 6);
	offer_out(&m, 1, DATA_GPA + 0x4006, 4);
	work(&m);
	CHECK_EQ(driver_used(&m.d, OUT), 2);
	CHECK_EQ(read(m.fd, buf, sizeof(buf)), 10);
	CHECK(memcmp(buf, "hello host", 10) == 0);

	offer_in(&m, 0, DATA_GPA + 0x5000, 4);
	offer_in(&m, 1, DATA_GPA + 0x6000, 64);
	CHECK_EQ(write(m.fd, "hello guest", 11), 11);
	og_virtio_console_ready(m.console->device, true, false);
	CHECK_EQ(driver_used(&m.d, IN), 2);
	CHECK_EQ(driver_answer(&m.d, IN, 0).len, 4);
	CHECK_EQ(driver_answer(&m.d, IN, 1).len, 7);
	CHECK(memcmp(m.d.ram + DATA_GPA + 0x6000, "o guest", 7) == 0);
	end(&m);
}

TEST(before_the_guest_opens_the_port_input_waits)
{
	static struct machine m;

	begin(&m, PORTS);
	offer_in(&m, 0, DATA_GPA + 0x5000, 64);
	CHECK_EQ(write(m.fd, "early", 5), 5);
	og_virtio_console_ready(m.console->device, true, false);
	CHECK_EQ(driver_used(&m.d, IN), 0);
	open_port(&m);
	CHECK_EQ(driver_used(&m.d, IN), 1);
	end(&m);
}

/* What the host does not read stays in the guest's own buffers; nothing is lost or doubled. */
TEST(a_host_that_does_not_read_holds_the_guest_back)
{
	static struct machine m;
	const uint32_t piece = 32768, pieces = 24;
	uint64_t seen = 0;
	uint8_t *buf = malloc(piece);

	CHECK(buf != NULL);
	begin(&m, PORTS);
	open_port(&m);
	for (uint32_t i = 0; i < pieces; i++) {
		memset(m.d.ram + DATA_GPA + 0x4000 + i * piece, (int)i + 1, piece);
		offer_out(&m, (uint16_t)i, DATA_GPA + 0x4000 + i * piece, piece);
	}
	work(&m);
	CHECK(driver_used(&m.d, OUT) < pieces);
	while (seen < (uint64_t)pieces * piece) {
		ssize_t got = read(m.fd, buf, piece - 1);

		CHECK(got > 0);
		for (ssize_t i = 0; i < got; i++, seen++)
			CHECK_EQ(buf[i], seen / piece + 1);
		og_virtio_console_ready(m.console->device, false, true);
	}
	CHECK_EQ(driver_used(&m.d, OUT), pieces);
	CHECK_EQ(recv(m.fd, buf, 1, MSG_DONTWAIT), -1);
	free(buf);
	end(&m);
}

/* A79: part of a request is in the socket, and then the driver makes it shorter than that. */
TEST(a_request_that_shrinks_under_way_is_finished)
{
	static struct machine m;
	uint8_t buf[4096];

	begin(&m, PORTS);
	open_port(&m);
	offer_out(&m, 0, DATA_GPA, RAM_BYTES - DATA_GPA);
	work(&m);
	CHECK_EQ(driver_used(&m.d, OUT), 0);
	CHECK(console_of(&m)->sent > 1);
	driver_desc(&m.d, OUT, 0, DATA_GPA, 1, 0, 0);
	while (recv(m.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	og_virtio_console_ready(m.console->device, false, true);
	CHECK_EQ(driver_used(&m.d, OUT), 1);
	CHECK_EQ(console_of(&m)->sent, 0);
	CHECK(console_of(&m)->can_write);
	end(&m);
}

TEST(a_host_that_hangs_up_closes_the_port_and_eats_output)
{
	static struct machine m;
	uint32_t at;

	begin(&m, PORTS);
	open_port(&m); /* three of four rooms are used up */
	at = DATA_GPA + 0x1000 + 64U * 3;
	m.fd = og_close(m.fd);
	offer_in(&m, 0, DATA_GPA + 0x5000, 64);
	og_virtio_console_ready(m.console->device, true, true);
	CHECK_EQ(heard(&m, at).event, VIRTIO_CONSOLE_PORT_OPEN);
	CHECK_EQ(heard(&m, at).value, 0);
	for (uint16_t i = 0; i < 8; i++)
		offer_out(&m, i, DATA_GPA, 65536);
	work(&m);
	CHECK_EQ(driver_used(&m.d, OUT), 8);
	end(&m);
}

static void open_again(struct machine *m, struct machine *other)
{
	static uint8_t buf[65536];
	struct og_pack pack;
	struct og_unpack unpack;
	int fds[2];

	og_pack_init(&pack, buf, sizeof(buf));
	CHECK_OK(og_virtio_save(m->console, &pack, NULL));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	*other = *m;
	other->fd = fds[0];
	other->device_fd = fds[1];
	CHECK_OK(og_virtio_console_new(
		&(struct og_console_config){ .fd = fds[1], .name = "a.name" },
		&(struct og_device_world){ .mem = &m->d.mem }, &other->console, NULL));
	og_unpack_init(&unpack, buf, pack.len);
	CHECK_OK(og_virtio_load(other->console, &unpack, NULL));
	if (other->console->ops->resumed != NULL)
		other->console->ops->resumed(other->console);
	work(other);
}

/* Where the host had hung up before, the guest's programs wait until they hear that it is back. */
TEST(a_restored_guest_hears_that_the_port_is_open)
{
	static struct machine m, other;
	uint32_t at;

	begin(&m, PORTS);
	open_port(&m);
	m.fd = og_close(m.fd);
	offer_in(&m, 0, DATA_GPA + 0x5000, 64);
	og_virtio_console_ready(m.console->device, true, true);
	at = listen_at(&m, 4);
	open_again(&m, &other);
	CHECK_EQ(heard(&m, at).event, VIRTIO_CONSOLE_PORT_OPEN);
	CHECK_EQ(heard(&m, at).value, 1);
	og_close(other.fd);
	og_close(other.device_fd);
	(void)og_virtio_free(other.console);
	end(&m);
}

static void *read_to_the_end(void *arg)
{
	struct machine *m = arg;
	static uint8_t buf[65536];
	uint64_t *total = calloc(1, sizeof(*total));
	ssize_t got;

	CHECK(total != NULL);
	while ((got = read(m->fd, buf, sizeof(buf))) > 0)
		*total += (uint64_t)got;
	return total;
}

/* Offers @bytes of output so often, drains, and returns what came out. */
static uint64_t drained(struct machine *m, uint32_t bytes, uint16_t times)
{
	pthread_t reader;
	void *total;
	uint64_t out;

	for (uint16_t i = 0; i < times; i++)
		offer_out(m, i, DATA_GPA, bytes);
	work(m);
	CHECK_OK(pthread_create(&reader, NULL, read_to_the_end, m));
	m->console->ops->drain(m->console);
	CHECK_OK(shutdown(m->device_fd, SHUT_WR));
	CHECK_OK(pthread_join(reader, &total));
	out = *(uint64_t *)total;
	free(total);
	return out;
}

TEST(what_a_guest_wrote_before_it_stopped_is_delivered)
{
	static struct machine m;

	begin(&m, PORTS);
	open_port(&m);
	CHECK_EQ(drained(&m, 700000, 5), 5 * 700000);
	CHECK_EQ(driver_used(&m.d, OUT), 5);
	end(&m);
}

TEST(a_stopped_guest_cannot_keep_the_device_for_ever)
{
	static struct machine m;

	begin(&m, PORTS);
	open_port(&m);
	/* Each chain names the same memory again and again. */
	for (uint16_t i = 1; i < SIZE; i++)
		driver_desc(&m.d, OUT, i, DATA_GPA, RAM_BYTES - DATA_GPA, VRING_DESC_F_NEXT,
			    (uint16_t)(i + 1));
	driver_desc(&m.d, OUT, SIZE - 1, DATA_GPA, 1, 0, 0);
	for (uint16_t i = 1; i < SIZE; i++)
		driver_offer(&m.d, OUT, 1);
	CHECK(drained(&m, 1, 0) < 70U << 20);
	end(&m);
}

TEST(requests_of_the_wrong_direction_ask_for_a_reset)
{
	static struct machine m;

	begin(&m, PORTS);
	open_port(&m);
	driver_desc(&m.d, OUT, 0, DATA_GPA, 16, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, OUT, 0);
	work(&m);
	CHECK(driver_needs_reset(&m.d));
	end(&m);

	begin(&m, PORTS);
	open_port(&m);
	driver_desc(&m.d, IN, 0, DATA_GPA, 16, 0, 0);
	driver_offer(&m.d, IN, 0);
	CHECK_EQ(write(m.fd, "x", 1), 1);
	og_virtio_console_ready(m.console->device, true, false);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(without_ports_the_stream_is_open_at_once)
{
	static struct machine m;
	char buf[8];

	begin(&m, 0);
	memcpy(m.d.ram + DATA_GPA, "plain", 5);
	offer_out(&m, 0, DATA_GPA, 5);
	offer_in(&m, 0, DATA_GPA + 0x5000, 64);
	CHECK_EQ(write(m.fd, "in", 2), 2);
	work(&m);
	CHECK_EQ(read(m.fd, buf, sizeof(buf)), 5);
	CHECK_EQ(driver_used(&m.d, IN), 1);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(the_port_is_added_named_and_opened),
	  TEST_ENTRY(a_flood_of_control_messages_stores_nothing),
	  TEST_ENTRY(short_and_empty_messages_do_no_harm), TEST_ENTRY(bytes_go_both_ways),
	  TEST_ENTRY(before_the_guest_opens_the_port_input_waits),
	  TEST_ENTRY(a_host_that_does_not_read_holds_the_guest_back),
	  TEST_ENTRY(a_request_that_shrinks_under_way_is_finished),
	  TEST_ENTRY(a_host_that_hangs_up_closes_the_port_and_eats_output),
	  TEST_ENTRY(a_restored_guest_hears_that_the_port_is_open),
	  TEST_ENTRY(what_a_guest_wrote_before_it_stopped_is_delivered),
	  TEST_ENTRY(a_stopped_guest_cannot_keep_the_device_for_ever),
	  TEST_ENTRY(requests_of_the_wrong_direction_ask_for_a_reset),
	  TEST_ENTRY(without_ports_the_stream_is_open_at_once))

/* SPDX-License-Identifier: Apache-2.0 */
/* What devices of their own kind find when their machine goes on elsewhere: forked, or restored. */
#include <sys/un.h>

#include "machine.h"
#include "vmm/broker.h"
#include "vmm/fork.h"
#include "vmm/x86/kvm.h"

struct clone {
	int control_fd, out_fd;
};

static void give(struct og_fork_command *fork, int *fds, const char *id, int fd)
{
	struct og_fork_given *given = &fork->given[fork->n];

	*given = (struct og_fork_given){};
	memcpy(given->id, id, strlen(id));
	fds[fork->n++] = fd;
}

/* @fd: the clone's own for the device @id, or negative. It stays the caller's. */
static void fork_machine(struct machine *m, struct clone *clone, const char *id, int fd)
{
	struct og_command command = { .kind = OG_COMMAND_FORK,
				      .bytes = sizeof(struct og_fork_command) };
	struct og_fork_command fork = {};
	int fds[OG_COMMAND_FDS_MAX], ends[2];
	struct og_answer answer;
	struct og_err err = {};

	clone->out_fd = new_file("clone");
	CHECK_OK(og_control_pair(ends, NULL));
	give(&fork, fds, OG_FORK_CONTROL, ends[1]);
	give(&fork, fds, OG_FORK_KVM, og_kvm_open(NULL));
	give(&fork, fds, OG_FORK_SERIAL_OUT, clone->out_fd);
	if (fd >= 0)
		give(&fork, fds, id, fd);
	memcpy(command.body, &fork, sizeof(fork));
	if (og_control_call(m->process.control_fd, &command, fds, fork.n, &answer, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	og_close(ends[1]);
	og_close(fds[1]);
	if (og_control_wait(ends[0], &answer, &err) < 0)
		fprintf(stderr, "clone: %s\n", err.text);
	CHECK_EQ(err.code, 0);
	clone->control_fd = ends[0];
}

static void end_clone(struct clone *clone)
{
	clone->control_fd = og_close(clone->control_fd);
	clone->out_fd = og_close(clone->out_fd);
}

static int dial(const char *path, const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	CHECK_EQ(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	return fd;
}

/* A stream to the guest, past its OK. */
static int open_stream(const char *path)
{
	int fd = dial(path, "CONNECT 1000\n");
	char byte = 0;

	while (byte != '\n')
		CHECK_EQ(read(fd, &byte, 1), 1);
	return fd;
}

static void check_echo(int fd, const char *text)
{
	char got[32] = {};
	size_t len = strlen(text);

	CHECK_EQ(write(fd, text, len), (ssize_t)len);
	CHECK_EQ(recv(fd, got, len, MSG_WAITALL), (ssize_t)len);
	CHECK(strcmp(got, text) == 0);
}

static void check_says(int out_fd, const char *what)
{
	for (unsigned i = 0; i < 30000; i++) {
		size_t len;
		og_auto_free char *text = read_file(out_fd, &len);

		text[len] = 0;
		if (strstr(text, what) != NULL)
			return;
		(void)poll(NULL, 0, 1);
	}
	CHECK(false);
}

static void describe_vsock(struct machine *m, const char *word, int listen_fd)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = true;
	m->config.vsock =
		(struct og_vsock_config){ .present = true, .guest_cid = 3, .listen_fd = listen_fd };
	og_vmm_config_keep(&m->config, listen_fd);
}

/* The first's connections go on; the clone has none, is told so, and listens by itself. */
TEST(a_clone_has_its_own_vsock)
{
	int listeners[2], stream, other;
	struct machine m;
	struct clone clone;

	CHECK_OK(og_broker_listen("first.sock", &listeners[0], NULL));
	CHECK_OK(og_broker_listen("clone.sock", &listeners[1], NULL));
	describe_vsock(&m, "vsock", listeners[0]);
	start_machine(&m);
	check_says(m.out_fd, "listening");
	stream = open_stream("first.sock");
	check_echo(stream, "before");

	fork_machine(&m, &clone, "vsock", listeners[1]);
	check_echo(stream, "after");
	other = open_stream("clone.sock");
	check_echo(other, "the clone");
	og_close(other);
	og_close(dial("clone.sock", "CONNECT 99\n"));
	check_says(clone.out_fd, "event 0\n");
	check_echo(stream, "still");
	og_close(stream);
	og_close(dial("first.sock", "CONNECT 99\n"));
	check_says(m.out_fd, "event 99\n");

	end_clone(&clone);
	end_machine(&m);
	og_close_all(listeners, 2);
}

TEST(a_restored_guest_hears_that_its_connections_are_gone)
{
	int listener, stream, state, memory;
	struct og_snapshot_answer answer;
	struct machine m;

	CHECK_OK(og_broker_listen("first.sock", &listener, NULL));
	describe_vsock(&m, "vsock", listener);
	start_machine(&m);
	check_says(m.out_fd, "listening");
	stream = open_stream("first.sock");
	check_echo(stream, "before");
	tell(&m, OG_COMMAND_PAUSE);
	state = new_file("state");
	memory = new_file("memory");
	CHECK_OK(save(&m, state, memory, false, &answer, NULL));
	end_machine(&m);
	og_close(listener);
	og_close(stream);

	CHECK_OK(og_broker_listen("again.sock", &listener, NULL));
	describe_vsock(&m, "", listener);
	begin_from(&m, "state", "memory");
	start_machine(&m);
	tell(&m, OG_COMMAND_RESUME);
	stream = open_stream("again.sock");
	check_echo(stream, "after");
	og_close(stream);
	og_close(dial("again.sock", "CONNECT 99\n"));
	check_says(m.out_fd, "event 0\n");
	end_machine(&m);
	og_close(state);
	og_close(memory);
	og_close(listener);
}

static void describe_hotplug(struct machine *m, const char *word)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = true;
	m->config.hotplug = (struct og_hotplug_config){
		.total_mib = 256, .block_mib = 2, .slot_mib = 128, .requested_mib = 4
	};
}

TEST(a_clone_has_the_memory_that_was_plugged)
{
	struct machine m;
	struct clone clone;

	describe_hotplug(&m, "hotplug-count");
	start_machine(&m);
	hear(m.out_fd, 5);
	fork_machine(&m, &clone, NULL, -EBADF);
	hear(clone.out_fd, 20);
	hear(m.out_fd, 20);
	check_said(clone.out_fd, "broken", 0);
	check_said(m.out_fd, "broken", 0);
	end_clone(&clone);
	end_machine(&m);
}

static void save_and_end(struct machine *m, bool diff)
{
	struct og_snapshot_answer answer;
	int state = new_file("state");
	int memory = diff ? open("memory", O_RDWR | O_CLOEXEC) : new_file("memory");

	tell(m, OG_COMMAND_PAUSE);
	CHECK_OK(save(m, state, memory, diff, &answer, NULL));
	og_close(state);
	og_close(memory);
}

/* Written before, between and after: a full and then an incremental snapshot. */
TEST(plugged_memory_is_in_snapshots)
{
	struct machine m;
	off_t before;

	describe_hotplug(&m, "hotplug-count");
	m.config.track_dirty_pages = true;
	start_machine(&m);
	hear(m.out_fd, 5);
	save_and_end(&m, false);
	tell(&m, OG_COMMAND_RESUME);
	hear(m.out_fd, 5);
	save_and_end(&m, true);
	end_machine(&m);

	describe_hotplug(&m, "");
	begin_from(&m, "state", "memory");
	before = said(m.out_fd);
	start_machine(&m);
	tell(&m, OG_COMMAND_RESUME);
	hear_first(m.out_fd, before + 20);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

/* Behind the header and both addresses, one letter. */
#define FRAME_BYTES (12 + 14 + 46)

static void check_frame_returns(int fd, char letter)
{
	uint8_t frame[FRAME_BYTES] = {}, got[FRAME_BYTES + 1];
	struct timeval patience = { .tv_sec = 60 };

	memset(frame + 12, 0xff, 6);
	frame[12 + 6] = 2;
	frame[12 + 14] = (uint8_t)letter;
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	CHECK_EQ(send(fd, frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
	CHECK_EQ(recv(fd, got, sizeof(got), 0), FRAME_BYTES);
	CHECK_EQ(got[12 + 14], letter);
	CHECK_EQ(got[12], 2); /* it is for whoever sent the other */
}

static void make_cable(int fds[2])
{
	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	CHECK_OK(fcntl(fds[0], F_SETFL, 0));
}

static void describe_net(struct machine *m, const char *word, int fd)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = true;
	m->config.nets[0] =
		(struct og_net_config){ .id = "eth0", .tap_fd = fd, .mac = { 2, 0, 0, 0, 0, 9 } };
	m->config.n_nets = 1;
	og_vmm_config_keep(&m->config, fd);
}

TEST(a_clone_has_its_own_network)
{
	int first[2], second[2];
	struct machine m;
	struct clone clone;

	make_cable(first);
	make_cable(second);
	describe_net(&m, "net", first[1]);
	start_machine(&m);
	check_says(m.out_fd, "last byte of the address 9");
	check_frame_returns(first[0], 'a');
	fork_machine(&m, &clone, "eth0", second[1]);
	check_frame_returns(second[0], 'b');
	check_frame_returns(first[0], 'c');
	check_frame_returns(second[0], 'd');
	end_clone(&clone);
	end_machine(&m);
	og_close_all(first, 2);
	og_close_all(second, 2);
}

TEST(a_restored_network_card_goes_on)
{
	int first[2], second[2];
	struct machine m;

	make_cable(first);
	make_cable(second);
	describe_net(&m, "net", first[1]);
	start_machine(&m);
	check_says(m.out_fd, "last byte of the address 9");
	check_frame_returns(first[0], 'a');
	save_and_end(&m, false);
	end_machine(&m);
	describe_net(&m, "", second[1]);
	begin_from(&m, "state", "memory");
	start_machine(&m);
	tell(&m, OG_COMMAND_RESUME);
	check_frame_returns(second[0], 'b');
	check_frame_returns(second[0], 'c');
	end_machine(&m);
	og_close_all(first, 2);
	og_close_all(second, 2);
}

/* A guest that says a dot for each thing that went well: its clone and what is restored do, too. */
static void check_counting(void (*describe)(struct machine *m, const char *word), const char *word)
{
	struct machine m;
	struct clone clone;
	off_t before;

	describe(&m, word);
	start_machine(&m);
	hear(m.out_fd, 5);
	fork_machine(&m, &clone, NULL, -EBADF);
	hear(clone.out_fd, 20);
	hear(m.out_fd, 20);
	check_said(clone.out_fd, "broken", 0);
	end_clone(&clone);
	save_and_end(&m, false);
	end_machine(&m);

	describe(&m, "");
	begin_from(&m, "state", "memory");
	before = said(m.out_fd);
	start_machine(&m);
	tell(&m, OG_COMMAND_RESUME);
	hear_first(m.out_fd, before + 20);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

static void describe_pci(struct machine *m, const char *word)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = m->config.pci = true;
}

TEST(devices_on_a_pci_bus_go_on)
{
	check_counting(describe_pci, "pci-count");
}

static void describe_balloon(struct machine *m, const char *word)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = true;
	m->config.balloon = (struct og_balloon_config){ .present = true, .reporting = true };
}

TEST(a_balloon_goes_on)
{
	check_counting(describe_balloon, "balloon-count");
}

TEST_MAIN(TEST_ENTRY(a_clone_has_its_own_vsock),
	  TEST_ENTRY(a_restored_guest_hears_that_its_connections_are_gone),
	  TEST_ENTRY(a_clone_has_the_memory_that_was_plugged),
	  TEST_ENTRY(plugged_memory_is_in_snapshots), TEST_ENTRY(a_clone_has_its_own_network),
	  TEST_ENTRY(a_restored_network_card_goes_on), TEST_ENTRY(devices_on_a_pci_bus_go_on),
	  TEST_ENTRY(a_balloon_goes_on))

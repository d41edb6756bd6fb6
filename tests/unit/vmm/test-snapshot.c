/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/snapshot.h"

#include <linux/serial_reg.h>

#include "machine.h"
#include "pager.h"
#include "vmm/device/serial.h"
#include "vmm/snapshot/crc64.h"
#include "vmm/snapshot/format.h"
#include "vmm/x86/saved.h"

/* Runs @word until it has said something, and snapshots it into "state" and "memory". */
static void take(struct machine *m, const char *word, bool track)
{
	struct og_snapshot_answer answer;
	struct og_err err = {};
	og_auto_fd state = new_file("state"), memory = new_file("memory");

	need_guest();
	describe_machine(m, word, "out");
	give_disk(m, "disk");
	m->config.track_dirty_pages = track;
	start_machine(m);
	hear_first(m->out_fd, 5);
	tell(m, OG_COMMAND_PAUSE);
	if (save(m, state, memory, false, &answer, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	CHECK_EQ(answer.state_bytes, said(state));
	CHECK_EQ(said(memory), 32 << 20);
}

static void begin_clone(struct machine *m, const char *word, const char *out, const char *disk)
{
	describe_machine(m, word, out);
	give_disk(m, disk);
	begin_from(m, "state", "memory");
	start_machine(m);
}

TEST(a_restored_guest_goes_on_where_it_was)
{
	struct machine m, clone;

	take(&m, "pages", false);
	begin_clone(&clone, "pages", "out2", "disk");
	hear(clone.out_fd, 10);
	check_said(clone.out_fd, "broken", 1);
	end_machine(&clone);

	/* And the first one, too. */
	tell(&m, OG_COMMAND_RESUME);
	hear(m.out_fd, 10);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

TEST(devices_go_on_where_they_were)
{
	struct machine m, clone;

	take(&m, "devices", false);
	end_machine(&m);
	for (unsigned i = 0; i < 2; i++) {
		og_auto_fd disk = open("disk", O_RDONLY | O_CLOEXEC), copy = new_file("copy");

		copy_file(copy, disk);
		(void)unlink("out2");
		begin_clone(&clone, "devices", "out2", "copy");
		hear(clone.out_fd, 20);
		check_said(clone.out_fd, "broken", 1);
		check_said(clone.out_fd, "no entropy", 1);
		end_machine(&clone);
	}
}

/* The state file, with a serial port that is about to say that its transmitter is empty. */
static void expect_interrupt(void)
{
	og_auto_fd fd = open("state", O_RDWR | O_CLOEXEC);
	size_t len;
	og_auto_free uint8_t *bytes = read_file(fd, &len);
	struct og_snapshot snapshot;
	struct og_pack end;
	uint8_t *serial;

	CHECK_OK(og_snapshot_read(bytes, len, &snapshot, NULL));
	serial = (uint8_t *)(uintptr_t)og_snapshot_section(&snapshot, OG_SNAPSHOT_SERIAL, 0).at;
	serial[1] |= UART_IER_THRI;
	serial[8] = 1; /* sent */
	og_pack_init(&end, bytes + len - 8, 8);
	og_pack_u64(&end, og_crc64(0, bytes, len - 8));
	CHECK_EQ(pwrite(fd, bytes, len, 0), (ssize_t)len);
}

/* Whether the first interrupt controller of the paused machine has one of the serial port. */
static bool is_interrupting(struct machine *m)
{
	og_auto_fd state = new_file("state2"), memory = new_file("memory2");
	struct og_snapshot_answer answer;
	struct og_snapshot snapshot;
	struct og_unpack unpack;
	struct og_saved saved;
	struct kvm_irqchip chip;
	size_t len;
	og_auto_free void *bytes = NULL;

	CHECK_OK(save(m, state, memory, false, &answer, NULL));
	bytes = read_file(state, &len);
	CHECK_OK(og_snapshot_read(bytes, len, &snapshot, NULL));
	unpack = og_snapshot_section(&snapshot, OG_SNAPSHOT_KVM, 0);
	CHECK_OK(og_saved_read(&unpack, &saved, NULL));
	memcpy(&chip, saved.pieces[OG_SAVED_PIC_MASTER].bytes, sizeof(chip));
	return (chip.chip.pic.irr >> OG_SERIAL_GSI & 1) != 0;
}

/* One may have been on its way when the state was taken. KVM passes it on when it has time. */
TEST(a_restored_serial_port_interrupts_again)
{
	struct machine m, clone;
	bool seen = false;

	take(&m, "pages", false);
	CHECK(!is_interrupting(&m));
	end_machine(&m);
	expect_interrupt();
	describe_machine(&clone, "pages", "out2");
	give_disk(&clone, "disk");
	begin_from(&clone, "state", "memory");
	clone.config.start_paused = true;
	start_machine(&clone);
	for (unsigned i = 0; i < 100 && !seen; i++)
		seen = is_interrupting(&clone);
	CHECK(seen);
	end_machine(&clone);
}

/* A snapshot of changes, laid over the full one, is the later machine. */
TEST(changes_alone_are_written_and_merged)
{
	struct og_snapshot_answer answer;
	struct machine m, clone;
	uint64_t written = 0;

	take(&m, "devices", true);
	for (unsigned i = 0; i < 3; i++) {
		og_auto_fd state = new_file("state"), changes = new_file("changes");
		og_auto_fd base = open("memory", O_RDWR | O_CLOEXEC);

		tell(&m, OG_COMMAND_RESUME);
		hear(m.out_fd, 10);
		tell(&m, OG_COMMAND_PAUSE);
		CHECK_OK(save(&m, state, changes, true, &answer, NULL));
		CHECK(answer.memory_bytes > 0 && answer.memory_bytes < 1 << 20);
		CHECK_EQ(said(changes), 32 << 20);
		CHECK_OK(og_memory_file_merge(base, changes, NULL));
		written = answer.memory_bytes;
	}
	/* Nothing changed since: nothing is written but what saving itself touches. */
	{
		og_auto_fd state = new_file("state"), changes = new_file("changes");

		CHECK_OK(save(&m, state, changes, true, &answer, NULL));
		CHECK(answer.memory_bytes < written);
	}
	end_machine(&m);
	begin_clone(&clone, "devices", "out2", "disk");
	hear(clone.out_fd, 20);
	check_said(clone.out_fd, "broken", 1);
	check_said(clone.out_fd, "no entropy", 1);
	end_machine(&clone);
}

TEST(only_a_paused_machine_is_taken_and_changes_only_where_they_are_tracked)
{
	og_auto_fd state = -EBADF, memory = -EBADF;
	struct og_snapshot_answer answer;
	struct machine m;

	take(&m, "pages", false);
	state = new_file("state");
	memory = new_file("memory");
	CHECK_EQ(save(&m, state, memory, true, &answer, NULL), -EINVAL);
	tell(&m, OG_COMMAND_RESUME);
	CHECK_EQ(save(&m, state, memory, false, &answer, NULL), -EBUSY);
	end_machine(&m);
}

/* Of 256 MiB that nobody touches, nothing is written. */
TEST(an_idle_guest_costs_what_it_touched)
{
	og_auto_fd state = -EBADF, memory = -EBADF;
	struct og_snapshot_answer answer;
	struct machine m;
	struct stat st;

	need_guest();
	state = new_file("state");
	memory = new_file("memory");
	describe_machine(&m, "spin", "out");
	m.config.memory_mib = 1024;
	start_machine(&m);
	hear_first(m.out_fd, 5);
	tell(&m, OG_COMMAND_PAUSE);
	CHECK_OK(save(&m, state, memory, false, &answer, NULL));
	CHECK_OK(fstat(memory, &st));
	printf("# %llu bytes of memory, %llu of state in %llu us\n",
	       (unsigned long long)answer.memory_bytes, (unsigned long long)answer.state_bytes,
	       (unsigned long long)answer.microseconds);
	CHECK_EQ(st.st_size, 1 << 30);
	CHECK(answer.memory_bytes < 1 << 20 && st.st_blocks < 2 * 1024 * 2);
	end_machine(&m);
}

/* What is not written stays the file's: fifty share it. */
TEST(fifty_clones_of_one_snapshot)
{
	og_auto_free struct machine *clones = calloc(50, sizeof(*clones));
	struct machine m;
	char out[16];

	CHECK(clones != NULL);
	take(&m, "pages", false);
	end_machine(&m);
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(out, sizeof(out), "clone%u", i);
		describe_machine(&clones[i], "pages", out);
		give_disk(&clones[i], "disk");
		begin_from(&clones[i], "state", "memory");
		clones[i].config.start_paused = true;
		start_machine(&clones[i]);
	}
	for (unsigned i = 0; i < 50; i++) {
		tell(&clones[i], OG_COMMAND_RESUME);
		hear(clones[i].out_fd, 3);
		check_said(clones[i].out_fd, "broken", 1);
		end_machine(&clones[i]);
	}
}

/* Brings the pages of "memory" over @ends[0]; ends well where it was 256 to @most of them. */
static pid_t start_pager(const int ends[2], unsigned most)
{
	pid_t child = fork();

	if (child == 0) {
		struct pager pager = {};
		unsigned brought;

		og_close(ends[1]);
		pager_listen(&pager, ends[0], "memory");
		brought = pager_serve(&pager);
		printf("# brought %u pages\n", brought);
		(void)fflush(stdout);
		_exit(brought >= 256 && brought <= most ? 0 : 1);
	}
	og_close(ends[0]);
	return child;
}

static void begin_from_pager(struct machine *clone, int socket_fd)
{
	og_auto_fd state = open("state", O_RDONLY | O_CLOEXEC);

	describe_machine(clone, "pages", "out2");
	give_disk(clone, "disk");
	clone->config.snapshot.state = map_file(state, &clone->config.snapshot.state_bytes);
	clone->config.snapshot.uffd_socket_fd = socket_fd;
	clone->config.snapshot.uffd_device_fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	og_vmm_config_keep(&clone->config, socket_fd);
	og_vmm_config_keep(&clone->config, clone->config.snapshot.uffd_device_fd);
	start_machine(clone);
	hear(clone->out_fd, 10);
	check_said(clone->out_fd, "broken", 1);
}

/* Of 8,192 pages those that the guest touches, and no other. */
TEST(another_process_brings_memory_when_it_is_touched)
{
	struct machine m, clone;
	int ends[2], status;
	pid_t child;

	take(&m, "pages", false);
	end_machine(&m);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	child = start_pager(ends, 999);
	begin_from_pager(&clone, ends[1]);
	end_machine(&clone);
	og_close(ends[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static unsigned pages_with_data(int fd)
{
	static const uint8_t zeros[PAGER_PAGE];
	uint8_t page[PAGER_PAGE];
	unsigned n = 0;

	for (off_t at = 0; pread(fd, page, sizeof(page), at) == sizeof(page);
	     at += (off_t)PAGER_PAGE)
		n += memcmp(page, zeros, sizeof(page)) != 0;
	return n;
}

/* Pages that the guest has not touched come from there as well, while it is written. */
TEST(a_snapshot_is_written_over_the_file_that_another_process_brings)
{
	og_auto_fd state = -EBADF, memory = -EBADF;
	unsigned before;
	struct og_snapshot_answer answer;
	struct machine m, clone;
	int ends[2], status;
	pid_t child;

	take(&m, "pages", false);
	end_machine(&m);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	child = start_pager(ends, 8192);
	begin_from_pager(&clone, ends[1]);
	state = new_file("state2");
	memory = open("memory", O_RDWR | O_CLOEXEC);
	before = pages_with_data(memory);
	tell(&clone, OG_COMMAND_PAUSE);
	CHECK_OK(save(&clone, state, memory, false, &answer, NULL));
	CHECK(pages_with_data(memory) >= before);
	end_machine(&clone);
	og_close(ends[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	describe_machine(&clone, "pages", "out3");
	give_disk(&clone, "disk");
	begin_from(&clone, "state2", "memory");
	start_machine(&clone);
	hear(clone.out_fd, 10);
	check_said(clone.out_fd, "broken", 1);
	end_machine(&clone);
}

static int start_from(const uint8_t *state, size_t len, const char *memory, struct og_err *err)
{
	struct machine m;
	int r;

	describe_machine(&m, "pages", "out3");
	give_disk(&m, "disk");
	m.config.snapshot.state = state;
	m.config.snapshot.state_bytes = len;
	m.config.snapshot.memory_fd = open(memory, O_RDONLY | O_CLOEXEC);
	og_vmm_config_keep(&m.config, m.config.snapshot.memory_fd);
	m.config.start_paused = true;
	r = og_process_start(&m.config, &m.process, err);
	og_close(m.config.snapshot.memory_fd);
	end_machine(&m);
	return r;
}

/* A78 */
TEST(files_that_are_cut_or_bent_or_of_another_machine_are_refused)
{
	og_auto_fd fd = -EBADF, shorter = -EBADF;
	struct og_err err = {};
	struct machine m;
	uint8_t *state;
	size_t len;

	take(&m, "pages", false);
	end_machine(&m);
	fd = open("state", O_RDONLY | O_CLOEXEC);
	state = read_file(fd, &len);
	CHECK_OK(start_from(state, len, "memory", &err));
	for (size_t cut = 1; cut < len; cut += len / 20)
		CHECK_EQ(start_from(state, len - cut, "memory", &err), -EBADMSG);
	for (size_t at = 0; at < len; at += len / 20) {
		state[at] ^= 0x10;
		CHECK(start_from(state, len, "memory", &err) < 0);
		state[at] ^= 0x10;
	}
	shorter = new_file("shorter");
	CHECK_OK(ftruncate(shorter, (32 << 20) - 1));
	CHECK_EQ(start_from(state, len, "shorter", &err), -EBADMSG);
	CHECK(strstr(err.text, "memory file") != NULL);

	describe_machine(&m, "pages", "out3"); /* it has no disk */
	begin_from(&m, "state", "memory");
	CHECK_EQ(og_process_start(&m.config, &m.process, &err), -EINVAL);
	m.config.memory_mib = 64;
	CHECK_EQ(og_process_start(&m.config, &m.process, &err), -EINVAL);
	CHECK(strstr(err.text, "32 MiB") != NULL);
	free(state);
}

TEST_MAIN(TEST_ENTRY(a_restored_guest_goes_on_where_it_was),
	  TEST_ENTRY(devices_go_on_where_they_were),
	  TEST_ENTRY(a_restored_serial_port_interrupts_again),
	  TEST_ENTRY(changes_alone_are_written_and_merged),
	  TEST_ENTRY(only_a_paused_machine_is_taken_and_changes_only_where_they_are_tracked),
	  TEST_ENTRY(an_idle_guest_costs_what_it_touched), TEST_ENTRY(fifty_clones_of_one_snapshot),
	  TEST_ENTRY(another_process_brings_memory_when_it_is_touched),
	  TEST_ENTRY(a_snapshot_is_written_over_the_file_that_another_process_brings),
	  TEST_ENTRY(files_that_are_cut_or_bent_or_of_another_machine_are_refused))

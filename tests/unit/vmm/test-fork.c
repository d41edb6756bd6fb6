/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fork.h"

#include <limits.h>
#include <sys/resource.h>

#include "forks.h"
#include "proc.h"

#define MEMORY_FILE "/memfd:guest (deleted)"

static void begin(struct machine *m, const char *word, uint64_t memory_mib)
{
	need_guest();
	describe_machine(m, word, "out");
	m->config.forkable = true;
	m->config.memory_mib = memory_mib;
	start_machine(m);
}

TEST(a_fork_goes_on_beside_the_first)
{
	struct machine m;
	struct child child;

	begin(&m, "pages", 32);
	hear(m.out_fd, 5);
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	hear(child.out_fd, 20);
	hear(m.out_fd, 20);
	printf("# paused for %llu us\n", (unsigned long long)child.answer.pause_us);
	check_said(child.out_fd, "broken", 1);
	check_said(m.out_fd, "broken", 0);
	if (geteuid() == 0) { /* others may not look */
		CHECK_EQ(count_descriptors(m.process.pid, MEMORY_FILE), 1);
		CHECK_EQ(count_descriptors(child.answer.pid, MEMORY_FILE), 1);
	}
	CHECK_EQ(count_descriptors(getpid(), MEMORY_FILE), 0);
	end_child(&child);
	end_machine(&m);
}

struct told {
	unsigned times;
	pid_t pid;
	bool has_metrics;
};

static int note(void *data, struct og_metrics *metrics)
{
	struct told *told = data;

	told->times++;
	told->pid = getpid();
	told->has_metrics = metrics != NULL;
	return 0;
}

/* Whoever answers for metadata hears of it in the child, with the counters that came for it. */
TEST(counters_and_secrets_are_each_machines_own)
{
	og_auto_fd fd = memfd_create("metrics", MFD_CLOEXEC);
	struct og_fork_command fork = {};
	struct og_fork_answer answer;
	int fds[OG_COMMAND_FDS_MAX], ends[2];
	struct og_metrics *metrics;
	struct og_answer started;
	struct told *told;
	struct machine m;

	CHECK_OK(ftruncate(fd, sizeof(*metrics)));
	metrics = mmap(NULL, sizeof(*metrics), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(metrics != MAP_FAILED && told != MAP_FAILED);
	need_guest();
	describe_machine(&m, "pages", "out");
	m.config.forkable = true;
	m.config.mmds.cloned = note;
	m.config.mmds.data = told;
	start_machine(&m);
	CHECK_OK(og_control_pair(ends, NULL));
	give(&fork, fds, OG_FORK_CONTROL, ends[1]);
	give(&fork, fds, OG_FORK_KVM, og_kvm_open(NULL));
	give(&fork, fds, OG_FORK_METRICS, fd);
	CHECK_OK(ask(m.process.control_fd, &fork, fds, &answer, NULL));
	og_close_all(fds, 2);
	CHECK_OK(og_control_wait(ends[0], &started, NULL));
	CHECK_EQ(told->times, 1);
	CHECK(told->pid != getpid() && told->has_metrics);
	for (unsigned i = 0; i < 10000 && atomic_load(&metrics->vcpu.exit_io_out) == 0; i++)
		(void)poll(NULL, 0, 1);
	CHECK(atomic_load(&metrics->vcpu.exit_io_out) > 0);
	og_close(ends[0]);
	end_machine(&m);
}

/* The memory of each is that of one instant, however often it is forked while it writes. */
TEST(fifty_forks_of_a_guest_that_writes_all_the_time)
{
	struct child children[50];
	struct machine m;
	char name[16];

	begin(&m, "pages", 32);
	hear(m.out_fd, 3);
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "child%u", i);
		fork_into(&children[i], m.process.control_fd, name, NULL, true);
	}
	for (unsigned i = 0; i < 50; i++) {
		tell_fd(children[i].control_fd, OG_COMMAND_RESUME);
		hear(children[i].out_fd, 3);
		check_said(children[i].out_fd, "broken", 1);
		end_child(&children[i]);
	}
	hear(m.out_fd, 2);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

/* Fills all of its memory and forks it some times: of no child are page tables copied that grow with it. */
static void fork_filled(uint64_t memory_mib)
{
	struct child child;
	struct machine m;

	begin(&m, "fill", memory_mib);
	hear_first(m.out_fd, (off_t)strlen("filled 1000\n..."));
	for (unsigned i = 0; i < 4; i++) {
		fork_into(&child, m.process.control_fd, "child", NULL, i > 0);
#ifndef __SANITIZE_ADDRESS__ /* which has page tables of its own */
		CHECK(status_of(child.answer.pid, "VmPTE:") < PAGE_TABLES_KIB);
#endif
		if (i == 0) {
			hear(child.out_fd, 3);
			check_said(child.out_fd, "broken", 1);
		}
		end_child(&child);
	}
	end_machine(&m);
	(void)unlink("out");
}

/* Those of 1 GiB are 2 MiB. bench/fork.py measures the pause. */
TEST(no_page_tables_are_copied_however_much_memory_there_is)
{
	fork_filled(64);
	fork_filled(1024);
}

/* Every wrong command is refused, and the machine goes on. */
TEST(a_fork_that_lacks_something_is_refused)
{
	struct og_fork_command fork = {};
	struct og_fork_answer answer;
	struct og_err err = {};
	int fds[OG_COMMAND_FDS_MAX], ends[2];
	struct machine m;

	need_guest();
	describe_machine(&m, "devices", "out");
	give_disk(&m, "disk");
	m.config.forkable = true;
	start_machine(&m);
	CHECK_OK(og_control_pair(ends, NULL));

	CHECK_EQ(ask(m.process.control_fd, &fork, fds, &answer, &err), -EINVAL);
	CHECK(strstr(err.text, "@control") != NULL);
	give(&fork, fds, OG_FORK_CONTROL, ends[1]);
	CHECK_EQ(ask(m.process.control_fd, &fork, fds, &answer, &err), -EINVAL);
	CHECK(strstr(err.text, "@kvm") != NULL);
	give(&fork, fds, OG_FORK_KVM, og_kvm_open(NULL));
	CHECK_EQ(ask(m.process.control_fd, &fork, fds, &answer, &err), -EINVAL);
	CHECK(strstr(err.text, "'disk'") != NULL);
	give(&fork, fds, "disk", new_file("copy"));
	give(&fork, fds, "nobody", new_file("nobody"));
	CHECK_EQ(ask(m.process.control_fd, &fork, fds, &answer, &err), -EINVAL);
	CHECK(ask(m.process.control_fd, &(struct og_fork_command){ .n = 5 }, fds, &answer, &err) <
	      0);
	hear(m.out_fd, 5);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

TEST(a_machine_that_was_not_made_to_fork_does_not)
{
	struct og_fork_command fork = {};
	struct og_fork_answer answer;
	struct machine m;

	need_guest();
	describe_machine(&m, "pages", "out");
	start_machine(&m);
	CHECK_EQ(ask(m.process.control_fd, &fork, NULL, &answer, NULL), -ENOTSUP);
	end_machine(&m);
}

/* Each goes on with a disk of its own, as it was at the moment of the fork. */
TEST(devices_of_both_go_on)
{
	og_auto_fd from = -EBADF, to = -EBADF;
	struct machine m;
	struct child child;

	need_guest();
	describe_machine(&m, "devices", "out");
	give_disk(&m, "disk");
	m.config.forkable = true;
	start_machine(&m);
	hear(m.out_fd, 10);
	tell(&m, OG_COMMAND_PAUSE);
	from = open("disk", O_RDONLY | O_CLOEXEC);
	to = new_file("copy");
	copy_file(to, from);
	fork_into(&child, m.process.control_fd, "child", "copy", false);
	tell(&m, OG_COMMAND_RESUME);
	hear(child.out_fd, 20);
	hear(m.out_fd, 20);
	check_said(child.out_fd, "broken", 1);
	check_said(child.out_fd, "no entropy", 1);
	check_said(m.out_fd, "broken", 0);
	end_child(&child);
	end_machine(&m);
}

/* It is of another size, which its driver knows. */
TEST(a_fork_has_the_disk_that_took_anothers_place)
{
	const struct og_blk_command swap = { .swap = true };
	struct og_command command = { .kind = OG_COMMAND_DEVICE,
				      .id = "disk",
				      .bytes = sizeof(swap) };
	og_auto_fd other = new_file("other");
	struct og_answer answer;
	struct machine m;
	struct child child;

	need_guest();
	describe_machine(&m, "pages", "out");
	give_disk(&m, "disk");
	m.config.disks[0].readonly = m.config.forkable = true;
	start_machine(&m);
	CHECK_OK(ftruncate(other, 8192));
	memcpy(command.body, &swap, sizeof(swap));
	CHECK_OK(og_control_call(m.process.control_fd, &command, &other, 1, &answer, NULL));
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	hear(child.out_fd, 5);
	end_child(&child);
	end_machine(&m);
}

/* As a front starts it: by another user, in namespaces, with the fewest system calls. */
TEST(a_jailed_machine_forks)
{
	struct machine m;
	struct child child;

	need_guest();
	describe_machine(&m, "pages", "out");
	m.config.forkable = m.config.jail.enabled = true;
	start_machine(&m);
	hear(m.out_fd, 3);
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	hear(child.out_fd, 5);
	check_said(child.out_fd, "broken", 1);
	end_child(&child);
	end_machine(&m);
}

/* What the machine needs of its kernel's own protocol the confined child can make as well. */
TEST(a_machine_with_an_interval_timer_forks)
{
	struct machine m;
	struct child child;
	char path[PATH_MAX];

	need_guest();
	(void)snprintf(path, sizeof(path), "%s-multiboot", getenv("OG_TEST_GUEST"));
	CHECK_OK(setenv("OG_TEST_GUEST", path, 1));
	describe_machine(&m, "", "out");
	m.config.forkable = m.config.start_paused = true;
	start_machine(&m);
	fork_into(&child, m.process.control_fd, "child", NULL, true);
	tell_fd(child.control_fd, OG_COMMAND_RESUME);
	hear_first(child.out_fd, 5);
	end_child(&child);
	end_machine(&m);
}

/* A folder that is not mounted; the test is in the servers' place. */
TEST(a_machine_with_a_shared_folder_forks)
{
	struct og_fork_command fork = { .start_paused = true };
	int fds[OG_COMMAND_FDS_MAX], ends[2], first[2], second[2];
	struct og_fork_answer answer;
	struct og_answer started;
	struct machine m;

	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, first));
	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, second));
	need_guest();
	describe_machine(&m, "pages", "out");
	m.config.forkable = true;
	m.config.shares[0] =
		(struct og_fs_config){ .id = "folder", .tag = "tag", .socket_fd = first[0] };
	m.config.n_shares = 1;
	og_vmm_config_keep(&m.config, first[0]);
	start_machine(&m);
	CHECK_OK(og_control_pair(ends, NULL));
	give(&fork, fds, OG_FORK_CONTROL, ends[1]);
	give(&fork, fds, OG_FORK_KVM, og_kvm_open(NULL));
	give(&fork, fds, "folder", second[0]);
	CHECK_OK(ask(m.process.control_fd, &fork, fds, &answer, NULL));
	og_close_all(fds, fork.n);
	CHECK_OK(og_control_wait(ends[0], &started, NULL));
	og_close(ends[0]);
	og_close(first[0]);
	og_close(first[1]);
	og_close(second[1]);
	end_machine(&m);
}

TEST(a_fork_forks_and_outlives_the_first)
{
	struct machine m;
	struct child child, grandchild;

	begin(&m, "pages", 32);
	hear(m.out_fd, 3);
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	fork_into(&grandchild, child.control_fd, "grandchild", NULL, false);
	end_machine(&m);
	hear(child.out_fd, 5);
	end_child(&child);
	hear(grandchild.out_fd, 5);
	check_said(grandchild.out_fd, "broken", 1);
	end_child(&grandchild);
}

/* Then page tables are copied, few where memory could be collapsed into huge pages. */
TEST(a_machine_whose_memory_is_in_no_file_forks)
{
	const struct rlimit limit = { 16 << 20, 16 << 20 };
	struct child child, second;
	struct machine m;

	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	begin(&m, "fill", 64);
	hear_first(m.out_fd, (off_t)strlen("filled 1000\n..."));
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	fork_into(&second, child.control_fd, "second", NULL, false);
	if (geteuid() == 0)
		CHECK_EQ(count_descriptors(m.process.pid, MEMORY_FILE), 0);
	hear(child.out_fd, 5);
	hear(second.out_fd, 5);
	hear(m.out_fd, 5);
	check_said(second.out_fd, "broken", 1);
	check_said(child.out_fd, "broken", 1);
	check_said(m.out_fd, "broken", 0);
	end_child(&second);
	end_child(&child);
	end_machine(&m);
}

/* What a paused machine's memory is: the base with its changes in it, and again, as a whole. */
static void check_saved(int control_fd, const char *state, const char *base, const char *whole)
{
	og_auto_fd state_fd = new_file(state), changes_fd = new_file("changes");
	og_auto_fd base_fd = open(base, O_RDWR | O_CLOEXEC), whole_fd = new_file(whole);
	struct og_snapshot_answer answer;
	size_t base_bytes, whole_bytes;
	const void *at, *other;

	CHECK_OK(save_fd(control_fd, state_fd, changes_fd, true, &answer, NULL));
	CHECK(answer.memory_bytes > 0 && answer.memory_bytes < 8 << 20);
	CHECK_OK(og_memory_file_merge(base_fd, changes_fd, NULL));
	CHECK_OK(save_fd(control_fd, state_fd, whole_fd, false, &answer, NULL));
	at = map_file(base_fd, &base_bytes);
	other = map_file(whole_fd, &whole_bytes);
	CHECK_EQ(base_bytes, whole_bytes);
	CHECK_EQ(memcmp(at, other, base_bytes), 0);
}

static void check_goes_on(const char *state, const char *memory)
{
	struct machine m;

	(void)unlink("again");
	describe_machine(&m, "", "again");
	m.config.forkable = m.config.track_dirty_pages = true;
	begin_from(&m, state, memory);
	start_machine(&m);
	tell(&m, OG_COMMAND_RESUME);
	hear(m.out_fd, 10);
	check_said(m.out_fd, "broken", 1);
	end_machine(&m);
}

/* Changes are those since the first machine was saved, before it was forked. */
TEST(both_are_saved_as_they_are)
{
	og_auto_fd state = new_file("state"), first = new_file("first"),
		   second = new_file("second");
	struct og_snapshot_answer answer;
	struct child child;
	struct machine m;

	need_guest();
	describe_machine(&m, "pages", "out");
	m.config.forkable = m.config.track_dirty_pages = true;
	start_machine(&m);
	hear(m.out_fd, 5);
	tell(&m, OG_COMMAND_PAUSE);
	CHECK_OK(save(&m, state, first, false, &answer, NULL));
	copy_file(second, first);
	tell(&m, OG_COMMAND_RESUME);
	hear(m.out_fd, 3);
	fork_into(&child, m.process.control_fd, "child", NULL, false);
	hear(m.out_fd, 5);
	hear(child.out_fd, 2);
	tell(&m, OG_COMMAND_PAUSE);
	tell_fd(child.control_fd, OG_COMMAND_PAUSE);
	check_saved(m.process.control_fd, "state1", "first", "whole1");
	check_saved(child.control_fd, "state2", "second", "whole2");
	end_child(&child);
	end_machine(&m);
	check_goes_on("state1", "first");
	check_goes_on("state2", "second");
	check_goes_on("state2", "whole2");
}

TEST_MAIN(TEST_ENTRY(a_fork_goes_on_beside_the_first),
	  TEST_ENTRY(counters_and_secrets_are_each_machines_own),
	  TEST_ENTRY(fifty_forks_of_a_guest_that_writes_all_the_time),
	  TEST_ENTRY(no_page_tables_are_copied_however_much_memory_there_is),
	  TEST_ENTRY(a_fork_that_lacks_something_is_refused),
	  TEST_ENTRY(a_machine_that_was_not_made_to_fork_does_not),
	  TEST_ENTRY(devices_of_both_go_on),
	  TEST_ENTRY(a_fork_has_the_disk_that_took_anothers_place),
	  TEST_ENTRY(a_jailed_machine_forks), TEST_ENTRY(a_machine_with_an_interval_timer_forks),
	  TEST_ENTRY(a_machine_with_a_shared_folder_forks),
	  TEST_ENTRY(a_fork_forks_and_outlives_the_first),
	  TEST_ENTRY(a_machine_whose_memory_is_in_no_file_forks),
	  TEST_ENTRY(both_are_saved_as_they_are))

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/test.h"
#include "vmm/control.h"
#include "vmm/x86/kvm.h"

struct machine {
	bool forkable; /* to be set before it begins */
	struct og_vmm_config config;
	struct og_process process;
	int out_fd;
};

/* How a machine's process comes to be. */
enum how {
	PLAIN,
	JAILED,
	WAITED, /* jailed, and there before it was known what the machine is to be */
};

static int start(struct machine *m, enum how how, struct og_err *err)
{
	struct og_jail_config jail = OG_JAIL_NONE;
	int r;

	m->config.jail.enabled = jail.enabled = how != PLAIN;
	if (how != WAITED)
		return og_process_start(&m->config, &m->process, err);
	r = og_process_prepare(&jail, m->config.forkable, &m->process, err);
	return r < 0 ? r : og_process_begin(&m->process, &m->config, err);
}

/* The test guest (tests/guest), told @word. */
static void begin_on(struct machine *m, int kvm_fd, const char *word, enum how how)
{
	const char *guest = getenv("OG_TEST_GUEST");
	struct og_err err = {};

	og_vmm_config_init(&m->config);
	m->config.forkable = m->forkable;
	m->config.kvm_fd = kvm_fd;
	if (how != WAITED) /* which has its own */
		og_vmm_config_keep(&m->config, kvm_fd);
	m->config.kernel_fd = open(guest, O_RDONLY | O_CLOEXEC);
	m->config.kernel_name = guest;
	m->config.cmdline = word;
	m->config.memory_mib = 32;
	m->config.serial = true;
	m->out_fd = m->config.serial_out_fd =
		open("out", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	CHECK(m->config.kernel_fd >= 0 && m->out_fd >= 0);
	og_vmm_config_keep(&m->config, m->config.kernel_fd);
	og_vmm_config_keep(&m->config, m->out_fd);
	if (start(m, how, &err) < 0)
		printf("# %s\n", err.text);
	CHECK(m->process.pid > 0);
}

static void end(struct machine *m)
{
	(void)og_process_end(&m->process);
	og_close(m->out_fd);
	og_close(m->config.kernel_fd);
}

static void begin(struct machine *m, const char *word, enum how how)
{
	if (getenv("OG_TEST_GUEST") == NULL || access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("# no /dev/kvm, or no test guest\n");
		exit(TEST_SKIP_STATUS);
	}
	begin_on(m, -EBADF, word, how);
}

static bool is_ended(const struct og_process *process)
{
	struct pollfd p = { .fd = process->ended_fd, .events = POLLIN };

	return poll(&p, 1, 5000) == 1;
}

static off_t said(const struct machine *m)
{
	struct stat st;

	CHECK_OK(fstat(m->out_fd, &st));
	return st.st_size;
}

static void wait_for_more(const struct machine *m, off_t than)
{
	for (unsigned i = 0; i < 10000 && said(m) <= than; i++)
		(void)poll(NULL, 0, 1);
	CHECK(said(m) > than);
}

static void a_paused_guest_stands_still_and_goes_on(enum how how)
{
	struct machine m = {};

	begin(&m, "count", how);
	for (unsigned round = 0; round < 5; round++) {
		off_t at;

		wait_for_more(&m, said(&m));
		CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_PAUSE, NULL));
		CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_PAUSE, NULL));
		at = said(&m);
		(void)poll(NULL, 0, 20);
		CHECK_EQ(said(&m), at);
		CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_RESUME, NULL));
		wait_for_more(&m, at);
	}
	end(&m);
}

static void a_machine_says_how_it_is_and_refuses_what_it_has_not(enum how how)
{
	struct og_command command = { .kind = OG_COMMAND_STATUS };
	struct og_answer answer;
	struct og_status status;
	struct og_err err = {};
	struct machine m = {};

	begin(&m, "count", how);
	CHECK_OK(og_control_call(m.process.control_fd, &command, NULL, 0, &answer, NULL));
	CHECK_EQ(answer.bytes, sizeof(status));
	memcpy(&status, answer.body, sizeof(status));
	CHECK_EQ(status.paused, 0);
	CHECK_EQ(status.vcpus, 1);

	command = (struct og_command){ .kind = OG_COMMAND_DEVICE, .id = "nobody" };
	CHECK_EQ(og_control_call(m.process.control_fd, &command, NULL, 0, &answer, &err), -ENODEV);
	CHECK(strstr(err.text, "'nobody'") != NULL);

	/* A message that is none is answered, not obeyed, and the machine lives. */
	CHECK_EQ(write(m.process.control_fd, "x", 1), 1);
	CHECK_EQ(og_control_wait(m.process.control_fd, &answer, &err), -EPROTO);
	CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_STATUS, NULL));
	end(&m);
}

static void a_machine_ends_when_told_and_with_whoever_told_it(enum how how)
{
	struct machine m = {};

	begin(&m, "spin", how);
	CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_STOP, NULL));
	CHECK(is_ended(&m.process));
	CHECK_EQ(og_process_wait(&m.process), OG_EXIT_OFF);
	CHECK_EQ(og_control_tell(m.process.control_fd, OG_COMMAND_STATUS, NULL), -EPIPE);
	end(&m);

	begin(&m, "spin", how);
	m.process.control_fd = og_close(m.process.control_fd);
	CHECK(is_ended(&m.process));
	end(&m);
}

static void why_a_machine_cannot_start_is_heard_by_whoever_started_it(enum how how)
{
	struct og_err err = {};
	struct machine m = {};
	pid_t first;

	begin(&m, "spin", how);
	first = m.process.pid;
	(void)og_process_end(&m.process);
	(void)waitpid(first, NULL, 0);
	m.config.kernel_fd = m.out_fd;
	m.config.kernel_name = "no-kernel";
	m.config.n_kept = 0;
	og_vmm_config_keep(&m.config, m.config.kvm_fd);
	og_vmm_config_keep(&m.config, m.out_fd);
	CHECK_EQ(start(&m, how, &err), -ENOEXEC);
	CHECK(strstr(err.text, "no-kernel") != NULL);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG),
		 -1); /* no process is left of it, not as a zombie either */
	og_close(m.out_fd);
}

static void the_machine_keeps_no_descriptor_that_is_not_its_own(enum how how)
{
	struct machine m = {};
	struct pollfd p;
	int ends[2];

	CHECK_OK(pipe2(ends, O_CLOEXEC));
	begin(&m, "spin", how);
	og_close(ends[1]); /* were it open in the machine, too, there would be no end */
	p = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK((p.revents & POLLHUP) != 0);
	og_close(ends[0]);
	end(&m);
}

/* Itself, or the only child of its keeper, seen from here. */
static pid_t machine_of(const struct og_process *process)
{
	char path[64], text[32] = {};
	og_auto_fd fd = -EBADF;

	if (!process->kept)
		return process->pid;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", process->pid, process->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	return (pid_t)strtol(text, NULL, 10);
}

static void read_proc(pid_t pid, const char *name, char *text, size_t room)
{
	char path[64];
	og_auto_fd fd = -EBADF;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	got = read(fd, text, room - 1);
	CHECK(got >= 0);
	text[got] = '\0';
}

static void check_namespaces(pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], own[64] = {}, its[64] = {};

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		CHECK(readlink(path, own, sizeof(own) - 1) > 0);
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		CHECK(readlink(path, its, sizeof(its) - 1) > 0);
		if (strcmp(own, its) == 0)
			printf("# its %s namespace is the host's\n", names[i]);
		CHECK(strcmp(own, its) != 0);
	}
}

/* A80: what is left to somebody who has taken the process over, as the kernel tells it. */
static void check_jail(const struct machine *m)
{
	static const char *const lines[] = {
		"CapEff:\t0000000000000000",
		"CapPrm:\t0000000000000000",
		"CapBnd:\t0000000000000000",
		"CapInh:\t0000000000000000",
		"NoNewPrivs:\t1",
#ifndef __SANITIZE_ADDRESS__ /* it makes calls of its own: there is no filter then */
		"Seccomp:\t2",
#endif
	};
	pid_t pid = machine_of(&m->process);
	char text[8192], path[64];
	struct stat st;

	check_namespaces(pid);
	read_proc(pid, "status", text, sizeof(text));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (strstr(text, lines[i]) == NULL)
			printf("# not '%s'\n", lines[i]);
		CHECK(strstr(text, lines[i]) != NULL);
	}
	CHECK(strstr(text, "Uid:\t0") == NULL && strstr(text, "Gid:\t0") == NULL);

	/* The root holds nothing, and nothing can be put there. */
	(void)snprintf(path, sizeof(path), "/proc/%d/root/", pid);
	CHECK_OK(stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0);
	CHECK_EQ(st.st_nlink, 2);
	read_proc(pid, "mounts", text, sizeof(text));
	CHECK(strncmp(text, "none / tmpfs ro,nosuid,nodev,noexec", 34) == 0);
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);

	read_proc(pid, "limits", text, sizeof(text));
	CHECK(strstr(text, "Max core file size        0                    0") != NULL);
}

static void has_nothing_of_its_host(enum how how, bool forkable)
{
	struct machine m = {};

	if (geteuid() != 0)
		exit(TEST_SKIP_STATUS); /* only root may look at all of it */
	m.forkable = forkable;
	begin(&m, "count", how);
	CHECK_EQ(m.process.kept, forkable);
	wait_for_more(&m, 0);
	check_jail(&m);
	end(&m);
}

TEST(a_jailed_machine_has_nothing_of_its_host)
{
	has_nothing_of_its_host(JAILED, false);
	has_nothing_of_its_host(JAILED, true);
}

TEST(a_machine_that_waited_has_nothing_of_its_host)
{
	has_nothing_of_its_host(WAITED, false);
	has_nothing_of_its_host(WAITED, true);
}

/* An ordinary user's is as empty: the same by the power of a user namespace alone. */
TEST(an_ordinary_users_machine_is_jailed_as_well)
{
	struct machine m = {};
	struct og_err err = {};
	pid_t user;
	int status;

	m.config.kvm_fd = og_kvm_open(&err);
	if (geteuid() != 0 || m.config.kvm_fd < 0)
		exit(TEST_SKIP_STATUS);
	CHECK_OK(chmod(".", 0777));
	user = fork();
	if (user == 0) {
		int kvm_fd = m.config.kvm_fd;

		CHECK_OK(setresgid(65534, 65534, 65534));
		CHECK_OK(setresuid(65534, 65534, 65534));
		begin_on(&m, kvm_fd, "count", JAILED);
		wait_for_more(&m, 0);
		end(&m);
		exit(0);
	}
	CHECK_EQ(waitpid(user, &status, 0), user);
	CHECK_EQ(status, 0);
}

static void prepare(struct machine *m, bool forkable)
{
	struct og_jail_config jail = OG_JAIL_NONE;

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		exit(TEST_SKIP_STATUS);
	jail.enabled = true;
	CHECK_OK(og_process_prepare(&jail, forkable, &m->process, NULL));
}

static void ends_with_whoever_made_it(bool forkable)
{
	struct machine m = {};

	prepare(&m, forkable);
	m.process.control_fd = og_close(m.process.control_fd);
	CHECK(is_ended(&m.process));
	CHECK_EQ(og_process_end(&m.process), OG_EXIT_ERROR);

	prepare(&m, forkable);
	CHECK_EQ(og_process_end(&m.process), OG_EXIT_ERROR);
	CHECK(m.process.room == NULL && m.process.control_fd < 0);
}

TEST(a_process_that_waits_ends_with_whoever_made_it)
{
	ends_with_whoever_made_it(false);
	ends_with_whoever_made_it(true);
}

static void begins_no_machine_once_it_ended(bool forkable)
{
	struct machine m = {};
	struct og_err err = {};

	prepare(&m, forkable);
	CHECK_OK(kill(m.process.pid, SIGKILL)); /* the first of its namespace: all of it ends */
	CHECK(is_ended(&m.process));
	og_vmm_config_init(&m.config);
	m.config.memory_mib = 32;
	CHECK_EQ(og_process_begin(&m.process, &m.config, &err), -EPIPE);
	CHECK(strstr(err.text, "has ended") != NULL);
	CHECK(m.process.room == NULL && m.process.control_fd < 0);
}

TEST(a_process_that_ended_while_it_waited_begins_no_machine)
{
	begins_no_machine_once_it_ended(false);
	begins_no_machine_once_it_ended(true);
}

/* Each is seen without a jail, in one, and in one that was there before. */
#define EACH(name)             \
	TEST(name)             \
	{                      \
		name(PLAIN);   \
	}                      \
	TEST(name##_in_a_jail) \
	{                      \
		name(JAILED);  \
	}                      \
	TEST(name##_waiting)   \
	{                      \
		name(WAITED);  \
	}

EACH(a_paused_guest_stands_still_and_goes_on)
EACH(a_machine_says_how_it_is_and_refuses_what_it_has_not)
EACH(a_machine_ends_when_told_and_with_whoever_told_it)
EACH(why_a_machine_cannot_start_is_heard_by_whoever_started_it)
EACH(the_machine_keeps_no_descriptor_that_is_not_its_own)

TEST_MAIN(TEST_ENTRY(a_jailed_machine_has_nothing_of_its_host),
	  TEST_ENTRY(a_machine_that_waited_has_nothing_of_its_host),
	  TEST_ENTRY(a_process_that_waits_ends_with_whoever_made_it),
	  TEST_ENTRY(a_process_that_ended_while_it_waited_begins_no_machine),
	  TEST_ENTRY(an_ordinary_users_machine_is_jailed_as_well),
	  TEST_ENTRY(a_paused_guest_stands_still_and_goes_on),
	  TEST_ENTRY(a_paused_guest_stands_still_and_goes_on_in_a_jail),
	  TEST_ENTRY(a_paused_guest_stands_still_and_goes_on_waiting),
	  TEST_ENTRY(a_machine_says_how_it_is_and_refuses_what_it_has_not),
	  TEST_ENTRY(a_machine_says_how_it_is_and_refuses_what_it_has_not_in_a_jail),
	  TEST_ENTRY(a_machine_says_how_it_is_and_refuses_what_it_has_not_waiting),
	  TEST_ENTRY(a_machine_ends_when_told_and_with_whoever_told_it),
	  TEST_ENTRY(a_machine_ends_when_told_and_with_whoever_told_it_in_a_jail),
	  TEST_ENTRY(a_machine_ends_when_told_and_with_whoever_told_it_waiting),
	  TEST_ENTRY(why_a_machine_cannot_start_is_heard_by_whoever_started_it),
	  TEST_ENTRY(why_a_machine_cannot_start_is_heard_by_whoever_started_it_in_a_jail),
	  TEST_ENTRY(why_a_machine_cannot_start_is_heard_by_whoever_started_it_waiting),
	  TEST_ENTRY(the_machine_keeps_no_descriptor_that_is_not_its_own),
	  TEST_ENTRY(the_machine_keeps_no_descriptor_that_is_not_its_own_in_a_jail),
	  TEST_ENTRY(the_machine_keeps_no_descriptor_that_is_not_its_own_waiting))

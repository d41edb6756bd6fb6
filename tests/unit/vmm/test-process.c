/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/test.h"
#include "vmm/control.h"

struct machine {
	struct og_vmm_config config;
	struct og_process process;
	int out_fd;
};

/* The test guest (tests/guest), told @word. */
static void begin(struct machine *m, const char *word)
{
	const char *guest = getenv("OG_TEST_GUEST");
	struct og_err err = {};

	if (guest == NULL || access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("# no /dev/kvm, or no test guest\n");
		exit(TEST_SKIP_STATUS);
	}
	og_vmm_config_init(&m->config);
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
	if (og_process_start(&m->config, &m->process, &err) < 0)
		printf("# %s\n", err.text);
	CHECK(m->process.pid > 0);
}

static void end(struct machine *m)
{
	(void)og_process_end(&m->process);
	og_close(m->out_fd);
	og_close(m->config.kernel_fd);
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

TEST(a_paused_guest_stands_still_and_goes_on)
{
	struct machine m = {};

	begin(&m, "count");
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

TEST(a_machine_says_how_it_is_and_refuses_what_it_has_not)
{
	struct og_command command = { .kind = OG_COMMAND_STATUS };
	struct og_answer answer;
	struct og_status status;
	struct og_err err = {};
	struct machine m = {};

	begin(&m, "count");
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

TEST(a_machine_ends_when_told_and_with_whoever_told_it)
{
	struct machine m = {};
	int status;

	begin(&m, "spin");
	CHECK_OK(og_control_tell(m.process.control_fd, OG_COMMAND_STOP, NULL));
	CHECK_EQ(waitpid(m.process.pid, &status, 0), m.process.pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), OG_EXIT_OFF);
	CHECK_EQ(og_control_tell(m.process.control_fd, OG_COMMAND_STATUS, NULL), -EPIPE);
	m.process.pid = 0;
	end(&m);

	begin(&m, "spin");
	m.process.control_fd = og_close(m.process.control_fd);
	CHECK_EQ(waitpid(m.process.pid, &status, 0), m.process.pid);
	CHECK(WIFEXITED(status));
	m.process.pid = 0;
	end(&m);
}

TEST(why_a_machine_cannot_start_is_heard_by_whoever_started_it)
{
	struct og_err err = {};
	struct machine m = {};

	begin(&m, "spin");
	(void)og_process_end(&m.process);
	m.config.kernel_fd = m.out_fd;
	m.config.kernel_name = "no-kernel";
	CHECK_EQ(og_process_start(&m.config, &m.process, &err), -ENOEXEC);
	CHECK(strstr(err.text, "no-kernel") != NULL);
	og_close(m.out_fd);
}

TEST(the_machine_keeps_no_descriptor_that_is_not_its_own)
{
	struct machine m = {};
	struct pollfd p;
	int ends[2];

	CHECK_OK(pipe2(ends, O_CLOEXEC));
	begin(&m, "spin");
	og_close(ends[1]); /* were it open in the machine, too, there would be no end */
	p = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK((p.revents & POLLHUP) != 0);
	og_close(ends[0]);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(a_paused_guest_stands_still_and_goes_on),
	  TEST_ENTRY(a_machine_says_how_it_is_and_refuses_what_it_has_not),
	  TEST_ENTRY(a_machine_ends_when_told_and_with_whoever_told_it),
	  TEST_ENTRY(why_a_machine_cannot_start_is_heard_by_whoever_started_it),
	  TEST_ENTRY(the_machine_keeps_no_descriptor_that_is_not_its_own))

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/defaults.h"

#include "base/test.h"
#include "base/text.h"

/* Whether some rule with @action names @call; *@ret_args: how many arguments it looks at. */
static bool finds(const struct og_json *profile, const char *call, const char *action,
		  size_t *ret_args)
{
	const struct og_json *rules = og_json_get(profile, "syscalls");

	for (size_t i = 0; i < og_json_count(rules); i++) {
		const struct og_json *rule = og_json_at(rules, i);
		const struct og_json *names = og_json_get(rule, "names");

		if (!og_streq(og_json_string(og_json_get(rule, "action"), ""), action))
			continue;
		for (size_t n = 0; n < og_json_count(names); n++) {
			if (og_streq(og_json_string(og_json_at(names, n), ""), call)) {
				*ret_args = og_json_count(og_json_get(rule, "args"));
				return true;
			}
		}
	}
	return false;
}

static struct og_json *profile_with(const char *capability)
{
	og_cleanup(og_json_freep) struct og_json *names = og_json_new_array();

	og_json_push(names, og_json_new_string("CAP_CHOWN"));
	if (capability != NULL)
		og_json_push(names, og_json_new_string(capability));
	return og_defaults_seccomp(names);
}

TEST(what_reaches_the_kernel_below_is_refused_by_default)
{
	static const char *const refused[] = {
		"add_key",     "keyctl",	  "request_key",
		"bpf",	       "mount",		  "umount2",
		"unshare",     "setns",		  "fsopen",
		"move_mount",  "open_tree",	  "pivot_root",
		"swapon",      "kexec_load",	  "kexec_file_load",
		"init_module", "finit_module",	  "delete_module",
		"reboot",      "io_uring_setup",  "io_uring_enter",
		"userfaultfd", "perf_event_open", "syslog",
		"acct",	       "settimeofday",	  "clock_settime",
		"iopl",	       "ioperm",	  "open_by_handle_at",
		"move_pages",  "migrate_pages",	  "quotactl",
		"vhangup",     "nfsservctl",	  "lookup_dcookie",
		"uselib",      "chroot",	  "pidfd_getfd",
	};
	og_cleanup(og_json_freep) struct og_json *profile = profile_with(NULL);
	size_t args = 0;

	CHECK(og_streq(og_json_string(og_json_get(profile, "defaultAction"), ""),
		       "SCMP_ACT_ERRNO"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CHECK(!finds(profile, refused[i], "SCMP_ACT_ALLOW", &args));
}

TEST(calls_with_a_dangerous_argument_are_looked_into)
{
	og_cleanup(og_json_freep) struct og_json *profile = profile_with(NULL);
	size_t args = 0;

	CHECK(finds(profile, "clone", "SCMP_ACT_ALLOW", &args) && args == 1);
	CHECK(finds(profile, "personality", "SCMP_ACT_ALLOW", &args) && args == 1);
	CHECK(finds(profile, "socket", "SCMP_ACT_ALLOW", &args) && args == 1);
	CHECK(!finds(profile, "clone3", "SCMP_ACT_ALLOW", &args));
	CHECK(finds(profile, "clone3", "SCMP_ACT_ERRNO", &args));
}

TEST(a_capability_brings_its_calls)
{
	og_cleanup(og_json_freep) struct og_json *admin = profile_with("CAP_SYS_ADMIN");
	og_cleanup(og_json_freep) struct og_json *tracer = profile_with("CAP_SYS_PTRACE");
	size_t args = 1;

	CHECK(finds(admin, "mount", "SCMP_ACT_ALLOW", &args) && args == 0);
	CHECK(finds(admin, "clone3", "SCMP_ACT_ALLOW", &args));
	CHECK(!finds(admin, "clone3", "SCMP_ACT_ERRNO", &args));
	CHECK(finds(tracer, "pidfd_getfd", "SCMP_ACT_ALLOW", &args));
	CHECK(!finds(tracer, "mount", "SCMP_ACT_ALLOW", &args));
}

TEST(what_every_program_needs_is_there)
{
	static const char *const needed[] = { "read",	"write",      "openat", "mmap",
					      "execve", "futex",      "wait4",	"statx",
					      "brk",	"exit_group", "vfork",	"fchmodat2" };
	og_cleanup(og_json_freep) struct og_json *profile = profile_with(NULL);
	size_t args = 1;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		CHECK(finds(profile, needed[i], "SCMP_ACT_ALLOW", &args) && args == 0);
}

TEST_MAIN(TEST_ENTRY(what_reaches_the_kernel_below_is_refused_by_default),
	  TEST_ENTRY(calls_with_a_dangerous_argument_are_looked_into),
	  TEST_ENTRY(a_capability_brings_its_calls), TEST_ENTRY(what_every_program_needs_is_there))

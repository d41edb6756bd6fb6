/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/spec.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

struct made {
	struct og_json *body, *config;
	struct og_create *create;
	struct og_err err;
	int result;
};

static void made_done(struct made *made)
{
	(void)og_create_free(made->create);
	(void)og_json_free(made->body);
	(void)og_json_free(made->config);
}

#define AUTO_MADE og_cleanup(made_done) struct made

static const struct og_user root_user = { .home = "/root" };

static struct made make_as(const char *text, const struct og_user *user)
{
	static const char *const args[] = { "sh", "-c", "true", NULL };
	static const struct og_spec_mount mounts[] = {
		{ .type = "bind", .source = "/src", .target = "/dst", .read_only = true },
		{ .type = "tmpfs",
		  .source = "tmpfs",
		  .target = "/t",
		  .tmpfs_options = "size=1m,exec" },
	};
	struct made made = {};
	struct og_spec spec = {
		.id = "0123",
		.args = args,
		.hostname = "host",
		.user = user,
		.mounts = mounts,
		.mount_count = 2,
	};

	CHECK_OK(og_json_parse(text, strlen(text), &made.body, NULL));
	CHECK_OK(og_create_decode(made.body, &made.create, NULL));
	spec.create = made.create;
	made.result = og_spec_make(&spec, &made.config, &made.err);
	return made;
}

static struct made make(const char *text)
{
	return make_as(text, &root_user);
}

/* The value at "a.b.c" as JSON text; "" when there is none. */
static bool at(const struct made *made, const char *path, const char *expected)
{
	og_auto_free char *copy = strdup(path);
	const struct og_json *value = made->config;
	og_auto_free char *text = NULL;
	char *rest = copy, *key;

	while ((key = strsep(&rest, ".")) != NULL)
		value = og_json_get(value, key);
	text = value == NULL ? strdup("") : og_json_write(value);
	if (!og_streq(text, expected))
		fprintf(stderr, "%s is %s\n", path, text);
	return og_streq(text, expected);
}

static bool has(const struct og_json *list, const char *text)
{
	for (size_t i = 0; i < og_json_count(list); i++) {
		if (og_streq(og_json_string(og_json_at(list, i), ""), text))
			return true;
	}
	return false;
}

static const struct og_json *member(const struct made *made, const char *a, const char *b)
{
	return og_json_get(og_json_get(made->config, a), b);
}

static bool has_cap(const struct made *made, const char *name)
{
	return has(og_json_get(member(made, "process", "capabilities"), "bounding"), name);
}

TEST(a_plain_workload_is_confined)
{
	AUTO_MADE made = make("{}");

	CHECK_OK(made.result);
	CHECK(at(&made, "process.args", "[\"sh\",\"-c\",\"true\"]"));
	CHECK(at(&made, "process.cwd", "\"/\""));
	CHECK(at(&made, "process.terminal", "false"));
	CHECK(at(&made, "process.capabilities.inheritable", ""));
	CHECK(at(&made, "process.capabilities.ambient", ""));
	CHECK(at(&made, "linux.cgroupsPath", "\"/onggi/0123\""));
	CHECK(at(&made, "linux.resources.pids.limit", "4096"));
	CHECK(at(&made, "hostname", "\"host\""));
	CHECK_EQ(og_json_count(member(&made, "linux", "namespaces")), 6);
	CHECK(og_json_count(member(&made, "linux", "maskedPaths")) > 8);
	CHECK(og_json_count(member(&made, "linux", "readonlyPaths")) > 4);
	CHECK(has_cap(&made, "CAP_CHOWN") && !has_cap(&made, "CAP_SYS_ADMIN"));
	CHECK(at(&made, "annotations", "{}"));
}

TEST(environment_has_what_every_program_expects)
{
	static const struct {
		const char *body, *env;
	} cases[] = {
		{ "{}", "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
			"\"HOSTNAME=host\",\"HOME=/root\"]" },
		{ "{\"Tty\":true,\"Env\":[\"PATH=/bin\",\"HOME=/x\",\"A=\",\"GONE\",\"=B\"]}",
		  "[\"HOSTNAME=host\",\"TERM=xterm\",\"PATH=/bin\",\"HOME=/x\",\"A=\"]" },
	};

	for (size_t i = 0; i < 2; i++) {
		AUTO_MADE made = make(cases[i].body);

		CHECK(at(&made, "process.env", cases[i].env));
	}
}

TEST(capabilities_follow_dockers_rules)
{
	static const struct {
		const char *host;
		bool chown, admin;
	} cases[] = {
		{ "{\"CapAdd\":[\"sys_admin\"]}", true, true },
		{ "{\"CapAdd\":[\"CAP_SYS_ADMIN\"],\"CapDrop\":[\"ALL\"]}", false, true },
		{ "{\"CapDrop\":[\"all\"]}", false, false },
		{ "{\"CapDrop\":[\"CHOWN\"]}", false, false },
		{ "{\"CapAdd\":[\"ALL\"],\"CapDrop\":[\"CHOWN\"]}", false, true },
		{ "{\"Privileged\":true}", true, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_free char *text = og_strdupf("{\"HostConfig\":%s}", cases[i].host);
		AUTO_MADE made = make(text);

		CHECK_EQ(has_cap(&made, "CAP_CHOWN"), cases[i].chown);
		CHECK_EQ(has_cap(&made, "CAP_SYS_ADMIN"), cases[i].admin);
	}
}

TEST(what_does_not_exist_is_refused_by_name)
{
	AUTO_MADE cap = make("{\"HostConfig\":{\"CapAdd\":[\"CAP_FLY\"]}}");
	AUTO_MADE limit = make("{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"wings\"}]}}");
	AUTO_MADE sysctl = make("{\"HostConfig\":{\"Sysctls\":{\"kernel.panic\":\"1\"}}}");
	AUTO_MADE path = make("{\"HostConfig\":{\"Sysctls\":{\"net./../x\":\"1\"}}}");

	CHECK_EQ(cap.result, -EINVAL);
	CHECK(strstr(cap.err.text, "CAP_FLY") != NULL);
	CHECK_EQ(limit.result, -EINVAL);
	CHECK(strstr(limit.err.text, "wings") != NULL);
	CHECK_EQ(sysctl.result, -EINVAL);
	CHECK_EQ(path.result, -EINVAL);
}

TEST(limits_become_resources)
{
	AUTO_MADE made = make("{\"HostConfig\":{\"Memory\":67108864,\"NanoCpus\":1500000000,"
			      "\"PidsLimit\":7,\"CpuShares\":512,\"CpusetCpus\":\"0-1\","
			      "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":-1,\"Hard\":9}]}}");

	CHECK(at(&made, "linux.resources.memory.limit", "67108864"));
	CHECK(at(&made, "linux.resources.memory.swap", "134217728"));
	CHECK(at(&made, "linux.resources.cpu.quota", "150000"));
	CHECK(at(&made, "linux.resources.cpu.period", "100000"));
	CHECK(at(&made, "linux.resources.cpu.shares", "512"));
	CHECK(at(&made, "linux.resources.cpu.cpus", "\"0-1\""));
	CHECK(at(&made, "linux.resources.pids.limit", "7"));
	CHECK(at(&made, "process.rlimits",
		 "[{\"type\":\"RLIMIT_NOFILE\",\"soft\":18446744073709551615,\"hard\":9}]"));
}

TEST(no_limit_of_processes_must_be_asked_for)
{
	AUTO_MADE made = make("{\"HostConfig\":{\"PidsLimit\":-1}}");

	CHECK(at(&made, "linux.resources.pids.limit", "-1"));
}

static bool has_namespace(const struct made *made, const char *type)
{
	const struct og_json *list = member(made, "linux", "namespaces");

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *item = og_json_at(list, i);

		if (og_streq(og_json_string(og_json_get(item, "type"), ""), type))
			return true;
	}
	return false;
}

TEST(namespaces_of_the_host_are_shared_only_when_asked)
{
	AUTO_MADE made = make("{\"HostConfig\":{\"NetworkMode\":\"host\",\"PidMode\":\"host\","
			      "\"IpcMode\":\"host\",\"UTSMode\":\"host\"}}");

	CHECK(has_namespace(&made, "mount") && has_namespace(&made, "cgroup"));
	CHECK(!has_namespace(&made, "network") && !has_namespace(&made, "pid"));
	CHECK(!has_namespace(&made, "ipc") && !has_namespace(&made, "uts"));
	CHECK(at(&made, "hostname", ""));
}

static const struct og_json *mount_of(const struct made *made, const char *target)
{
	const struct og_json *list = og_json_get(made->config, "mounts");

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *item = og_json_at(list, i);

		if (og_streq(og_json_string(og_json_get(item, "destination"), ""), target))
			return item;
	}
	return NULL;
}

TEST(mounts_follow_the_defaults)
{
	AUTO_MADE made = make("{\"HostConfig\":{\"ShmSize\":1048576}}");
	const struct og_json *bind = og_json_get(mount_of(&made, "/dst"), "options");
	const struct og_json *tmpfs = og_json_get(mount_of(&made, "/t"), "options");

	CHECK(has(bind, "rbind") && has(bind, "rprivate") && has(bind, "ro"));
	CHECK(has(tmpfs, "nosuid") && has(tmpfs, "size=1m"));
	CHECK(has(og_json_get(mount_of(&made, "/dev/shm"), "options"), "size=1048576"));
	CHECK(has(og_json_get(mount_of(&made, "/sys"), "options"), "ro"));
	CHECK(has(og_json_get(mount_of(&made, "/sys/fs/cgroup"), "options"), "ro"));
}

TEST(privileged_lifts_what_docker_lifts)
{
	AUTO_MADE made = make("{\"HostConfig\":{\"Privileged\":true}}");

	CHECK_EQ(og_json_count(member(&made, "linux", "maskedPaths")), 0);
	CHECK_EQ(og_json_count(member(&made, "linux", "readonlyPaths")), 0);
	CHECK(at(&made, "linux.seccomp", ""));
	CHECK(has(og_json_get(mount_of(&made, "/sys"), "options"), "rw"));
}

TEST(an_image_writes_no_annotation)
{
	AUTO_MADE made =
		make("{\"Labels\":{\"org.onggi.vm.disks\":\"[]\",\"org.onggi.landlock\":\"{}\"}}");

	CHECK(at(&made, "annotations", "{}"));
}

TEST(an_exec_has_the_workloads_environment_and_its_own)
{
	static const char body_text[] = "{\"Cmd\":[\"ls\"],\"Env\":[\"A=2\"],\"Tty\":true,"
					"\"WorkingDir\":\"/w/../x\"}";
	AUTO_MADE made = make("{\"Env\":[\"A=1\",\"B=1\"]}");
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	og_cleanup(og_json_freep) struct og_json *process = NULL;
	const struct og_json *env;

	CHECK_OK(og_json_parse(body_text, strlen(body_text), &body, NULL));
	CHECK_OK(og_spec_exec_process(made.create, &root_user, "host", body, &process, NULL));
	env = og_json_get(process, "env");
	CHECK(has(env, "A=2") && has(env, "B=1") && !has(env, "A=1") && has(env, "TERM=xterm"));
	CHECK(og_streq(og_json_string(og_json_get(process, "cwd"), ""), "/x"));
	CHECK(og_json_bool(og_json_get(process, "terminal"), false));
}

TEST_MAIN(TEST_ENTRY(a_plain_workload_is_confined),
	  TEST_ENTRY(environment_has_what_every_program_expects),
	  TEST_ENTRY(capabilities_follow_dockers_rules),
	  TEST_ENTRY(what_does_not_exist_is_refused_by_name), TEST_ENTRY(limits_become_resources),
	  TEST_ENTRY(no_limit_of_processes_must_be_asked_for),
	  TEST_ENTRY(namespaces_of_the_host_are_shared_only_when_asked),
	  TEST_ENTRY(mounts_follow_the_defaults), TEST_ENTRY(privileged_lifts_what_docker_lifts),
	  TEST_ENTRY(an_image_writes_no_annotation),
	  TEST_ENTRY(an_exec_has_the_workloads_environment_and_its_own))

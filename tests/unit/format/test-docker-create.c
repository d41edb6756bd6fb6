/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_create.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

struct decoded {
	struct og_json *body;
	struct og_create *create;
	struct og_err err;
	int result;
};

/* Everything lives as long as the test's own process: reachable, so no leak. */
static void *kept[256];
static size_t kept_count;

static void *keep(void *item)
{
	CHECK(kept_count < sizeof(kept) / sizeof(kept[0]));
	kept[kept_count++] = item;
	return item;
}

static struct decoded decode(const char *text)
{
	struct decoded decoded = {};

	CHECK_OK(og_json_parse(text, strlen(text), &decoded.body, NULL));
	(void)keep(decoded.body);
	decoded.result = og_create_decode(decoded.body, &decoded.create, &decoded.err);
	(void)keep(decoded.create);
	return decoded;
}

static const struct og_create *accept(const char *text)
{
	struct decoded decoded = decode(text);

	if (decoded.result < 0)
		fprintf(stderr, "%s: %s\n", text, decoded.err.text);
	CHECK_OK(decoded.result);
	return decoded.create;
}

/* What the docker CLI 28.2 sends for `docker run IMAGE echo hi`. */
static const char docker_run[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,"
	"\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":false,\"OpenStdin\":false,"
	"\"StdinOnce\":false,\"Env\":null,\"Cmd\":[\"echo\",\"hi\"],\"Image\":\"busybox\","
	"\"Volumes\":{},\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},"
	"\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\","
	"\"Config\":{}},\"NetworkMode\":\"default\",\"PortBindings\":{},\"RestartPolicy\":{"
	"\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":true,\"VolumeDriver\":\"\","
	"\"VolumesFrom\":null,\"ConsoleSize\":[0,0],\"CapAdd\":null,\"CapDrop\":null,"
	"\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,"
	"\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,"
	"\"PidMode\":\"\",\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,"
	"\"SecurityOpt\":null,\"UTSMode\":\"\",\"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\","
	"\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,"
	"\"BlkioWeightDevice\":[],\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,"
	"\"Ulimits\":[],\"MaskedPaths\":null,\"ReadonlyPaths\":null},\"NetworkingConfig\":{"
	"\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null}}}}";

TEST(what_the_docker_cli_sends_is_accepted)
{
	const struct og_create *create = accept(docker_run);

	CHECK(og_streq(create->image, "busybox"));
	CHECK(og_streq(create->isolation, "container"));
	CHECK(create->auto_remove && create->attach_stdout && !create->tty);
	CHECK_EQ(create->memory_swappiness, -1);
	CHECK_EQ(create->stop_timeout_s, -1);
	CHECK_EQ(create->network, OG_NETWORK_DEFAULT);
	CHECK_EQ(og_json_count(create->cmd), 2);
	CHECK(create->entrypoint == NULL);
	CHECK_EQ(create->mount_count, 0);
}

TEST(isolation_is_named_directly_or_by_a_runtime)
{
	static const struct {
		const char *host, *isolation;
	} cases[] = {
		{ "{}", "container" },
		{ "{\"Isolation\":\"default\"}", "container" },
		{ "{\"Isolation\":\"vm\"}", "vm" },
		{ "{\"Runtime\":\"onggi-vm\"}", "vm" },
		{ "{\"Runtime\":\"onggi\"}", "container" },
		{ "{\"Runtime\":\"onggi\",\"Isolation\":\"vm\"}", "vm" },
		{ "{\"Runtime\":\"onggi-vm\",\"Isolation\":\"container\"}", NULL },
		{ "{\"Runtime\":\"runc\"}", NULL },
		{ "{\"Isolation\":\"hyperv\"}", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_free char *text = og_strdupf("{\"HostConfig\":%s}", cases[i].host);
		struct decoded decoded = decode(text);

		if (cases[i].isolation == NULL)
			CHECK_EQ(decoded.result, -EINVAL);
		else
			CHECK(og_streq(decoded.create->isolation, cases[i].isolation));
	}
}

TEST(what_is_not_there_is_refused_by_name)
{
	static const struct {
		const char *host, *named;
	} cases[] = {
		{ "{\"PortBindings\":{\"80/tcp\":[{}]}}", "PortBindings" },
		{ "{\"PublishAllPorts\":true}", "PublishAllPorts" },
		{ "{\"Devices\":[{}]}", "Devices" },
		{ "{\"VolumesFrom\":[\"x\"]}", "VolumesFrom" },
		{ "{\"CgroupParent\":\"/x\"}", "CgroupParent" },
		{ "{\"NetworkMode\":\"mine\"}", "network 'mine'" },
		{ "{\"PidMode\":\"container:x\"}", "PidMode" },
		{ "{\"SecurityOpt\":[\"apparmor=x\"]}", "apparmor=x" },
		{ "{\"LogConfig\":{\"Type\":\"syslog\"}}", "syslog" },
		{ "{\"Mounts\":[{\"Type\":\"npipe\",\"Target\":\"/x\"}]}", "npipe" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_free char *text = og_strdupf("{\"HostConfig\":%s}", cases[i].host);
		struct decoded decoded = decode(text);

		CHECK_EQ(decoded.result, -ENOSYS);
		CHECK(strstr(decoded.err.text, cases[i].named) != NULL);
	}
}

TEST(mistakes_are_refused)
{
	static const char *const texts[] = {
		"[]",
		"{\"Image\":7}",
		"{\"Cmd\":[1]}",
		"{\"Env\":\"A=b\"}",
		"{\"Labels\":{\"a\":1}}",
		"{\"StopSignal\":\"SIGNOTHING\"}",
		"{\"HostConfig\":[]}",
		"{\"HostConfig\":{\"Memory\":1024}}",
		"{\"HostConfig\":{\"Memory\":-1}}",
		"{\"HostConfig\":{\"Memory\":\"1g\"}}",
		"{\"HostConfig\":{\"MemorySwap\":67108864}}",
		"{\"HostConfig\":{\"NanoCpus\":1,\"CpuQuota\":1}}",
		"{\"HostConfig\":{\"Privileged\":1}}",
		"{\"HostConfig\":{\"AutoRemove\":true,\"RestartPolicy\":{\"Name\":\"always\"}}}",
		"{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"sometimes\"}}}",
		"{\"HostConfig\":{\"Ulimits\":[{\"Soft\":1}]}}",
		"{\"HostConfig\":{\"ConsoleSize\":[1,70000]}}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK(decode(texts[i]).result < 0);
}

TEST(names_in_another_case_are_not_the_same_names)
{
	const struct og_create *create =
		accept("{\"image\":\"a\",\"hostconfig\":{\"Privileged\":true},"
		       "\"HostConfig\":{\"privileged\":true}}");

	CHECK(create->image == NULL);
	CHECK(!create->privileged);
}

TEST(mounts_of_all_kinds_become_one_sorted_list)
{
	const struct og_create *create =
		accept("{\"Volumes\":{\"/data\":{},\"/a/b\":{}},\"HostConfig\":{"
		       "\"Binds\":[\"/src:/a:ro,rslave\",\"vol:/data\",\"/anonymous\"],"
		       "\"Tmpfs\":{\"/tmp\":\"size=1m\"},"
		       "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/x/../y\",\"Target\":\"/c\","
		       "\"ReadOnly\":true}]}}");
	static const char *const targets[] = { "/a", "/a/b", "/anonymous", "/c", "/data", "/tmp" };

	CHECK_EQ(create->mount_count, 6);
	for (size_t i = 0; i < 6; i++)
		CHECK(og_streq(create->mounts[i].target, targets[i]));
	CHECK(create->mounts[0].type == OG_MOUNT_BIND && create->mounts[0].read_only);
	CHECK(create->mounts[0].make_source);
	CHECK(og_streq(create->mounts[0].propagation, "rslave"));
	CHECK(create->mounts[2].type == OG_MOUNT_VOLUME && create->mounts[2].source == NULL);
	CHECK(og_streq(create->mounts[3].source, "/y") && !create->mounts[3].make_source);
	CHECK(og_streq(create->mounts[4].source, "vol"));
	CHECK(og_streq(create->mounts[5].tmpfs_options, "size=1m"));
}

TEST(volume_paths_stay_inside_the_root)
{
	static const struct {
		const char *path, *clean;
	} cases[] = {
		{ "/../../etc", "/etc" },
		{ "/a/./b//c/", "/a/b/c" },
		{ "/a/../..", "/" },
		{ "/", "/" },
		{ "//", "/" },
		{ "/...", "/..." },
		{ "/a/..b", "/a/..b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_free char *clean = og_clean_path(cases[i].path);

		CHECK(og_streq(clean, cases[i].clean));
	}
	CHECK(og_clean_path("relative") == NULL);
	CHECK(og_streq(accept("{\"Volumes\":{\"/../../etc\":{}}}")->mounts[0].target, "/etc"));
	CHECK_EQ(decode("{\"Volumes\":{\"/..\":{}}}").result, -EINVAL);
	CHECK_EQ(decode("{\"Volumes\":{\"data\":{}}}").result, -EINVAL);
}

TEST(bad_mounts_are_refused)
{
	static const char *const binds[] = {
		"/a:/b:rx", "../a:/b", "a/b:/c", "/a:b", "/a:", "/a:/", "vol:/x:ro:more",
	};

	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		og_auto_free char *text =
			og_strdupf("{\"HostConfig\":{\"Binds\":[\"%s\"]}}", binds[i]);

		CHECK_EQ(decode(text).result, -EINVAL);
	}
	CHECK_EQ(decode("{\"HostConfig\":{\"Binds\":[\"/a:/x\",\"/b:/x/\"]}}").result, -EINVAL);
}

static struct og_json *complete(const char *body_text, const char *image_text)
{
	struct og_json *body, *image;

	CHECK_OK(og_json_parse(body_text, strlen(body_text), &body, NULL));
	CHECK_OK(og_json_parse(image_text, strlen(image_text), &image, NULL));
	(void)keep(body);
	(void)keep(image);
	return keep(og_create_complete(body, image));
}

TEST(cmd_counts_only_when_no_entrypoint_was_given)
{
	static const char image[] = "{\"config\":{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}}";

	static const struct {
		const char *body, *entrypoint, *cmd;
	} cases[] = {
		{ "{}", "[\"e\"]", "[\"c\"]" },
		{ "{\"Cmd\":null,\"Entrypoint\":null}", "[\"e\"]", "[\"c\"]" },
		{ "{\"Cmd\":[\"x\"]}", "[\"e\"]", "[\"x\"]" },
		{ "{\"Entrypoint\":[\"x\"]}", "[\"x\"]", "null" },
		{ "{\"Entrypoint\":[\"x\"],\"Cmd\":[\"y\"]}", "[\"x\"]", "[\"y\"]" },
		{ "{\"Entrypoint\":[]}", "[]", "[\"c\"]" },
		{ "{\"Entrypoint\":[\"\"],\"Cmd\":[\"y\"]}", "[\"\"]", "[\"y\"]" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_json *whole = complete(cases[i].body, image);
		struct og_json *cmd = og_json_get(whole, "Cmd");

		CHECK(og_streq((char *)keep(og_json_write(og_json_get(whole, "Entrypoint"))),
			       cases[i].entrypoint));
		CHECK(og_streq(cmd == NULL ? "null" : (char *)keep(og_json_write(cmd)),
			       cases[i].cmd));
	}
}

TEST(environment_and_labels_are_joined_by_name)
{
	struct og_json *whole =
		complete("{\"Env\":[\"A=1\",\"E\"],\"Labels\":{\"x\":\"own\"}}",
			 "{\"config\":{\"Env\":[\"A=2\",\"AB=3\",\"E=4\",\"P=5\"],"
			 "\"Labels\":{\"x\":\"image\",\"y\":\"image\"},\"WorkingDir\":\"/w\","
			 "\"User\":\"u\",\"StopSignal\":\"SIGINT\"}}");

	CHECK(og_streq((char *)keep(og_json_write(og_json_get(whole, "Env"))),
		       "[\"A=1\",\"E\",\"AB=3\",\"P=5\"]"));
	CHECK(og_streq((char *)keep(og_json_write(og_json_get(whole, "Labels"))),
		       "{\"x\":\"own\",\"y\":\"image\"}"));
	CHECK(og_streq(og_json_string(og_json_get(whole, "User"), ""), "u"));
	CHECK(og_streq(og_json_string(og_json_get(whole, "WorkingDir"), ""), "/w"));
	CHECK(og_streq(og_json_string(og_json_get(whole, "StopSignal"), ""), "SIGINT"));
}

TEST(an_image_cannot_ask_for_privileges)
{
	struct og_json *whole = complete("{}", "{\"config\":{\"HostConfig\":{\"Privileged\":true},"
					       "\"Tty\":true,\"Hostname\":\"h\"}}");

	CHECK(og_json_get(whole, "HostConfig") == NULL);
	CHECK(og_json_get(whole, "Tty") == NULL);
	CHECK(og_json_get(whole, "Hostname") == NULL);
}

TEST(names_and_signals_are_what_docker_takes)
{
	CHECK(og_name_is_valid("a1") && og_name_is_valid("A_b.c-d"));
	CHECK(!og_name_is_valid("a") && !og_name_is_valid("-ab") && !og_name_is_valid("a/b"));
	CHECK(!og_name_is_valid("..") && !og_name_is_valid("a b") && !og_name_is_valid(""));
	CHECK_EQ(og_signal_parse("SIGTERM"), 15);
	CHECK_EQ(og_signal_parse("term"), 15);
	CHECK_EQ(og_signal_parse("9"), 9);
	CHECK_EQ(og_signal_parse("SIGRTMIN+3"), 37);
	CHECK_EQ(og_signal_parse("0"), 0);
	CHECK_EQ(og_signal_parse("65"), 0);
	CHECK_EQ(og_signal_parse("SIG"), 0);
}

TEST_MAIN(TEST_ENTRY(what_the_docker_cli_sends_is_accepted),
	  TEST_ENTRY(isolation_is_named_directly_or_by_a_runtime),
	  TEST_ENTRY(what_is_not_there_is_refused_by_name), TEST_ENTRY(mistakes_are_refused),
	  TEST_ENTRY(names_in_another_case_are_not_the_same_names),
	  TEST_ENTRY(mounts_of_all_kinds_become_one_sorted_list),
	  TEST_ENTRY(volume_paths_stay_inside_the_root), TEST_ENTRY(bad_mounts_are_refused),
	  TEST_ENTRY(cmd_counts_only_when_no_entrypoint_was_given),
	  TEST_ENTRY(environment_and_labels_are_joined_by_name),
	  TEST_ENTRY(an_image_cannot_ask_for_privileges),
	  TEST_ENTRY(names_and_signals_are_what_docker_takes))

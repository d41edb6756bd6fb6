/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_config.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

#define START "{\"ociVersion\":\"1.0.2\","

struct bad {
	const char *text; /* behind START, without the last brace */
	int code;
	const char *said; /* what the error begins with */
};

static const struct bad bad[] = {
	{ "\"ociVersion2\":1,\"root\":1", -EINVAL, "root is not an object" },
	{ "\"root\":{\"path\":1}", -EINVAL, "root.path is not a string" },
	{ "\"root\":{\"path\":\"x\",\"readonly\":1}", -EINVAL,
	  "root.readonly is not true or false" },
	{ "\"process\":{}", -EINVAL, "process.cwd is missing" },
	{ "\"process\":{\"cwd\":\"x\",\"args\":[\"a\"]}", -EINVAL,
	  "process.cwd is not an absolute path" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":\"a\"}", -EINVAL, "process.args is not an array" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\",1]}", -EINVAL,
	  "process.args[1] is not a string" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[]}", -EINVAL, "process.args is empty" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":4294967295,\"gid\":0}}",
	  -ERANGE, "process.user.uid is out of range (0 to 4294967294)" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":-1,\"gid\":0}}", -ERANGE,
	  "process.user.uid is out of range" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[1,-2]}}",
	  -ERANGE, "process.user.additionalGids[1] is out of range" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"oomScoreAdj\":1001}", -ERANGE,
	  "process.oomScoreAdj is out of range (-1000 to 1000)" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"capabilities\":{\"bounding\":{}}}",
	  -EINVAL, "process.capabilities.bounding is not an array" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"scheduler\":{}}", -EINVAL,
	  "process.scheduler.policy is missing" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"scheduler\":{\"policy\":\"SCHED_X\"}}",
	  -EINVAL, "process.scheduler.policy is 'SCHED_X'" },
	{ "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}}",
	  -ERANGE, "process.ioPriority.priority is out of range (0 to 7)" },
	{ "\"linux\":{\"memoryPolicy\":{\"nodes\":\"0\"}}", -EINVAL,
	  "linux.memoryPolicy.mode is missing" },
	{ "\"linux\":{\"personality\":{\"domain\":\"LINUX64\"}}", -EINVAL,
	  "linux.personality.domain is 'LINUX64'" },
	{ "\"linux\":{\"netDevices\":{\"eth0\":{\"name\":1}}}", -EINVAL,
	  "linux.netDevices.eth0.name is not a string" },
	{ "\"linux\":{\"intelRdt\":{\"schemata\":\"L3:0=f\"}}", -EINVAL,
	  "linux.intelRdt.schemata is not an array" },
	{ "\"mounts\":[{\"destination\":\"/a\"},{\"type\":\"x\"}]", -EINVAL,
	  "mounts[1].destination is missing" },
	{ "\"mounts\":{}", -EINVAL, "mounts is not an array" },
	{ "\"mounts\":[1]", -EINVAL, "mounts[0] is not an object" },
	{ "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}", -EINVAL,
	  "linux.namespaces[1] is there twice" },
	{ "\"linux\":{\"namespaces\":[{\"type\":\"mnt\"}]}", -EINVAL,
	  "linux.namespaces[0].type is 'mnt', which is not known" },
	{ "\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1\"}}}", -EINVAL,
	  "linux.resources.memory.limit is not an integer" },
	{ "\"linux\":{\"resources\":{\"memory\":{\"limit\":1.5}}}", -EINVAL,
	  "linux.resources.memory.limit is not an integer" },
	{ "\"linux\":{\"resources\":{\"memory\":{\"limit\":-2}}}", -ERANGE,
	  "linux.resources.memory.limit is out of range" },
	{ "\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}", -ERANGE,
	  "linux.resources.memory.limit is out of range" },
	{ "\"linux\":{\"resources\":{\"memory\":{\"limit\":99999999999999999999}}}", -ERANGE,
	  "JSON" },
	{ "\"linux\":{\"resources\":{\"pids\":{}}}", -EINVAL,
	  "linux.resources.pids.limit is missing" },
	{ "\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}}", -EINVAL,
	  "linux.resources.devices[0].access" },
	{ "\"linux\":{\"sysctl\":{\"a\":1}}", -EINVAL, "linux.sysctl.a is not a string" },
	{ "\"linux\":{\"timeOffsets\":{\"monotonic\":{\"secs\":\"1\"}}}", -EINVAL,
	  "linux.timeOffsets.monotonic.secs is not an integer" },
	{ "\"linux\":{\"seccomp\":{}}", -EINVAL, "linux.seccomp.defaultAction is missing" },
	{ "\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}", -EINVAL,
	  "hooks.poststop[0].path is not an absolute path" },
	{ "\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}", -ERANGE,
	  "hooks.poststop[0].timeout is out of range" },
	{ "\"root\":{\"path\":\"a\",\"path\":\"b\"}", -EINVAL, "JSON" },
};

TEST(what_is_wrong_is_named_by_its_path)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		og_auto_free char *text = og_strdupf(START "%s}", bad[i].text);
		struct og_oci_config *config = NULL;
		struct og_err err = {};

		CHECK_EQ(og_oci_config_parse(text, strlen(text), &config, &err), bad[i].code);
		CHECK(config == NULL);
		if (!og_starts_with(err.text, bad[i].said))
			fprintf(stderr, "%s: %s\n", bad[i].text, err.text);
		CHECK(og_starts_with(err.text, bad[i].said));
	}
}

TEST(every_kind_of_member_arrives)
{
	static const char text[] = START
		"\"root\":{\"path\":\"r\",\"readonly\":true},\"hostname\":\"h\",\"unknown\":[{}],"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"a\",\"b\"],\"user\":{\"uid\":1,\"gid\":2,"
		"\"umask\":18,\"additionalGids\":[3]},\"rlimits\":[{\"type\":\"RLIMIT_AS\","
		"\"soft\":18446744073709551615,\"hard\":18446744073709551615}],"
		"\"consoleSize\":{\"height\":3,\"width\":4},\"oomScoreAdj\":-5},"
		"\"annotations\":{\"k\":\"v\"},\"mounts\":[{\"destination\":\"/m\",\"options\":[\"ro\"]}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/n\"}],"
		"\"resources\":{\"memory\":{\"limit\":-1},\"pids\":{\"limit\":7},\"unified\":{\"a\":\"b\"},"
		"\"network\":{\"classID\":9},\"devices\":[{\"allow\":false}]},"
		"\"timeOffsets\":{\"boottime\":{\"secs\":-1}},"
		"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\","
		"\"args\":[{\"index\":5,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]}]}},"
		"\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"args\":[\"y\"],\"timeout\":5}]}}";
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct og_err err = {};

	CHECK_OK(og_oci_config_parse(text, sizeof(text) - 1, &config, &err));
	CHECK(config->root.set && config->root.readonly && og_streq(config->root.path, "r"));
	CHECK(config->process.set && config->process.args.count == 2);
	CHECK(config->process.args.items[2] == NULL && config->process.env.items[0] == NULL);
	CHECK_EQ(config->process.user.umask.value, 18);
	CHECK_EQ(config->process.user.additional_gids.items[0], 3);
	CHECK(config->process.rlimits.items[0].hard == UINT64_MAX);
	CHECK(config->process.console_size.set && config->process.console_size.width == 4);
	CHECK_EQ(config->process.oom_score_adj.value, -5);
	CHECK(og_streq(og_oci_annotation(config, "k"), "v"));
	CHECK(og_oci_annotation(config, "x") == NULL);
	CHECK(og_streq(og_oci_namespace(config, OG_OCI_NS_NETWORK)->path, "/n"));
	CHECK(og_oci_namespace(config, OG_OCI_NS_PID) == NULL);
	CHECK_EQ(config->linux_.resources.memory.limit.value, -1);
	CHECK(!config->linux_.resources.memory.swap.set);
	CHECK_EQ(config->linux_.resources.pids.limit.value, 7);
	CHECK_EQ(config->linux_.resources.network.class_id.value, 9);
	CHECK_EQ(config->linux_.resources.devices.items[0].type, 'a');
	CHECK(og_streq(config->linux_.resources.unified.items[0].value, "b"));
	CHECK_EQ(config->linux_.time_offsets.items[0].secs, -1);
	CHECK(config->linux_.seccomp.syscalls.items[0].args.items[0].value == UINT64_MAX);
	CHECK_EQ(config->hooks.prestart.items[0].timeout_s.value, 5);
}

TEST(versions_and_documents_of_other_kinds_are_refused)
{
	static const char *const texts[] = {
		"", "{", "[]", "\"x\"", "{}", "{\"ociVersion\":\"2.0\"}", "{\"ociVersion\":1}"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct og_oci_config *config = NULL;
		struct og_err err = {};

		CHECK(og_oci_config_parse(texts[i], strlen(texts[i]), &config, &err) < 0);
		CHECK(err.text[0] != '\0');
	}
}

TEST(a_process_alone_is_read_like_the_one_in_a_config)
{
	static const char good[] = "{\"cwd\":\"/\",\"args\":[\"a\"]}";
	static const char wrong[] =
		"{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":\"0\",\"gid\":0}}";
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct og_oci_config *none = NULL;
	struct og_err err = {};

	CHECK_OK(og_oci_process_parse(good, sizeof(good) - 1, &config, &err));
	CHECK(config->process.set && og_streq(config->process.args.items[0], "a"));
	CHECK_EQ(og_oci_process_parse(wrong, sizeof(wrong) - 1, &none, &err), -EINVAL);
	CHECK(og_starts_with(err.text, "process.user.uid is not an integer"));
}

TEST_MAIN(TEST_ENTRY(what_is_wrong_is_named_by_its_path), TEST_ENTRY(every_kind_of_member_arrives),
	  TEST_ENTRY(versions_and_documents_of_other_kinds_are_refused),
	  TEST_ENTRY(a_process_alone_is_read_like_the_one_in_a_config))

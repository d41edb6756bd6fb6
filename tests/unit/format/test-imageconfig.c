/* SPDX-License-Identifier: Apache-2.0 */
#include "format/imageconfig.h"

#include "base/test.h"
#include "base/text.h"

#define D1 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(const char *text, struct og_imageconfig **ret_config, struct og_err *err)
{
	return og_imageconfig_parse(text, strlen(text), ret_config, err);
}

TEST(a_configuration_is_read)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *c = NULL;
	struct og_err err = {};

	CHECK_OK(parse("{\"architecture\":\"arm64\",\"variant\":\"v8\",\"os\":\"linux\","
		       "\"created\":\"2023-11-14T22:13:20.123456789Z\",\"config\":{\"Env\":null,"
		       "\"Cmd\":[\"a\"],\"Volumes\":{\"/v\":{}}},\"rootfs\":{\"type\":\"layers\","
		       "\"diff_ids\":[\"" D1 "\"]},\"history\":[{\"empty_layer\":true}]}",
		       &c, &err));
	CHECK(strcmp(c->architecture, "arm64") == 0 && strcmp(c->variant, "v8") == 0);
	CHECK_EQ(c->created_s, 1700000000);
	CHECK_EQ(c->layer_count, 1);
}

static const struct {
	const char *text;
	int code;
} bad[] = {
	{ "", -EBADMSG },
	{ "[]", -EBADMSG },
	{ "{}", -EBADMSG },
	{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:../x\"]}}", -EBADMSG },
	{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[3]}}", -EBADMSG },
	{ "{\"rootfs\":{\"type\":\"tree\"}}", -ENOTSUP },
	{ "{\"os\":\"windows\",\"rootfs\":{}}", -ENOTSUP },
	{ "{\"os\":3,\"rootfs\":{}}", -EBADMSG },
	{ "{\"rootfs\":{},\"rootfs\":{}}", -EBADMSG },
	{ "{\"rootfs\":{},\"config\":{\"Cmd\":\"sh\"}}", -EBADMSG },
	{ "{\"rootfs\":{},\"config\":{\"Env\":[1]}}", -EBADMSG },
	{ "{\"rootfs\":{},\"config\":{\"User\":[]}}", -EBADMSG },
	{ "{\"rootfs\":{},\"config\":[]}", -EBADMSG },
	{ "{\"rootfs\":{},\"history\":[1]}", -EBADMSG },
};

TEST(what_is_no_configuration_is_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_imageconfig *c = NULL;
		struct og_err err = {};

		fprintf(stderr, "%s\n", bad[i].text);
		CHECK_EQ(parse(bad[i].text, &c, &err), bad[i].code);
		CHECK(c == NULL && og_starts_with(err.text, "image configuration: "));
	}
}

TEST(too_many_layers_are_refused)
{
	og_auto_text text = {};
	struct og_imageconfig *c = NULL;

	og_text_add(&text, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (int i = 0; i < 128; i++)
		og_text_addf(&text, "%s\"" D1 "\"", i > 0 ? "," : "");
	og_text_add(&text, "]}}");
	CHECK_EQ(parse(text.buf, &c, NULL), -E2BIG);
}

static const struct {
	const char *change, *result;
} changes[] = {
	{ "CMD [\"a\",\"b c\"]", "{\"Cmd\":[\"a\",\"b c\"]}" },
	{ "cmd a b", "{\"Cmd\":[\"\\/bin\\/sh\",\"-c\",\"a b\"]}" },
	{ "ENTRYPOINT [\"/x\"]", "{\"Entrypoint\":[\"\\/x\"]}" },
	{ "ENV A=1 B=\"2 3\"", "{\"Env\":[\"A=1\",\"B=2 3\"]}" },
	{ "ENV A 1  2", "{\"Env\":[\"A=1  2\"]}" },
	{ "ENV A=1 A=2", "{\"Env\":[\"A=2\"]}" },
	{ "LABEL a=b c='d \"e'", "{\"Labels\":{\"a\":\"b\",\"c\":\"d \\\"e\"}}" },
	{ "EXPOSE 80 53/udp", "{\"ExposedPorts\":{\"80\\/tcp\":{},\"53\\/udp\":{}}}" },
	{ "VOLUME [\"/a\",\"/b\"]", "{\"Volumes\":{\"\\/a\":{},\"\\/b\":{}}}" },
	{ "VOLUME /a /b", "{\"Volumes\":{\"\\/a\":{},\"\\/b\":{}}}" },
	{ "USER 1:2", "{\"User\":\"1:2\"}" },
	{ "WORKDIR a", "{\"WorkingDir\":\"\\/a\"}" },
	{ "STOPSIGNAL SIGINT", "{\"StopSignal\":\"SIGINT\"}" },
	{ "ONBUILD RUN x", "{\"OnBuild\":[\"RUN x\"]}" },
};

TEST(changes_are_applied_as_docker_does)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();
		og_cleanup(og_json_freep) struct og_json *want = NULL;
		og_auto_free char *got_text = NULL, *want_text = NULL;
		struct og_err err = {};

		CHECK_OK(og_imageconfig_change(config, changes[i].change, &err));
		CHECK_OK(og_json_parse(changes[i].result, strlen(changes[i].result), &want, &err));
		got_text = og_json_write(config);
		want_text = og_json_write(want);
		fprintf(stderr, "%s: %s, want %s\n", changes[i].change, got_text, want_text);
		CHECK(strcmp(got_text, want_text) == 0);
	}
}

TEST(other_instructions_are_refused)
{
	og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();

	CHECK_EQ(og_imageconfig_change(config, "RUN x", NULL), -EINVAL);
	CHECK_EQ(og_imageconfig_change(config, "CMD", NULL), -EINVAL);
	CHECK_EQ(og_imageconfig_change(config, "", NULL), -EINVAL);
	CHECK_EQ(og_imageconfig_change(config, "ENV =x", NULL), -EINVAL);
	CHECK_EQ(og_imageconfig_change(config, "LABEL x", NULL), -EINVAL);
	CHECK_EQ(og_json_count(config), 0);
}

TEST_MAIN(TEST_ENTRY(a_configuration_is_read), TEST_ENTRY(what_is_no_configuration_is_refused),
	  TEST_ENTRY(too_many_layers_are_refused), TEST_ENTRY(changes_are_applied_as_docker_does),
	  TEST_ENTRY(other_instructions_are_refused))

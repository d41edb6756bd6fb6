/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static struct og_yaml *parse(const char *text)
{
	struct og_yaml *yaml = NULL;
	struct og_err err = {};

	if (og_yaml_parse(text, strlen(text), &yaml, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(EXIT_FAILURE);
	}
	return yaml;
}

TEST(documents_become_trees)
{
	static const struct {
		const char *yaml, *json;
	} rows[] = {
		{ "", "{}" },
		{ "# nothing\n", "{}" },
		{ "a: 1\nb: [x, 'y', \"z\\n\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\\n\"]}" },
		{ "a:\n  - b: true\n    c: ~\n  - d\n", "{\"a\":[{\"b\":true,\"c\":null},\"d\"]}" },
		{ "a: yes\nb: off\nc: 0755\nd: 1_000\ne: 12:30\nf: 0x1f\n",
		  "{\"a\":\"yes\",\"b\":\"off\",\"c\":\"0755\",\"d\":\"1_000\",\"e\":\"12:30\",\"f\":\"0x1f\"}" },
		{ "a: '1'\nb: \"true\"\nc: -7\nd: 18446744073709551615\n",
		  "{\"a\":\"1\",\"b\":\"true\",\"c\":-7,\"d\":18446744073709551615}" },
		{ "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}" },
		{ "{\"json\": [1, {\"is\": \"yaml\"}]}", "{\"json\":[1,{\"is\":\"yaml\"}]}" },
		{ "- a\n- b\n", "[\"a\",\"b\"]" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct og_yaml *yaml = parse(rows[i].yaml);
		char *json = og_json_write(og_yaml_root(yaml));

		if (!og_streq(json, rows[i].json)) {
			fprintf(stderr, "%s: %s\n", rows[i].yaml, json);
			exit(EXIT_FAILURE);
		}
		free(json);
		og_yaml_free(yaml);
	}
}

TEST(what_has_two_readings_is_refused_with_its_line)
{
	static const struct {
		const char *yaml, *what;
	} rows[] = {
		{ "a: &x 1\n", "line 1: anchors" },
		{ "a: 1\nb: *x\n", "line 2: aliases" },
		{ "a: [&x [y, y], *x]\n", "line 1: anchors" },
		{ "a: !!int 1\n", "line 1: tags" },
		{ "a: 1\nb: 2\na: 3\n", "line 3: 'a' is there twice" },
		{ "a:\nb: 2\na:\n", "line 3: 'a' is there twice" },
		{ "<<: {}\n", "line 1: a key" },
		{ "[a]: b\n", "line 1: a key is no text" },
		{ "a: 1\n---\nb: 2\n", "second document" },
		{ "%YAML 1.1\n--- {}\n", "directives" },
		{ "a: 18446744073709551616\n", "line 1: a number out of range" },
		{ "a: \"x\\0y\"\n", "line 1: a value holds NUL" },
		{ "a:\n\t- b\n", "line 2" },
		{ "a: [1, 2\n", "line" },
		{ "a: \"\xff\"\n", "line" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct og_yaml *yaml = NULL;
		struct og_err err = {};

		CHECK_EQ(og_yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &yaml, &err), -EINVAL);
		if (strstr(err.text, rows[i].what) == NULL) {
			fprintf(stderr, "%s: %s\n", rows[i].yaml, err.text);
			exit(EXIT_FAILURE);
		}
	}
}

TEST(keys_know_their_lines)
{
	struct og_yaml *yaml = parse("a: 1\n\nb:\n  c: 2\n  d:\n    - e\n");
	const struct og_json *root = og_yaml_root(yaml);
	const struct og_json *b = og_json_get(root, "b");

	CHECK_EQ(og_yaml_line(yaml, root, "a"), 1);
	CHECK_EQ(og_yaml_line(yaml, root, "b"), 3);
	CHECK_EQ(og_yaml_line(yaml, b, NULL), 4);
	CHECK_EQ(og_yaml_line(yaml, b, "d"), 5);
	CHECK_EQ(og_yaml_line(yaml, b, "x"), 0);
	og_yaml_free(yaml);
}

TEST(size_and_depth_are_bounded)
{
	og_auto_text text = {};
	struct og_yaml *yaml = NULL;
	struct og_err err = {};

	for (int i = 0; i < 1000; i++)
		og_text_add(&text, "[");
	CHECK_EQ(og_yaml_parse(text.buf, text.len, &yaml, &err), -EINVAL);
	CHECK(strstr(err.text, "nested too deeply") != NULL);
	og_text_clear(&text);
	for (unsigned i = 0; i <= OG_YAML_NODES_MAX; i++)
		og_text_add(&text, "- a\n");
	CHECK_EQ(og_yaml_parse(text.buf, text.len, &yaml, &err), -E2BIG);
	CHECK_EQ(og_yaml_parse("", (size_t)OG_YAML_MAX + 1, &yaml, &err), -E2BIG);
}

TEST_MAIN(TEST_ENTRY(documents_become_trees),
	  TEST_ENTRY(what_has_two_readings_is_refused_with_its_line),
	  TEST_ENTRY(keys_know_their_lines), TEST_ENTRY(size_and_depth_are_bounded))

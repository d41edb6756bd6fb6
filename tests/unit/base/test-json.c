/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "base/text.h"

static int parse(const char *text, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;

	return og_json_parse(text, strlen(text), &root, err);
}

TEST(what_was_written_can_be_read)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *text = "{\"a\":[1,-2,\"x:y\"],\"b\":{\"c\":true},\"d\":null}";
	og_auto_free char *again = NULL;

	CHECK_OK(og_json_parse(text, strlen(text), &root, NULL));
	CHECK_EQ(og_json_count(og_json_get(root, "a")), 3);
	CHECK_EQ(og_json_int(og_json_at(og_json_get(root, "a"), 1), 0), -2);
	CHECK(og_json_get(root, "d") == NULL);
	again = og_json_write(root);
	CHECK(og_streq(again, text));
}

TEST(equal_keys_are_refused_however_they_are_spelled)
{
	struct og_err err = {};

	CHECK_EQ(parse("{\"a\":1,\"a\":2}", &err), -EINVAL);
	CHECK(strstr(err.text, "equal keys") != NULL);
	CHECK_EQ(parse("{\"a\":1,\"\\u0061\":2}", NULL), -EINVAL);
	CHECK_EQ(parse("[{\"x\":{\"a\":1,\"b\":{\"a\":1},\"a\":2}}]", NULL), -EINVAL);
	CHECK_OK(parse("{\"a\":{\"a\":1},\"b\":\"a:a:\\\":\"}", NULL));
}

struct placed {
	const char *text, *path;
};

TEST(what_is_ambiguous_is_named_by_its_path)
{
	static const struct placed cases[] = {
		{ "{\"a\":1,\"a\":2}", ": a" },
		{ "{\"a\":{\"a\":1},\"b\" : [0,{\"c\":[{}],\"x\":\",\",\"\\u0063\" : 1}]}",
		  ": b[1].\\u0063" },
		{ "{\"a\":{\"x\":1,\"x\":2},\"a\":3}", ": a.x" },
		{ "{\"a\":[1,[2,99999999999999999999]]}", ": a[1][1]: " },
		{ "{\"a\":{\"b\":\"}\",\"c\":[\"\\u0000\"]}}", ": a.c[0]: " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_err err = {};

		CHECK(parse(cases[i].text, &err) < 0);
		CHECK(strstr(err.text, cases[i].path) != NULL);
	}
}

TEST(a_place_is_found_in_any_text)
{
	static const char text[] = "{\"a\":{\"b\":[true,{\"c\":\"long, long {";
	char path[OG_JSON_PATH_MAX];
	char deep[2000];

	og_json_place(text, sizeof(text) - 1, path, sizeof(path));
	CHECK(og_streq(path, "a.b[1].c"));
	og_json_place("]]}}\\\"\\", 7, path, sizeof(path));
	CHECK(og_streq(path, ""));
	memset(deep, '[', sizeof(deep));
	og_json_place(deep, sizeof(deep), path, 8);
	CHECK(og_starts_with(path, "[0][0]") && strlen(path) < 8);
}

TEST(integers_that_would_be_clamped_are_refused)
{
	CHECK_EQ(parse("[18446744073709551616]", NULL), -ERANGE);
	CHECK_EQ(parse("[-9223372036854775809]", NULL), -ERANGE);
	CHECK_OK(parse("[18446744073709551615,-9223372036854775808,1.5e300]", NULL));
}

TEST(strings_are_read_and_written_as_they_are_meant)
{
	static const char text[] =
		"[\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\\\\\"\",\"\\u001f\xc3\xa9\"]";
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *again = NULL;

	CHECK_OK(og_json_parse(text, strlen(text), &root, NULL));
	CHECK(og_streq(og_json_string(og_json_at(root, 0), ""),
		       "\xc3\xa9\xf0\x9f\x98\x80/\b\f\n\r\t\\\""));
	again = og_json_write(root);
	CHECK(og_streq(again, "[\"\xc3\xa9\xf0\x9f\x98\x80/\\b\\f\\n\\r\\t\\\\\\\"\","
			      "\"\\u001f\xc3\xa9\"]"));
}

TEST(what_is_no_text_is_refused)
{
	static const char *const strings[] = {
		"\xc0\xaf",
		"\xe0\x80\xaf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xe2\x82",
		"\x80",
		"\xf0\x9f\x98",
		"\\ud83d",
		"\\ude00",
		"\\ud83d\\u0041",
		"\\u12g4",
		"\\x41",
		"\n",
		"\\u00",
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		og_auto_free char *text = og_strdupf("[\"%s\"]", strings[i]);

		CHECK_EQ(parse(text, NULL), -EINVAL);
	}
}

TEST(numbers_are_what_the_grammar_says)
{
	static const char *const bad[] = { "01",  "-",	 "+1",	     "1.",  ".5",   "1e", "1e+",
					   "0x1", "-01", "Infinity", "NaN", "1.e1", "--1" };
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *text = "[-0,0.5,1e2,-1.5E-2,4.0,18446744073709551615,5e-324]";
	og_auto_free char *again = NULL;

	CHECK_OK(og_json_parse(text, strlen(text), &root, NULL));
	CHECK_EQ(og_json_kind(og_json_at(root, 4)), OG_JSON_DOUBLE);
	CHECK(og_json_uint(og_json_at(root, 5), 0) == UINT64_MAX);
	again = og_json_write(root);
	CHECK(og_streq(again, "[0,0.5,100.0,-0.014999999999999999,4.0,18446744073709551615,"
			      "4.9406564584124654e-324]"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		og_auto_free char *wrong = og_strdupf("[%s]", bad[i]);

		CHECK_EQ(parse(wrong, NULL), -EINVAL);
	}
	CHECK_EQ(parse("[1e999]", NULL), -ERANGE);
}

TEST(a_large_object_is_searched_and_changed_like_a_small_one)
{
	og_cleanup(og_json_freep) struct og_json *object = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *copy = NULL;
	struct og_json_member member = {};
	char key[16];

	for (int64_t i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", (int)i);
		og_json_set_int(object, key, -1);
		og_json_set_int(object, key, i);
	}
	og_json_unset(object, "k0");
	og_json_unset(object, "k999");
	og_json_unset(object, "k500");
	og_json_unset(object, "none");
	copy = og_json_copy(object);
	CHECK_EQ(og_json_count(copy), 997);
	CHECK(og_json_get(copy, "k500") == NULL);
	CHECK_EQ(og_json_int(og_json_get(copy, "k501"), 0), 501);
	CHECK(og_json_next(copy, &member) && og_streq(member.key, "k1"));
}

TEST(what_is_no_json_is_refused)
{
	CHECK_EQ(parse("", NULL), -EINVAL);
	CHECK_EQ(parse("{\"a\":1", NULL), -EINVAL);
	CHECK_EQ(parse("{\"a\":1} x", NULL), -EINVAL);
	CHECK_EQ(parse("[\"\\u0000\"]", NULL), -EINVAL);
	CHECK_EQ(parse("[\"\xff\"]", NULL), -EINVAL);
	CHECK_EQ(parse("null", NULL), -EINVAL);
}

TEST(deep_nesting_is_refused)
{
	char text[2001];

	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	text[2000] = '\0';
	CHECK_EQ(parse(text, NULL), -EINVAL);
}

TEST(a_member_of_another_kind_is_named)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *text = "{\"pids\":\"many\",\"big\":9999}";
	struct og_err err = {};
	int64_t value = 7;

	CHECK_OK(og_json_parse(text, strlen(text), &root, NULL));
	CHECK_EQ(og_json_opt_int(root, "pids", 0, 10, &value, &err), -EINVAL);
	CHECK(strstr(err.text, "pids is not an integer") != NULL);
	CHECK_EQ(og_json_opt_int(root, "big", 0, 10, &value, &err), -ERANGE);
	CHECK_OK(og_json_opt_int(root, "none", 0, 10, &value, &err));
	CHECK_EQ(value, 7);
}

TEST(a_text_for_people_has_two_blanks_a_level)
{
	enum {
		DEPTH = 21
	};
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_text text = {}, expected = {};
	og_auto_free char *pretty = NULL;

	for (int i = 0; i < DEPTH; i++)
		og_text_add(&text, "[");
	og_text_add(&text, "{\"a\":[]}");
	for (int i = 0; i < DEPTH; i++)
		og_text_add(&text, "]");
	for (int i = 0; i < DEPTH; i++)
		og_text_addf(&expected, "[\n%*s", 2 * (i + 1), "");
	og_text_addf(&expected, "{\n%*s\"a\": []\n%*s}", 2 * DEPTH + 2, "", 2 * DEPTH, "");
	for (int i = DEPTH - 1; i >= 0; i--)
		og_text_addf(&expected, "\n%*s]", 2 * i, "");
	CHECK_OK(og_json_parse(text.buf, text.len, &root, NULL));
	pretty = og_json_write_pretty(root);
	CHECK(og_streq(pretty, expected.buf));
}

TEST(every_letter_is_written_so_that_it_is_read_again_wherever_it_stands)
{
	for (int letter = 1; letter < 0x80; letter++) {
		for (size_t at = 0; at < 24; at++) {
			og_cleanup(og_json_freep) struct og_json *root = NULL, *again = NULL;
			og_auto_free char *written = NULL;
			char text[25] = "abcdefghijklmnopqrstuvw ";

			text[at] = (char)letter;
			root = og_json_new_string(text);
			written = og_json_write(root);
			CHECK_OK(og_json_parse(written, strlen(written), &again, NULL));
			CHECK(og_streq(og_json_string(again, ""), text));
			CHECK_EQ(strlen(written) == 26,
				 letter >= 0x20 && letter != '"' && letter != '\\');
		}
	}
}

TEST(a_stream_is_written_as_the_tree_of_the_same_is)
{
	static const char wanted[] =
		"{\"a\": {}, \"b\": [], \"c\": [\"x\\\"\\u0001\", [1.5, {}], {\"d\": \"\"}], "
		"\"e\": {\"f\": [true, null]}, \"g\": \"end\"}";
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_text text = {}, compact = {};
	struct og_json_stream streams[] = { { .text = &text, .pretty = true },
					    { .text = &compact } };
	og_auto_free char *pretty = NULL, *plain = NULL;

	CHECK_OK(og_json_parse(wanted, sizeof(wanted) - 1, &root, NULL));
	for (size_t i = 0; i < 2; i++) {
		struct og_json_stream *stream = &streams[i];

		og_json_stream_object(stream, NULL);
		og_json_stream_object(stream, "a");
		og_json_stream_end(stream);
		og_json_stream_array(stream, "b");
		og_json_stream_end(stream);
		og_json_stream_array(stream, "c");
		og_json_stream_string(stream, NULL, "x\"\001");
		og_json_stream_array(stream, NULL);
		og_json_stream_double(stream, NULL, 1.5);
		og_json_stream_object(stream, NULL);
		og_json_stream_end(stream);
		og_json_stream_end(stream);
		og_json_stream_object(stream, NULL);
		og_json_stream_string(stream, "d", "");
		og_json_stream_end(stream);
		og_json_stream_end(stream);
		og_json_stream_value(stream, "e", og_json_get(root, "e"));
		og_json_stream_part(stream, "g", "end of it", 3);
		og_json_stream_end(stream);
	}
	pretty = og_json_write_pretty(root);
	plain = og_json_write(root);
	CHECK(og_streq(text.buf, pretty));
	CHECK(og_streq(compact.buf, plain));
}

TEST_MAIN(TEST_ENTRY(what_was_written_can_be_read),
	  TEST_ENTRY(every_letter_is_written_so_that_it_is_read_again_wherever_it_stands),
	  TEST_ENTRY(a_stream_is_written_as_the_tree_of_the_same_is),
	  TEST_ENTRY(a_text_for_people_has_two_blanks_a_level),
	  TEST_ENTRY(equal_keys_are_refused_however_they_are_spelled),
	  TEST_ENTRY(what_is_ambiguous_is_named_by_its_path),
	  TEST_ENTRY(a_place_is_found_in_any_text),
	  TEST_ENTRY(integers_that_would_be_clamped_are_refused),
	  TEST_ENTRY(strings_are_read_and_written_as_they_are_meant),
	  TEST_ENTRY(what_is_no_text_is_refused), TEST_ENTRY(numbers_are_what_the_grammar_says),
	  TEST_ENTRY(a_large_object_is_searched_and_changed_like_a_small_one),
	  TEST_ENTRY(what_is_no_json_is_refused), TEST_ENTRY(deep_nesting_is_refused),
	  TEST_ENTRY(a_member_of_another_kind_is_named))

/* SPDX-License-Identifier: Apache-2.0 */
/* How things are shown: templates, tables, units. */
#include <errno.h>

#include "base/test.h"
#include "client/table.h"
#include "client/template.h"
#include "client/units.h"

static const char document[] =
	"{\"Name\":\"web\",\"State\":{\"Running\":true,\"Code\":0},\"Tags\":[\"a\",\"b\"],"
	"\"Labels\":{\"x.y\":\"1\"}}";

static void check_shown(const char *template, const char *expected)
{
	og_cleanup(og_json_freep) struct og_json *value = NULL;
	og_auto_text out = {};

	CHECK_OK(og_json_parse(document, strlen(document), &value, NULL));
	CHECK_OK(og_template_show(template, value, &out, NULL));
	if (strcmp(out.buf, expected) != 0) {
		fprintf(stderr, "%s: '%s', not '%s'\n", template, out.buf, expected);
		exit(EXIT_FAILURE);
	}
}

TEST(templates_show_fields)
{
	check_shown("{{.Name}}", "web");
	check_shown("{{ .State.Running }}/{{.State.Code}}\\t!", "true/0\t!");
	check_shown("{{json .Tags}}", "[\"a\",\"b\"]");
	check_shown("{{json .}}", document);
	check_shown("{{.Tags}} {{len .Tags}} {{index .Tags 1}}", "[a b] 2 b");
	check_shown("{{join .Tags \", \"}}", "a, b");
	check_shown("{{index .Labels \"x.y\"}}", "1");
	check_shown("{{upper .Name}}", "WEB");
	check_shown("{{.Missing.Field}}", "<no value>");
	check_shown("{{json .Missing}}", "null");
}

TEST(templates_that_are_not_known_are_refused)
{
	static const char *const bad[] = { "{{.Name",  "{{range .Tags}}{{end}}", "{{}}",
					   "{{json}}", "{{index .Tags}}",	 "{{printf \"x}}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		og_auto_text out = {};

		CHECK_EQ(og_template_show(bad[i], NULL, &out, NULL), -EINVAL);
	}
}

TEST(columns_are_aligned_by_characters)
{
	og_auto_text out = {};

	og_table_align("ID\tNAME\n1\t\xea\xb0\x80\xeb\x82\x98\xeb\x8b\xa4 long name here\n", &out);
	CHECK_EQ(strcmp(out.buf, "ID        NAME\n"
				 "1         \xea\xb0\x80\xeb\x82\x98\xeb\x8b\xa4 long name here\n"),
		 0);
	og_text_clear(&out);
	og_table_align("A\tB\nmore than ten\tx\n", &out);
	CHECK_EQ(strcmp(out.buf, "A               B\nmore than ten   x\n"), 0);
}

static void check_size(int64_t bytes, const char *expected)
{
	CHECK_EQ(strcmp(og_human_size(bytes).text, expected), 0);
}

TEST(sizes_have_three_digits)
{
	check_size(0, "0B");
	check_size(999, "999B");
	check_size(1984172, "1.98MB");
	check_size(124000000, "124MB");
	check_size(13256, "13.3kB");
	check_size(999600, "1000kB");
	check_size(5000000000, "5GB");
}

TEST(durations_have_dockers_words)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} durations[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },	      { 59, "59 seconds" },
		{ 60, "About a minute" },    { 125, "2 minutes" },    { 3700, "About an hour" },
		{ 7200, "2 hours" },	     { 172800, "2 days" },    { 1209600, "2 weeks" },
		{ 5184000, "2 months" },     { 63072000, "2 years" },
	};

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		CHECK_EQ(strcmp(og_human_duration(durations[i].seconds).text, durations[i].text),
			 0);
}

TEST_MAIN(TEST_ENTRY(templates_show_fields), TEST_ENTRY(templates_that_are_not_known_are_refused),
	  TEST_ENTRY(columns_are_aligned_by_characters), TEST_ENTRY(sizes_have_three_digits),
	  TEST_ENTRY(durations_have_dockers_words))

/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/test.h"

/* Joins the texts of all entries of @stream in @path, each of which must be strict JSON. */
static size_t read_back(const char *path, const char *stream, char *text, size_t room)
{
	og_auto_free char *file = NULL;
	char *save = NULL;
	size_t len = 0;

	CHECK_OK(og_read_file(AT_FDCWD, path, 1 << 26, &file, NULL, NULL));
	for (char *line = strtok_r(file, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		og_cleanup(og_json_freep) struct og_json *entry = NULL;
		const char *part;

		CHECK_OK(og_json_parse(line, strlen(line), &entry, NULL));
		CHECK(og_json_get(entry, "time") != NULL);
		if (strcmp(og_json_string(og_json_get(entry, "stream"), ""), stream) != 0)
			continue;
		part = og_json_string(og_json_get(entry, "log"), NULL);
		CHECK(part != NULL && len + strlen(part) < room);
		len += (size_t)snprintf(text + len, room - len, "%s", part);
	}
	return len;
}

TEST(lines_come_back_as_they_were_however_they_were_cut)
{
	static const char text[] =
		"plain\nquote \" slash \\ tab\t bell\a \xea\xb0\x80 end\r\n\nlast";

	for (size_t step = 1; step <= sizeof(text); step++) {
		og_cleanup(og_log_freep) struct og_log *log = NULL;
		char back[256];

		(void)unlink("log");
		CHECK_OK(og_log_open("log", 1 << 20, 2, &log, NULL));
		for (size_t at = 0; at < sizeof(text) - 1; at += step) {
			size_t left = sizeof(text) - 1 - at;

			og_log_write(log, OG_STDOUT, text + at, left < step ? left : step);
		}
		og_log_write(log, OG_STDERR, "other", 5);
		og_log_finish(log);
		CHECK_EQ(read_back("log", "stdout", back, sizeof(back)), sizeof(text) - 1);
		CHECK_EQ(strcmp(back, text), 0);
		CHECK_EQ(read_back("log", "stderr", back, sizeof(back)), 5);
	}
}

TEST(bytes_that_are_no_text_become_replacement_characters)
{
	og_cleanup(og_log_freep) struct og_log *log = NULL;
	char back[256];

	CHECK_OK(og_log_open("log", 1 << 20, 2, &log, NULL));
	og_log_write(log, OG_STDOUT, "a\xff\xc0\x80\xed\xa0\x80z\n", 9);
	CHECK(read_back("log", "stdout", back, sizeof(back)) > 0);
	CHECK_EQ(strcmp(back, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			      "\xef\xbf\xbdz\n"),
		 0);
}

TEST(a_line_without_an_end_is_cut_between_characters)
{
	og_cleanup(og_log_freep) struct og_log *log = NULL;
	static char text[3 * 20000 + 1];
	static char back[sizeof(text) + 1];

	for (size_t i = 0; i < 20000; i++)
		memcpy(text + 3 * i, "\xea\xb0\x80", 3);
	CHECK_OK(og_log_open("log", 1 << 20, 2, &log, NULL));
	og_log_write(log, OG_STDOUT, text, sizeof(text) - 1);
	og_log_finish(log);
	CHECK_EQ(read_back("log", "stdout", back, sizeof(back)), sizeof(text) - 1);
	CHECK_EQ(strcmp(back, text), 0);
}

TEST(a_flood_keeps_within_its_files)
{
	og_cleanup(og_log_freep) struct og_log *log = NULL;
	static char flood[1 << 16];
	struct stat st;

	memset(flood, 'y', sizeof(flood));
	for (size_t i = 99; i < sizeof(flood); i += 100)
		flood[i] = '\n';
	CHECK_OK(og_log_open("log", 100000, 3, &log, NULL));
	for (int i = 0; i < 40; i++)
		og_log_write(log, OG_STDOUT, flood, sizeof(flood));
	CHECK_OK(stat("log", &st));
	CHECK(st.st_size <= 100000);
	CHECK_OK(stat("log.1", &st));
	CHECK(st.st_size <= 100000 && st.st_size > 90000);
	CHECK_OK(stat("log.2", &st));
	CHECK(st.st_size <= 100000);
	CHECK_EQ(stat("log.3", &st), -1);
}

TEST_MAIN(TEST_ENTRY(lines_come_back_as_they_were_however_they_were_cut),
	  TEST_ENTRY(bytes_that_are_no_text_become_replacement_characters),
	  TEST_ENTRY(a_line_without_an_end_is_cut_between_characters),
	  TEST_ENTRY(a_flood_keeps_within_its_files))

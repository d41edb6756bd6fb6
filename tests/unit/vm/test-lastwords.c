/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/lastwords.h"

#include <string.h>

#include "base/test.h"

static void line_of(const char *text, char *line, size_t size)
{
	static struct og_last_words words;

	words.len = 0;
	og_last_words_add(&words, text, strlen(text));
	og_last_words_line(&words, line, size);
}

TEST(a_panic_counts_more_than_what_comes_after_it)
{
	char line[100];

	line_of("[    0.1] one\r\n[    1.234567] Kernel panic - not syncing: No init found.\r\n"
		"[    1.3] CPU: 0 PID: 1\r\n",
		line, sizeof(line));
	CHECK(strcmp(line, "Kernel panic - not syncing: No init found.") == 0);
}

TEST(else_the_last_line_is_taken)
{
	char line[100];

	line_of("qemu: one\nqemu: two\n\n", line, sizeof(line));
	CHECK(strcmp(line, "qemu: two") == 0);
	line_of("", line, sizeof(line));
	CHECK(line[0] == '\0');
}

TEST(nothing_moves_the_readers_cursor)
{
	char line[100];

	line_of("a\x1b[2Jb\n", line, sizeof(line));
	CHECK(strcmp(line, "a?[2Jb") == 0);
}

TEST(only_the_end_is_kept)
{
	static struct og_last_words words;
	static char junk[3 * OG_LAST_WORDS_ROOM];
	char line[8];

	memset(junk, 'x', sizeof(junk));
	og_last_words_add(&words, "onggi-init: early\n", 18);
	for (size_t i = 0; i < sizeof(junk); i += 1000)
		og_last_words_add(&words, junk, 1000);
	og_last_words_add(&words, junk, sizeof(junk));
	CHECK_EQ(words.len, OG_LAST_WORDS_ROOM);
	og_last_words_add(&words, "\nend of it all", 14);
	og_last_words_line(&words, line, sizeof(line));
	CHECK(strcmp(line, "end of ") == 0);
}

TEST_MAIN(TEST_ENTRY(a_panic_counts_more_than_what_comes_after_it),
	  TEST_ENTRY(else_the_last_line_is_taken), TEST_ENTRY(nothing_moves_the_readers_cursor),
	  TEST_ENTRY(only_the_end_is_kept))

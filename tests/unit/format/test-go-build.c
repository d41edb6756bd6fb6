/* SPDX-License-Identifier: Apache-2.0 */
/* Programs made here, of both classes and byte orders, with the build information in both forms. */
#include "format/go_build.h"

#include "base/test.h"
#include "package_list.h"

#define MODULES                                                                          \
	"path\tcmd/x\nmod\texample.com/x\tv1.2.3\th1:=\ndep\tgolang.org/x/net\t"         \
	"v0.1.0\th1:=\ndep\told\tv1\n=>\tnew\tv2\th1:=\ndep\tlocal\tv3\n=>\t./local\t\n" \
	"build\t-compiler=gc\n"
#define WANTED                                                                             \
	"stdlib 1.19.8 - - -\nexample.com/x v1.2.3 - - -\ngolang.org/x/net v0.1.0 - - -\n" \
	"new v2 - - -\nlocal v3 - - -\n"

struct program {
	uint8_t bytes[8192];
	size_t len;
	bool is_64, big;
};

static void put(struct program *program, size_t at, uint64_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		program->bytes[at + (program->big ? bytes - 1 - i : i)] =
			(uint8_t)(number >> 8 * i);
}

static void put_word(struct program *program, size_t at, uint64_t number)
{
	put(program, at, number, program->is_64 ? 8 : 4);
}

#define DATA_AT	    1024
#define DATA_BYTES  4096
#define SECTIONS_AT 6144
#define NAMES_AT    6656
#define ADDRESS	    0x400000

static void put_section(struct program *program, size_t index, uint32_t name, uint32_t type,
			uint64_t offset, uint64_t size)
{
	size_t at = SECTIONS_AT + index * (program->is_64 ? 64 : 40);

	put(program, at, name, 4);
	put(program, at + 4, type, 4);
	put_word(program, at + (program->is_64 ? 24 : 16), offset);
	put_word(program, at + (program->is_64 ? 32 : 20), size);
}

static void make(struct program *program, bool is_64, bool big, bool sections)
{
	static const char names[] = "\0.go.buildinfo\0.shstrtab";
	size_t segment = 64;

	*program = (struct program){ .len = 7168, .is_64 = is_64, .big = big };
	memcpy(program->bytes,
	       "\x7f"
	       "ELF",
	       4);
	program->bytes[4] = is_64 ? 2 : 1;
	program->bytes[5] = big ? 2 : 1;
	put_word(program, is_64 ? 32 : 28, segment);
	put_word(program, is_64 ? 40 : 32, SECTIONS_AT);
	put(program, is_64 ? 54 : 42, is_64 ? 56 : 32, 2);
	put(program, is_64 ? 56 : 44, 1, 2);
	put(program, is_64 ? 58 : 46, is_64 ? 64 : 40, 2);
	put(program, is_64 ? 60 : 48, sections ? 3 : 0, 2);
	put(program, is_64 ? 62 : 50, 2, 2);
	put(program, segment, 1, 4);
	put(program, segment + (is_64 ? 4 : 24), 6, 4);
	put_word(program, segment + (is_64 ? 8 : 4), DATA_AT);
	put_word(program, segment + (is_64 ? 16 : 8), ADDRESS);
	put_word(program, segment + (is_64 ? 32 : 16), DATA_BYTES);
	put_section(program, 1, 1, 1, DATA_AT, DATA_BYTES);
	put_section(program, 2, 15, 3, NAMES_AT, sizeof(names));
	memcpy(program->bytes + NAMES_AT, names, sizeof(names));
}

static void put_list(struct program *program, size_t at)
{
	memset(program->bytes + at, 0xaa, 16);
	memcpy(program->bytes + at + 16, MODULES, sizeof(MODULES) - 1);
	memset(program->bytes + at + 16 + sizeof(MODULES) - 1, 0xbb, 16);
}

static void put_inline(struct program *program)
{
	size_t len = 32 + sizeof(MODULES) - 1, at = DATA_AT + 32;

	memcpy(program->bytes + DATA_AT, "\xff Go buildinf:", 14);
	program->bytes[DATA_AT + 14] = program->is_64 ? 8 : 4;
	program->bytes[DATA_AT + 15] = 2;
	program->bytes[at++] = 8;
	memcpy(program->bytes + at, "go1.19.8", 8);
	at += 8;
	program->bytes[at++] = (uint8_t)(len & 0x7f) | 0x80;
	program->bytes[at++] = (uint8_t)(len >> 7);
	put_list(program, at);
}

static void put_pointers(struct program *program)
{
	size_t word = program->is_64 ? 8 : 4;

	memcpy(program->bytes + DATA_AT, "\xff Go buildinf:", 14);
	program->bytes[DATA_AT + 14] = (uint8_t)word;
	program->bytes[DATA_AT + 15] = program->big ? 1 : 0;
	put_word(program, DATA_AT + 16, ADDRESS + 512);
	put_word(program, DATA_AT + 16 + word, ADDRESS + 544);
	put_word(program, DATA_AT + 512, ADDRESS + 600);
	put_word(program, DATA_AT + 512 + word, 8);
	put_word(program, DATA_AT + 544, ADDRESS + 700);
	put_word(program, DATA_AT + 544 + word, 32 + sizeof(MODULES) - 1);
	memcpy(program->bytes + DATA_AT + 600, "go1.19.8", 8);
	put_list(program, DATA_AT + 700);
}

static int read_program(struct program *program, struct og_text *list)
{
	struct og_memory memory = { program->bytes, program->len };
	struct og_bytes bytes = og_bytes_of_memory(&memory);
	og_cleanup(og_elf_done) struct og_elf elf = {};
	int r = og_elf_open(&bytes, &elf, NULL);

	return r < 0 ? r : og_go_read_build(&elf, list_package, list, NULL);
}

TEST(both_forms_of_every_class_and_order_are_read)
{
	for (int i = 0; i < 16; i++) {
		struct program program;
		og_auto_text list = {};

		make(&program, (i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
		if ((i & 8) != 0)
			put_inline(&program);
		else
			put_pointers(&program);
		CHECK_OK(read_program(&program, &list));
		CHECK_LIST(list, WANTED);
	}
}

TEST(a_program_that_go_did_not_make_has_none)
{
	struct program program;
	og_auto_text list = {};

	make(&program, true, false, false);
	CHECK_EQ(read_program(&program, &list), -ENOENT);
	make(&program, true, false, true);
	memcpy(program.bytes + NAMES_AT + 1, ".no", 3);
	CHECK_EQ(read_program(&program, &list), -ENOENT);
}

TEST(every_cut_and_every_wild_pointer_is_an_error_or_nothing)
{
	for (int form = 0; form < 2; form++) {
		struct program program;

		for (size_t len = 0; len < 7168; len += 37) {
			og_auto_text list = {};

			make(&program, true, false, true);
			put_pointers(&program);
			program.len = len;
			(void)read_program(&program, &list);
		}
		for (size_t at = DATA_AT + 14; at < DATA_AT + 560; at++) {
			og_auto_text list = {};

			make(&program, true, false, true);
			if (form == 0)
				put_pointers(&program);
			else
				put_inline(&program);
			memset(program.bytes + at, 0xff, 3);
			(void)read_program(&program, &list);
		}
	}
}

TEST(versions_of_the_library_are_numbers)
{
	struct program program;
	og_auto_text list = {};

	make(&program, true, false, true);
	put_pointers(&program);
	memcpy(program.bytes + DATA_AT + 600, "devel +1", 8);
	put_word(&program, DATA_AT + 544 + 8, 0);
	CHECK_OK(read_program(&program, &list));
	CHECK_LIST(list, "");
	memcpy(program.bytes + DATA_AT + 600, "go1.20-x", 8);
	CHECK_OK(read_program(&program, &list));
	CHECK_LIST(list, "stdlib 1.20 - - -\n");
}

TEST_MAIN(TEST_ENTRY(both_forms_of_every_class_and_order_are_read),
	  TEST_ENTRY(a_program_that_go_did_not_make_has_none),
	  TEST_ENTRY(every_cut_and_every_wild_pointer_is_an_error_or_nothing),
	  TEST_ENTRY(versions_of_the_library_are_numbers))

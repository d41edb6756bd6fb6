/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of commands, as tables: what an option is called, what it takes, and which member of the
 * command's own struct it sets. `--name value`, `--name=value`, `-n value`, `-nvalue`, `-abc`.
 * Reading stops at the first word that is no option, or behind `--`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum og_option_kind {
	OG_OPTION_FLAG, /* bool; also --name=false */
	OG_OPTION_TEXT, /* const char * */
	OG_OPTION_INT,	/* int64_t */
	OG_OPTION_SIZE, /* int64_t bytes: 512m, 1.5g */
	OG_OPTION_LIST, /* struct og_words; may be given several times */
};

struct og_words {
	const char **items; /* NULL-terminated once there is one; the array is owned */
	size_t count;
};

struct og_option {
	const char *name; /* without -- */
	char letter;	  /* 0: none */
	enum og_option_kind kind;
	size_t offset;	  /* of the member */
	const char *help; /* one line; for other kinds than flags its first word names the value */
};

#define OG_OPTION(type, member, name, letter, kind, help)        \
	{                                                        \
		name, letter, kind, offsetof(type, member), help \
	}

/*
 * Reads options at the front of @argv (@argc words) into @values. Values are borrowed from @argv.
 * Returns the number of words used, or -EINVAL with a line for the user.
 */
int og_options_read(const struct og_option *options, size_t count, int argc, char **argv,
		    void *values, struct og_err *err);

/*
 * Likewise of a whole command line, where options may stand between the words; behind "--" all are words,
 * and with @first_word_ends behind the first word, too. @words has room for @argc. Returns their number.
 */
int og_options_read_all(const struct og_option *options, size_t count, bool first_word_ends,
			int argc, char **argv, void *values, char **words, struct og_err *err);

/* Frees the lists within @values. */
void og_options_done(const struct og_option *options, size_t count, void *values);

int og_words_add(struct og_words *words, const char *word);
void og_words_done(struct og_words *words);

/* "512m", "1.5GiB", "100": bytes, in steps of 1024. Errors: -EINVAL, -ERANGE. */
int og_size_parse(const char *text, int64_t *ret_bytes);

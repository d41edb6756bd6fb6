/* SPDX-License-Identifier: Apache-2.0 */
/* What json.c, json_read.c and json_write.c know of a value. A null is no value: NULL. */
#pragma once

#include "base/json.h"

/* A member. They stand in the order in which they came. */
struct og_json_entry {
	struct og_json_entry *next;
	struct og_json *value; /* owned */
	const char *key;       /* within this allocation */
};

struct og_json {
	enum og_json_kind kind;
	bool negative; /* of an integer: @integer is an int64_t */

	union {
		bool boolean;
		uint64_t integer;
		double number;

		struct {
			const char *text; /* within this allocation */
		} string;

		struct {
			struct og_json **items;
			size_t count;
		} array;

		struct {
			struct og_json_entry *first, *last;
			size_t count;
			void *index; /* of tsearch(3), from INDEX_FROM members on */
		} object;
	};
};

/* All of these give NULL or -ENOMEM when memory runs out. */
struct og_json *og_json_alloc(enum og_json_kind kind);
/* A string with room for @max_len bytes, which *@ret_text leads to, and a NUL. */
struct og_json *og_json_alloc_string(size_t max_len, char **ret_text);
int og_json_append(struct og_json *array, struct og_json *value);

/* A member of no object yet, with room for a key as above. To be freed by free(). */
struct og_json_entry *og_json_entry_new(size_t max_len, char **ret_key);
struct og_json_entry *og_json_entry_find(const struct og_json *object, const char *key);
/* Takes @entry, whose key @object has not, over. */
int og_json_entry_add(struct og_json *object, struct og_json_entry *entry);

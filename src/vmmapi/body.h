/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests and answers, described by tables: one row a field. From its table a body is
 * read into a struct (and refused with the path of the field that is wrong), written as JSON again,
 * compared with the OpenAPI description, and tested field by field.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum og_field_kind {
	OG_FIELD_BOOL, /* bool */
	OG_FIELD_UINT, /* uint64_t, @min to @max */
	OG_FIELD_TEXT, /* char[@size], @min to @size - 1 bytes, as @check wants them */
	OG_FIELD_WORD, /* unsigned: a place in @words */
	OG_FIELD_BODY, /* a struct as @body describes it */
	OG_FIELD_MAP,  /* struct og_pair[@list_max], their number at @count_at */
};

enum og_presence {
	OG_OPTIONAL, /* null is the same as absent */
	OG_REQUIRED,
	OG_DEFAULT, /* @fallback when it is absent */
};

struct og_pair {
	char key[64];
	char value[256];
};

/* Says what a text is not ("an IPv4 address"), NULL when it is good. */
typedef const char *og_check_fn(const char *text);

struct og_body;

/* Small, as there are many: each stands in the program twice, itself and its relocations. */
struct og_field {
	const char *name;
	uint8_t kind;	  /* enum og_field_kind */
	uint8_t presence; /* enum og_presence */
	bool any_case;	  /* of words */
	bool deprecated;  /* Firecracker says so of it */
	uint32_t at;	  /* in the struct */
	uint32_t size;	  /* bytes of one value */
	uint32_t min;
	uint64_t max;
	uint16_t fallback;
	uint16_t list_max; /* not 0: an array of up to that many, one behind the other */
	uint32_t count_at; /* unsigned: how many there are */
	og_check_fn *check;

	union {
		const char *const *words; /* up to NULL */
		const struct og_body *body;
	};
};

/* The struct begins with a uint32_t: bit n says that field n came. */
struct og_body {
	const char *name; /* as in the OpenAPI description */
	const struct og_field *fields;
	size_t n_fields; /* at most 32 */
	size_t size;	 /* of the struct */
};

/*
 * Reads @json into @ret_data (@body->size bytes, all written). Errors: -EINVAL; the text says which
 * field (`rate_limiter.bandwidth.size`) and what is wrong, in the words of serde, which
 * Firecracker's users know.
 */
int og_body_read(const struct og_body *body, const struct og_json *json, void *ret_data,
		 struct og_err *err);

/* The JSON of @data, the caller's to free. Optional fields that did not come are null. */
struct og_json *og_body_write(const struct og_body *body, const void *data);

bool og_body_has(const struct og_body *body, const void *data, const char *name);

/* Says that the field @name of @data came. */
void og_body_mark(const struct og_body *body, void *data, const char *name);

/* Whether a field came that Firecracker calls deprecated. */
bool og_body_is_deprecated(const struct og_body *body, const void *data);

/* The place of @text in @words, or -1. */
int og_word_find(const char *const *words, const char *text, bool any_case);

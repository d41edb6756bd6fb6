/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON into structs by tables: each row says what a member is called, what it must be and
 * where it goes. One reader checks kinds and ranges for all of them and names the member's path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum og_schema_kind {
	OG_SCHEMA_END,	    /* of a table */
	OG_SCHEMA_STRING,   /* const char * */
	OG_SCHEMA_PATH,	    /* likewise, and absolute */
	OG_SCHEMA_BOOL,	    /* bool */
	OG_SCHEMA_INT,	    /* int64_t from min to max */
	OG_SCHEMA_UINT,	    /* uint64_t from 0 to umax (0: no limit) */
	OG_SCHEMA_OPT_BOOL, /* struct og_oci_bool */
	OG_SCHEMA_OPT_INT,  /* struct og_oci_int */
	OG_SCHEMA_OPT_UINT, /* struct og_oci_uint */
	OG_SCHEMA_ENUM,	    /* int: the value of one of names */
	OG_SCHEMA_STRINGS,  /* struct og_oci_strings */
	OG_SCHEMA_PATHS,    /* likewise, each absolute */
	OG_SCHEMA_FLAGS,    /* uint64_t: the values of some of names, together */
	OG_SCHEMA_UINTS,    /* uint64_t *, size_t */
	OG_SCHEMA_PAIRS,    /* struct og_oci_pairs: an object of strings */
	OG_SCHEMA_OBJECT,   /* a struct in place; begins with bool set if has_set */
	OG_SCHEMA_ARRAY,    /* T *, size_t of item_size, each by rows */
	OG_SCHEMA_MAP,	    /* likewise from an object; an item begins with its key, const char * */
};

struct og_schema_name {
	const char *name;
	int value;
};

struct og_schema {
	const char *name;
	enum og_schema_kind kind;
	size_t offset;
	bool required;
	bool has_set;
	int64_t min, max;
	uint64_t umax;
	const struct og_schema *rows; /* ended by OG_SCHEMA_END */
	size_t item_size;
	/* Ended by NULL. STRING, STRINGS: which there may be; NULL: any. */
	const struct og_schema_name *names;
};

/* Memory that is freed in one go. Zero-initialise it. */
struct og_schema_memory {
	struct og_schema_block *blocks;
};

void og_schema_memory_done(struct og_schema_memory *memory);

/*
 * Fills the zeroed struct at @target. @prefix names the object in errors ("process", ""). Members
 * that the tables do not have are passed over.
 */
int og_schema_read(const struct og_schema *rows, const struct og_json *object, const char *prefix,
		   void *target, struct og_schema_memory *memory, struct og_err *err);

/* Likewise, but a member that the tables do not have is refused. */
int og_schema_read_strictly(const struct og_schema *rows, const struct og_json *object,
			    const char *prefix, void *target, struct og_schema_memory *memory,
			    struct og_err *err);

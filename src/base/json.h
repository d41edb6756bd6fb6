/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), strictly: what two readers could understand in two ways is refused. That is
 * equal keys in one object, integers that do not fit 64 bits, invalid UTF-8, half surrogate pairs,
 * NUL in strings, comments, trailing text and deep nesting.
 *
 * The tree is owned by its root: members and elements are borrowed, valid while the root lives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_JSON_DEPTH_MAX 32 /* Docker's and OCI's documents nest at most 10 deep */

struct og_json; /* one value of any kind */

enum og_json_kind {
	OG_JSON_NULL,
	OG_JSON_BOOL,
	OG_JSON_INT,
	OG_JSON_DOUBLE,
	OG_JSON_STRING,
	OG_JSON_ARRAY,
	OG_JSON_OBJECT,
};

/* On success *@ret_root is the caller's to free. Errors: -EINVAL (says where), -ENOMEM. */
int og_json_parse(const char *buf, size_t len, struct og_json **ret_root, struct og_err *err);

#define OG_JSON_PATH_MAX 300 /* bytes of a path in an error, NUL included; longer ones are cut */

/*
 * Writes the path of the value that byte @offset of @buf is in ("mounts[2].type"), "" for the
 * document itself. For errors about text that is not parsed, or not parsed yet: any will do.
 */
void og_json_place(const char *buf, size_t offset, char *path, size_t size);

/* Accepts NULL. Always returns NULL. Only for roots and for values not yet put into a tree. */
struct og_json *og_json_free(struct og_json *root);
OG_DEFINE_CLEANUP(struct og_json, og_json_free)

/* NULL counts as OG_JSON_NULL. */
enum og_json_kind og_json_kind(const struct og_json *value);

/* The member @key, or NULL when @object is no object, has none, or it is null. */
struct og_json *og_json_get(const struct og_json *object, const char *key);

/* Is the member @key there at all? A null counts, as it may for another reader. */
bool og_json_has(const struct og_json *object, const char *key);

/* The first member's key that is none of @names (NULL-terminated), or NULL. Borrowed. */
const char *og_json_stray(const struct og_json *object, const char *const *names);

/* Elements of an array, members of an object; 0 for all else. */
size_t og_json_count(const struct og_json *value);
struct og_json *og_json_at(const struct og_json *array, size_t index);

/*
 * Walks an object: struct og_json_member m = {}; while (og_json_next(object, &m)) ... m.key ...
 * The object must not change meanwhile.
 */
struct og_json_member {
	const char *key;
	struct og_json *value;
	void *next;   /* private */
	bool started; /* private */
};

bool og_json_next(const struct og_json *object, struct og_json_member *member);

/* The value, or @otherwise when it is of another kind. Strings are borrowed. */
const char *og_json_string(const struct og_json *value, const char *otherwise);
int64_t og_json_int(const struct og_json *value, int64_t otherwise);
/* Likewise for integers up to 2^64 - 1; a negative one counts as another kind. */
uint64_t og_json_uint(const struct og_json *value, uint64_t otherwise);
bool og_json_bool(const struct og_json *value, bool otherwise);
double og_json_double(const struct og_json *value, double otherwise);

/*
 * A member that may be missing or null (0 is returned, the result untouched) but must not be of
 * another kind or out of range: then -EINVAL or -ERANGE, and the text names @key.
 */
int og_json_opt_string(const struct og_json *object, const char *key, const char **ret_value,
		       struct og_err *err);
int og_json_opt_int(const struct og_json *object, const char *key, int64_t min, int64_t max,
		    int64_t *ret_value, struct og_err *err);
int og_json_opt_bool(const struct og_json *object, const char *key, bool *ret_value,
		     struct og_err *err);
int og_json_opt_object(const struct og_json *object, const char *key, struct og_json **ret_value,
		       struct og_err *err);
int og_json_opt_array(const struct og_json *object, const char *key, struct og_json **ret_value,
		      struct og_err *err);

/*
 * Building. New values are the caller's until they are put into a tree; og_json_set() and
 * og_json_push() take @value over in every case and give NULL the meaning null. Out of memory
 * ends the process: these documents are small and made by us.
 */
struct og_json *og_json_new_object(void);
struct og_json *og_json_new_array(void);
struct og_json *og_json_new_string(const char *text);
struct og_json *og_json_new_int(int64_t value);
struct og_json *og_json_new_uint(uint64_t value);
struct og_json *og_json_new_double(double value);
struct og_json *og_json_new_bool(bool value);
struct og_json *og_json_copy(const struct og_json *value);
void og_json_set(struct og_json *object, const char *key, struct og_json *value);
void og_json_set_string(struct og_json *object, const char *key, const char *text);
void og_json_set_int(struct og_json *object, const char *key, int64_t value);
void og_json_set_bool(struct og_json *object, const char *key, bool value);
void og_json_push(struct og_json *array, struct og_json *value);
void og_json_unset(struct og_json *object, const char *key);

/* Compact text, the caller's to free. */
char *og_json_write(const struct og_json *value);
/* Indented text, the caller's to free. */
char *og_json_write_pretty(const struct og_json *value);

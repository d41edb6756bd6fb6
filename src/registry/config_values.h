/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a configuration file, one by one, with the line in every complaint. The first failure
 * stays: what is read after it is left as it was, so that a row of them needs one check at its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/yaml.h"

struct config_reader {
	const struct og_yaml *yaml;
	const char *folder; /* of relative paths */
	int r;		    /* 0 or the first failure */
	struct og_err *err;
};

/* Fails at @key of @object; NULL: at @object. */
void config_fail(struct config_reader *reader, const struct og_json *object, const char *key,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* @object is a mapping, and has no other keys than @known (NULL-terminated). */
void config_keys(struct config_reader *reader, const struct og_json *object, const char *where,
		 const char *const *known);

/* A mapping below @key, NULL when there is none. */
const struct og_json *config_section(struct config_reader *reader, const struct og_json *object,
				     const char *key);
/* Likewise a list. */
const struct og_json *config_list(struct config_reader *reader, const struct og_json *object,
				  const char *key);

/* The rest leave *@value alone when there is no @key. Texts are owned, old ones freed. */
void config_text(struct config_reader *reader, const struct og_json *object, const char *key,
		 char **value);
void config_path(struct config_reader *reader, const struct og_json *object, const char *key,
		 char **value);
void config_url(struct config_reader *reader, const struct og_json *object, const char *key,
		char **value);
void config_bool(struct config_reader *reader, const struct og_json *object, const char *key,
		 bool *value);
void config_number(struct config_reader *reader, const struct og_json *object, const char *key,
		   uint64_t min, uint64_t max, uint64_t *value);
/* "90s", "5m", "12h", "7d"; a bare number is refused: of what? */
void config_seconds(struct config_reader *reader, const struct og_json *object, const char *key,
		    uint64_t *value);
/* "500MB", "10GiB", or bytes. */
void config_bytes(struct config_reader *reader, const struct og_json *object, const char *key,
		  uint64_t *value);
/* A list of texts, or one text: NULL-terminated. */
void config_texts(struct config_reader *reader, const struct og_json *object, const char *key,
		  char ***value);

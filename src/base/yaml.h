/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.2's core schema, read into a JSON tree (base/json.h): a thin face over libyaml's events,
 * and its only user. Strictly: one document; no anchors, aliases, tags or merge keys, so that a
 * text is as large as what it says; no equal keys in one mapping; keys are text.
 *
 * A plain scalar is null ("", ~, null), a boolean (true, false), a decimal integer, a number, or
 * text. YAML 1.1's yes, no, on, off and octals are text here.
 */
#pragma once

#include <stddef.h>

#include "base/json.h"

#define OG_YAML_MAX	  (4U << 20) /* bytes of a document; people write some hundred lines */
#define OG_YAML_NODES_MAX 100000U
#define OG_YAML_KEYS_MAX  10000U /* of one mapping */

struct og_yaml;

/*
 * On success *@ret_yaml is the caller's to free. An empty text is an empty mapping.
 * Errors: -EINVAL (the text says the line), -E2BIG, -ENOMEM.
 */
int og_yaml_parse(const char *buf, size_t len, struct og_yaml **ret_yaml, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_yaml *og_yaml_free(struct og_yaml *yaml);
OG_DEFINE_CLEANUP(struct og_yaml, og_yaml_free)

/* The tree, borrowed; a null is no value, as in JSON. */
struct og_json *og_yaml_root(const struct og_yaml *yaml);

/*
 * The line, from 1, where @key stands in @object of the tree, or where @object itself begins when
 * @key is NULL; 0: not of this document.
 */
unsigned og_yaml_line(const struct og_yaml *yaml, const struct og_json *object, const char *key);

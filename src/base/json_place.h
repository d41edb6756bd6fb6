/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a JSON text something is, for the errors of json.c; see also og_json_place(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds the first member whose key its object had already, however either is spelled, in text that
 * a parser has accepted, and writes its path. Returns whether there is one.
 */
bool og_json_find_twin(const char *buf, size_t len, char *path, size_t size);

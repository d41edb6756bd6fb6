/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept like a layer and is none: signatures, attestations and SBOMs are texts, whatever media type
 * they have. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_LAYER_HEAD_BYTES 512

/*
 * Is what begins with @head (all of it, where it is shorter than OG_LAYER_HEAD_BYTES) a text, and in no client's
 * eyes an archive, compressed or not?
 */
bool og_layer_is_text(const uint8_t *head, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON written as it comes, without a tree: for documents of megabytes. That keys differ, that no more ends
 * than began, and that strings are UTF-8, is the caller's matter.
 *
 *	struct og_json_stream stream = { .text = &text, .pretty = true };
 *
 *	og_json_stream_object(&stream, NULL);
 *	og_json_stream_string(&stream, "name", "x");
 *	og_json_stream_end(&stream);
 */
#pragma once

#include "base/json.h"
#include "base/text.h"

struct og_json_stream {
	struct og_text *text; /* borrowed; says at the end whether memory ran out */
	bool pretty;
	/* Private. */
	int depth;
	uint64_t objects; /* a bit for each depth: an object, else an array */
	bool begun;	  /* what is open has something in it */
};

/* @key: of what is an object's member, else NULL. At most OG_JSON_DEPTH_MAX are open at a time. */
void og_json_stream_object(struct og_json_stream *stream, const char *key);
void og_json_stream_array(struct og_json_stream *stream, const char *key);
/* Ends the object or array that is open. */
void og_json_stream_end(struct og_json_stream *stream);

void og_json_stream_string(struct og_json_stream *stream, const char *key, const char *text);
/* Likewise the first @len bytes of @text, in which is no NUL. */
void og_json_stream_part(struct og_json_stream *stream, const char *key, const char *text,
			 size_t len);
void og_json_stream_double(struct og_json_stream *stream, const char *key, double number);
/* A whole tree, which stays the caller's. */
void og_json_stream_value(struct og_json_stream *stream, const char *key,
			  const struct og_json *value);

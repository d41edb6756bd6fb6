/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What went wrong, for the person who has to fix it.
 *
 * Every function that can fail returns 0 (or a count) on success and a
 * negative errno value on failure. Callers branch on that value alone. A
 * struct og_err only carries the text; passing NULL drops the text.
 *
 * The text lives inside the struct, so failing never allocates and works
 * between fork() and execve(). It is one line: control characters, which
 * only the names of strangers hold, become blanks. Zero-initialise it: struct og_err err = {};
 */
#define OG_ERR_TEXT_MAX 512 /* bytes, NUL included; longer text is cut */

struct og_err {
	int code; /* negative errno, 0 while nothing has failed */
	char text[OG_ERR_TEXT_MAX];
};

/*
 * Records a failure and returns @code, so that a failing branch is
 * one line:  return og_fail(err, -errno, "open '%s'", path);
 */
int og_fail(struct og_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Puts "what we were doing: " in front of the recorded text on the way up and returns @code, the
 * callee's result, so that it survives a caller who wants no text:
 *	r = inner(..., err);
 *	if (r < 0)
 *		return og_fail_in(err, r, "read '%s'", path);
 */
int og_fail_in(struct og_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Records what another process said of its failure, as it said it, and returns @code. */
int og_fail_as(struct og_err *err, int code, const char *text);

/*
 * og_fail() without the errno's own description behind it, for a text that says everything: "No
 * such image: x".
 */
int og_fail_plain(struct og_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

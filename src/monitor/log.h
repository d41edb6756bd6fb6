/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload's log in Docker's json-file format, one object a line:
 *	{"log":"text\n","stream":"stdout","time":"2026-11-23T18:04:05.123456789Z"}
 * A line over OG_LOG_LINE_MAX is cut into several entries, of which only the last ends in \n; bytes
 * that are no UTF-8 become U+FFFD (as Docker has it). When a file would grow over its limit it
 * becomes PATH.1, that PATH.2 and so on, and the oldest goes: the whole never exceeds
 * max_bytes * max_files. Where the disk is full, entries are lost rather than the workload stopped.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/stdstream.h"

#define OG_LOG_LINE_MAX 16384U

struct og_log;

/* Appends to @path or makes it (0640). On success *@ret_log is the caller's to free. */
int og_log_open(const char *path, uint64_t max_bytes, uint32_t max_files, struct og_log **ret_log,
		struct og_err *err);

/* Accepts NULL; ends unfinished lines first. Always returns NULL. */
struct og_log *og_log_free(struct og_log *log);
OG_DEFINE_CLEANUP(struct og_log, og_log_free)

/* Adds what the workload wrote, in pieces of any size. Accepts NULL. */
void og_log_write(struct og_log *log, enum og_stdstream_id id, const void *bytes, size_t len);

/* Writes unfinished lines out. Accepts NULL. */
void og_log_finish(struct og_log *log);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firecracker's log: a line an event, "TIME [INSTANCE:THREAD:LEVEL:ORIGIN] TEXT", to a file, a named
 * pipe or standard output. A pipe that nobody reads loses lines, which are counted, and never waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct og_logger {
	int fd;		/* owned; negative: standard output */
	bool on;	/* lines go out at all */
	unsigned level; /* enum og_api_level */
	bool show_level, show_origin;
	char module[64]; /* only lines of it; "": of all */
	const char *id;	 /* of the instance; borrowed */
	uint64_t missed; /* lines that could not be written */
};

struct og_api_logger;

/* What @config does not say stays as it was. Errors: those of opening its file. */
int og_logger_configure(struct og_logger *logger, const struct og_api_logger *config,
			struct og_err *err);

/* @module is "api_server", "vmm"... */
void og_log(struct og_logger *logger, unsigned level, const char *module, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Opens a file or named pipe to append to, without waiting for a reader. */
int og_open_sink(const char *path, int *ret_fd, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotation org.onggi.landlock of config.json: what a workload may do with files, TCP ports and
 * processes outside of it, for the kernel's Landlock. A small JSON document, read strictly: a
 * member or a word that is not known is refused, since it would be a rule that nobody enforces.
 *
 *	{ "restrict": ["write", "create", "remove"],
 *	  "paths": [{ "path": "/var/lib/app", "access": ["write", "create", "remove"] }],
 *	  "tcp": { "bind": [8080], "connect": [] },
 *	  "scope": ["signal", "abstract-unix-socket"] }
 *
 * "restrict" names the kinds of access to files that need a rule ("paths"); without it, and with
 * "paths", all of them do. A list of ports that is there is all that may be used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_LANDLOCK_ANNOTATION "org.onggi.landlock"
#define OG_LANDLOCK_MAX_BYTES  (64U << 10) /* a rule takes some 60 */

/* Of the kernel's linux/landlock.h, whose version in Debian 12 has only the first part of them. */
enum {
	OG_LANDLOCK_EXECUTE = 1 << 0,
	OG_LANDLOCK_WRITE_FILE = 1 << 1,
	OG_LANDLOCK_READ_FILE = 1 << 2,
	OG_LANDLOCK_READ_DIR = 1 << 3,
	OG_LANDLOCK_REMOVE_DIR = 1 << 4,
	OG_LANDLOCK_REMOVE_FILE = 1 << 5,
	OG_LANDLOCK_MAKE_CHAR = 1 << 6,
	OG_LANDLOCK_MAKE_DIR = 1 << 7,
	OG_LANDLOCK_MAKE_REG = 1 << 8,
	OG_LANDLOCK_MAKE_SOCK = 1 << 9,
	OG_LANDLOCK_MAKE_FIFO = 1 << 10,
	OG_LANDLOCK_MAKE_BLOCK = 1 << 11,
	OG_LANDLOCK_MAKE_SYM = 1 << 12,
	OG_LANDLOCK_REFER = 1 << 13,
	OG_LANDLOCK_TRUNCATE = 1 << 14,
	OG_LANDLOCK_IOCTL_DEV = 1 << 15,

	OG_LANDLOCK_BIND_TCP = 1 << 0,
	OG_LANDLOCK_CONNECT_TCP = 1 << 1,

	OG_LANDLOCK_SCOPE_ABSTRACT = 1 << 0,
	OG_LANDLOCK_SCOPE_SIGNAL = 1 << 1,
};

struct og_landlock_path {
	const char *path; /* absolute */
	uint64_t access;
};

struct og_landlock_ports {
	uint64_t *items; /* NULL: not restricted */
	size_t count;
};

struct og_landlock {
	uint64_t restricted; /* of files; 0: nothing */

	struct {
		struct og_landlock_path *items; /* NULL: there is no list */
		size_t count;
	} paths;

	struct og_landlock_ports bind, connect;
	uint64_t scope;
	void *memory; /* private */
};

/* On success *@ret_landlock is the caller's to free. Errors: -EINVAL, -ERANGE, -EFBIG, -ENOMEM. */
int og_landlock_parse(const char *buf, size_t len, struct og_landlock **ret_landlock,
		      struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_landlock *og_landlock_free(struct og_landlock *landlock);
OG_DEFINE_CLEANUP(struct og_landlock, og_landlock_free)

/* The word for one or more bits of files' access; NULL: none. */
const char *og_landlock_word(uint64_t access);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads tar archives that are pushed in pieces of any size: ustar, PAX (POSIX.1-2017, pax), GNU
 * and v7. It does no I/O and keeps bounded memory whatever the archive says.
 *
 * PAX: path, linkpath, size, uid, gid, mtime, SCHILY.xattr.*, GNU.sparse.* (0.0, 0.1, 1.0); global
 * headers may set uid, gid and mtime. GNU: long names and links, sparse files, base-256 numbers.
 * Names are bytes: nothing is said about their encoding, and nothing in them was made safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_TAR_BLOCK_BYTES 512
/* A PAX header or long name as large as Go's reader takes, so as large as images have them. */
#define OG_TAR_SPECIAL_MAX (1U << 20)
/* Linux resolves no longer path (PATH_MAX with its NUL). */
#define OG_TAR_NAME_MAX 4095
/* A list of attribute names is at most 64 KiB on Linux (XATTR_LIST_MAX). */
#define OG_TAR_XATTRS_MAX 1024
/* 16 MiB of memory; as many as 1 MiB of a PAX 0.1 map can hold is fewer. */
#define OG_TAR_SEGMENTS_MAX (1U << 20)

enum og_tar_type {
	OG_TAR_FILE,
	OG_TAR_HARD_LINK,
	OG_TAR_SYMLINK,
	OG_TAR_CHAR_DEVICE,
	OG_TAR_BLOCK_DEVICE,
	OG_TAR_DIRECTORY,
	OG_TAR_FIFO,
};

struct og_tar_xattr {
	const char *name; /* whole, with its prefix ("user.x") */
	const uint8_t *value;
	size_t len; /* of the value */
};

/* One entry; everything it points to is valid during the call that hands it out. */
struct og_tar_entry {
	enum og_tar_type type;
	const char *name; /* at most OG_TAR_NAME_MAX bytes; may be empty, absolute, hold ".." */
	const char *link; /* of a hard or symbolic link, else "" */
	uint32_t mode;	  /* permissions with set-uid, set-gid, sticky; no type */
	uint32_t uid;
	uint32_t gid;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t size; /* of a file as its reader sees it, holes included; else 0 */
	bool sparse;   /* content may skip holes */
	const struct og_tar_xattr *xattrs;
	size_t xattr_count;
};

/* What the reader calls; a negative result ends the reading and is handed on. */
struct og_tar_ops {
	int (*entry)(void *data, const struct og_tar_entry *entry, struct og_err *err);
	/* The next bytes of the last entry, a file; @offset only grows, and skips holes. */
	int (*content)(void *data, uint64_t offset, const void *buf, size_t len,
		       struct og_err *err);
	/* The last entry, a file (of any size, 0 too), is complete. */
	int (*file_end)(void *data, struct og_err *err);
};

/* Is its checksum a header's? An end (a block of zeros) is none. */
bool og_tar_is_header(const uint8_t block[OG_TAR_BLOCK_BYTES]);

struct og_tar;

/* @ops and @data must outlive it. On success *@ret_tar is the caller's to free. -ENOMEM. */
int og_tar_new(const struct og_tar_ops *ops, void *data, struct og_tar **ret_tar,
	       struct og_err *err);

/* Accepts NULL, returns NULL. */
struct og_tar *og_tar_free(struct og_tar *tar);
OG_DEFINE_CLEANUP(struct og_tar, og_tar_free)

/* Errors: -EBADMSG (no archive, or a hostile one), -ENOMEM, what the ops returned. */
int og_tar_feed(struct og_tar *tar, const void *buf, size_t len, struct og_err *err);

/* How many bytes were fed before those that an op is being given. */
uint64_t og_tar_offset(const struct og_tar *tar);

/* The end of the bytes. Errors: -EBADMSG (the archive is cut short). */
int og_tar_finish(struct og_tar *tar, struct og_err *err);

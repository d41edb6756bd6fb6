/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the tar reader share; no one else includes it. */
#pragma once

#include "format/tar.h"

/* A run of bytes that a sparse file really has. */
struct tar_segment {
	uint64_t offset;
	uint64_t bytes;
};

struct tar_map {
	struct tar_segment *segments; /* owned */
	size_t count;
};

int tar_map_add(struct tar_map *map, uint64_t offset, uint64_t bytes, struct og_err *err);
void tar_map_done(struct tar_map *map);

/* Whether @map fits a file of @real_size of which the archive holds @packed_size bytes. */
int tar_map_check(const struct tar_map *map, uint64_t real_size, uint64_t packed_size,
		  struct og_err *err);

/* The map in front of the content, GNU.sparse 1.0: decimal numbers, a line each. */
struct tar_map_reader {
	uint64_t number;
	bool digits;	 /* the number has begun */
	bool counted;	 /* the first number, how many segments follow, was read */
	bool has_offset; /* and waits for its length */
	uint64_t left;	 /* numbers still to come */
	uint64_t offset;
};

/* Returns 1 when the map is complete, 0 when it goes on in the next block. */
int tar_map_read_block(struct tar_map_reader *reader, struct tar_map *map, const uint8_t *block,
		       struct og_err *err);

/* A GNU header's segments: @count pairs of 12-byte numbers at @at; an empty one ends them. */
int tar_map_read_gnu(struct tar_map *map, const uint8_t *at, size_t count, struct og_err *err);

/* What PAX records said; the pointers lead into the header's bytes. */
struct tar_pax {
	const char *path;
	const char *link;
	bool has_size, has_uid, has_gid, has_mtime, has_real_size, has_map_offset;
	bool sparse; /* any GNU.sparse record */
	uint64_t size;
	uint32_t uid, gid;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t sparse_major, sparse_minor;
	const char *sparse_name;
	uint64_t real_size;
	uint64_t map_offset;	     /* 0.0: waits for its length */
	struct tar_map map;	     /* 0.0 and 0.1 */
	struct og_tar_xattr *xattrs; /* owned */
	size_t xattr_count;
};

/*
 * Reads the records of an extended header into @pax, which keeps pointers into @buf; record ends
 * in @buf become NUL. @global: only what a global header may say.
 */
int tar_pax_read(struct tar_pax *pax, char *buf, size_t len, bool global, struct og_err *err);
void tar_pax_done(struct tar_pax *pax);

/* A header's number: octal or base-256. Errors: -EINVAL, -ERANGE. */
int tar_number(const uint8_t *field, size_t len, int64_t *ret_number);

bool tar_all_zero(const uint8_t *buf, size_t len);

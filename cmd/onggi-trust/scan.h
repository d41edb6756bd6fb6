/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `scan` share. */
#pragma once

#include "client/disk_file.h"
#include "client/options.h"
#include "format/vex.h"
#include "trust/inspect.h"

#define EXIT_ERROR 2 /* it could not be told */

#define SCAN_FILE_MAX (64U << 20) /* bytes of a VEX document */

/* Where the database is: a folder that is open, and a name in it. */
struct scan_place {
	int dir_fd; /* owned */
	char *name; /* owned */
	char *path; /* owned; for people */
};

/* @path NULL: the default place. @make: its folder, too. */
int scan_place_open(const char *path, bool make, struct scan_place *ret_place, struct og_err *err);
void scan_place_done(struct scan_place *place);

/* What VEX documents and ignore files say, in that order. */
int scan_said_read(const struct og_words *vex, const struct og_words *ignore,
		   struct og_statements *statements, struct og_err *err);

/* What is to be scanned, open, so that nothing has to be opened later. */
struct scan_target {
	const char *text;		 /* as it was given */
	const char *name;		 /* of the image within it, or NULL */
	const struct og_words *insecure; /* registries, as of `copy` */
	int fd;				 /* owned: a file or a folder */
	struct og_disk_file disk;	 /* owned, in place of @fd */
	bool folder;
	const char *unseen; /* what of it is not looked at, NULL: nothing */
	int (*inspect)(const struct scan_target *target, struct og_inventory **ret_inventory,
		       struct og_err *err);
};

/* Nothing open. */
#define SCAN_NO_TARGET                                                      \
	{                                                                   \
		.fd = -EBADF, .disk = {.fd = -EBADF, .backing_fd = -EBADF } \
	}

int scan_target_open(const char *text, const char *name, const struct og_words *insecure,
		     struct scan_target *ret_target, struct og_err *err);
void scan_target_done(struct scan_target *target);

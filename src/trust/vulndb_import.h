/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the database (vulndb.h) from advisories in files. What a file is, is seen from its name and
 * its content:
 *
 *	*.json *.yaml *.yml	OSV records (one, or an array), Alpine's secdb, RetireJS, nodejs and rubysec
 *	*.jsonl			a record a line
 *	changelog* *.changelog	of Debian's packages
 *
 * each also as .gz, and in folders; JSON also in zip archives. Links are not followed.
 */
#pragma once

#include <stdint.h>

#include "trust/vulndb.h"

#define OG_IMPORT_DOCUMENT_MAX (64U << 20) /* bytes; Alpine's whole secdb is 1 MB, RetireJS 0.5 */
#define OG_IMPORT_LINE_MAX     (16U << 20)

struct og_import {
	struct og_vulndb_writer *writer;
	const char *ecosystem; /* of changelogs: "Debian:12"; NULL: they are refused */
	int64_t files;	       /* read */
	int64_t refused;       /* records or files that are against their form */
	int64_t strange;       /* JSON and YAML that is of no form known here */
	struct og_err first;   /* why the first of them was refused */
};

/*
 * Reads @path, relative to @dir_fd, into the writer's current source. What cannot be understood is
 * counted and passed over. Errors: what opening and reading says, -EBADMSG (damaged compression),
 * -EFBIG (a limit), -ENOSPC, -ENOMEM.
 */
int og_vulndb_import(struct og_import *import, int dir_fd, const char *path, struct og_err *err);

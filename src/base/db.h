/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small database in one file: a thin face over SQLite, and its only user. WAL mode, foreign keys
 * on, every commit flushed. One thread at a time may use a database; callers hold their own lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_db;
struct og_query; /* one prepared statement and its current row */

/*
 * Opens or makes the file @name (ours, never a stranger's) in @dir_fd, mode 0600, and brings its
 * shape up to date: steps[i] is SQL that leads from version i to i + 1 and never changes once
 * released. On success *@ret_db is the caller's to free.
 *
 * Errors: -EUCLEAN (damaged, no database, or of a version above @count), -ENOSPC, -EIO, -ENOMEM.
 */
int og_db_open(int dir_fd, const char *name, const char *const steps[], size_t count,
	       struct og_db **ret_db, struct og_err *err);

/*
 * Opens the finished file @name in @dir_fd for reading alone. Nothing is locked and nothing written, so
 * nobody may change the file meanwhile: it is replaced by rename. It may be a stranger's: its SQL is
 * not trusted, and of another version than @version it is -EUCLEAN.
 */
int og_db_open_still(int dir_fd, const char *name, size_t version, struct og_db **ret_db,
		     struct og_err *err);

/* All its queries must be freed before. Accepts NULL. Always returns NULL. */
struct og_db *og_db_free(struct og_db *db);
OG_DEFINE_CLEANUP(struct og_db, og_db_free)

/* Runs SQL without parameters. */
int og_db_exec(struct og_db *db, const char *sql, struct og_err *err);

/*
 * Runs one statement to its end. @types has a letter for each parameter that follows: 's' const
 * char * (NULL is null), 'i' int64_t. Rows are passed over.
 */
int og_db_run(struct og_db *db, struct og_err *err, const char *sql, const char *types, ...);

/* A transaction that takes the write lock at once. Rolling back needs no check. */
int og_db_begin(struct og_db *db, struct og_err *err);
int og_db_commit(struct og_db *db, struct og_err *err);
void og_db_rollback(struct og_db *db);

/* Prepares a statement that yields rows, parameters as og_db_run(). The caller frees it. */
int og_db_query(struct og_db *db, struct og_query **ret_query, struct og_err *err, const char *sql,
		const char *types, ...);

/* Begins @query again, with other parameters: for a statement that is run many times. */
int og_query_again(struct og_query *query, struct og_err *err, const char *types, ...);

/* Accepts NULL. Always returns NULL. */
struct og_query *og_query_free(struct og_query *query);
OG_DEFINE_CLEANUP(struct og_query, og_query_free)

/* Moves to the next row. Returns 1, 0 when there is none left, or a negative errno. */
int og_query_next(struct og_query *query, struct og_err *err);

/* A column of the current row. Text is "" for null, and valid until the next row. */
const char *og_query_text(struct og_query *query, int column);
int64_t og_query_int(struct og_query *query, int column);

/* Rows that the last insert, update or delete changed. */
int64_t og_db_changes(struct og_db *db);

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db_foreign.h"

#include <sqlite3.h>
#include <string.h>

#include "base/text.h"

#define HEADER_BYTES	 100
#define WRITE_VERSION_AT 18 /* SQLite's file format, 1.3: 2 is WAL, which has no place in memory */
#define STEPS_BETWEEN	 10000
#define ROUNDS_MAX	 20000 /* 200 million steps of SQLite's machine: some seconds */
#define VALUE_BYTES_MAX	 (64 << 20)

static int count_rounds(void *data)
{
	int *rounds = data;

	return ++*rounds > ROUNDS_MAX;
}

static int fail(sqlite3 *handle, int s, struct og_err *err)
{
	int code = (s & 0xff) == SQLITE_NOMEM	    ? -ENOMEM
		   : (s & 0xff) == SQLITE_INTERRUPT ? -E2BIG
						    : -EBADMSG;

	return og_fail_plain(err, code, "not a sound SQLite database: %s",
			     handle != NULL ? sqlite3_errmsg(handle) : sqlite3_errstr(s));
}

static int open_bytes(uint8_t *buf, size_t len, int *rounds, sqlite3 **ret_handle,
		      struct og_err *err)
{
	sqlite3 *handle = NULL;
	int s = sqlite3_open_v2(":memory:", &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				NULL);

	*ret_handle = handle;
	if (s == SQLITE_OK)
		s = sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (s == SQLITE_OK)
		s = sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (s == SQLITE_OK)
		s = sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	if (s == SQLITE_OK)
		s = sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	if (s == SQLITE_OK)
		s = sqlite3_deserialize(handle, "main", buf, (sqlite3_int64)len, (sqlite3_int64)len,
					SQLITE_DESERIALIZE_READONLY);
	if (s != SQLITE_OK)
		return fail(handle, s, err);
	(void)sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
	(void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_progress_handler(handle, STEPS_BETWEEN, count_rounds, rounds);
	return 0;
}

/* A name of a table that is a view, or code by another name, is none. */
static int check_table(sqlite3 *handle, const char *table, struct og_err *err)
{
	sqlite3_stmt *query = NULL;
	int s = sqlite3_prepare_v2(handle,
				   "SELECT 1 FROM sqlite_schema WHERE name = ? AND type = 'table' "
				   "AND sql LIKE 'CREATE TABLE %' AND sql NOT LIKE '% AS %(%'",
				   -1, &query, NULL);

	if (s == SQLITE_OK)
		s = sqlite3_bind_text(query, 1, table, -1, SQLITE_STATIC);
	if (s == SQLITE_OK)
		s = sqlite3_step(query);
	(void)sqlite3_finalize(query);
	if (s == SQLITE_ROW)
		return 0;
	return s == SQLITE_DONE ? og_fail_plain(err, -EBADMSG, "it has no table '%s'", table)
				: fail(handle, s, err);
}

static int hand_out(sqlite3 *handle, const char *table, const char *column, og_db_blob_fn *fn,
		    void *data, struct og_err *err)
{
	og_auto_free char *sql = og_strdupf("SELECT \"%s\" FROM \"%s\"", column, table);
	sqlite3_stmt *query = NULL;
	int s, r = 0;

	if (sql == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	s = sqlite3_prepare_v2(handle, sql, -1, &query, NULL);
	while (s == SQLITE_OK && r == 0) {
		s = sqlite3_step(query);
		if (s != SQLITE_ROW)
			break;
		s = SQLITE_OK;
		if (sqlite3_column_type(query, 0) != SQLITE_BLOB)
			continue;
		r = fn(data, sqlite3_column_blob(query, 0), (size_t)sqlite3_column_bytes(query, 0),
		       err);
	}
	if (r == 0 && s != SQLITE_DONE)
		r = fail(handle, s, err);
	(void)sqlite3_finalize(query);
	return r;
}

int og_db_foreign_blobs(uint8_t *buf, size_t len, const char *table, const char *column,
			og_db_blob_fn *fn, void *data, struct og_err *err)
{
	sqlite3 *handle = NULL;
	int rounds = 0, r;

	if (len < HEADER_BYTES)
		return og_fail_plain(err, -EBADMSG, "no SQLite database: %zu bytes", len);
	for (size_t at = WRITE_VERSION_AT; at < WRITE_VERSION_AT + 2; at++)
		if (buf[at] == 2)
			buf[at] = 1;
	r = open_bytes(buf, len, &rounds, &handle, err);
	if (r == 0)
		r = check_table(handle, table, err);
	if (r == 0)
		r = hand_out(handle, table, column, fn, data, err);
	(void)sqlite3_close(handle);
	return r;
}

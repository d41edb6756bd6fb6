/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"

/* Another process can only be a person with the sqlite3 shell: wait for it a little. */
#define BUSY_TIMEOUT_MS 5000

/* Statements kept for the next time: a server's few dozen, far under SQLite's cost of a megabyte. */
#define KEPT_MAX 64

/* To prepare a statement costs more than to run one that finds a row by its key. */
struct kept {
	sqlite3_stmt *stmt; /* owned; NULL: this place is free, or a query has it */
	uint64_t used;	    /* when, for the one to give up first */
};

struct og_db {
	sqlite3 *handle; /* owned */
	int dir_fd;	 /* owned: SQLite opens the journal through it */
	struct kept kept[KEPT_MAX];
	uint64_t uses;
};

struct og_query {
	sqlite3_stmt *stmt; /* owned */
	struct og_db *db;
};

static const struct {
	int sqlite;
	int code;
} codes[] = {
	{ SQLITE_NOMEM, -ENOMEM },	{ SQLITE_FULL, -ENOSPC },    { SQLITE_CORRUPT, -EUCLEAN },
	{ SQLITE_NOTADB, -EUCLEAN },	{ SQLITE_READONLY, -EROFS }, { SQLITE_BUSY, -EBUSY },
	{ SQLITE_CONSTRAINT, -EEXIST }, { SQLITE_PERM, -EACCES },
};

static int code_of(int sqlite)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].sqlite == (sqlite & 0xff))
			return codes[i].code;
	return -EIO;
}

static int fail(struct og_db *db, int sqlite, struct og_err *err)
{
	return og_fail(err, code_of(sqlite), "database: %s",
		       db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(sqlite));
}

int og_db_exec(struct og_db *db, const char *sql, struct og_err *err)
{
	int s = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return s == SQLITE_OK ? 0 : fail(db, s, err);
}

static int get_version(struct og_db *db, int64_t *ret_version, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err, "PRAGMA user_version", "");

	if (r < 0)
		return r;
	r = og_query_next(query, err);
	if (r < 0)
		return r;
	*ret_version = og_query_int(query, 0);
	return 0;
}

static int upgrade_step(struct og_db *db, const char *sql, size_t version, struct og_err *err)
{
	char pragma[64];
	int r;

	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", version);
	r = og_db_begin(db, err);
	if (r < 0)
		return r;
	r = og_db_exec(db, sql, err);
	if (r == 0)
		r = og_db_exec(db, pragma, err);
	if (r == 0)
		r = og_db_commit(db, err);
	if (r < 0)
		og_db_rollback(db);
	return r;
}

static int upgrade(struct og_db *db, const char *const steps[], size_t count, struct og_err *err)
{
	int64_t version = 0;
	int r = get_version(db, &version, err);

	if (r < 0)
		return r;
	if (version < 0 || (uint64_t)version > count)
		return og_fail(err, -EUCLEAN,
			       "database: version %lld is from a newer onggi; use that one, or "
			       "another data root",
			       (long long)version);
	for (size_t i = (size_t)version; i < count && r == 0; i++)
		r = upgrade_step(db, steps[i], i + 1, err);
	return r;
}

static int open_handle(struct og_db *db, int dir_fd, const char *name, struct og_err *err)
{
	og_auto_free char *path = NULL;
	int s;

	db->dir_fd = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (db->dir_fd < 0)
		return og_fail(err, -errno, "database");
	path = og_strdupf("%s/%s", og_fd_path(db->dir_fd).text, name);
	if (path == NULL)
		return og_fail(err, -ENOMEM, "database");
	s = sqlite3_open_v2(path, &db->handle,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (s != SQLITE_OK)
		return fail(db, s, err);
	(void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
	return og_db_exec(db,
			  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			  "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
			  err);
}

/*
 * Made here, so that its mode does not depend on the umask of the day. One that exists is not opened:
 * closing any descriptor of a file ends all of a process's locks on it, those of another connection
 * too, and then a third party that ends takes the journal away under it.
 */
static int make_file(int dir_fd, const char *name)
{
	struct stat st;
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0) {
		(void)og_close(fd);
		return 0;
	}
	if (errno != EEXIST || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -ELOOP;
}

int og_db_open(int dir_fd, const char *name, const char *const steps[], size_t count,
	       struct og_db **ret_db, struct og_err *err)
{
	og_cleanup(og_db_freep) struct og_db *db = NULL;
	int r;

	assert(ret_db != NULL);

	db = malloc(sizeof(*db));
	if (db == NULL)
		return og_fail(err, -ENOMEM, "database '%s'", name);
	*db = (struct og_db){ .dir_fd = -EBADF };

	r = make_file(dir_fd, name);
	if (r < 0)
		return og_fail(err, r, "database '%s'", name);
	r = open_handle(db, dir_fd, name, err);
	if (r == 0)
		r = upgrade(db, steps, count, err);
	if (r < 0)
		return og_fail_in(err, r, "open '%s'", name);

	*ret_db = og_take_ptr(db);
	return 0;
}

/* As a URI's path (RFC 3986). */
static char *escaped(const char *name)
{
	og_auto_text text = {};

	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (isalnum(c) || strchr("-_.", c) != NULL)
			og_text_addf(&text, "%c", c);
		else
			og_text_addf(&text, "%%%02x", c);
	}
	return og_text_take(&text);
}

static int open_still(struct og_db *db, int dir_fd, const char *name, struct og_err *err)
{
	og_auto_free char *path = escaped(name), *uri = NULL;
	int s;

	db->dir_fd = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (db->dir_fd < 0)
		return og_fail(err, -errno, "database");
	if (path != NULL)
		uri = og_strdupf("file:%s/%s?immutable=1", og_fd_path(db->dir_fd).text, path);
	if (uri == NULL)
		return og_fail(err, -ENOMEM, "database");
	s = sqlite3_open_v2(uri, &db->handle,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (s != SQLITE_OK)
		return fail(db, s, err);
	return og_db_exec(db,
			  "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
			  /* Else each query would be a transaction of its own. */
			  "BEGIN;",
			  err);
}

int og_db_open_still(int dir_fd, const char *name, size_t version, struct og_db **ret_db,
		     struct og_err *err)
{
	og_cleanup(og_db_freep) struct og_db *db = malloc(sizeof(*db));
	int64_t found = 0;
	int r;

	if (db == NULL)
		return og_fail(err, -ENOMEM, "database '%s'", name);
	*db = (struct og_db){ .dir_fd = -EBADF };
	if (faccessat(dir_fd, name, R_OK, 0) < 0)
		return og_fail(err, -errno, "database '%s'", name);
	r = open_still(db, dir_fd, name, err);
	if (r == 0)
		r = get_version(db, &found, err);
	if (r < 0)
		return og_fail_in(err, r, "open '%s'", name);
	if (found != (int64_t)version)
		return og_fail_plain(err, -EUCLEAN, "database '%s' has version %lld, not %zu", name,
				     (long long)found, version);
	*ret_db = og_take_ptr(db);
	return 0;
}

struct og_db *og_db_free(struct og_db *db)
{
	if (db == NULL)
		return NULL;
	for (size_t i = 0; i < KEPT_MAX; i++)
		(void)sqlite3_finalize(db->kept[i].stmt);
	(void)sqlite3_close(db->handle);
	og_close(db->dir_fd);
	free(db);
	return NULL;
}

static int bind_all(struct og_query *query, const char *types, va_list args)
{
	int s = SQLITE_OK;

	for (int i = 0; types[i] != '\0' && s == SQLITE_OK; i++) {
		if (types[i] == 'i')
			s = sqlite3_bind_int64(query->stmt, i + 1, va_arg(args, int64_t));
		else
			s = sqlite3_bind_text(query->stmt, i + 1, va_arg(args, const char *), -1,
					      SQLITE_TRANSIENT);
	}
	return s;
}

static int take_statement(struct og_db *db, const char *sql, sqlite3_stmt **ret_stmt)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		struct kept *kept = &db->kept[i];

		if (kept->stmt != NULL && strcmp(sqlite3_sql(kept->stmt), sql) == 0) {
			*ret_stmt = og_take_ptr(kept->stmt);
			return SQLITE_OK;
		}
	}
	return sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
}

/* In place of the one that was used longest ago. */
static void keep_statement(struct og_db *db, sqlite3_stmt *stmt)
{
	struct kept *place = &db->kept[0];

	if (stmt == NULL)
		return;
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	for (size_t i = 0; i < KEPT_MAX && place->stmt != NULL; i++)
		if (db->kept[i].stmt == NULL || db->kept[i].used < place->used)
			place = &db->kept[i];
	(void)sqlite3_finalize(place->stmt);
	*place = (struct kept){ .stmt = stmt, .used = ++db->uses };
}

static int prepare(struct og_db *db, struct og_query **ret_query, struct og_err *err,
		   const char *sql, const char *types, va_list args)
{
	og_cleanup(og_query_freep) struct og_query *query = malloc(sizeof(*query));
	int s;

	if (query == NULL)
		return og_fail(err, -ENOMEM, "database");
	*query = (struct og_query){ .db = db };
	s = take_statement(db, sql, &query->stmt);
	if (s == SQLITE_OK)
		s = bind_all(query, types, args);
	if (s != SQLITE_OK)
		return fail(db, s, err);
	*ret_query = og_take_ptr(query);
	return 0;
}

int og_db_query(struct og_db *db, struct og_query **ret_query, struct og_err *err, const char *sql,
		const char *types, ...)
{
	va_list args;
	int r;

	va_start(args, types);
	r = prepare(db, ret_query, err, sql, types, args);
	va_end(args);
	return r;
}

int og_query_again(struct og_query *query, struct og_err *err, const char *types, ...)
{
	va_list args;
	int s;

	(void)sqlite3_reset(query->stmt);
	va_start(args, types);
	s = bind_all(query, types, args);
	va_end(args);
	return s == SQLITE_OK ? 0 : fail(query->db, s, err);
}

int og_db_run(struct og_db *db, struct og_err *err, const char *sql, const char *types, ...)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	va_list args;
	int r;

	va_start(args, types);
	r = prepare(db, &query, err, sql, types, args);
	va_end(args);
	if (r < 0)
		return r;
	do {
		r = og_query_next(query, err);
	} while (r > 0);
	return r;
}

struct og_query *og_query_free(struct og_query *query)
{
	if (query == NULL)
		return NULL;
	keep_statement(query->db, query->stmt);
	free(query);
	return NULL;
}

int og_query_next(struct og_query *query, struct og_err *err)
{
	int s = sqlite3_step(query->stmt);

	if (s == SQLITE_ROW)
		return 1;
	return s == SQLITE_DONE ? 0 : fail(query->db, s, err);
}

const char *og_query_text(struct og_query *query, int column)
{
	const unsigned char *text = sqlite3_column_text(query->stmt, column);

	return text != NULL ? (const char *)text : "";
}

int64_t og_query_int(struct og_query *query, int column)
{
	return sqlite3_column_int64(query->stmt, column);
}

int og_db_begin(struct og_db *db, struct og_err *err)
{
	return og_db_exec(db, "BEGIN IMMEDIATE", err);
}

int og_db_commit(struct og_db *db, struct og_err *err)
{
	return og_db_exec(db, "COMMIT", err);
}

void og_db_rollback(struct og_db *db)
{
	if (sqlite3_get_autocommit(db->handle) == 0)
		(void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int64_t og_db_changes(struct og_db *db)
{
	return sqlite3_changes64(db->handle);
}

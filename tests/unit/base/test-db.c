/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static const char *const steps[] = {
	"CREATE TABLE pots (name TEXT PRIMARY KEY, litres INTEGER);",
	"ALTER TABLE pots ADD COLUMN lid INTEGER DEFAULT 1;",
};

static struct og_db *open_here(size_t count)
{
	struct og_db *db = NULL;

	CHECK_OK(og_db_open(AT_FDCWD, "x.db", steps, count, &db, NULL));
	return db;
}

static int64_t count_pots(struct og_db *db)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;

	CHECK_OK(og_db_query(db, &query, NULL, "SELECT count(*) FROM pots", ""));
	CHECK_EQ(og_query_next(query, NULL), 1);
	return og_query_int(query, 0);
}

TEST(rows_written_are_read_back)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);
	og_cleanup(og_query_freep) struct og_query *query = NULL;

	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name, litres) VALUES (?, ?)", "si", "it's",
			   (int64_t)1 << 40));
	CHECK_OK(og_db_query(db, &query, NULL, "SELECT name, litres, lid FROM pots", ""));
	CHECK_EQ(og_query_next(query, NULL), 1);
	CHECK(strcmp(og_query_text(query, 0), "it's") == 0);
	CHECK_EQ(og_query_int(query, 1), (int64_t)1 << 40);
	CHECK_EQ(og_query_int(query, 2), 1);
	CHECK_EQ(og_query_next(query, NULL), 0);
}

TEST(what_is_rolled_back_is_gone)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);

	CHECK_OK(og_db_begin(db, NULL));
	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"));
	og_db_rollback(db);
	CHECK_EQ(count_pots(db), 0);
	og_db_rollback(db); /* without a transaction: nothing */
}

TEST(an_old_file_is_brought_up_to_date)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(1);

	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"));
	db = og_db_free(db);
	db = open_here(2);
	CHECK_OK(og_db_run(db, NULL, "UPDATE pots SET lid = 7", ""));
	CHECK_EQ(og_db_changes(db), 1);
}

TEST(a_file_from_a_newer_onggi_is_refused)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);
	struct og_err err = {};

	db = og_db_free(db);
	CHECK_EQ(og_db_open(AT_FDCWD, "x.db", steps, 1, &db, &err), -EUCLEAN);
	CHECK(strstr(err.text, "newer onggi") != NULL);
}

TEST(a_file_that_is_no_database_is_refused)
{
	og_cleanup(og_db_freep) struct og_db *db = NULL;
	og_auto_fd fd = open("x.db", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (int i = 0; i < 1000; i++)
		CHECK_EQ(write(fd, "nonsense", 8), 8);
	CHECK_EQ(og_db_open(AT_FDCWD, "x.db", steps, 2, &db, NULL), -EUCLEAN);
}

TEST(a_constraint_is_an_error_of_its_own)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);

	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"));
	CHECK_EQ(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"), -EEXIST);
}

TEST(others_cannot_read_it)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);
	struct stat st;

	CHECK_OK(stat("x.db", &st));
	CHECK_EQ(st.st_mode & 0777, 0600);
}

/* Another process that comes and goes while two connections of ours are open. */
static int visit(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct og_db *db = NULL;
		int r = og_db_open(AT_FDCWD, "x.db", steps, 2, &db, NULL);

		(void)og_db_free(db);
		_exit(r < 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

TEST(a_second_connection_does_not_end_the_locks_of_the_first)
{
	og_cleanup(og_db_freep) struct og_db *one = open_here(2), *two = open_here(2);

	CHECK_OK(og_db_run(one, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"));
	CHECK_EQ(visit(), 0);
	/* The last one that leaves removes it; we are still here. */
	CHECK_EQ(access("x.db-wal", F_OK), 0);
	CHECK_OK(og_db_run(one, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "b"));
	CHECK_EQ(count_pots(two), 2);
}

TEST(a_statement_may_run_within_itself)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);

	for (int i = 0; i < 3; i++) {
		og_cleanup(og_query_freep) struct og_query *outer = NULL, *inner = NULL;
		const char *sql = "SELECT name FROM pots WHERE name >= ? ORDER BY name";

		CHECK_OK(og_db_run(db, NULL, "INSERT OR IGNORE INTO pots (name) VALUES (?)", "s",
				   i == 0 ? "a" : "b"));
		CHECK_OK(og_db_query(db, &outer, NULL, sql, "s", "a"));
		CHECK_EQ(og_query_next(outer, NULL), 1);
		CHECK_OK(og_db_query(db, &inner, NULL, sql, "s", "b"));
		CHECK_EQ(og_query_next(inner, NULL), i > 0);
		CHECK(strcmp(og_query_text(outer, 0), "a") == 0);
		CHECK_EQ(og_query_next(outer, NULL), i > 0);
	}
}

TEST(more_statements_than_are_kept)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);

	for (int i = 0; i < 300; i++) {
		og_cleanup(og_query_freep) struct og_query *query = NULL;
		char sql[64];

		(void)snprintf(sql, sizeof(sql), "SELECT %d", i % 150);
		CHECK_OK(og_db_query(db, &query, NULL, sql, ""));
		CHECK_EQ(og_query_next(query, NULL), 1);
		CHECK_EQ(og_query_int(query, 0), i % 150);
	}
}

TEST(a_finished_file_is_read_without_a_trace)
{
	og_cleanup(og_db_freep) struct og_db *db = open_here(2);
	struct og_query *query;

	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "a"));
	CHECK_OK(og_db_run(db, NULL, "INSERT INTO pots (name) VALUES (?)", "s", "b"));
	CHECK_OK(og_db_exec(db, "PRAGMA journal_mode = DELETE", NULL));
	db = og_db_free(db);
	CHECK_OK(rename("x.db", "a %3f?#b"));
	CHECK_EQ(og_db_open_still(AT_FDCWD, "a %3f?#b", 1, &db, NULL), -EUCLEAN);
	CHECK_EQ(og_db_open_still(AT_FDCWD, "none", 2, &db, NULL), -ENOENT);
	CHECK_OK(og_db_open_still(AT_FDCWD, "a %3f?#b", 2, &db, NULL));
	CHECK_OK(og_db_query(db, &query, NULL, "SELECT count(*) FROM pots WHERE name = ?", "s",
			     "a"));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(og_query_next(query, NULL), 1);
		CHECK_EQ(og_query_int(query, 0), i < 2 ? 1 : 0);
		CHECK_OK(og_query_again(query, NULL, "s", i == 0 ? "b" : "c"));
	}
	og_query_free(query);
	CHECK_EQ(og_db_exec(db, "DELETE FROM pots", NULL), -EROFS);
	CHECK_EQ(access("a %3f?#b-wal", F_OK), -1);
}

TEST_MAIN(TEST_ENTRY(rows_written_are_read_back), TEST_ENTRY(what_is_rolled_back_is_gone),
	  TEST_ENTRY(an_old_file_is_brought_up_to_date),
	  TEST_ENTRY(a_file_from_a_newer_onggi_is_refused),
	  TEST_ENTRY(a_file_that_is_no_database_is_refused),
	  TEST_ENTRY(a_constraint_is_an_error_of_its_own), TEST_ENTRY(others_cannot_read_it),
	  TEST_ENTRY(a_second_connection_does_not_end_the_locks_of_the_first),
	  TEST_ENTRY(a_statement_may_run_within_itself), TEST_ENTRY(more_statements_than_are_kept),
	  TEST_ENTRY(a_finished_file_is_read_without_a_trace))

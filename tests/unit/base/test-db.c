/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"

#include <fcntl.h>
#include <sys/stat.h>

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

TEST_MAIN(TEST_ENTRY(rows_written_are_read_back), TEST_ENTRY(what_is_rolled_back_is_gone),
	  TEST_ENTRY(an_old_file_is_brought_up_to_date),
	  TEST_ENTRY(a_file_from_a_newer_onggi_is_refused),
	  TEST_ENTRY(a_file_that_is_no_database_is_refused),
	  TEST_ENTRY(a_constraint_is_an_error_of_its_own), TEST_ENTRY(others_cannot_read_it))

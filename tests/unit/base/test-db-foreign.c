/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that SQLite made, sound, strange and damaged. */
#include "base/db_foreign.h"

#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"

struct image {
	uint8_t *buf; /* owned */
	size_t len;
};

static struct image make(const char *sql)
{
	struct image image = {};
	sqlite3_int64 len = 0;
	sqlite3 *handle = NULL;
	void *buf;

	CHECK_EQ(sqlite3_open(":memory:", &handle), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	buf = sqlite3_serialize(handle, "main", &len, 0);
	CHECK(buf != NULL);
	image.buf = malloc((size_t)len);
	image.len = (size_t)len;
	memcpy(image.buf, buf, (size_t)len);
	sqlite3_free(buf);
	(void)sqlite3_close(handle);
	return image;
}

static int note(void *data, const uint8_t *buf, size_t len, struct og_err *err)
{
	(void)err;
	og_text_add_bytes(data, buf, len);
	og_text_add(data, ";");
	return 0;
}

static int read_image(struct image *image, struct og_text *list)
{
	return og_db_foreign_blobs(image->buf, image->len, "Packages", "blob", note, list, NULL);
}

#define TABLE "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL);"

TEST(blobs_are_handed_out_also_of_a_journal_that_is_not_here)
{
	struct image image =
		make(TABLE "INSERT INTO Packages VALUES (1, x'6131'), (2, x'62'), (3, 'text')");
	og_auto_text list = {};

	image.buf[18] = image.buf[19] = 2; /* WAL, as rpm leaves it */
	CHECK_OK(read_image(&image, &list));
	CHECK(og_streq(list.buf, "a1;b;"));
	free(image.buf);
}

TEST(a_view_by_the_tables_name_is_not_run)
{
	struct image image =
		make("CREATE VIEW Packages AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL "
		     "SELECT x + 1 FROM c) SELECT CAST(x AS BLOB) AS blob FROM c");
	og_auto_text list = {};

	CHECK_EQ(read_image(&image, &list), -EBADMSG);
	free(image.buf);
}

TEST(what_is_no_database_is_refused)
{
	struct image image = make("CREATE TABLE other (x)");
	og_auto_text list = {};

	CHECK_EQ(read_image(&image, &list), -EBADMSG);
	memset(image.buf, 'x', image.len);
	CHECK_EQ(read_image(&image, &list), -EBADMSG);
	image.len = 5;
	CHECK_EQ(read_image(&image, &list), -EBADMSG);
	free(image.buf);
}

TEST(damage_at_every_place_is_an_error_or_a_value)
{
	struct image image = make(TABLE "INSERT INTO Packages VALUES (1, randomblob(9000))");
	og_auto_free uint8_t *sound = malloc(image.len);

	CHECK(sound != NULL);
	memcpy(sound, image.buf, image.len);
	for (size_t at = 0; at < image.len; at += 7) {
		og_auto_text list = {};

		memcpy(image.buf, sound, image.len);
		image.buf[at] ^= 0xff;
		(void)read_image(&image, &list);
	}
	free(image.buf);
}

TEST_MAIN(TEST_ENTRY(blobs_are_handed_out_also_of_a_journal_that_is_not_here),
	  TEST_ENTRY(a_view_by_the_tables_name_is_not_run),
	  TEST_ENTRY(what_is_no_database_is_refused),
	  TEST_ENTRY(damage_at_every_place_is_an_error_or_a_value))

/* SPDX-License-Identifier: Apache-2.0 */
/* Who needs which file when: pins against removal, several sessions at once. */
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/test.h"
#include "image/catalog.h"

static struct og_store *open_store(struct og_store *store)
{
	og_auto_fd fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct og_err err = {};

	if (og_store_open(store, fd, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	return store;
}

static bool exists(const struct og_file_name *name)
{
	return access(name->text, F_OK) == 0;
}

static struct og_file_name put(struct og_session *session, const char *text)
{
	struct og_digest digest;

	CHECK_OK(og_blob_put(session, text, strlen(text), &digest, NULL));
	return og_file_name(OG_FOLDER_BLOBS, &digest);
}

TEST(what_no_record_speaks_for_goes_with_its_session)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct og_session session;
	struct og_file_name name;

	open_store(&store);
	CHECK_OK(og_session_begin(&store, &session, NULL));
	name = put(&session, "hello");
	CHECK(exists(&name));
	og_session_end(&session);
	CHECK(!exists(&name));
	CHECK(store.pins == NULL);
}

TEST(a_file_stays_while_any_session_needs_it)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct og_session one, other;
	struct og_file_name name;
	bool there = false;

	open_store(&store);
	CHECK_OK(og_session_begin(&store, &one, NULL));
	CHECK_OK(og_session_begin(&store, &other, NULL));
	name = put(&one, "hello");
	CHECK_OK(og_session_pin(&other, &name, &there, NULL));
	CHECK(there);
	og_session_end(&one);
	CHECK(exists(&name));
	CHECK_EQ(og_store_sweep(&store, &name, 1), 0);
	CHECK(exists(&name));
	og_session_end(&other);
	CHECK(!exists(&name));
}

TEST(a_recorded_file_stays_and_goes_with_its_record)
{
	og_cleanup(og_store_done) struct og_store store = {};
	og_auto_free struct og_file_name *files = NULL;
	struct og_record record = {};
	struct og_session session;
	struct og_digest_text id;
	struct og_file_name name;
	size_t count = 0;

	open_store(&store);
	CHECK_OK(og_session_begin(&store, &session, NULL));
	CHECK_OK(og_blob_put(&session, "config", 6, &record.id, NULL));
	CHECK_OK(og_blob_put(&session, "manifest", 8, &record.manifest, NULL));
	CHECK_OK(og_catalog_add(store.db, &record, NULL));
	og_session_end(&session);
	name = og_file_name(OG_FOLDER_BLOBS, &record.id);
	CHECK(exists(&name));
	og_store_done(&store);
	open_store(&store);
	CHECK(exists(&name));
	id = og_digest_format(&record.id);
	CHECK_OK(og_catalog_remove(store.db, id.text, &files, &count, NULL));
	CHECK_EQ(count, 2);
	CHECK(og_store_sweep(&store, files, count) > 0);
	CHECK(!exists(&name));
}

struct maker {
	struct og_session session;
	struct og_file_name name;
	bool mine;
	int ticks;
};

static int count_ticks(void *data)
{
	struct maker *maker = data;

	return ++maker->ticks > 500 ? -ETIMEDOUT : 0;
}

static void *claim_it(void *data)
{
	struct maker *maker = data;

	CHECK_OK(og_session_claim(&maker->session, &maker->name, count_ticks, maker, &maker->mine,
				  NULL));
	return NULL;
}

TEST(one_makes_what_others_wait_for)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct maker one = {}, other = {};
	struct og_digest digest;
	pthread_t thread;
	bool there;

	open_store(&store);
	CHECK_OK(og_session_begin(&store, &one.session, NULL));
	CHECK_OK(og_session_begin(&store, &other.session, NULL));
	CHECK_OK(og_digest_parse(
		"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		&digest));
	one.name = other.name = og_file_name(OG_FOLDER_BLOBS, &digest);
	CHECK_OK(og_session_pin(&one.session, &one.name, &there, NULL));
	CHECK_OK(og_session_pin(&other.session, &other.name, &there, NULL));
	CHECK(!there);
	(void)claim_it(&one);
	CHECK(one.mine);
	CHECK_OK(pthread_create(&thread, NULL, claim_it, &other));
	(void)put(&one.session, "hello");
	og_session_made(&one.session, &one.name);
	CHECK_OK(pthread_join(thread, NULL));
	CHECK(!other.mine);
	og_session_end(&one.session);
	CHECK(exists(&other.name));
	og_session_end(&other.session);
	CHECK(!exists(&other.name));
}

TEST(who_waits_can_be_cancelled)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct maker one = {}, other = { .ticks = 500 };
	struct og_digest digest = {};
	bool there;

	open_store(&store);
	CHECK_OK(og_session_begin(&store, &one.session, NULL));
	CHECK_OK(og_session_begin(&store, &other.session, NULL));
	one.name = og_file_name(OG_FOLDER_LAYERS, &digest);
	CHECK_OK(og_session_pin(&one.session, &one.name, &there, NULL));
	CHECK_OK(og_session_pin(&other.session, &one.name, &there, NULL));
	(void)claim_it(&one);
	CHECK_EQ(og_session_claim(&other.session, &one.name, count_ticks, &other, &other.mine,
				  NULL),
		 -ETIMEDOUT);
	og_session_made(&one.session, &one.name);
	og_session_end(&other.session);
	og_session_end(&one.session);
}

TEST(the_next_opening_clears_what_was_left)
{
	og_cleanup(og_store_done) struct og_store store = {};
	og_auto_fd fd = -EBADF;

	open_store(&store);
	fd = open("layers/half.erofs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	og_store_done(&store);
	open_store(&store);
	CHECK(access("layers/half.erofs", F_OK) < 0);
}

TEST(a_second_process_is_refused)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct og_store second = {};
	og_auto_fd fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct og_err err = {};

	open_store(&store);
	CHECK_EQ(og_store_open(&second, fd, &err), -EBUSY);
	og_store_done(&second);
}

TEST_MAIN(TEST_ENTRY(what_no_record_speaks_for_goes_with_its_session),
	  TEST_ENTRY(a_file_stays_while_any_session_needs_it),
	  TEST_ENTRY(a_recorded_file_stays_and_goes_with_its_record),
	  TEST_ENTRY(one_makes_what_others_wait_for), TEST_ENTRY(who_waits_can_be_cancelled),
	  TEST_ENTRY(the_next_opening_clears_what_was_left),
	  TEST_ENTRY(a_second_process_is_refused))

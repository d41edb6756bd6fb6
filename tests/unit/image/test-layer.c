/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../archive.h"
#include "base/io.h"
#include "base/test.h"
#include "image/merge.h"

static struct archive archive;

static int open_here(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int names_here(void)
{
	DIR *dir = opendir(".");
	int count = 0;

	CHECK(dir != NULL);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	CHECK_OK(closedir(dir));
	return count;
}

static struct og_layer *pushed(int dir_fd)
{
	struct og_layer *layer;

	CHECK_OK(og_layer_new(dir_fd, NULL, &layer, NULL));
	CHECK_OK(og_layer_write(layer, archive.bytes, archive.len, NULL));
	return layer;
}

/* Publishes a layer of one file. */
static struct og_digest layer_with(int dir_fd, const char *name, const char *content)
{
	og_cleanup(og_layer_freep) struct og_layer *layer = NULL;
	struct og_layer_info info;

	archive.len = 0;
	archive_add(&archive, &(struct archive_entry){ .name = name, .content = content });
	archive_end(&archive);
	layer = pushed(dir_fd);
	CHECK_OK(og_layer_finish(layer, &info, NULL));
	CHECK_OK(og_layer_publish(layer, NULL));
	return info.diff_id;
}

TEST(a_layer_has_a_name_only_after_it_was_published)
{
	og_auto_fd dir_fd = open_here();
	og_cleanup(og_layer_freep) struct og_layer *layer = NULL;
	struct og_layer_info info;
	og_auto_fd fd = -EBADF;

	archive_add(&archive, &(struct archive_entry){ .name = "f", .content = "content" });
	archive_end(&archive);
	layer = pushed(dir_fd);
	CHECK_EQ(og_layer_publish(layer, NULL), -EINVAL);
	CHECK_OK(og_layer_finish(layer, &info, NULL));
	CHECK_EQ(names_here(), 0);
	CHECK_EQ(og_layer_open(dir_fd, &info.diff_id, &fd, NULL), -ENOENT);
	CHECK_OK(og_layer_publish(layer, NULL));
	CHECK_OK(og_layer_open(dir_fd, &info.diff_id, &fd, NULL));
	CHECK_EQ(names_here(), 1);
	CHECK_EQ(info.entries, 1);
	CHECK_EQ(info.content_bytes, 7);
	CHECK_EQ(info.tar_bytes, archive.len);
	CHECK_EQ(info.compressed_bytes, archive.len);
	CHECK_EQ(info.erofs_bytes % 4096, 0);
}

TEST(the_same_layer_twice_is_one_file)
{
	og_auto_fd dir_fd = open_here();
	struct og_digest one = layer_with(dir_fd, "f", "1");
	struct og_digest other = layer_with(dir_fd, "f", "1");

	CHECK(og_digest_equal(&one, &other));
	CHECK_EQ(names_here(), 1);
}

TEST(what_is_refused_leaves_nothing)
{
	static const struct og_layer_limits few = { .max_entries = 1 };
	og_auto_fd dir_fd = open_here();
	og_cleanup(og_layer_freep) struct og_layer *cut = NULL;
	og_cleanup(og_layer_freep) struct og_layer *many = NULL;
	struct og_err err = {};

	archive_add(&archive, &(struct archive_entry){ .name = "f", .content = "content" });
	cut = pushed(dir_fd);
	CHECK_EQ(og_layer_finish(cut, NULL, &err), -EBADMSG);
	CHECK(strstr(err.text, "cut short") != NULL);
	archive_add(&archive, &(struct archive_entry){ .name = "g" });
	archive_end(&archive);
	CHECK_OK(og_layer_new(dir_fd, &few, &many, NULL));
	if (og_layer_write(many, archive.bytes, archive.len, &err) == 0)
		CHECK_EQ(og_layer_finish(many, NULL, &err), -EFBIG);
	CHECK(strstr(err.text, "more than 1 entries") != NULL);
	cut = og_layer_free(cut);
	many = og_layer_free(many);
	CHECK_EQ(names_here(), 0);
}

struct run {
	uint64_t tar, erofs, len;
	int count;
};

static int note_run(void *data, uint64_t tar_offset, uint64_t erofs_offset, uint64_t len,
		    struct og_err *err)
{
	struct run *run = data;

	(void)err;
	if (run->count > 0 && tar_offset == run->tar + run->len &&
	    erofs_offset == run->erofs + run->len)
		run->len += len;
	else
		*run = (struct run){ tar_offset, erofs_offset, len, run->count + 1 };
	return 0;
}

TEST(content_is_told_where_it_is_in_both_files)
{
	og_auto_fd dir_fd = open_here();
	og_cleanup(og_layer_freep) struct og_layer *layer = NULL;
	struct og_layer_info info;
	struct run run = {};
	og_auto_fd fd = -EBADF;
	char buf[16] = "";

	archive_add(&archive, &(struct archive_entry){ .name = "d", .type = '5' });
	archive_add(&archive, &(struct archive_entry){ .name = "f", .content = "content" });
	archive_end(&archive);
	CHECK_OK(og_layer_new(dir_fd, NULL, &layer, NULL));
	og_layer_watch(layer, note_run, &run);
	for (size_t i = 0; i < archive.len; i++)
		CHECK_OK(og_layer_write(layer, archive.bytes + i, 1, NULL));
	CHECK_OK(og_layer_finish(layer, &info, NULL));
	CHECK_OK(og_layer_publish(layer, NULL));
	CHECK_EQ(run.count, 1);
	CHECK_EQ(run.tar, 1024);
	CHECK_EQ(run.len, 7);
	CHECK_OK(og_layer_open(dir_fd, &info.diff_id, &fd, NULL));
	CHECK_EQ(og_pread_upto(fd, buf, 7, run.erofs), 7);
	CHECK(memcmp(buf, "content", 7) == 0);
}

#define DIFF_ID "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
/* sha256sum of "sha256:DIFF_ID sha256:DIFF_ID" */
#define CHAIN_ID "170b376f64fb30995c140276be3d71dfb256b308d86183ca3b22aa93a79ad548"

TEST(chain_ids_are_those_of_the_specification)
{
	struct og_digest ids[2], chain;

	CHECK_OK(og_digest_parse("sha256:" DIFF_ID, &ids[0]));
	ids[1] = ids[0];
	CHECK_OK(og_chain_id(ids, 1, &chain, NULL));
	CHECK(og_digest_equal(&chain, &ids[0]));
	CHECK_OK(og_chain_id(ids, 2, &chain, NULL));
	CHECK(strcmp(og_digest_hex(&chain).text, CHAIN_ID) == 0);
	CHECK_OK(og_chain_id(NULL, 0, &chain, NULL));
	CHECK(strncmp(og_digest_hex(&chain).text, "e3b0c44298fc1c14", 16) == 0);
}

TEST(a_merged_file_names_its_layers_one_behind_the_other)
{
	og_auto_fd dir_fd = open_here();
	struct og_digest ids[3] = {
		layer_with(dir_fd, "one", "1"),
		layer_with(dir_fd, "two", "2"),
	};
	og_auto_free struct og_merged_layer *layers = NULL;
	struct og_digest chain;
	og_auto_fd fd = -EBADF;
	size_t count;
	uint64_t end;

	ids[2] = ids[0];
	CHECK_OK(og_merge_layers(dir_fd, dir_fd, ids, 3, &chain, NULL));
	/* A merged file is named as a layer's is. */
	CHECK_OK(og_layer_open(dir_fd, &chain, &fd, NULL));
	CHECK_OK(og_merged_layers(fd, &layers, &count, &end, NULL));
	CHECK_EQ(count, 3);
	for (size_t i = 0; i < count; i++) {
		CHECK(og_digest_equal(&layers[i].diff_id, &ids[i]));
		CHECK_EQ(layers[i].offset, end);
		CHECK(layers[i].bytes > 0);
		end += layers[i].bytes;
	}
	CHECK_OK(og_merge_layers(dir_fd, dir_fd, ids, 3, &chain, NULL));
	CHECK_EQ(names_here(), 3);
}

TEST(a_missing_layer_and_too_many_are_refused)
{
	og_auto_fd dir_fd = open_here();
	struct og_digest ids[OG_MERGE_LAYERS_MAX + 1] = {};
	struct og_err err = {};

	CHECK_EQ(og_merge_layers(dir_fd, dir_fd, ids, 1, NULL, &err), -ENOENT);
	CHECK(strstr(err.text, "000000000000") != NULL);
	CHECK_EQ(og_merge_layers(dir_fd, dir_fd, ids, OG_MERGE_LAYERS_MAX + 1, NULL, &err), -E2BIG);
	CHECK_EQ(names_here(), 0);
}

TEST(what_is_no_merged_file_has_no_layers)
{
	struct og_merged_layer *layers = NULL;
	og_auto_fd fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t nothing[8192] = { 0 };
	size_t count;

	CHECK_EQ(og_merged_layers(fd, &layers, &count, NULL, NULL), -EBADMSG);
	CHECK_OK(og_write_all(fd, nothing, sizeof(nothing)));
	CHECK_EQ(og_merged_layers(fd, &layers, &count, NULL, NULL), -EBADMSG);
	CHECK(layers == NULL);
}

TEST_MAIN(TEST_ENTRY(a_layer_has_a_name_only_after_it_was_published),
	  TEST_ENTRY(the_same_layer_twice_is_one_file), TEST_ENTRY(what_is_refused_leaves_nothing),
	  TEST_ENTRY(content_is_told_where_it_is_in_both_files),
	  TEST_ENTRY(chain_ids_are_those_of_the_specification),
	  TEST_ENTRY(a_merged_file_names_its_layers_one_behind_the_other),
	  TEST_ENTRY(a_missing_layer_and_too_many_are_refused),
	  TEST_ENTRY(what_is_no_merged_file_has_no_layers))

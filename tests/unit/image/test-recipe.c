/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken apart into a layer and a recipe is put together again, byte for byte. */
#include "image/recipe.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../archive.h"
#include "base/test.h"

static struct archive archive;

static void make_archive(void)
{
	static char content[70000];
	static const size_t sizes[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, 60000 };

	for (size_t i = 0; i < sizeof(content) - 1; i++)
		content[i] = (char)('a' + i * 7 % 23);
	archive_add(&archive, &(struct archive_entry){ .name = "d", .type = '5' });
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		static char names[16][8];

		(void)snprintf(names[i], sizeof(names[i]), "d/f%zu", i);
		content[sizes[i]] = '\0';
		archive_add(&archive,
			    &(struct archive_entry){ .name = names[i], .content = content });
		content[sizes[i]] = 'x';
	}
	for (int i = 0; i < 2; i++)
		archive_add(&archive,
			    &(struct archive_entry){ .name = "d/f3", .content = content });
	archive_end(&archive);
}

static struct og_digest take_apart(struct og_store *store, size_t piece)
{
	og_cleanup(og_layer_freep) struct og_layer *layer = NULL;
	og_cleanup(og_recipe_freep) struct og_recipe *recipe = NULL;
	struct og_layer_info info;

	CHECK_OK(og_layer_new(store->folder_fds[OG_FOLDER_LAYERS], NULL, &layer, NULL));
	CHECK_OK(og_recipe_new(store, layer, &recipe, NULL));
	for (size_t at = 0; at < archive.len; at += piece) {
		size_t len = archive.len - at < piece ? archive.len - at : piece;

		CHECK_OK(og_layer_write(layer, archive.bytes + at, len, NULL));
		CHECK_OK(og_recipe_write(recipe, archive.bytes + at, len, NULL));
	}
	CHECK_OK(og_layer_finish(layer, &info, NULL));
	CHECK_OK(og_layer_publish(layer, NULL));
	CHECK_OK(og_recipe_publish(recipe, &info.diff_id, NULL));
	return info.diff_id;
}

static void check_together(struct og_store *store, const struct og_digest *digest, size_t piece)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = NULL;
	og_auto_free uint8_t *buf = malloc(piece);
	size_t at = 0;
	ssize_t n;

	CHECK_OK(og_blob_reader_new(store, digest, &reader, NULL));
	CHECK_EQ(og_blob_reader_size(reader), archive.len);
	while ((n = og_blob_reader_read(reader, buf, piece, NULL)) > 0) {
		CHECK(at + (size_t)n <= archive.len);
		CHECK(memcmp(buf, archive.bytes + at, (size_t)n) == 0);
		at += (size_t)n;
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(at, archive.len);
}

static void open_store(struct og_store *store)
{
	og_auto_fd fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(og_store_open(store, fd, NULL));
}

TEST(a_plain_tar_is_put_together_again_however_it_came)
{
	static const size_t pieces[] = { 1, 7, 511, 512, 4096, 65536, 1 << 20 };

	make_archive();
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		og_cleanup(og_store_done) struct og_store store = {};
		struct og_digest digest;

		open_store(&store);
		digest = take_apart(&store, pieces[i]);
		check_together(&store, &digest, 1 << 16);
		check_together(&store, &digest, 100);
	}
}

TEST(content_is_not_in_the_recipe)
{
	og_cleanup(og_store_done) struct og_store store = {};
	struct og_digest digest;
	struct stat st;

	make_archive();
	open_store(&store);
	/* What comes in smaller pieces is gathered by the layer and kept as literals. */
	digest = take_apart(&store, 1 << 20);
	CHECK_OK(stat(og_file_name(OG_FOLDER_RECIPES, &digest).text, &st));
	CHECK((size_t)st.st_size < archive.len / 2);
}

TEST_MAIN(TEST_ENTRY(a_plain_tar_is_put_together_again_however_it_came),
	  TEST_ENTRY(content_is_not_in_the_recipe))

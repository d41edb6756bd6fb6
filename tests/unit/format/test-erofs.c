/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "../../fuzz/memory_sink.h"
#include "base/test.h"
#include "base/text.h"
#include "format/erofs_overlay.h"
#include "format/erofs_parts.h"
#include "format/erofs_tar.h"

#define MANY 5000

static const uint8_t uuid[16] = { 7 };

static struct og_erofs_tree *new_tree(void)
{
	struct og_erofs_tree *tree;

	CHECK_OK(og_erofs_tree_new(1, 64U << 20, &tree, NULL));
	return tree;
}

static struct og_erofs_inode *add(struct og_erofs_tree *tree, struct og_erofs_inode *dir,
				  const char *name, uint32_t mode)
{
	struct og_erofs_inode *inode;

	CHECK_OK(og_erofs_add(tree, dir, name, strlen(name), mode, NULL, &inode, NULL));
	return inode;
}

static const struct og_erofs_inode *find(struct og_erofs_tree *tree, const char *path)
{
	const struct og_erofs_inode *at = og_erofs_root(tree);

	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		struct og_erofs_name *name = og_erofs_lookup(tree, at, path, len);

		if (name == NULL)
			return NULL;
		at = name->inode;
		path += len;
		path += *path == '/';
	}
	return at;
}

/* Writes @tree, whose content @writer (may be NULL) has, and opens what came out. */
static void write_tree(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
		       struct memory *memory, struct og_erofs_view *view)
{
	struct og_erofs_sink sink = { memory_write, memory };
	uint64_t blocks;

	if (writer == NULL)
		CHECK_OK(og_erofs_writer_new(&sink, &writer, NULL));
	CHECK_OK(og_erofs_write_tree(writer, tree, NULL, 0, uuid, &blocks, NULL));
	og_erofs_writer_free(writer);
	CHECK_EQ(blocks * 4096, memory->len);
	CHECK_OK(og_erofs_read_super(memory->bytes, view, NULL));
	CHECK_EQ(view->blocks, blocks);
	view->buf = memory->bytes;
	view->len = memory->len;
}

/* Writes @tree and reads it back into another one. Frees @tree. */
static struct og_erofs_tree *round_trip(struct og_erofs_tree *tree)
{
	struct og_erofs_tree *back = new_tree();
	struct memory memory = {};
	struct og_erofs_view view;
	struct og_err err = {};

	write_tree(NULL, tree, &memory, &view);
	if (og_erofs_overlay(back, &view, 1, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	free(memory.bytes);
	og_erofs_tree_free(tree);
	return back;
}

TEST(every_type_of_inode_comes_back)
{
	static const uint32_t modes[] = { S_IFREG | 04755, S_IFDIR | 0700,  S_IFCHR | 0600,
					  S_IFBLK | 0660,  S_IFIFO | 01777, S_IFSOCK | 0777 };
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *root = og_erofs_root(tree);
	char name[2] = "a";

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct og_erofs_inode *inode = add(tree, root, name, modes[i]);

		inode->uid = 4000000000U;
		inode->gid = 70000;
		inode->mtime_sec = -5;
		inode->mtime_nsec = 999999999;
		CHECK_OK(og_erofs_device(4095, 1048575, &inode->device));
		name[0]++;
	}
	tree = round_trip(tree);
	name[0] = 'a';
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++, name[0]++) {
		const struct og_erofs_inode *inode = find(tree, name);

		CHECK(inode != NULL);
		CHECK_EQ(inode->mode, modes[i]);
		CHECK_EQ(inode->uid, 4000000000U);
		CHECK_EQ(inode->gid, 70000);
		CHECK_EQ(inode->mtime_sec, -5);
		CHECK_EQ(inode->mtime_nsec, 999999999);
		if (S_ISCHR(modes[i]) || S_ISBLK(modes[i]))
			CHECK_EQ(inode->device, 0xffffffffU);
	}
}

TEST(device_numbers_have_the_kernel_s_bounds)
{
	uint32_t device;

	CHECK_OK(og_erofs_device(8, 1, &device));
	CHECK_EQ(device, 0x801);
	CHECK_EQ(og_erofs_device(4096, 0, &device), -ERANGE);
	CHECK_EQ(og_erofs_device(0, 1 << 20, &device), -ERANGE);
}

TEST(links_of_all_lengths_come_back)
{
	static const size_t lengths[] = { 1, 100, 4031, 4032, 4033, 4095 };
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	char target[4096], name[2] = "a";

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++, name[0]++) {
		struct og_erofs_inode *inode = add(tree, og_erofs_root(tree), name, S_IFLNK | 0777);

		memset(target, 't', lengths[i]);
		target[lengths[i]] = '\0';
		CHECK_OK(og_erofs_set_target(tree, inode, target, NULL));
	}
	tree = round_trip(tree);
	name[0] = 'a';
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++, name[0]++)
		CHECK_EQ(strlen(find(tree, name)->target), lengths[i]);
}

TEST(a_large_directory_comes_back_whole_and_in_order)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *dir = add(tree, og_erofs_root(tree), "d", S_IFDIR);
	char name[300];

	for (int i = 0; i < MANY; i++) {
		/* The longest ones too, and ones that sort before "." */
		(void)snprintf(name, sizeof(name), "%s%0*d", i % 3 ? "" : "!", i % 250 + 4, i);
		add(tree, dir, name, S_IFREG);
	}
	/* The reader refuses a directory that is out of order. */
	tree = round_trip(tree);
	CHECK_EQ(find(tree, "d")->names, MANY);
	for (int i = 0; i < MANY; i += 7) {
		(void)snprintf(name, sizeof(name), "d/%s%0*d", i % 3 ? "" : "!", i % 250 + 4, i);
		CHECK(find(tree, name) != NULL);
	}
}

static void check_xattr(const struct og_erofs_inode *inode, uint8_t prefix, const char *name,
			size_t value_len)
{
	const struct og_erofs_xattr *xattr = inode->xattrs;

	while (xattr != NULL && (xattr->prefix != prefix || xattr->name_len != strlen(name) ||
				 memcmp(xattr->data, name, xattr->name_len) != 0))
		xattr = xattr->next;
	CHECK(xattr != NULL);
	CHECK_EQ(xattr->value_len, value_len);
}

TEST(attributes_come_back_and_are_bounded)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *inode = add(tree, og_erofs_root(tree), "f", S_IFREG);
	og_auto_free char *value = calloc(1, 70000);

	CHECK(value != NULL);
	CHECK_OK(og_erofs_set_xattr(tree, inode, 1, "a", 1, "x", 1, NULL));
	CHECK_OK(og_erofs_set_xattr(tree, inode, 1, "a", 1, "longer", 6, NULL));
	CHECK_OK(og_erofs_set_xattr(tree, inode, 6, "capability", 10, value, 20, NULL));
	CHECK_OK(og_erofs_set_xattr(tree, inode, 2, "", 0, "acl", 3, NULL));
	CHECK_OK(og_erofs_set_xattr(tree, inode, 4, "big", 3, value, 65535, NULL));
	CHECK_EQ(og_erofs_set_xattr(tree, inode, 4, "more", 4, value, 65536, NULL), -EFBIG);
	for (char name = 'a'; name < 'd'; name++)
		(void)og_erofs_set_xattr(tree, inode, 4, &name, 1, value, 65000, NULL);
	CHECK_EQ(og_erofs_set_xattr(tree, inode, 4, "last", 4, value, 65000, NULL), -EFBIG);
	tree = round_trip(tree);
	check_xattr(find(tree, "f"), 1, "a", 6);
	check_xattr(find(tree, "f"), 6, "capability", 20);
	check_xattr(find(tree, "f"), 2, "", 3);
	check_xattr(find(tree, "f"), 4, "big", 65535);
	check_xattr(find(tree, "f"), 4, "b", 65000);
}

TEST(names_that_are_none_are_refused)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	static const char *const names[] = { "", ".", "..", "a/b" };
	struct og_erofs_inode *root = og_erofs_root(tree);
	char name[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK_EQ(og_erofs_add(tree, root, names[i], strlen(names[i]), S_IFREG, NULL, NULL,
				      NULL),
			 -EINVAL);
	memset(name, 'n', sizeof(name));
	CHECK_EQ(og_erofs_add(tree, root, name, 256, S_IFREG, NULL, NULL, NULL), -ENAMETOOLONG);
	CHECK_OK(og_erofs_add(tree, root, name, 255, S_IFREG, NULL, NULL, NULL));
}

TEST(directories_nest_to_a_bound_and_go_at_once)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *dir = og_erofs_root(tree);

	for (int i = 0; i < OG_EROFS_DEPTH_MAX; i++)
		dir = add(tree, dir, "d", S_IFDIR | 0700);
	CHECK_EQ(og_erofs_add(tree, dir, "d", 1, S_IFDIR, NULL, NULL, NULL), -EFBIG);
	tree = round_trip(tree);
	og_erofs_remove(tree, og_erofs_lookup(tree, og_erofs_root(tree), "d", 1));
	CHECK_EQ(og_erofs_root(tree)->names, 0);
}

TEST(memory_is_bounded_and_given_back)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = NULL;
	char name[12];
	int count = 0;

	CHECK_OK(og_erofs_tree_new(1, 100000, &tree, NULL));
	for (int round = 0; round < 3; round++) {
		int r = 0;

		for (int i = 0; r == 0; i++, count = i) {
			(void)snprintf(name, sizeof(name), "%d", i);
			r = og_erofs_add(tree, og_erofs_root(tree), name, strlen(name), S_IFREG,
					 NULL, NULL, NULL);
		}
		CHECK_EQ(r, -EFBIG);
		CHECK(count > 200);
		og_erofs_clear(tree, og_erofs_root(tree));
	}
}

static void put_file(struct og_erofs_writer *writer, struct og_erofs_tree *tree, const char *name,
		     uint64_t size, bool sparse, uint64_t offset, const char *content)
{
	struct og_erofs_inode *inode = add(tree, og_erofs_root(tree), name, S_IFREG);

	inode->size = size;
	CHECK_OK(og_erofs_file_begin(writer, tree, inode, sparse, NULL));
	CHECK_OK(og_erofs_file_data(writer, offset, content, strlen(content), NULL));
	CHECK_OK(og_erofs_file_end(writer, NULL));
}

TEST(content_is_where_the_inodes_say)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *back = new_tree();
	struct memory memory = {};
	struct og_erofs_sink sink = { memory_write, &memory };
	struct og_erofs_writer *writer;
	const struct og_erofs_inode *inode;
	struct og_erofs_view view;

	CHECK_OK(og_erofs_writer_new(&sink, &writer, NULL));
	put_file(writer, tree, "plain", 5, false, 0, "plain");
	put_file(writer, tree, "sparse", 1 << 20, true, 5000, "hole before");
	put_file(writer, tree, "huge", 1ULL << 38, true, (1ULL << 38) - 3, "end");
	write_tree(writer, tree, &memory, &view);
	CHECK_OK(og_erofs_overlay(back, &view, 3, NULL));

	inode = find(back, "plain");
	CHECK_EQ(inode->extra, 3);
	CHECK(memcmp(memory.bytes + inode->start_block * 4096UL, "plain\0\0", 7) == 0);
	inode = find(back, "sparse");
	CHECK_EQ(inode->chunk_bits, 12);
	CHECK_EQ(inode->chunk_count, 256);
	CHECK_EQ(inode->chunks[0], EROFS_HOLE);
	CHECK(memcmp(memory.bytes + inode->chunks[1] * 4096UL + 904, "hole before", 11) == 0);
	CHECK_EQ(inode->chunks[2], EROFS_HOLE);
	inode = find(back, "huge");
	CHECK_EQ(inode->chunk_count, 32768);
	CHECK(inode->chunks[32767] != EROFS_HOLE);
	free(memory.bytes);
}

TEST(content_that_does_not_fit_its_file_is_refused)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	og_cleanup(og_erofs_writer_freep) struct og_erofs_writer *writer = NULL;
	struct memory memory = {};
	struct og_erofs_sink sink = { memory_write, &memory };
	struct og_erofs_inode *inode = add(tree, og_erofs_root(tree), "f", S_IFREG);

	inode->size = 3;
	CHECK_OK(og_erofs_writer_new(&sink, &writer, NULL));
	CHECK_OK(og_erofs_file_begin(writer, tree, inode, false, NULL));
	CHECK_EQ(og_erofs_file_data(writer, 0, "four", 4, NULL), -EINVAL);
	CHECK_EQ(og_erofs_file_data(writer, 1, "x", 1, NULL), -EINVAL);
	CHECK_OK(og_erofs_file_data(writer, 0, "x", 1, NULL));
	CHECK_EQ(og_erofs_file_end(writer, NULL), -EINVAL);
	free(memory.bytes);
}

/* A layer with one file, one whiteout, one opaque directory. */
static struct og_erofs_tree *upper_layer(void)
{
	struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *root = og_erofs_root(tree);
	struct og_erofs_inode *opaque = add(tree, root, "opaque", S_IFDIR | 0711);

	add(tree, root, "gone", S_IFCHR);
	add(tree, root, "file", S_IFREG | 0600);
	add(tree, opaque, "new", S_IFREG);
	add(tree, add(tree, root, "both", S_IFDIR | 0711), "new", S_IFREG);
	CHECK_OK(og_erofs_set_xattr(tree, opaque, 4, "overlay.opaque", 14, "y", 1, NULL));
	return tree;
}

static struct og_erofs_tree *lower_layer(void)
{
	struct og_erofs_tree *tree = new_tree();
	struct og_erofs_inode *root = og_erofs_root(tree);

	add(tree, add(tree, root, "gone", S_IFDIR), "below", S_IFREG);
	add(tree, add(tree, root, "opaque", S_IFDIR), "old", S_IFREG);
	add(tree, add(tree, root, "both", S_IFDIR | 0755), "old", S_IFREG);
	CHECK_OK(og_erofs_add(tree, root, "link", 4, 0, add(tree, root, "file", S_IFREG | 0644),
			      NULL, NULL));
	return tree;
}

TEST(layers_are_laid_over_each_other_as_overlayfs_does)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
	struct og_erofs_tree *(*const layers[])(void) = { lower_layer, upper_layer };

	for (size_t i = 0; i < 2; i++) {
		og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *layer = layers[i]();
		struct memory memory = {};
		struct og_erofs_view view;

		write_tree(NULL, layer, &memory, &view);
		CHECK_OK(og_erofs_overlay(tree, &view, (uint32_t)i + 1, NULL));
		free(memory.bytes);
	}
	CHECK(find(tree, "gone") == NULL);
	CHECK(find(tree, "opaque/old") == NULL);
	CHECK(find(tree, "opaque/new") != NULL);
	CHECK(find(tree, "opaque")->xattrs == NULL);
	CHECK(find(tree, "both/old") != NULL && find(tree, "both/new") != NULL);
	CHECK_EQ(find(tree, "both")->mode, S_IFDIR | 0711);
	CHECK_EQ(find(tree, "file")->mode, S_IFREG | 0600);
	CHECK_EQ(find(tree, "link")->mode, S_IFREG | 0644);
	CHECK_EQ(find(tree, "link")->links, 1);
}

/* Each byte of a small file, changed: refused or read, never more. */
TEST(a_damaged_file_never_leads_out_of_itself)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *layer = lower_layer();
	struct memory memory = {};
	struct og_erofs_view view;
	unsigned int refused = 0;

	write_tree(NULL, layer, &memory, &view);
	for (size_t at = EROFS_SUPER_AT; at < memory.len; at++) {
		og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = new_tree();
		struct og_erofs_view changed;

		memory.bytes[at] ^= 0x55;
		erofs_super_seal(memory.bytes);
		if (og_erofs_read_super(memory.bytes, &changed, NULL) == 0) {
			changed.buf = memory.bytes;
			changed.len = memory.len;
			refused += og_erofs_overlay(tree, &changed, 1, NULL) < 0;
		}
		memory.bytes[at] ^= 0x55;
	}
	CHECK(refused > 100);
	free(memory.bytes);
}

TEST(a_wrong_checksum_is_no_file_of_ours)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = lower_layer();
	struct memory memory = {};
	struct og_erofs_view view;

	write_tree(NULL, tree, &memory, &view);
	memory.bytes[2000] ^= 1;
	CHECK_EQ(og_erofs_read_super(memory.bytes, &view, NULL), -EBADMSG);
	free(memory.bytes);
}

TEST(the_checksum_is_crc32c_as_the_kernel_counts_it)
{
	CHECK_EQ(~erofs_crc32c(~0U, (const uint8_t *)"123456789", 9), 0xe3069283U);
}

TEST_MAIN(TEST_ENTRY(every_type_of_inode_comes_back),
	  TEST_ENTRY(device_numbers_have_the_kernel_s_bounds),
	  TEST_ENTRY(links_of_all_lengths_come_back),
	  TEST_ENTRY(a_large_directory_comes_back_whole_and_in_order),
	  TEST_ENTRY(attributes_come_back_and_are_bounded),
	  TEST_ENTRY(names_that_are_none_are_refused),
	  TEST_ENTRY(directories_nest_to_a_bound_and_go_at_once),
	  TEST_ENTRY(memory_is_bounded_and_given_back), TEST_ENTRY(content_is_where_the_inodes_say),
	  TEST_ENTRY(content_that_does_not_fit_its_file_is_refused),
	  TEST_ENTRY(layers_are_laid_over_each_other_as_overlayfs_does),
	  TEST_ENTRY(a_damaged_file_never_leads_out_of_itself),
	  TEST_ENTRY(a_wrong_checksum_is_no_file_of_ours),
	  TEST_ENTRY(the_checksum_is_crc32c_as_the_kernel_counts_it))

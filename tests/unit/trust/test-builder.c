/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/builder.h"

#include "base/test.h"
#include "base/text.h"

static struct og_builder *builder_of(size_t layers)
{
	struct og_builder *builder = NULL;

	CHECK_OK(og_builder_new("test", &builder, NULL));
	for (size_t i = 0; i < layers; i++)
		CHECK_OK(og_builder_layer(builder, "", "", "", NULL));
	return builder;
}

static void next_layer(struct og_builder *builder)
{
	CHECK_OK(og_builder_layer(builder, "", "", "", NULL));
}

static void begin(struct og_builder *builder, const char *path)
{
	og_builder_path(builder, path, false);
	og_builder_file(builder, path);
}

static void add(struct og_builder *builder, enum og_package_type type, const char *name,
		const char *version)
{
	struct og_package_entry entry = { .name = og_span_of(name),
					  .version = og_span_of(version) };

	CHECK_OK(og_builder_package(builder, type, &entry, NULL, NULL));
}

/* "name version layer[*]" of each, '*': owned. */
static void check(struct og_builder *builder, const char *wanted)
{
	og_cleanup(og_inventory_freep) struct og_inventory *inventory = NULL;
	og_auto_text text = {};

	CHECK_OK(og_builder_finish(builder, &inventory, NULL));
	for (size_t i = 0; i < inventory->package_count; i++) {
		const struct og_package *package = &inventory->packages[i];

		og_text_addf(&text, "%s %s %d%s\n", package->name, package->version,
			     (int)package->layer, package->owned ? "*" : "");
	}
	for (size_t i = 0; i < inventory->finding_count; i++) {
		const struct og_finding *finding = &inventory->findings[i];

		og_text_addf(&text, "%s %s %d%s\n", finding->rule, finding->path,
			     (int)finding->layer, finding->deleted ? " deleted" : "");
	}
	if (strcmp(text.len > 0 ? text.buf : "", wanted) != 0) {
		fprintf(stderr, "got\n%s", text.len > 0 ? text.buf : "");
		exit(EXIT_FAILURE);
	}
	(void)og_builder_free(builder);
}

TEST(a_package_is_of_the_lowest_layer_in_which_it_is_as_it_is_now)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "var/lib/dpkg/status");
	add(builder, OG_PACKAGE_DEB, "kept", "1");
	add(builder, OG_PACKAGE_DEB, "raised", "1");
	add(builder, OG_PACKAGE_DEB, "removed", "1");
	next_layer(builder);
	begin(builder, "var/lib/dpkg/status");
	add(builder, OG_PACKAGE_DEB, "new", "1");
	add(builder, OG_PACKAGE_DEB, "raised", "2");
	add(builder, OG_PACKAGE_DEB, "kept", "1");
	next_layer(builder);
	begin(builder, "var/lib/dpkg/status");
	add(builder, OG_PACKAGE_DEB, "kept", "1");
	add(builder, OG_PACKAGE_DEB, "new", "1");
	add(builder, OG_PACKAGE_DEB, "raised", "2");
	add(builder, OG_PACKAGE_DEB, "removed", "1");
	check(builder, "kept 1 0\nnew 1 1\nraised 2 1\nremoved 1 2\n");
}

TEST(what_a_later_layer_deletes_is_not_there)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "app/node_modules/a/package.json");
	add(builder, OG_PACKAGE_NPM, "a", "1");
	begin(builder, "app/node_modules/b/package.json");
	add(builder, OG_PACKAGE_NPM, "b", "1");
	begin(builder, "app/node_modulesx/package.json");
	add(builder, OG_PACKAGE_NPM, "c", "1");
	next_layer(builder);
	og_builder_hide(builder, "app/node_modules/a/package.json", true);
	check(builder, "b 1 0\nc 1 0\n");
}

TEST(a_folder_that_is_deleted_or_replaced_takes_what_is_below_and_nothing_beside)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "app/one/x");
	add(builder, OG_PACKAGE_NPM, "one", "1");
	begin(builder, "app/one-more/x");
	add(builder, OG_PACKAGE_NPM, "one-more", "1");
	begin(builder, "app/two/x");
	add(builder, OG_PACKAGE_NPM, "two", "1");
	begin(builder, "app/three/x");
	add(builder, OG_PACKAGE_NPM, "three", "1");
	next_layer(builder);
	og_builder_hide(builder, "app/one", true);
	og_builder_path(builder, "app/two", false);  /* a link now */
	og_builder_path(builder, "app/three", true); /* a folder still */
	check(builder, "one-more 1 0\nthree 1 0\n");
}

TEST(an_opaque_folder_hides_lower_layers_and_not_its_own)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "app/old");
	add(builder, OG_PACKAGE_NPM, "old", "1");
	next_layer(builder);
	begin(builder, "app/new");
	add(builder, OG_PACKAGE_NPM, "new", "1");
	og_builder_hide(builder, "app", false);
	check(builder, "new 1 1\n");
	builder = builder_of(1);
	begin(builder, "app/old");
	add(builder, OG_PACKAGE_NPM, "old", "1");
	next_layer(builder);
	og_builder_hide(builder, "", false);
	check(builder, "");
}

TEST(the_last_of_equal_paths_in_a_layer_counts)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "x");
	add(builder, OG_PACKAGE_NPM, "x", "1");
	begin(builder, "x");
	add(builder, OG_PACKAGE_NPM, "x", "2");
	check(builder, "x 2 0\n");
}

TEST(a_secret_stays_in_its_layer_and_a_set_uid_program_does_not)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "root/key");
	CHECK_OK(og_builder_finding(builder, OG_FINDING_SECRET, "private-key", "", NULL));
	begin(builder, "usr/bin/su");
	CHECK_OK(og_builder_finding(builder, OG_FINDING_SETUID, "set-uid", "", NULL));
	begin(builder, "usr/bin/mount");
	CHECK_OK(og_builder_finding(builder, OG_FINDING_SETUID, "set-uid", "", NULL));
	next_layer(builder);
	og_builder_hide(builder, "root/key", true);
	og_builder_hide(builder, "usr/bin/su", true);
	check(builder, "private-key root/key 0 deleted\nset-uid usr/bin/mount 0\n");
}

TEST(what_a_distribution_owns_is_marked_however_its_lists_write_it)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "usr/lib/python3/a/METADATA");
	add(builder, OG_PACKAGE_PYPI, "a", "1");
	begin(builder, "usr/share/java/b.jar");
	add(builder, OG_PACKAGE_MAVEN, "b", "1");
	begin(builder, "opt/c.jar");
	add(builder, OG_PACKAGE_MAVEN, "c", "1");
	begin(builder, "var/lib/dpkg/info/x.list");
	CHECK_OK(og_builder_owned(builder, og_span_of(""), og_span_of("/lib/python3/a/METADATA"),
				  NULL));
	CHECK_OK(og_builder_owned(builder, og_span_of("usr/share/java/"), og_span_of("b.jar"),
				  NULL));
	check(builder, "a 1 0*\nb 1 0*\nc 1 0\n");
}

TEST(a_list_that_is_deleted_owns_nothing)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "opt/c.jar");
	add(builder, OG_PACKAGE_MAVEN, "c", "1");
	begin(builder, "var/lib/dpkg/info/x.list");
	CHECK_OK(og_builder_owned(builder, og_span_of("opt"), og_span_of("c.jar"), NULL));
	next_layer(builder);
	og_builder_hide(builder, "var/lib/dpkg/info/x.list", true);
	check(builder, "c 1 0\n");
}

/* Fills @builder with some of every kind. */
static void fill(struct og_builder *builder, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "opt/%s.jar", name);
	begin(builder, path);
	add(builder, OG_PACKAGE_MAVEN, name, "1");
	CHECK_OK(og_builder_finding(builder, OG_FINDING_SECRET, name, "", NULL));
	(void)snprintf(path, sizeof(path), "srv/%s.jar", name);
	begin(builder, path);
	add(builder, OG_PACKAGE_MAVEN, name, "2");
	(void)snprintf(path, sizeof(path), "var/lib/dpkg/info/%s.list", name);
	begin(builder, path);
	(void)snprintf(path, sizeof(path), "/opt/%s.jar", name);
	CHECK_OK(og_builder_owned(builder, og_span_of(""), og_span_of(path), NULL));
}

TEST(what_parts_found_is_joined_as_if_one_had_found_it)
{
	struct og_builder *builder = builder_of(0), *part = NULL;
	struct og_os_release release = { .id = "debian" };
	char name[16];

	fill(builder, "first");
	for (int i = 0; i < 100; i++) {
		CHECK_OK(og_builder_part(builder, &part, NULL));
		(void)snprintf(name, sizeof(name), "part%d", i);
		if (i % 2 == 0)
			fill(part, name);
		if (i == 50)
			og_builder_os(part, &release, true);
		CHECK_OK(og_builder_join(builder, part, NULL));
		part = og_builder_free(part);
	}
	CHECK_EQ(og_builder_language_packages(builder), 102);
	{
		og_cleanup(og_inventory_freep) struct og_inventory *inventory = NULL;

		CHECK_OK(og_builder_finish(builder, &inventory, NULL));
		CHECK_EQ(inventory->package_count, 102);
		CHECK_EQ(inventory->finding_count, 51);
		CHECK(og_streq(inventory->os_id, "debian"));
		for (size_t i = 0; i < 102; i++) {
			const struct og_package *package = &inventory->packages[i];

			CHECK_EQ(package->owned, og_starts_with(package->path, "opt/"));
			CHECK(i == 0 || !og_streq(package->path, package[-1].path));
		}
		for (size_t i = 1; i < 51; i++)
			CHECK(!og_streq(inventory->findings[i].path,
					inventory->findings[i - 1].path));
	}
	(void)og_builder_free(builder);
}

TEST(once_all_packages_are_known_their_files_alone_are_kept)
{
	static const char *const names[] = { "opt/a.jar", "usr/bin/b", "opt/deep/er/c.jar!/d.jar" };
	struct og_builder *builder = builder_of(1), *part = NULL;

	for (size_t i = 0; i < 3; i++) {
		begin(builder, names[i]);
		add(builder, OG_PACKAGE_MAVEN, names[i], "1");
	}
	begin(builder, "opt/none.jar");
	add(builder, OG_PACKAGE_MAVEN, "none", "1");
	CHECK_OK(og_builder_packages_end(builder, NULL));
	CHECK_OK(og_builder_part(builder, &part, NULL));
	begin(part, "var/lib/dpkg/info/x.list");
	for (size_t i = 0; i < 2; i++) {
		static const char *const lists[2][4] = { { "/opt/a.jar", "/bin/b", "/", "x" },
							 { "opt/deep/er/c.jar", "/opt/other.jar",
							   "/.", "./opt" } };

		for (size_t k = 0; k < 4; k++)
			CHECK_OK(og_builder_owned(i == 0 ? builder : part, og_span_of(""),
						  og_span_of(lists[i][k]), NULL));
	}
	CHECK_OK(og_builder_join(builder, part, NULL));
	(void)og_builder_free(part);
	check(builder, "none 1 0\nopt/a.jar 1 0*\nopt/deep/er/c.jar!/d.jar 1 0*\nusr/bin/b 1 0*\n");
}

TEST(a_file_of_the_shortest_name_is_found_among_the_owned)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "x");
	add(builder, OG_PACKAGE_GO, "x", "1");
	begin(builder, "var/lib/dpkg/info/x.list");
	CHECK_OK(og_builder_packages_end(builder, NULL));
	CHECK_OK(og_builder_owned(builder, og_span_of(""), og_span_of("/x"), NULL));
	check(builder, "x 1 0*\n");
}

TEST(a_name_twice_in_one_file_is_one_package)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "yarn.lock");
	for (int i = 0; i < 3; i++)
		add(builder, OG_PACKAGE_NPM, "x", "1");
	check(builder, "x 1 0\n");
}

TEST(texts_are_one_line_of_utf8)
{
	struct og_builder *builder = builder_of(1);

	begin(builder, "x");
	add(builder, OG_PACKAGE_NPM, "a\nb\x1b[2J\xff\xc3\xa9\xe2\x82", "\xed\xa0\x80");
	check(builder, "a b [2J?\xc3\xa9?? ??? 0\n");
}

TEST(thousands_of_files_are_found_again)
{
	struct og_builder *builder = builder_of(1);
	char path[64];

	for (int i = 0; i < 5000; i++) {
		(void)snprintf(path, sizeof(path), "app/%d/package.json", i);
		begin(builder, path);
		add(builder, OG_PACKAGE_NPM, "x", "1");
	}
	next_layer(builder);
	for (int i = 1; i < 5000; i++) {
		(void)snprintf(path, sizeof(path), "app/%d", i);
		og_builder_hide(builder, path, true);
	}
	check(builder, "x 1 0\n");
}

TEST_MAIN(TEST_ENTRY(a_package_is_of_the_lowest_layer_in_which_it_is_as_it_is_now),
	  TEST_ENTRY(what_a_later_layer_deletes_is_not_there),
	  TEST_ENTRY(a_folder_that_is_deleted_or_replaced_takes_what_is_below_and_nothing_beside),
	  TEST_ENTRY(an_opaque_folder_hides_lower_layers_and_not_its_own),
	  TEST_ENTRY(the_last_of_equal_paths_in_a_layer_counts),
	  TEST_ENTRY(a_secret_stays_in_its_layer_and_a_set_uid_program_does_not),
	  TEST_ENTRY(what_a_distribution_owns_is_marked_however_its_lists_write_it),
	  TEST_ENTRY(a_list_that_is_deleted_owns_nothing),
	  TEST_ENTRY(what_parts_found_is_joined_as_if_one_had_found_it),
	  TEST_ENTRY(once_all_packages_are_known_their_files_alone_are_kept),
	  TEST_ENTRY(a_file_of_the_shortest_name_is_found_among_the_owned),
	  TEST_ENTRY(a_name_twice_in_one_file_is_one_package),
	  TEST_ENTRY(texts_are_one_line_of_utf8), TEST_ENTRY(thousands_of_files_are_found_again))

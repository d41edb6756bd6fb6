/* SPDX-License-Identifier: Apache-2.0 */
/* og-inventory KIND WHAT: what the scanner finds inside something, as JSON, for the tests. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "trust/inspect.h"

static int inspect_folder(const char *what, struct og_inventory **ret, struct og_err *err)
{
	og_auto_fd fd = open(what, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", what)
		      : og_inspect_folder(fd, what, ret, err);
}

static int inspect_archive(const char *what, struct og_inventory **ret, struct og_err *err)
{
	og_auto_fd fd = open(what, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", what)
		      : og_inspect_archive(fd, NULL, what, ret, err);
}

static int inspect_layout(const char *what, struct og_inventory **ret, struct og_err *err)
{
	og_auto_fd fd = open(what, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", what)
		      : og_inspect_layout(fd, NULL, what, ret, err);
}

static int inspect_disk(const char *what, struct og_inventory **ret, struct og_err *err)
{
	og_auto_fd fd = open(what, O_RDONLY | O_CLOEXEC);
	struct og_inspect_disk disk = { .fd = fd, .backing_fd = -EBADF };

	return fd < 0 ? og_fail(err, -errno, "open '%s'", what)
		      : og_inspect_disk(&disk, what, ret, err);
}

static int inspect_sbom(const char *what, struct og_inventory **ret, struct og_err *err)
{
	og_auto_fd fd = open(what, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", what)
		      : og_inspect_sbom(fd, what, ret, err);
}

static const struct {
	const char *kind;
	int (*inspect)(const char *what, struct og_inventory **ret, struct og_err *err);
} kinds[] = {
	{ "folder", inspect_folder }, { "archive", inspect_archive }, { "layout", inspect_layout },
	{ "disk", inspect_disk },     { "sbom", inspect_sbom },
};

static void set_layer(struct og_json *object, size_t layer)
{
	if (layer != OG_LAYER_NONE)
		og_json_set_int(object, "layer", (int64_t)layer);
}

static struct og_json *of_package(const struct og_package *package)
{
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "type", og_package_type_name(package->type));
	og_json_set_string(object, "name", package->name);
	og_json_set_string(object, "version", package->version);
	og_json_set_string(object, "architecture", package->architecture);
	og_json_set_string(object, "source", package->source_name);
	og_json_set_string(object, "source_version", package->source_version);
	og_json_set_string(object, "path", package->path);
	og_json_set_string(object, "license", package->license);
	og_json_set_bool(object, "owned", package->owned);
	set_layer(object, package->layer);
	return object;
}

static struct og_json *of_finding(const struct og_finding *finding)
{
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "kind", og_finding_kind_name(finding->kind));
	og_json_set_string(object, "rule", finding->rule);
	og_json_set_string(object, "path", finding->path);
	og_json_set_string(object, "detail", finding->detail);
	og_json_set_bool(object, "deleted", finding->deleted);
	set_layer(object, finding->layer);
	return object;
}

static void print_inventory(const struct og_inventory *inventory)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *packages = og_json_new_array(), *findings = og_json_new_array(),
		       *layers = og_json_new_array();
	og_auto_free char *text = NULL;

	for (size_t i = 0; i < inventory->package_count; i++)
		og_json_push(packages, of_package(&inventory->packages[i]));
	for (size_t i = 0; i < inventory->finding_count; i++)
		og_json_push(findings, of_finding(&inventory->findings[i]));
	for (size_t i = 0; i < inventory->layer_count; i++) {
		struct og_json *layer = og_json_new_object();

		og_json_set_string(layer, "digest", inventory->layers[i].digest);
		og_json_set_string(layer, "diff_id", inventory->layers[i].diff_id);
		og_json_set_string(layer, "created_by", inventory->layers[i].created_by);
		og_json_push(layers, layer);
	}
	og_json_set_string(root, "target", inventory->target);
	og_json_set_string(root, "image_digest", inventory->image_digest);
	og_json_set_string(root, "image_id", inventory->image_id);
	og_json_set_string(root, "os_id", inventory->os_id);
	og_json_set_string(root, "os_version", inventory->os_version);
	og_json_set_string(root, "os_name", inventory->os_name);
	og_json_set(root, "packages", packages);
	og_json_set(root, "findings", findings);
	og_json_set(root, "layers", layers);
	text = og_json_write(root);
	(void)puts(text);
}

int main(int argc, char **argv)
{
	og_cleanup(og_inventory_freep) struct og_inventory *inventory = NULL;
	struct og_err err = {};

	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!og_streq(argv[1], kinds[i].kind))
			continue;
		if (kinds[i].inspect(argv[2], &inventory, &err) < 0) {
			(void)fprintf(stderr, "og-inventory: %s\n", err.text);
			return EXIT_FAILURE;
		}
		print_inventory(inventory);
		return EXIT_SUCCESS;
	}
	(void)fputs("usage: og-inventory KIND WHAT\n", stderr);
	return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image/images.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "image/merge.h"
#include "image/parts.h"

int og_images_open(int data_root_fd, struct og_images **ret_images, struct og_err *err)
{
	struct og_images *images = calloc(1, sizeof(*images));
	int r;

	if (images == NULL)
		return og_fail(err, -ENOMEM, "open image store");
	r = og_store_open(&images->store, data_root_fd, err);
	if (r < 0) {
		og_images_free(images);
		return og_fail_in(err, r, "open image store");
	}
	*ret_images = images;
	return 0;
}

struct og_images *og_images_free(struct og_images *images)
{
	if (images == NULL)
		return NULL;
	og_store_done(&images->store);
	free(images);
	return NULL;
}

/* ---- names to IDs ---- */

static bool is_hex(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= OG_DIGEST_HEX_CHARS && strspn(text, "0123456789abcdef") == len;
}

static int resolve_prefix(struct og_images *images, const char *name, struct og_image_id *ret_id,
			  struct og_err *err)
{
	const char *hex = og_starts_with(name, OG_DIGEST_PREFIX) ? name + strlen(OG_DIGEST_PREFIX)
								 : name;
	int r;

	if (!is_hex(hex))
		return og_fail_plain(err, -ENOENT, "No such image: %.300s", name);
	r = og_catalog_find_prefix(images->store.db, hex, ret_id, err);
	if (r == 0)
		return og_fail_plain(err, -ENOENT, "No such image: %.300s", name);
	if (r == 2)
		return og_fail_plain(err, -ENOTUNIQ,
				     "'%.80s' is the beginning of several images' IDs", name);
	return r < 0 ? r : 0;
}

int og_images_resolve(struct og_images *images, const char *name, struct og_image_id *ret_id,
		      struct og_err *err)
{
	struct og_imageref ref;
	struct og_err why = {};
	int r;

	if (og_starts_with(name, OG_DIGEST_PREFIX))
		return resolve_prefix(images, name, ret_id, err);
	if (og_imageref_parse(name, &ref, &why) < 0) {
		if (is_hex(name))
			return resolve_prefix(images, name, ret_id, err);
		return og_fail_plain(err, -EINVAL, "%s", why.text);
	}
	r = og_catalog_find(images->store.db, &ref, ret_id, err);
	if (r == 0 && is_hex(name))
		return resolve_prefix(images, name, ret_id, err);
	if (r == 0)
		return og_fail_plain(err, -ENOENT, "No such image: %s",
				     og_imageref_format(&ref).text);
	return r < 0 ? r : 0;
}

/* ---- snapshots ---- */

struct og_image *og_image_free(struct og_image *image)
{
	if (image == NULL)
		return NULL;
	free(image->id);
	og_strv_free(image->repo_tags);
	og_strv_free(image->repo_digests);
	free(image->manifest);
	free(image->created);
	free(image->architecture);
	free(image->os);
	free(image->variant);
	og_strv_free(image->diff_ids);
	free(image->layer_sizes);
	free(image->chain_id);
	og_json_free(image->config);
	free(image);
	return NULL;
}

struct og_image **og_image_list_free(struct og_image **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		og_image_free(list[i]);
	free(list);
	return NULL;
}

static int describe_layers(const struct og_record *record, struct og_image *image,
			   struct og_err *err)
{
	struct og_digest diff_ids[OG_MERGE_LAYERS_MAX], chain_id;
	size_t count = record->layer_count;
	int r = 0;

	image->diff_ids = calloc(count + 1, sizeof(*image->diff_ids));
	image->layer_sizes = calloc(count + 1, sizeof(*image->layer_sizes));
	if (image->diff_ids == NULL || image->layer_sizes == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count; i++) {
		diff_ids[i] = record->layers[i].diff_id;
		image->layer_sizes[i] = record->layers[i].bytes;
		image->diff_ids[i] = strdup(og_digest_format(&diff_ids[i]).text);
		if (image->diff_ids[i] == NULL)
			return og_fail(err, -ENOMEM, "no memory");
	}
	if (count > 0)
		r = og_chain_id(diff_ids, count, &chain_id, err);
	if (r < 0)
		return r;
	image->chain_id = strdup(count > 0 ? og_digest_format(&chain_id).text : "");
	return image->chain_id != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}

static int describe_config(struct og_images *images, const struct og_record *record,
			   struct og_image *image, struct og_err *err)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *config = NULL;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = og_blob_read(&images->store, &record->id, OG_IMAGECONFIG_BYTES_MAX, &buf, &len,
			     err);

	if (r == 0)
		r = og_imageconfig_parse(buf, len, &config, err);
	if (r < 0)
		return r;
	image->created = strdup(config->created);
	image->created_s = config->created_s;
	image->architecture = strdup(config->architecture);
	image->os = strdup(config->os[0] != '\0' ? config->os : "linux");
	image->variant = strdup(config->variant);
	image->config = og_take_ptr(config->root);
	if (image->created == NULL || image->architecture == NULL || image->os == NULL ||
	    image->variant == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return 0;
}

/* With the lock held. */
static int describe(struct og_images *images, const char *id, struct og_image **ret_image,
		    struct og_err *err)
{
	og_cleanup(og_image_freep) struct og_image *image = calloc(1, sizeof(*image));
	og_cleanup(og_record_done) struct og_record record = {};
	int r;

	if (image == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_catalog_read(images->store.db, id, &record, err);
	if (r < 0)
		return r;
	image->id = strdup(id);
	image->manifest = strdup(og_digest_format(&record.manifest).text);
	image->size = record.size;
	if (image->id == NULL || image->manifest == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_catalog_tags(images->store.db, id, &image->repo_tags, err);
	if (r == 0)
		r = og_catalog_digests(images->store.db, id, &image->repo_digests, err);
	if (r == 0)
		r = describe_layers(&record, image, err);
	if (r == 0)
		r = describe_config(images, &record, image, err);
	if (r < 0)
		return og_fail_in(err, r, "image %.19s", id);
	*ret_image = og_take_ptr(image);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct og_image *x = *(struct og_image *const *)a, *y = *(struct og_image *const *)b;

	if (x->created_s != y->created_s)
		return x->created_s < y->created_s ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int list_locked(struct og_images *images, struct og_image ***ret_list, struct og_err *err)
{
	og_cleanup(og_image_list_freep) struct og_image **list = NULL;
	og_auto_free struct og_image_id *ids = NULL;
	size_t count = 0;
	int r = og_catalog_list(images->store.db, &ids, &count, err);

	if (r < 0)
		return r;
	list = calloc(count + 1, sizeof(struct og_image *));
	if (list == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count && r == 0; i++)
		r = describe(images, ids[i].text, &list[i], err);
	if (r < 0)
		return r;
	if (count > 1)
		qsort(list, count, sizeof(struct og_image *), by_age);
	*ret_list = og_take_ptr(list);
	return 0;
}

int og_images_list(struct og_images *images, struct og_image ***ret_list, struct og_err *err)
{
	int r;

	(void)pthread_mutex_lock(&images->store.lock);
	r = list_locked(images, ret_list, err);
	(void)pthread_mutex_unlock(&images->store.lock);
	return r;
}

int og_images_find(struct og_images *images, const char *name, struct og_image **ret_image,
		   struct og_err *err)
{
	struct og_image_id id;
	int r;

	(void)pthread_mutex_lock(&images->store.lock);
	r = og_images_resolve(images, name, &id, err);
	if (r == 0)
		r = describe(images, id.text, ret_image, err);
	(void)pthread_mutex_unlock(&images->store.lock);
	return r;
}

/* ---- files to run from ---- */

void og_rootfs_done(struct og_rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->count; i++)
		free(rootfs->parts[i].path);
	free(rootfs->parts);
	*rootfs = (struct og_rootfs){};
}

static int add_part(struct og_rootfs *rootfs, enum og_folder folder, const struct og_digest *digest,
		    uint64_t offset, uint64_t size)
{
	struct og_rootfs_part *part = &rootfs->parts[rootfs->count];

	*part = (struct og_rootfs_part){
		.path = strdup(og_file_name(folder, digest).text),
		.offset = offset,
		.size = size,
	};
	if (part->path == NULL)
		return -ENOMEM;
	rootfs->count++;
	return 0;
}

static int list_parts(int merged_fd, const struct og_digest *chain_id, struct og_rootfs *rootfs,
		      struct og_err *err)
{
	og_auto_free struct og_merged_layer *layers = NULL;
	uint64_t bytes = 0;
	size_t count = 0;
	int r = og_merged_layers(merged_fd, &layers, &count, &bytes, err);

	if (r < 0)
		return r;
	rootfs->parts = calloc(count + 1, sizeof(*rootfs->parts));
	if (rootfs->parts == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = add_part(rootfs, OG_FOLDER_MERGED, chain_id, 0, bytes);
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_part(rootfs, OG_FOLDER_LAYERS, &layers[i].diff_id, layers[i].offset,
			     layers[i].bytes);
	return r < 0 ? og_fail(err, r, "no memory") : 0;
}

static int rootfs_locked(struct og_images *images, const char *id, struct og_rootfs *rootfs,
			 struct og_err *err)
{
	og_cleanup(og_record_done) struct og_record record = {};
	struct og_digest diff_ids[OG_MERGE_LAYERS_MAX], chain_id;
	og_auto_fd merged_fd = -EBADF;
	int r = og_catalog_read(images->store.db, id, &record, err);

	if (r < 0)
		return r;
	if (record.layer_count == 0)
		return og_fail_plain(err, -ENODATA,
				     "image %.19s has no layers: nothing to run from", id);
	for (size_t i = 0; i < record.layer_count; i++)
		diff_ids[i] = record.layers[i].diff_id;
	r = og_chain_id(diff_ids, record.layer_count, &chain_id, err);
	if (r < 0)
		return r;
	merged_fd = openat(images->store.root_fd, og_file_name(OG_FOLDER_MERGED, &chain_id).text,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (merged_fd < 0)
		return og_fail_plain(err, -EUCLEAN,
				     "image %.19s: its files are gone; pull it again", id);
	return list_parts(merged_fd, &chain_id, rootfs, err);
}

int og_images_rootfs(struct og_images *images, const char *id, struct og_rootfs *ret_rootfs,
		     struct og_err *err)
{
	og_cleanup(og_rootfs_done) struct og_rootfs rootfs = {};
	int r;

	(void)pthread_mutex_lock(&images->store.lock);
	r = rootfs_locked(images, id, &rootfs, err);
	(void)pthread_mutex_unlock(&images->store.lock);
	if (r < 0)
		return r;
	*ret_rootfs = rootfs;
	rootfs = (struct og_rootfs){};
	return 0;
}

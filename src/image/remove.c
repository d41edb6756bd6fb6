/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's rmi and prune: names go, with the last name the image, then its files. */
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "image/parts.h"

/* One removal under way, the store's lock held. */
struct removal {
	struct og_images *images;
	struct og_db *db;
	og_image_use_fn *in_use;
	void *in_use_data;
	bool force;
	struct og_removed_list list;
	struct og_file_name *files; /* that may have become useless; owned */
	size_t file_count;
};

void og_removed_list_done(struct og_removed_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct og_removed_list){};
}

static int note(struct removal *removal, bool deleted, const char *name)
{
	struct og_removed_list *list = &removal->list;

	if (og_grow(list->items, list->count) < 0)
		return -ENOMEM;
	list->items[list->count] = (struct og_removed){ .deleted = deleted, .name = strdup(name) };
	return list->items[list->count++].name != NULL ? 0 : -ENOMEM;
}

static int note_files(struct removal *removal, const struct og_file_name *files, size_t count)
{
	size_t total = removal->file_count + count;
	struct og_file_name *more;

	if (count == 0)
		return 0;
	more = reallocarray(removal->files, total, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	memcpy(more + removal->file_count, files, count * sizeof(*files));
	removal->files = more;
	removal->file_count = total;
	return 0;
}

static enum og_image_use use_of(const struct removal *removal, const char *id, char workload[13])
{
	workload[0] = '\0';
	return removal->in_use != NULL ? removal->in_use(removal->in_use_data, id, workload)
				       : OG_IMAGE_UNUSED;
}

/* "sha256:HEX" shortened for people. */
static const char *hex(const char *id)
{
	return id + strlen(OG_DIGEST_PREFIX);
}

static int delete_image(struct removal *removal, const char *id, struct og_err *err)
{
	og_auto_free struct og_file_name *files = NULL;
	size_t count = 0;
	int r = og_catalog_remove(removal->db, id, &files, &count, err);

	if (r == 0)
		r = note_files(removal, files, count);
	return r < 0 ? r : note(removal, true, id);
}

/* Takes all names of one image away, and notes them. */
static int untag_all(struct removal *removal, char *const *tags, char *const *digests,
		     struct og_err *err)
{
	char *const *lists[] = { tags, digests };
	int r = 0;

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; lists[i][j] != NULL && r >= 0; j++) {
			struct og_imageref ref;

			r = og_imageref_parse(lists[i][j], &ref, err);
			if (r == 0)
				r = ref.has_digest ? og_catalog_unset_digest(removal->db, &ref, err)
						   : og_catalog_unset_tag(removal->db, &ref, err);
			if (r >= 0)
				r = note(removal, false, lists[i][j]);
		}
	}
	return r < 0 ? r : 0;
}

/* How many repositories the names are of. */
static size_t count_repositories(char *const *tags)
{
	char last[OG_IMAGEREF_TEXT_MAX] = "";
	struct og_imageref ref;
	size_t count = 0;

	for (size_t i = 0; tags[i] != NULL; i++) {
		struct og_imageref_text name;

		if (og_imageref_parse(tags[i], &ref, NULL) < 0)
			continue;
		name = og_imageref_name(&ref);
		if (!og_streq(name.text, last))
			count++;
		memcpy(last, name.text, sizeof(name.text));
	}
	return count;
}

static int conflict(const char *id, const char *workload, enum og_image_use use, bool force,
		    struct og_err *err)
{
	return og_fail_plain(err, -EBUSY,
			     "conflict: unable to delete %.12s (%s) - image is being used by %s "
			     "container %s",
			     hex(id),
			     use == OG_IMAGE_USED_RUNNING || force ? "cannot be forced"
								   : "must be forced",
			     use == OG_IMAGE_USED_RUNNING ? "running" : "stopped", workload);
}

static int remove_by_id(struct removal *removal, const char *id, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	og_cleanup(og_strv_freep) char **digests = NULL;
	enum og_image_use use;
	char workload[13];
	int r = og_catalog_tags(removal->db, id, &tags, err);

	if (r == 0)
		r = og_catalog_digests(removal->db, id, &digests, err);
	if (r < 0)
		return r;
	if (!removal->force && count_repositories(tags) > 1)
		return og_fail_plain(err, -EBUSY,
				     "conflict: unable to delete %.12s (must be forced) - image is "
				     "referenced in multiple repositories",
				     hex(id));
	use = use_of(removal, id, workload);
	if (use == OG_IMAGE_USED_RUNNING || (use != OG_IMAGE_UNUSED && !removal->force))
		return conflict(id, workload, use, removal->force, err);
	r = untag_all(removal, tags, digests, err);
	/* One that a stopped workload needs loses its names and stays. */
	return r < 0 || use != OG_IMAGE_UNUSED ? r : delete_image(removal, id, err);
}

static int note_stray_digests(struct removal *removal, const char *id, char *const *before,
			      struct og_err *err)
{
	og_cleanup(og_strv_freep) char **after = NULL;
	int r = og_catalog_digests(removal->db, id, &after, err);

	for (size_t i = 0, j = 0; r == 0 && before[i] != NULL; i++) {
		if (after[j] != NULL && og_streq(after[j], before[i]))
			j++;
		else
			r = note(removal, false, before[i]);
	}
	return r;
}

/* A name was taken from @id: what else goes with it. */
static int after_untag(struct removal *removal, const char *id, bool used, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	og_cleanup(og_strv_freep) char **digests = NULL;
	og_cleanup(og_strv_freep) char **left = NULL;
	int r = og_catalog_tags(removal->db, id, &tags, err);

	if (r == 0)
		r = og_catalog_digests(removal->db, id, &digests, err);
	if (r < 0)
		return r;
	/* The digest a tag was pulled with does not keep the image once the tag is gone. */
	r = og_catalog_unset_stray_digests(removal->db, id, err);
	if (r == 0)
		r = note_stray_digests(removal, id, digests, err);
	if (r == 0)
		r = og_catalog_digests(removal->db, id, &left, err);
	if (r < 0 || tags[0] != NULL || left[0] != NULL || used)
		return r;
	return delete_image(removal, id, err);
}

static int remove_by_name(struct removal *removal, const struct og_imageref *ref, const char *id,
			  struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	struct og_imageref_text name = og_imageref_format(ref);
	enum og_image_use use;
	char workload[13];
	int r = og_catalog_tags(removal->db, id, &tags, err);

	if (r < 0)
		return r;
	use = use_of(removal, id, workload);
	if (use != OG_IMAGE_UNUSED && !removal->force && (tags[0] == NULL || tags[1] == NULL))
		return og_fail_plain(err, -EBUSY,
				     "conflict: unable to remove repository reference \"%s\" (must "
				     "force) - container %s is using its referenced image %.12s",
				     name.text, workload, hex(id));
	r = ref->has_digest ? og_catalog_unset_digest(removal->db, ref, err)
			    : og_catalog_unset_tag(removal->db, ref, err);
	if (r >= 0)
		r = note(removal, false, name.text);
	if (r < 0)
		return r;
	if (ref->has_digest && tags[0] != NULL)
		return 0;
	return after_untag(removal, id, use != OG_IMAGE_UNUSED, err);
}

static int remove_named(struct removal *removal, const char *name, struct og_err *err)
{
	struct og_imageref ref;
	struct og_image_id id, by_name;
	int r = og_images_resolve(removal->images, name, &id, err);

	if (r < 0)
		return r;
	if (og_imageref_parse(name, &ref, NULL) == 0 &&
	    og_catalog_find(removal->db, &ref, &by_name, NULL) > 0)
		return remove_by_name(removal, &ref, id.text, err);
	return remove_by_id(removal, id.text, err);
}

static int prune_one(struct removal *removal, const char *id, bool all, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	og_cleanup(og_strv_freep) char **digests = NULL;
	char workload[13];
	int r = og_catalog_tags(removal->db, id, &tags, err);

	if (r == 0)
		r = og_catalog_digests(removal->db, id, &digests, err);
	if (r < 0)
		return r;
	if ((tags[0] != NULL && !all) || use_of(removal, id, workload) != OG_IMAGE_UNUSED)
		return 0;
	r = untag_all(removal, tags, digests, err);
	return r < 0 ? r : delete_image(removal, id, err);
}

static int prune_all(struct removal *removal, bool all, struct og_err *err)
{
	og_auto_free struct og_image_id *ids = NULL;
	size_t count = 0;
	int r = og_catalog_list(removal->db, &ids, &count, err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = prune_one(removal, ids[i].text, all, err);
	return r;
}

/* @name: what to remove; NULL: prune. Everything in one transaction, the files after it. */
static int remove_locked(struct removal *removal, const char *name, bool all, struct og_err *err)
{
	int r = og_db_begin(removal->db, err);

	if (r < 0)
		return r;
	r = name != NULL ? remove_named(removal, name, err) : prune_all(removal, all, err);
	if (r == -ENOMEM)
		(void)og_fail(err, r, "no memory");
	if (r == 0)
		r = og_db_commit(removal->db, err);
	if (r < 0) {
		og_db_rollback(removal->db);
		return r;
	}
	removal->list.reclaimed_bytes =
		og_store_sweep(&removal->images->store, removal->files, removal->file_count);
	return 0;
}

static int run(struct removal *removal, const char *name, bool all,
	       struct og_removed_list *ret_list, struct og_err *err)
{
	struct og_store *store = &removal->images->store;
	int r;

	removal->db = store->db;
	(void)pthread_mutex_lock(&store->lock);
	r = remove_locked(removal, name, all, err);
	(void)pthread_mutex_unlock(&store->lock);
	free(removal->files);
	if (r < 0)
		og_removed_list_done(&removal->list);
	else
		*ret_list = removal->list;
	return r;
}

int og_images_remove(struct og_images *images, const char *name, bool force,
		     og_image_use_fn *in_use, void *in_use_data, struct og_removed_list *ret_list,
		     struct og_err *err)
{
	struct removal removal = {
		.images = images, .in_use = in_use, .in_use_data = in_use_data, .force = force
	};

	return run(&removal, name, false, ret_list, err);
}

int og_images_prune(struct og_images *images, bool all, og_image_use_fn *in_use, void *in_use_data,
		    struct og_removed_list *ret_list, struct og_err *err)
{
	struct removal removal = { .images = images, .in_use = in_use, .in_use_data = in_use_data };

	return run(&removal, NULL, all, ret_list, err);
}

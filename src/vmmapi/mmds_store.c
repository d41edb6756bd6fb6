/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/mmds_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void og_mmds_store_done(struct og_mmds_store *store)
{
	store->data = og_json_free(store->data);
	free(store->text);
	store->text = NULL;
	store->len = 0;
}

/* Takes @data over. */
static int keep(struct og_mmds_store *store, struct og_json *data, struct og_err *err)
{
	og_auto_free char *text = og_json_write(data);
	size_t max_bytes = store->max_bytes;
	size_t len = text == NULL ? 0 : strlen(text);

	if (text == NULL || len > max_bytes) {
		(void)og_json_free(data);
		return text == NULL
			       ? og_fail(err, -ENOMEM, "keep the metadata")
			       : og_fail_plain(err, -EFBIG, "The MMDS patch request doesn't fit.");
	}
	og_mmds_store_done(store);
	store->data = data;
	store->text = og_take_ptr(text);
	store->len = len;
	return 0;
}

int og_mmds_store_put(struct og_mmds_store *store, const struct og_json *data, struct og_err *err)
{
	return keep(store, og_json_copy(data), err);
}

/* As deep as og_json_parse() lets documents be. */
static void merge(struct og_json *target, const struct og_json *patch)
{
	struct og_json_member member = {};

	while (og_json_next(patch, &member)) {
		struct og_json *old = og_json_get(target, member.key);

		if (og_json_kind(member.value) == OG_JSON_NULL) {
			og_json_unset(target, member.key);
			continue;
		}
		if (og_json_kind(member.value) != OG_JSON_OBJECT) {
			og_json_set(target, member.key, og_json_copy(member.value));
			continue;
		}
		if (og_json_kind(old) != OG_JSON_OBJECT) {
			og_json_set(target, member.key, og_json_new_object());
			old = og_json_get(target, member.key);
		}
		merge(old, member.value);
	}
}

int og_mmds_store_patch(struct og_mmds_store *store, const struct og_json *patch,
			struct og_err *err)
{
	struct og_json *data;

	if (store->text == NULL)
		return og_fail_plain(err, -ENOENT, "The MMDS data store is not initialized.");
	if (og_json_kind(patch) != OG_JSON_OBJECT)
		return keep(store, og_json_copy(patch), err);
	data = og_json_kind(store->data) == OG_JSON_OBJECT ? og_json_copy(store->data)
							   : og_json_new_object();
	merge(data, patch);
	return keep(store, data, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "format/manifest.h"

static void item_done(struct og_evidence_item *item)
{
	free(item->place);
	free(item->text);
	free(item->signature);
	*item = (struct og_evidence_item){};
}

struct og_evidence *og_evidence_free(struct og_evidence *evidence)
{
	if (evidence == NULL)
		return NULL;
	for (size_t i = 0; i < evidence->count; i++)
		item_done(&evidence->items[i]);
	free(evidence->items);
	free(evidence->index);
	free(evidence);
	return NULL;
}

/* Does the index name the manifest, as an entry of its own? */
static int check_index(const struct og_evidence *evidence, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *index = NULL;
	int r = og_manifest_parse_image(evidence->index, evidence->index_len, NULL, &index, err);

	if (r < 0)
		return r;
	for (size_t i = 0; index->is_index && i < index->count; i++) {
		if (og_digest_equal(&index->items[i].sha256, &evidence->manifest))
			return 0;
	}
	return og_fail_plain(err, -EBADMSG, "the index does not name %s",
			     og_digest_format(&evidence->manifest).text);
}

int og_evidence_new(const struct og_digest *manifest, const char *index, size_t index_len,
		    struct og_evidence **ret_evidence, struct og_err *err)
{
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = calloc(1, sizeof(*evidence));
	int r = 0;

	if (evidence == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	evidence->manifest = *manifest;
	if (index != NULL) {
		evidence->index = strndup(index, index_len);
		if (evidence->index == NULL)
			return og_fail(err, -ENOMEM, "no memory");
		evidence->index_len = index_len;
		r = og_digest_of(index, index_len, &evidence->index_digest, err);
		if (r == 0)
			r = check_index(evidence, err);
	}
	if (r == 0)
		*ret_evidence = og_take_ptr(evidence);
	return r;
}

static size_t bytes_of(const struct og_evidence *evidence)
{
	size_t sum = 0;

	for (size_t i = 0; i < evidence->count; i++)
		sum += evidence->items[i].len;
	return sum;
}

int og_evidence_add(struct og_evidence *evidence, enum og_evidence_kind kind, const char *place,
		    const void *text, size_t len, const char *signature, struct og_err *err)
{
	struct og_evidence_item *items, *item;

	if (evidence->count == OG_EVIDENCE_ITEMS_MAX ||
	    len > OG_EVIDENCE_BYTES_MAX - bytes_of(evidence))
		return og_fail_plain(err, -E2BIG,
				     "over %d signatures and attestations, or %u MiB of them",
				     OG_EVIDENCE_ITEMS_MAX, OG_EVIDENCE_BYTES_MAX >> 20);
	items = realloc(evidence->items, (evidence->count + 1) * sizeof(items[0]));
	if (items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	evidence->items = items;
	item = &items[evidence->count];
	*item = (struct og_evidence_item){ .kind = kind, .len = len };
	item->place = strdup(place);
	item->text = malloc(len + 1);
	if (item->place == NULL || item->text == NULL) {
		item_done(item);
		return og_fail(err, -ENOMEM, "no memory");
	}
	memcpy(item->text, text, len);
	item->text[len] = '\0';
	if (signature != NULL &&
	    og_base64_decode(signature, &item->signature, &item->signature_len) == -ENOMEM) {
		item_done(item);
		return og_fail(err, -ENOMEM, "no memory");
	}
	evidence->count++;
	return 0;
}

/* ---- kept ---- */

static const char *const kind_names[] = { "signature", "envelope", "bundle" };

static void set_base64(struct og_json *object, const char *key, const void *buf, size_t len)
{
	og_auto_free char *text = og_base64_encode(buf, len);

	og_json_set_string(object, key, text != NULL ? text : "");
}

char *og_evidence_write(const struct og_evidence *evidence)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *list = og_json_new_array();

	og_json_set_string(root, "manifest", og_digest_format(&evidence->manifest).text);
	if (evidence->index != NULL)
		set_base64(root, "index", evidence->index, evidence->index_len);
	for (size_t i = 0; i < evidence->count; i++) {
		const struct og_evidence_item *item = &evidence->items[i];
		struct og_json *object = og_json_new_object();

		og_json_set_string(object, "kind", kind_names[item->kind]);
		og_json_set_string(object, "place", item->place);
		set_base64(object, "text", item->text, item->len);
		if (item->signature != NULL)
			set_base64(object, "signature", item->signature, item->signature_len);
		og_json_push(list, object);
	}
	og_json_set(root, "items", list);
	return og_json_write(root);
}

static int read_item(struct og_evidence *evidence, const struct og_json *object, struct og_err *err)
{
	const char *name = og_json_string(og_json_get(object, "kind"), "");
	og_auto_free char *text = NULL;
	size_t len = 0, kind = 0;

	while (kind < 3 && !og_streq(kind_names[kind], name))
		kind++;
	if (kind == 3 ||
	    og_base64_decode(og_json_string(og_json_get(object, "text"), ""), &text, &len) < 0)
		return og_fail_plain(err, -EBADMSG, "an item that is none");
	return og_evidence_add(evidence, (enum og_evidence_kind)kind,
			       og_json_string(og_json_get(object, "place"), ""), text, len,
			       og_json_string(og_json_get(object, "signature"), NULL), err);
}

int og_evidence_read(const char *buf, size_t len, struct og_evidence **ret_evidence,
		     struct og_err *err)
{
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *index = NULL;
	struct og_digest manifest;
	const char *index_text;
	size_t index_len = 0;
	int r = og_json_parse(buf, len, &root, err);

	if (r < 0)
		return og_fail_in(err, r == -EINVAL ? -EBADMSG : r, "kept evidence");
	index_text = og_json_string(og_json_get(root, "index"), NULL);
	if (og_digest_parse(og_json_string(og_json_get(root, "manifest"), ""), &manifest) < 0 ||
	    (index_text != NULL && og_base64_decode(index_text, &index, &index_len) < 0))
		return og_fail_plain(err, -EBADMSG, "kept evidence: it is none");
	r = og_evidence_new(&manifest, index, index_len, &evidence, err);
	for (size_t i = 0; r == 0 && i < og_json_count(og_json_get(root, "items")); i++)
		r = read_item(evidence, og_json_at(og_json_get(root, "items"), i), err);
	if (r < 0)
		return og_fail_in(err, r, "kept evidence");
	*ret_evidence = og_take_ptr(evidence);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "image/parts.h"

#define READ_BYTES (256U << 10)

static int feed(struct og_intake *intake, og_source_fn *read, void *read_data,
		struct og_reporter *reporter, struct og_err *err)
{
	og_auto_free char *buf = malloc(READ_BYTES);
	struct og_bar bar = { .reporter = reporter, .text = "Importing" };

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (;;) {
		ssize_t n = read(read_data, buf, READ_BYTES);
		int r;

		if (n <= 0)
			return n < 0 ? og_fail(err, (int)n, "read the archive") : 0;
		r = og_intake_write(intake, buf, (size_t)n, err);
		if (r < 0)
			return r;
		r = og_bar_advance(&bar, (uint64_t)n);
		if (r < 0)
			return og_fail(err, r, "cancelled");
	}
}

static struct og_json *make_history(const struct og_import *import, const char *now)
{
	struct og_json *history = og_json_new_array();
	struct og_json *entry = og_json_new_object();

	og_json_set_string(entry, "created", now);
	og_json_set_string(entry, "comment",
			   import->message != NULL ? import->message : "Imported from -");
	og_json_push(history, entry);
	return history;
}

/* The configuration's text, the caller's to free; NULL with @err when a change is bad. */
static int make_config(const struct og_import *import, const struct og_digest *diff_id,
		       char **ret_text, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *config = og_json_new_object();
	struct og_json *rootfs = og_json_new_object();
	struct og_json *diff_ids = og_json_new_array();
	const struct og_platform *platform = &import->platform;
	char now[OG_CLOCK_TEXT_BYTES];
	int r = 0;

	og_clock_now(now);
	og_json_set_string(root, "created", now);
	og_json_set_string(root, "architecture",
			   platform->architecture != NULL ? platform->architecture
							  : og_native_architecture());
	og_json_set_string(root, "os", platform->os != NULL ? platform->os : "linux");
	if (platform->variant != NULL && platform->variant[0] != '\0')
		og_json_set_string(root, "variant", platform->variant);
	og_json_set(root, "config", config);
	og_json_set_string(rootfs, "type", "layers");
	if (diff_id != NULL)
		og_json_push(diff_ids, og_json_new_string(og_digest_format(diff_id).text));
	og_json_set(rootfs, "diff_ids", diff_ids);
	og_json_set(root, "rootfs", rootfs);
	og_json_set(root, "history", make_history(import, now));
	for (size_t i = 0; import->changes != NULL && import->changes[i] != NULL && r == 0; i++)
		r = og_imageconfig_change(config, import->changes[i], err);
	if (r == 0)
		*ret_text = og_json_write(root);
	return r;
}

static int record_it(struct og_images *images, struct og_session *session,
		     const struct og_import *import, const struct og_imageref *ref,
		     const struct og_intake *intake, char **ret_id, struct og_err *err)
{
	struct og_record_layer layer = og_intake_layer(intake);
	struct og_record record = { .size = layer.bytes, .layers = &layer, .layer_count = 1 };
	struct og_naming naming = { .tag = ref };
	og_auto_free char *config = NULL;
	og_auto_free char *id = NULL;
	int r;

	r = make_config(import, &layer.diff_id, &config, err);
	if (r == 0)
		r = og_images_put_documents(session, config, strlen(config), &record, err);
	if (r == 0)
		r = og_images_commit(images, session, &record, &naming, err);
	if (r < 0)
		return r;
	id = strdup(og_digest_format(&record.id).text);
	if (id == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (ret_id != NULL)
		*ret_id = og_take_ptr(id);
	return 0;
}

static int import_in(struct og_images *images, struct og_session *session, og_source_fn *read,
		     void *read_data, const struct og_import *import, const struct og_imageref *ref,
		     char **ret_id, struct og_err *err)
{
	struct og_reporter reporter;
	struct og_intake intake = {};
	int r = og_intake_begin(session, &intake, err);

	og_reporter_init(&reporter, import->progress, import->progress_data);
	if (r == 0)
		r = feed(&intake, read, read_data, &reporter, err);
	if (r == 0)
		r = og_intake_finish(&intake, err);
	if (r == 0)
		r = og_intake_publish(&intake, err);
	if (r == 0)
		r = record_it(images, session, import, ref, &intake, ret_id, err);
	og_intake_done(&intake);
	og_reporter_done(&reporter);
	return r;
}

/* Bad changes and references are told before a gigabyte was read. */
static int check_import(const struct og_import *import, struct og_imageref *ref, bool *ret_named,
			struct og_err *err)
{
	og_auto_free char *config = NULL;
	int r = make_config(import, NULL, &config, err);

	*ret_named = import->reference != NULL && import->reference[0] != '\0';
	if (r == 0 && *ret_named)
		r = og_imageref_parse(import->reference, ref, err);
	if (r == 0 && *ret_named && ref->has_digest)
		r = og_fail_plain(err, -EINVAL, "cannot import digest reference");
	return r;
}

int og_images_import(struct og_images *images, og_source_fn *read, void *read_data,
		     const struct og_import *import, char **ret_id, struct og_err *err)
{
	struct og_session session = {};
	struct og_imageref ref;
	bool named = false;
	int r = check_import(import, &ref, &named, err);

	if (r == 0)
		r = og_session_begin(&images->store, &session, err);
	if (r == 0)
		r = import_in(images, &session, read, read_data, import, named ? &ref : NULL,
			      ret_id, err);
	og_session_end(&session);
	return r < 0 ? og_fail_in(err, r, "import") : 0;
}

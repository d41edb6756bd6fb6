/* SPDX-License-Identifier: Apache-2.0 */
/* A create body becomes a workload that may be started. */
#include <string.h>

#include "base/text.h"
#include "engine/gate.h"
#include "engine/internal.h"

#define NAME_TRIES 100

static struct og_json *warnings(struct og_engine *engine, const struct og_create *create)
{
	struct og_json *list = og_json_new_array();
	const char *emulation = og_engine_emulation(engine);

	if (create->network == OG_NETWORK_DEFAULT)
		og_json_push(list, og_json_new_string(
					   "Networks are not there yet: this workload has none. "
					   "--network none or host says so without this warning."));
	if (og_streq(create->isolation, "vm") && emulation != NULL)
		og_json_push(list, og_json_new_string(emulation));
	return list;
}

static int check_whole(const struct og_record *record, struct og_err *err)
{
	const struct og_create *create = record->create;

	if (og_record_arg(record, 0) == NULL)
		return og_fail(err, -EINVAL, "No command specified");
	if (!og_streq(create->isolation, "vm"))
		return 0;
	if (create->network == OG_NETWORK_HOST)
		return og_fail(err, -EINVAL,
			       "a VM cannot share the host's network: use --network none");
	if (og_streq(create->pid_mode, "host") || og_streq(create->ipc_mode, "host") ||
	    og_streq(create->uts_mode, "host"))
		return og_fail(err, -EINVAL, "a VM shares no namespace with the host");
	return 0;
}

/* @body for a VM, whatever it asked for; the caller's. */
static struct og_json *isolated(const struct og_json *body)
{
	struct og_json *copy = og_json_copy(body);
	struct og_json *host = og_json_get(copy, "HostConfig");

	if (host == NULL) {
		og_json_set(copy, "HostConfig", og_json_new_object());
		host = og_json_get(copy, "HostConfig");
	}
	og_json_set_string(host, "Isolation", "vm");
	return copy;
}

/*
 * The record of a workload that has a name and nothing else yet. *@ret_warning is why the gate made
 * it a VM, NULL when it did not; the caller's.
 */
static int make_record(struct og_engine *engine, const struct og_json *body,
		       struct og_record **ret_record, char **ret_warning, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *in_vm = NULL;
	og_cleanup(og_create_freep) struct og_create *create = NULL;
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	og_cleanup(og_record_freep) struct og_record *record = og_record_new(engine);
	int r = og_create_decode(body, &create, err);

	if (record == NULL)
		return og_fail(err, -ENOMEM, "make workload");
	if (r < 0)
		return r;
	if (create->image == NULL || *create->image == '\0')
		return og_fail(err, -EINVAL, "no image was given: set Image");
	r = og_images_find(engine->images, create->image, &image, err);
	if (r == 0)
		r = og_engine_gate_admit(engine, create->image, image, ret_warning, err);
	if (r < 0)
		return r;
	record->image = strdup(create->image);
	record->image_id = strdup(image->id);
	if (*ret_warning != NULL)
		in_vm = isolated(body);
	record->body = og_create_complete(in_vm != NULL ? in_vm : body, image->config);
	r = og_create_decode(record->body, &record->create, err);
	if (r == 0)
		r = check_whole(record, err);
	if (r < 0)
		return r;
	if (record->image == NULL || record->image_id == NULL)
		return og_fail(err, -ENOMEM, "make workload");
	og_random_id(record->id);
	*ret_record = og_take_ptr(record);
	return 0;
}

/* Puts it into the list under the name given, or one that is made up. */
static int list_record(struct og_record *record, const char *name, struct og_err *err)
{
	int r = -EEXIST;

	if (name != NULL && *name == '/')
		name++;
	if (name != NULL && *name != '\0') {
		if (!og_name_is_valid(name))
			return og_fail(err, -EINVAL,
				       "Invalid container name (%s), only "
				       "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
				       name);
		record->name = strdup(name);
		return record->name == NULL ? og_fail(err, -ENOMEM, "make workload")
					    : og_table_add(record, err);
	}
	for (int tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
		free(record->name);
		record->name = og_random_name();
		if (record->name == NULL)
			return og_fail(err, -ENOMEM, "make workload");
		r = og_table_add(record, err);
	}
	return r;
}

/* With op held and the record in the list. */
static int furnish(struct og_record *record, struct og_err *err)
{
	og_auto_fd dir_fd = og_record_data_dir(record, true, err);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = og_prepare_points(record, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->engine->lock);
	r = og_record_save(record, err);
	if (r == 0)
		og_events_record(record, "create", NULL, NULL);
	(void)pthread_mutex_unlock(&record->engine->lock);
	return r;
}

int og_engine_create(struct og_engine *engine, const char *name, const struct og_json *body,
		     struct og_json **ret_answer, struct og_err *err)
{
	og_auto_record record = NULL;
	og_auto_free char *warning = NULL;
	struct og_json *answer, *list;
	int r = make_record(engine, body, &record, &warning, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = list_record(record, name, err);
	if (r == 0) {
		r = furnish(record, err);
		if (r < 0) {
			r = og_fail_inside(err, r);
			(void)og_record_remove(record, true, NULL);
		}
	}
	(void)pthread_mutex_unlock(&record->op);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	og_json_set_string(answer, "Id", record->id);
	list = warnings(engine, record->create);
	if (warning != NULL)
		og_json_push(list, og_json_new_string(warning));
	og_json_set(answer, "Warnings", list);
	*ret_answer = answer;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON configuration file: the API's bodies, each under its name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vmmapi/routes.h"

/* In the order in which they are carried out: the later ones name the earlier. */
static const struct section {
	const char *name;
	const struct og_body *body;
	og_route_fn *handle;
	bool list, required;
	bool once; /* of one process alone: a snapshot does not bring it */
} sections[] = {
	{ "logger", &og_body_logger, og_put_logger, .once = true },
	{ "metrics", &og_body_metrics, og_put_metrics, .once = true },
	{ "machine-config", &og_body_machine, og_put_machine },
	{ "boot-source", &og_body_boot, og_put_boot, .required = true, .once = true },
	{ "cpu-config", &og_body_cpu_config, og_put_cpu_config },
	{ "drives", &og_body_drive, og_put_drive, .list = true },
	{ "pmem", &og_body_pmem, og_put_pmem, .list = true },
	{ "network-interfaces", &og_body_net, og_put_net, .list = true },
	{ "vsock", &og_body_vsock, og_put_vsock },
	{ "balloon", &og_body_balloon, og_put_balloon },
	{ "entropy", &og_body_entropy, og_put_entropy },
	{ "memory-hotplug", &og_body_hotplug, og_put_hotplug },
	{ "mmds-config", &og_body_mmds_config, og_put_mmds_config },
	{ "serial", &og_body_serial, og_put_serial },
	{ "shared-folders", &og_body_fs, og_put_fs, .list = true },
	{ "pins", &og_body_pin, og_put_pin, .list = true },
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static int refuse_unknown(const struct og_json *json, struct og_err *err)
{
	struct og_json_member member = {};

	while (og_json_next(json, &member)) {
		bool known = false;

		for (size_t i = 0; i < N_SECTIONS; i++)
			known |= og_streq(sections[i].name, member.key);
		if (!known)
			return og_fail_plain(err, -EINVAL, "unknown field `%.100s`", member.key);
	}
	return 0;
}

static int apply(struct og_vmmapi *api, const struct section *section, const struct og_json *json,
		 struct og_err *err)
{
	og_auto_free uint8_t *data = calloc(1, section->body->size);
	struct og_json *answer = NULL;
	int r = data == NULL ? og_fail(err, -ENOMEM, "read the configuration")
			     : og_body_read(section->body, json, data, err);

	if (r == 0)
		r = section->handle(api, data, &answer, err);
	(void)og_json_free(answer);
	return r;
}

static int apply_list(struct og_vmmapi *api, const struct section *section,
		      const struct og_json *json, struct og_err *err)
{
	if (og_json_kind(json) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EINVAL, "invalid type, expected a sequence at `%s`",
				     section->name);
	for (size_t i = 0; i < og_json_count(json); i++) {
		int r = apply(api, section, og_json_at(json, i), err);

		if (r < 0)
			return og_fail_in(err, r, "%s[%zu]", section->name, i);
	}
	return 0;
}

static int apply_section(struct og_vmmapi *api, const struct section *section,
			 const struct og_json *root, struct og_err *err)
{
	const struct og_json *json = og_json_get(root, section->name);
	int r;

	if (json == NULL)
		return section->required
			       ? og_fail_plain(err, -EINVAL, "missing field `%s`", section->name)
			       : 0;
	if (section->list)
		return apply_list(api, section, json, err);
	r = apply(api, section, json, err);
	return r < 0 ? og_fail_in(err, r, "%s", section->name) : r;
}

static int read_sections(struct og_vmmapi *api, const char *text, size_t len, bool restore,
			 struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	int r = og_json_parse(text, len, &json, err);

	if (r == 0 && og_json_kind(json) != OG_JSON_OBJECT)
		r = og_fail_plain(err, -EINVAL, "the configuration is no object");
	if (r == 0)
		r = refuse_unknown(json, err);
	for (size_t i = 0; r == 0 && i < N_SECTIONS; i++)
		if (!restore || !sections[i].once)
			r = apply_section(api, &sections[i], json, err);
	return r;
}

int og_vmmapi_configure(struct og_vmmapi *api, const char *text, size_t len, struct og_err *err)
{
	return read_sections(api, text, len, false, err);
}

int og_vmmapi_restore(struct og_vmmapi *api, const char *text, size_t len, struct og_err *err)
{
	return read_sections(api, text, len, true, err);
}

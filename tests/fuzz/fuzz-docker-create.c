/* SPDX-License-Identifier: Apache-2.0 */
/* The body of containers/create; also taken for an image's configuration, which is as hostile. */
#include "format/docker_create.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

static void check(const struct og_json *body)
{
	og_cleanup(og_create_freep) struct og_create *create = NULL;
	struct og_err err = {};

	if (og_create_decode(body, &create, &err) < 0)
		return;
	for (size_t i = 0; i < create->mount_count; i++) {
		const char *target = create->mounts[i].target;

		if (target[0] != '/' || target[1] == '\0' || strstr(target, "/../") != NULL)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	og_cleanup(og_json_freep) struct og_json *image = NULL;
	og_cleanup(og_json_freep) struct og_json *whole = NULL;

	if (og_json_parse((const char *)data, size, &body, NULL) < 0)
		return 0;
	check(body);
	if (og_json_kind(body) != OG_JSON_OBJECT)
		return 0;
	image = og_json_new_object();
	og_json_set(image, "config", og_json_copy(body));
	whole = og_create_complete(body, image);
	check(whole);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Filters ('f' first) and X-Registry-Auth (else). */
#include "format/docker_query.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const accepted[] = { "label", "status", "name", NULL };
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	og_auto_free char *text = malloc(size + 1);

	if (text == NULL || size == 0)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (text[0] == 'f')
		(void)og_filters_parse(text + 1, accepted, &filters, NULL);
	else
		(void)og_registry_auth_parse(text + 1, &auth, NULL);
	if (filters != NULL)
		(void)og_filters_allow_labels(filters, filters);
	return 0;
}

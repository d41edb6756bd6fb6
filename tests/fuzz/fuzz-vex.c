/* SPDX-License-Identifier: Apache-2.0 */
/* VEX documents, ignore files and CVSS vectors. */
#include "format/vex.h"

#include <stdlib.h>
#include <string.h>

#include "format/cvss.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_statements statements = {};
	struct og_json *root = NULL;
	char *text = strndup((const char *)data, size);
	int tenths = 0;

	if (text == NULL)
		return 0;
	if (og_cvss_score(text, &tenths) == 0 && (tenths < 0 || tenths > 100))
		abort();
	free(text);
	(void)og_ignore_read_lines((const char *)data, size, &statements, NULL);
	if (og_json_parse((const char *)data, size, &root, NULL) == 0) {
		(void)og_vex_read(root, &statements, NULL);
		(void)og_ignore_read_tree(root, &statements, NULL);
		og_json_free(root);
	}
	for (size_t i = 0; i < statements.count; i++)
		if (statements.list[i].ids[0] == '\0' || statements.list[i].reason == NULL)
			abort();
	og_statements_done(&statements);
	return 0;
}

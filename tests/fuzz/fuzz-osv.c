/* SPDX-License-Identifier: Apache-2.0 */
/* A document of advisories, of whatever form; what it says of versions is judged, too. */
#include "format/osv.h"

#include <stdlib.h>

#include "format/advisories.h"
#include "replay.h"

static int judge(void *data, struct og_vuln *vuln, struct og_err *err)
{
	(void)data;
	(void)err;
	for (size_t i = 0; i < vuln->affected_count; i++) {
		struct og_vuln_verdict verdict;
		enum og_version_order order;

		if (og_version_order_of(vuln->affected[i].ecosystem, &order) < 0 ||
		    vuln->affected[i].ranges == NULL)
			abort();
		og_vuln_judge(order, vuln->affected[i].ranges, "1.2.3-4", &verdict);
		if (!verdict.affected && verdict.fixed[0] != '\0')
			abort();
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_json *root = NULL;
	struct og_vuln vuln;

	(void)og_advisories_debian_changelog((const char *)data, size, "Debian:12", judge, NULL,
					     NULL);
	if (og_json_parse((const char *)data, size, &root, NULL) < 0)
		return 0;
	if (og_osv_read(root, &vuln, NULL) == 0) {
		(void)judge(NULL, &vuln, NULL);
		og_vuln_done(&vuln);
	}
	(void)og_advisories_alpine(root, judge, NULL, NULL);
	(void)og_advisories_nodejs(root, judge, NULL, NULL);
	(void)og_advisories_retirejs(root, judge, NULL, NULL);
	(void)og_advisories_rubysec(root, judge, NULL, NULL);
	og_json_free(root);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vmm/block/qcow2_tables.h"

/* What is used must be counted, or it would be given out a second time. */
static int check_counts(struct og_qcow2 *q, const uint8_t *used, struct og_err *err)
{
	const struct og_qcow2_header *h = &q->map.header;

	for (uint64_t i = 0; i < h->file_clusters; i++) {
		uint16_t count = 0;
		int r = 0;

		if (og_qcow2_is_used(used, i))
			r = og_qcow2_count(q, i, &count);
		if (r < 0 && r != -ENOSPC)
			return og_fail(err, r, "read reference counts of qcow2 image");
		if (og_qcow2_is_used(used, i) && count != 1)
			return og_fail_plain(err, -EBADMSG,
					     "qcow2 image counts the cluster at %llu %u times, and "
					     "it is used once (qemu-img check -r all repairs it)",
					     (unsigned long long)(i << h->cluster_bits), count);
	}
	return 0;
}

int og_qcow2_check(struct og_qcow2 *q, struct og_err *err)
{
	og_auto_free uint8_t *used = NULL;
	int r = og_qcow2_judge(&q->map, q->reftable, q->n_reftable, &used, err);

	return r < 0 || q->readonly ? r : check_counts(q, used, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Builders that several hands fill at a time, and what they found joined into one. */
#include <stdlib.h>
#include <string.h>

#include "trust/builder_parts.h"

int og_builder_part(const struct og_builder *builder, struct og_builder **ret_part,
		    struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *part = NULL;
	int r = og_builder_new(builder->target, &part, err);

	if (r < 0)
		return r;
	/* Hashes of both are compared. */
	part->seed = builder->seed;
	part->tails = builder->tails;
	*ret_part = og_take_ptr(part);
	return 0;
}

/* Adds @more elements at the end of a list. */
static int append(void *list, size_t *count, const void *more, size_t more_count, size_t bytes,
		  size_t max, struct og_err *err)
{
	char **items = list;
	int r = og_builder_room(list, *count, more_count, bytes, max, err);

	if (r < 0)
		return r;
	if (more_count > 0)
		memcpy(*items + *count * bytes, more, more_count * bytes);
	*count += more_count;
	return 0;
}

static int append_records(struct og_builder *builder, const struct og_builder *part,
			  struct og_err *err)
{
	size_t first = builder->record_count;
	int r = append(&builder->records, &builder->record_count, part->records, part->record_count,
		       sizeof(*part->records), OG_INVENTORY_RECORDS_MAX, err);

	for (size_t i = first; r == 0 && i < builder->record_count; i++) {
		struct og_builder_record *record = &builder->records[i];

		record->package_first += (uint32_t)builder->package_count;
		record->owned_first += (uint32_t)builder->owned_count;
		record->finding_first += (uint32_t)builder->finding_count;
	}
	return r;
}

int og_builder_join(struct og_builder *builder, struct og_builder *part, struct og_err *err)
{
	int r;

	og_builder_end_file(builder);
	og_builder_end_file(part);
	r = append_records(builder, part, err);
	if (r == 0)
		r = append(&builder->packages, &builder->package_count, part->packages,
			   part->package_count, sizeof(*part->packages), OG_INVENTORY_PACKAGES_MAX,
			   err);
	if (r == 0)
		r = append(&builder->owned, &builder->owned_count, part->owned, part->owned_count,
			   sizeof(*part->owned), OG_INVENTORY_OWNED_MAX, err);
	if (r == 0)
		r = append(&builder->findings, &builder->finding_count, part->findings,
			   part->finding_count, sizeof(*part->findings), OG_INVENTORY_FINDINGS_MAX,
			   err);
	if (r < 0)
		return r;
	builder->language_count += part->language_count;
	for (size_t i = 0; i < 2; i++)
		if (part->has_release[i])
			og_builder_os(builder, &part->release[i], i > 0);
	return og_texts_join(builder->texts, part->texts) < 0
		       ? og_fail_plain(err, -E2BIG, "more was found than the limit of %u bytes",
				       OG_INVENTORY_TEXTS_MAX)
		       : 0;
}

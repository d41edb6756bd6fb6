/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of builder.h share. Private to them. */
#pragma once

#include "base/text.h"
#include "trust/builder.h"
#include "trust/path_map.h"
#include "trust/texts.h"

/* What was found in one file of one layer. Ranges are of the builder's lists. */
struct og_builder_record {
	const char *path;
	uint64_t hash;
	size_t layer;
	uint32_t previous; /* record of the same path in a lower layer, or NO_RECORD */
	bool hidden;
	uint32_t package_first, package_count;
	uint32_t owned_first, owned_count;
	uint32_t finding_first, finding_count;
};

struct og_builder {
	struct og_texts *texts; /* owned until handed over */
	uint64_t seed;
	const char *target, *image_digest, *image_id;
	struct og_os_release release[2]; /* of /usr/lib, of /etc */
	bool has_release[2];

	struct og_builder_record *records; /* owned */
	size_t record_count;
	struct og_path_map by_path; /* hash of a path: its newest record */
	struct og_path_map folders; /* hash of a folder with records below: layer it was hidden in */
	struct og_path_map seen;    /* of the record under way: its packages */

	struct og_package *packages; /* owned */
	size_t package_count, language_count;
	uint64_t *owned; /* owned; hashes */
	size_t owned_count;
	const struct og_builder_tails
		*tails; /* of the files that owned ones are looked for; NULL: of any */
	struct og_builder_tails *own_tails; /* owned */
	struct og_finding *findings;	    /* owned */
	size_t finding_count;
	struct og_inventory_layer *layers; /* owned */
	size_t layer_count;

	const char *path; /* of the file under way; no record before something is found */
	uint32_t current; /* its record */
	bool has_current;

	void *scratch; /* owned */
	size_t scratch_bytes;
};

/* Makes room for @more elements; lists grow by doubling. Errors: -E2BIG, -ENOMEM. */
int og_builder_room(void *list, size_t count, size_t more, size_t bytes, size_t max,
		    struct og_err *err);

/* The record of the file under way; made when the first thing is found in it. Errors: -E2BIG, -ENOMEM. */
int og_builder_record(struct og_builder *builder, struct og_builder_record **ret_record,
		      struct og_err *err);

/* The file under way has been read. */
void og_builder_end_file(struct og_builder *builder);

/* Marks the packages that some owned file says to be a distribution's. Errors: -ENOMEM. */
int og_builder_mark_owned(struct og_builder *builder, struct og_err *err);

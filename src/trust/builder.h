/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an inventory of what the readers find, layer by layer. Private to trust/.
 *
 * What was found is kept by the file it was found in. A file that a later layer replaces, deletes or
 * hides takes its packages and its owned files with it; a secret stays and is marked. A package that
 * the file's successor names in the same words keeps its layer.
 */
#pragma once

#include "format/os_release.h"
#include "format/package_entry.h"
#include "trust/inventory.h"

/* Everything that a scan keeps is bounded. */
#define OG_INVENTORY_RECORDS_MAX  1000000
#define OG_INVENTORY_PACKAGES_MAX 1000000
#define OG_INVENTORY_OWNED_MAX	  (8U << 20) /* 64 MiB; a full desktop has 0.5 million files */
#define OG_INVENTORY_FINDINGS_MAX 100000
#define OG_INVENTORY_TEXTS_MAX	  (256U << 20) /* bytes */
#define OG_INVENTORY_TEXT_MAX	  4096	       /* bytes of one text; longer ones are cut */

struct og_builder;

/* On success *@ret_builder is the caller's to free. -ENOMEM. */
int og_builder_new(const char *target, struct og_builder **ret_builder, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_builder *og_builder_free(struct og_builder *builder);
OG_DEFINE_CLEANUP(struct og_builder, og_builder_free)

/* What follows is of this layer. NULL texts count as "". */
int og_builder_layer(struct og_builder *builder, const char *digest, const char *diff_id,
		     const char *created_by, struct og_err *err);

/* Says what the image is; NULL texts count as "". */
int og_builder_image(struct og_builder *builder, const char *digest, const char *id,
		     struct og_err *err);

/* The release counts that was told last, one of /etc before one of /usr/lib. */
void og_builder_os(struct og_builder *builder, const struct og_os_release *release, bool of_etc);

/*
 * The layer has @path, from the root on without "/" in front. What is no directory hides all that lower
 * layers have there and below.
 */
void og_builder_path(struct og_builder *builder, const char *path, bool directory);

/* A whiteout: lower layers' @path (@itself) and all below it. "" is the root. */
void og_builder_hide(struct og_builder *builder, const char *path, bool itself);

/* What is added next was found in the file @path, of which og_builder_path() was told; it must stay. */
void og_builder_file(struct og_builder *builder, const char *path);

/* @path: where it says so, NULL for the file itself. Errors: -E2BIG, -ENOMEM. */
int og_builder_package(struct og_builder *builder, enum og_package_type type,
		       const struct og_package_entry *entry, const char *path, struct og_err *err);

/* A distribution's package brought this file; an og_package_file_fn on a builder. */
int og_builder_owned(void *data, struct og_span dir, struct og_span name, struct og_err *err);

/* In the file; of the configuration, which is in no layer. */
int og_builder_finding(struct og_builder *builder, enum og_finding_kind kind, const char *rule,
		       const char *detail, struct og_err *err);
int og_builder_config_finding(struct og_builder *builder, enum og_finding_kind kind,
			      const char *rule, const char *name, const char *detail,
			      struct og_err *err);

/*
 * @path is another name of the file @target of this layer: what was found there is there, too. Nothing is when
 * that name came later, or is of no interest itself.
 */
int og_builder_link(struct og_builder *builder, const char *path, const char *target,
		    struct og_err *err);

/* How many packages of languages there are, so far. */
size_t og_builder_language_packages(const struct og_builder *builder);

/* All packages of languages are known: owned files that are none of theirs need not be kept. -ENOMEM. */
int og_builder_packages_end(struct og_builder *builder, struct og_err *err);

/*
 * For several threads that read files of one and the same layer, or of none: each fills a part of its own, and
 * the parts are joined when all have ended. The parts have no file in common, and @builder must outlive them.
 * On success *@ret_part is the caller's to free. -ENOMEM.
 */
int og_builder_part(const struct og_builder *builder, struct og_builder **ret_part,
		    struct og_err *err);

/* Moves over what @part found. Nothing of it is hidden by what comes later. Errors: -E2BIG, -ENOMEM. */
int og_builder_join(struct og_builder *builder, struct og_builder *part, struct og_err *err);

/* A buffer for the readers, kept from one file to the next; valid until the next call. */
void *og_builder_scratch(struct og_builder *builder, size_t bytes);

/* Joins the layers. On success *@ret_inventory is the caller's to free. */
int og_builder_finish(struct og_builder *builder, struct og_inventory **ret_inventory,
		      struct og_err *err);

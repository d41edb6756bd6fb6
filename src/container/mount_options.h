/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a mount's options (config.md, Mounts; mount(8)) and what they ask of the kernel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/oci_config.h"

struct og_mount_options {
	bool bind, recursive; /* bind, rbind */
	bool remount;
	bool copy_up;  /* tmpcopyup */
	bool iversion; /* there is only mount(2) to ask for it */
	bool idmap, idmap_recursive;
	uint64_t attr_set, attr_clear;		 /* MOUNT_ATTR_*, of this mount */
	uint64_t tree_attr_set, tree_attr_clear; /* of it and all below */
	uint64_t propagation;			 /* MS_SHARED and its like, 0: none was asked for */
	bool propagation_recursive;
	const char *label; /* linux.mountLabel of a new file system; NULL: none */
	/* The words that are none of ours go to the file system: indexes into the list. */
	const struct og_oci_strings *words;
	uint64_t own_words; /* bit i: word i was understood here */
};

#define OG_MOUNT_WORDS_MAX 64 /* bits of own_words; real mounts have ten at most */

int og_mount_options_read(const struct og_oci_strings *words, struct og_mount_options *ret_options,
			  struct og_err *err);

/* The first word that is for the file system, or NULL. */
const char *og_mount_options_foreign(const struct og_mount_options *options);

/* "shared", "rslave" and so on. Errors: -EINVAL. */
int og_mount_propagation(const char *word, uint64_t *ret_propagation, bool *ret_recursive);

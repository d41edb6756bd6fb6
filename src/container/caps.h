/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities (capabilities(7)) by their names, and giving them up. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/oci_config.h"
#include "runtime/notes.h"

struct og_caps {
	uint64_t bounding, effective, permitted, inheritable, ambient; /* bit N: capability N */
};

/*
 * What @capabilities asks for. Names that we do not know, and capabilities that this process has
 * not, are left out as the specification wants; no capabilities at all when none were given.
 */
int og_caps_read(const struct og_oci_capabilities *capabilities, struct og_caps *ret_caps,
		 struct og_err *err);

/*
 * Notes what og_caps_read() will leave out; @full: the process will have every capability, in a user
 * namespace.
 */
void og_caps_note(const struct og_oci_capabilities *capabilities, bool full,
		  struct og_notes *notes);

/* Gives up what is not in @bounding. Needs CAP_SETPCAP. */
int og_caps_bound(uint64_t bounding, struct og_err *err);

/* Sets the other four sets; @extra stays permitted and effective until execve(). */
int og_caps_apply(const struct og_caps *caps, uint64_t extra, struct og_err *err);

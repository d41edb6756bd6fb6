/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What checkpoint.c and restore.c share: CRIU (criu(8)) as a program with a command line, and
 * which of a workload's mounts come from outside of it.
 */
#pragma once

#include "format/checkpoint.h"
#include "runtime/cgroup.h"
#include "runtime/isolation.h"

#define OG_CRIU_WORDS_MAX (2 * OG_CHECKPOINT_MOUNTS_MAX + 64)

/* CRIU's arguments. Zero-initialise it. */
struct og_criu_words {
	char **items; /* owned, NULL-terminated */
	size_t count;
	bool failed; /* memory ran out: looked at once, when it is run */
};

void og_criu_words_done(struct og_criu_words *words);
void og_criu_add(struct og_criu_words *words, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "criu", the action, folders, log, and the options that both actions have. */
void og_criu_begin(struct og_criu_words *words, const char *action,
		   const struct og_criu_options *options, const char *work_path);

/* The text for an action that ended with @status: the last error that its log has. */
int og_criu_failed(const char *action, const struct og_criu_options *options, const char *work_path,
		   int status, struct og_err *err);

/* Refuses what cannot be done, for a workload with @config. */
int og_criu_check(const struct og_oci_config *config, struct og_err *err);

struct og_criu_world {
	const struct og_oci_config *config;
	const char *bundle;
	const struct og_cgroup *cgroup;
};

bool og_criu_is_masked(const struct og_oci_config *config, const char *destination);

/*
 * Where on the host the mount at @destination comes from: a bind mount's source, a control group's
 * folder, /dev/null for a masked file. *@ret_source is the caller's; NULL: not from outside.
 */
int og_criu_source(const struct og_criu_world *world, const char *destination, char **ret_source,
		   struct og_err *err);

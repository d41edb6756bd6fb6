/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onggi-vmm with a face: reads the configuration file, serves the API, starts the machine in a
 * process of its own, and stays until that ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What the command line says. Texts are borrowed; NULL: not given. */
struct og_front_config {
	const char *api_sock, *config_file, *metadata_file, *id;
	const char *log_path, *level, *module, *metrics_path;
	const char *describe_snapshot;
	bool snapshot_version;
	bool no_api, show_level, show_log_origin, pci, no_jail, forkable, prepare;
	uint64_t payload_max, mmds_max; /* 0: Firecracker's */
	uint64_t start_time_us, start_time_cpu_us, parent_cpu_time_us;
};

/* A row of the command line. */
struct og_front_option {
	const char *name;
	const char *value; /* NULL: takes none */
	const char *help;
	int (*set)(struct og_front_config *config, const char *value, struct og_err *err);
};

extern const struct og_front_option og_front_options[];
extern const unsigned og_n_front_options;

/* Whether the command line asks for a face at all. */
static inline bool og_front_wanted(const struct og_front_config *config)
{
	return config->api_sock != NULL || config->config_file != NULL;
}

/* Whether it asks about snapshots and for no machine; and the answer: a version, on standard output. */
static inline bool og_front_asks(const struct og_front_config *config)
{
	return config->snapshot_version || config->describe_snapshot != NULL;
}

/* Errors: of the file, which is named; -EBADMSG, -ENOTSUP (vmm/snapshot/format.h). */
int og_front_answer(const struct og_front_config *config, struct og_err *err);

/* Returns the exit status (vmm/process.h); where it is OG_EXIT_ERROR, @err says why. */
int og_front_run(const struct og_front_config *config, struct og_err *err);

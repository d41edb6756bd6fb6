/* SPDX-License-Identifier: Apache-2.0 */
/* Firecracker's command line. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "vmmapi/bodies.h"
#include "vmmapi/front.h"
#include "vmmapi/vmmapi.h"

#define TEXT_SETTER(name)                                                        \
	static int set_##name(struct og_front_config *config, const char *value, \
			      struct og_err *err)                                \
	{                                                                        \
		(void)err;                                                       \
		config->name = value;                                            \
		return 0;                                                        \
	}

#define FLAG_SETTER(name)                                                        \
	static int set_##name(struct og_front_config *config, const char *value, \
			      struct og_err *err)                                \
	{                                                                        \
		(void)value;                                                     \
		(void)err;                                                       \
		config->name = true;                                             \
		return 0;                                                        \
	}

#define NUMBER_SETTER(name, min, max)                                                      \
	static int set_##name(struct og_front_config *config, const char *value,           \
			      struct og_err *err)                                          \
	{                                                                                  \
		if (og_parse_u64(value, min, max, &config->name) < 0)                      \
			return og_fail(err, -EINVAL, "'%s' is no number in range", value); \
		return 0;                                                                  \
	}

TEXT_SETTER(api_sock)
TEXT_SETTER(config_file)
TEXT_SETTER(metadata_file)
TEXT_SETTER(log_path)
TEXT_SETTER(module)
TEXT_SETTER(metrics_path)
TEXT_SETTER(describe_snapshot)
FLAG_SETTER(snapshot_version)
FLAG_SETTER(no_api)
FLAG_SETTER(show_level)
FLAG_SETTER(show_log_origin)
FLAG_SETTER(pci)
FLAG_SETTER(forkable)
FLAG_SETTER(prepare)
NUMBER_SETTER(payload_max, 1, OG_API_PAYLOAD_MAX_LIMIT)
NUMBER_SETTER(mmds_max, 1, OG_API_PAYLOAD_MAX_LIMIT)
NUMBER_SETTER(start_time_us, 0, INT64_MAX)
NUMBER_SETTER(start_time_cpu_us, 0, INT64_MAX)
NUMBER_SETTER(parent_cpu_time_us, 0, INT64_MAX)

static int set_level(struct og_front_config *config, const char *value, struct og_err *err)
{
	if (og_word_find(og_api_levels, value, true) < 0)
		return og_fail(err, -EINVAL,
			       "'%s' is no level: Off, Error, Warning, Info, Debug, "
			       "Trace",
			       value);
	config->level = value;
	return 0;
}

/* The filters are part of the program: weaker ones cannot be had, and others cannot be named. */
static int refuse_seccomp(struct og_front_config *config, const char *value, struct og_err *err)
{
	(void)config;
	(void)value;
	return og_fail_plain(err, -EOPNOTSUPP,
			     "not supported: the seccomp filters are built in and always on");
}

/* Firecracker's guests write to a port that its boot timer listens to. */
static int refuse_boot_timer(struct og_front_config *config, const char *value, struct og_err *err)
{
	(void)config;
	(void)value;
	return og_fail_plain(err, -EOPNOTSUPP, "not supported: there is no boot timer device");
}

const struct og_front_option og_front_options[] = {
	{ "--api-sock", "FILE", "serve Firecracker's API at this Unix socket", set_api_sock },
	{ "--config-file", "FILE", "start the machine that this JSON describes", set_config_file },
	{ "--metadata", "FILE", "JSON for the metadata service", set_metadata_file },
	{ "--no-api", NULL, "with --config-file: no API", set_no_api },
	{ "--log-path", "FILE", "log to this file or named pipe", set_log_path },
	{ "--level", "LEVEL", "Off, Error, Warning, Info, Debug, Trace (Info)", set_level },
	{ "--module", "NAME", "log only what this part says", set_module },
	{ "--show-level", NULL, "show the level in the log", set_show_level },
	{ "--show-log-origin", NULL, "show where a line of the log is from", set_show_log_origin },
	{ "--metrics-path", "FILE", "write metrics to this file or named pipe", set_metrics_path },
	{ "--http-api-max-payload-size", "BYTES", "of a request's body (51200)", set_payload_max },
	{ "--mmds-size-limit", "BYTES", "of all metadata (as above)", set_mmds_max },
	{ "--enable-pci", NULL, "virtio devices on PCI", set_pci },
	{ "--forkable", NULL, "the machine may be forked: PUT /fork (ours)", set_forkable },
	{ "--snapshot-version", NULL, "say which version snapshots have", set_snapshot_version },
	{ "--describe-snapshot", "FILE", "say which this state file has", set_describe_snapshot },
	{ "--prepare", NULL, "have the process and its jail before the start (ours)", set_prepare },
	{ "--start-time-us", "N", "when the start began, for metrics", set_start_time_us },
	{ "--start-time-cpu-us", "N", "likewise, CPU time", set_start_time_cpu_us },
	{ "--parent-cpu-time-us", "N", "CPU time of whoever starts it", set_parent_cpu_time_us },
	{ "--seccomp-filter", "FILE", "refused: the filters are built in", refuse_seccomp },
	{ "--no-seccomp", NULL, "refused: the filters are always on", refuse_seccomp },
	{ "--boot-timer", NULL, "refused: there is no such device", refuse_boot_timer },
};

const unsigned og_n_front_options = sizeof(og_front_options) / sizeof(og_front_options[0]);

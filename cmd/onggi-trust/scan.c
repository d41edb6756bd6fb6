/* SPDX-License-Identifier: Apache-2.0 */
/* scan: which known vulnerabilities are in something, and what else should not be. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "scan.h"
#include "trust/confine.h"
#include "trust/report.h"

#define EXIT_FOUND 1 /* what --fail-on asks about is in it */
#define KEPT_BYTES (32 << 20)

struct scan_options {
	const char *db, *format, *output, *fail_on, *image;
	struct og_words vex, ignore, insecure;
	bool show_hidden, no_vulnerabilities, quiet;
};

#define SCAN_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct scan_options, member, name, letter, kind, help)
#define OPTION_IMAGE                                   \
	SCAN_OPTION(image, "image", 0, OG_OPTION_TEXT, \
		    "NAME of the image, in an archive or layout of several")
#define OPTION_INSECURE TRUST_INSECURE(struct scan_options)

static const struct og_option scan_options[] = {
	SCAN_OPTION(db, "db", 0, OG_OPTION_TEXT, "FILE of the database"),
	SCAN_OPTION(fail_on, "fail-on", 0, OG_OPTION_TEXT,
		    "SEVERITY from which on to end with status 1; SEVERITY:fixed counts only what "
		    "an update fixes"),
	SCAN_OPTION(format, "format", 'f', OG_OPTION_TEXT,
		    "FORMAT: table, json, sarif, cyclonedx, spdx or junit"),
	SCAN_OPTION(ignore, "ignore-file", 0, OG_OPTION_LIST,
		    "FILE of vulnerabilities that are not to count"),
	OPTION_IMAGE,
	OPTION_INSECURE,
	SCAN_OPTION(no_vulnerabilities, "no-vulnerabilities", 0, OG_OPTION_FLAG,
		    "look into no database: say what is in it"),
	SCAN_OPTION(output, "output", 'o', OG_OPTION_TEXT, "FILE to write to"),
	SCAN_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "print no warnings"),
	SCAN_OPTION(show_hidden, "show-hidden", 0, OG_OPTION_FLAG,
		    "list what VEX and ignore files hide, too"),
	SCAN_OPTION(vex, "vex", 0, OG_OPTION_LIST, "FILE of OpenVEX or CycloneDX"),
};

static const struct og_option sbom_options[] = {
	SCAN_OPTION(format, "format", 'f', OG_OPTION_TEXT, "FORMAT: cyclonedx or spdx"),
	OPTION_IMAGE,
	OPTION_INSECURE,
	SCAN_OPTION(output, "output", 'o', OG_OPTION_TEXT, "FILE to write to"),
};

struct threshold {
	bool set, fixed;
	enum og_severity severity;
};

static int read_threshold(const char *text, struct threshold *ret_threshold, struct og_err *err)
{
	og_auto_free char *word = NULL;
	struct threshold threshold = { .set = true };

	if (text == NULL)
		return 0;
	word = og_strdupf("%s", text);
	if (word == NULL)
		return og_fail(err, -ENOMEM, "--fail-on");
	if (og_ends_with(word, ":fixed")) {
		threshold.fixed = true;
		word[strlen(word) - strlen(":fixed")] = '\0';
	}
	if (og_severity_parse(word, &threshold.severity) < 0)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--fail-on: '%s' is none of critical, high, medium, low, "
				     "negligible, unknown",
				     text);
	*ret_threshold = threshold;
	return 0;
}

static bool is_reached(const struct og_scan *scan, const struct threshold *threshold)
{
	const unsigned *counts = threshold->fixed ? scan->fixable : scan->total;

	for (size_t i = threshold->severity; threshold->set && i < OG_SEVERITIES; i++)
		if (counts[i] > 0)
			return true;
	return false;
}

/* What was not looked for was not found either: who asks is not told that all is well. */
static int check_told(const struct og_scan *scan, const struct threshold *threshold,
		      struct og_err *err)
{
	if (!threshold->set || is_reached(scan, threshold))
		return 0;
	if (scan->unjudged > 0)
		return og_fail_plain(err, -ENODATA,
				     "--fail-on: it cannot be told: %zu packages were not judged",
				     scan->unjudged);
	if (scan->inventory->unseen[0] != '\0')
		return og_fail_plain(
			err, -ENODATA,
			"--fail-on: it cannot be told: a part of it was not looked at");
	return 0;
}

/* Now, or the moment that builds are to be reproduced for (reproducible-builds.org). */
static void set_now(char now[OG_CLOCK_TEXT_BYTES])
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;

	if (epoch != NULL && og_parse_u64(epoch, 0, 253402300799U, &seconds) == 0) {
		struct timespec moment = { .tv_sec = (time_t)seconds };

		og_clock_format(&moment, now);
	} else {
		og_clock_now(now);
	}
	/* Whole seconds are enough, and SPDX knows no others. */
	(void)strcpy(now + strlen("2026-11-28T12:00:00"), "Z");
}

/* Where the report goes, open before the file system is closed. */
static int open_output(const char *path, struct og_err *err)
{
	int fd = path == NULL
			 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
			 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);

	return fd < 0 ? og_fail(err, -errno, "open '%s'", path != NULL ? path : "stdout") : fd;
}

static size_t terminal_width(int fd)
{
	struct winsize size = {};

	return isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int write_report(const struct og_scan *scan, const struct scan_options *options,
			enum og_report_format format, const char *now, int fd, struct og_err *err)
{
	bool terminal = isatty(fd) == 1;
	struct og_report report = {
		.scan = scan,
		.now = now,
		.colours = terminal && getenv("NO_COLOR") == NULL,
		.hidden = options->show_hidden,
		.width = terminal_width(fd),
	};
	og_auto_text text = {};
	int r = og_report_write(&report, format, &text, err);

	for (size_t i = 0; r == 0 && !options->quiet && i < scan->warning_count; i++)
		(void)fprintf(stderr, "onggi: %s\n", scan->warnings[i]);
	if (r == 0)
		r = og_write_all(fd, text.buf, text.len);
	return r < 0 && err->text[0] == '\0' ? og_fail(err, r, "write the report") : r;
}

/* All that is opened for a scan. */
struct opened {
	struct scan_place place;
	struct og_vulndb *db;
	struct og_statements statements;
	struct scan_target target;
	int output_fd;
};

static void opened_done(struct opened *opened)
{
	og_vulndb_free(opened->db);
	og_statements_done(&opened->statements);
	scan_target_done(&opened->target);
	scan_place_done(&opened->place);
	og_close(opened->output_fd);
}

static int open_all(const struct scan_options *options, const char *target, struct opened *opened,
		    struct og_err *err)
{
	int r = 0;

	*opened = (struct opened){ .place = { .dir_fd = -EBADF },
				   .target = SCAN_NO_TARGET,
				   .output_fd = -EBADF };
	if (!options->no_vulnerabilities) {
		r = scan_place_open(options->db, false, &opened->place, err);
		if (r == 0)
			r = og_vulndb_open(opened->place.dir_fd, opened->place.name, &opened->db,
					   err);
		if (r == -ENOENT)
			r = og_fail_plain(
				err, -ENOENT,
				"there is no database of vulnerabilities '%s': 'onggi scan "
				"db import' makes one, --no-vulnerabilities does without",
				opened->place.path);
	}
	if (r == 0)
		r = scan_said_read(&options->vex, &options->ignore, &opened->statements, err);
	if (r == 0)
		r = scan_target_open(target, options->image, &options->insecure, &opened->target,
				     err);
	if (r == 0) {
		opened->output_fd = open_output(options->output, err);
		r = opened->output_fd < 0 ? opened->output_fd : 0;
	}
	return r;
}

/* From here on only what is open is reached: what comes now are a stranger's bytes. */
static int confine(const struct opened *opened, struct og_err *err)
{
	struct og_confine rules = {
		.folder_fd = opened->target.folder ? opened->target.fd : -EBADF,
		.read_any = opened->target.folder,
		.temporary = true,
	};

	return og_confine(&rules, err);
}

/* What one reader gives back the next one wants: from the kernel it comes a page and a fault at a time. */
static void keep_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

static int scan(const struct scan_options *options, const char *text, enum og_report_format format,
		struct og_err *err)
{
	og_cleanup(opened_done) struct opened opened;
	og_cleanup(og_inventory_freep) struct og_inventory *inventory = NULL;
	og_cleanup(og_scan_freep) struct og_scan *result = NULL;
	struct threshold threshold = {};
	char now[OG_CLOCK_TEXT_BYTES], today[11];
	int r;

	keep_memory();
	r = open_all(options, text, &opened, err);
	set_now(now);
	(void)snprintf(today, sizeof(today), "%.10s", now);
	if (r == 0)
		r = read_threshold(options->fail_on, &threshold, err);
	if (r == 0)
		r = confine(&opened, err);
	if (r == 0)
		r = opened.target.inspect(&opened.target, &inventory, err);
	if (r == 0 && opened.target.unseen != NULL)
		r = og_inventory_set_unseen(inventory, opened.target.unseen, err);
	if (r == 0)
		r = og_match(inventory, opened.db, &opened.statements, today, &result, err);
	if (r == 0)
		r = write_report(result, options, format, now, opened.output_fd, err);
	if (r == 0)
		r = check_told(result, &threshold, err);
	if (r < 0)
		return r;
	return is_reached(result, &threshold) ? EXIT_FOUND : EXIT_SUCCESS;
}

static int run_scan(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct scan_options *options = values;
	enum og_report_format format = OG_REPORT_TABLE;

	(void)argc;
	if (options->format != NULL && og_report_format_parse(options->format, &format) < 0)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--format: '%s' is none of table, json, sarif, cyclonedx, "
				     "spdx, junit",
				     options->format);
	return scan(options, argv[0], format, err);
}

static int run_sbom(const void *values, int argc, char **argv, struct og_err *err)
{
	struct scan_options options = *(const struct scan_options *)values;
	enum og_report_format format = OG_REPORT_CYCLONEDX;

	(void)argc;
	options.no_vulnerabilities = true;
	if (options.format != NULL && (og_report_format_parse(options.format, &format) < 0 ||
				       (format != OG_REPORT_CYCLONEDX && format != OG_REPORT_SPDX)))
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--format: '%s' is neither cyclonedx nor spdx",
				     options.format);
	return scan(&options, argv[0], format, err);
}

#define TARGET "IMAGE|PATH|KIND:WHAT"

const struct trust_command trust_scan_commands[] = {
	{ .name = "scan",
	  .arguments = TARGET,
	  .summary = "Say which known vulnerabilities are in something",
	  TRUST_OPTIONS(scan_options, struct scan_options),
	  .least = 1,
	  .most = 1,
	  .failure = EXIT_ERROR,
	  .run = run_scan },
	{ .name = "sbom",
	  .arguments = TARGET,
	  .summary = "Say what is in something: a bill of materials",
	  TRUST_OPTIONS(sbom_options, struct scan_options),
	  .least = 1,
	  .most = 1,
	  .failure = EXIT_ERROR,
	  .run = run_sbom },
	{},
};

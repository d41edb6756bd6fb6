/* SPDX-License-Identifier: Apache-2.0 */
/* scan db import, status, update-from: the database of vulnerabilities. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "command.h"
#include "scan.h"
#include "trust/vulndb_import.h"

#define DEFAULT_NAME "vulnerabilities.db"

struct db_options {
	const char *db, *source, *ecosystem;
	bool json, quiet;
};

#define DB_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct db_options, member, name, letter, kind, help)
#define OPTION_DB DB_OPTION(db, "db", 0, OG_OPTION_TEXT, "FILE of the database")

static const struct og_option import_options[] = {
	OPTION_DB,
	DB_OPTION(ecosystem, "ecosystem", 0, OG_OPTION_TEXT,
		  "NAME of the release that changelogs are of, \"Debian:12\""),
	DB_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "print nothing"),
	DB_OPTION(
		source, "source", 0, OG_OPTION_TEXT,
		"NAME of the source; what it said before is replaced (default: the path's last part)"),
};

static const struct og_option status_options[] = {
	OPTION_DB,
	DB_OPTION(json, "json", 0, OG_OPTION_FLAG, "print JSON"),
};

static const struct og_option update_options[] = { OPTION_DB };

/* Root's is everybody's to read; others have their own (XDG base directories). */
static char *default_path(void)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return og_strdupf("/var/lib/onggi/trust/" DEFAULT_NAME);
	if (data != NULL && data[0] == '/')
		return og_strdupf("%s/onggi/" DEFAULT_NAME, data);
	return og_strdupf("%s/.local/share/onggi/" DEFAULT_NAME, home != NULL ? home : "");
}

void scan_place_done(struct scan_place *place)
{
	place->dir_fd = og_close(place->dir_fd);
	free(place->name);
	free(place->path);
	place->name = place->path = NULL;
}

int scan_place_open(const char *path, bool make, struct scan_place *ret_place, struct og_err *err)
{
	og_auto_free char *whole = path != NULL ? og_strdupf("%s", path) : default_path();
	char *slash;
	const char *folder = ".";
	int r = 0;

	*ret_place = (struct scan_place){ .dir_fd = -EBADF };
	if (whole == NULL)
		return og_fail(err, -ENOMEM, "database");
	slash = strrchr(whole, '/');
	ret_place->name = og_strdupf("%s", slash != NULL ? slash + 1 : whole);
	ret_place->path = og_strdupf("%s", whole);
	if (ret_place->name == NULL || ret_place->path == NULL || ret_place->name[0] == '\0')
		return og_fail(err, -EINVAL, "database '%s'", whole);
	if (slash != NULL) {
		*slash = '\0';
		folder = slash == whole ? "/" : whole;
	}
	ret_place->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret_place->dir_fd < 0 && errno == ENOENT && make && folder[0] == '/') {
		og_auto_fd root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = -EBADF;

		r = og_mkdirs_in_root(root_fd, folder, 0755, &fd, err);
		og_close(fd);
		if (r == 0)
			ret_place->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (r == 0 && ret_place->dir_fd < 0)
		r = errno == ENOENT ? og_fail_plain(err, -ENOENT,
						    "there is no database of vulnerabilities "
						    "'%s': 'onggi scan db import' makes one",
						    ret_place->path)
				    : og_fail(err, -errno, "open '%s'", folder);
	return r;
}

static void report_import(const struct og_import *import, struct og_vulndb_writer *writer)
{
	(void)printf("%lld records of %lld files", (long long)og_vulndb_writer_count(writer),
		     (long long)import->files);
	if (import->strange > 0)
		(void)printf(", %lld documents of no form that is known",
			     (long long)import->strange);
	(void)putchar('\n');
	(void)fflush(stdout);
	if (import->refused > 0)
		(void)fprintf(stderr, "onggi: %lld refused, the first: %s\n",
			      (long long)import->refused, import->first.text);
}

/* "dir/all.zip" -> "all.zip" */
static char *source_name(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (size_t i = len; i > 0; i--)
		if (path[i - 1] == '/' && i < len)
			return og_strdupf("%.*s", (int)(len - i), path + i);
	return og_strdupf("%.*s", (int)len, path);
}

static int import_paths(const struct db_options *options, struct og_vulndb_writer *writer, int argc,
			char **argv, struct og_err *err)
{
	struct og_import import = { .writer = writer, .ecosystem = options->ecosystem };
	int r = 0;

	if (options->source != NULL)
		r = og_vulndb_writer_source(writer, options->source, err);
	for (int i = 0; r == 0 && i < argc; i++) {
		if (options->source == NULL) {
			og_auto_free char *name = source_name(argv[i]);

			r = name == NULL ? og_fail(err, -ENOMEM, "import")
					 : og_vulndb_writer_source(writer, name, err);
			import = (struct og_import){ .writer = writer,
						     .ecosystem = options->ecosystem };
		}
		if (r == 0)
			r = og_vulndb_import(&import, AT_FDCWD, argv[i], err);
		/* A database from which all is missing that was to be in it is worse than an error. */
		if (r == 0 && og_vulndb_writer_count(writer) == 0)
			r = import.refused > 0
				    ? og_fail_plain(err, -EINVAL, "'%s': %s", argv[i],
						    import.first.text)
				    : og_fail_plain(err, -EINVAL, "'%s': no record in it", argv[i]);
		if (r == 0 && !options->quiet && (options->source == NULL || i + 1 == argc))
			report_import(&import, writer);
	}
	return r;
}

static int run_import(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct db_options *options = values;
	og_cleanup(og_vulndb_writer_freep) struct og_vulndb_writer *writer = NULL;
	og_cleanup(scan_place_done) struct scan_place place;
	int r = scan_place_open(options->db, true, &place, err);

	if (r == 0)
		r = og_vulndb_writer_open(place.dir_fd, place.name, &writer, err);
	if (r == 0)
		r = import_paths(options, writer, argc, argv, err);
	if (r == 0)
		r = og_vulndb_writer_commit(writer, err);
	return r;
}

struct status {
	struct og_json *sources; /* owned; NULL: lines */
};

static int show_source(void *data, const struct og_vulndb_source *source, struct og_err *err)
{
	struct status *status = data;
	struct og_json *object;

	(void)err;
	if (status->sources == NULL) {
		(void)printf("%-30s %8lld records, imported %.10s%s%.10s\n", source->name,
			     (long long)source->records, source->imported,
			     source->newest[0] != '\0' ? ", newest of " : "", source->newest);
		return 0;
	}
	object = og_json_new_object();
	og_json_set_string(object, "name", source->name);
	og_json_set_int(object, "records", source->records);
	og_json_set_string(object, "imported", source->imported);
	og_json_set_string(object, "newest", source->newest);
	og_json_push(status->sources, object);
	return 0;
}

static int print_json(const char *written, struct og_json *sources)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	og_auto_free char *text = NULL;

	og_json_set_string(root, "written", written);
	og_json_set(root, "sources", sources);
	text = og_json_write_pretty(root);
	(void)puts(text);
	return 0;
}

static int run_status(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct db_options *options = values;
	og_cleanup(og_vulndb_freep) struct og_vulndb *db = NULL;
	og_cleanup(scan_place_done) struct scan_place place;
	struct status status = {};
	char written[40] = "";
	int r = scan_place_open(options->db, false, &place, err);

	(void)argc;
	(void)argv;
	if (r == 0)
		r = og_vulndb_open(place.dir_fd, place.name, &db, err);
	if (r == 0)
		r = og_vulndb_written(db, written, err);
	if (r < 0)
		return r;
	if (options->json)
		status.sources = og_json_new_array();
	else
		(void)printf("written %s\n", written);
	r = og_vulndb_sources(db, show_source, &status, err);
	if (r < 0) {
		og_json_free(status.sources);
		return r;
	}
	return options->json ? print_json(written, status.sources) : 0;
}

static int run_update(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct db_options *options = values;
	og_cleanup(scan_place_done) struct scan_place place, from = { .dir_fd = -EBADF };
	int r = scan_place_open(options->db, true, &place, err);

	(void)argc;
	if (r == 0)
		r = scan_place_open(argv[0], false, &from, err);
	if (r == 0)
		r = og_vulndb_update(place.dir_fd, place.name, from.dir_fd, from.name, err);
	return r;
}

const struct trust_command trust_scan_db_commands[] = {
	{ .name = "scan db import",
	  .arguments = "PATH...",
	  .summary = "Take advisories into the database of vulnerabilities",
	  TRUST_OPTIONS(import_options, struct db_options),
	  .least = 1,
	  .most = -1,
	  .failure = EXIT_ERROR,
	  .run = run_import },
	{ .name = "scan db status",
	  .arguments = "",
	  .summary = "Say what the database is of, and how old",
	  TRUST_OPTIONS(status_options, struct db_options),
	  .failure = EXIT_ERROR,
	  .run = run_status },
	{ .name = "scan db update-from",
	  .arguments = "FILE",
	  .summary = "Replace the database by one made elsewhere",
	  TRUST_OPTIONS(update_options, struct db_options),
	  .least = 1,
	  .most = 1,
	  .failure = EXIT_ERROR,
	  .run = run_update },
	{},
};

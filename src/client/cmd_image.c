/* SPDX-License-Identifier: Apache-2.0 */
/* pull, push, load, import, save, rmi, tag: images come, go and are named. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "client/command.h"
#include "client/credentials.h"
#include "client/progress.h"
#include "client/pull.h"

#define COPY_BYTES 262144U

struct image_options {
	bool quiet, force, no_prune;
	const char *platform, *input, *output, *message;
	struct og_words changes;
};

#define IMAGE_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct image_options, member, name, letter, kind, help)

static const struct og_option pull_options[] = {
	IMAGE_OPTION(platform, "platform", 0, OG_OPTION_TEXT, "PLATFORM: linux/amd64"),
	IMAGE_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "only print the image's name"),
};

/* "debian" -> "debian:latest": what was really pulled. */
static char *full_reference(const char *reference)
{
	og_auto_free char *name = NULL;
	const char *tag = NULL;

	if (og_reference_split(reference, &name, &tag, NULL) < 0)
		return NULL;
	return og_strdupf(tag == NULL ? "%s:latest" : "%s", reference);
}

static int run_pull(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct image_options *options = values;
	og_auto_free char *full = full_reference(argv[0]);
	int r = og_pull(session, argv[0], options->platform, stdout, options->quiet, NULL, err);

	(void)argc;
	if (r < 0)
		return r;
	(void)puts(full != NULL ? full : argv[0]);
	return EXIT_SUCCESS;
}

static const struct og_option push_options[] = {
	IMAGE_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "do not show the progress"),
};

static int run_push(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct image_options *options = values;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_free char *name = NULL;
	og_auto_free char *quoted = NULL;
	og_auto_free char *header = NULL;
	og_auto_free char *path = NULL;
	const char *tag = NULL;
	const char *headers[2] = {};
	struct og_http_call call = { .method = "POST", .headers = headers };
	int r = og_reference_split(argv[0], &name, &tag, err);

	(void)argc;
	if (r == 0)
		r = og_credentials_header(argv[0], &header, err);
	if (r < 0)
		return r;
	quoted = og_url_name(name);
	path = og_strdupf(OG_API "/images/%s/push?tag=%s", quoted != NULL ? quoted : "",
			  tag != NULL ? tag : "latest");
	if (path == NULL)
		return og_fail(err, -ENOMEM, "push '%s'", argv[0]);
	headers[0] = header;
	call.path = path;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r >= 0)
		r = og_progress_show(http, stdout, options->quiet, NULL, err);
	return r < 0 ? og_fail_in(err, r, "push '%s'", argv[0]) : EXIT_SUCCESS;
}

/* ---- load and import ---- */

static const struct og_option load_options[] = {
	IMAGE_OPTION(input, "input", 'i', OG_OPTION_TEXT, "FILE to read instead of stdin"),
	IMAGE_OPTION(platform, "platform", 0, OG_OPTION_TEXT, "PLATFORM: linux/amd64"),
	IMAGE_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "do not show the progress"),
};

/* Descriptor 0 cannot say "none" as a member: hence a copy above it. */
static int open_input(const char *path, struct og_err *err)
{
	int fd;

	if (path == NULL || og_streq(path, "-")) {
		if (isatty(STDIN_FILENO))
			return og_fail_plain(
				err, -EINVAL,
				"standard input is a terminal: name a file or redirect it");
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd < 0 ? og_fail(err, -errno, "open '%s'", path != NULL ? path : "-") : fd;
}

static int send_archive(struct og_session *session, const char *path, int fd, bool quiet,
			char **ret_last, struct og_err *err)
{
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	struct og_http_call call = { .method = "POST", .path = path, .body_fd = fd };
	int r = og_session_open(session, &call, &http, err);

	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r >= 0)
		r = og_progress_show(http, stdout, quiet, ret_last, err);
	return r < 0 ? r : 0;
}

static int run_load(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct image_options *options = values;
	og_auto_fd fd = open_input(options->input, err);
	og_auto_text path = {};
	int r;

	(void)argc;
	(void)argv;
	if (fd < 0)
		return fd;
	og_text_addf(&path, OG_API "/images/load?quiet=%d",
		     options->quiet || !isatty(STDOUT_FILENO));
	if (options->platform != NULL) {
		og_text_add(&path, "&platform=");
		og_url_add(&path, options->platform, "");
	}
	r = send_archive(session, path.buf, fd, false, NULL, err);
	return r < 0 && options->input != NULL ? og_fail_in(err, r, "'%s'", options->input) : r;
}

static const struct og_option import_options[] = {
	IMAGE_OPTION(changes, "change", 'c', OG_OPTION_LIST, "INSTRUCTION of a Dockerfile"),
	IMAGE_OPTION(message, "message", 'm', OG_OPTION_TEXT, "TEXT for its history"),
	IMAGE_OPTION(platform, "platform", 0, OG_OPTION_TEXT, "PLATFORM: linux/amd64"),
};

static int add_import_query(struct og_text *path, const struct image_options *options,
			    const char *reference, struct og_err *err)
{
	og_auto_free char *name = NULL;
	const char *tag = NULL;
	int r = 0;

	og_text_add(path, OG_API "/images/create?fromSrc=-");
	if (reference != NULL) {
		r = og_reference_split(reference, &name, &tag, err);
		og_text_add(path, "&repo=");
		og_url_add(path, name != NULL ? name : "", "");
		og_text_add(path, "&tag=");
		og_url_add(path, tag != NULL ? tag : "latest", "");
	}
	if (options->message != NULL) {
		og_text_add(path, "&message=");
		og_url_add(path, options->message, "");
	}
	if (options->platform != NULL) {
		og_text_add(path, "&platform=");
		og_url_add(path, options->platform, "");
	}
	for (size_t i = 0; i < options->changes.count; i++) {
		og_text_add(path, "&changes=");
		og_url_add(path, options->changes.items[i], "");
	}
	return r;
}

static int run_import(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	og_auto_fd fd = open_input(argv[0], err);
	og_auto_free char *last = NULL;
	og_auto_text path = {};
	int r;

	if (fd < 0)
		return fd;
	r = add_import_query(&path, values, argc > 1 ? argv[1] : NULL, err);
	if (r == 0)
		r = send_archive(session, path.buf, fd, false, &last, err);
	return r < 0 ? og_fail_in(err, r, "'%s'", argv[0]) : EXIT_SUCCESS;
}

/* ---- save ---- */

static const struct og_option save_options[] = {
	IMAGE_OPTION(output, "output", 'o', OG_OPTION_TEXT, "FILE to write instead of stdout"),
	IMAGE_OPTION(platform, "platform", 0, OG_OPTION_TEXT, "PLATFORM: linux/amd64"),
};

static int copy_body(struct og_http *http, int fd, struct og_err *err)
{
	og_auto_free char *buf = malloc(COPY_BYTES);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "save");
	for (;;) {
		ssize_t n = og_http_read(http, buf, COPY_BYTES, err);
		int r;

		if (n <= 0)
			return (int)n;
		r = og_write_all(fd, buf, (size_t)n);
		if (r < 0)
			return og_fail(err, r, "write the archive");
	}
}

/* Beside its place first, so that a broken save leaves no half archive under its name. */
static int save_to_file(struct og_http *http, const char *path, struct og_err *err)
{
	og_auto_free char *part = og_strdupf("%s.part", path);
	og_auto_fd fd = -EBADF;
	int r;

	if (part == NULL)
		return og_fail(err, -ENOMEM, "save");
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return og_fail(err, -errno, "create '%s'", part);
	r = copy_body(http, fd, err);
	if (r == 0 && rename(part, path) < 0)
		r = og_fail(err, -errno, "write '%s'", path);
	if (r < 0)
		(void)unlink(part);
	return r;
}

static int run_save(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	const struct image_options *options = values;
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_text path = {};
	struct og_http_call call = { .method = "GET" };
	int r;

	if (options->output == NULL && isatty(STDOUT_FILENO))
		return og_fail_plain(err, -EINVAL,
				     "standard output is a terminal: use -o FILE or redirect it");
	og_text_add(&path, OG_API "/images/get?");
	for (int i = 0; i < argc; i++) {
		og_text_add(&path, i > 0 ? "&names=" : "names=");
		og_url_add(&path, argv[i], "");
	}
	if (path.failed)
		return og_fail(err, -ENOMEM, "save");
	call.path = path.buf;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r < 0)
		return r;
	return options->output != NULL ? save_to_file(http, options->output, err)
				       : copy_body(http, STDOUT_FILENO, err);
}

/* ---- rmi and tag ---- */

static const struct og_option rmi_options[] = {
	IMAGE_OPTION(force, "force", 'f', OG_OPTION_FLAG, "even when something names or uses it"),
	IMAGE_OPTION(no_prune, "no-prune", 0, OG_OPTION_FLAG, "keep its nameless parents"),
};

static void print_removed(const struct og_json *answer)
{
	static const char *const kinds[] = { "Untagged", "Deleted" };

	for (size_t i = 0; i < og_json_count(answer); i++) {
		for (size_t kind = 0; kind < 2; kind++) {
			const char *what = og_json_string(
				og_json_get(og_json_at(answer, i), kinds[kind]), NULL);

			if (what != NULL)
				(void)printf("%s: %s\n", kinds[kind], what);
		}
	}
}

static int run_rmi(struct og_session *session, const void *values, int argc, char **argv,
		   struct og_err *err)
{
	const struct image_options *options = values;
	int status = EXIT_SUCCESS;

	for (int i = 0; i < argc; i++) {
		og_cleanup(og_json_freep) struct og_json *answer = NULL;
		og_auto_free char *name = og_url_name(argv[i]);

		if (og_session_ask(session, "DELETE", &answer, err,
				   "/images/%s?force=%d&noprune=%d", name != NULL ? name : "",
				   options->force, options->no_prune) < 0) {
			(void)fprintf(stderr, "onggi: rmi '%s': %s\n", argv[i], err->text);
			status = EXIT_FAILURE;
			continue;
		}
		print_removed(answer);
	}
	return status;
}

static int run_tag(struct og_session *session, const void *values, int argc, char **argv,
		   struct og_err *err)
{
	og_auto_free char *source = og_url_name(argv[0]);
	og_auto_free char *name = NULL;
	const char *tag = NULL;
	og_auto_text query = {};
	int r = og_reference_split(argv[1], &name, &tag, err);

	(void)values;
	(void)argc;
	if (r < 0)
		return r;
	og_url_add(&query, name, "");
	og_text_add(&query, "&tag=");
	og_url_add(&query, tag != NULL ? tag : "latest", "");
	if (query.failed || source == NULL)
		return og_fail(err, -ENOMEM, "tag '%s'", argv[0]);
	return og_session_ask(session, "POST", NULL, err, "/images/%s/tag?repo=%s", source,
			      query.buf);
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])
#define VALUES	       .values_size = sizeof(struct image_options)

const struct og_command og_image_commands[] = {
	{ .name = "pull",
	  .arguments = "IMAGE",
	  .summary = "Fetch an image from a registry",
	  OPTIONS(pull_options),
	  VALUES,
	  .least = 1,
	  .most = 1,
	  .run = run_pull },
	{ .name = "push",
	  .arguments = "IMAGE",
	  .summary = "Send an image to a registry",
	  OPTIONS(push_options),
	  VALUES,
	  .least = 1,
	  .most = 1,
	  .run = run_push },
	{ .name = "load",
	  .arguments = "",
	  .summary = "Read images from an archive, Docker's or OCI's",
	  OPTIONS(load_options),
	  VALUES,
	  .run = run_load },
	{ .name = "import",
	  .arguments = "FILE|- [NAME[:TAG]]",
	  .summary = "Make an image of a root file system's tar archive",
	  OPTIONS(import_options),
	  VALUES,
	  .least = 1,
	  .most = 2,
	  .run = run_import },
	{ .name = "save",
	  .arguments = "IMAGE...",
	  .summary = "Write images to an archive",
	  OPTIONS(save_options),
	  VALUES,
	  .least = 1,
	  .most = -1,
	  .run = run_save },
	{ .name = "tag",
	  .arguments = "IMAGE NAME[:TAG]",
	  .summary = "Give an image a further name",
	  .least = 2,
	  .most = 2,
	  .run = run_tag },
	{ .name = "rmi",
	  .arguments = "IMAGE...",
	  .summary = "Remove images",
	  OPTIONS(rmi_options),
	  VALUES,
	  .least = 1,
	  .most = -1,
	  .run = run_rmi },
	{},
};

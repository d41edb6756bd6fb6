/* SPDX-License-Identifier: Apache-2.0 */
#include "client/create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "client/pull.h"

static int make_path(const struct og_create_options *options, struct og_text *path,
		     struct og_err *err)
{
	const char *gap = "?";

	og_text_add(path, "/containers/create");
	if (options->name != NULL) {
		og_text_add(path, "?name=");
		og_url_add(path, options->name, "");
		gap = "&";
	}
	if (options->platform != NULL) {
		og_text_addf(path, "%splatform=", gap);
		og_url_add(path, options->platform, "");
	}
	return path->failed ? og_fail(err, -ENOMEM, "create the workload") : 0;
}

static void print_warnings(const struct og_json *answer)
{
	const struct og_json *warnings = og_json_get(answer, "Warnings");

	for (size_t i = 0; i < og_json_count(warnings); i++)
		(void)fprintf(stderr, "WARNING: %s\n", og_json_string(og_json_at(warnings, i), ""));
}

/* Returns 1 when the daemon does not have the image. */
static int create_once(struct og_session *session, const char *path, const struct og_json *body,
		       char **ret_id, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	struct og_call call = { .method = "POST", .path = path, .body = og_json_copy(body) };
	const char *id;
	int r = og_session_call(session, &call, &answer, err);

	if (r < 0)
		return call.status == 404 ? 1 : r;
	print_warnings(answer);
	id = og_json_string(og_json_get(answer, "Id"), NULL);
	if (id == NULL)
		return og_fail(err, -EBADMSG, "create the workload: the daemon gave no Id");
	*ret_id = strdup(id);
	return *ret_id == NULL ? og_fail(err, -ENOMEM, "create the workload") : 0;
}

static int write_cidfile(const char *path, const char *id, struct og_err *err)
{
	og_auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : og_write_all(fd, id, strlen(id));

	return r < 0 ? og_fail(err, r, "write the identifier to '%s'", path) : 0;
}

int og_create_workload(struct og_session *session, const struct og_create_options *options,
		       int argc, char **argv, char **ret_id, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	const char *when = options->pull != NULL ? options->pull : "missing";
	const char *image = argv[0];
	og_auto_text path = {};
	int r = make_path(options, &path, err);

	if (r == 0 && !og_streq(when, "always") && !og_streq(when, "missing") &&
	    !og_streq(when, "never"))
		r = og_fail_plain(err, -EINVAL, "--pull takes always, missing or never, not '%s'",
				  when);
	if (r == 0)
		r = og_create_body(options, image, argc - 1, argv + 1, &body, err);
	if (r == 0 && og_streq(when, "always"))
		r = og_pull(session, image, options->platform, stderr, options->quiet, NULL, err);
	if (r == 0)
		r = create_once(session, path.buf, body, ret_id, err);
	if (r == 1 && og_streq(when, "missing")) {
		(void)fprintf(stderr, "Unable to find image '%s' locally\n", image);
		r = og_pull(session, image, options->platform, stderr, options->quiet, NULL, err);
		if (r == 0)
			r = create_once(session, path.buf, body, ret_id, err);
	}
	if (r != 0)
		return r < 0 ? r : -EREMOTEIO;
	if (options->cidfile != NULL)
		return write_cidfile(options->cidfile, *ret_id, err);
	return 0;
}

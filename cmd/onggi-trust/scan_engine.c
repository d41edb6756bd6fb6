/* SPDX-License-Identifier: Apache-2.0 */
/* Images and workloads of an engine, by its API. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "client/session.h"
#include "scan_remote.h"
#include "trust/spool.h"

#define PIECE 65536

typedef int take_fn(void *data, const void *buf, size_t len, struct og_err *err);

static int ask(struct og_session *session, const char *before, const char *name, const char *after,
	       struct og_http **ret_http, struct og_err *err)
{
	og_auto_free char *escaped = og_url_name(name);
	og_auto_free char *path =
		escaped == NULL ? NULL : og_strdupf(OG_API "%s%s%s", before, escaped, after);
	struct og_http_call call = { .method = "GET", .path = path };
	int status = 0, r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "'%s'", name);
	r = og_session_open(session, &call, ret_http, err);
	if (r < 0)
		return r;
	r = og_answer_check(*ret_http, &status, err);
	return status != 404 ? r
			     : og_fail_plain(err, -ENOENT,
					     "the engine has no image '%s': pull it, or say "
					     "registry:%s to look into its registry",
					     name, name);
}

static int read_all(struct og_http *http, take_fn *take, void *data, struct og_err *err)
{
	og_auto_free char *buf = malloc(PIECE);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "read");
	for (;;) {
		ssize_t n = og_http_read(http, buf, PIECE, err);
		int r = n > 0 ? take(data, buf, (size_t)n, err) : (int)n;

		if (n <= 0 || r < 0)
			return r;
	}
}

static int fetch(const char *before, const char *name, const char *after, take_fn *take, void *data,
		 struct og_err *err)
{
	og_cleanup(og_session_done) struct og_session session = {};
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	int r = og_session_init(&session, NULL, err);

	if (r == 0)
		r = ask(&session, before, name, after, &http, err);
	return r < 0 ? r : read_all(http, take, data, err);
}

static int take_into_file(void *data, const void *buf, size_t len, struct og_err *err)
{
	int r = og_write_all(*(int *)data, buf, len);

	return r < 0 ? og_fail(err, r, "a copy of the image") : 0;
}

int scan_fetch_image(const char *name, struct og_err *err)
{
	og_auto_fd fd = og_spool_file(err);
	int r = fd < 0 ? fd : fetch("/images/", name, "/get", take_into_file, &fd, err);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = og_fail(err, -errno, "'%s'", name);
	return r < 0 ? r : og_take_fd(&fd);
}

/* Of a VM no folder here is the root: its process is one of ours, whose root is the host's. */
static bool is_vm(const struct og_json *answer)
{
	const struct og_json *host = og_json_get(answer, "HostConfig");

	return og_streq(og_json_string(og_json_get(host, "Isolation"), ""), "vm");
}

static int open_root(int64_t pid, const char *name, struct og_err *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%lld/root", (long long)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? og_fail(err, -errno, "the root of '%s'", name) : fd;
}

int scan_open_workload(const char *name, bool *ret_vm, struct og_err *err)
{
	og_cleanup(og_session_done) struct og_session session = {};
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *escaped = og_url_name(name);
	const char *image;
	int64_t pid;
	int r = og_session_init(&session, NULL, err);

	if (r == 0 && escaped == NULL)
		r = og_fail(err, -ENOMEM, "'%s'", name);
	if (r == 0)
		r = og_session_ask(&session, "GET", &answer, err, "/containers/%s/json", escaped);
	if (r < 0)
		return r;
	pid = og_json_int(og_json_get(og_json_get(answer, "State"), "Pid"), 0);
	if (pid <= 0)
		return og_fail_plain(err, -ESRCH, "'%s' does not run", name);
	*ret_vm = is_vm(answer);
	if (!*ret_vm)
		return open_root(pid, name, err);
	image = og_json_string(og_json_get(answer, "Image"), "");
	r = image[0] == '\0' ? og_fail_plain(err, -EBADMSG, "the engine does not say which it is")
			     : scan_fetch_image(image, err);
	return r < 0 ? og_fail_in(err, r, "the image of '%s'", name) : r;
}

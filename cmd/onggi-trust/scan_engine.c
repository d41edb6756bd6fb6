/* SPDX-License-Identifier: Apache-2.0 */
/* Images and workloads of an engine, by its API. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "base/sha256.h"
#include "base/text.h"
#include "client/session.h"
#include "scan_remote.h"
#include "scan_tar.h"
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
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "'%s'", name);
	r = og_session_open(session, &call, ret_http, err);
	return r < 0 ? r : og_answer_check(*ret_http, NULL, err);
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

struct layer {
	struct scan_tar *tar;
	struct og_sha256 *hash;
};

static int take_layer(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct layer *layer = data;

	int r = og_sha256_add(layer->hash, buf, len, err);

	return r < 0 ? r : scan_tar_write(layer->tar, buf, len, err);
}

/* What "docker load" takes: one layer, and a configuration that says its digest. */
static int add_documents(struct scan_tar *tar, const char *digest, const char *name,
			 struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();
	struct og_json *rootfs = og_json_new_object(), *ids = og_json_new_array(),
		       *entry = og_json_new_object(), *tags = og_json_new_array(),
		       *layers = og_json_new_array();
	og_auto_free char *config_text = NULL, *list_text = NULL;
	int r;

	og_json_set_string(config, "architecture", "amd64");
	og_json_set_string(config, "os", "linux");
	og_json_push(ids, og_json_new_string(digest));
	og_json_set_string(rootfs, "type", "layers");
	og_json_set(rootfs, "diff_ids", ids);
	og_json_set(config, "rootfs", rootfs);
	og_json_push(tags, og_json_new_string(name));
	og_json_push(layers, og_json_new_string("layer.tar"));
	og_json_set_string(entry, "Config", "config.json");
	og_json_set(entry, "RepoTags", tags);
	og_json_set(entry, "Layers", layers);
	og_json_push(list, entry);
	config_text = og_json_write(config);
	list_text = og_json_write(list);
	r = scan_tar_add(tar, "config.json", config_text, strlen(config_text), err);
	return r < 0 ? r : scan_tar_add(tar, "manifest.json", list_text, strlen(list_text), err);
}

int scan_fetch_workload(const char *name, struct og_err *err)
{
	og_cleanup(scan_tar_done) struct scan_tar tar = { .fd = -EBADF };
	og_cleanup(og_sha256_freep) struct og_sha256 *hash = NULL;
	struct layer layer = { .tar = &tar };
	struct og_digest digest;
	int r = og_sha256_new(&hash, err);

	layer.hash = hash;
	if (r == 0)
		r = scan_tar_begin(&tar, err);
	if (r == 0)
		r = scan_tar_member(&tar, "layer.tar", err);
	if (r == 0)
		r = fetch("/containers/", name, "/export", take_layer, &layer, err);
	if (r == 0)
		r = scan_tar_close(&tar, err);
	if (r < 0)
		return r;
	og_sha256_finish(hash, digest.sha256);
	r = add_documents(&tar, og_digest_format(&digest).text, "workload:latest", err);
	return r < 0 ? r : scan_tar_finish(&tar, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An image of a registry as an OCI layout in a tar. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/manifest.h"
#include "remote.h"
#include "scan_remote.h"
#include "scan_tar.h"

#define CONFIG_MAX (8U << 20) /* bytes; configurations have some KB */
#define LAYERS_MAX 500U

struct fetched {
	struct remote remote;
	struct scan_tar tar;
	struct og_document document;
};

static void fetched_done(struct fetched *fetched)
{
	og_document_done(&fetched->document);
	scan_tar_done(&fetched->tar);
	remote_done(&fetched->remote);
}

static int blob_name(const struct og_digest *digest, char name[100])
{
	return snprintf(name, 100, "blobs/sha256/%s", og_digest_hex(digest).text);
}

static int take(void *data, const void *buf, size_t len, struct og_err *err)
{
	return scan_tar_write(data, buf, len, err);
}

/* A blob that a manifest describes. Layers are checked when they are read: against the configuration. */
static int add_blob(struct fetched *fetched, const struct og_json *descriptor, struct og_err *err)
{
	const char *text = og_json_string(og_json_get(descriptor, "digest"), "");
	uint64_t size = og_json_uint(og_json_get(descriptor, "size"), UINT64_MAX);
	struct og_digest digest;
	char name[100];
	int r;

	if (og_digest_parse(text, &digest) < 0 || size == UINT64_MAX)
		return og_fail(err, -EBADMSG, "a blob '%.80s' of the manifest", text);
	(void)blob_name(&digest, name);
	r = scan_tar_member(&fetched->tar, name, err);
	if (r == 0)
		r = og_remote_blob(fetched->remote.registry, fetched->remote.client, &digest, size,
				   take, &fetched->tar, err);
	return r < 0 ? r : scan_tar_close(&fetched->tar, err);
}

static int add_config(struct fetched *fetched, const struct og_json *descriptor, struct og_err *err)
{
	const char *text = og_json_string(og_json_get(descriptor, "digest"), "");
	uint64_t size = og_json_uint(og_json_get(descriptor, "size"), UINT64_MAX);
	og_auto_free char *buf = NULL;
	struct og_digest digest;
	char name[100];
	int r;

	if (og_digest_parse(text, &digest) < 0 || size > CONFIG_MAX)
		return og_fail(err, -EBADMSG, "the configuration '%.80s'", text);
	r = og_remote_blob_read(fetched->remote.registry, fetched->remote.client, &digest, size,
				&buf, err);
	(void)blob_name(&digest, name);
	return r < 0 ? r : scan_tar_add(&fetched->tar, name, buf, (size_t)size, err);
}

/* This machine's image of an index, or the first; NULL when it is none. */
static const char *of_index(const struct og_json *root)
{
	const struct og_json *list = og_json_get(root, "manifests");
	const char *first = NULL;

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *entry = og_json_at(list, i),
				     *platform = og_json_get(entry, "platform");
		const char *digest = og_json_string(og_json_get(entry, "digest"), "");

		if (first == NULL)
			first = digest;
		if (og_streq(og_json_string(og_json_get(platform, "architecture"), ""),
			     og_native_architecture()) &&
		    og_streq(og_json_string(og_json_get(platform, "os"), ""), "linux"))
			return digest;
	}
	return first;
}

static int add_manifest(struct fetched *fetched, const struct og_json *root, struct og_err *err)
{
	const struct og_document *document = &fetched->document;
	const struct og_json *layers = og_json_get(root, "layers");
	og_auto_free char *index = NULL;
	char name[100];
	int r = add_config(fetched, og_json_get(root, "config"), err);

	if (r == 0 && og_json_count(layers) > LAYERS_MAX)
		r = og_fail(err, -E2BIG, "more than %u layers", LAYERS_MAX);
	for (size_t i = 0; r == 0 && i < og_json_count(layers); i++)
		r = add_blob(fetched, og_json_at(layers, i), err);
	(void)blob_name(&document->digest, name);
	if (r == 0)
		r = scan_tar_add(&fetched->tar, name, document->buf, document->len, err);
	index = og_strdupf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\","
			   "\"digest\":\"%s\",\"size\":%zu}]}",
			   document->media_type, og_digest_format(&document->digest).text,
			   document->len);
	if (index == NULL)
		return og_fail(err, -ENOMEM, "index");
	if (r == 0)
		r = scan_tar_add(&fetched->tar, "index.json", index, strlen(index), err);
	return r;
}

static int fetch_manifest(struct fetched *fetched, const char *reference, struct og_json **ret_root,
			  struct og_err *err)
{
	int r;

	og_document_done(&fetched->document);
	fetched->document = (struct og_document){};
	r = og_remote_manifest(fetched->remote.registry, fetched->remote.client, reference,
			       &fetched->document, err);
	/* It goes into a document of ours. */
	if (r == 0 && strpbrk(fetched->document.media_type, "\"\\") != NULL)
		r = og_fail(err, -EPROTO, "the manifest's media type");
	return r < 0 ? r
		     : og_json_parse(fetched->document.buf, fetched->document.len, ret_root, err);
}

static int fetch_all(struct fetched *fetched, struct og_err *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	int r = fetch_manifest(fetched, fetched->remote.reference, &root, err);
	const char *one = r == 0 ? of_index(root) : NULL;

	if (one != NULL) {
		og_auto_free char *digest = og_strdupf("%s", one);

		root = og_json_free(root);
		if (digest == NULL || !og_remote_is_digest(digest))
			return og_fail(err, -EBADMSG, "the index");
		r = fetch_manifest(fetched, digest, &root, err);
	}
	if (r == 0)
		r = scan_tar_add(&fetched->tar, "oci-layout", layout, sizeof(layout) - 1, err);
	return r < 0 ? r : add_manifest(fetched, root, err);
}

int scan_fetch_registry(const char *name, const struct og_words *insecure, struct og_err *err)
{
	og_cleanup(fetched_done) struct fetched fetched = { .tar = { .fd = -EBADF } };
	int r = remote_open(&fetched.remote, name, insecure, OG_REMOTE_PULL, err);

	if (r == 0)
		r = scan_tar_begin(&fetched.tar, err);
	if (r == 0)
		r = fetch_all(&fetched, err);
	if (r < 0)
		return og_fail_in(err, r, "'%s'", name);
	return scan_tar_finish(&fetched.tar, err);
}

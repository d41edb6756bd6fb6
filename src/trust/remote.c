/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "trust/attached.h"

struct remote {
	struct og_remote *registry;
	struct og_http_client *client;
};

struct collected {
	char *buf; /* owned */
	size_t len, size;
};

static int collect(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct collected *collected = data;

	if (len > collected->size - collected->len)
		return og_fail_plain(err, -EBADMSG, "longer than said");
	memcpy(collected->buf + collected->len, buf, len);
	collected->len += len;
	return 0;
}

static int check_blob(const char *buf, size_t len, const struct og_digest *want, struct og_err *err)
{
	og_cleanup(og_sha256_freep) struct og_sha256 *sha256 = NULL;
	struct og_digest got;
	int r = og_sha256_new(&sha256, err);

	if (r == 0)
		r = og_sha256_add(sha256, buf, len, err);
	if (r < 0)
		return r;
	og_sha256_finish(sha256, got.sha256);
	if (!og_digest_equal(&got, want))
		return og_fail_plain(err, -EBADMSG, "blob %s: its content is another",
				     og_digest_format(want).text);
	return 0;
}

int og_attached_blob(struct og_remote *registry, struct og_http_client *client,
		     const struct og_digest *digest, uint64_t size, size_t max_bytes,
		     char **ret_buf, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	struct collected collected = { .size = (size_t)size };
	int r;

	if (size > max_bytes)
		return og_fail_plain(err, -E2BIG, "blob %s: over %zu bytes",
				     og_digest_format(digest).text, max_bytes);
	buf = calloc(1, (size_t)size + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	collected.buf = buf;
	r = og_remote_blob(registry, client, digest, size, collect, &collected, err);
	if (r == 0)
		r = check_blob(buf, (size_t)size, digest, err);
	if (r == 0)
		*ret_buf = og_take_ptr(buf);
	return r;
}

/* ---- as a source ---- */

static int remote_manifest(void *data, const char *reference, char **ret_buf, size_t *ret_len,
			   struct og_err *err)
{
	const struct remote *remote = data;
	og_cleanup(og_document_done) struct og_document document = {};
	int r = og_remote_manifest(remote->registry, remote->client, reference, &document, err);

	if (r < 0)
		return r;
	*ret_len = document.len;
	*ret_buf = og_take_ptr(document.buf);
	return 0;
}

static int remote_blob(void *data, const struct og_digest *digest, uint64_t size, size_t max_bytes,
		       char **ret_buf, struct og_err *err)
{
	const struct remote *remote = data;

	return og_attached_blob(remote->registry, remote->client, digest, size, max_bytes, ret_buf,
				err);
}

static int remote_referrers(void *data, const struct og_digest *subject,
			    og_evidence_referrer_fn *fn, void *fn_data, struct og_err *err)
{
	const struct remote *remote = data;
	og_cleanup(og_referrers_done) struct og_referrers list = {};
	int r = og_remote_referrers(remote->registry, remote->client,
				    og_digest_format(subject).text, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++)
		r = fn(fn_data, list.items[i].digest, list.items[i].artifact_type, err);
	return r < 0 ? r : 0;
}

int og_evidence_fetch_remote(struct og_evidence *evidence, struct og_remote *registry,
			     struct og_http_client *client, struct og_err *err)
{
	struct remote remote = { .registry = registry, .client = client };
	const struct og_evidence_source source = {
		.manifest = remote_manifest,
		.blob = remote_blob,
		.referrers = remote_referrers,
		.data = &remote,
	};

	return og_evidence_fetch(evidence, &source, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct remote {
	struct og_remote *registry;
	struct og_http_client *client;
};

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

	if (size > max_bytes)
		return og_fail_plain(err, -E2BIG, "blob %s: over %zu bytes",
				     og_digest_format(digest).text, max_bytes);
	return og_remote_blob_read(remote->registry, remote->client, digest, size, ret_buf, err);
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

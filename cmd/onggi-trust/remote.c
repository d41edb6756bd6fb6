/* SPDX-License-Identifier: Apache-2.0 */
#include "remote.h"
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/manifest.h"
#include "trust/remote.h"

void remote_done(struct remote *remote)
{
	(void)og_remote_free(remote->registry);
	(void)og_http_client_free(remote->client);
	og_credentials_done(&remote->credentials);
	*remote = (struct remote){};
}

static bool has_tag(const char *image)
{
	size_t len = strcspn(image, "@");
	const char *slash = memrchr(image, '/', len);
	const char *last = slash != NULL ? slash : image;

	return memchr(last, ':', len - (size_t)(last - image)) != NULL;
}

int remote_open(struct remote *remote, const char *image, const struct og_words *insecure,
		unsigned int access, struct og_err *err)
{
	og_auto_free char *key = NULL;
	int r = og_imageref_parse(image, &remote->ref, err);

	if (r < 0)
		return r;
	remote->has_tag = has_tag(image);
	(void)snprintf(remote->reference, sizeof(remote->reference), "%s",
		       remote->ref.has_digest ? og_digest_format(&remote->ref.digest).text
					      : remote->ref.tag);
	key = og_credentials_key(remote->ref.domain);
	if (key == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_credentials_find(key, &remote->credentials, err);
	if (r < 0)
		return r;
	remote->options = (struct og_remote_options){
		.access = access,
		.user = remote->credentials.user,
		.password = remote->credentials.password,
		.identity_token = remote->credentials.identity_token,
		.insecure = insecure != NULL ? insecure->items : NULL,
	};
	r = og_remote_new(&remote->ref, &remote->options, &remote->registry, err);
	if (r == 0)
		r = og_http_client_new(&remote->client, err);
	return r;
}

int remote_resolve(struct remote *remote, struct og_document *ret_document, struct og_err *err)
{
	return og_remote_manifest(remote->registry, remote->client, remote->reference, ret_document,
				  err);
}

int remote_choose(const struct og_document *index, const char *platform,
		  struct og_digest *ret_digest, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	const struct og_descriptor *chosen;
	char os[64], architecture[64], variant[64] = "";
	int r = og_manifest_parse_image(index->buf, index->len, index->media_type, &manifest, err);

	if (r < 0 && r != -ENOTSUP)
		return r;
	if (r == -ENOTSUP || !manifest->is_index) {
		if (err != NULL)
			*err = (struct og_err){};
		*ret_digest = index->digest;
		return 0;
	}
	if (strlen(platform) > 60 ||
	    sscanf(platform, "%63[^/]/%63[^/]/%63[^/]", os, architecture, variant) < 2)
		return og_fail_plain(err, TRUST_WRONG_USE,
				     "--platform: '%s' is not OS/ARCHITECTURE", platform);
	chosen = og_manifest_choose(manifest, os, architecture, variant);
	if (chosen == NULL)
		return og_fail_plain(err, -ENOENT, "there is no image for %s in it", platform);
	*ret_digest = chosen->sha256;
	return 0;
}

int remote_evidence(struct remote *remote, const char *platform, struct og_evidence **ret_evidence,
		    struct og_err *err)
{
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	struct og_digest chosen;
	bool from_index;
	int r = remote_resolve(remote, &document, err);

	if (r < 0)
		return r;
	chosen = document.digest;
	if (platform != NULL)
		r = remote_choose(&document, platform, &chosen, err);
	if (r < 0)
		return r;
	from_index = !og_digest_equal(&chosen, &document.digest);
	r = og_evidence_new(&chosen, from_index ? document.buf : NULL, document.len, &evidence,
			    err);
	if (r == 0)
		r = og_evidence_fetch_remote(evidence, remote->registry, remote->client, err);
	if (r == 0)
		*ret_evidence = og_take_ptr(evidence);
	return r;
}

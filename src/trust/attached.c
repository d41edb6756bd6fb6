/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/attached.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/artifact.h"
#include "format/manifest.h"

#define EMPTY "{}"

/* Uploads @buf, unless it is there, and gives its descriptor, the caller's. */
static int put_blob(struct og_remote *registry, struct og_http_client *client,
		    const char *media_type, const void *buf, size_t len,
		    struct og_json **ret_descriptor, struct og_err *err)
{
	struct og_digest digest;
	struct og_digest_text name;
	struct og_remote_source source = { .size = len, .buf = buf };
	int r = og_digest_of(buf, len, &digest, err);

	if (r < 0)
		return r;
	name = og_digest_format(&digest);
	source.digest = name.text;
	r = og_remote_has_blob(registry, client, name.text, NULL, err);
	if (r == 0)
		r = og_remote_put_blob(registry, client, &source, err);
	if (r < 0)
		return r;
	*ret_descriptor = og_artifact_descriptor(media_type, &digest, len);
	return 0;
}

static int put_layer(struct og_remote *registry, struct og_http_client *client,
		     const struct og_attachment *attachment, struct og_json **ret_descriptor,
		     struct og_err *err)
{
	int r = put_blob(registry, client, attachment->media_type, attachment->buf, attachment->len,
			 ret_descriptor, err);

	if (r == 0 && attachment->layer_annotations != NULL)
		og_json_set(*ret_descriptor, "annotations",
			    og_json_copy(attachment->layer_annotations));
	return r;
}

/* ---- cosign's tags ---- */

/* The layers of the tag as it is, an empty list where there is none; the caller's. */
static int read_layers(struct og_remote *registry, struct og_http_client *client, const char *tag,
		       struct og_json **ret_layers, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	int r = og_remote_manifest(registry, client, tag, &document, err);

	if (r == -ENOENT) {
		if (err != NULL)
			*err = (struct og_err){};
		*ret_layers = og_json_new_array();
		return 0;
	}
	if (r == 0)
		r = og_artifact_parse(document.buf, document.len, &artifact, err);
	if (r == 0 && artifact->count == OG_ARTIFACT_LAYERS_MAX)
		r = og_fail_plain(err, -E2BIG, "it has %d signatures already",
				  OG_ARTIFACT_LAYERS_MAX);
	if (r < 0)
		return og_fail_in(err, r, "tag %s", tag);
	*ret_layers = og_json_copy(og_json_get(artifact->root, "layers"));
	return 0;
}

/*
 * The configuration that cosign writes: an image's, whose diff IDs are the layers' digests, so that
 * tools which know only images take it.
 */
static char *write_config(const struct og_json *layers)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *rootfs = og_json_new_object();
	struct og_json *ids = og_json_new_array();

	for (size_t i = 0; i < og_json_count(layers); i++)
		og_json_push(ids, og_json_copy(og_json_get(og_json_at(layers, i), "digest")));
	og_json_set_string(rootfs, "type", "layers");
	og_json_set(rootfs, "diff_ids", ids);
	og_json_set_string(root, "architecture", "");
	og_json_set_string(root, "created", "0001-01-01T00:00:00Z");
	og_json_set(root, "config", og_json_new_object());
	og_json_set_string(root, "os", "");
	og_json_set(root, "rootfs", rootfs);
	return og_json_write(root);
}

static struct og_json *new_manifest(struct og_json *config, struct og_json *layers)
{
	struct og_json *root = og_json_new_object();

	og_json_set_int(root, "schemaVersion", 2);
	og_json_set_string(root, "mediaType", OG_MEDIA_OCI_MANIFEST);
	og_json_set(root, "config", config);
	og_json_set(root, "layers", layers);
	return root;
}

static int put_manifest(struct og_remote *registry, struct og_http_client *client,
			const char *reference, const struct og_json *root,
			struct og_digest *ret_digest, struct og_err *err)
{
	og_auto_free char *text = og_json_write(root);
	struct og_digest digest;
	int r;

	if (text == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_digest_of(text, strlen(text), &digest, err);
	if (r < 0)
		return r;
	return og_remote_put_manifest(
		registry, client, reference != NULL ? reference : og_digest_format(&digest).text,
		OG_MEDIA_OCI_MANIFEST, text, strlen(text), ret_digest, err);
}

int og_attach_tag(struct og_remote *registry, struct og_http_client *client, const char *kind,
		  const struct og_attachment *attachment, struct og_err *err)
{
	og_auto_free char *tag =
		og_strdupf("sha256-%s.%s", og_digest_hex(&attachment->subject).text, kind);
	og_cleanup(og_json_freep) struct og_json *layers = NULL;
	og_cleanup(og_json_freep) struct og_json *manifest = NULL;
	og_auto_free char *config_text = NULL;
	struct og_json *layer = NULL, *config = NULL;
	int r;

	if (tag == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = read_layers(registry, client, tag, &layers, err);
	if (r == 0)
		r = put_layer(registry, client, attachment, &layer, err);
	if (r < 0)
		return r;
	og_json_push(layers, layer);
	config_text = write_config(layers);
	if (config_text == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = put_blob(registry, client, OG_MEDIA_OCI_CONFIG, config_text, strlen(config_text),
		     &config, err);
	if (r < 0)
		return r;
	manifest = new_manifest(config, og_take_ptr(layers));
	return put_manifest(registry, client, tag, manifest, NULL, err);
}

/* ---- referrers ---- */

int og_attach_referrer(struct og_remote *registry, struct og_http_client *client,
		       const struct og_attachment *attachment, struct og_digest *ret_digest,
		       struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *manifest = NULL;
	struct og_json *layers, *layer = NULL, *config = NULL;
	int r = put_layer(registry, client, attachment, &layer, err);

	if (r < 0)
		return r;
	r = put_blob(registry, client, OG_MEDIA_OCI_EMPTY, EMPTY, strlen(EMPTY), &config, err);
	if (r < 0) {
		(void)og_json_free(layer);
		return r;
	}
	layers = og_json_new_array();
	og_json_push(layers, layer);
	manifest = new_manifest(config, layers);
	og_json_set_string(manifest, "artifactType", attachment->artifact_type);
	og_json_set(manifest, "subject",
		    og_artifact_descriptor(attachment->subject_media_type, &attachment->subject,
					   attachment->subject_size));
	if (attachment->annotations != NULL)
		og_json_set(manifest, "annotations", og_json_copy(attachment->annotations));
	return put_manifest(registry, client, NULL, manifest, ret_digest, err);
}

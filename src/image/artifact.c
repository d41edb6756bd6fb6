/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a VM's artifact: its manifest and its index, each judged before it is believed. */
#include "image/artifact.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "format/manifest.h"

#define CONFIG_BYTES_MAX (1U << 20)

void og_vm_artifact_done(struct og_vm_artifact *artifact)
{
	og_vm_index_done(&artifact->index);
	free(artifact->packs);
	og_json_free(artifact->config);
	*artifact = (struct og_vm_artifact){};
}

static int read_descriptor(const struct og_json *json, const char *media_type, uint64_t max_bytes,
			   struct og_vm_pack *ret_blob, struct og_err *err)
{
	const char *type = og_json_string(og_json_get(json, "mediaType"), "");
	const char *digest = og_json_string(og_json_get(json, "digest"), "");
	uint64_t size = og_json_uint(og_json_get(json, "size"), UINT64_MAX);
	struct og_vm_pack blob = { .size = size };

	if (!og_streq(type, media_type))
		return og_fail_plain(err, -EBADMSG, "manifest: '%.80s' in place of '%s'", type,
				     media_type);
	if (og_digest_parse(digest, &blob.digest) < 0)
		return og_fail_plain(err, -EBADMSG, "manifest: bad digest '%.80s'", digest);
	if (size > max_bytes)
		return og_fail_plain(err, -E2BIG,
				     "manifest: a blob of %llu bytes, the limit is %llu",
				     (unsigned long long)size, (unsigned long long)max_bytes);
	*ret_blob = blob;
	return 0;
}

/* What the index says of packs must lie in the packs that the manifest names. */
static int check_packs(const struct og_vm_artifact *artifact, size_t pack_count, struct og_err *err)
{
	const struct og_vm_index *index = &artifact->index;

	if (index->pack_count != pack_count)
		return og_fail_plain(err, -EBADMSG, "index: %u packs, the manifest names %zu",
				     index->pack_count, pack_count);
	for (uint32_t i = 0; i < index->chunk_count; i++) {
		const struct og_vm_chunk *chunk = &index->chunks[i];

		if ((uint64_t)chunk->offset + chunk->stored > artifact->packs[chunk->pack].size)
			return og_fail_plain(err, -EBADMSG,
					     "index: chunk %u lies outside of its pack", i);
	}
	return 0;
}

static int read_layers(struct og_remote *registry, struct og_http_client *client,
		       const struct og_json *layers, struct og_vm_artifact *artifact,
		       struct og_err *err)
{
	size_t count = og_json_count(layers);
	og_auto_free char *buf = NULL;
	struct og_vm_pack index = {};
	int r;

	if (count == 0 || count - 1 > OG_VM_PACKS_MAX)
		return og_fail_plain(err, count == 0 ? -EBADMSG : -E2BIG, "manifest: %zu layers",
				     count);
	artifact->packs = calloc(count, sizeof(*artifact->packs));
	if (artifact->packs == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = read_descriptor(og_json_at(layers, 0), OG_VM_MEDIA_INDEX, OG_VM_INDEX_BYTES_MAX, &index,
			    err);
	for (size_t i = 1; i < count && r == 0; i++) {
		r = read_descriptor(og_json_at(layers, i), OG_VM_MEDIA_PACK, OG_VM_PACK_BYTES_MAX,
				    &artifact->packs[i - 1], err);
		artifact->stored_bytes += artifact->packs[i - 1].size;
	}
	if (r == 0)
		r = og_remote_blob_read(registry, client, &index.digest, index.size, &buf, err);
	if (r == 0)
		r = og_vm_index_read((const uint8_t *)buf, index.size, &artifact->index, err);
	artifact->stored_bytes += index.size;
	return r < 0 ? r : check_packs(artifact, count - 1, err);
}

static int read_config(struct og_remote *registry, struct og_http_client *client,
		       const struct og_json *json, struct og_vm_artifact *artifact,
		       struct og_err *err)
{
	og_auto_free char *buf = NULL;
	struct og_vm_pack config = {};
	int r = read_descriptor(
		json, artifact->is_disk ? OG_VM_MEDIA_DISK_CONFIG : OG_VM_MEDIA_SNAPSHOT_CONFIG,
		CONFIG_BYTES_MAX, &config, err);

	if (r == 0)
		r = og_remote_blob_read(registry, client, &config.digest, config.size, &buf, err);
	if (r < 0)
		return r;
	if (og_json_parse(buf, config.size, &artifact->config, err) < 0)
		return og_fail_in(err, -EBADMSG, "configuration");
	return 0;
}

int og_vm_artifact_read(struct og_remote *registry, struct og_http_client *client,
			const char *reference, struct og_vm_artifact *ret_artifact,
			struct og_err *err)
{
	og_cleanup(og_vm_artifact_done) struct og_vm_artifact artifact = {};
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const char *type;
	int r = og_remote_manifest(registry, client, reference, &document, err);

	if (r < 0)
		return r;
	if (og_json_parse(document.buf, document.len, &root, err) < 0)
		return og_fail_in(err, -EBADMSG, "manifest");
	type = og_json_string(og_json_get(root, "artifactType"), "");
	artifact.digest = document.digest;
	artifact.is_disk = og_streq(type, OG_VM_MEDIA_DISK);
	if (!artifact.is_disk && !og_streq(type, OG_VM_MEDIA_SNAPSHOT))
		return og_fail_plain(err, -ENOTSUP,
				     "it is neither a snapshot nor a disk of a VM but '%.80s'",
				     type[0] != '\0' ? type : "an image");
	r = read_layers(registry, client, og_json_get(root, "layers"), &artifact, err);
	if (r == 0)
		r = read_config(registry, client, og_json_get(root, "config"), &artifact, err);
	if (r < 0)
		return r;
	*ret_artifact = artifact;
	artifact = (struct og_vm_artifact){};
	return 0;
}

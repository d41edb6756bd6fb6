/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push in two passes. The first reads the files and knows each chunk's digest. Chunks that a pack of
 * the base holds stay there, unless too little of that pack is still wanted; the others are shared out
 * among new packs, in the order in which they were found, so that equal files give equal packs. The
 * second pass reads those again, packs and sends them, a few at a time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "base/zstd_block.h"
#include "format/manifest.h"
#include "image/artifact.h"
#include "image/artifact_scan.h"
#include "image/crew.h"

/* A pack of the base is kept while at least one in so many of its bytes is wanted. */
#define LEAST_SHARE 4

#define STATE_HEAD_BYTES (64U << 10) /* of a state file: its MACH section is the first */

/* A chunk on its way into the index. */
struct planned {
	uint32_t found; /* of the scan's */
	struct og_vm_chunk chunk;
};

struct pushing {
	const struct og_vm_push *push;
	struct og_vm_scan scan;
	struct og_vm_artifact base;

	struct planned *plan; /* by pack, then offset; owned */
	uint32_t plan_count, shared_count;
	struct og_vm_pack *packs; /* owned */
	uint32_t pack_count, shared_packs;

	pthread_mutex_t lock; /* over what is below */
	struct og_vm_pushed result;
};

static void pushing_done(struct pushing *pushing)
{
	og_vm_scan_done(&pushing->scan);
	og_vm_artifact_done(&pushing->base);
	free(pushing->plan);
	free(pushing->packs);
	(void)pthread_mutex_destroy(&pushing->lock);
}

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* ---- planning ---- */

/* What is under the tag now is the base unless another was named; anything else there is no base. */
static int read_base(struct pushing *pushing, struct og_err *err)
{
	const struct og_vm_push *push = pushing->push;
	struct og_err quiet = {};
	int r = og_vm_artifact_read(push->registry, push->client,
				    push->base != NULL ? push->base : push->tag, &pushing->base,
				    &quiet);

	if (r == 0 || (push->base == NULL && (r == -ENOENT || r == -ENOTSUP || r == -EBADMSG)))
		return 0;
	if (err != NULL)
		*err = quiet;
	return push->base != NULL ? og_fail_in(err, r, "base '%s'", push->base) : r;
}

/* Which packs of the base are worth keeping: 1 for each. The caller frees it. */
static uint8_t *judge_packs(const struct pushing *pushing)
{
	const struct og_vm_artifact *base = &pushing->base;
	uint32_t count = base->index.pack_count;
	uint8_t *keep = calloc(count + 1, sizeof(*keep));
	og_auto_free uint64_t *wanted = calloc(count + 1, sizeof(*wanted));

	if (keep == NULL || wanted == NULL) {
		free(keep);
		return NULL;
	}
	for (uint32_t i = 0; i < base->index.chunk_count; i++) {
		const struct og_vm_chunk *chunk = &base->index.chunks[i];

		if (og_vm_scan_find(&pushing->scan, &chunk->digest) >= 0)
			wanted[chunk->pack] += chunk->stored;
	}
	for (uint32_t i = 0; i < count; i++)
		keep[i] = wanted[i] > 0 && wanted[i] * LEAST_SHARE >= base->packs[i].size;
	return keep;
}

static void plan_chunk(struct pushing *pushing, uint32_t found, const struct og_vm_chunk *chunk,
		       uint32_t pack)
{
	struct planned *planned = &pushing->plan[pushing->plan_count++];

	planned->found = found;
	planned->chunk = *chunk;
	planned->chunk.pack = pack;
}

/* Chunks that stay where they are, in the base's order. @planned marks those of the scan. */
static void plan_shared(struct pushing *pushing, const uint8_t *keep, uint8_t *planned)
{
	const struct og_vm_artifact *base = &pushing->base;
	uint32_t last = UINT32_MAX;

	for (uint32_t i = 0; i < base->index.chunk_count; i++) {
		const struct og_vm_chunk *chunk = &base->index.chunks[i];
		int64_t found = og_vm_scan_find(&pushing->scan, &chunk->digest);

		if (found < 0 || !keep[chunk->pack] || planned[found] ||
		    pushing->scan.found[found].bytes != chunk->bytes)
			continue;
		if (chunk->pack != last)
			pushing->packs[pushing->pack_count++] = base->packs[chunk->pack];
		last = chunk->pack;
		planned[found] = 1;
		plan_chunk(pushing, (uint32_t)found, chunk, pushing->pack_count - 1);
	}
	pushing->shared_count = pushing->plan_count;
	pushing->shared_packs = pushing->pack_count;
}

static void plan_new(struct pushing *pushing, const uint8_t *planned)
{
	uint32_t nth = 0;

	for (uint32_t i = 0; i < pushing->scan.found_count; i++) {
		const struct og_vm_found *found = &pushing->scan.found[i];
		const struct og_vm_chunk chunk = { .digest = found->digest, .bytes = found->bytes };

		if (planned[i])
			continue;
		if (nth++ % OG_VM_PACK_CHUNKS == 0)
			pushing->pack_count++;
		plan_chunk(pushing, i, &chunk, pushing->pack_count - 1);
	}
}

static int make_plan(struct pushing *pushing, struct og_err *err)
{
	uint32_t found_count = pushing->scan.found_count;
	og_auto_free uint8_t *keep = judge_packs(pushing);
	og_auto_free uint8_t *planned = calloc(found_count + 1UL, sizeof(*planned));

	pushing->plan = calloc(found_count + 1UL, sizeof(*pushing->plan));
	pushing->packs =
		calloc(pushing->base.index.pack_count + found_count / OG_VM_PACK_CHUNKS + 2UL,
		       sizeof(*pushing->packs));
	if (keep == NULL || planned == NULL || pushing->plan == NULL || pushing->packs == NULL)
		return no_memory(err);
	plan_shared(pushing, keep, planned);
	plan_new(pushing, planned);
	if (pushing->pack_count > OG_VM_PACKS_MAX)
		return og_fail_plain(err, -E2BIG, "over %u packs", OG_VM_PACKS_MAX);
	return 0;
}

/* ---- sending ---- */

static int send_blob(struct pushing *pushing, struct og_http_client *client, const void *buf,
		     size_t len, struct og_vm_pack *ret_blob, bool *ret_sent, struct og_err *err)
{
	struct og_remote *registry = pushing->push->registry;
	struct og_digest_text name;
	struct og_remote_source source = { .buf = buf, .size = len };
	struct og_vm_pack blob = { .size = len };
	int r = og_digest_of(buf, len, &blob.digest, err);

	if (r < 0)
		return r;
	name = og_digest_format(&blob.digest);
	source.digest = name.text;
	*ret_sent = false;
	r = og_remote_has_blob(registry, client, name.text, NULL, err);
	if (r == 0) {
		r = og_remote_put_blob(registry, client, &source, err);
		*ret_sent = true;
		(void)pthread_mutex_lock(&pushing->lock);
		pushing->result.sent_bytes += len;
		(void)pthread_mutex_unlock(&pushing->lock);
	}
	if (r < 0)
		return r;
	*ret_blob = blob;
	return 0;
}

/* Packs the chunks of one new pack into @out; where they are goes into the plan. */
static int fill_pack(struct pushing *pushing, struct planned *first, size_t count, uint8_t *out,
		     size_t room, size_t *ret_len, struct og_err *err)
{
	og_cleanup(og_zstd_block_freep) struct og_zstd_block *zstd = NULL;
	og_auto_free uint8_t *buf = malloc(OG_VM_CHUNK_BYTES);
	size_t len = 0;
	int r = buf == NULL ? no_memory(err) : og_zstd_block_new(&zstd, err);

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct og_vm_found *found = &pushing->scan.found[first[i].found];
		size_t stored = 0;

		r = og_vm_scan_read(&pushing->scan, found, buf, err);
		if (r == 0)
			r = og_zstd_block_pack(zstd, buf, found->bytes, out + len, room - len,
					       &stored, err);
		first[i].chunk.offset = (uint32_t)len;
		first[i].chunk.stored = (uint32_t)stored;
		len += stored;
	}
	*ret_len = len;
	return r;
}

static int send_pack(void *data, struct og_http_client *client, size_t nth, struct og_err *err)
{
	struct pushing *pushing = data;
	size_t first = pushing->shared_count + nth * OG_VM_PACK_CHUNKS;
	size_t left = pushing->plan_count - first;
	size_t count = left < OG_VM_PACK_CHUNKS ? left : OG_VM_PACK_CHUNKS;
	size_t room = count * og_zstd_block_bound(OG_VM_CHUNK_BYTES), len = 0;
	og_auto_free uint8_t *out = malloc(room);
	bool sent = false;
	int r;

	if (out == NULL)
		return no_memory(err);
	r = fill_pack(pushing, &pushing->plan[first], count, out, room, &len, err);
	if (r == 0)
		r = send_blob(pushing, client, out, len,
			      &pushing->packs[pushing->shared_packs + nth], &sent, err);
	if (r == 0 && sent) {
		(void)pthread_mutex_lock(&pushing->lock);
		pushing->result.packs_sent++;
		(void)pthread_mutex_unlock(&pushing->lock);
	}
	return r;
}

/* ---- documents ---- */

/* The plan becomes the index's table of chunks, and places name its rows. */
static int fill_index(struct pushing *pushing, struct og_err *err)
{
	struct og_vm_index *index = &pushing->scan.index;
	og_auto_free uint32_t *row = calloc(pushing->scan.found_count + 1UL, sizeof(*row));

	index->chunks = calloc(pushing->plan_count + 1UL, sizeof(*index->chunks));
	if (index->chunks == NULL || row == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < pushing->plan_count; i++) {
		index->chunks[i] = pushing->plan[i].chunk;
		row[pushing->plan[i].found] = i;
	}
	for (uint32_t i = 0; i < index->place_count; i++)
		index->places[i].chunk = row[index->places[i].chunk];
	index->chunk_count = pushing->plan_count;
	index->pack_count = pushing->pack_count;
	return 0;
}

/* What machine a state file among them is of, for people. */
static void describe_machine(const struct pushing *pushing, struct og_json *config)
{
	og_auto_free uint8_t *head = malloc(STATE_HEAD_BYTES);

	for (uint32_t i = 0; head != NULL && i < pushing->scan.index.file_count; i++) {
		ssize_t n = og_pread_upto(pushing->scan.fds[i], head, STATE_HEAD_BYTES, 0);
		uint64_t memory_mib;
		uint32_t cpus;
		struct og_json *machine;

		if (n <= 0 || !og_vm_state_machine(head, (size_t)n, &memory_mib, &cpus))
			continue;
		machine = og_json_new_object();
		og_json_set(machine, "memoryMiB", og_json_new_uint(memory_mib));
		og_json_set(machine, "vcpus", og_json_new_uint(cpus));
		og_json_set(config, "machine", machine);
		return;
	}
}

static char *make_config(const struct pushing *pushing)
{
	const struct og_vm_index *index = &pushing->scan.index;
	og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();
	struct og_json *files = og_json_new_array();

	for (uint32_t i = 0; i < index->file_count; i++) {
		struct og_json *file = og_json_new_object();

		og_json_set_string(file, "name", index->files[i].name);
		og_json_set(file, "size", og_json_new_uint(index->files[i].size));
		og_json_push(files, file);
	}
	og_json_set(config, "architecture", og_json_new_string(og_native_architecture()));
	og_json_set(config, "dataBytes", og_json_new_uint(pushing->scan.data_bytes));
	og_json_set(config, "files", files);
	describe_machine(pushing, config);
	return og_json_write(config);
}

static struct og_json *make_descriptor(const char *media_type, const struct og_vm_pack *blob)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "mediaType", media_type);
	og_json_set_string(json, "digest", og_digest_format(&blob->digest).text);
	og_json_set(json, "size", og_json_new_uint(blob->size));
	return json;
}

static char *make_manifest(const struct pushing *pushing, const struct og_vm_pack *config,
			   const struct og_vm_pack *index)
{
	bool disk = pushing->scan.is_disk;
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *layers = og_json_new_array();

	og_json_set_int(root, "schemaVersion", 2);
	og_json_set_string(root, "mediaType", OG_MEDIA_OCI_MANIFEST);
	og_json_set_string(root, "artifactType", disk ? OG_VM_MEDIA_DISK : OG_VM_MEDIA_SNAPSHOT);
	og_json_set(root, "config",
		    make_descriptor(disk ? OG_VM_MEDIA_DISK_CONFIG : OG_VM_MEDIA_SNAPSHOT_CONFIG,
				    config));
	og_json_push(layers, make_descriptor(OG_VM_MEDIA_INDEX, index));
	for (uint32_t i = 0; i < pushing->pack_count; i++)
		og_json_push(layers, make_descriptor(OG_VM_MEDIA_PACK, &pushing->packs[i]));
	og_json_set(root, "layers", layers);
	return og_json_write(root);
}

static int send_documents(struct pushing *pushing, struct og_err *err)
{
	struct og_http_client *client = pushing->push->client;
	og_auto_free uint8_t *index = NULL;
	og_auto_free char *config = make_config(pushing);
	og_auto_free char *manifest = NULL;
	struct og_vm_pack index_blob = {}, config_blob = {};
	size_t index_len = 0;
	bool sent;
	int r = og_vm_index_write(&pushing->scan.index, &index, &index_len, err);

	if (r == 0)
		r = send_blob(pushing, client, index, index_len, &index_blob, &sent, err);
	if (r == 0)
		r = send_blob(pushing, client, config, strlen(config), &config_blob, &sent, err);
	if (r < 0)
		return r;
	manifest = make_manifest(pushing, &config_blob, &index_blob);
	if (strlen(manifest) > OG_MANIFEST_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "the manifest is over %u bytes",
				     OG_MANIFEST_BYTES_MAX);
	return og_remote_put_manifest(pushing->push->registry, client, pushing->push->tag,
				      OG_MEDIA_OCI_MANIFEST, manifest, strlen(manifest),
				      &pushing->result.digest, err);
}

int og_vm_push(const struct og_vm_push *push, struct og_vm_pushed *ret_pushed, struct og_err *err)
{
	og_cleanup(pushing_done) struct pushing pushing = { .push = push };
	int r;

	(void)pthread_mutex_init(&pushing.lock, NULL);
	r = og_vm_scan(push->path, &pushing.scan, err);
	if (r == 0)
		r = read_base(&pushing, err);
	if (r == 0)
		r = make_plan(&pushing, err);
	if (r == 0)
		r = og_crew_run(pushing.pack_count - pushing.shared_packs, send_pack, NULL,
				&pushing, err);
	if (r == 0)
		r = fill_index(&pushing, err);
	if (r == 0)
		r = send_documents(&pushing, err);
	if (r < 0)
		return r;
	pushing.result.data_bytes = pushing.scan.data_bytes;
	pushing.result.packs = pushing.pack_count;
	pushing.result.packs_shared = pushing.shared_packs;
	*ret_pushed = pushing.result;
	return 0;
}

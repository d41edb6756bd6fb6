/* SPDX-License-Identifier: Apache-2.0 */
#include "format/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAGIC		 0x514649fbU
#define HEADER_V2_BYTES	 72
#define HEADER_V3_BYTES	 104
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define ORDER_16_BITS	 4
#define ORDER_MAX	 6
#define SECTOR_BYTES	 512
#define ZSTD		 1

enum {
	DIRTY = 1 << 0,
	CORRUPT = 1 << 1,
	COMPRESSION = 1 << 3, /* is not the one that version 2 had */
};

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

/* Where fields lie that are looked at once. */
enum {
	AT_BACKING = 8,
	AT_CRYPT = 32,
	AT_HEADER_LENGTH = 100,
	AT_COMPRESSION = 104,
};

static void take_fields(const uint8_t *bytes, struct og_qcow2_header *h)
{
	*h = (struct og_qcow2_header){
		.version = get32(bytes + 4),
		.cluster_bits = get32(bytes + 20),
		.bytes = get64(bytes + 24),
		.l1_entries = get32(bytes + 36),
		.l1_offset = get64(bytes + 40),
		.reftable_offset = get64(bytes + 48),
		.reftable_clusters = get32(bytes + 56),
		.n_snapshots = get32(bytes + 60),
		.refcount_order = ORDER_16_BITS,
	};
	if (h->version >= 3) {
		h->incompatible = get64(bytes + 72);
		h->autoclear = get64(bytes + 88);
		h->refcount_order = get32(bytes + 96);
	}
}

#define NEVER 1U

static int judge_features(const struct og_qcow2_header *h, unsigned uses, struct og_err *err)
{
	static const struct {
		uint64_t bit;
		unsigned mask, wanted; /* it is known to uses of which these are those */
		const char *what;
	} known[] = {
		{ DIRTY, OG_QCOW2_WRITES, 0,
		  "it was not closed (qemu-img check -r all repairs it)" },
		{ CORRUPT, OG_QCOW2_WRITES, 0,
		  "it is marked corrupt (qemu-img check -r all repairs it)" },
		{ 1 << 2, 0, NEVER, "its data is in another file" },
		{ COMPRESSION, OG_QCOW2_UNPACKS, OG_QCOW2_UNPACKS, "it is compressed" },
		{ 1 << 4, 0, NEVER, "its clusters have subclusters (extended L2 entries)" },
	};

	uint64_t left = h->incompatible;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if ((left & known[i].bit) != 0 && (uses & known[i].mask) != known[i].wanted)
			return og_fail_plain(err, -EOPNOTSUPP, "qcow2 image: %s", known[i].what);
		left &= ~known[i].bit;
	}
	if (left != 0)
		return og_fail_plain(err, -EOPNOTSUPP, "qcow2 image: unknown features 0x%llx",
				     (unsigned long long)left);
	return 0;
}

static int judge_writing(const struct og_qcow2_header *h, struct og_err *err)
{
	const char *why = NULL;

	if (h->n_snapshots > 0)
		why = "there are snapshots inside";
	else if (h->autoclear != 0)
		why = "it has bitmaps, or other things that writing would falsify";
	else if (h->refcount_order != ORDER_16_BITS)
		why = "its reference counts are not of 16 bits";
	return why != NULL
		       ? og_fail_plain(err, -EOPNOTSUPP, "qcow2 image can be read only: %s", why)
		       : 0;
}

/* Known are deflate, as in version 2, and zstd. */
static int take_compression(const uint8_t *bytes, size_t len, struct og_qcow2_header *h,
			    struct og_err *err)
{
	if ((h->incompatible & COMPRESSION) == 0)
		return 0;
	if (get32(bytes + AT_HEADER_LENGTH) <= AT_COMPRESSION || len <= AT_COMPRESSION)
		return og_fail_plain(err, -EBADMSG, "qcow2 header does not say its compression");
	if (bytes[AT_COMPRESSION] != ZSTD)
		return og_fail_plain(err, -EOPNOTSUPP, "qcow2 image: unknown compression %u",
				     bytes[AT_COMPRESSION]);
	h->zstd = true;
	return 0;
}

/* Whether @bytes at @offset are whole clusters of the file. */
static bool in_file(const struct og_qcow2_header *h, uint64_t offset, uint64_t bytes)
{
	uint64_t cluster = og_qcow2_cluster_bytes(h);
	uint64_t clusters = (bytes + cluster - 1) / cluster, first = offset / cluster;

	return offset % cluster == 0 && first < h->file_clusters &&
	       clusters <= h->file_clusters - first;
}

static int judge_sizes(struct og_qcow2_header *h, uint64_t file_bytes, struct og_err *err)
{
	uint64_t cluster = og_qcow2_cluster_bytes(h);
	uint64_t per_l1 = cluster / sizeof(uint64_t) * cluster; /* bytes of disk an entry */

	h->file_clusters = file_bytes / cluster + (file_bytes % cluster != 0);
	if (h->file_clusters > OG_QCOW2_FILE_CLUSTERS_MAX)
		return og_fail(err, -EOPNOTSUPP, "qcow2 file of more than 2^28 clusters");
	if (h->bytes % SECTOR_BYTES != 0 || h->bytes > 1ULL << 62)
		return og_fail(err, -EBADMSG, "qcow2 disk of %llu bytes",
			       (unsigned long long)h->bytes);
	if (h->l1_entries > OG_QCOW2_L1_BYTES_MAX / sizeof(uint64_t) ||
	    (h->bytes + per_l1 - 1) / per_l1 > h->l1_entries)
		return og_fail(err, -EBADMSG, "qcow2 L1 table of %u entries", h->l1_entries);
	if (h->reftable_clusters == 0 ||
	    h->reftable_clusters > OG_QCOW2_REFTABLE_BYTES_MAX / cluster)
		return og_fail(err, -EBADMSG, "qcow2 refcount table of %u clusters",
			       h->reftable_clusters);
	if (!in_file(h, h->reftable_offset, h->reftable_clusters * cluster) ||
	    (h->l1_entries > 0 && !in_file(h, h->l1_offset, h->l1_entries * sizeof(uint64_t))))
		return og_fail(err, -EBADMSG, "qcow2 tables outside of the file");
	return 0;
}

int og_qcow2_peek(const uint8_t *bytes, size_t len, bool *ret_has_backing)
{
	if (len < HEADER_V2_BYTES || get32(bytes) != MAGIC)
		return -EBADMSG;
	*ret_has_backing = get64(bytes + AT_BACKING) != 0;
	return 0;
}

int og_qcow2_parse(const uint8_t *bytes, size_t len, uint64_t file_bytes, unsigned uses,
		   struct og_qcow2_header *ret_header, struct og_err *err)
{
	struct og_qcow2_header h;
	bool has_backing;
	int r;

	if (og_qcow2_peek(bytes, len, &has_backing) < 0)
		return og_fail_plain(err, -EBADMSG, "this is no qcow2 image");
	if (get32(bytes + 4) >= 3 && len < HEADER_V3_BYTES)
		return og_fail_plain(err, -EBADMSG, "qcow2 header is cut short");
	take_fields(bytes, &h);
	h.has_backing = has_backing;
	if (h.version != 2 && h.version != 3)
		return og_fail_plain(err, -EOPNOTSUPP, "qcow2 of version %u (2 and 3 are known)",
				     h.version);
	if (h.cluster_bits < CLUSTER_BITS_MIN || h.cluster_bits > CLUSTER_BITS_MAX)
		return og_fail(err, -EBADMSG, "qcow2 clusters of 2^%u bytes", h.cluster_bits);
	if (h.version == 3 && (get32(bytes + AT_HEADER_LENGTH) < HEADER_V3_BYTES ||
			       get32(bytes + AT_HEADER_LENGTH) > og_qcow2_cluster_bytes(&h)))
		return og_fail(err, -EBADMSG, "qcow2 header of %u bytes",
			       get32(bytes + AT_HEADER_LENGTH));
	if (h.refcount_order > ORDER_MAX)
		return og_fail(err, -EBADMSG, "qcow2 reference counts of 2^%u bits",
			       h.refcount_order);
	if (get32(bytes + AT_CRYPT) != 0)
		return og_fail_plain(err, -EOPNOTSUPP, "qcow2 image: it is encrypted");
	r = judge_features(&h, uses, err);
	if (r == 0)
		r = take_compression(bytes, len, &h, err);
	if (r == 0 && (uses & OG_QCOW2_WRITES) != 0)
		r = judge_writing(&h, err);
	if (r == 0)
		r = judge_sizes(&h, file_bytes, err);
	if (r == 0)
		*ret_header = h;
	return r;
}

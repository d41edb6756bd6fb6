/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of database files. Each is a list of headers and some indexes, of which only the list is
 * read. What is handed out in sum is bounded by the file's own length: in a sound one no byte is of
 * two headers.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "format/rpm.h"

static uint32_t read_le32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return le32toh(word);
}

static int damaged(struct og_err *err, const char *what)
{
	return og_fail_plain(err, -EBADMSG, "damaged package database: %s", what);
}

/* ---- ndb: slots of 16 bytes, each saying at which block of 16 bytes a header is ---- */

#define NDB_MAGIC      0x506d7052 /* "RpmP" */
#define NDB_SLOT_MAGIC 0x746f6c53 /* "Slot" */
#define NDB_BLOB_MAGIC 0x53626c42 /* "BlbS" */
#define NDB_PAGE_BYTES 4096
#define NDB_BLOCK      16
#define NDB_PAGES_MAX  2048

struct ndb {
	const uint8_t *buf;
	size_t len;
	uint64_t left;
};

static int read_ndb_blob(struct ndb *ndb, const uint8_t *slot, og_rpm_blob_fn *fn, void *data,
			 struct og_err *err)
{
	const uint8_t *buf = ndb->buf;
	uint32_t index = read_le32(slot + 4);
	uint64_t at = (uint64_t)read_le32(slot + 8) * NDB_BLOCK;
	uint32_t bytes;

	if (at > ndb->len || ndb->len - at < NDB_BLOCK || read_le32(buf + at) != NDB_BLOB_MAGIC ||
	    read_le32(buf + at + 4) != index)
		return damaged(err, "a slot without its header");
	bytes = read_le32(buf + at + 12);
	if (bytes > ndb->len - at - NDB_BLOCK || bytes > ndb->left)
		return damaged(err, "a header beyond the end");
	ndb->left -= bytes;
	return fn(data, buf + at + NDB_BLOCK, bytes, err);
}

int og_rpm_read_ndb(const uint8_t *buf, size_t len, og_rpm_blob_fn *fn, void *data,
		    struct og_err *err)
{
	struct ndb ndb = { buf, len, len };
	uint64_t pages;
	int r = 0;

	if (len < NDB_PAGE_BYTES || read_le32(buf) != NDB_MAGIC)
		return damaged(err, "it does not begin as ndb");
	pages = read_le32(buf + 12);
	if (read_le32(buf + 4) != 0 || pages == 0 || pages > NDB_PAGES_MAX ||
	    pages * NDB_PAGE_BYTES > len)
		return damaged(err, "its first page");
	/* The first two places are the header's. */
	for (size_t at = 32; at < pages * NDB_PAGE_BYTES && r == 0; at += NDB_BLOCK) {
		if (read_le32(buf + at) != NDB_SLOT_MAGIC)
			return damaged(err, "a slot");
		if (read_le32(buf + at + 4) != 0)
			r = read_ndb_blob(&ndb, buf + at, fn, data, err);
	}
	return r;
}

/* ---- Berkeley DB, hash: pages of pairs; a value that does not fit is in a chain of pages ---- */

#define BDB_MAGIC	 0x061561
#define BDB_HEADER_BYTES 26
#define BDB_HASH	 13
#define BDB_HASH_OLD	 2
#define BDB_OVERFLOW	 7
#define BDB_OFF_PAGE	 3

struct bdb {
	const uint8_t *buf;
	size_t len;
	bool swapped; /* written on a big-endian machine */
	uint32_t page_bytes;
	uint32_t pages;
	uint64_t left;
};

static uint32_t get32(const struct bdb *bdb, const uint8_t *at)
{
	uint32_t word = read_le32(at);

	return bdb->swapped ? __builtin_bswap32(word) : word;
}

static uint16_t get16(const struct bdb *bdb, const uint8_t *at)
{
	uint16_t high = at[bdb->swapped ? 0 : 1], low = at[bdb->swapped ? 1 : 0];

	return (uint16_t)(high << 8 | low);
}

static const uint8_t *page_at(const struct bdb *bdb, uint32_t number)
{
	return number < bdb->pages ? bdb->buf + (size_t)number * bdb->page_bytes : NULL;
}

/* Each page of a chain adds at least a byte, so that a ring ends. */
static int read_chain(const struct bdb *bdb, uint32_t number, uint8_t *out, uint32_t bytes,
		      struct og_err *err)
{
	uint32_t done = 0;

	while (done < bytes) {
		const uint8_t *page = number != 0 ? page_at(bdb, number) : NULL;
		uint32_t part;

		if (page == NULL || page[25] != BDB_OVERFLOW)
			return damaged(err, "a chain of pages");
		part = get16(bdb, page + 22);
		if (part == 0 || part > bdb->page_bytes - BDB_HEADER_BYTES || part > bytes - done)
			return damaged(err, "a page of a chain");
		memcpy(out + done, page + BDB_HEADER_BYTES, part);
		done += part;
		number = get32(bdb, page + 16);
	}
	return 0;
}

static int read_value(struct bdb *bdb, const uint8_t *page, uint16_t offset, og_rpm_blob_fn *fn,
		      void *data, struct og_err *err)
{
	og_auto_free uint8_t *blob = NULL;
	uint32_t bytes;
	int r;

	/* What fits into a page is no header but the number of the last one. */
	if (offset >= bdb->page_bytes || page[offset] != BDB_OFF_PAGE)
		return 0;
	if (offset > bdb->page_bytes - 12)
		return damaged(err, "a value beyond its page");
	bytes = get32(bdb, page + offset + 8);
	if (bytes > bdb->left)
		return damaged(err, "a header longer than the file");
	bdb->left -= bytes;
	blob = malloc(bytes > 0 ? bytes : 1);
	if (blob == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = read_chain(bdb, get32(bdb, page + offset + 4), blob, bytes, err);
	return r < 0 ? r : fn(data, blob, bytes, err);
}

static int read_hash_page(struct bdb *bdb, const uint8_t *page, og_rpm_blob_fn *fn, void *data,
			  struct og_err *err)
{
	uint16_t entries = get16(bdb, page + 20);
	int r = 0;

	if (entries > (bdb->page_bytes - BDB_HEADER_BYTES) / 2)
		return damaged(err, "a page's list");
	for (uint32_t i = 1; i < entries && r == 0; i += 2)
		r = read_value(bdb, page, get16(bdb, page + BDB_HEADER_BYTES + 2 * i), fn, data,
			       err);
	return r;
}

int og_rpm_read_bdb(const uint8_t *buf, size_t len, og_rpm_blob_fn *fn, void *data,
		    struct og_err *err)
{
	struct bdb bdb = { .buf = buf, .len = len, .left = len };
	int r = 0;

	if (len < 512)
		return damaged(err, "it is too short for Berkeley DB");
	bdb.swapped = read_le32(buf + 12) == __builtin_bswap32(BDB_MAGIC);
	if (get32(&bdb, buf + 12) != BDB_MAGIC)
		return damaged(err, "it does not begin as Berkeley DB's hash");
	bdb.page_bytes = get32(&bdb, buf + 20);
	if (bdb.page_bytes < 512 || bdb.page_bytes > 65536 ||
	    (bdb.page_bytes & (bdb.page_bytes - 1)) != 0 || buf[24] != 0)
		return damaged(err, "its first page");
	bdb.pages = (uint32_t)(len / bdb.page_bytes < UINT32_MAX ? len / bdb.page_bytes : 0);
	for (uint32_t i = 1; i < bdb.pages && r == 0; i++) {
		const uint8_t *page = page_at(&bdb, i);

		if (page[25] == BDB_HASH || page[25] == BDB_HASH_OLD)
			r = read_hash_page(&bdb, page, fn, data, err);
	}
	return r;
}

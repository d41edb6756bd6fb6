/* SPDX-License-Identifier: Apache-2.0 */
#include "format/zip.h"

#include "base/inflate.h"

#define END_MAGIC      0x06054b50
#define END_BYTES      22
#define COMMENT_MAX    65535
#define LOCATOR_MAGIC  0x07064b50 /* of the end in zip64 */
#define LOCATOR_BYTES  20
#define END64_MAGIC    0x06064b50
#define END64_BYTES    56
#define END64_HEAD     12 /* that its own size does not count */
#define EXTRA64	       1  /* an extra field's ID */
#define MEMBER_MAGIC   0x02014b50
#define MEMBER_BYTES   46
#define LOCAL_MAGIC    0x04034b50
#define LOCAL_BYTES    30
#define FLAG_ENCRYPTED 1

static uint32_t read16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read32(const uint8_t *at)
{
	return read16(at) | read16(at + 2) << 16;
}

static uint64_t read64(const uint8_t *at)
{
	return read32(at) | (uint64_t)read32(at + 4) << 32;
}

static int no_zip(struct og_err *err, int r)
{
	return og_fail_plain(err, r == -ERANGE ? -EBADMSG : r, "no sound zip archive");
}

/* The end record is the last that fits: a comment behind it could look like one. */
static int find_end(const struct og_bytes *bytes, uint8_t end[END_BYTES], uint64_t *ret_at)
{
	size_t len = bytes->size < END_BYTES + COMMENT_MAX ? (size_t)bytes->size
							   : END_BYTES + COMMENT_MAX;
	uint64_t from = bytes->size - len;
	og_auto_free uint8_t *tail = malloc(len > 0 ? len : 1);
	int r;

	if (tail == NULL)
		return -ENOMEM;
	/* Nearly always without a comment. */
	if (len >= END_BYTES) {
		r = og_bytes_read(bytes, bytes->size - END_BYTES, end, END_BYTES);
		*ret_at = bytes->size - END_BYTES;
		if (r < 0 || (read32(end) == END_MAGIC && read16(end + 20) == 0))
			return r;
	}
	r = og_bytes_read(bytes, from, tail, len);
	if (r < 0)
		return r;
	for (size_t at = len; at >= END_BYTES; at--) {
		const uint8_t *here = tail + at - END_BYTES;

		if (read32(here) != END_MAGIC || read16(here + 20) > len - at)
			continue;
		memcpy(end, here, END_BYTES);
		*ret_at = from + at - END_BYTES;
		return 0;
	}
	return -EBADMSG;
}

/* What the end says of the directory. */
struct place {
	uint64_t end;	 /* where it ends: a record begins there */
	uint64_t offset; /* where it begins, as if nothing were in front of the archive */
	uint64_t size;
};

/* One that stands at @at and ends where its locator begins. */
static int read_end64(const struct og_bytes *bytes, uint64_t at, uint64_t locator_at,
		      struct place *ret_place)
{
	uint8_t end[END64_BYTES];
	int r = at > locator_at || locator_at - at < END64_BYTES
			? -EBADMSG
			: og_bytes_read(bytes, at, end, sizeof(end));

	if (r < 0)
		return r;
	if (read32(end) != END64_MAGIC || read64(end + 4) != locator_at - at - END64_HEAD)
		return -EBADMSG;
	*ret_place = (struct place){
		.end = at,
		.size = read64(end + 40),
		.offset = read64(end + 48),
	};
	return 0;
}

/*
 * An archive with a locator before its end is one of zip64. What that points to is right where nothing is
 * in front; else the record stands next to it, unless it is longer than any that is written.
 */
static int find_end64(const struct og_bytes *bytes, uint64_t end_at, struct place *place)
{
	uint8_t locator[LOCATOR_BYTES];
	uint64_t at;
	int r;

	if (end_at < LOCATOR_BYTES)
		return 0;
	at = end_at - LOCATOR_BYTES;
	r = og_bytes_read(bytes, at, locator, sizeof(locator));
	if (r < 0 || read32(locator) != LOCATOR_MAGIC)
		return r;
	r = at < END64_BYTES ? -EBADMSG : read_end64(bytes, at - END64_BYTES, at, place);
	return r == -EBADMSG ? read_end64(bytes, read64(locator + 8), at, place) : r;
}

int og_zip_open(const struct og_bytes *bytes, struct og_zip *ret_zip, struct og_err *err)
{
	struct og_zip zip = { .bytes = bytes };
	og_auto_free uint8_t *directory = NULL;
	uint8_t end[END_BYTES];
	struct place place = {};
	int r = find_end(bytes, end, &place.end);

	place.size = read32(end + 12);
	place.offset = read32(end + 16);
	if (r == 0)
		r = find_end64(bytes, place.end, &place);
	if (r < 0)
		return no_zip(err, r);
	if (place.size > OG_ZIP_DIRECTORY_MAX)
		return og_fail_plain(err, -E2BIG, "a directory of %llu bytes",
				     (unsigned long long)place.size);
	if (place.size > place.end || place.offset > place.end - place.size)
		return no_zip(err, -EBADMSG);
	zip.directory_bytes = (size_t)place.size;
	zip.shift = place.end - place.size - place.offset;
	directory = malloc(zip.directory_bytes > 0 ? zip.directory_bytes : 1);
	if (directory == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(bytes, place.end - place.size, directory, zip.directory_bytes);
	if (r < 0)
		return no_zip(err, r);
	zip.directory = og_take_ptr(directory);
	*ret_zip = zip;
	return 0;
}

void og_zip_done(struct og_zip *zip)
{
	free(zip->directory);
	*zip = (struct og_zip){};
}

/* What did not fit into 32 bits stands in an extra field, in this order. False: it does not. */
static bool widen(const uint8_t *extra, size_t len, struct og_zip_member *member)
{
	uint64_t *const values[] = { &member->size, &member->packed, &member->header_at };
	const uint8_t *at = NULL;
	size_t left = 0;

	while (len >= 4 && at == NULL) {
		size_t size = read16(extra + 2);

		if (size > len - 4)
			break;
		if (read16(extra) == EXTRA64) {
			at = extra + 4;
			left = size;
		}
		extra += 4 + size;
		len -= 4 + size;
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (*values[i] != UINT32_MAX)
			continue;
		if (at == NULL || left < 8)
			return false;
		*values[i] = read64(at);
		at += 8;
		left -= 8;
	}
	return true;
}

bool og_zip_next(const struct og_zip *zip, struct og_zip_member *member)
{
	const uint8_t *at = zip->directory + member->next;
	size_t left = zip->directory_bytes - member->next, name, extra, rest;

	if (left < MEMBER_BYTES || read32(at) != MEMBER_MAGIC)
		return false;
	name = read16(at + 28);
	extra = read16(at + 30);
	rest = extra + read16(at + 32);
	if (left - MEMBER_BYTES < name + rest)
		return false;
	member->name = (struct og_span){ (const char *)at + MEMBER_BYTES, name };
	member->flags = (uint16_t)read16(at + 8);
	member->method = (uint16_t)read16(at + 10);
	member->packed = read32(at + 20);
	member->size = read32(at + 24);
	member->header_at = read32(at + 42);
	if (!widen(at + MEMBER_BYTES + name, extra, member))
		return false;
	member->next += MEMBER_BYTES + name + rest;
	return true;
}

int og_zip_place(const struct og_zip *zip, const struct og_zip_member *member, uint64_t *ret_offset,
		 struct og_err *err)
{
	uint64_t at = zip->shift + member->header_at;
	uint8_t head[LOCAL_BYTES];
	int r = at < zip->shift ? -ERANGE : og_bytes_read(zip->bytes, at, head, sizeof(head));

	if (r < 0 || read32(head) != LOCAL_MAGIC)
		return no_zip(err, r < 0 ? r : -EBADMSG);
	at += LOCAL_BYTES + (uint64_t)read16(head + 26) + read16(head + 28);
	if (at > zip->bytes->size || member->packed > zip->bytes->size - at)
		return no_zip(err, -EBADMSG);
	*ret_offset = at;
	return 0;
}

int og_zip_read(const struct og_zip *zip, const struct og_zip_member *member, size_t max_bytes,
		char **ret_buf, size_t *ret_len, struct og_err *err)
{
	og_auto_free char *packed = NULL;
	uint64_t at = 0;
	int r;

	if ((member->method != 0 && member->method != 8) || (member->flags & FLAG_ENCRYPTED) != 0)
		return og_fail_plain(err, -ENOTSUP, "a member in method %u", member->method);
	if (member->size > max_bytes || member->packed > max_bytes)
		return og_fail_plain(err, -EFBIG, "a member of %llu bytes",
				     (unsigned long long)member->size);
	r = og_zip_place(zip, member, &at, err);
	if (r < 0)
		return r;
	packed = malloc((size_t)member->packed + 1);
	if (packed == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(zip->bytes, at, packed, (size_t)member->packed);
	if (r < 0)
		return no_zip(err, r);
	/* What becomes more than its directory says is a lie. */
	if (member->method == 8 && member->size > 0) {
		struct og_inflate_source source = { OG_INFLATE_RAW, packed, (size_t)member->packed,
						    (size_t)member->size };

		return og_inflate(&source, ret_buf, ret_len, err);
	}
	if (member->packed != member->size && member->method == 0)
		return no_zip(err, -EBADMSG);
	packed[member->size > 0 ? member->packed : 0] = '\0';
	*ret_len = (size_t)member->size;
	*ret_buf = og_take_ptr(packed);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/zip.h"

#include "base/inflate.h"

#define END_MAGIC      0x06054b50
#define END_BYTES      22
#define COMMENT_MAX    65535
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

int og_zip_open(const struct og_bytes *bytes, struct og_zip *ret_zip, struct og_err *err)
{
	struct og_zip zip = { .bytes = bytes };
	og_auto_free uint8_t *directory = NULL;
	uint8_t end[END_BYTES];
	uint64_t end_at = 0, offset;
	int r = find_end(bytes, end, &end_at);

	if (r < 0)
		return no_zip(err, r);
	zip.directory_bytes = read32(end + 12);
	offset = read32(end + 16);
	if (zip.directory_bytes > OG_ZIP_DIRECTORY_MAX)
		return og_fail_plain(err, -E2BIG, "a directory of %zu bytes", zip.directory_bytes);
	if (zip.directory_bytes > end_at || offset > end_at - zip.directory_bytes)
		return no_zip(err, -EBADMSG);
	zip.shift = end_at - zip.directory_bytes - offset;
	directory = malloc(zip.directory_bytes > 0 ? zip.directory_bytes : 1);
	if (directory == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(bytes, end_at - zip.directory_bytes, directory, zip.directory_bytes);
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

bool og_zip_next(const struct og_zip *zip, struct og_zip_member *member)
{
	const uint8_t *at = zip->directory + member->next;
	size_t left = zip->directory_bytes - member->next, name, rest;

	if (left < MEMBER_BYTES || read32(at) != MEMBER_MAGIC)
		return false;
	name = read16(at + 28);
	rest = (size_t)read16(at + 30) + read16(at + 32);
	if (left - MEMBER_BYTES < name + rest)
		return false;
	member->name = (struct og_span){ (const char *)at + MEMBER_BYTES, name };
	member->flags = (uint16_t)read16(at + 8);
	member->method = (uint16_t)read16(at + 10);
	member->packed = read32(at + 20);
	member->size = read32(at + 24);
	member->header_at = read32(at + 42);
	member->next += MEMBER_BYTES + name + rest;
	return true;
}

int og_zip_place(const struct og_zip *zip, const struct og_zip_member *member, uint64_t *ret_offset,
		 struct og_err *err)
{
	uint64_t at = zip->shift + member->header_at;
	uint8_t head[LOCAL_BYTES];
	int r = og_bytes_read(zip->bytes, at, head, sizeof(head));

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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over blocks of 512 bytes. An entry is: any number of special headers (PAX 'x',
 * GNU 'L' and 'K') with their content, the header proper, for GNU sparse files more map blocks,
 * then content and padding. Special headers are sized by their own header alone: a PAX size is for
 * the header proper, else two readers would disagree on where the next header is.
 */
#include "format/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/tar_parts.h"

/* Where a header's fields are (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual). */
#define NAME_AT	       0
#define NAME_BYTES     100
#define TYPE_AT	       156
#define LINK_AT	       157
#define MAGIC_AT       257
#define PREFIX_AT      345
#define PREFIX_BYTES   155
#define STAR_MAGIC_AT  508
#define STAR_PREFIX    131 /* bytes; times follow it */
#define GNU_MAP_AT     386
#define GNU_MAP_COUNT  4
#define GNU_MORE_AT    482
#define GNU_NEXT_COUNT 21
#define GNU_NEXT_MORE  504

enum state {
	STATE_HEADER,
	STATE_SPECIAL, /* content of a PAX or GNU long name header */
	STATE_GNU_MAP, /* further blocks of an old GNU sparse map */
	STATE_PAX_MAP, /* the map in front of a GNU.sparse 1.0 file */
	STATE_CONTENT,
	STATE_PADDING,
	STATE_HALF_END, /* one block of zeros was read */
	STATE_END,
};

struct og_tar {
	const struct og_tar_ops *ops;
	void *data;
	enum state state;
	uint8_t block[OG_TAR_BLOCK_BYTES]; /* a block that arrived in pieces */
	size_t fill;
	uint64_t offset;  /* of the bytes being looked at */
	uint64_t left;	  /* bytes of content still to come */
	uint64_t padding; /* bytes behind the content */

	uint8_t special_type;
	struct og_text pax_text; /* what pax points into */
	struct og_text global_text;
	struct og_text long_name; /* of an 'L' header */
	struct og_text long_link; /* of a 'K' header */
	struct tar_pax pax;
	struct tar_pax global;

	char name[PREFIX_BYTES + 1 + NAME_BYTES + 1];
	char link[NAME_BYTES + 1];
	struct og_tar_entry entry;
	struct tar_map map;
	struct tar_map_reader map_reader;
	size_t segment; /* which one of the map content is for */
	uint64_t done;	/* bytes of that segment, or of a plain file */
};

static const struct {
	char flag;
	enum og_tar_type type;
} types[] = {
	{ '0', OG_TAR_FILE },	     { '\0', OG_TAR_FILE },	   { '7', OG_TAR_FILE },
	{ 'S', OG_TAR_FILE },	     { '1', OG_TAR_HARD_LINK },	   { '2', OG_TAR_SYMLINK },
	{ '3', OG_TAR_CHAR_DEVICE }, { '4', OG_TAR_BLOCK_DEVICE }, { '5', OG_TAR_DIRECTORY },
	{ '6', OG_TAR_FIFO },
};

int og_tar_new(const struct og_tar_ops *ops, void *data, struct og_tar **ret_tar,
	       struct og_err *err)
{
	struct og_tar *tar = calloc(1, sizeof(*tar));

	if (tar == NULL)
		return og_fail(err, -ENOMEM, "allocate tar reader");
	tar->ops = ops;
	tar->data = data;
	*ret_tar = tar;
	return 0;
}

struct og_tar *og_tar_free(struct og_tar *tar)
{
	if (tar == NULL)
		return NULL;
	tar_pax_done(&tar->pax);
	tar_pax_done(&tar->global);
	tar_map_done(&tar->map);
	og_text_done(&tar->pax_text);
	og_text_done(&tar->global_text);
	og_text_done(&tar->long_name);
	og_text_done(&tar->long_link);
	free(tar);
	return NULL;
}

/* A header's number, and what it may be. */
struct field {
	size_t at;
	size_t len;
	int64_t min;
	int64_t max;
	const char *what;
};

static const struct field mode_field = { 100, 8, 0, UINT32_MAX, "mode" };
/* -1 means "no one" to the kernel and is no owner. */
static const struct field uid_field = { 108, 8, 0, UINT32_MAX - 1, "user id" };
static const struct field gid_field = { 116, 8, 0, UINT32_MAX - 1, "group id" };
static const struct field size_field = { 124, 12, 0, INT64_MAX, "size" };
static const struct field special_field = { 124, 12, 0, OG_TAR_SPECIAL_MAX,
					    "size of a special header" };
static const struct field mtime_field = { 136, 12, INT64_MIN, INT64_MAX, "time" };
static const struct field major_field = { 329, 8, 0, UINT32_MAX, "device number" };
static const struct field minor_field = { 337, 8, 0, UINT32_MAX, "device number" };
static const struct field real_size_field = { 483, 12, 0, INT64_MAX, "real size" };

static int read_field(const uint8_t *block, const struct field *field, int64_t *ret_number,
		      struct og_err *err)
{
	int64_t number;

	if (tar_number(block + field->at, field->len, &number) < 0 || number < field->min ||
	    number > field->max)
		return og_fail(err, -EBADMSG, "tar header holds no valid %s", field->what);
	*ret_number = number;
	return 0;
}

/* The name of the header itself: prefix/name in ustar, name elsewhere. */
static void header_name(struct og_tar *tar, const uint8_t *block)
{
	bool ustar = memcmp(block + MAGIC_AT, "ustar", 6) == 0;
	bool star = memcmp(block + STAR_MAGIC_AT, "tar", 4) == 0;
	size_t prefix =
		ustar ? strnlen((const char *)block + PREFIX_AT, star ? STAR_PREFIX : PREFIX_BYTES)
		      : 0;
	size_t name = strnlen((const char *)block + NAME_AT, NAME_BYTES);
	char *at = tar->name;

	if (prefix > 0) {
		memcpy(at, block + PREFIX_AT, prefix);
		at[prefix] = '/';
		at += prefix + 1;
	}
	memcpy(at, block + NAME_AT, name);
	at[name] = '\0';
}

static int read_owner(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	struct og_tar_entry *entry = &tar->entry;
	int64_t number = 0;
	int r;

	/* What a PAX record replaces may be anything: it did not fit. */
	entry->uid = tar->pax.has_uid ? tar->pax.uid : tar->global.uid;
	entry->gid = tar->pax.has_gid ? tar->pax.gid : tar->global.gid;
	if (!tar->pax.has_uid && !tar->global.has_uid) {
		r = read_field(block, &uid_field, &number, err);
		if (r < 0)
			return r;
		entry->uid = (uint32_t)number;
	}
	if (!tar->pax.has_gid && !tar->global.has_gid) {
		r = read_field(block, &gid_field, &number, err);
		if (r < 0)
			return r;
		entry->gid = (uint32_t)number;
	}
	return 0;
}

static int read_times(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	const struct tar_pax *from = tar->pax.has_mtime ? &tar->pax : &tar->global;

	tar->entry.mtime_sec = from->mtime_sec;
	tar->entry.mtime_nsec = from->mtime_nsec;
	if (from->has_mtime)
		return 0;
	return read_field(block, &mtime_field, &tar->entry.mtime_sec, err);
}

static int read_device(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int64_t major = 0, minor = 0;
	int r;

	if (tar->entry.type != OG_TAR_CHAR_DEVICE && tar->entry.type != OG_TAR_BLOCK_DEVICE)
		return 0;
	r = read_field(block, &major_field, &major, err);
	if (r == 0)
		r = read_field(block, &minor_field, &minor, err);
	if (r < 0)
		return r;
	tar->entry.dev_major = (uint32_t)major;
	tar->entry.dev_minor = (uint32_t)minor;
	return 0;
}

static int check_name(const char *name, const char *what, struct og_err *err)
{
	if (strlen(name) > OG_TAR_NAME_MAX)
		return og_fail(err, -EBADMSG, "%s '%.60s...' is longer than %d bytes", what, name,
			       OG_TAR_NAME_MAX);
	return 0;
}

static int read_names(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	struct og_tar_entry *entry = &tar->entry;
	bool has_link = entry->type == OG_TAR_HARD_LINK || entry->type == OG_TAR_SYMLINK;
	int r;

	header_name(tar, block);
	memcpy(tar->link, block + LINK_AT, NAME_BYTES);
	entry->name = tar->long_name.len > 0 ? tar->long_name.buf : tar->name;
	if (tar->pax.path != NULL)
		entry->name = tar->pax.path;
	if (tar->pax.sparse_name != NULL)
		entry->name = tar->pax.sparse_name;
	r = check_name(entry->name, "name", err);
	if (r < 0)
		return r;

	entry->link = tar->long_link.len > 0 ? tar->long_link.buf : tar->link;
	if (tar->pax.link != NULL)
		entry->link = tar->pax.link;
	if (!has_link)
		entry->link = "";
	return check_name(entry->link, "link", err);
}

static int read_type(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (block[TYPE_AT] == (uint8_t)types[i].flag) {
			tar->entry.type = types[i].type;
			return 0;
		}
	}
	return og_fail(err, -EBADMSG, "tar entry of unknown type 0x%02x", block[TYPE_AT]);
}

/* v7 has no type for directories: a file whose name ends in a slash is one. */
static void fix_type(struct og_tar *tar, const uint8_t *block)
{
	if (block[TYPE_AT] == '\0' && og_ends_with(tar->entry.name, "/"))
		tar->entry.type = OG_TAR_DIRECTORY;
}

static int read_entry(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int64_t mode = 0;
	int r;

	tar->entry = (struct og_tar_entry){
		.xattrs = tar->pax.xattrs,
		.xattr_count = tar->pax.xattr_count,
	};
	r = read_type(tar, block, err);
	if (r < 0)
		return r;
	r = read_names(tar, block, err);
	if (r < 0)
		return r;
	fix_type(tar, block);
	r = read_field(block, &mode_field, &mode, err);
	if (r < 0)
		return r;
	tar->entry.mode = (uint32_t)mode & 07777;
	r = read_owner(tar, block, err);
	if (r < 0)
		return r;
	r = read_times(tar, block, err);
	if (r < 0)
		return r;
	return read_device(tar, block, err);
}

static void end_of_entry(struct og_tar *tar)
{
	tar_pax_done(&tar->pax);
	og_text_clear(&tar->pax_text);
	og_text_clear(&tar->long_name);
	og_text_clear(&tar->long_link);
	tar->map.count = 0;
	tar->state = tar->padding > 0 ? STATE_PADDING : STATE_HEADER;
}

/* The content begins: the map, if there is one, is known. */
static int begin_file(struct og_tar *tar, struct og_err *err)
{
	int r;

	if (tar->entry.sparse) {
		r = tar_map_check(&tar->map, tar->entry.size, tar->left, err);
		if (r < 0)
			return og_fail_in(err, r, "file '%.80s'", tar->entry.name);
	}
	tar->segment = 0;
	tar->done = 0;
	tar->state = STATE_CONTENT;
	return tar->ops->entry(tar->data, &tar->entry, err);
}

static int end_file(struct og_tar *tar, struct og_err *err)
{
	int r = tar->ops->file_end(tar->data, err);

	end_of_entry(tar);
	return r;
}

static int begin_content(struct og_tar *tar, struct og_err *err)
{
	int r = begin_file(tar, err);

	if (r < 0 || tar->left > 0)
		return r;
	return end_file(tar, err);
}

static int begin_gnu_sparse(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int64_t real = 0;
	int r = read_field(block, &real_size_field, &real, err);

	if (r < 0)
		return r;
	tar->entry.sparse = true;
	tar->entry.size = (uint64_t)real;
	r = tar_map_read_gnu(&tar->map, block + GNU_MAP_AT, GNU_MAP_COUNT, err);
	if (r < 0)
		return r;
	if (block[GNU_MORE_AT] != 0) {
		tar->state = STATE_GNU_MAP;
		return 0;
	}
	return begin_content(tar, err);
}

static int begin_pax_sparse(struct og_tar *tar, struct og_err *err)
{
	struct tar_pax *pax = &tar->pax;

	tar->entry.sparse = true;
	tar->entry.size = pax->real_size;
	if (!pax->has_real_size || pax->has_map_offset)
		return og_fail(err, -EBADMSG, "sparse file '%.80s' has no complete map",
			       tar->entry.name);
	if (pax->sparse_major == 0) {
		tar_map_done(&tar->map);
		tar->map = pax->map;
		pax->map = (struct tar_map){};
		return begin_content(tar, err);
	}
	if (pax->sparse_major != 1 || pax->sparse_minor != 0)
		return og_fail(err, -EBADMSG, "sparse format %u.%u is unknown", pax->sparse_major,
			       pax->sparse_minor);
	tar->map_reader = (struct tar_map_reader){};
	tar->state = STATE_PAX_MAP;
	return 0;
}

static int begin_data(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int64_t size = 0;
	int r = 0;

	if (tar->pax.has_size)
		size = (int64_t)tar->pax.size;
	else
		r = read_field(block, &size_field, &size, err);
	if (r < 0)
		return r;
	if (size > INT64_MAX - OG_TAR_BLOCK_BYTES)
		return og_fail(err, -EBADMSG, "tar header holds no valid size");
	tar->left = (uint64_t)size;
	tar->padding = -(uint64_t)size % OG_TAR_BLOCK_BYTES;
	if (block[TYPE_AT] == 'S')
		return begin_gnu_sparse(tar, block, err);
	if (tar->pax.sparse)
		return begin_pax_sparse(tar, err);
	tar->entry.size = tar->left;
	return begin_content(tar, err);
}

static int begin_special(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int64_t size = 0;
	int r = read_field(block, &special_field, &size, err);

	if (r < 0)
		return r;
	tar->special_type = block[TYPE_AT];
	tar->left = (uint64_t)size;
	tar->padding = -(uint64_t)size % OG_TAR_BLOCK_BYTES;
	if (tar->special_type == 'x') {
		/* A second one replaces the first, as with Go's reader. */
		tar_pax_done(&tar->pax);
		og_text_clear(&tar->pax_text);
	}
	if (tar->special_type == 'L')
		og_text_clear(&tar->long_name);
	if (tar->special_type == 'K')
		og_text_clear(&tar->long_link);
	tar->state = STATE_SPECIAL;
	return 0;
}

static struct og_text *special_text(struct og_tar *tar)
{
	switch (tar->special_type) {
	case 'L':
		return &tar->long_name;
	case 'K':
		return &tar->long_link;
	case 'g':
		return &tar->global_text;
	default:
		return &tar->pax_text;
	}
}

static int end_special(struct og_tar *tar, struct og_err *err)
{
	struct og_text *text = special_text(tar);
	int r = 0;

	if (text->failed)
		return og_fail(err, -ENOMEM, "allocate tar header");
	if (tar->special_type == 'x')
		r = tar_pax_read(&tar->pax, text->buf, text->len, false, err);
	if (tar->special_type == 'g') {
		/* Only numbers are taken from it. */
		r = tar_pax_read(&tar->global, text->buf, text->len, true, err);
		og_text_clear(text);
	}
	tar->state = tar->padding > 0 ? STATE_PADDING : STATE_HEADER;
	return r;
}

static bool is_special(uint8_t type)
{
	return type != '\0' && strchr("xgLK", type) != NULL;
}

static int take_header(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int r;

	if (tar_all_zero(block, OG_TAR_BLOCK_BYTES)) {
		if (tar->pax_text.len > 0 || tar->long_name.len > 0 || tar->long_link.len > 0)
			return og_fail(err, -EBADMSG, "archive ends inside an entry");
		tar->state = tar->state == STATE_HALF_END ? STATE_END : STATE_HALF_END;
		return 0;
	}
	if (tar->state == STATE_HALF_END)
		return og_fail(err, -EBADMSG, "archive goes on behind its end");
	if (!og_tar_is_header(block))
		return og_fail(err, -EBADMSG,
			       "tar header's checksum is wrong: no tar archive, "
			       "or a damaged one");
	if (is_special(block[TYPE_AT]))
		return begin_special(tar, block, err);
	if (block[TYPE_AT] == 'V') /* GNU: the archive's label */
		return 0;
	r = read_entry(tar, block, err);
	if (r < 0)
		return r;
	if (tar->entry.type == OG_TAR_FILE)
		return begin_data(tar, block, err);

	tar->left = 0;
	tar->padding = 0;
	r = tar->ops->entry(tar->data, &tar->entry, err);
	end_of_entry(tar);
	return r;
}

static int take_gnu_map(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int r = tar_map_read_gnu(&tar->map, block, GNU_NEXT_COUNT, err);

	if (r < 0 || block[GNU_NEXT_MORE] != 0)
		return r;
	return begin_content(tar, err);
}

static int take_pax_map(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	int r;

	if (tar->left < OG_TAR_BLOCK_BYTES)
		return og_fail(err, -EBADMSG, "sparse file '%.80s' has no complete map",
			       tar->entry.name);
	tar->left -= OG_TAR_BLOCK_BYTES;
	r = tar_map_read_block(&tar->map_reader, &tar->map, block, err);
	return r == 1 ? begin_content(tar, err) : r;
}

static int take_end(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	(void)tar;
	if (!tar_all_zero(block, OG_TAR_BLOCK_BYTES))
		return og_fail(err, -EBADMSG, "archive goes on behind its end");
	return 0;
}

static int take_block(struct og_tar *tar, const uint8_t *block, struct og_err *err)
{
	switch (tar->state) {
	case STATE_GNU_MAP:
		return take_gnu_map(tar, block, err);
	case STATE_PAX_MAP:
		return take_pax_map(tar, block, err);
	case STATE_END:
		return take_end(tar, block, err);
	case STATE_HEADER:
	case STATE_HALF_END:
	case STATE_SPECIAL:
	case STATE_CONTENT:
	case STATE_PADDING:
		break;
	}
	return take_header(tar, block, err);
}

/* Completes a block that arrived in pieces, or takes a whole one where it lies. */
static int feed_block(struct og_tar *tar, const uint8_t *buf, size_t len, size_t *ret_used,
		      struct og_err *err)
{
	size_t part = OG_TAR_BLOCK_BYTES - tar->fill;

	if (tar->fill == 0 && len >= OG_TAR_BLOCK_BYTES) {
		*ret_used = OG_TAR_BLOCK_BYTES;
		return take_block(tar, buf, err);
	}
	if (part > len)
		part = len;
	memcpy(tar->block + tar->fill, buf, part);
	tar->fill += part;
	*ret_used = part;
	if (tar->fill < OG_TAR_BLOCK_BYTES)
		return 0;
	tar->fill = 0;
	return take_block(tar, tar->block, err);
}

/* Hands on content of one segment, at most @len bytes. Returns how many, or an error. */
static int feed_segment(struct og_tar *tar, const uint8_t *buf, size_t len, size_t *ret_used,
			struct og_err *err)
{
	const struct tar_segment *segment = &tar->map.segments[tar->segment];
	uint64_t rest = segment->bytes - tar->done;
	uint64_t offset = segment->offset + tar->done;

	*ret_used = len < rest ? len : (size_t)rest;
	tar->done += *ret_used;
	if (tar->done == segment->bytes) {
		tar->segment++;
		tar->done = 0;
	}
	return *ret_used > 0 ? tar->ops->content(tar->data, offset, buf, *ret_used, err) : 0;
}

static int feed_content(struct og_tar *tar, const uint8_t *buf, size_t len, size_t *ret_used,
			struct og_err *err)
{
	int r;

	if (len > tar->left)
		len = (size_t)tar->left;
	if (tar->entry.sparse) {
		r = feed_segment(tar, buf, len, &len, err);
	} else {
		r = tar->ops->content(tar->data, tar->done, buf, len, err);
		tar->done += len;
	}
	*ret_used = len;
	tar->left -= len;
	if (r < 0 || tar->left > 0)
		return r;
	return end_file(tar, err);
}

static int feed_special(struct og_tar *tar, const uint8_t *buf, size_t len, size_t *ret_used,
			struct og_err *err)
{
	*ret_used = len < tar->left ? len : (size_t)tar->left;
	og_text_add_bytes(special_text(tar), buf, *ret_used);
	tar->left -= *ret_used;
	return tar->left == 0 ? end_special(tar, err) : 0;
}

static int feed_padding(struct og_tar *tar, size_t len, size_t *ret_used)
{
	*ret_used = len < tar->padding ? len : (size_t)tar->padding;
	tar->padding -= *ret_used;
	if (tar->padding == 0)
		tar->state = STATE_HEADER;
	return 0;
}

static int feed_some(struct og_tar *tar, const uint8_t *buf, size_t len, size_t *ret_used,
		     struct og_err *err)
{
	switch (tar->state) {
	case STATE_SPECIAL:
		return feed_special(tar, buf, len, ret_used, err);
	case STATE_CONTENT:
		return feed_content(tar, buf, len, ret_used, err);
	case STATE_PADDING:
		return feed_padding(tar, len, ret_used);
	case STATE_HEADER:
	case STATE_GNU_MAP:
	case STATE_PAX_MAP:
	case STATE_HALF_END:
	case STATE_END:
		break;
	}
	return feed_block(tar, buf, len, ret_used, err);
}

int og_tar_feed(struct og_tar *tar, const void *buf, size_t len, struct og_err *err)
{
	const uint8_t *at = buf;

	while (len > 0) {
		size_t used = 0;
		int r = feed_some(tar, at, len, &used, err);

		if (r < 0)
			return r;
		at += used;
		len -= used;
		tar->offset += used;
	}
	return 0;
}

uint64_t og_tar_offset(const struct og_tar *tar)
{
	return tar->offset;
}

int og_tar_finish(struct og_tar *tar, struct og_err *err)
{
	bool at_end = tar->state == STATE_END || tar->state == STATE_HALF_END;

	if (!at_end || tar->fill > 0)
		return og_fail(err, -EBADMSG, "archive is cut short");
	return 0;
}

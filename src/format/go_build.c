/* SPDX-License-Identifier: Apache-2.0 */
#include "format/go_build.h"

#include "base/cleanup.h"

#define MAGIC	     "\xff Go buildinf:"
#define MAGIC_BYTES  14
#define INFO_BYTES   32
#define INLINE_AT    32
#define FLAG_BIG     1
#define FLAG_INLINE  2
#define VERSION_MAX  256
#define SEARCH_BYTES 65536 /* Go's own linker puts it first into the data; others nearly so */
#define SENTINEL     16	   /* random bytes before and behind the list */

/* ---- the list of modules ---- */

struct module {
	struct og_span path, version;
};

static struct module read_module(struct og_span line)
{
	struct module module = { .path = line };
	struct og_span rest;

	if (og_span_cut(line, '\t', &module.path, &rest) &&
	    !og_span_cut(rest, '\t', &module.version, &line))
		module.version = rest;
	return module;
}

static int hand_out(struct module *module, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_package_entry entry = { .name = module->path, .version = module->version };

	*module = (struct module){};
	if (entry.name.len == 0 || entry.version.len == 0 || og_span_is(entry.version, "(devel)"))
		return 0;
	return fn(data, &entry, err);
}

int og_go_read_modules(const char *buf, size_t len, og_package_fn *fn, void *data,
		       struct og_err *err)
{
	struct og_span rest = { buf, len }, line, word, value;
	struct module module = {};
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		if (!og_span_cut(line, '\t', &word, &value))
			continue;
		if (og_span_is(word, "=>")) {
			struct module other = read_module(value);

			/* Replaced by a folder: its name is a path and it has no version. */
			module = other.version.len > 0 && module.path.len > 0 ? other : module;
			continue;
		}
		r = hand_out(&module, fn, data, err);
		if (og_span_is(word, "mod") || og_span_is(word, "dep"))
			module = read_module(value);
	}
	return r == 0 ? hand_out(&module, fn, data, err) : r;
}

/* "go1.19.8", "go1.21.3 X:boringcrypto", "go1.20.1-custom"; a development version has no number. */
static int hand_out_library(struct og_span version, og_package_fn *fn, void *data,
			    struct og_err *err)
{
	struct module library = { .path = og_span_of("stdlib") };
	struct og_span rest;

	if (!og_span_starts(version, "go"))
		return 0;
	version = (struct og_span){ version.at + 2, version.len - 2 };
	(void)og_span_cut(version, ' ', &version, &rest);
	(void)og_span_cut(version, '-', &version, &rest);
	library.version = version;
	return hand_out(&library, fn, data, err);
}

/* ---- where it is ---- */

static int find_info(const struct og_elf *elf, struct og_elf_part *ret_part, struct og_err *err)
{
	og_auto_free uint8_t *buf = NULL;
	struct og_elf_part part = {};
	size_t len;
	int r = og_elf_section(elf, ".go.buildinfo", ret_part, err);

	/* Only of a program without sections is there a need, and the cost, of a search. */
	if (r != -ENOENT || elf->section_count > 0)
		return r;
	r = og_elf_data_segment(elf, &part, err);
	if (r < 0)
		return r;
	len = part.size < SEARCH_BYTES ? (size_t)part.size : SEARCH_BYTES;
	buf = malloc(len > 0 ? len : 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(elf->bytes, part.offset, buf, len);
	if (r < 0)
		return r;
	for (size_t at = 0; at + INFO_BYTES <= len; at += 16) {
		if (memcmp(buf + at, MAGIC, MAGIC_BYTES) != 0)
			continue;
		*ret_part = (struct og_elf_part){ part.offset + at, part.size - at };
		return 0;
	}
	return og_fail_plain(err, -ENOENT, "not made by Go");
}

/* One of the two texts. */
struct text {
	char *buf; /* owned */
	size_t len, max;
};

static int read_text(const struct og_elf *elf, uint64_t offset, uint64_t len, struct text *text,
		     struct og_err *err)
{
	og_auto_free char *buf = NULL;
	int r;

	if (len > text->max)
		return og_fail_plain(err, -EBADMSG, "build information of %llu bytes",
				     (unsigned long long)len);
	buf = malloc((size_t)len + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(elf->bytes, offset, buf, (size_t)len);
	if (r < 0)
		return og_fail_plain(err, r == -ERANGE ? -EBADMSG : r, "damaged build information");
	text->len = (size_t)len;
	text->buf = og_take_ptr(buf);
	return 0;
}

/* A varint (Go's encoding/binary) and as many bytes; *@at is then behind them. */
static int read_inline(const struct og_elf *elf, uint64_t *at, struct text *text,
		       struct og_err *err)
{
	uint64_t len = 0;
	uint8_t byte = 0x80;
	int r;

	for (unsigned int shift = 0; (byte & 0x80) != 0; shift += 7) {
		if (shift > 28 || og_bytes_read(elf->bytes, (*at)++, &byte, 1) < 0)
			return og_fail_plain(err, -EBADMSG, "damaged build information");
		len |= (uint64_t)(byte & 0x7f) << shift;
	}
	r = read_text(elf, *at, len, text, err);
	*at += len;
	return r;
}

/* Go's string: an address and a length, at an address. */
static int read_pointed(const struct og_elf *elf, uint64_t address, size_t pointer,
			struct text *text, struct og_err *err)
{
	struct og_elf_part part = {};
	uint8_t head[16] = {};
	uint64_t len;
	int r = og_elf_address(elf, address, &part, err);

	if (r == 0 && part.size >= 2 * pointer)
		r = og_bytes_read(elf->bytes, part.offset, head, 2 * pointer);
	else
		r = -EBADMSG;
	if (r == 0)
		r = og_elf_address(elf, og_elf_number(elf, head, pointer), &part, err);
	len = og_elf_number(elf, head + pointer, pointer);
	if (r < 0 || len > part.size)
		return og_fail_plain(err, -EBADMSG, "damaged build information");
	return read_text(elf, part.offset, len, text, err);
}

static int read_texts(const struct og_elf *elf, uint64_t offset, const uint8_t info[INFO_BYTES],
		      struct text texts[2], struct og_err *err)
{
	size_t pointer = info[14];
	struct og_elf order = *elf;
	uint64_t at = offset + INLINE_AT;
	int r;

	if ((info[15] & FLAG_INLINE) != 0) {
		r = read_inline(elf, &at, &texts[0], err);
		return r < 0 ? r : read_inline(elf, &at, &texts[1], err);
	}
	if (pointer != 4 && pointer != 8)
		return og_fail_plain(err, -EBADMSG, "pointers of %zu bytes", pointer);
	order.big_endian = (info[15] & FLAG_BIG) != 0;
	r = read_pointed(&order, og_elf_number(&order, info + 16, pointer), pointer, &texts[0],
			 err);
	/* Built without modules, it has no list. */
	if (r == 0)
		(void)read_pointed(&order, og_elf_number(&order, info + 16 + pointer, pointer),
				   pointer, &texts[1], NULL);
	return r;
}

int og_go_read_build(const struct og_elf *elf, og_package_fn *fn, void *data, struct og_err *err)
{
	struct text texts[2] = { { .max = VERSION_MAX }, { .max = OG_GO_MODULES_BYTES_MAX } };
	struct og_elf_part part = {};
	uint8_t info[INFO_BYTES] = {};
	int r = find_info(elf, &part, err);

	if (r == 0)
		r = og_bytes_read(elf->bytes, part.offset, info, sizeof(info));
	if (r == -ERANGE || (r == 0 && memcmp(info, MAGIC, MAGIC_BYTES) != 0))
		r = og_fail_plain(err, -EBADMSG, "damaged build information");
	if (r == 0)
		r = read_texts(elf, part.offset, info, texts, err);
	if (r == 0)
		r = hand_out_library((struct og_span){ texts[0].buf, texts[0].len }, fn, data, err);
	if (r == 0 && texts[1].len > 2 * SENTINEL)
		r = og_go_read_modules(texts[1].buf + SENTINEL, texts[1].len - 2 * SENTINEL, fn,
				       data, err);
	free(texts[0].buf);
	free(texts[1].buf);
	return r;
}

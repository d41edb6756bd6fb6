/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start frame's payload: fields of a tag (u32), a length (u32) and a value, in the
 * order of their tags, each at most once. What is empty or 0 is left out. One table serves
 * writing, reading and releasing.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/guest.h"

#define FIELD_HEADER_BYTES 8
#define RLIMIT_BYTES	   20 /* u32 resource, u64 soft, u64 hard */
#define RLIMIT_KINDS	   16 /* of Linux */
#define CAPS		   5

enum kind {
	KIND_U32,
	KIND_U32S,
	KIND_CAPS,
	KIND_TEXT, /* not NUL-terminated */
	KIND_LIST, /* of NUL-terminated texts */
	KIND_LIMITS,
};

struct field {
	enum kind kind;
	size_t at;	 /* in struct og_guest_start */
	size_t count_at; /* where a count stands beside it */
	uint32_t bound; /* KIND_LIST: texts come in groups of this; KIND_U32, _U32S: largest value */
};

#define AT(member) offsetof(struct og_guest_start, member)

/* The index is the tag; a tag is never used again for anything else. */
static const struct field fields[] = {
	[1] = { KIND_LIST, AT(argv), 0, 1 },
	[2] = { KIND_LIST, AT(env), 0, 1 },
	[3] = { KIND_TEXT, AT(cwd), 0, 0 },
	[4] = { KIND_TEXT, AT(user), 0, 0 },
	[5] = { KIND_U32, AT(uid), 0,
		UINT32_MAX - 1 }, /* -1 would mean "as it is", which is root */
	[6] = { KIND_U32, AT(gid), 0, UINT32_MAX - 1 },
	[7] = { KIND_U32S, AT(groups), AT(group_count), UINT32_MAX - 1 },
	[8] = { KIND_U32, AT(umask), 0, 0777 },
	[9] = { KIND_CAPS, AT(caps), 0, 0 },
	[10] = { KIND_LIMITS, AT(rlimits), AT(rlimit_count), 0 },
	[11] = { KIND_U32, AT(flags), 0, OG_GUEST_F_ALL },
	[12] = { KIND_U32, AT(oom_score), 0, 2000 },
	[13] = { KIND_U32, AT(rows), 0, UINT16_MAX },
	[14] = { KIND_U32, AT(columns), 0, UINT16_MAX },
	[15] = { KIND_TEXT, AT(hostname), 0, 0 },
	[16] = { KIND_LIST, AT(mounts), 0, 4 },
	[17] = { KIND_LIST, AT(masked), 0, 1 },
	[18] = { KIND_LIST, AT(readonly), 0, 1 },
	[19] = { KIND_LIST, AT(sysctls), 0, 2 },
	[20] = { KIND_LIST, AT(files), 0, 2 },
	[21] = { KIND_U32, AT(pids_limit), 0, UINT32_MAX },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static void add_u32(struct og_text *out, uint32_t value)
{
	value = htole32(value);
	og_text_add_bytes(out, &value, sizeof(value));
}

static void add_u64(struct og_text *out, uint64_t value)
{
	value = htole64(value);
	og_text_add_bytes(out, &value, sizeof(value));
}

static uint32_t read_u32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static uint64_t read_u64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

/* The member that @field describes. */
static const void *member(const struct og_guest_start *start, const struct field *field)
{
	return (const char *)start + field->at;
}

static size_t member_count(const struct og_guest_start *start, const struct field *field)
{
	return *(const size_t *)(const void *)((const char *)start + field->count_at);
}

static void add_caps(struct og_text *out, const uint64_t *caps)
{
	static const uint64_t none[CAPS];

	if (memcmp(caps, none, sizeof(none)) == 0)
		return;
	for (size_t i = 0; i < CAPS; i++)
		add_u64(out, caps[i]);
}

static void add_list(struct og_text *out, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		og_text_add_bytes(out, *list, strlen(*list) + 1);
}

static void add_limits(struct og_text *out, const struct og_guest_rlimit *limits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		add_u32(out, limits[i].resource);
		add_u64(out, limits[i].soft);
		add_u64(out, limits[i].hard);
	}
}

static void add_value(struct og_text *out, const struct og_guest_start *start,
		      const struct field *field)
{
	const void *at = member(start, field);

	switch (field->kind) {
	case KIND_U32:
		if (*(const uint32_t *)at != 0)
			add_u32(out, *(const uint32_t *)at);
		break;
	case KIND_U32S:
		for (size_t i = 0; i < member_count(start, field); i++)
			add_u32(out, (*(uint32_t *const *)at)[i]);
		break;
	case KIND_CAPS:
		add_caps(out, at);
		break;
	case KIND_TEXT:
		if (*(char *const *)at != NULL)
			og_text_add(out, *(char *const *)at);
		break;
	case KIND_LIST:
		add_list(out, *(const char *const *const *)at);
		break;
	case KIND_LIMITS:
		add_limits(out, *(struct og_guest_rlimit *const *)at, member_count(start, field));
		break;
	}
}

int og_guest_put_start(struct og_text *out, uint32_t process, const struct og_guest_start *start,
		       struct og_err *err)
{
	og_auto_text payload = {};
	og_auto_text value = {};

	for (size_t tag = 1; tag < FIELDS; tag++) {
		og_text_clear(&value);
		add_value(&value, start, &fields[tag]);
		if (value.len == 0)
			continue;
		add_u32(&payload, (uint32_t)tag);
		add_u32(&payload, (uint32_t)value.len);
		og_text_add_bytes(&payload, value.buf, value.len);
		if (payload.len > OG_GUEST_START_MAX)
			return og_fail(err, -E2BIG,
				       "arguments, environment and mounts exceed %u bytes",
				       OG_GUEST_START_MAX);
	}
	og_guest_put(out, OG_GUEST_START, process, 0, payload.buf, payload.len);
	if (value.failed || payload.failed || out->failed)
		return og_fail(err, -ENOMEM, "build start frame");
	return 0;
}

/* Pointers and the texts they point to are one allocation. */
static int take_list(char ***ret_list, uint32_t group, const uint8_t *value, size_t len,
		     struct og_err *err)
{
	size_t count = 0;
	char **list;
	char *text;

	for (size_t i = 0; i < len; i++)
		count += value[i] == '\0';
	if (value[len - 1] != '\0' || count % group != 0)
		return og_fail(err, -EPROTO, "a list that breaks off");
	list = malloc((count + 1) * sizeof(*list) + len);
	if (list == NULL)
		return og_fail(err, -ENOMEM, "allocate list");
	text = (char *)(list + count + 1);
	memcpy(text, value, len);
	for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
		list[i] = text;
	list[count] = NULL;
	*ret_list = list;
	return 0;
}

static int take_text(char **ret_text, const uint8_t *value, size_t len, struct og_err *err)
{
	if (memchr(value, '\0', len) != NULL)
		return og_fail(err, -EPROTO, "a text with NUL");
	*ret_text = strndup((const char *)value, len);
	return *ret_text == NULL ? og_fail(err, -ENOMEM, "allocate text") : 0;
}

static int take_u32s(uint32_t **ret_numbers, size_t *ret_count, uint32_t max, const uint8_t *value,
		     size_t len, struct og_err *err)
{
	uint32_t *numbers;

	if (len % 4 != 0)
		return og_fail(err, -EPROTO, "numbers of %zu bytes", len);
	numbers = calloc(len / 4, sizeof(*numbers));
	if (numbers == NULL)
		return og_fail(err, -ENOMEM, "allocate numbers");
	*ret_numbers = numbers;
	*ret_count = len / 4;
	for (size_t i = 0; i < len / 4; i++) {
		numbers[i] = read_u32(value + 4 * i);
		if (numbers[i] > max)
			return og_fail(err, -EPROTO, "number %u", numbers[i]);
	}
	return 0;
}

static int take_limits(struct og_guest_start *start, const uint8_t *value, size_t len,
		       struct og_err *err)
{
	size_t count = len / RLIMIT_BYTES;
	struct og_guest_rlimit *limits;

	if (len % RLIMIT_BYTES != 0 || count > RLIMIT_KINDS)
		return og_fail(err, -EPROTO, "limits of %zu bytes", len);
	limits = calloc(count, sizeof(*limits));
	if (limits == NULL)
		return og_fail(err, -ENOMEM, "allocate limits");
	start->rlimits = limits;
	start->rlimit_count = count;
	for (size_t i = 0; i < count; i++, value += RLIMIT_BYTES) {
		limits[i] = (struct og_guest_rlimit){
			.resource = read_u32(value),
			.soft = read_u64(value + 4),
			.hard = read_u64(value + 12),
		};
		if (limits[i].resource >= RLIMIT_KINDS)
			return og_fail(err, -EPROTO, "limit %u", limits[i].resource);
	}
	return 0;
}

static int take_value(struct og_guest_start *start, const struct field *field, const uint8_t *value,
		      size_t len, struct og_err *err)
{
	void *at = (char *)start + field->at;

	switch (field->kind) {
	case KIND_U32:
		if (len != 4 || read_u32(value) > field->bound)
			return og_fail(err, -EPROTO, "a number out of range");
		*(uint32_t *)at = read_u32(value);
		return 0;
	case KIND_U32S:
		return take_u32s(at, (size_t *)(void *)((char *)start + field->count_at),
				 field->bound, value, len, err);
	case KIND_CAPS:
		if (len != CAPS * sizeof(uint64_t))
			return og_fail(err, -EPROTO, "capabilities of %zu bytes", len);
		for (size_t i = 0; i < CAPS; i++)
			start->caps[i] = read_u64(value + 8 * i);
		return 0;
	case KIND_TEXT:
		return take_text(at, value, len, err);
	case KIND_LIST:
		return take_list(at, field->bound, value, len, err);
	case KIND_LIMITS:
		return take_limits(start, value, len, err);
	}
	return -EPROTO;
}

static int take_fields(struct og_guest_start *start, const uint8_t *at, size_t left,
		       struct og_err *err)
{
	uint32_t last_tag = 0;

	while (left > 0) {
		uint32_t tag, len;
		int r;

		if (left < FIELD_HEADER_BYTES)
			return og_fail(err, -EPROTO, "a field that breaks off");
		tag = read_u32(at);
		len = read_u32(at + 4);
		at += FIELD_HEADER_BYTES;
		left -= FIELD_HEADER_BYTES;
		if (tag <= last_tag || tag >= FIELDS || len == 0 || len > left)
			return og_fail(err, -EPROTO, "field %u of %u bytes", tag, len);
		r = take_value(start, &fields[tag], at, len, err);
		if (r < 0)
			return og_fail_in(err, r, "field %u", tag);
		last_tag = tag;
		at += len;
		left -= len;
	}
	if (start->argv == NULL)
		return og_fail(err, -EPROTO, "no arguments");
	return 0;
}

int og_guest_get_start(const struct og_guest_frame *frame, struct og_guest_start *ret_start,
		       struct og_err *err)
{
	struct og_guest_start start = {};
	int r = take_fields(&start, frame->payload, frame->len, err);

	if (r < 0) {
		og_guest_start_done(&start);
		return og_fail_in(err, r, "guest protocol: start");
	}
	*ret_start = start;
	return 0;
}

void og_guest_start_done(struct og_guest_start *start)
{
	for (size_t tag = 1; tag < FIELDS; tag++) {
		if (fields[tag].kind != KIND_U32 && fields[tag].kind != KIND_CAPS)
			free(*(void **)(void *)((char *)start + fields[tag].at));
	}
	*start = (struct og_guest_start){};
}

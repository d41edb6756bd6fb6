/* SPDX-License-Identifier: Apache-2.0 */
#include "format/guest.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Read ahead beyond the largest frame, so that a busy stream takes few reads. */
#define READ_AHEAD (64U * 1024U)

#define STATS_NUMBERS 4

/* What one side may say. Without @allowed the rest means nothing. */
struct payload {
	bool allowed;
	uint32_t min, max;
};

struct rule {
	const char *name;
	bool has_process, has_stream;
	struct payload host, guest;
};

#define LENGTHS(low, high)                               \
	{                                                \
		.allowed = true, .min = low, .max = high \
	}
#define EXACTLY(bytes) LENGTHS(bytes, bytes)

static const struct rule rules[] = {
	[OG_GUEST_HELLO] = { "hello", false, false, EXACTLY(4), EXACTLY(4) },
	[OG_GUEST_FAILED] = { "failed", .guest = LENGTHS(0, OG_GUEST_TEXT_MAX) },
	[OG_GUEST_START] = { "start", true, .host = LENGTHS(0, OG_GUEST_START_MAX) },
	[OG_GUEST_STARTED] = { "started", true, .guest = EXACTLY(0) },
	[OG_GUEST_REFUSED] = { "refused", true, .guest = LENGTHS(4, 4 + OG_GUEST_TEXT_MAX) },
	[OG_GUEST_DATA] = { "data", true, true, LENGTHS(1, OG_GUEST_DATA_MAX),
			    LENGTHS(1, OG_GUEST_DATA_MAX) },
	[OG_GUEST_CLOSE] = { "close", true, true, EXACTLY(0), EXACTLY(0) },
	[OG_GUEST_CREDIT] = { "credit", true, true, EXACTLY(4), EXACTLY(4) },
	[OG_GUEST_SIGNAL] = { "signal", true, .host = EXACTLY(8) },
	[OG_GUEST_RESIZE] = { "resize", true, .host = EXACTLY(8) },
	[OG_GUEST_EXITED] = { "exited", true, .guest = EXACTLY(8) },
	[OG_GUEST_STATS] = { "stats", false, false, EXACTLY(0), EXACTLY(8 * STATS_NUMBERS) },
	[OG_GUEST_SHUTDOWN] = { "shutdown", .host = EXACTLY(0) },
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

struct og_guest_inbox {
	bool from_guest;
	size_t begin, end; /* of what has arrived and was not handed out */
	size_t room;
	uint8_t bytes[];
};

static uint32_t get_u32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static uint64_t get_u64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

const char *og_guest_type_name(enum og_guest_type type)
{
	if ((size_t)type >= RULES || rules[type].name == NULL)
		return "unknown";
	return rules[type].name;
}

int og_guest_inbox_new(bool from_guest, struct og_guest_inbox **ret_inbox, struct og_err *err)
{
	size_t longest = from_guest ? OG_GUEST_DATA_MAX : OG_GUEST_START_MAX;
	size_t room = OG_GUEST_HEADER_BYTES + longest + READ_AHEAD;
	struct og_guest_inbox *inbox = malloc(sizeof(*inbox) + room);

	if (inbox == NULL)
		return og_fail(err, -ENOMEM, "allocate guest inbox");
	inbox->from_guest = from_guest;
	inbox->begin = 0;
	inbox->end = 0;
	inbox->room = room;
	*ret_inbox = inbox;
	return 0;
}

struct og_guest_inbox *og_guest_inbox_free(struct og_guest_inbox *inbox)
{
	free(inbox);
	return NULL;
}

uint8_t *og_guest_inbox_space(struct og_guest_inbox *inbox, size_t *ret_len)
{
	if (inbox->begin > 0) {
		memmove(inbox->bytes, inbox->bytes + inbox->begin, inbox->end - inbox->begin);
		inbox->end -= inbox->begin;
		inbox->begin = 0;
	}
	/* Whole frames were all handed out, so that what is left is shorter than one. */
	assert(inbox->end < inbox->room);
	*ret_len = inbox->room - inbox->end;
	return inbox->bytes + inbox->end;
}

void og_guest_inbox_added(struct og_guest_inbox *inbox, size_t len)
{
	assert(len <= inbox->room - inbox->end);
	inbox->end += len;
}

static int header_check(const struct og_guest_inbox *inbox, const uint8_t *header,
			struct og_err *err)
{
	uint32_t len = get_u32(header);
	const struct rule *rule = header[4] < RULES ? &rules[header[4]] : &rules[0];
	const struct payload *payload = inbox->from_guest ? &rule->guest : &rule->host;
	uint32_t process = get_u32(header + 8);

	if (rule->name == NULL)
		return og_fail(err, -EPROTO, "guest protocol: no frame of type %u", header[4]);
	if (!payload->allowed)
		return og_fail(err, -EPROTO, "guest protocol: '%s' is not the %s's to say",
			       rule->name, inbox->from_guest ? "guest" : "host");
	if (len < payload->min || len > payload->max)
		return og_fail(err, -EPROTO, "guest protocol: '%s' of %u bytes", rule->name, len);
	if (header[5] >= (rule->has_stream ? OG_GUEST_STREAMS : 1) || header[6] != 0 ||
	    header[7] != 0)
		return og_fail(err, -EPROTO, "guest protocol: '%s' for no stream", rule->name);
	if ((process != 0) != rule->has_process)
		return og_fail(err, -EPROTO, "guest protocol: '%s' for process %u", rule->name,
			       process);
	return 0;
}

int og_guest_inbox_next(struct og_guest_inbox *inbox, struct og_guest_frame *ret_frame,
			struct og_err *err)
{
	const uint8_t *header = inbox->bytes + inbox->begin;
	size_t there = inbox->end - inbox->begin;
	uint32_t len;
	int r;

	if (there < OG_GUEST_HEADER_BYTES)
		return 0;
	r = header_check(inbox, header, err);
	if (r < 0)
		return r;
	len = get_u32(header);
	if (there - OG_GUEST_HEADER_BYTES < len)
		return 0;

	*ret_frame = (struct og_guest_frame){
		.type = (enum og_guest_type)header[4],
		.stream = (enum og_guest_stream)header[5],
		.process = get_u32(header + 8),
		.payload = header + OG_GUEST_HEADER_BYTES,
		.len = len,
	};
	inbox->begin += OG_GUEST_HEADER_BYTES + len;
	return 1;
}

void og_guest_put(struct og_text *out, enum og_guest_type type, uint32_t process,
		  enum og_guest_stream stream, const void *payload, size_t len)
{
	uint8_t header[OG_GUEST_HEADER_BYTES] = { [4] = (uint8_t)type, [5] = (uint8_t)stream };
	uint32_t wire_len = htole32((uint32_t)len);
	uint32_t wire_process = htole32(process);

	memcpy(header, &wire_len, sizeof(wire_len));
	memcpy(header + 8, &wire_process, sizeof(wire_process));
	og_text_add_bytes(out, header, sizeof(header));
	if (len > 0)
		og_text_add_bytes(out, payload, len);
}

void og_guest_put_numbers(struct og_text *out, enum og_guest_type type, uint32_t process,
			  enum og_guest_stream stream, uint32_t first, uint32_t second)
{
	uint32_t wire[2] = { htole32(first), htole32(second) };
	bool two = type == OG_GUEST_SIGNAL || type == OG_GUEST_RESIZE || type == OG_GUEST_EXITED;

	og_guest_put(out, type, process, stream, wire, two ? sizeof(wire) : sizeof(wire[0]));
}

uint32_t og_guest_number(const struct og_guest_frame *frame, unsigned int index)
{
	assert(frame->len >= 4 * (index + 1));
	return get_u32(frame->payload + (size_t)4 * index);
}

void og_guest_put_failure(struct og_text *out, uint32_t process, int code, const char *text)
{
	uint8_t payload[4 + OG_GUEST_TEXT_MAX];
	uint32_t wire = htole32((uint32_t)(code < 0 ? -code : code));
	size_t len = strnlen(text, OG_GUEST_TEXT_MAX);

	memcpy(payload, &wire, sizeof(wire));
	memcpy(payload + sizeof(wire), text, len);
	if (process == 0)
		og_guest_put(out, OG_GUEST_FAILED, 0, 0, payload + sizeof(wire), len);
	else
		og_guest_put(out, OG_GUEST_REFUSED, process, 0, payload, sizeof(wire) + len);
}

char *og_guest_failure_text(const struct og_guest_frame *frame)
{
	size_t skip = frame->type == OG_GUEST_REFUSED ? 4 : 0;
	size_t len = frame->len - skip;
	char *text = malloc(len + 1);

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = frame->payload[skip + i];

		/* Nothing that moves a terminal's cursor; UTF-8 goes through. */
		text[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
	}
	text[len] = '\0';
	return text;
}

void og_guest_put_stats(struct og_text *out, const struct og_guest_stats *stats)
{
	uint64_t wire[STATS_NUMBERS] = {
		htole64(stats->memory_bytes),
		htole64(stats->memory_total),
		htole64(stats->cpu_usec),
		htole64(stats->processes),
	};

	og_guest_put(out, OG_GUEST_STATS, 0, 0, wire, sizeof(wire));
}

int og_guest_get_stats(const struct og_guest_frame *frame, struct og_guest_stats *ret_stats,
		       struct og_err *err)
{
	if (frame->type != OG_GUEST_STATS || frame->len != 8 * STATS_NUMBERS)
		return og_fail(err, -EPROTO, "guest protocol: no statistics in '%s'",
			       og_guest_type_name(frame->type));
	*ret_stats = (struct og_guest_stats){
		.memory_bytes = get_u64(frame->payload),
		.memory_total = get_u64(frame->payload + 8),
		.cpu_usec = get_u64(frame->payload + 16),
		.processes = get_u64(frame->payload + 24),
	};
	return 0;
}

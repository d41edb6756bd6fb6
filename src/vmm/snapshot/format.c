/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/format.h"

#include <errno.h>
#include <string.h>

#include "vmm/snapshot/crc64.h"

static const uint8_t magic[8] = { 'o', 'n', 'g', 'g', 'i', 0x1a, 'V', 'M' };

#define HEADER_BYTES 24U
#define LENGTH_AT    16U
#define CRC_BYTES    8U

void og_snapshot_begin(struct og_pack *pack, void *buf, size_t room)
{
	og_pack_init(pack, buf, room);
	og_pack_bytes(pack, magic, sizeof(magic));
	og_pack_u16(pack, OG_SNAPSHOT_MAJOR);
	og_pack_u16(pack, OG_SNAPSHOT_MINOR);
	og_pack_u32(pack, 0);
	og_pack_u64(pack, 0); /* the length, once it is known */
}

size_t og_snapshot_open_section(struct og_pack *pack, uint32_t tag)
{
	og_pack_u32(pack, tag);
	return og_pack_open(pack);
}

int og_snapshot_finish(struct og_pack *pack, struct og_err *err)
{
	size_t len = pack->len;

	if (!pack->failed) {
		pack->len = LENGTH_AT;
		og_pack_u64(pack, len + CRC_BYTES);
		pack->len = len;
		og_pack_u64(pack, og_crc64(0, pack->buf, len));
	}
	if (pack->failed || pack->len > OG_SNAPSHOT_BYTES_MAX)
		return og_fail(err, -ENOSPC, "the machine's state is larger than %u bytes",
			       OG_SNAPSHOT_BYTES_MAX);
	return 0;
}

static bool is_known(uint32_t tag)
{
	static const uint32_t known[] = {
		OG_SNAPSHOT_MACHINE, OG_SNAPSHOT_KVM, OG_SNAPSHOT_VCPU, OG_SNAPSHOT_SERIAL,
		OG_SNAPSHOT_DEVICES, OG_SNAPSHOT_PCI, OG_SNAPSHOT_KEYS, OG_SNAPSHOT_CONFIG,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == tag)
			return true;
	return false;
}

static bool must_be_known(uint32_t tag)
{
	uint8_t first = (uint8_t)tag;

	return first >= 'A' && first <= 'Z';
}

static int check_header(struct og_unpack *unpack, size_t len, struct og_snapshot *snapshot,
			struct og_err *err)
{
	uint8_t found[sizeof(magic)];
	uint16_t major;
	uint32_t flags;
	uint64_t total;

	og_unpack_bytes(unpack, found, sizeof(found));
	major = og_unpack_u16(unpack);
	snapshot->minor = og_unpack_u16(unpack);
	flags = og_unpack_u32(unpack);
	total = og_unpack_u64(unpack);
	if (unpack->failed || memcmp(found, magic, sizeof(magic)) != 0)
		return og_fail(err, -EBADMSG, "this is no snapshot of a machine");
	if (major != OG_SNAPSHOT_MAJOR || flags != 0)
		return og_fail(err, -ENOTSUP, "snapshot of version %u, of which %u is known", major,
			       OG_SNAPSHOT_MAJOR);
	if (total != len)
		return og_fail(err, -EBADMSG, "snapshot of %llu bytes, of which %zu are there",
			       (unsigned long long)total, len);
	return 0;
}

static int read_section(struct og_unpack *unpack, struct og_snapshot *snapshot, struct og_err *err)
{
	uint32_t tag = og_unpack_u32(unpack);
	struct og_unpack content = og_unpack_part(unpack);

	if (unpack->failed)
		return og_fail(err, -EBADMSG, "a section of the snapshot ends behind it");
	if (!is_known(tag))
		return must_be_known(tag)
			       ? og_fail(err, -ENOTSUP,
					 "section 0x%08x of the snapshot is not known", tag)
			       : 0;
	if (snapshot->n_sections == OG_SNAPSHOT_SECTIONS_MAX)
		return og_fail(err, -EBADMSG, "more than %u sections in the snapshot",
			       OG_SNAPSHOT_SECTIONS_MAX);
	snapshot->sections[snapshot->n_sections++] = (struct og_snapshot_section){ tag, content };
	return 0;
}

/* *@ret_unpack is at the first section. */
static int begin_reading(const void *bytes, size_t len, struct og_unpack *ret_unpack,
			 struct og_snapshot *snapshot, struct og_err *err)
{
	*snapshot = (struct og_snapshot){};
	if (len < HEADER_BYTES + CRC_BYTES || len > OG_SNAPSHOT_BYTES_MAX)
		return og_fail(err, -EBADMSG, "no snapshot has %zu bytes", len);
	og_unpack_init(ret_unpack, bytes, len - CRC_BYTES);
	return check_header(ret_unpack, len, snapshot, err);
}

static int read_sections(struct og_unpack *unpack, struct og_snapshot *snapshot, struct og_err *err)
{
	int r = 0;

	while (r == 0 && unpack->left > 0)
		r = read_section(unpack, snapshot, err);
	return r;
}

int og_snapshot_read(const void *bytes, size_t len, struct og_snapshot *ret_snapshot,
		     struct og_err *err)
{
	struct og_unpack unpack, end;
	int r = begin_reading(bytes, len, &unpack, ret_snapshot, err);

	if (r < 0)
		return r;
	og_unpack_init(&end, (const uint8_t *)bytes + len - CRC_BYTES, CRC_BYTES);
	if (og_unpack_u64(&end) != og_crc64(0, bytes, len - CRC_BYTES))
		return og_fail(err, -EBADMSG, "the snapshot is damaged (checksum)");
	return read_sections(&unpack, ret_snapshot, err);
}

int og_snapshot_read_again(const void *bytes, size_t len, struct og_snapshot *ret_snapshot,
			   struct og_err *err)
{
	struct og_unpack unpack;
	int r = begin_reading(bytes, len, &unpack, ret_snapshot, err);

	return r < 0 ? r : read_sections(&unpack, ret_snapshot, err);
}

struct og_unpack og_snapshot_section(const struct og_snapshot *snapshot, uint32_t tag, unsigned nth)
{
	for (unsigned i = 0; i < snapshot->n_sections; i++)
		if (snapshot->sections[i].tag == tag && nth-- == 0)
			return snapshot->sections[i].content;
	return (struct og_unpack){ .failed = true };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/format.h"

#include <errno.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "plain_machine.h"
#include "vmm/snapshot/crc64.h"
#include "vmm/snapshot/state.h"
#include "vmm/x86/saved.h"

#define ROOM 4096

TEST(the_checksum_is_the_known_one)
{
	CHECK(og_crc64(0, "123456789", 9) == 0x995dc9bbdf1939faULL);
	CHECK(og_crc64(og_crc64(0, "1234", 4), "56789", 5) == 0x995dc9bbdf1939faULL);
}

/* A file of sections of the given tags, each with one byte, its index. */
static size_t make(uint8_t *buf, const uint32_t *tags, unsigned n)
{
	struct og_pack pack;

	og_snapshot_begin(&pack, buf, ROOM);
	for (unsigned i = 0; i < n; i++) {
		size_t opened = og_snapshot_open_section(&pack, tags[i]);

		og_pack_u8(&pack, (uint8_t)i);
		og_pack_close(&pack, opened);
	}
	CHECK_OK(og_snapshot_finish(&pack, NULL));
	return pack.len;
}

/* After a change: the checksum is right again. */
static void mend(uint8_t *buf, size_t len)
{
	struct og_pack pack;

	og_pack_init(&pack, buf + len - 8, 8);
	og_pack_u64(&pack, og_crc64(0, buf, len - 8));
}

TEST(sections_are_found_by_tag_and_order)
{
	const uint32_t tags[] = { OG_SNAPSHOT_VCPU, OG_SNAPSHOT_KVM, OG_SNAPSHOT_VCPU };
	struct og_snapshot snapshot;
	uint8_t buf[ROOM];
	size_t len = make(buf, tags, 3);
	struct og_unpack second;

	CHECK_OK(og_snapshot_read(buf, len, &snapshot, NULL));
	CHECK_EQ(snapshot.n_sections, 3);
	second = og_snapshot_section(&snapshot, OG_SNAPSHOT_VCPU, 1);
	CHECK_EQ(og_unpack_u8(&second), 2);
	CHECK(og_unpack_done(&second));
	CHECK(og_snapshot_section(&snapshot, OG_SNAPSHOT_VCPU, 2).failed);
}

/* What a later version adds is skipped, unless it must be understood. */
TEST(unknown_sections_are_skipped_or_refused_by_their_tag)
{
	const uint32_t skipped[] = { OG_SNAPSHOT_TAG('n', 'e', 'w', '1'), OG_SNAPSHOT_KVM };
	const uint32_t refused[] = { OG_SNAPSHOT_KVM, OG_SNAPSHOT_TAG('N', 'e', 'w', '1') };
	struct og_snapshot snapshot;
	uint8_t buf[ROOM];
	size_t len = make(buf, skipped, 2);

	buf[10] = 7; /* the minor version */
	mend(buf, len);
	CHECK_OK(og_snapshot_read(buf, len, &snapshot, NULL));
	CHECK_EQ(snapshot.n_sections, 1);
	CHECK_EQ(snapshot.minor, 7);
	len = make(buf, refused, 2);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -ENOTSUP);
}

TEST(another_major_version_and_a_wrong_header_are_refused)
{
	const uint32_t tags[] = { OG_SNAPSHOT_KVM };
	struct og_snapshot snapshot;
	uint8_t buf[ROOM];
	size_t len = make(buf, tags, 1);

	buf[8] = 2;
	mend(buf, len);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -ENOTSUP);
	(void)make(buf, tags, 1);
	buf[12] = 1; /* flags */
	mend(buf, len);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -ENOTSUP);
	(void)make(buf, tags, 1);
	buf[0] = 'O';
	mend(buf, len);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -EBADMSG);
	(void)make(buf, tags, 1);
	buf[16]++; /* the length */
	mend(buf, len);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -EBADMSG);
	(void)make(buf, tags, 1);
	buf[28] = 0xff; /* the section's length */
	mend(buf, len);
	CHECK_EQ(og_snapshot_read(buf, len, &snapshot, NULL), -EBADMSG);
}

TEST(every_changed_bit_and_every_cut_is_noticed)
{
	const uint32_t tags[] = { OG_SNAPSHOT_KVM, OG_SNAPSHOT_SERIAL };
	struct og_snapshot snapshot;
	uint8_t buf[ROOM];
	size_t len = make(buf, tags, 2);

	for (size_t bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		CHECK(og_snapshot_read(buf, len, &snapshot, NULL) < 0);
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		CHECK_EQ(og_snapshot_read(buf, cut, &snapshot, NULL), -EBADMSG);
}

TEST(more_sections_than_there_can_be_are_refused)
{
	uint32_t tags[OG_SNAPSHOT_SECTIONS_MAX + 1];
	struct og_snapshot snapshot;
	uint8_t buf[ROOM];

	for (unsigned i = 0; i <= OG_SNAPSHOT_SECTIONS_MAX; i++)
		tags[i] = OG_SNAPSHOT_VCPU;
	CHECK_OK(og_snapshot_read(buf, make(buf, tags, OG_SNAPSHOT_SECTIONS_MAX), &snapshot, NULL));
	CHECK_EQ(og_snapshot_read(buf, make(buf, tags, OG_SNAPSHOT_SECTIONS_MAX + 1), &snapshot,
				  NULL),
		 -EBADMSG);
}

static int read_saved(const uint8_t *buf, size_t len)
{
	struct og_unpack unpack;
	struct og_saved saved;

	og_unpack_init(&unpack, buf, len);
	return og_saved_read(&unpack, &saved, NULL);
}

TEST(registers_are_whole_structs_of_kvm_each_once)
{
	static const uint8_t zeros[sizeof(struct kvm_regs)];
	uint8_t buf[ROOM];
	struct og_pack pack;

	og_pack_init(&pack, buf, sizeof(buf));
	og_saved_write(&pack, OG_SAVED_REGS, zeros, sizeof(struct kvm_regs));
	CHECK_OK(read_saved(buf, pack.len));
	CHECK_EQ(read_saved(buf, pack.len - 1), -EBADMSG);
	og_saved_write(&pack, OG_SAVED_REGS, zeros, sizeof(struct kvm_regs));
	CHECK_EQ(read_saved(buf, pack.len), -EBADMSG);

	og_pack_init(&pack, buf, sizeof(buf));
	og_saved_write(&pack, OG_SAVED_MSRS, zeros, sizeof(struct kvm_msr_entry) * 3);
	CHECK_OK(read_saved(buf, pack.len));
	og_pack_init(&pack, buf, sizeof(buf));
	og_saved_write(&pack, OG_SAVED_MSRS, zeros, sizeof(struct kvm_msr_entry) * 3 - 4);
	CHECK_EQ(read_saved(buf, pack.len), -EBADMSG);
	og_pack_init(&pack, buf, sizeof(buf));
	og_saved_write(&pack, OG_SAVED_KINDS, zeros, 4);
	CHECK_EQ(read_saved(buf, pack.len), -EBADMSG);
}

static uint8_t *read_golden(const char *name, size_t *ret_len)
{
	const char *folder = getenv("OG_TEST_GOLDEN");
	uint8_t *bytes = malloc(OG_SNAPSHOT_BYTES_MAX);
	char path[512];
	og_auto_fd fd = -EBADF;
	ssize_t got;

	CHECK(bytes != NULL);
	(void)snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : ".", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	got = read(fd, bytes, OG_SNAPSHOT_BYTES_MAX);
	CHECK(got > 0);
	*ret_len = (size_t)got;
	return bytes;
}

/* A file that the first version wrote; every later one reads it (docs/snapshot-format.md). */
TEST(a_file_of_version_1_is_read)
{
	size_t len;
	og_auto_free uint8_t *bytes = read_golden("snapshot-v1.state", &len);
	struct og_snapshot snapshot;
	struct og_unpack unpack;
	struct og_saved saved;
	struct kvm_regs regs;
	struct plain_machine m;
	struct og_err err = {};

	CHECK_OK(og_snapshot_read(bytes, len, &snapshot, NULL));
	unpack = og_snapshot_section(&snapshot, OG_SNAPSHOT_KVM, 0);
	CHECK_OK(og_saved_read(&unpack, &saved, NULL));
	CHECK(saved.pieces[OG_SAVED_IOAPIC].bytes != NULL);
	unpack = og_snapshot_section(&snapshot, OG_SNAPSHOT_VCPU, 0);
	CHECK_OK(og_saved_read(&unpack, &saved, NULL));
	memcpy(&regs, saved.pieces[OG_SAVED_REGS].bytes, sizeof(regs));
	CHECK(regs.rip >= 0x1000000 && regs.rip < 0x1100000); /* where the test guest lies */
	CHECK(saved.pieces[OG_SAVED_MSRS].len > 0 && saved.pieces[OG_SAVED_CPUID].len > 0);

	plain_init(&m);
	if (og_vmm_check(&m.vmm, &snapshot, &err) < 0 ||
	    og_vmm_load_devices(&m.vmm, &snapshot, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	for (unsigned i = 0; i < m.vmm.n_slots; i++) {
		CHECK_EQ(m.vmm.slots[i].virtio->status, 15);
		CHECK(m.vmm.slots[i].virtio->queues[0].ready);
		CHECK_EQ(m.vmm.slots[i].virtio->queues[0].size, 64);
		CHECK(m.vmm.slots[i].virtio->queues[0].next_used > 0);
	}
	plain_done(&m);
}

/* One that was written where keys waited to be read. */
TEST(a_file_of_version_1_1_has_a_keyboard)
{
	size_t len;
	og_auto_free uint8_t *bytes = read_golden("snapshot-v1.1.state", &len);
	struct og_snapshot snapshot;
	struct plain_machine m;

	CHECK_OK(og_snapshot_read(bytes, len, &snapshot, NULL));
	CHECK_EQ(snapshot.minor, 1);
	plain_init(&m);
	CHECK_OK(og_vmm_check(&m.vmm, &snapshot, NULL));
	CHECK_OK(og_vmm_load_devices(&m.vmm, &snapshot, NULL));
	CHECK_EQ(m.vmm.keyboard.len, 8);
	CHECK_EQ(m.vmm.keyboard.queue[0], 0x1d);
	CHECK_EQ(m.vmm.keyboard.control, 0x40);
	CHECK(m.vmm.keyboard.touched);
	plain_done(&m);
	plain_init(&m);
	m.vmm.keyboard.present = false;
	CHECK_EQ(og_vmm_load_devices(&m.vmm, &snapshot, NULL), -EINVAL);
	m.vmm.keyboard.present = true;
	plain_done(&m);
}

TEST_MAIN(TEST_ENTRY(the_checksum_is_the_known_one),
	  TEST_ENTRY(sections_are_found_by_tag_and_order),
	  TEST_ENTRY(unknown_sections_are_skipped_or_refused_by_their_tag),
	  TEST_ENTRY(another_major_version_and_a_wrong_header_are_refused),
	  TEST_ENTRY(every_changed_bit_and_every_cut_is_noticed),
	  TEST_ENTRY(more_sections_than_there_can_be_are_refused),
	  TEST_ENTRY(registers_are_whole_structs_of_kvm_each_once),
	  TEST_ENTRY(a_file_of_version_1_is_read), TEST_ENTRY(a_file_of_version_1_1_has_a_keyboard))

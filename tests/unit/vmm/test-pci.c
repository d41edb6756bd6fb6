/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio_pci.h"
#include "vmm/device/virtio_rng.h"

#define WINDOW	     0xc0000000ULL
#define WINDOW_BYTES 0x10000000ULL
#define BAR	     (WINDOW + 0x100000)
#define DEVFN	     (3 * 8)

/* A bus with the entropy device on it, and what the transport told its host. */
static struct og_pci_bus bus;
static struct og_virtio_pci pci;
static struct og_virtio *rng;
static struct driver d;
static int fds[OG_MSIX_VECTORS_MAX];
static uint64_t notify_gpa = OG_PCI_NOWHERE, routed_address;
static uint32_t routed_message;
static unsigned routes;

static void on_notify_at(void *data, uint64_t from, uint64_t to)
{
	(void)data;
	CHECK_EQ(from, notify_gpa);
	notify_gpa = to;
}

static void on_route(void *data, unsigned vector, uint64_t address, uint32_t message)
{
	(void)data;
	(void)vector;
	routed_address = address;
	routed_message = message;
	routes++;
}

static void plug(void)
{
	const struct og_virtio_pci_host host = { on_notify_at, on_route, NULL };

	driver_init(&d, 8);
	CHECK_OK(og_virtio_rng_new(&(struct og_rng_config){},
				   &(struct og_device_world){ .mem = &d.mem }, &rng, NULL));
	for (unsigned i = 0; i < og_virtio_pci_vectors(rng); i++)
		fds[i] = og_event_new();
	og_pci_bus_init(&bus, WINDOW, WINDOW_BYTES);
	og_virtio_pci_init(&pci, rng, fds, BAR, &host);
	og_pci_bus_add(&bus, DEVFN, &pci.function);
}

static uint64_t read_bar(uint64_t offset, unsigned len)
{
	uint64_t value = UINT64_MAX;

	og_pci_window_access(&bus, BAR - WINDOW + offset, &value, len, false);
	return value;
}

static void write_bar(uint64_t offset, uint64_t value, unsigned len)
{
	og_pci_window_access(&bus, BAR - WINDOW + offset, &value, len, true);
}

static uint32_t config(unsigned offset, unsigned len)
{
	return og_pci_config_read(&bus, DEVFN, offset, len);
}

static void set_config(unsigned offset, uint32_t value, unsigned len)
{
	og_pci_config_write(&bus, DEVFN, offset, value, len);
}

/* As a driver finds it: the capability of that vendor's type, or of that id. */
static unsigned capability(uint8_t id, uint8_t type)
{
	unsigned at = config(PCI_CAPABILITY_LIST, 1);

	for (; at != 0; at = config(at + 1, 1))
		if (config(at, 1) == id && (id != PCI_CAP_ID_VNDR || config(at + 3, 1) == type))
			return at;
	CHECK(!"the capability is there");
	return 0;
}

TEST(a_function_is_found_by_ports_and_by_memory)
{
	uint64_t value = 0x80000000ULL | DEVFN << 8;

	plug();
	og_pci_ports_access(&bus, 0, &value, 4, true);
	og_pci_ports_access(&bus, 4, &value, 4, false);
	CHECK_EQ(value, 0x10441af4);
	og_pci_ports_access(&bus, 6, &value, 2, false);
	CHECK_EQ(value, 0x1044);
	og_pci_ecam_access(&bus, DEVFN << 12, &value, 4, false);
	CHECK_EQ(value, 0x10441af4);
	og_pci_ecam_access(&bus, 4 << 12, &value, 4, false); /* nobody */
	CHECK_EQ((uint32_t)value, UINT32_MAX);
	og_pci_ecam_access(&bus, (DEVFN << 12) + 0x100, &value, 4, false);
	CHECK_EQ(value, 0); /* no extended capabilities */
	value = DEVFN << 8;
	og_pci_ports_access(&bus, 0, &value, 4, true); /* not enabled */
	og_pci_ports_access(&bus, 4, &value, 4, false);
	CHECK_EQ((uint32_t)value, UINT32_MAX);
	value = 0x80010000ULL | DEVFN << 8; /* another bus */
	og_pci_ports_access(&bus, 0, &value, 4, true);
	og_pci_ports_access(&bus, 4, &value, 4, false);
	CHECK_EQ((uint32_t)value, UINT32_MAX);
}

TEST(a_bar_tells_its_size_and_answers_where_it_is_put)
{
	plug();
	CHECK_EQ(notify_gpa, BAR + OG_VIRTIO_PCI_NOTIFY);
	set_config(PCI_COMMAND, 0, 2);
	CHECK_EQ(notify_gpa, OG_PCI_NOWHERE);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_NUMQ, 2), UINT64_MAX);
	set_config(PCI_BASE_ADDRESS_0, UINT32_MAX, 4);
	CHECK_EQ(config(PCI_BASE_ADDRESS_0, 4), ~(OG_VIRTIO_PCI_BAR_BYTES - 1));
	set_config(PCI_BASE_ADDRESS_0 + 4, UINT32_MAX, 4); /* there is no second one */
	CHECK_EQ(config(PCI_BASE_ADDRESS_0 + 4, 4), 0);
	set_config(PCI_BASE_ADDRESS_0, BAR, 4);
	set_config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	set_config(PCI_BASE_ADDRESS_0, 0x1000000, 4); /* over the guest's memory: nowhere */
	CHECK_EQ(notify_gpa, OG_PCI_NOWHERE);
	set_config(PCI_BASE_ADDRESS_0, (uint32_t)(WINDOW + WINDOW_BYTES - 0x1000), 4);
	CHECK_EQ(notify_gpa, WINDOW + WINDOW_BYTES - 0x8000 + OG_VIRTIO_PCI_NOTIFY);
	set_config(PCI_VENDOR_ID, 0, 4);
	CHECK_EQ(config(PCI_VENDOR_ID, 4), 0x10441af4); /* cannot be written */
}

static void set_up_queue(void)
{
	write_bar(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	write_bar(VIRTIO_PCI_COMMON_Q_SIZE, d.size, 2);
	write_bar(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	write_bar(VIRTIO_PCI_COMMON_Q_DESCLO, QUEUE_GPA(0), 8);
	write_bar(VIRTIO_PCI_COMMON_Q_AVAILLO, QUEUE_GPA(0) + 0x1000, 4);
	write_bar(VIRTIO_PCI_COMMON_Q_AVAILHI, 0, 4);
	write_bar(VIRTIO_PCI_COMMON_Q_USEDLO, QUEUE_GPA(0) + 0x2000, 8);
	write_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

static void bring_up(void)
{
	write_bar(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	write_bar(VIRTIO_PCI_COMMON_STATUS, 1, 1);
	write_bar(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	write_bar(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	write_bar(VIRTIO_PCI_COMMON_GF, 1, 4);
	write_bar(VIRTIO_PCI_COMMON_STATUS, 11, 1);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_STATUS, 1), 11);
	set_up_queue();
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	write_bar(VIRTIO_PCI_COMMON_STATUS, 15, 1);
	memset(d.avail, 0, sizeof(d.avail));
}

static void ask(void)
{
	driver_desc(&d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(&d, 0, 0);
	write_bar(OG_VIRTIO_PCI_NOTIFY, 0, 2);
	CHECK(is_signalled(rng->kick_fd));
	og_event_clear(rng->kick_fd);
	og_virtio_work(rng);
}

TEST(a_driver_brings_it_up_and_is_answered_by_inta)
{
	plug();
	bring_up();
	ask();
	CHECK_EQ(driver_used(&d, 0), 1);
	CHECK(is_signalled(rng->interrupt_fd));
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_ISR, 1), 1);
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_ISR, 1), 0); /* reading took it */
	og_event_clear(rng->interrupt_fd);
	set_config(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	ask();
	CHECK(!is_signalled(rng->interrupt_fd));
}

static void enable_msix(uint16_t more)
{
	set_config(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, OG_MSIX_ENABLE | more, 2);
}

static void unmask(unsigned vector, uint32_t masked)
{
	write_bar(OG_VIRTIO_PCI_TABLE + 16 * vector + 12, masked, 4);
}

TEST(messages_are_sent_where_the_table_says)
{
	plug();
	bring_up();
	CHECK_EQ(config(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2), 1); /* two vectors */
	write_bar(OG_VIRTIO_PCI_TABLE + 16, 0x1fee00000ULL, 8);
	write_bar(OG_VIRTIO_PCI_TABLE + 24, 0x4041, 4);
	CHECK_EQ(routes, 0); /* still masked */
	unmask(1, 0);
	CHECK_EQ(routes, 1);
	CHECK_EQ(routed_address, 0x1fee00000ULL);
	CHECK_EQ(routed_message, 0x4041);
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_TABLE + 16, 4), 0xfee00000);
	enable_msix(0);
	ask();
	CHECK(is_signalled(fds[1]) && !is_signalled(fds[0]) && !is_signalled(rng->interrupt_fd));
}

TEST(what_is_masked_waits)
{
	plug();
	bring_up();
	enable_msix(0);
	ask();
	CHECK(!is_signalled(fds[1]));
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_PENDING, 8), 2);
	enable_msix(OG_MSIX_MASK_ALL);
	unmask(1, 0);
	CHECK(!is_signalled(fds[1]));
	enable_msix(0);
	CHECK(is_signalled(fds[1]));
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_PENDING, 8), 0);
}

/* A76 */
TEST(a_vector_out_of_range_is_none)
{
	plug();
	bring_up();
	write_bar(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	write_bar(VIRTIO_PCI_COMMON_MSIX, 0x8000, 2);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	enable_msix(0);
	ask();
	CHECK(!is_signalled(fds[0]) && !is_signalled(fds[1]));
	write_bar(OG_VIRTIO_PCI_TABLE + 32, 1, 4); /* a row behind the last */
	CHECK_EQ(read_bar(OG_VIRTIO_PCI_TABLE + 32, 4), 0);
}

/* A71, A76 */
TEST(a_queue_that_cannot_be_is_refused)
{
	plug();
	bring_up();
	write_bar(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2); /* while it works */
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	write_bar(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), OG_VIRTQ_SIZE_MAX);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_up_queue(); /* before any agreement */
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	write_bar(VIRTIO_PCI_COMMON_Q_SELECT, 7, 2);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	write_bar(VIRTIO_PCI_COMMON_Q_SELECT, 0xffff, 2);
	set_config(0xfff, 1, 1);
	write_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

TEST(the_window_in_the_configuration_space_reaches_the_bar)
{
	unsigned at;

	plug();
	at = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
	set_config(at + 8, VIRTIO_PCI_COMMON_STATUS, 4);
	set_config(at + 12, 1, 4);
	set_config(at + 16, 1, 4);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_STATUS, 1), 1);
	CHECK_EQ(config(at + 16, 1), 1);
	set_config(at + 8, UINT32_MAX, 4); /* outside, and of no width */
	set_config(at + 12, 3, 4);
	set_config(at + 16, 0, 4);
	CHECK_EQ(read_bar(VIRTIO_PCI_COMMON_STATUS, 1), 1);
}

TEST(state_survives_a_save_and_what_is_cut_does_not)
{
	static uint8_t buf[4096];
	struct og_pack pack;
	struct og_unpack unpack;

	plug();
	bring_up();
	write_bar(OG_VIRTIO_PCI_TABLE + 16, 0xfee00000, 8);
	unmask(1, 0);
	enable_msix(0);
	set_config(PCI_BASE_ADDRESS_0, BAR + 0x8000, 4);
	og_pack_init(&pack, buf, sizeof(buf));
	og_virtio_pci_save(&pci, &pack);
	og_pci_save(&bus, &pack);
	CHECK(!pack.failed);

	notify_gpa = OG_PCI_NOWHERE;
	routes = 0;
	(void)og_virtio_free(rng);
	driver_done(&d);
	plug();
	og_unpack_init(&unpack, buf, pack.len);
	CHECK_OK(og_virtio_pci_load(&pci, &unpack, NULL));
	CHECK_OK(og_pci_load(&bus, &unpack, NULL));
	CHECK(og_unpack_done(&unpack));
	CHECK_EQ(notify_gpa, BAR + 0x8000 + OG_VIRTIO_PCI_NOTIFY);
	CHECK_EQ(routes, 1);
	CHECK_EQ(pci.queue_vectors[0], 1);
	CHECK(og_msix_enabled(&pci.msix));
	for (size_t len = 0; len < pack.len; len++) {
		og_unpack_init(&unpack, buf, len);
		CHECK(og_virtio_pci_load(&pci, &unpack, NULL) < 0 ||
		      og_pci_load(&bus, &unpack, NULL) == -EBADMSG);
	}
}

/* A76 */
TEST(any_access_is_survived)
{
	static const unsigned widths[] = { 1, 2, 3, 4, 5, 8 };
	uint32_t x = 1;

	plug();
	bring_up();
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t value;
		unsigned len;

		x = x * 1664525 + 1013904223;
		value = (uint64_t)x << 17 ^ x;
		len = widths[x >> 8 & 3];
		switch (x >> 28 & 3) {
		case 0:
			og_pci_ports_access(&bus, x >> 16 & 7, &value, len, (x >> 27 & 1) != 0);
			break;
		case 1:
			og_pci_ecam_access(&bus, (DEVFN << 12) + (x >> 12 & 0x1ff), &value, len,
					   (x >> 27 & 1) != 0);
			break;
		default:
			notify_gpa = pci.function.bars[0].gpa;
			og_pci_window_access(&bus, (notify_gpa - WINDOW) + (x >> 10 & 0x7fff),
					     &value, len, (x >> 27 & 1) != 0);
			break;
		}
		notify_gpa = pci.function.bars[0].gpa;
		if (notify_gpa != OG_PCI_NOWHERE)
			notify_gpa += OG_VIRTIO_PCI_NOTIFY;
	}
}

TEST_MAIN(TEST_ENTRY(a_function_is_found_by_ports_and_by_memory),
	  TEST_ENTRY(a_bar_tells_its_size_and_answers_where_it_is_put),
	  TEST_ENTRY(a_driver_brings_it_up_and_is_answered_by_inta),
	  TEST_ENTRY(messages_are_sent_where_the_table_says), TEST_ENTRY(what_is_masked_waits),
	  TEST_ENTRY(a_vector_out_of_range_is_none), TEST_ENTRY(a_queue_that_cannot_be_is_refused),
	  TEST_ENTRY(the_window_in_the_configuration_space_reaches_the_bar),
	  TEST_ENTRY(state_survives_a_save_and_what_is_cut_does_not),
	  TEST_ENTRY(any_access_is_survived))

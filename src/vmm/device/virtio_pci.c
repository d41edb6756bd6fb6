/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>

#include "vmm/device/event.h"

#define VENDOR	    0x1af4
#define DEVICE_BASE 0x1040
#define MODERN	    1 /* revision */
#define NO_VECTOR   0xffff

#define ISR_QUEUE  1U
#define ISR_CONFIG 2U

static uint32_t class_of(uint32_t device_id)
{
	switch (device_id) {
	case VIRTIO_ID_NET:
		return 0x020000;
	case VIRTIO_ID_BLOCK:
		return 0x010000;
	case VIRTIO_ID_CONSOLE:
	case VIRTIO_ID_VSOCK:
		return 0x078000;
	case VIRTIO_ID_FS:
		return 0x018000;
	default:
		return 0x00ff00;
	}
}

unsigned og_virtio_pci_vectors(const struct og_virtio *virtio)
{
	return virtio->ops->n_queues + 1;
}

static struct og_virtq *selected(struct og_virtio_pci *pci)
{
	return pci->queue_sel < pci->virtio->ops->n_queues ? &pci->virtio->queues[pci->queue_sel]
							   : NULL;
}

static uint32_t features(const struct og_virtio_pci *pci, uint64_t bits, uint32_t word)
{
	(void)pci;
	return word <= 1 ? (uint32_t)(bits >> (32 * word)) : 0;
}

static uint32_t pair(uint32_t low, uint32_t high)
{
	return (low & 0xffff) | high << 16;
}

static uint32_t read_queue(struct og_virtio_pci *pci, unsigned offset)
{
	const struct og_virtq *q = selected(pci);

	if (q == NULL)
		return offset == VIRTIO_PCI_COMMON_Q_SIZE ? pair(0, NO_VECTOR) : 0;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return pair(q->size != 0 ? q->size : OG_VIRTQ_SIZE_MAX,
			    pci->queue_vectors[pci->queue_sel]);
	case VIRTIO_PCI_COMMON_Q_ENABLE: /* and where to notify: all queues at one address */
		return q->ready;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return (uint32_t)q->desc_gpa;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return (uint32_t)(q->desc_gpa >> 32);
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return (uint32_t)q->avail_gpa;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return (uint32_t)(q->avail_gpa >> 32);
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return (uint32_t)q->used_gpa;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return (uint32_t)(q->used_gpa >> 32);
	default:
		return 0;
	}
}

/* The word at @offset, a multiple of 4; reading has no effect. */
static uint32_t read_word(struct og_virtio_pci *pci, unsigned offset)
{
	const struct og_virtio *virtio = pci->virtio;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return pci->device_features_sel;
	case VIRTIO_PCI_COMMON_DF:
		return features(pci, og_virtio_offers(virtio), pci->device_features_sel);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return pci->driver_features_sel;
	case VIRTIO_PCI_COMMON_GF:
		return features(pci, virtio->features, pci->driver_features_sel);
	case VIRTIO_PCI_COMMON_MSIX:
		return pair(pci->config_vector, virtio->ops->n_queues);
	case VIRTIO_PCI_COMMON_STATUS:
		return virtio->status | (virtio->config_generation & 0xff) << 8 |
		       (uint32_t)pci->queue_sel << 16;
	default:
		return read_queue(pci, offset);
	}
}

static uint64_t read_common(struct og_virtio_pci *pci, uint64_t offset, unsigned len)
{
	unsigned at = (unsigned)offset;
	uint64_t value;

	if (len > 4 || at % len != 0)
		return 0;
	(void)pthread_mutex_lock(&pci->virtio->lock);
	value = read_word(pci, at & ~3U) >> (8 * (at & 3));
	(void)pthread_mutex_unlock(&pci->virtio->lock);
	return len == 4 ? value : value & ((1U << (8 * len)) - 1);
}

/* A vector that there is none of reads back as none (4.1.5.1.2.1). */
static uint16_t vector(const struct og_virtio_pci *pci, uint64_t value)
{
	return value < pci->msix.n ? (uint16_t)value : NO_VECTOR;
}

static void set_half(uint64_t *address, uint64_t value, bool high)
{
	unsigned shift = high ? 32 : 0;

	*address = (*address & ~(0xffffffffULL << shift)) | (value & 0xffffffff) << shift;
}

static void write_queue(struct og_virtio_pci *pci, struct og_virtq *q, unsigned offset,
			uint64_t value)
{
	if (offset == VIRTIO_PCI_COMMON_Q_MSIX) {
		pci->queue_vectors[pci->queue_sel] = vector(pci, value);
		return;
	}
	if (!og_virtio_may_configure(pci->virtio, q))
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (value > 0 && value <= OG_VIRTQ_SIZE_MAX)
			q->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (q->size == 0)
			q->size = OG_VIRTQ_SIZE_MAX;
		if (value == 1)
			(void)og_virtio_start_queue(pci->virtio, q);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&q->desc_gpa, value, offset == VIRTIO_PCI_COMMON_Q_DESCHI);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&q->avail_gpa, value, offset == VIRTIO_PCI_COMMON_Q_AVAILHI);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&q->used_gpa, value, offset == VIRTIO_PCI_COMMON_Q_USEDHI);
		break;
	default:
		break;
	}
}

static void write_register(struct og_virtio_pci *pci, unsigned offset, uint64_t value)
{
	struct og_virtq *q;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		pci->device_features_sel = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		pci->driver_features_sel = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		(void)og_virtio_set_features(pci->virtio, pci->driver_features_sel,
					     (uint32_t)value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		pci->config_vector = vector(pci, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		(void)og_virtio_set_status(pci->virtio, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		pci->queue_sel = (uint16_t)value;
		break;
	default:
		q = selected(pci);
		if (q != NULL)
			write_queue(pci, q, offset, value);
		break;
	}
}

/* Registers take their own width; addresses also come in halves (4.1.3.1). */
static unsigned width(unsigned offset)
{
	if (offset < VIRTIO_PCI_COMMON_MSIX)
		return 4;
	if (offset == VIRTIO_PCI_COMMON_STATUS || offset == VIRTIO_PCI_COMMON_CFGGENERATION)
		return 1;
	return offset < VIRTIO_PCI_COMMON_Q_DESCLO ? 2 : 4;
}

static void write_common(struct og_virtio_pci *pci, uint64_t offset, uint64_t value, unsigned len)
{
	unsigned at = (unsigned)offset;
	bool whole = len == 8 && at >= VIRTIO_PCI_COMMON_Q_DESCLO && at % 8 == 0;

	if (at > VIRTIO_PCI_COMMON_Q_USEDHI || (!whole && (len != width(at) || at % len != 0)))
		return;
	(void)pthread_mutex_lock(&pci->virtio->lock);
	write_register(pci, at, value);
	if (whole)
		write_register(pci, at + 4, value >> 32);
	(void)pthread_mutex_unlock(&pci->virtio->lock);
}

static uint64_t read_bar(struct og_virtio_pci *pci, uint64_t page, uint64_t offset, unsigned len)
{
	switch (page) {
	case OG_VIRTIO_PCI_COMMON:
		return read_common(pci, offset, len);
	case OG_VIRTIO_PCI_ISR: /* reading takes it */
		return offset == 0 ? atomic_exchange(&pci->virtio->interrupt_status, 0) : 0;
	case OG_VIRTIO_PCI_CONFIG:
		return og_virtio_read_config(pci->virtio, offset, len);
	case OG_VIRTIO_PCI_TABLE:
		return og_msix_read_table(&pci->msix, offset, len);
	case OG_VIRTIO_PCI_PENDING:
		return og_msix_read_pending(&pci->msix, offset, len);
	default:
		return 0;
	}
}

static void write_bar(struct og_virtio_pci *pci, uint64_t page, uint64_t offset, uint64_t value,
		      unsigned len)
{
	switch (page) {
	case OG_VIRTIO_PCI_COMMON:
		write_common(pci, offset, value, len);
		break;
	case OG_VIRTIO_PCI_CONFIG:
		og_virtio_write_config(pci->virtio, offset, value, len);
		break;
	case OG_VIRTIO_PCI_NOTIFY:
		og_virtio_kick(pci->virtio);
		break;
	case OG_VIRTIO_PCI_TABLE:
		og_msix_write_table(&pci->msix, offset, value, len);
		break;
	default:
		break;
	}
}

static void on_access(struct og_pci_function *function, unsigned bar, uint64_t offset,
		      uint64_t *value, unsigned len, bool write)
{
	uint64_t page = offset & ~0xfffULL;

	(void)bar;
	offset &= 0xfff;
	if (write)
		write_bar(function->device, page, offset, *value, len);
	else
		*value = read_bar(function->device, page, offset, len);
}

static void on_moved(struct og_pci_function *function, unsigned bar, uint64_t from, uint64_t to)
{
	const struct og_virtio_pci *pci = function->device;

	(void)bar;
	if (pci->host.notify_at == NULL)
		return;
	pci->host.notify_at(pci->host.data,
			    from == OG_PCI_NOWHERE ? from : from + OG_VIRTIO_PCI_NOTIFY,
			    to == OG_PCI_NOWHERE ? to : to + OG_VIRTIO_PCI_NOTIFY);
}

/* The window for those who cannot reach a BAR (4.1.4.9): where it looks, and how much. */
static bool look_through(const struct og_virtio_pci *pci, uint64_t *ret_offset, unsigned *ret_len)
{
	struct virtio_pci_cap cap;

	memcpy(&cap, pci->function.config + pci->window_at, sizeof(cap));
	*ret_offset = cap.offset;
	*ret_len = cap.length;
	return cap.bar == OG_VIRTIO_PCI_BAR &&
	       (cap.length == 1 || cap.length == 2 || cap.length == 4) &&
	       cap.offset % cap.length == 0 && cap.offset < OG_VIRTIO_PCI_BAR_BYTES;
}

static bool touches(unsigned at, unsigned bytes, unsigned offset, unsigned len)
{
	return offset < at + bytes && at < offset + len;
}

#define WINDOW_DATA sizeof(struct virtio_pci_cap)

static void on_reading(struct og_pci_function *function, unsigned offset, unsigned len)
{
	struct og_virtio_pci *pci = function->device;
	uint64_t at, value = 0;
	unsigned bytes;

	if (!touches(pci->window_at + (unsigned)WINDOW_DATA, 4, offset, len) ||
	    !look_through(pci, &at, &bytes))
		return;
	on_access(function, OG_VIRTIO_PCI_BAR, at, &value, bytes, false);
	memcpy(function->config + pci->window_at + WINDOW_DATA, &value, 4);
}

static void on_written(struct og_pci_function *function, unsigned offset, unsigned len)
{
	struct og_virtio_pci *pci = function->device;
	uint64_t at, value = 0;
	uint16_t control;
	unsigned bytes;

	if (touches(pci->msix_at + PCI_MSIX_FLAGS, 2, offset, len)) {
		memcpy(&control, function->config + pci->msix_at + PCI_MSIX_FLAGS, 2);
		og_msix_set_control(&pci->msix, control);
	}
	/* A whole configuration that is loaded is no access through the window. */
	if (len > 4 || !touches(pci->window_at + (unsigned)WINDOW_DATA, 4, offset, len) ||
	    !look_through(pci, &at, &bytes))
		return;
	memcpy(&value, function->config + pci->window_at + WINDOW_DATA, bytes);
	on_access(function, OG_VIRTIO_PCI_BAR, at, &value, bytes, true);
}

static const struct og_pci_ops ops = {
	.access = on_access,
	.moved = on_moved,
	.reading = on_reading,
	.written = on_written,
};

static void add_capabilities(struct og_virtio_pci *pci)
{
	static const struct {
		uint8_t type;
		uint32_t offset;
	} parts[] = {
		{ VIRTIO_PCI_CAP_COMMON_CFG, OG_VIRTIO_PCI_COMMON },
		{ VIRTIO_PCI_CAP_ISR_CFG, OG_VIRTIO_PCI_ISR },
		{ VIRTIO_PCI_CAP_DEVICE_CFG, OG_VIRTIO_PCI_CONFIG },
	};
	struct virtio_pci_notify_cap notify = {
		.cap = { .cap_len = sizeof(notify),
			 .cfg_type = VIRTIO_PCI_CAP_NOTIFY_CFG,
			 .offset = OG_VIRTIO_PCI_NOTIFY,
			 .length = 0x1000 },
		.notify_off_multiplier = 0,
	};

	struct {
		struct virtio_pci_cap cap;
		uint8_t data[4];
	} window = { .cap = { .cap_len = sizeof(window), .cfg_type = VIRTIO_PCI_CAP_PCI_CFG } };

	struct {
		uint8_t id, next;
		uint16_t control;
		uint32_t table, pending;
	} msix = {
		.control = (uint16_t)(pci->msix.n - 1),
		.table = OG_VIRTIO_PCI_TABLE | OG_VIRTIO_PCI_BAR,
		.pending = OG_VIRTIO_PCI_PENDING | OG_VIRTIO_PCI_BAR,
	};
	struct og_pci_function *f = &pci->function;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct virtio_pci_cap cap = {
			.cap_len = sizeof(cap),
			.cfg_type = parts[i].type,
			.bar = OG_VIRTIO_PCI_BAR,
			.offset = parts[i].offset,
			.length = 0x1000,
		};

		(void)og_pci_add_capability(f, PCI_CAP_ID_VNDR, &cap, sizeof(cap));
	}
	(void)og_pci_add_capability(f, PCI_CAP_ID_VNDR, &notify, sizeof(notify));
	pci->window_at = og_pci_add_capability(f, PCI_CAP_ID_VNDR, &window, sizeof(window));
	f->writable[pci->window_at + offsetof(struct virtio_pci_cap, bar)] = 0xff;
	memset(f->writable + pci->window_at + offsetof(struct virtio_pci_cap, offset), 0xff, 12);
	pci->msix_at = og_pci_add_capability(f, PCI_CAP_ID_MSIX, &msix, sizeof(msix));
	f->writable[pci->msix_at + PCI_MSIX_FLAGS + 1] = (OG_MSIX_ENABLE | OG_MSIX_MASK_ALL) >> 8;
}

/* The device's lock is held. */
static void on_interrupt(struct og_virtio *virtio, const struct og_virtq *q)
{
	struct og_virtio_pci *pci = virtio->transport_data;
	uint16_t to = q != NULL ? pci->queue_vectors[q - virtio->queues] : pci->config_vector;
	uint16_t command;

	if (og_msix_enabled(&pci->msix)) {
		og_msix_send(&pci->msix, to);
		return;
	}
	(void)atomic_fetch_or(&virtio->interrupt_status, q != NULL ? ISR_QUEUE : ISR_CONFIG);
	memcpy(&command, pci->function.config + PCI_COMMAND, sizeof(command));
	if ((command & PCI_COMMAND_INTX_DISABLE) == 0)
		og_event_signal(virtio->interrupt_fd);
}

static void on_reset(struct og_virtio *virtio)
{
	struct og_virtio_pci *pci = virtio->transport_data;

	pci->device_features_sel = pci->driver_features_sel = 0;
	pci->queue_sel = 0;
	pci->config_vector = NO_VECTOR;
	for (unsigned i = 0; i < OG_VIRTIO_QUEUES_MAX; i++)
		pci->queue_vectors[i] = NO_VECTOR;
}

static const struct og_virtio_transport transport = {
	.interrupt = on_interrupt,
	.reset = on_reset,
};

static void on_route(void *data, unsigned vector, uint64_t address, uint32_t message)
{
	const struct og_virtio_pci *pci = data;

	if (pci->host.route != NULL)
		pci->host.route(pci->host.data, vector, address, message);
}

void og_virtio_pci_init(struct og_virtio_pci *pci, struct og_virtio *virtio, const int *fds,
			uint64_t bar_gpa, const struct og_virtio_pci_host *host)
{
	const struct og_pci_identity identity = {
		.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_BASE + virtio->ops->device_id),
		.subsystem_vendor = VENDOR,
		.subsystem = (uint16_t)(0x40 + virtio->ops->device_id),
		.class_code = class_of(virtio->ops->device_id),
		.revision = MODERN,
	};

	*pci = (struct og_virtio_pci){ .virtio = virtio, .host = *host };
	og_msix_init(&pci->msix, og_virtio_pci_vectors(virtio), fds, on_route, pci);
	og_pci_function_init(&pci->function, &ops, pci, &identity);
	og_pci_add_bar(&pci->function, OG_VIRTIO_PCI_BAR, OG_VIRTIO_PCI_BAR_BYTES, bar_gpa);
	add_capabilities(pci);
	virtio->transport = &transport;
	virtio->transport_data = pci;
	on_reset(virtio);
}

void og_virtio_pci_save(struct og_virtio_pci *pci, struct og_pack *pack)
{
	og_pack_u32(pack, pci->device_features_sel);
	og_pack_u32(pack, pci->driver_features_sel);
	og_pack_u16(pack, pci->queue_sel);
	og_pack_u16(pack, pci->config_vector);
	for (unsigned i = 0; i < pci->virtio->ops->n_queues; i++)
		og_pack_u16(pack, pci->queue_vectors[i]);
	og_msix_save(&pci->msix, pack);
}

int og_virtio_pci_load(struct og_virtio_pci *pci, struct og_unpack *unpack, struct og_err *err)
{
	pci->device_features_sel = og_unpack_u32(unpack);
	pci->driver_features_sel = og_unpack_u32(unpack);
	pci->queue_sel = og_unpack_u16(unpack);
	pci->config_vector = vector(pci, og_unpack_u16(unpack));
	for (unsigned i = 0; i < pci->virtio->ops->n_queues; i++)
		pci->queue_vectors[i] = vector(pci, og_unpack_u16(unpack));
	og_msix_load(&pci->msix, unpack);
	return unpack->failed ? og_fail(err, -EBADMSG, "state of a PCI device cannot be") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/fw_cfg.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define ITEM_SIGNATURE 0x00
#define ITEM_ID	       0x01
#define ITEM_DIRECTORY 0x19
#define ITEM_FILES     0x20 /* the first; the others follow */

#define ID_TRADITIONAL 1U
#define ID_DMA	       2U

#define PORT_SELECTOR 0
#define PORT_DATA     1
#define PORT_DMA_HIGH 4
#define PORT_DMA_LOW  8

#define DMA_ERROR     1U
#define DMA_READ      2U
#define DMA_SKIP      4U
#define DMA_SELECT    8U
#define DMA_WRITE     16U
#define DMA_SIGNATURE 0x51454d5520434647ULL /* "QEMU CFG" */

/* As it lies in the guest's memory, big endian. */
struct request {
	uint32_t control, bytes;
	uint64_t gpa;
};

struct entry {
	uint32_t bytes; /* big endian, as the next */
	uint16_t item, reserved;
	char name[OG_FW_CFG_NAME_MAX];
};

void og_fw_cfg_init(struct og_fw_cfg *fw, const struct og_mem *mem, unsigned cpus)
{
	*fw = (struct og_fw_cfg){ .mem = mem, .cpus = (uint16_t)cpus };
	(void)pthread_mutex_init(&fw->lock, NULL);
}

void og_fw_cfg_add(struct og_fw_cfg *fw, const char *name, const void *data, size_t bytes)
{
	struct og_fw_cfg_file *file = &fw->files[fw->n_files++];

	assert(fw->n_files <= OG_FW_CFG_FILES_MAX && bytes <= UINT32_MAX);
	(void)strncpy(file->name, name, sizeof(file->name) - 1);
	file->data = data;
	file->bytes = (uint32_t)bytes;
}

/* The list of files, made anew for each piece of it that is read: it is short. */
static size_t write_directory(const struct og_fw_cfg *fw, uint8_t *buf)
{
	uint32_t count = htobe32(fw->n_files);

	memcpy(buf, &count, sizeof(count));
	for (unsigned i = 0; i < fw->n_files; i++) {
		struct entry entry = {
			.bytes = htobe32(fw->files[i].bytes),
			.item = htobe16((uint16_t)(ITEM_FILES + i)),
		};

		memcpy(entry.name, fw->files[i].name, sizeof(entry.name));
		memcpy(buf + sizeof(count) + i * sizeof(entry), &entry, sizeof(entry));
	}
	return sizeof(count) + fw->n_files * sizeof(struct entry);
}

#define DIRECTORY_MAX (4 + OG_FW_CFG_FILES_MAX * sizeof(struct entry))

static void copy_out(const void *data, size_t bytes, uint32_t offset, uint8_t *to, size_t len)
{
	size_t have = offset < bytes ? bytes - offset : 0;

	if (have > len)
		have = len;
	memcpy(to, (const uint8_t *)data + (have > 0 ? offset : 0), have);
	memset(to + have, 0, len - have);
}

/* The next @len bytes of what is selected; zeros behind its end, and of what there is not. */
static void read_on(struct og_fw_cfg *fw, uint8_t *to, size_t len)
{
	static const char signature[4] = { 'Q', 'E', 'M', 'U' };
	const uint32_t id = ID_TRADITIONAL | ID_DMA;
	uint8_t directory[DIRECTORY_MAX];
	unsigned file = fw->selected - ITEM_FILES;
	const void *data = "";
	size_t bytes = 0;

	if (fw->selected == ITEM_SIGNATURE) {
		data = signature;
		bytes = sizeof(signature);
	} else if (fw->selected == ITEM_ID) {
		data = &id;
		bytes = sizeof(id);
	} else if (fw->selected == OG_FW_CFG_CPUS || fw->selected == OG_FW_CFG_CPUS_MAX) {
		data = &fw->cpus;
		bytes = sizeof(fw->cpus);
	} else if (fw->selected == ITEM_DIRECTORY) {
		bytes = write_directory(fw, directory);
		data = directory;
	} else if (fw->selected >= ITEM_FILES && file < fw->n_files) {
		data = fw->files[file].data;
		bytes = fw->files[file].bytes;
	}
	copy_out(data, bytes, fw->offset, to, len);
	/* Far behind any end it stays there. */
	fw->offset = len < UINT32_MAX - fw->offset ? fw->offset + (uint32_t)len : UINT32_MAX;
}

static void select_item(struct og_fw_cfg *fw, uint16_t item)
{
	fw->selected = item;
	fw->offset = 0;
}

/* Returns what the request's control word becomes: 0, or an error. */
static uint32_t run_request(struct og_fw_cfg *fw, const struct request *request)
{
	uint32_t control = be32toh(request->control), bytes = be32toh(request->bytes);
	void *to;

	if ((control & DMA_SELECT) != 0)
		select_item(fw, (uint16_t)(control >> 16));
	if ((control & DMA_READ) != 0) {
		to = og_mem_at(fw->mem, be64toh(request->gpa), bytes);
		if (to == NULL)
			return DMA_ERROR;
		read_on(fw, to, bytes);
	} else if ((control & DMA_SKIP) != 0) {
		fw->offset = bytes < UINT32_MAX - fw->offset ? fw->offset + bytes : UINT32_MAX;
	} else if ((control & DMA_WRITE) != 0) {
		return DMA_ERROR;
	}
	return 0;
}

static void dma(struct og_fw_cfg *fw, uint64_t gpa)
{
	struct request request;
	uint8_t *at = og_mem_at(fw->mem, gpa, sizeof(request));
	uint32_t control;

	if (at == NULL)
		return;
	memcpy(&request, at, sizeof(request));
	control = htobe32(run_request(fw, &request));
	memcpy(at, &control, sizeof(control));
}

static void write_port(struct og_fw_cfg *fw, uint64_t offset, uint64_t value, unsigned len)
{
	if (offset == PORT_SELECTOR && len == 2)
		select_item(fw, (uint16_t)value);
	if (offset == PORT_DMA_HIGH && len == 4)
		fw->dma_high = be32toh((uint32_t)value);
	if (offset == PORT_DMA_LOW && len == 4) {
		dma(fw, (uint64_t)fw->dma_high << 32 | be32toh((uint32_t)value));
		fw->dma_high = 0;
	}
}

static uint64_t read_port(struct og_fw_cfg *fw, uint64_t offset, unsigned len)
{
	uint8_t byte;

	if (offset == PORT_DATA && len == 1) {
		read_on(fw, &byte, 1);
		return byte;
	}
	if (offset == PORT_DMA_HIGH && len == 4)
		return htobe32((uint32_t)(DMA_SIGNATURE >> 32));
	if (offset == PORT_DMA_LOW && len == 4)
		return htobe32((uint32_t)DMA_SIGNATURE);
	return 0;
}

void og_fw_cfg_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_fw_cfg *fw = device;

	(void)pthread_mutex_lock(&fw->lock);
	if (write)
		write_port(fw, offset, *value, len);
	else
		*value = read_port(fw, offset, len);
	(void)pthread_mutex_unlock(&fw->lock);
}

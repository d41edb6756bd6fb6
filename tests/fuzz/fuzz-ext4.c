/* SPDX-License-Identifier: Apache-2.0 */
/* A disk: its partitions, or a file system, of which every folder and file is read to some depth. */
#include "format/ext4.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "format/partitions.h"
#include "replay.h"

#define VISITS_MAX 200

struct walk {
	const struct og_ext4 *ext4;
	unsigned int visits, depth;
};

static int visit(void *data, const char *name, size_t len, uint32_t number, struct og_err *err)
{
	struct walk *walk = data;
	struct og_ext4_inode inode;
	uint8_t buf[3000];
	int r = 0;

	if (len == 0 || memchr(name, '/', len) != NULL)
		abort();
	if (walk->visits++ > VISITS_MAX)
		return -E2BIG;
	if (og_ext4_inode(walk->ext4, number, &inode, err) < 0)
		return 0;
	if (S_ISDIR(inode.mode) && walk->depth < 5) {
		walk->depth++;
		r = og_ext4_read_dir(walk->ext4, &inode, visit, walk, err);
		walk->depth--;
	} else if (inode.size > 0) {
		size_t part = inode.size < sizeof(buf) ? (size_t)inode.size : sizeof(buf);

		(void)og_ext4_read(walk->ext4, &inode, inode.size - part, buf, part);
	}
	return r == -E2BIG ? r : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct og_partition partitions[OG_PARTITIONS_MAX];
	struct og_memory memory = { data, size };
	struct og_bytes bytes = og_bytes_of_memory(&memory);
	struct og_ext4 ext4 = {};
	struct walk walk = { .ext4 = &ext4 };
	struct og_ext4_inode root = {};
	size_t count = 0;

	(void)og_partitions_read(&bytes, partitions, &count, NULL);
	for (size_t i = 0; i < count; i++)
		if (partitions[i].offset > size || partitions[i].size > size - partitions[i].offset)
			abort();
	if (og_ext4_open(&bytes, &ext4, NULL) == 0 &&
	    og_ext4_inode(&ext4, OG_EXT4_ROOT, &root, NULL) == 0)
		(void)og_ext4_read_dir(&ext4, &root, visit, &walk, NULL);
	return 0;
}

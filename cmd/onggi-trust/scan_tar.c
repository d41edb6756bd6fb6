/* SPDX-License-Identifier: Apache-2.0 */
#include "scan_tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "trust/spool.h"

#define BLOCK	       512U
#define SIZE_MAX_BYTES 077777777777ULL /* what the header's octal digits can say: 8 GiB */

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char padding[12];
};

int scan_tar_begin(struct scan_tar *tar, struct og_err *err)
{
	tar->fd = og_spool_file(err);
	return tar->fd < 0 ? tar->fd : 0;
}

void scan_tar_done(struct scan_tar *tar)
{
	tar->fd = og_close(tar->fd);
}

int scan_tar_member(struct scan_tar *tar, const char *name, struct og_err *err)
{
	if (strlen(name) >= sizeof(tar->name))
		return og_fail(err, -ENAMETOOLONG, "'%s'", name);
	(void)strcpy(tar->name, name);
	tar->member_at = tar->end;
	tar->end += BLOCK;
	return 0;
}

int scan_tar_write(struct scan_tar *tar, const void *buf, size_t len, struct og_err *err)
{
	int r = og_pwrite_all(tar->fd, buf, len, tar->end);

	if (r < 0)
		return og_fail(err, r, "a copy of the image");
	tar->end += len;
	return 0;
}

/* pax(1), "ustar Interchange Format". The size is known only now. */
int scan_tar_close(struct scan_tar *tar, struct og_err *err)
{
	uint64_t size = tar->end - tar->member_at - BLOCK;
	struct header header = { .type = '0' };
	const unsigned char *bytes = (const unsigned char *)&header;
	unsigned int sum = 0;
	int r;

	if (size > SIZE_MAX_BYTES)
		return og_fail(err, -EFBIG, "'%s'", tar->name);
	memcpy(header.name, tar->name, sizeof(header.name));
	memcpy(header.mode, "0000644", sizeof(header.mode));
	memcpy(header.uid, "0000000", sizeof(header.uid));
	memcpy(header.gid, "0000000", sizeof(header.gid));
	(void)snprintf(header.size, sizeof(header.size), "%011llo", (unsigned long long)size);
	memcpy(header.mtime, "00000000000", sizeof(header.mtime));
	memcpy(header.magic, "ustar", sizeof(header.magic));
	memcpy(header.version, "00", sizeof(header.version));
	memset(header.sum, ' ', sizeof(header.sum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += bytes[i];
	(void)snprintf(header.sum, sizeof(header.sum), "%06o", sum);
	r = og_pwrite_all(tar->fd, &header, sizeof(header), tar->member_at);
	tar->end += (BLOCK - size % BLOCK) % BLOCK;
	return r < 0 ? og_fail(err, r, "a copy of the image") : 0;
}

int scan_tar_add(struct scan_tar *tar, const char *name, const void *buf, size_t len,
		 struct og_err *err)
{
	int r = scan_tar_member(tar, name, err);

	if (r == 0)
		r = scan_tar_write(tar, buf, len, err);
	return r < 0 ? r : scan_tar_close(tar, err);
}

int scan_tar_finish(struct scan_tar *tar, struct og_err *err)
{
	/* Two empty blocks; a hole is as good as zeros. */
	if (ftruncate(tar->fd, (off_t)(tar->end + 2 * (uint64_t)BLOCK)) < 0 ||
	    lseek(tar->fd, 0, SEEK_SET) < 0)
		return og_fail(err, -errno, "a copy of the image");
	return og_take_fd(&tar->fd);
}

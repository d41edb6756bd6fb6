/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/message.h"

#include <errno.h>
#include <string.h>

#include "base/weak.h"

#define MINOR_MIN 31U
#define MINOR_MAX 38U

/* What every version begins its FUSE_INIT with; since 7.36 there is more. */
#define INIT_BYTES 16U

#define FLAGS_WANTED                                                                           \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |      \
	 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | \
	 FUSE_MAX_PAGES | FUSE_HANDLE_KILLPRIV_V2)

/* What a name has to be. */
enum name_kind {
	NONE,
	ENTRY, /* of a folder */
	XATTR, /* an extended attribute's */
	LINK,  /* what a symbolic link says: any text, which is never followed here */
};

static const struct shape {
	uint32_t opcode;
	uint16_t arg_bytes;
	uint8_t names[2]; /* enum name_kind */
	bool silent;	  /* is not answered */
} shapes[] = {
	{ .opcode = FUSE_LOOKUP, .names = { ENTRY } },
	{ .opcode = FUSE_FORGET, .arg_bytes = sizeof(struct fuse_forget_in), .silent = true },
	{ .opcode = FUSE_BATCH_FORGET,
	  .arg_bytes = sizeof(struct fuse_batch_forget_in),
	  .silent = true },
	{ .opcode = FUSE_INTERRUPT, .arg_bytes = sizeof(struct fuse_interrupt_in), .silent = true },
	{ .opcode = FUSE_GETATTR, .arg_bytes = sizeof(struct fuse_getattr_in) },
	{ .opcode = FUSE_SETATTR, .arg_bytes = sizeof(struct fuse_setattr_in) },
	{ .opcode = FUSE_READLINK },
	{ .opcode = FUSE_SYMLINK, .names = { ENTRY, LINK } },
	{ .opcode = FUSE_MKNOD, .arg_bytes = sizeof(struct fuse_mknod_in), .names = { ENTRY } },
	{ .opcode = FUSE_MKDIR, .arg_bytes = sizeof(struct fuse_mkdir_in), .names = { ENTRY } },
	{ .opcode = FUSE_UNLINK, .names = { ENTRY } },
	{ .opcode = FUSE_RMDIR, .names = { ENTRY } },
	{ .opcode = FUSE_RENAME,
	  .arg_bytes = sizeof(struct fuse_rename_in),
	  .names = { ENTRY, ENTRY } },
	{ .opcode = FUSE_RENAME2,
	  .arg_bytes = sizeof(struct fuse_rename2_in),
	  .names = { ENTRY, ENTRY } },
	{ .opcode = FUSE_LINK, .arg_bytes = sizeof(struct fuse_link_in), .names = { ENTRY } },
	{ .opcode = FUSE_OPEN, .arg_bytes = sizeof(struct fuse_open_in) },
	{ .opcode = FUSE_READ, .arg_bytes = sizeof(struct fuse_read_in) },
	{ .opcode = FUSE_WRITE, .arg_bytes = sizeof(struct fuse_write_in) },
	{ .opcode = FUSE_STATFS },
	{ .opcode = FUSE_RELEASE, .arg_bytes = sizeof(struct fuse_release_in) },
	{ .opcode = FUSE_FSYNC, .arg_bytes = sizeof(struct fuse_fsync_in) },
	{ .opcode = FUSE_SETXATTR, .arg_bytes = FUSE_COMPAT_SETXATTR_IN_SIZE, .names = { XATTR } },
	{ .opcode = FUSE_GETXATTR,
	  .arg_bytes = sizeof(struct fuse_getxattr_in),
	  .names = { XATTR } },
	{ .opcode = FUSE_LISTXATTR, .arg_bytes = sizeof(struct fuse_getxattr_in) },
	{ .opcode = FUSE_REMOVEXATTR, .names = { XATTR } },
	{ .opcode = FUSE_FLUSH, .arg_bytes = sizeof(struct fuse_flush_in) },
	{ .opcode = FUSE_INIT, .arg_bytes = INIT_BYTES },
	{ .opcode = FUSE_OPENDIR, .arg_bytes = sizeof(struct fuse_open_in) },
	{ .opcode = FUSE_READDIR, .arg_bytes = sizeof(struct fuse_read_in) },
	{ .opcode = FUSE_READDIRPLUS, .arg_bytes = sizeof(struct fuse_read_in) },
	{ .opcode = FUSE_RELEASEDIR, .arg_bytes = sizeof(struct fuse_release_in) },
	{ .opcode = FUSE_FSYNCDIR, .arg_bytes = sizeof(struct fuse_fsync_in) },
	{ .opcode = FUSE_CREATE, .arg_bytes = sizeof(struct fuse_create_in), .names = { ENTRY } },
	{ .opcode = FUSE_DESTROY },
	{ .opcode = FUSE_FALLOCATE, .arg_bytes = sizeof(struct fuse_fallocate_in) },
	{ .opcode = FUSE_LSEEK, .arg_bytes = sizeof(struct fuse_lseek_in) },
	{ .opcode = FUSE_COPY_FILE_RANGE, .arg_bytes = sizeof(struct fuse_copy_file_range_in) },
	{ .opcode = FUSE_SYNCFS, .arg_bytes = sizeof(struct fuse_syncfs_in) },
};

static const struct shape *find_shape(uint32_t opcode)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].opcode == opcode)
			return &shapes[i];
	return NULL;
}

int og_fuse_check_name(const char *name)
{
	size_t len = strlen(name);

	if (og_weak("A75"))
		return 0;
	if (len > OG_FUSE_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

static int check_text(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len == 0)
		return -EINVAL;
	return len > max ? -ENAMETOOLONG : 0;
}

/* Takes a name off the @left bytes at @at. */
static int take_name(enum name_kind kind, const char **at, size_t *left, const char **ret_name)
{
	const char *end = memchr(*at, '\0', *left);

	if (end == NULL)
		return -EINVAL;
	*ret_name = *at;
	*left -= (size_t)(end - *at) + 1;
	*at = end + 1;
	if (kind == ENTRY)
		return og_fuse_check_name(*ret_name);
	return check_text(*ret_name, kind == XATTR ? OG_FUSE_NAME_MAX : OG_FUSE_LINK_MAX);
}

/* Fields that say how much data there is have to agree with how much came. */
static int check_data(const struct og_fuse_request *request)
{
	const struct fuse_write_in *write = request->arg;
	const struct fuse_batch_forget_in *forget = request->arg;
	uint32_t size;

	switch (request->header.opcode) {
	case FUSE_WRITE:
		if (request->data_bytes > OG_FUSE_DATA_MAX)
			return -EINVAL;
		return write->size == request->data_bytes ? 0 : -EINVAL;
	case FUSE_BATCH_FORGET:
		return request->data_bytes % sizeof(struct fuse_forget_one) == 0 &&
				       forget->count ==
					       request->data_bytes / sizeof(struct fuse_forget_one)
			       ? 0
			       : -EINVAL;
	case FUSE_INIT:
		return request->data_bytes <= sizeof(struct fuse_init_in) - INIT_BYTES ? 0
										       : -EINVAL;
	case FUSE_SETXATTR:
		memcpy(&size, request->arg, sizeof(size));
		if (size > OG_FUSE_XATTR_DATA_MAX)
			return -E2BIG;
		return size == request->data_bytes ? 0 : -EINVAL;
	default:
		return request->data_bytes == 0 ? 0 : -EINVAL;
	}
}

int og_fuse_parse(const void *message, size_t len, struct og_fuse_request *ret_request)
{
	struct og_fuse_request *request = ret_request;
	const char *at = (const char *)message + sizeof(request->header);
	const struct shape *shape;
	size_t left = len - sizeof(request->header);

	*request = (struct og_fuse_request){ .answered = true };
	if (len < sizeof(request->header))
		return -EPROTO;
	memcpy(&request->header, message, sizeof(request->header));
	shape = find_shape(request->header.opcode);
	if (shape == NULL)
		return -ENOSYS;
	request->answered = !shape->silent;
	if (request->header.len != len || left < shape->arg_bytes)
		return -EINVAL;
	request->arg = at;
	at += shape->arg_bytes;
	left -= shape->arg_bytes;
	for (unsigned i = 0; i < 2 && shape->names[i] != NONE; i++) {
		int r = take_name(shape->names[i], &at, &left, &request->names[i]);

		if (r < 0)
			return r;
	}
	request->data = at;
	request->data_bytes = (uint32_t)left;
	return check_data(request);
}

int og_fuse_answer_init(const struct fuse_init_in *in, struct fuse_init_out *ret_out)
{
	if (in->major != FUSE_KERNEL_VERSION || in->minor < MINOR_MIN)
		return -EPROTO;
	*ret_out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor < MINOR_MAX ? in->minor : MINOR_MAX,
		.max_readahead = in->max_readahead < OG_FUSE_DATA_MAX ? in->max_readahead
								      : OG_FUSE_DATA_MAX,
		.flags = in->flags & FLAGS_WANTED,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = OG_FUSE_DATA_MAX,
		.time_gran = 1,
		.max_pages = OG_FUSE_PAGES_MAX,
	};
	return 0;
}

size_t og_fuse_put_entry(void *buf, size_t used, size_t room, const struct fuse_entry_out *plus,
			 const struct fuse_dirent *entry, const char *name)
{
	struct fuse_dirent head = *entry;
	size_t len = strnlen(name, OG_FUSE_NAME_MAX + 1);
	size_t own = plus != NULL ? sizeof(*plus) : 0;
	size_t bytes = own + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
	uint8_t *at = (uint8_t *)buf + used;

	if (len > OG_FUSE_NAME_MAX || used > room || bytes > room - used)
		return 0;
	head.namelen = (uint32_t)len;
	memset(at, 0, bytes);
	if (plus != NULL)
		memcpy(at, plus, sizeof(*plus));
	memcpy(at + own, &head, FUSE_NAME_OFFSET);
	memcpy(at + own + FUSE_NAME_OFFSET, name, len);
	return used + bytes;
}

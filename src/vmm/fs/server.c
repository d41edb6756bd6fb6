/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/server.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/fs/caps.h"
#include "vmm/fs/parts.h"

static void close_handles(struct og_fs_server *server)
{
	for (uint32_t i = 0; i < OG_FS_HANDLES_MAX; i++)
		server->handles[i].fd = og_close(server->handles[i].fd);
}

/* What an earlier driver left ends with it. */
static int begin(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	struct fuse_init_out answer;
	int r = og_fuse_answer_init(request->arg, &answer);

	(void)room;
	close_handles(server);
	og_fs_nodes_reset(&server->nodes);
	server->begun = r == 0;
	if (r < 0)
		return r;
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

static int end(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
	       uint32_t room)
{
	(void)request;
	(void)out;
	(void)room;
	close_handles(server);
	og_fs_nodes_reset(&server->nodes);
	server->begun = false;
	return 0;
}

static int forget(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_forget_in *in = request->arg;

	(void)out;
	(void)room;
	og_fs_node_forget(&server->nodes, request->header.nodeid, in->nlookup);
	return 0;
}

static int forget_many(struct og_fs_server *server, const struct og_fuse_request *request,
		       void *out, uint32_t room)
{
	const struct fuse_forget_one *one = request->data;

	(void)out;
	(void)room;
	for (size_t i = 0; i < request->data_bytes / sizeof(*one); i++)
		og_fs_node_forget(&server->nodes, one[i].nodeid, one[i].nlookup);
	return 0;
}

/* Nothing here takes long enough to be interrupted. */
static int nothing(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		   uint32_t room)
{
	(void)server;
	(void)request;
	(void)out;
	(void)room;
	return 0;
}

#define ENTRY_BYTES  sizeof(struct fuse_entry_out)
#define ATTR_BYTES   sizeof(struct fuse_attr_out)
#define OPEN_BYTES   sizeof(struct fuse_open_out)
#define CREATE_BYTES (ENTRY_BYTES + OPEN_BYTES)
#define WRITE_BYTES  sizeof(struct fuse_write_out)

static const struct operation {
	uint32_t opcode;
	og_fs_fn *fn;
	uint32_t out_bytes; /* room that the answer needs at least */
	bool changes;	    /* what is in the folder */
} operations[] = {
	{ FUSE_LOOKUP, og_fs_lookup, ENTRY_BYTES, false },
	{ FUSE_FORGET, forget, 0, false },
	{ FUSE_BATCH_FORGET, forget_many, 0, false },
	{ FUSE_INTERRUPT, nothing, 0, false },
	{ FUSE_GETATTR, og_fs_getattr, ATTR_BYTES, false },
	{ FUSE_SETATTR, og_fs_setattr, ATTR_BYTES, true },
	{ FUSE_READLINK, og_fs_readlink, 0, false },
	{ FUSE_SYMLINK, og_fs_symlink, ENTRY_BYTES, true },
	{ FUSE_MKNOD, og_fs_mknod, ENTRY_BYTES, true },
	{ FUSE_MKDIR, og_fs_mkdir, ENTRY_BYTES, true },
	{ FUSE_UNLINK, og_fs_unlink, 0, true },
	{ FUSE_RMDIR, og_fs_rmdir, 0, true },
	{ FUSE_RENAME, og_fs_rename, 0, true },
	{ FUSE_RENAME2, og_fs_rename2, 0, true },
	{ FUSE_LINK, og_fs_link, ENTRY_BYTES, true },
	{ FUSE_OPEN, og_fs_open, OPEN_BYTES, false },
	{ FUSE_READ, og_fs_read, 0, false },
	{ FUSE_WRITE, og_fs_write, WRITE_BYTES, true },
	{ FUSE_STATFS, og_fs_statfs, sizeof(struct fuse_statfs_out), false },
	{ FUSE_RELEASE, og_fs_release, 0, false },
	{ FUSE_FSYNC, og_fs_fsync, 0, false },
	{ FUSE_SETXATTR, og_fs_setxattr, 0, true },
	{ FUSE_GETXATTR, og_fs_getxattr, 0, false },
	{ FUSE_LISTXATTR, og_fs_listxattr, 0, false },
	{ FUSE_REMOVEXATTR, og_fs_removexattr, 0, true },
	{ FUSE_FLUSH, og_fs_flush, 0, false },
	{ FUSE_INIT, begin, sizeof(struct fuse_init_out), false },
	{ FUSE_OPENDIR, og_fs_opendir, OPEN_BYTES, false },
	{ FUSE_READDIR, og_fs_readdir, 0, false },
	{ FUSE_READDIRPLUS, og_fs_readdir, 0, false },
	{ FUSE_RELEASEDIR, og_fs_release, 0, false },
	{ FUSE_FSYNCDIR, og_fs_fsync, 0, false },
	{ FUSE_CREATE, og_fs_create, CREATE_BYTES, true },
	{ FUSE_DESTROY, end, 0, false },
	{ FUSE_FALLOCATE, og_fs_fallocate, 0, true },
	{ FUSE_LSEEK, og_fs_lseek, sizeof(struct fuse_lseek_out), false },
	{ FUSE_COPY_FILE_RANGE, og_fs_copy, WRITE_BYTES, true },
	{ FUSE_SYNCFS, og_fs_syncfs, 0, true },
};

static const struct operation *find_operation(uint32_t opcode)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (operations[i].opcode == opcode)
			return &operations[i];
	return NULL;
}

/* ---- whose files ---- */

int og_fs_be(struct og_fs_server *server, uint32_t uid, uint32_t gid)
{
	if (!server->becomes_others)
		return 0;
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	/* Neither says whether it worked. */
	if ((uid_t)setfsuid((uid_t)-1) != uid || (gid_t)setfsgid((gid_t)-1) != gid) {
		og_fs_be_self(server);
		return -EPERM;
	}
	/* The guest's kernel has judged, by all groups of the user: the host need not again. */
	og_fs_caps_effective(OG_FS_CAPS_WRITE);
	return 0;
}

void og_fs_be_self(struct og_fs_server *server)
{
	if (!server->becomes_others)
		return;
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
	server->kills_suid = false;
	og_fs_caps_effective(OG_FS_CAPS_WRITE);
}

void og_fs_kill_suid(struct og_fs_server *server, bool kill)
{
	if (server->readonly || !server->becomes_others || server->kills_suid == kill)
		return;
	server->kills_suid = kill;
	og_fs_caps_effective(kill ? OG_FS_CAPS_WRITE & ~(1ULL << CAP_FSETID) : OG_FS_CAPS_WRITE);
}

/* ---- requests ---- */

static int run(struct og_fs_server *server, const struct og_fuse_request *request, uint32_t room)
{
	const struct operation *operation = find_operation(request->header.opcode);

	if (operation == NULL)
		return -ENOSYS;
	if (!server->begun && request->header.opcode != FUSE_INIT)
		return -EPROTO;
	if (room < operation->out_bytes)
		return -EINVAL;
	if (operation->changes && server->readonly)
		return -EROFS;
	return operation->fn(server, request, server->out + sizeof(struct fuse_out_header), room);
}

/* Serves the @len bytes in server->in; returns the length of the answer in server->out, or 0. */
static size_t answer(struct og_fs_server *server, size_t len)
{
	struct og_fs_envelope envelope;
	struct fuse_out_header header = { .len = sizeof(header) };
	struct og_fuse_request request = {};
	uint32_t room = OG_FUSE_MESSAGE_MAX;
	int r;

	memcpy(&envelope, server->in, sizeof(envelope));
	if (envelope.room >= sizeof(header) && envelope.room - sizeof(header) < room)
		room = envelope.room - (uint32_t)sizeof(header);
	if (envelope.room < sizeof(header))
		room = 0;
	r = og_fuse_parse(server->in + sizeof(envelope), len - sizeof(envelope), &request);
	if (r == 0)
		r = run(server, &request, room);
	if (envelope.room < sizeof(header))
		return 0;
	header.unique = request.header.unique;
	header.error = r < 0 ? r : 0;
	header.len += r > 0 ? (uint32_t)r : 0;
	memcpy(server->out, &header, sizeof(header));
	return header.len;
}

static ssize_t receive(struct og_fs_server *server, int fd)
{
	ssize_t n;

	do {
		n = recv(fd, server->in, sizeof(server->in), MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	/* What is too long or too short is none of the machine's. */
	if (n < (ssize_t)sizeof(struct og_fs_envelope) || n > (ssize_t)sizeof(server->in))
		return -EPROTO;
	return n;
}

static int reply(const struct og_fs_server *server, int fd, size_t len)
{
	ssize_t n;

	do {
		n = send(fd, server->out, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void og_fs_serve(struct og_fs_server *server, int socket_fd)
{
	int r = 0;

	while (r == 0) {
		ssize_t n = receive(server, socket_fd);
		size_t len = n < 0 ? 0 : answer(server, (size_t)n);

		r = n < 0 ? (int)n : 0;
		if (r == 0 && len > 0)
			r = reply(server, socket_fd, len);
	}
}

struct og_fs_server *og_fs_server_new(int root_fd, bool readonly, bool becomes_others,
				      uint32_t fds_max)
{
	struct og_fs_server *server = calloc(1, sizeof(*server));
	uint32_t handles = fds_max / 4 < OG_FS_HANDLES_MAX ? fds_max / 4 : OG_FS_HANDLES_MAX;
	uint32_t nodes = fds_max - handles < OG_FS_NODE_FDS_MAX ? fds_max - handles
								: OG_FS_NODE_FDS_MAX;

	if (server == NULL || og_fs_nodes_init(&server->nodes, root_fd, nodes) < 0) {
		free(server);
		return NULL;
	}
	server->readonly = readonly;
	server->becomes_others = becomes_others;
	server->handles_max = handles;
	for (uint32_t i = 0; i < OG_FS_HANDLES_MAX; i++)
		server->handles[i].fd = -EBADF;
	return server;
}

void og_fs_server_cross_mounts(struct og_fs_server *server)
{
	server->nodes.mount_flags = 0;
}

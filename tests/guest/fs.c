/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes a shared folder by FUSE messages, as far as its server's own tests do not. */
#include <linux/fuse.h>

#include "guest.h"

enum {
	FS = 26,
	HIPRIO = 0,
	REQUESTS = 1
};

static struct queue queues[2];
static unsigned device;

static struct {
	struct fuse_in_header header;
	uint8_t body[4096];
} in;

static struct {
	struct fuse_out_header header;
	uint8_t body[8192];
} out;

static void copy(void *to, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* Sends @len bytes of in.body; returns the answer's error, 0 or negative, or 1 where there is none. */
static int ask(uint32_t opcode, uint64_t node, uint32_t len)
{
	in.header = (struct fuse_in_header){
		.len = sizeof(in.header) + len, .opcode = opcode, .unique = 77, .nodeid = node
	};
	out.header.error = 1;
	set_desc(&queues[REQUESTS], 0, &in, sizeof(in.header) + len, NEXT, 1);
	set_desc(&queues[REQUESTS], 1, &out, sizeof(out), WRITE, 0);
	offer(&queues[REQUESTS], 0);
	notify(device, REQUESTS);
	if (wait_answer(device, &queues[REQUESTS]) < 0)
		return 1;
	return out.header.unique == 77 ? out.header.error : 1;
}

static int init(void)
{
	struct fuse_init_in *init = (void *)in.body;

	*init = (struct fuse_init_in){ .major = 7, .minor = 31 };
	return ask(FUSE_INIT, 0, 16);
}

static int lookup(const char *name, uint32_t len, uint64_t *ret_node)
{
	int r;

	copy(in.body, name, len);
	r = ask(FUSE_LOOKUP, 1, len);
	copy(ret_node, out.body, sizeof(*ret_node));
	return r;
}

static int open_file(uint64_t node, uint64_t *ret_fh)
{
	struct fuse_open_in *open = (void *)in.body;
	int r;

	*open = (struct fuse_open_in){ .flags = 2 };
	r = ask(FUSE_OPEN, node, sizeof(*open));
	copy(ret_fh, out.body, sizeof(*ret_fh));
	return r;
}

static void write_word(uint64_t node, uint64_t fh)
{
	static const char word[] = "from the guest";
	struct fuse_write_in *write = (void *)in.body;

	*write = (struct fuse_write_in){ .fh = fh, .size = sizeof(word) - 1 };
	copy(in.body + sizeof(*write), word, sizeof(word) - 1);
	say_line("write", (uint64_t)-ask(FUSE_WRITE, node, sizeof(*write) + sizeof(word) - 1));
}

static void read_word(uint64_t node, uint64_t fh)
{
	struct fuse_read_in *read = (void *)in.body;

	*read = (struct fuse_read_in){ .fh = fh, .size = 100 };
	say_line("read", (uint64_t)-ask(FUSE_READ, node, sizeof(*read)));
	out.body[out.header.len - sizeof(out.header)] = 0;
	say((const char *)out.body);
}

static void begin(void)
{
	device = find_device(FS, 0);
	if (device == 99 || bring_up(device, 0, queues, 2) != 0)
		say("no shared folder\n");
	say_line("init", (uint64_t)-init());
}

void test_fs(void)
{
	uint64_t node = 0, fh = 0;

	begin();
	say_line("lookup", (uint64_t)-lookup("file", 5, &node));
	say_line("dots", (uint64_t)-lookup("..", 3, &fh));
	say_line("open", (uint64_t)-open_file(node, &fh));
	read_word(node, fh);
	write_word(node, fh);
	begin(); /* after a reset nothing is open any more */
	say_line("closed", (uint64_t)-open_file(node, &fh));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format/landlock.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "format/oci_schema.h"

static const struct og_schema_name access_names[] = {
	{ "execute", OG_LANDLOCK_EXECUTE },
	{ "read", OG_LANDLOCK_READ_FILE | OG_LANDLOCK_READ_DIR },
	{ "write", OG_LANDLOCK_WRITE_FILE },
	{ "truncate", OG_LANDLOCK_TRUNCATE },
	{ "create", OG_LANDLOCK_MAKE_DIR | OG_LANDLOCK_MAKE_REG | OG_LANDLOCK_MAKE_SOCK |
			    OG_LANDLOCK_MAKE_FIFO | OG_LANDLOCK_MAKE_SYM },
	{ "create-device", OG_LANDLOCK_MAKE_CHAR | OG_LANDLOCK_MAKE_BLOCK },
	{ "remove", OG_LANDLOCK_REMOVE_DIR | OG_LANDLOCK_REMOVE_FILE },
	{ "refer", OG_LANDLOCK_REFER },
	{ "ioctl-device", OG_LANDLOCK_IOCTL_DEV },
	{ NULL, 0 },
};

static const struct og_schema_name scope_names[] = {
	{ "abstract-unix-socket", OG_LANDLOCK_SCOPE_ABSTRACT },
	{ "signal", OG_LANDLOCK_SCOPE_SIGNAL },
	{ NULL, 0 },
};

#define END                           \
	{                             \
		.kind = OG_SCHEMA_END \
	}

static const struct og_schema path_rows[] = {
	{ .name = "path",
	  .kind = OG_SCHEMA_PATH,
	  .offset = offsetof(struct og_landlock_path, path),
	  .required = true },
	{ .name = "access",
	  .kind = OG_SCHEMA_FLAGS,
	  .offset = offsetof(struct og_landlock_path, access),
	  .names = access_names,
	  .required = true },
	END,
};

static const struct og_schema tcp_rows[] = {
	{ .name = "bind",
	  .kind = OG_SCHEMA_UINTS,
	  .offset = offsetof(struct og_landlock, bind),
	  .umax = UINT16_MAX },
	{ .name = "connect",
	  .kind = OG_SCHEMA_UINTS,
	  .offset = offsetof(struct og_landlock, connect),
	  .umax = UINT16_MAX },
	END,
};

static const struct og_schema document_rows[] = {
	{ .name = "restrict",
	  .kind = OG_SCHEMA_FLAGS,
	  .offset = offsetof(struct og_landlock, restricted),
	  .names = access_names },
	{ .name = "paths",
	  .kind = OG_SCHEMA_ARRAY,
	  .offset = offsetof(struct og_landlock, paths),
	  .rows = path_rows,
	  .item_size = sizeof(struct og_landlock_path) },
	{ .name = "tcp", .kind = OG_SCHEMA_OBJECT, .rows = tcp_rows },
	{ .name = "scope",
	  .kind = OG_SCHEMA_FLAGS,
	  .offset = offsetof(struct og_landlock, scope),
	  .names = scope_names },
	END,
};

const char *og_landlock_word(uint64_t access)
{
	for (const struct og_schema_name *name = access_names; name->name != NULL; name++) {
		if ((access & (uint64_t)name->value) != 0)
			return name->name;
	}
	return NULL;
}

static uint64_t all_access(void)
{
	uint64_t all = 0;

	for (const struct og_schema_name *name = access_names; name->name != NULL; name++)
		all |= (uint64_t)name->value;
	return all;
}

static int check(struct og_landlock *landlock, struct og_err *err)
{
	if (landlock->restricted == 0 && landlock->paths.items != NULL)
		landlock->restricted = all_access();
	if (landlock->restricted == 0 && landlock->bind.items == NULL &&
	    landlock->connect.items == NULL && landlock->scope == 0)
		return og_fail_plain(err, -EINVAL, "nothing is restricted");
	for (size_t i = 0; i < landlock->paths.count; i++) {
		const struct og_landlock_path *path = &landlock->paths.items[i];
		uint64_t more = path->access & ~landlock->restricted;

		if (path->access == 0)
			return og_fail_plain(err, -EINVAL, "paths[%zu].access is empty", i);
		if (more != 0)
			return og_fail_plain(err, -EINVAL,
					     "paths[%zu].access has '%s', which is not restricted",
					     i, og_landlock_word(more));
	}
	return 0;
}

struct landlock_memory {
	struct og_json *root;
	struct og_schema_memory blocks;
};

int og_landlock_parse(const char *buf, size_t len, struct og_landlock **ret_landlock,
		      struct og_err *err)
{
	og_cleanup(og_landlock_freep) struct og_landlock *landlock = NULL;
	struct landlock_memory *memory;
	int r;

	if (len > OG_LANDLOCK_MAX_BYTES)
		return og_fail(err, -EFBIG, "the document is longer than %u bytes",
			       OG_LANDLOCK_MAX_BYTES);
	landlock = calloc(1, sizeof(*landlock));
	memory = calloc(1, sizeof(*memory));
	if (landlock == NULL || memory == NULL) {
		free(memory);
		return og_fail(err, -ENOMEM, "read the document");
	}
	landlock->memory = memory;
	r = og_json_parse(buf, len, &memory->root, err);
	if (r == 0)
		r = og_schema_read_strictly(document_rows, memory->root, "", landlock,
					    &memory->blocks, err);
	if (r == 0)
		r = check(landlock, err);
	if (r == 0)
		*ret_landlock = og_take_ptr(landlock);
	return r;
}

struct og_landlock *og_landlock_free(struct og_landlock *landlock)
{
	struct landlock_memory *memory;

	if (landlock == NULL)
		return NULL;
	memory = landlock->memory;
	if (memory != NULL) {
		og_schema_memory_done(&memory->blocks);
		og_json_free(memory->root);
		free(memory);
	}
	free(landlock);
	return NULL;
}

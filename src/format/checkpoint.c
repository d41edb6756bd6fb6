/* SPDX-License-Identifier: Apache-2.0 */
#include "format/checkpoint.h"

#include <errno.h>
#include <string.h>

#include "base/grow.h"
#include "base/json.h"
#include "base/text.h"

#define VERSION 1

void og_checkpoint_done(struct og_checkpoint *checkpoint)
{
	og_strv_free(checkpoint->mounts);
	*checkpoint = (struct og_checkpoint){};
}

int og_checkpoint_check_mount(const char *path, struct og_err *err)
{
	if (path[0] != '/' || strpbrk(path, "]:\n") != NULL || strstr(path, "..") != NULL)
		return og_fail_plain(
			err, -EINVAL,
			"a mount at '%.200s' cannot be named to CRIU: no ']', ':' or '..'", path);
	return 0;
}

int og_checkpoint_add_mount(struct og_checkpoint *checkpoint, const char *path, struct og_err *err)
{
	size_t count = checkpoint->mount_count;
	int r = og_checkpoint_check_mount(path, err);

	if (r < 0)
		return r;
	if (count == OG_CHECKPOINT_MOUNTS_MAX)
		return og_fail(err, -E2BIG, "more than %d mounts from outside",
			       OG_CHECKPOINT_MOUNTS_MAX);
	if (og_grow(checkpoint->mounts, count + 1) < 0)
		return og_fail(err, -ENOMEM, "list mounts");
	checkpoint->mounts[count + 1] = NULL;
	checkpoint->mounts[count] = strdup(path);
	if (checkpoint->mounts[count] == NULL)
		return og_fail(err, -ENOMEM, "list mounts");
	checkpoint->mount_count++;
	return 0;
}

char *og_checkpoint_write(const struct og_checkpoint *checkpoint)
{
	og_cleanup(og_json_freep) struct og_json *document = og_json_new_object();
	struct og_json *streams = og_json_new_array();
	struct og_json *mounts = og_json_new_array();

	og_json_set_int(document, "version", VERSION);
	og_json_set(document, "streams", streams);
	og_json_set(document, "mounts", mounts);
	for (size_t i = 0; i < 3; i++)
		og_json_push(streams, og_json_new_string(checkpoint->streams[i]));
	for (size_t i = 0; i < checkpoint->mount_count; i++)
		og_json_push(mounts, og_json_new_string(checkpoint->mounts[i]));
	return og_json_write(document);
}

/* "pipe:[12]", "socket:[12]", "file[1f:2a]", "tty[8800:19]", "": CRIU's names and nothing else. */
static bool is_stream(const char *name)
{
	static const char *const kinds[] = { "pipe:[", "socket:[", "file[", "tty[" };
	size_t len = strlen(name);

	if (len == 0)
		return true;
	if (len >= OG_CHECKPOINT_STREAM_MAX || name[len - 1] != ']')
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t begin = strlen(kinds[i]);

		if (og_starts_with(name, kinds[i]))
			return begin + strspn(name + begin, "0123456789abcdef:") == len - 1;
	}
	return false;
}

static int read_streams(const struct og_json *streams, struct og_checkpoint *checkpoint,
			struct og_err *err)
{
	if (og_json_kind(streams) != OG_JSON_ARRAY || og_json_count(streams) != 3)
		return og_fail_plain(err, -EINVAL, "streams is not a list of three");
	for (size_t i = 0; i < 3; i++) {
		const char *name = og_json_string(og_json_at(streams, i), NULL);

		if (name == NULL || !is_stream(name))
			return og_fail_plain(err, -EINVAL, "streams[%zu] is no stream", i);
		strcpy(checkpoint->streams[i], name); /* is_stream() has measured it */
	}
	return 0;
}

static int read_mounts(const struct og_json *mounts, struct og_checkpoint *checkpoint,
		       struct og_err *err)
{
	if (og_json_kind(mounts) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EINVAL, "mounts is not a list");
	for (size_t i = 0; i < og_json_count(mounts); i++) {
		const char *path = og_json_string(og_json_at(mounts, i), NULL);
		int r;

		if (path == NULL)
			return og_fail_plain(err, -EINVAL, "mounts[%zu] is not a string", i);
		r = og_checkpoint_add_mount(checkpoint, path, err);
		if (r < 0)
			return og_fail_in(err, r, "mounts[%zu]", i);
	}
	return 0;
}

int og_checkpoint_parse(const char *buf, size_t len, struct og_checkpoint *ret_checkpoint,
			struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *document = NULL;
	og_cleanup(og_checkpoint_done) struct og_checkpoint checkpoint = {};
	int64_t version;
	int r;

	if (len > OG_CHECKPOINT_MAX_BYTES)
		return og_fail(err, -E2BIG, "longer than %u bytes", OG_CHECKPOINT_MAX_BYTES);
	r = og_json_parse(buf, len, &document, err);
	if (r < 0)
		return r;
	version = og_json_int(og_json_get(document, "version"), 0);
	if (version != VERSION)
		return og_fail(err, version > VERSION ? -ENOTSUP : -EINVAL,
			       "version is %lld: only %d is understood", (long long)version,
			       VERSION);
	r = read_streams(og_json_get(document, "streams"), &checkpoint, err);
	if (r == 0)
		r = read_mounts(og_json_get(document, "mounts"), &checkpoint, err);
	if (r < 0)
		return r;
	*ret_checkpoint = checkpoint;
	checkpoint = (struct og_checkpoint){};
	return 0;
}

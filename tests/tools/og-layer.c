/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a layer without an engine, for tests and measurements:
 *
 *	og-layer make LAYERS_DIR < ARCHIVE	publishes it; prints its digest and figures
 *	og-layer merge LAYERS_DIR MERGED_DIR DIFF_ID...
 *	og-layer devices MERGED_FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "image/layer.h"
#include "image/merge.h"

#define BUF_BYTES (1U << 20)

static int open_dir(const char *path, int *ret_fd, struct og_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* A limit from the environment, as tests set it. */
static uint64_t limit(const char *name)
{
	const char *text = getenv(name);
	uint64_t value = 0;

	if (text != NULL)
		(void)og_parse_u64(text, 0, UINT64_MAX, &value);
	return value;
}

static int push_input(struct og_layer *layer, struct og_err *err)
{
	og_auto_free char *buf = malloc(BUF_BYTES);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "allocate buffer");
	for (;;) {
		ssize_t n = og_read_upto(STDIN_FILENO, buf, BUF_BYTES);
		int r;

		if (n < 0)
			return og_fail(err, (int)n, "read standard input");
		if (n == 0)
			return 0;
		r = og_layer_write(layer, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int make(char **args, struct og_err *err)
{
	og_cleanup(og_layer_freep) struct og_layer *layer = NULL;
	struct og_layer_limits limits = {
		.max_bytes = limit("MAX_BYTES"),
		.max_entries = limit("MAX_ENTRIES"),
		.max_ratio = limit("MAX_RATIO"),
		.max_metadata_bytes = limit("MAX_METADATA_BYTES"),
	};
	struct og_layer_info info;
	og_auto_fd dir_fd = -EBADF;
	int r = open_dir(args[0], &dir_fd, err);

	if (r == 0)
		r = og_layer_new(dir_fd, &limits, &layer, err);
	if (r == 0)
		r = push_input(layer, err);
	if (r == 0)
		r = og_layer_finish(layer, &info, err);
	if (r == 0)
		r = og_layer_publish(layer, err);
	if (r < 0)
		return r;
	printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	       og_digest_format(&info.diff_id).text, info.compressed_bytes, info.tar_bytes,
	       info.entries, info.erofs_bytes);
	return 0;
}

static int merge(char **args, struct og_err *err)
{
	struct og_digest diff_ids[OG_MERGE_LAYERS_MAX + 1], chain_id;
	og_auto_fd layers_fd = -EBADF, merged_fd = -EBADF;
	size_t count = 0;
	int r = open_dir(args[0], &layers_fd, err);

	if (r == 0)
		r = open_dir(args[1], &merged_fd, err);
	for (char **id = args + 2; r == 0 && *id != NULL && count <= OG_MERGE_LAYERS_MAX; id++) {
		if (og_digest_parse(*id, &diff_ids[count++]) < 0)
			r = og_fail(err, -EINVAL, "'%s' is no digest", *id);
	}
	if (r == 0)
		r = og_merge_layers(layers_fd, merged_fd, diff_ids, count, &chain_id, err);
	if (r == 0)
		printf("%s\n", og_digest_format(&chain_id).text);
	return r;
}

static int devices(char **args, struct og_err *err)
{
	og_auto_free struct og_merged_layer *layers = NULL;
	og_auto_fd fd = open(args[0], O_RDONLY | O_CLOEXEC);
	uint64_t bytes;
	size_t count;
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", args[0]);
	r = og_merged_layers(fd, &layers, &count, &bytes, err);
	if (r < 0)
		return r;
	printf("%" PRIu64 "\n", bytes);
	for (size_t i = 0; i < count; i++)
		printf("%s %" PRIu64 " %" PRIu64 "\n", og_digest_hex(&layers[i].diff_id).text,
		       layers[i].offset, layers[i].bytes);
	return 0;
}

static const struct {
	const char *name;
	int args; /* at least */
	int (*run)(char **args, struct og_err *err);
} commands[] = {
	{ "make", 1, make },
	{ "merge", 2, merge },
	{ "devices", 1, devices },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct og_err err = {};

		if (!og_streq(argv[1], commands[i].name) || argc < 2 + commands[i].args)
			continue;
		if (commands[i].run(argv + 2, &err) == 0)
			return EXIT_SUCCESS;
		fprintf(stderr, "og-layer: %s\n", err.text);
		return EXIT_FAILURE;
	}
	fprintf(stderr, "usage: og-layer make|merge|devices ...\n");
	return EXIT_FAILURE;
}

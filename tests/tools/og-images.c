/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store by itself, for tests: og-images ROOT COMMAND [OPTION...] [ARGUMENT...].
 * Progress and errors go to stderr, one line each; results to stdout.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "image/images.h"

#define ARGUMENTS_MAX 32

struct options {
	const char *user, *password, *token, *architecture, *format, *output, *message, *in_use;
	const char *insecure[ARGUMENTS_MAX + 1], *changes[ARGUMENTS_MAX + 1];
	const char *times; /* of a pull: so many at once */
	bool force, all, quiet;
	const char *arguments[ARGUMENTS_MAX + 1];
	size_t count;
};

static int progress(void *data, const struct og_progress *p)
{
	const struct options *o = data;

	if (!o->quiet)
		fprintf(stderr, "%s%s%s %" PRIu64 "/%" PRIu64 "\n", p->id != NULL ? p->id : "",
			p->id != NULL ? ": " : "", p->text, p->current, p->total);
	return 0;
}

static ssize_t read_fd(void *data, void *buf, size_t len)
{
	return og_read_upto(*(const int *)data, buf, len);
}

static int write_fd(void *data, const void *buf, size_t len)
{
	return og_write_all(*(const int *)data, buf, len);
}

static int open_input(const struct options *o, struct og_err *err)
{
	int fd;

	if (o->count == 0 || og_streq(o->arguments[0], "-"))
		return dup(STDIN_FILENO);
	fd = open(o->arguments[0], O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : og_fail(err, -errno, "open '%s'", o->arguments[0]);
}

static int pull_once(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_auto_free char *id = NULL;
	const struct og_pull pull = {
		.reference = o->count > 0 ? o->arguments[0] : "",
		.platform = { .architecture = o->architecture },
		.user = o->user,
		.password = o->password,
		.identity_token = o->token,
		.insecure = o->insecure,
		.progress = progress,
		.progress_data = (void *)(uintptr_t)o,
	};
	int r = og_images_pull(images, &pull, &id, err);

	if (r == 0)
		puts(id);
	return r;
}

/* One of several pulls of the same image at once. */
struct puller {
	struct og_images *images;
	const struct options *options;
	pthread_t thread;
	struct og_err err;
	int code;
};

static void *pull_thread(void *data)
{
	struct puller *puller = data;

	puller->code = pull_once(puller->images, puller->options, &puller->err);
	return NULL;
}

static int do_pull(struct og_images *images, const struct options *o, struct og_err *err)
{
	struct puller pullers[ARGUMENTS_MAX];
	uint64_t count = 1;
	int r = 0;

	if (o->times != NULL && og_parse_u64(o->times, 1, ARGUMENTS_MAX, &count) < 0)
		return og_fail_plain(err, -EINVAL, "--times wants a number up to %d",
				     ARGUMENTS_MAX);
	for (size_t i = 0; i < count; i++) {
		pullers[i] = (struct puller){ .images = images, .options = o };
		if (pthread_create(&pullers[i].thread, NULL, pull_thread, &pullers[i]) != 0)
			abort();
	}
	for (size_t i = 0; i < count; i++) {
		(void)pthread_join(pullers[i].thread, NULL);
		if (pullers[i].code < 0) {
			*err = pullers[i].err;
			r = pullers[i].code;
		}
	}
	return r;
}

static int do_load(struct og_images *images, const struct options *o, struct og_err *err)
{
	const struct og_platform platform = { .architecture = o->architecture };
	og_cleanup(og_strv_freep) char **loaded = NULL;
	og_auto_fd fd = open_input(o, err);
	int r;

	if (fd < 0)
		return fd;
	r = og_images_load(images, read_fd, &fd, &platform, progress, (void *)(uintptr_t)o, &loaded,
			   err);
	for (size_t i = 0; r == 0 && loaded[i] != NULL; i++)
		puts(loaded[i]);
	return r;
}

static int do_import(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_auto_fd fd = open_input(o, err);
	og_auto_free char *id = NULL;
	const struct og_import import = {
		.reference = o->count > 1 ? o->arguments[1] : NULL,
		.message = o->message,
		.platform = { .architecture = o->architecture },
		.changes = o->changes,
		.progress = progress,
		.progress_data = (void *)(uintptr_t)o,
	};
	int r;

	if (fd < 0)
		return fd;
	r = og_images_import(images, read_fd, &fd, &import, &id, err);
	if (r == 0)
		puts(id);
	return r;
}

static int do_save(struct og_images *images, const struct options *o, struct og_err *err)
{
	bool oci = o->format != NULL && og_streq(o->format, "oci");
	og_auto_fd fd = -EBADF;

	fd = o->output != NULL ? open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
			       : dup(STDOUT_FILENO);
	if (fd < 0)
		return og_fail(err, -errno, "open output");
	return og_images_save(images, o->arguments, oci ? OG_ARCHIVE_OCI : OG_ARCHIVE_DOCKER,
			      write_fd, &fd, err);
}

static struct og_json *strings(char *const *list)
{
	struct og_json *array = og_json_new_array();

	for (size_t i = 0; list[i] != NULL; i++)
		og_json_push(array, og_json_new_string(list[i]));
	return array;
}

static void print_image(const struct og_image *image)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	og_auto_free char *text = NULL;

	og_json_set_string(root, "id", image->id);
	og_json_set_string(root, "manifest", image->manifest);
	og_json_set_string(root, "created", image->created);
	og_json_set_string(root, "architecture", image->architecture);
	og_json_set_string(root, "chain_id", image->chain_id);
	og_json_set_int(root, "size", (int64_t)image->size);
	og_json_set(root, "tags", strings(image->repo_tags));
	og_json_set(root, "digests", strings(image->repo_digests));
	og_json_set(root, "diff_ids", strings(image->diff_ids));
	og_json_set(root, "config", og_json_copy(image->config));
	text = og_json_write(root);
	puts(text);
}

static int do_list(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_cleanup(og_image_list_freep) struct og_image **list = NULL;
	int r = og_images_list(images, &list, err);

	(void)o;
	for (size_t i = 0; r == 0 && list[i] != NULL; i++)
		print_image(list[i]);
	return r;
}

static int do_find(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	int r = og_images_find(images, o->arguments[0], &image, err);

	if (r == 0)
		print_image(image);
	return r;
}

static int do_rootfs(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	og_cleanup(og_rootfs_done) struct og_rootfs rootfs = {};
	int r = og_images_find(images, o->arguments[0], &image, err);

	if (r == 0)
		r = og_images_rootfs(images, image->id, &rootfs, err);
	for (size_t i = 0; r == 0 && i < rootfs.count; i++)
		printf("%s %" PRIu64 " %" PRIu64 "\n", rootfs.parts[i].path, rootfs.parts[i].offset,
		       rootfs.parts[i].size);
	return r;
}

static int do_tag(struct og_images *images, const struct options *o, struct og_err *err)
{
	return og_images_tag(images, o->arguments[0], o->count > 1 ? o->arguments[1] : "", err);
}

static enum og_image_use in_use(void *data, const char *id, char ret_workload[13])
{
	const struct options *o = data;

	(void)snprintf(ret_workload, 13, "0123456789ab");
	if (o->in_use != NULL && strncmp(id, o->in_use, strlen(o->in_use)) == 0)
		return OG_IMAGE_USED_RUNNING;
	return OG_IMAGE_UNUSED;
}

static void print_removed(const struct og_removed_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%s: %s\n", list->items[i].deleted ? "Deleted" : "Untagged",
		       list->items[i].name);
}

static int do_rm(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_cleanup(og_removed_list_done) struct og_removed_list list = {};
	int r = og_images_remove(images, o->arguments[0], o->force, in_use, (void *)(uintptr_t)o,
				 &list, err);

	print_removed(&list);
	return r;
}

static int do_prune(struct og_images *images, const struct options *o, struct og_err *err)
{
	og_cleanup(og_removed_list_done) struct og_removed_list list = {};
	int r = og_images_prune(images, o->all, in_use, (void *)(uintptr_t)o, &list, err);

	print_removed(&list);
	return r;
}

static const struct {
	const char *name;
	int (*fn)(struct og_images *images, const struct options *options, struct og_err *err);
	size_t min_arguments;
} commands[] = {
	{ "pull", do_pull, 1 },	    { "load", do_load, 0 }, { "import", do_import, 0 },
	{ "save", do_save, 1 },	    { "list", do_list, 0 }, { "find", do_find, 1 },
	{ "rootfs", do_rootfs, 1 }, { "tag", do_tag, 2 },   { "rm", do_rm, 1 },
	{ "prune", do_prune, 0 },
};

/* Options with a value; those that may repeat fill a list. */
static const char **value_slot(struct options *o, const char *name)
{
	const struct {
		const char *name;
		const char **slot;
		bool repeats;
	} slots[] = {
		{ "--user", &o->user, false },	      { "--password", &o->password, false },
		{ "--token", &o->token, false },      { "--arch", &o->architecture, false },
		{ "--format", &o->format, false },    { "--output", &o->output, false },
		{ "--message", &o->message, false },  { "--in-use", &o->in_use, false },
		{ "--times", &o->times, false },      { "--insecure", &o->insecure[0], true },
		{ "--change", &o->changes[0], true },
	};

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		const char **slot = slots[i].slot;

		if (!og_streq(slots[i].name, name))
			continue;
		for (size_t j = 0; slots[i].repeats && j < ARGUMENTS_MAX && *slot != NULL; j++)
			slot++;
		return slot;
	}
	return NULL;
}

static int read_options(int argc, char **argv, struct options *o)
{
	for (int i = 3; i < argc; i++) {
		const char **slot = value_slot(o, argv[i]);

		if (slot != NULL && i + 1 < argc)
			*slot = argv[++i];
		else if (og_streq(argv[i], "--force"))
			o->force = true;
		else if (og_streq(argv[i], "--all"))
			o->all = true;
		else if (og_streq(argv[i], "--quiet"))
			o->quiet = true;
		else if (argv[i][0] == '-' && argv[i][1] == '-')
			return -EINVAL;
		else if (o->count < ARGUMENTS_MAX)
			o->arguments[o->count++] = argv[i];
	}
	return 0;
}

static int run(const char *root, const char *command, const struct options *o, struct og_err *err)
{
	og_cleanup(og_images_freep) struct og_images *images = NULL;
	og_auto_fd root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root_fd < 0)
		return og_fail(err, -errno, "open '%s'", root);
	r = og_images_open(root_fd, &images, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (og_streq(commands[i].name, command) && o->count >= commands[i].min_arguments)
			return commands[i].fn(images, o, err);
	return og_fail(err, -EINVAL, "no such command, or too few arguments: '%s'", command);
}

int main(int argc, char **argv)
{
	struct options options = {};
	struct og_err err = {};

	if (argc < 3 || read_options(argc, argv, &options) < 0) {
		fputs("usage: og-images ROOT COMMAND [OPTION...] [ARGUMENT...]\n", stderr);
		return 2;
	}
	if (run(argv[1], argv[2], &options, &err) < 0) {
		fprintf(stderr, "og-images: %s\n", err.text);
		return 1;
	}
	return 0;
}

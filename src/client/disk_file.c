/* SPDX-License-Identifier: Apache-2.0 */
#include "client/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "format/qcow2.h"

struct words {
	const char *path, *format, *backing, *backing_format;
	bool readonly;
};

static int take_word(struct words *words, char *word, struct og_err *err)
{
	char *value = strchr(word, '=');

	const struct {
		const char *name;
		const char **to;
	} rows[] = {
		{ "format", &words->format },
		{ "backing", &words->backing },
		{ "backing_format", &words->backing_format },
	};

	if (og_streq(word, "readonly")) {
		words->readonly = true;
		return 0;
	}
	if (value != NULL)
		*value++ = '\0';
	for (size_t i = 0; value != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (og_streq(word, rows[i].name)) {
			*rows[i].to = value;
			return 0;
		}
	}
	return og_fail_plain(err, -EINVAL,
			     "'%s' is none of format=, readonly, backing=, backing_format=", word);
}

static int split(char *text, struct words *words, struct og_err *err)
{
	char *rest = text;
	int r = 0;

	words->path = strsep(&rest, ",");
	for (char *word; r == 0 && (word = strsep(&rest, ",")) != NULL;)
		r = take_word(words, word, err);
	return r;
}

static int take_format(const char *option, const char *format, bool *ret_qcow2, struct og_err *err)
{
	if (format == NULL || (!og_streq(format, "raw") && !og_streq(format, "qcow2")))
		return og_fail_plain(err, -EINVAL,
				     "say %s=raw or %s=qcow2: what a disk is is never guessed",
				     option, option);
	*ret_qcow2 = og_streq(format, "qcow2");
	return 0;
}

static int open_locked(const char *path, bool readonly, struct og_err *err)
{
	og_auto_fd fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return og_take_fd(&fd);
	if (errno != EWOULDBLOCK)
		return og_fail(err, -errno, "lock '%s'", path);
	return og_fail_plain(err, -EBUSY, "'%s' is in use by %s", path,
			     readonly ? "a VM that may write it" : "another VM, or a scan");
}

/* Whether what it says of itself agrees with what the user says. */
static int check_qcow2(const struct words *words, int fd, struct og_err *err)
{
	unsigned char head[OG_QCOW2_HEADER_BYTES];
	bool has_backing;
	ssize_t n = og_pread_upto(fd, head, sizeof(head), 0);

	if (n < 0)
		return og_fail(err, (int)n, "read '%s'", words->path);
	if (og_qcow2_peek(head, (size_t)n, &has_backing) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no qcow2 image", words->path);
	if (has_backing && words->backing == NULL)
		return og_fail_plain(err, -EINVAL,
				     "'%s' is laid over another file: say which with backing=FILE,"
				     "backing_format=raw|qcow2",
				     words->path);
	if (!has_backing && words->backing != NULL)
		return og_fail_plain(err, -EINVAL, "'%s' is laid over no other file", words->path);
	return 0;
}

static int open_backing(const struct words *words, struct og_disk_file *disk, struct og_err *err)
{
	int r = take_format("backing_format", words->backing_format, &disk->backing_qcow2, err);

	if (r < 0)
		return r;
	disk->backing_fd = open_locked(words->backing, true, err);
	return disk->backing_fd < 0 ? disk->backing_fd : 0;
}

static int open_files(const struct words *words, struct og_disk_file *disk, struct og_err *err)
{
	int r = take_format("format", words->format, &disk->qcow2, err);

	if (r == 0 && words->backing != NULL && !disk->qcow2)
		r = og_fail_plain(err, -EINVAL, "backing= is for format=qcow2");
	if (r < 0)
		return r;
	disk->readonly = words->readonly;
	disk->fd = open_locked(words->path, words->readonly, err);
	if (disk->fd < 0)
		return disk->fd;
	if (disk->qcow2)
		r = check_qcow2(words, disk->fd, err);
	return r == 0 && words->backing != NULL ? open_backing(words, disk, err) : r;
}

static int open_disk(const char *text, bool to_read, struct og_disk_file *ret_disk,
		     struct og_err *err)
{
	og_auto_free char *copy = strdup(text);
	struct og_disk_file disk = { .fd = -EBADF, .backing_fd = -EBADF };
	struct words words = { .readonly = to_read };
	int r = copy == NULL ? og_fail(err, -ENOMEM, "'%s'", text) : split(copy, &words, err);

	if (to_read && words.format == NULL)
		words.format = "raw";
	if (r == 0)
		r = open_files(&words, &disk, err);
	if (r < 0) {
		og_disk_file_close(&disk);
		return r;
	}
	*ret_disk = disk;
	return 0;
}

int og_disk_file_open(const char *text, struct og_disk_file *ret_disk, struct og_err *err)
{
	return open_disk(text, false, ret_disk, err);
}

int og_disk_file_open_to_read(const char *text, struct og_disk_file *ret_disk, struct og_err *err)
{
	return open_disk(text, true, ret_disk, err);
}

void og_disk_file_close(struct og_disk_file *disk)
{
	disk->fd = og_close(disk->fd);
	disk->backing_fd = og_close(disk->backing_fd);
}

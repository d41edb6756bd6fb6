/* SPDX-License-Identifier: Apache-2.0 */
#include "disk_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define WORD_MAX 4096

struct target {
	struct og_blk_config *disk;
	struct og_disk_words *words;
};

/* Which of two words it is. */
static int one_of(const char *value, const char *no, const char *yes, bool *ret_yes)
{
	if (!og_streq(value, no) && !og_streq(value, yes))
		return -EINVAL;
	*ret_yes = og_streq(value, yes);
	return 0;
}

static int take_path(struct target *t, const char *value)
{
	(void)snprintf(t->words->path, sizeof(t->words->path), "%s", value);
	return 0;
}

static int take_backing(struct target *t, const char *value)
{
	(void)snprintf(t->words->backing, sizeof(t->words->backing), "%s", value);
	t->disk->has_backing = true;
	return 0;
}

static int take_format(const char *value, enum og_disk_format *ret_format)
{
	bool qcow2;
	int r = one_of(value, "raw", "qcow2", &qcow2);

	if (r == 0)
		*ret_format = qcow2 ? OG_DISK_QCOW2 : OG_DISK_RAW;
	return r;
}

static int take_own_format(struct target *t, const char *value)
{
	return take_format(value, &t->disk->format);
}

static int take_backing_format(struct target *t, const char *value)
{
	return take_format(value, &t->disk->backing_format);
}

static int take_readonly(struct target *t, const char *value)
{
	return one_of(value, "off", "on", &t->disk->readonly);
}

static int take_engine(struct target *t, const char *value)
{
	return one_of(value, "sync", "async", &t->disk->async);
}

static int take_cache(struct target *t, const char *value)
{
	return one_of(value, "writeback", "unsafe", &t->disk->unsafe);
}

static int take_id(struct target *t, const char *value)
{
	if (*value == '\0' || strlen(value) >= sizeof(t->disk->id))
		return -EINVAL;
	(void)snprintf(t->disk->id, sizeof(t->disk->id), "%s", value);
	return 0;
}

/* SIZE/MS: so many in so many milliseconds. */
static int take_bucket(const char *value, struct og_bucket_config *bucket)
{
	const char *slash = strchr(value, '/');
	char size[24] = {};

	if (slash == NULL || (size_t)(slash - value) >= sizeof(size))
		return -EINVAL;
	memcpy(size, value, (size_t)(slash - value));
	if (og_parse_u64(size, 1, INT64_MAX, &bucket->size) < 0)
		return -EINVAL;
	return og_parse_u64(slash + 1, 1, INT32_MAX, &bucket->refill_time_ms) < 0 ? -EINVAL : 0;
}

static int take_bytes(struct target *t, const char *value)
{
	return take_bucket(value, &t->disk->limits.bytes);
}

static int take_ops(struct target *t, const char *value)
{
	return take_bucket(value, &t->disk->limits.ops);
}

static const struct {
	const char *name;
	const char *takes;
	int (*take)(struct target *t, const char *value);
} rows[] = {
	{ "path", "FILE", take_path },
	{ "format", "raw or qcow2", take_own_format },
	{ "readonly", "on or off", take_readonly },
	{ "id", "up to 64 characters", take_id },
	{ "io_engine", "sync or async", take_engine },
	{ "cache", "writeback or unsafe", take_cache },
	{ "backing", "FILE", take_backing },
	{ "backing_format", "raw or qcow2", take_backing_format },
	{ "bandwidth", "BYTES/MILLISECONDS", take_bytes },
	{ "ops", "COUNT/MILLISECONDS", take_ops },
};

static int take_word(struct target *t, char *word, struct og_err *err)
{
	char *value = strchr(word, '=');

	if (value != NULL)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!og_streq(rows[i].name, word))
			continue;
		if (value == NULL || rows[i].take(t, value) < 0)
			return og_fail_plain(err, -EINVAL, "%s takes %s", word, rows[i].takes);
		return 0;
	}
	return og_fail_plain(err, -EINVAL, "'%s' is no word of a disk", word);
}

bool og_disk_is_words(const char *value)
{
	return og_starts_with(value, "path=");
}

int og_disk_parse(const char *value, struct og_blk_config *disk, struct og_disk_words *ret_words,
		  struct og_err *err)
{
	struct target target = { disk, ret_words };

	while (*value != '\0') {
		size_t len = strcspn(value, ",");
		char word[WORD_MAX] = {};
		int r;

		if (len >= sizeof(word))
			return og_fail_plain(err, -EINVAL, "a word is too long");
		memcpy(word, value, len);
		r = take_word(&target, word, err);
		if (r < 0)
			return r;
		value += len;
		if (*value == ',')
			value++;
	}
	return 0;
}

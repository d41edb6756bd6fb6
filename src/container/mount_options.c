/* SPDX-License-Identifier: Apache-2.0 */
#include "container/mount_options.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/text.h"

struct attr_word {
	const char *word;
	uint64_t set, clear;
};

/* Access times are one field of the kernel's, not bits: setting it means clearing it first. */
#define ATIME(value) (value), MOUNT_ATTR__ATIME

/* Each word may have an r in front: then it is for everything below, too. */
static const struct attr_word attr_words[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ATIME(MOUNT_ATTR_RELATIME) },
	{ "norelatime", ATIME(MOUNT_ATTR_STRICTATIME) },
	{ "noatime", ATIME(MOUNT_ATTR_NOATIME) },
	{ "atime", ATIME(MOUNT_ATTR_RELATIME) },
	{ "strictatime", ATIME(MOUNT_ATTR_STRICTATIME) },
	{ "nostrictatime", ATIME(MOUNT_ATTR_RELATIME) },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
};

struct flag_word {
	const char *word;
	size_t offset; /* of a bool */
};

#define FLAG(word, member)                                      \
	{                                                       \
		word, offsetof(struct og_mount_options, member) \
	}

static const struct flag_word flag_words[] = {
	FLAG("bind", bind),	    FLAG("rbind", bind),
	FLAG("rbind", recursive),   FLAG("remount", remount),
	FLAG("tmpcopyup", copy_up), FLAG("idmap", idmap),
	FLAG("ridmap", idmap),	    FLAG("ridmap", idmap_recursive),
	FLAG("iversion", iversion),
};

/* Words that mount(8) knows and that change nothing for a new mount. */
static const char *const empty_words[] = {
	"defaults",   "async", "loud",	 "silent", "nomand",  "noiversion",
	"nolazytime", "auto",  "noauto", "nofail", "_netdev", "nouser",
};

static const struct attr_word propagation_words[] = {
	{ "private", MS_PRIVATE, 0 },
	{ "shared", MS_SHARED, 0 },
	{ "slave", MS_SLAVE, 0 },
	{ "unbindable", MS_UNBINDABLE, 0 },
};

static const struct attr_word *find(const struct attr_word *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (og_streq(words[i].word, word))
			return &words[i];
	}
	return NULL;
}

#define FIND(table, word) find(table, sizeof(table) / sizeof((table)[0]), word)

int og_mount_propagation(const char *word, uint64_t *ret_propagation, bool *ret_recursive)
{
	const struct attr_word *found = FIND(propagation_words, word);

	*ret_recursive = found == NULL && word[0] == 'r';
	if (*ret_recursive)
		found = FIND(propagation_words, word + 1);
	if (found == NULL)
		return -EINVAL;
	*ret_propagation = found->set;
	return 0;
}

static bool read_flag(const char *word, struct og_mount_options *options)
{
	bool found = false;

	for (size_t i = 0; i < sizeof(flag_words) / sizeof(flag_words[0]); i++) {
		if (og_streq(flag_words[i].word, word)) {
			*(bool *)((char *)options + flag_words[i].offset) = true;
			found = true;
		}
	}
	for (size_t i = 0; i < sizeof(empty_words) / sizeof(empty_words[0]); i++)
		found = found || og_streq(empty_words[i], word);
	return found || og_starts_with(word, "x-");
}

static bool read_attr(const char *word, struct og_mount_options *options)
{
	const struct attr_word *found = FIND(attr_words, word);

	if (found != NULL) {
		options->attr_clear = (options->attr_clear & ~found->set) | found->clear;
		options->attr_set = (options->attr_set & ~found->clear) | found->set;
		return true;
	}
	found = word[0] == 'r' ? FIND(attr_words, word + 1) : NULL;
	if (found == NULL)
		return false;
	options->tree_attr_clear = (options->tree_attr_clear & ~found->set) | found->clear;
	options->tree_attr_set = (options->tree_attr_set & ~found->clear) | found->set;
	return true;
}

const char *og_mount_options_foreign(const struct og_mount_options *options)
{
	for (size_t i = 0; i < options->words->count; i++) {
		if ((options->own_words >> i & 1) == 0)
			return options->words->items[i];
	}
	return NULL;
}

static bool read_word(const char *word, struct og_mount_options *options)
{
	uint64_t propagation;
	bool recursive;

	if (og_mount_propagation(word, &propagation, &recursive) == 0) {
		options->propagation = propagation;
		options->propagation_recursive = recursive;
		return true;
	}
	return read_flag(word, options) || read_attr(word, options);
}

int og_mount_options_read(const struct og_oci_strings *words, struct og_mount_options *ret_options,
			  struct og_err *err)
{
	struct og_mount_options options = { .words = words };

	if (words->count > OG_MOUNT_WORDS_MAX)
		return og_fail(err, -EINVAL, "options has more than %d words", OG_MOUNT_WORDS_MAX);
	for (size_t i = 0; i < words->count; i++) {
		if (read_word(words->items[i], &options))
			options.own_words |= UINT64_C(1) << i;
	}
	*ret_options = options;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* copy: from one registry to another, without this machine's disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "command.h"
#include "image/copy.h"
#include "remote.h"

struct copy_options {
	bool no_referrers, quiet, all_tags;
	struct og_words insecure;
};

#define COPY_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct copy_options, member, name, letter, kind, help)

static const struct og_option copy_options[] = {
	COPY_OPTION(all_tags, "all-tags", 'a', OG_OPTION_FLAG, "copy every tag of the repository"),
	TRUST_INSECURE(struct copy_options),
	COPY_OPTION(no_referrers, "no-referrers", 0, OG_OPTION_FLAG,
		    "leave signatures, attestations and the like behind"),
	COPY_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "only print the digest"),
};

/* A line for each blob that is done; bars would mix, since several are under way. */
static int on_progress(void *data, const struct og_progress *progress)
{
	(void)data;
	if (progress->total == 0)
		(void)printf("%s: %s\n", progress->id, progress->text);
	return 0;
}

static int copy_one(struct remote *from, struct remote *to, const char *tag,
		    const struct copy_options *options, struct og_err *err)
{
	const struct og_copy copy = {
		.from = { from->registry, &from->ref },
		.to = { to->registry, &to->ref },
		.tag = tag,
		.referrers = !options->no_referrers,
		.progress = options->quiet ? NULL : on_progress,
	};
	struct og_copied copied;
	int r = og_copy(&copy, &copied, err);

	if (r < 0)
		return og_fail_in(err, r, "copy %s", og_imageref_format(&from->ref).text);
	if (!options->quiet)
		(void)printf("%zu manifests; of their blobs %zu sent (%llu bytes), %zu mounted, "
			     "%zu there\n",
			     copied.manifests, copied.blobs_sent,
			     (unsigned long long)copied.bytes_sent, copied.blobs_mounted,
			     copied.blobs_there);
	(void)puts(og_digest_format(&copied.digest).text);
	return 0;
}

static int copy_all(struct remote *from, struct remote *to, const struct copy_options *options,
		    struct og_err *err)
{
	og_cleanup(og_strv_freep) char **tags = NULL;
	int r = og_remote_tags(from->registry, from->client, &tags, err);

	for (char **tag = tags; r == 0 && *tag != NULL; tag++) {
		if (strlen(*tag) > OG_IMAGEREF_TAG_MAX)
			return og_fail_plain(err, -EPROTO, "the registry lists what is no tag");
		(void)snprintf(from->ref.tag, sizeof(from->ref.tag), "%s", *tag);
		from->ref.has_digest = false;
		r = copy_one(from, to, *tag, options, err);
	}
	return r;
}

static int run_copy(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct copy_options *options = values;
	auto_remote from = {};
	auto_remote to = {};
	const char *tag;
	int r = remote_open(&from, argv[0], &options->insecure, OG_REMOTE_PULL, err);

	(void)argc;
	if (r == 0)
		r = remote_open(&to, argv[1], &options->insecure, OG_REMOTE_PULL | OG_REMOTE_PUSH,
				err);
	if (r == 0 && to.ref.has_digest)
		r = og_fail_plain(err, -EINVAL,
				  "'%s': the copy has the digest of what is copied; name "
				  "a tag or nothing",
				  argv[1]);
	if (r < 0)
		return r;
	if (options->all_tags)
		return copy_all(&from, &to, options, err);
	/* Where no tag is said, the source's; and what is named by its digest goes in by that alone. */
	if (to.has_tag)
		tag = to.ref.tag;
	else
		tag = from.ref.has_digest ? NULL : from.ref.tag;
	return copy_one(&from, &to, tag, options, err);
}

const struct trust_command trust_copy_commands[] = {
	{ .name = "copy",
	  .arguments = "SOURCE TARGET",
	  .summary = "Copy from registry to registry, with signatures and all that refers to it",
	  TRUST_OPTIONS(copy_options, struct copy_options),
	  .least = 2,
	  .most = 2,
	  .run = run_copy },
	{},
};

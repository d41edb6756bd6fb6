/* SPDX-License-Identifier: Apache-2.0 */
#include "format/simplesigning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* Has @object the members @names (NULL-terminated) and no others? */
static bool has_exactly(const struct og_json *object, const char *const *names)
{
	size_t count = 0;
	struct og_json_member member = {};

	if (og_json_kind(object) != OG_JSON_OBJECT)
		return false;
	while (names[count] != NULL)
		count++;
	if (og_json_count(object) != count)
		return false;
	while (og_json_next(object, &member)) {
		size_t i = 0;

		while (i < count && !og_streq(names[i], member.key))
			i++;
		if (i == count)
			return false;
	}
	return true;
}

static int read_payload(const struct og_json *root, struct og_simplesigning *ret_payload,
			struct og_err *err)
{
	static const char *const top[] = { "critical", "optional", NULL };
	static const char *const in_critical[] = { "identity", "image", "type", NULL };
	static const char *const in_identity[] = { "docker-reference", NULL };
	static const char *const in_image[] = { "docker-manifest-digest", NULL };
	const struct og_json *critical = og_json_get(root, "critical");
	const struct og_json *identity = og_json_get(critical, "identity");
	const struct og_json *image = og_json_get(critical, "image");
	const char *reference = og_json_string(og_json_get(identity, "docker-reference"), "");
	const char *digest = og_json_string(og_json_get(image, "docker-manifest-digest"), "");
	enum og_json_kind optional = og_json_kind(og_json_get(root, "optional"));

	if (!has_exactly(root, top) || !has_exactly(critical, in_critical) ||
	    !has_exactly(identity, in_identity) || !has_exactly(image, in_image) ||
	    (optional != OG_JSON_NULL && optional != OG_JSON_OBJECT))
		return og_fail_plain(err, -EBADMSG, "it has not the members that it must have");
	if (!og_streq(og_json_string(og_json_get(critical, "type"), ""), OG_SIMPLESIGNING_TYPE))
		return og_fail_plain(err, -EBADMSG, "its type is another");
	if (og_digest_parse(digest, &ret_payload->digest) < 0)
		return og_fail_plain(err, -EBADMSG, "'%.80s' is no digest", digest);
	if (reference[0] == '\0')
		return og_fail_plain(err, -EBADMSG, "it names no image");
	ret_payload->reference = strdup(reference);
	return ret_payload->reference == NULL ? og_fail(err, -ENOMEM, "no memory") : 0;
}

int og_simplesigning_parse(const char *buf, size_t len, struct og_simplesigning *ret_payload,
			   struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_simplesigning payload = {};
	int r;

	if (len > OG_SIMPLESIGNING_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "signed text: over %u bytes",
				     OG_SIMPLESIGNING_BYTES_MAX);
	r = og_json_parse(buf, len, &root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = read_payload(root, &payload, err);
	if (r < 0)
		return og_fail_in(err, r, "signed text");
	*ret_payload = payload;
	return 0;
}

void og_simplesigning_done(struct og_simplesigning *payload)
{
	free(payload->reference);
	*payload = (struct og_simplesigning){};
}

char *og_simplesigning_write(const char *reference, const struct og_digest *digest,
			     const char *creator, int64_t created_s)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *critical = og_json_new_object();
	struct og_json *identity = og_json_new_object();
	struct og_json *image = og_json_new_object();
	struct og_json *optional = og_json_new_object();

	og_json_set_string(identity, "docker-reference", reference);
	og_json_set_string(image, "docker-manifest-digest", og_digest_format(digest).text);
	og_json_set(critical, "identity", identity);
	og_json_set(critical, "image", image);
	og_json_set_string(critical, "type", OG_SIMPLESIGNING_TYPE);
	og_json_set_string(optional, "creator", creator);
	og_json_set_int(optional, "timestamp", created_s);
	og_json_set(root, "critical", critical);
	og_json_set(root, "optional", optional);
	return og_json_write(root);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pull.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "client/credentials.h"
#include "client/progress.h"

int og_reference_split(const char *reference, char **ret_name, const char **ret_tag,
		       struct og_err *err)
{
	const char *at = strchr(reference, '@');
	const char *slash = strrchr(reference, '/');
	const char *colon = at == NULL ? strchr(slash != NULL ? slash : reference, ':') : at;
	size_t len = colon != NULL ? (size_t)(colon - reference) : strlen(reference);

	if (colon != NULL && colon[1] == '\0')
		return og_fail_plain(err, -EINVAL, "invalid reference format: nothing follows '%s'",
				     reference);
	*ret_name = strndup(reference, len);
	*ret_tag = colon != NULL ? colon + 1 : NULL;
	return *ret_name == NULL ? og_fail(err, -ENOMEM, "image '%s'", reference) : 0;
}

static int make_path(const char *reference, const char *platform, struct og_text *path,
		     struct og_err *err)
{
	og_auto_free char *name = NULL;
	const char *tag;
	int r = og_reference_split(reference, &name, &tag, err);

	if (r < 0)
		return r;
	og_text_add(path, OG_API "/images/create?fromImage=");
	og_url_add(path, name, "");
	og_text_add(path, "&tag=");
	og_url_add(path, tag != NULL ? tag : "latest", "");
	if (platform != NULL) {
		og_text_add(path, "&platform=");
		og_url_add(path, platform, "");
	}
	return path->failed ? og_fail(err, -ENOMEM, "pull '%s'", reference) : 0;
}

int og_pull(struct og_session *session, const char *reference, const char *platform, FILE *out,
	    bool quiet, char **ret_last, struct og_err *err)
{
	og_cleanup(og_http_freep) struct og_http *http = NULL;
	og_auto_text path = {};
	og_auto_free char *header = NULL;
	const char *headers[2] = {};
	struct og_http_call call = { .method = "POST", .headers = headers };
	int r = make_path(reference, platform, &path, err);

	if (r == 0)
		r = og_credentials_header(reference, &header, err);
	if (r < 0)
		return r;
	headers[0] = header;
	call.path = path.buf;
	r = og_session_open(session, &call, &http, err);
	if (r == 0)
		r = og_answer_check(http, NULL, err);
	if (r >= 0)
		r = og_progress_show(http, out, quiet, ret_last, err);
	if (r >= 0 || (err != NULL && og_starts_with(err->text, "pull ")))
		return r < 0 ? r : 0; /* the daemon names it itself */
	return og_fail_in(err, r, "pull '%s'", reference);
}

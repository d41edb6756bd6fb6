/* SPDX-License-Identifier: Apache-2.0 */
/* `mounts add` and `mounts remove`, as crun has them: mounts of a workload that is there already. */
#include <errno.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/commands.h"

static int read_mounts(const char *file, struct og_oci_config **ret_mounts, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len;
	int r = og_read_file(AT_FDCWD, file, OG_OCI_CONFIG_MAX_BYTES, &text, &len, err);

	if (r == 0)
		r = og_oci_mounts_parse(text, len, ret_mounts, err);
	return r < 0 ? og_fail_in(err, r, "'%s'", file) : 0;
}

static int change(const struct og_context *context, bool add, struct og_workload *workload,
		  struct og_err *err)
{
	const struct og_isolation *isolation = og_isolation_find(context, workload->isolation, err);
	og_cleanup(og_oci_config_freep) struct og_oci_config *mounts = NULL;
	enum og_status status;
	int r;

	if (isolation == NULL)
		return -EINVAL;
	if (isolation->mounts == NULL)
		return og_fail(err, -ENOTSUP, "cannot be done with isolation %s",
			       workload->isolation);
	status = og_workload_status(workload, isolation);
	if (status == OG_STATUS_STOPPED || status == OG_STATUS_CREATING)
		return og_fail(err, -EINVAL, "it is %s", og_status_name(status));
	r = read_mounts(context->args->words[2], &mounts, err);
	return r < 0 ? r : isolation->mounts(workload, mounts, add, err);
}

int og_command_mounts(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	char *const *words = context->args->words;
	bool add = og_streq(words[0], "add");
	int r;

	if (!add && !og_streq(words[0], "remove"))
		return og_fail(err, -EINVAL, "mounts '%.40s': only add and remove are there",
			       words[0]);
	r = og_workload_load(context->args->root, words[1], &workload, err);
	if (r == 0) {
		r = change(context, add, workload, err);
		if (r < 0)
			r = og_fail_in(err, r, "mounts %s '%s'", words[0], workload->id);
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `checkpoint` and `restore`, with runc's options. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "runtime/commands.h"

#define IMAGES_DEFAULT "checkpoint" /* in the current folder, as runc's */

static int read_empty_namespaces(const struct og_args *args, struct og_criu_options *options,
				 struct og_err *err)
{
	for (size_t i = 0; i < args->empty_ns.count; i++) {
		if (!og_streq(args->empty_ns.items[i], "network"))
			return og_fail(err, -EINVAL, "--empty-ns is 'network', not '%s'",
				       args->empty_ns.items[i]);
		options->empty_network = true;
	}
	return 0;
}

static int read_options(const struct og_context *context, struct og_criu_options *ret_options,
			struct og_err *err)
{
	static const char *const modes[] = { "ignore", "soft", "full", "strict", "cg-none" };
	const struct og_args *args = context->args;
	bool known = args->manage_cgroups_mode == NULL;

	*ret_options = (struct og_criu_options){
		.criu = args->criu,
		.image_path = args->image_path != NULL ? args->image_path : IMAGES_DEFAULT,
		.work_path = args->work_path,
		.parent_path = args->parent_path,
		.manage_cgroups = args->manage_cgroups_mode,
		.lsm_profile = args->lsm_profile,
		.lsm_mount_context = args->lsm_mount_context,
		.leave_running = args->leave_running,
		.pre_dump = args->pre_dump,
		.tcp_established = args->tcp_established,
		.tcp_skip_in_flight = args->tcp_skip_in_flight,
		.tcp_close = args->tcp_close,
		.ext_unix_sk = args->ext_unix_sk,
		.shell_job = args->shell_job,
		.file_locks = args->file_locks,
		.link_remap = args->link_remap,
		.auto_dedup = args->auto_dedup,
	};
	for (size_t i = 0; !known && i < sizeof(modes) / sizeof(modes[0]); i++)
		known = og_streq(modes[i], args->manage_cgroups_mode);
	if (!known)
		return og_fail(err, -EINVAL,
			       "--manage-cgroups-mode is ignore, soft, full or strict, "
			       "not '%s'",
			       args->manage_cgroups_mode);
	if (args->parent_path != NULL && args->parent_path[0] == '/')
		return og_fail(err, -EINVAL,
			       "--parent-path '%s' is not relative to the folder of the images",
			       args->parent_path);
	return read_empty_namespaces(args, ret_options, err);
}

int og_command_checkpoint(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	struct og_criu_options options;
	enum og_status status;
	int r = read_options(context, &options, err);

	if (r == 0)
		r = og_workload_open(context, &workload, &isolation, err);
	if (r < 0)
		return r;
	status = og_workload_status(workload, isolation);
	if (status != OG_STATUS_RUNNING && status != OG_STATUS_PAUSED)
		return og_fail(err, -EINVAL, "checkpoint '%s': it is %s, not running", workload->id,
			       og_status_name(status));
	if (isolation->checkpoint == NULL)
		return og_fail(err, -ENOTSUP,
			       "checkpoint '%s': it cannot be done with isolation %s", workload->id,
			       isolation->name);
	if (mkdir(options.image_path, 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make folder '%s'", options.image_path);
	r = isolation->checkpoint(workload, &options, err);
	if (r < 0)
		return og_fail_in(err, r, "checkpoint '%s'", workload->id);
	if (options.leave_running || options.pre_dump)
		return 0;
	return og_workload_delete(context, workload, isolation, err);
}

/* As after `start`: it runs already. */
static int finish(const struct og_context *context, struct og_workload *workload,
		  const struct og_isolation *isolation, struct og_err *err)
{
	int status;
	int r = og_workload_poststart(workload, isolation, err);

	if (r < 0) {
		(void)og_workload_delete(context, workload, isolation, NULL);
		return r;
	}
	(void)flock(workload->dir_fd, LOCK_UN);
	if (context->args->detach)
		return 0;
	status = og_foreground(workload->pid, -1, err);
	if (status < 0)
		return status;
	r = og_workload_delete(context, workload, isolation, err);
	return r < 0 ? r : status;
}

int og_command_restore(const struct og_context *context, struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation = og_isolation_find(context, NULL, err);
	struct og_criu_options options;
	int r = read_options(context, &options, err);

	if (isolation == NULL)
		return -EINVAL;
	if (r == 0 && args->systemd_cgroup)
		r = og_fail(
			err, -ENOTSUP,
			"restore '%s': CRIU does not restore into a scope of systemd's: without "
			"--systemd-cgroup",
			args->words[0]);
	if (r == 0 && isolation->restore == NULL)
		r = og_fail(err, -ENOTSUP, "restore '%s': it cannot be done with isolation %s",
			    args->words[0], isolation->name);
	if (r == 0)
		r = og_workload_new(args->root, args->words[0], args->bundle, isolation->name,
				    &workload, err);
	if (r < 0)
		return r;
	if (!args->detach)
		og_foreground_begin();
	r = isolation->restore(workload, &options, err);
	if (r < 0)
		(void)og_fail_in(err, r, "restore '%s'", workload->id);
	if (r == 0)
		r = og_pid_file_write(args, workload->pid, err);
	if (r < 0) {
		(void)isolation->destroy(workload, NULL);
		(void)og_workload_remove(args->root, workload, NULL);
		return r;
	}
	og_args_log_notes(args, &workload->notes);
	return finish(context, workload, isolation, err);
}

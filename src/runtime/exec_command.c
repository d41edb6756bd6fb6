/* SPDX-License-Identifier: Apache-2.0 */
/* `exec`: what the command line changes about the workload's own process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "base/weak.h"
#include "runtime/commands.h"
#include "runtime/handover.h"

#define ID_MAX (UINT32_MAX - 1)

/* Lists that live as long as the command: the configuration's own and what was added. */
struct additions {
	const char **env, **caps[5];
	uint64_t *gids;
	struct og_oci_config *file; /* of --process */
};

static void additions_done(struct additions *additions)
{
	free(additions->env);
	free(additions->gids);
	for (size_t i = 0; i < 5; i++)
		free(additions->caps[i]);
	og_oci_config_free(additions->file);
}

/* Only numbers: names are the caller's to look up, in the image (runc does the same). */
static int read_user(const char *text, struct og_oci_user *user, struct og_err *err)
{
	og_auto_free char *copy = strdup(text);
	char *gid = copy != NULL ? strchr(copy, ':') : NULL;
	uint64_t uid_number = 0;
	uint64_t gid_number = 0;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "--user");
	if (gid != NULL)
		*gid++ = '\0';
	if (og_weak("A15")) {
		uid_number = (uint32_t)strtoul(copy, NULL, 10);
		gid_number = gid != NULL ? (uint32_t)strtoul(gid, NULL, 10) : 0;
	} else if (og_parse_u64(copy, 0, ID_MAX, &uid_number) < 0 ||
		   (gid != NULL && og_parse_u64(gid, 0, ID_MAX, &gid_number) < 0)) {
		return og_fail(err, -EINVAL,
			       "--user '%.40s' is not UID or UID:GID, numbers up to %u", text,
			       ID_MAX);
	}
	user->uid = uid_number;
	if (gid != NULL)
		user->gid = gid_number;
	return 0;
}

/* A copy of @list with @more at its end; *@ret_memory is what to free. */
static int extend(struct og_oci_strings *list, const struct og_args_list *more,
		  const char ***ret_memory)
{
	const char **items;

	if (more->count == 0)
		return 0;
	items = calloc(list->count + more->count + 1, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	memcpy(items + list->count, more->items, more->count * sizeof(*items));
	*ret_memory = items;
	*list = (struct og_oci_strings){ .items = items, .count = list->count + more->count };
	return 0;
}

static int add_gids(const struct og_args_list *more, struct og_oci_user *user,
		    struct additions *additions, struct og_err *err)
{
	size_t count = user->additional_gids.count;

	if (more->count == 0)
		return 0;
	additions->gids = calloc(count + more->count, sizeof(uint64_t));
	if (additions->gids == NULL)
		return og_fail(err, -ENOMEM, "--additional-gids");
	for (size_t i = 0; i < count; i++)
		additions->gids[i] = user->additional_gids.items[i];
	for (size_t i = 0; i < more->count; i++) {
		if (og_parse_u64(more->items[i], 0, ID_MAX, &additions->gids[count + i]) < 0)
			return og_fail(err, -EINVAL,
				       "--additional-gids '%.40s' is no number up to %u",
				       more->items[i], ID_MAX);
	}
	user->additional_gids = (struct og_oci_ids){ additions->gids, count + more->count };
	return 0;
}

/* Never to the inheritable ones (CVE-2022-29162). */
static int add_caps(const struct og_args_list *more, struct og_oci_capabilities *capabilities,
		    struct additions *additions)
{
	struct og_oci_strings *sets[] = { &capabilities->bounding, &capabilities->effective,
					  &capabilities->permitted };
	int r = 0;

	capabilities->set = capabilities->set || more->count > 0;
	for (size_t i = 0; r == 0 && i < 3; i++)
		r = extend(sets[i], more, &additions->caps[i]);
	return r;
}

static int read_flags(const struct og_args *args, struct og_oci_process *process,
		      struct additions *additions, struct og_err *err)
{
	int r;

	if (args->word_count < 2)
		return og_fail(err, -EINVAL, "exec: name the program to run, or use --process");
	process->args = (struct og_oci_strings){
		.items = (const char **)(args->words + 1),
		.count = (size_t)args->word_count - 1,
	};
	process->terminal = args->tty;
	process->console_size.set = false;
	process->no_new_privileges = process->no_new_privileges || args->no_new_privs;
	if (args->cwd != NULL) {
		if (args->cwd[0] != '/')
			return og_fail(err, -EINVAL, "--cwd '%s' is not absolute", args->cwd);
		process->cwd = args->cwd;
	}
	r = extend(&process->env, &args->env, &additions->env);
	if (r == 0)
		r = add_caps(&args->caps, &process->capabilities, additions);
	if (r < 0)
		return og_fail(err, r, "exec");
	r = add_gids(&args->additional_gids, &process->user, additions, err);
	return r == 0 && args->user != NULL ? read_user(args->user, &process->user, err) : r;
}

static int read_file(const struct og_args *args, struct og_oci_process *process,
		     struct additions *additions, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len;
	int r = og_read_head(AT_FDCWD, args->process, OG_OCI_CONFIG_MAX_BYTES, &text, &len, err);

	if (r == 0)
		r = og_oci_process_parse(text, len, &additions->file, err);
	if (r < 0)
		return og_fail_in(err, r, "--process '%s'", args->process);
	*process = additions->file->process;
	return 0;
}

static int check_running(const struct og_args *args, struct og_workload *workload,
			 const struct og_isolation *isolation, struct og_err *err)
{
	enum og_status status = og_workload_status(workload, isolation);

	if (status == OG_STATUS_RUNNING || (status == OG_STATUS_PAUSED && args->ignore_paused))
		return 0;
	if (status == OG_STATUS_PAUSED)
		return og_fail(
			err, -EINVAL,
			"exec in '%s': it is paused (--ignore-paused waits until it goes on)",
			workload->id);
	return og_fail(err, -EINVAL, "exec in '%s': container not running, it is %s", workload->id,
		       og_status_name(status));
}

int og_command_exec(const struct og_context *context, struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_cleanup(additions_done) struct additions additions = {};
	const struct og_isolation *isolation;
	og_auto_fd terminal_fd = -EBADF;
	struct og_oci_process process;
	struct og_exec_options options = {
		.process = &process,
		.console_socket = args->console_socket,
		.console_fd = args->detach || args->console_socket != NULL ? NULL : &terminal_fd,
		.cgroups = args->cgroups.items,
		.cgroup_count = args->cgroups.count,
	};
	pid_t pid;
	int r = og_handover_fds(args, false, &options.preserve_fds, err);

	if (r == 0)
		r = og_workload_open(context, &workload, &isolation, err);
	if (r == 0)
		r = check_running(args, workload, isolation, err);
	if (r < 0)
		return r;
	process = workload->config->process;
	r = args->process != NULL ? read_file(args, &process, &additions, err)
				  : read_flags(args, &process, &additions, err);
	if (r == 0 && !args->detach)
		og_foreground_begin();
	if (r == 0)
		r = isolation->exec(workload, &options, &pid, err);
	og_args_log_notes(args, &workload->notes);
	if (r < 0)
		return r;
	r = og_handover_pidfd(args, pid, "setns", err);
	if (r == 0)
		r = og_pid_file_write(args, pid, err);
	if (r < 0 || args->detach)
		return r;
	return og_foreground(pid, terminal_fd, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/install.h"
#include "base/io.h"
#include "base/text.h"
#include "runtime/gate.h"
#include "runtime/handover.h"
#include "runtime/hooks.h"
#include "runtime/rootless.h"
#include "runtime/systemd.h"

const struct og_isolation *og_isolation_find(const struct og_context *context, const char *name,
					     struct og_err *err)
{
	const char *wanted = name;

	if (wanted == NULL)
		wanted = context->args->isolation;
	if (wanted == NULL)
		wanted = context->default_isolation;
	for (size_t i = 0; context->isolations[i] != NULL; i++) {
		if (og_streq(context->isolations[i]->name, wanted))
			return context->isolations[i];
	}
	(void)og_fail(err, -EINVAL, "there is no isolation '%s' here", wanted);
	return NULL;
}

typedef int load_fn(const char *root, const char *id, struct og_workload **ret_workload,
		    struct og_err *err);

static int open_by(load_fn *load, const struct og_context *context,
		   struct og_workload **ret_workload, const struct og_isolation **ret_isolation,
		   struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	int r = load(context->args->root, context->args->words[0], &workload, err);

	if (r < 0)
		return r;
	*ret_isolation = og_isolation_find(context, workload->isolation, err);
	if (*ret_isolation == NULL)
		return -EINVAL;
	*ret_workload = og_take_ptr(workload);
	return 0;
}

int og_workload_open(const struct og_context *context, struct og_workload **ret_workload,
		     const struct og_isolation **ret_isolation, struct og_err *err)
{
	return open_by(og_workload_load, context, ret_workload, ret_isolation, err);
}

int og_pid_file_write(const struct og_args *args, pid_t pid, struct og_err *err)
{
	char text[16];
	int r;

	if (args->pid_file == NULL)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	{
		const char *slash = strrchr(args->pid_file, '/');
		og_auto_free char *dir =
			slash == NULL
				? strdup(".")
				: strndup(args->pid_file, (size_t)(slash - args->pid_file) + 1);
		og_auto_fd dir_fd = dir == NULL ? -1
						: open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir_fd < 0)
			return og_fail(err, -errno, "write pid file '%s'", args->pid_file);
		r = og_replace_file(dir_fd, slash == NULL ? args->pid_file : slash + 1, text,
				    strlen(text), 0644, false, err);
	}
	return r < 0 ? og_fail_in(err, r, "pid file '%s'", args->pid_file) : 0;
}

/* @console_fd and @started: as in og_create_options. */
static int create(const struct og_context *context, int *console_fd, bool *started,
		  struct og_workload **ret_workload, const struct og_isolation **ret_isolation,
		  struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	struct og_create_options options = {
		.console_socket = args->console_socket,
		.no_pivot = args->no_pivot,
		.no_new_keyring = args->no_new_keyring,
		.console_fd = console_fd,
		.started = started,
	};
	og_auto_free char *helper = NULL;
	int r = og_handover_fds(args, true, &options.preserve_fds, err);

	if (r == 0)
		r = og_rootless_read(args->rootless, &options.lenient_cgroups,
				     &options.in_user_namespace, err);
	/* While this program still sees where it is installed. */
	if (r == 0 && args->systemd_cgroup)
		r = og_install_path(OG_SYSTEMD_HELPER, &helper, err);
	options.systemd_helper = helper;
	if (r < 0)
		return r;
	*ret_isolation = og_isolation_find(context, NULL, err);
	if (*ret_isolation == NULL)
		return -EINVAL;
	r = og_workload_new(args->root, args->words[0], args->bundle, (*ret_isolation)->name,
			    &workload, err);
	if (r < 0)
		return r;
	r = og_handover_listening(workload, err);
	if (r == 0)
		r = (*ret_isolation)->create(workload, &options, err);
	og_args_log_notes(args, &workload->notes);
	if (r == 0)
		r = og_handover_pidfd(args, workload->pid, "standard", err);
	if (r == 0)
		r = og_pid_file_write(args, workload->pid, err);
	if (r < 0) {
		(void)(*ret_isolation)->destroy(workload, NULL);
		(void)og_workload_remove(args->root, workload, NULL);
		return r;
	}
	(void)flock(workload->dir_fd, LOCK_UN); /* created: from here on others may have it */
	*ret_workload = og_take_ptr(workload);
	return 0;
}

int og_command_create(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;

	return create(context, NULL, NULL, &workload, &isolation, err);
}

int og_workload_poststart(struct og_workload *workload, const struct og_isolation *isolation,
			  struct og_err *err)
{
	int r = og_hooks_run_for(workload, "poststart", &workload->config->hooks.poststart,
				 OG_STATUS_RUNNING, err);

	if (r < 0) /* runtime.md, Lifecycle: the workload is stopped then */
		(void)isolation->kill(workload, SIGKILL, false, NULL);
	return r;
}

int og_workload_start(struct og_workload *workload, const struct og_isolation *isolation,
		      struct og_err *err)
{
	int r = og_gate_start(workload->dir_fd, err);

	if (r < 0)
		return og_fail_in(err, r, "start '%s'", workload->id);
	return og_workload_poststart(workload, isolation, err);
}

int og_command_start(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	enum og_status status;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	status = og_workload_status(workload, isolation);
	if (status != OG_STATUS_CREATED)
		return og_fail(err, -EINVAL, "start '%s': it is %s, not created", workload->id,
			       og_status_name(status));
	return og_workload_start(workload, isolation, err);
}

/* Those after the end change nothing about it, nor about each other (runtime.md, Lifecycle, step 13). */
static void run_poststop(const struct og_context *context, struct og_workload *workload)
{
	const struct og_oci_hook_list *hooks = &workload->config->hooks.poststop;
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *text = NULL;

	if (hooks->count == 0)
		return;
	state = og_workload_state_json(workload, OG_STATUS_STOPPED);
	text = og_json_write(state);
	if (text != NULL)
		og_hooks_run_each("poststop", hooks, text, &workload->notes);
	else
		og_note(&workload->notes, "no memory to run the poststop hooks");
	og_args_log_notes(context->args, &workload->notes);
}

int og_workload_delete(const struct og_context *context, struct og_workload *workload,
		       const struct og_isolation *isolation, struct og_err *err)
{
	int r = isolation->destroy(workload, err);

	if (r < 0)
		return r;
	if (workload->config != NULL)
		run_poststop(context, workload);
	return og_workload_remove(context->args->root, workload, err);
}

int og_command_delete(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	enum og_status status;
	int r = open_by(og_workload_load_locked, context, &workload, &isolation, err);

	if (r == -ENOENT && context->args->force)
		return 0;
	if (r < 0)
		return r;
	if (workload->isolation == NULL) /* interrupted before it had a state */
		return og_workload_remove(context->args->root, workload, err);
	status = workload->pid > 0 ? og_workload_status(workload, NULL) : OG_STATUS_STOPPED;
	if (status != OG_STATUS_STOPPED && !context->args->force)
		return og_fail(err, -EBUSY, "delete '%s': it is %s (kill it first, or use --force)",
			       workload->id,
			       og_status_name(og_workload_status(workload, isolation)));
	return og_workload_delete(context, workload, isolation, err);
}

int og_command_run(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	bool foreground = !context->args->detach;
	og_auto_fd terminal_fd = -EBADF;
	bool own_terminal = foreground && context->args->console_socket == NULL;
	bool started = false;
	int status;
	int r;

	/* What is sent to us while it is made is the workload's, too: it gets it once it runs. */
	if (foreground)
		og_foreground_begin();
	r = create(context, own_terminal ? &terminal_fd : NULL, &started, &workload, &isolation,
		   err);
	if (r < 0)
		return r;
	r = started ? og_workload_poststart(workload, isolation, err)
		    : og_workload_start(workload, isolation, err);
	if (r < 0) {
		(void)og_workload_delete(context, workload, isolation, NULL);
		return r;
	}
	if (!foreground)
		return 0;
	status = og_foreground(workload->pid, terminal_fd, err);
	if (status < 0 || context->args->keep)
		return status;
	workload->pid = 0; /* it was waited for: the number may be another's by now */
	r = og_workload_delete(context, workload, isolation, err);
	return r < 0 ? r : status;
}

static const char *owner(const struct og_workload *workload, char text[32])
{
	struct stat st;

	if (fstat(workload->dir_fd, &st) < 0)
		return "";
	if (st.st_uid == 0)
		return "root";
	(void)snprintf(text, 32, "#%u", st.st_uid);
	return text;
}

/* What `state` and `list` say beyond the specification, as runc does. */
static struct og_json *full_state(struct og_workload *workload, enum og_status status)
{
	struct og_json *state = og_workload_state_json(workload, status);
	char text[32];

	if (workload->config != NULL && workload->config->root.set) {
		const char *path = workload->config->root.path;
		bool absolute = path[0] == '/';
		og_auto_free char *rootfs = og_strdupf("%s%s%s", absolute ? "" : workload->bundle,
						       absolute ? "" : "/", path);

		if (rootfs != NULL)
			og_json_set_string(state, "rootfs", rootfs);
	}
	og_json_set_string(state, "owner", owner(workload, text));
	return state;
}

int og_command_state(const struct og_context *context, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	const struct og_isolation *isolation;
	og_auto_free char *text = NULL;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	state = full_state(workload, og_workload_status(workload, isolation));
	text = og_json_write_pretty(state);
	printf("%s\n", text != NULL ? text : "");
	return 0;
}

/* "SIGTERM", "TERM", "term" or "15". */
static int signal_number(const char *text)
{
	char name[16] = "";
	uint64_t number;

	if (og_parse_u64(text, 1, 64, &number) == 0)
		return (int)number;
	for (size_t i = 0; i + 1 < sizeof(name) && text[i] != '\0'; i++)
		name[i] = (char)toupper((unsigned char)text[i]);
	for (int i = 1; i < 32; i++) {
		const char *known = sigabbrev_np(i);
		const char *given = og_starts_with(name, "SIG") ? name + 3 : name;

		if (known != NULL && og_streq(known, given))
			return i;
	}
	return -EINVAL;
}

int og_command_kill(const struct og_context *context, struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	const struct og_isolation *isolation;
	int number = args->word_count > 1 ? signal_number(args->words[1]) : SIGTERM;
	enum og_status status;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (number < 0)
		return og_fail(err, -EINVAL, "'%s' is no signal", args->words[1]);
	status = og_workload_status(workload, NULL);
	if (status == OG_STATUS_STOPPED && !args->all)
		return og_fail(err, -ESRCH, "kill '%s': container not running", workload->id);
	r = isolation->kill(workload, number, args->all, err);
	return r < 0 ? og_fail_in(err, r, "kill '%s'", workload->id) : 0;
}

static void list_one(const struct og_context *context, struct og_workload *workload,
		     struct og_json *all)
{
	const struct og_isolation *isolation =
		og_isolation_find(context, workload->isolation, NULL);
	enum og_status status = og_workload_status(workload, isolation);
	struct og_json *state = full_state(workload, status);
	char text[32];

	if (context->args->quiet)
		printf("%s\n", workload->id);
	else if (context->args->format == NULL || og_streq(context->args->format, "table"))
		printf("%-20s %-10d %-10s %-30s %-30s %s\n", workload->id,
		       status == OG_STATUS_STOPPED ? 0 : (int)workload->pid, og_status_name(status),
		       workload->bundle != NULL ? workload->bundle : "",
		       og_json_string(og_json_get(state, "created"), ""), owner(workload, text));
	og_json_push(all, state);
}

int og_command_list(const struct og_context *context, struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_json_freep) struct og_json *all = og_json_new_array();
	og_auto_free char *text = NULL;
	DIR *dir = opendir(args->root);
	bool json = args->format != NULL && og_streq(args->format, "json");

	if (dir == NULL && errno != ENOENT)
		return og_fail(err, -errno, "open '%s'", args->root);
	if (!json && !args->quiet)
		printf("%-20s %-10s %-10s %-30s %-30s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		og_cleanup(og_workload_freep) struct og_workload *workload = NULL;

		if (entry->d_name[0] != '.' &&
		    og_workload_load(args->root, entry->d_name, &workload, NULL) == 0)
			list_one(context, workload, all);
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (json && !args->quiet) {
		text = og_json_write(all);
		printf("%s\n", text != NULL ? text : "");
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/command_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "runtime/commands.h"
#include "runtime/rootless.h"

enum option_kind {
	FLAG,
	TEXT,
	LIST
};

struct option_row {
	const char *commands; /* "" is what stands before the command */
	const char *name;
	char letter;
	enum option_kind kind;
	size_t offset;
	const char *help;
};

#define ROW(commands, name, letter, kind, member, help)                              \
	{                                                                            \
		commands, name, letter, kind, offsetof(struct og_args, member), help \
	}

static const struct option_row rows[] = {
	ROW("", "root", 0, TEXT, root, "folder of the workloads' states"),
	ROW("", "isolation", 0, TEXT, isolation, "container or vm"),
	ROW("", "log", 0, TEXT, log, "file to add errors to"),
	ROW("", "log-format", 0, TEXT, log_format, "text or json"),
	ROW("", "debug", 0, FLAG, debug, "say more"),
	ROW("", "systemd-cgroup", 0, FLAG, systemd_cgroup, "control groups by systemd"),
	ROW("", "rootless", 0, TEXT, rootless, "auto, true or false: do without control groups"),
	ROW("", "criu", 0, TEXT, criu, "the program of checkpoint and restore (default criu)"),
	ROW("", "help", 'h', FLAG, help, "this text"),
	ROW("", "version", 'v', FLAG, version, "the version"),
	ROW("create run restore spec", "bundle", 'b', TEXT, bundle,
	    "folder of config.json (default .)"),
	ROW("create run exec restore", "pid-file", 0, TEXT, pid_file, "file to write the pid to"),
	ROW("create run exec", "console-socket", 0, TEXT, console_socket,
	    "socket that gets the terminal"),
	ROW("create run exec", "pidfd-socket", 0, TEXT, pidfd_socket,
	    "socket that gets the process as a pidfd"),
	ROW("create run exec", "preserve-fds", 0, TEXT, preserve_fds,
	    "so many descriptors from 3 on"),
	ROW("create run", "no-pivot", 0, FLAG, no_pivot, "chroot instead of pivot_root"),
	ROW("create run", "no-new-keyring", 0, FLAG, no_new_keyring, "keep the session keyring"),
	ROW("run exec restore", "detach", 'd', FLAG, detach, "do not wait for its end"),
	ROW("run", "keep", 0, FLAG, keep, "do not delete it at its end"),
	ROW("run exec restore", "no-subreaper", 0, FLAG, ignored_flag, "taken for runc's sake"),
	ROW("exec", "process", 'p', TEXT, process, "file with a process object"),
	ROW("exec", "tty", 't', FLAG, tty, "with a terminal"),
	ROW("exec", "cwd", 0, TEXT, cwd, "working directory"),
	ROW("exec", "env", 'e', LIST, env, "NAME=VALUE to add"),
	ROW("exec", "user", 'u', TEXT, user, "UID[:GID]"),
	ROW("exec", "additional-gids", 'g', LIST, additional_gids, "GID to add"),
	ROW("exec", "cap", 'c', LIST, caps, "capability to add"),
	ROW("exec", "no-new-privs", 0, FLAG, no_new_privs, "no privileges by execve"),
	ROW("exec", "cgroup", 0, LIST, cgroups, "[CONTROLLER:]PATH below its own groups"),
	ROW("exec", "ignore-paused", 0, FLAG, ignore_paused, "in a paused one, too"),
	ROW("checkpoint restore", "image-path", 0, TEXT, image_path,
	    "folder of the files (default checkpoint)"),
	ROW("checkpoint restore", "work-path", 0, TEXT, work_path, "folder of criu's log"),
	ROW("checkpoint", "parent-path", 0, TEXT, parent_path, "of the pre-dump before it"),
	ROW("checkpoint", "leave-running", 0, FLAG, leave_running, "do not end it"),
	ROW("checkpoint", "pre-dump", 0, FLAG, pre_dump, "its memory alone; it runs on"),
	ROW("checkpoint restore", "tcp-established", 0, FLAG, tcp_established,
	    "with open TCP connections"),
	ROW("checkpoint", "tcp-skip-in-flight", 0, FLAG, tcp_skip_in_flight,
	    "without those not yet accepted"),
	ROW("restore", "tcp-close", 0, FLAG, tcp_close, "with TCP connections closed"),
	ROW("checkpoint restore", "ext-unix-sk", 0, FLAG, ext_unix_sk,
	    "with unix sockets to the outside"),
	ROW("checkpoint restore", "shell-job", 0, FLAG, shell_job, "with this terminal"),
	ROW("checkpoint restore", "file-locks", 0, FLAG, file_locks, "with locks of files"),
	ROW("checkpoint restore", "link-remap", 0, FLAG, link_remap, "with removed files"),
	ROW("checkpoint restore", "auto-dedup", 0, FLAG, auto_dedup, "with each page once"),
	ROW("checkpoint restore", "manage-cgroups-mode", 0, TEXT, manage_cgroups_mode,
	    "ignore, soft, full or strict"),
	ROW("checkpoint restore", "empty-ns", 0, LIST, empty_ns, "network: leave that empty"),
	ROW("restore", "lsm-profile", 0, TEXT, lsm_profile, "another label for its processes"),
	ROW("restore", "lsm-mount-context", 0, TEXT, lsm_mount_context,
	    "another label for its mounts"),
	ROW("kill", "all", 'a', FLAG, all, "every process in it"),
	ROW("delete", "force", 'f', FLAG, force, "kill it first"),
	ROW("list ps", "format", 'f', TEXT, format, "table or json"),
	ROW("list", "quiet", 'q', FLAG, quiet, "only the IDs"),
	ROW("events", "interval", 0, TEXT, interval, "time between two statistics (default 5s)"),
	ROW("events", "stats", 0, FLAG, stats, "print statistics once"),
	ROW("update", "resources", 'r', TEXT, update.resources, "file of linux.resources, or -"),
	ROW("update", "memory", 0, TEXT, update.memory, "bytes, 512m or -1"),
	ROW("update", "memory-reservation", 0, TEXT, update.memory_reservation, "soft limit"),
	ROW("update", "memory-swap", 0, TEXT, update.memory_swap, "memory and swap together"),
	ROW("update", "kernel-memory", 0, TEXT, update.kernel_memory, "ignored"),
	ROW("update", "kernel-memory-tcp", 0, TEXT, update.kernel_memory, "ignored"),
	ROW("update", "cpu-share", 0, TEXT, update.cpu_share, "weight of version 1, 2 to 262144"),
	ROW("update", "cpu-period", 0, TEXT, update.cpu_period, "microseconds"),
	ROW("update", "cpu-quota", 0, TEXT, update.cpu_quota, "microseconds a period, or -1"),
	ROW("update", "cpu-burst", 0, TEXT, update.cpu_burst, "microseconds"),
	ROW("update", "cpu-rt-period", 0, TEXT, update.cpu_rt_period, "microseconds"),
	ROW("update", "cpu-rt-runtime", 0, TEXT, update.cpu_rt_runtime, "microseconds"),
	ROW("update", "cpu-idle", 0, TEXT, update.cpu_idle, "1: only when nothing else runs"),
	ROW("update", "cpuset-cpus", 0, TEXT, update.cpuset_cpus, "processors, as 0-3,7"),
	ROW("update", "cpuset-mems", 0, TEXT, update.cpuset_mems, "memory nodes"),
	ROW("update", "pids-limit", 0, TEXT, update.pids_limit, "processes and threads, or -1"),
	ROW("update", "blkio-weight", 0, TEXT, update.blkio_weight, "10 to 1000"),
	ROW("update", "l3-cache-schema", 0, TEXT, update.rdt, "not supported"),
	ROW("update", "mem-bw-schema", 0, TEXT, update.rdt, "not supported"),
	ROW("spec", "rootless", 0, FLAG, spec_rootless, "for an ordinary user"),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct og_command commands[] = {
	{ "create", "ID", "make a workload, up to its program", 1, 1, og_command_create },
	{ "start", "ID", "run the program of a created workload", 1, 1, og_command_start },
	{ "run", "ID", "create, start, wait, delete", 1, 1, og_command_run },
	{ "state", "ID", "print a workload's state", 1, 1, og_command_state },
	{ "kill", "ID [SIGNAL]", "signal a workload", 1, 2, og_command_kill },
	{ "delete", "ID", "remove a stopped workload", 1, 1, og_command_delete },
	{ "exec", "ID PROGRAM [ARG...]", "run one more process", 1, -1, og_command_exec },
	{ "pause", "ID", "stop every process of a workload", 1, 1, og_command_pause },
	{ "resume", "ID", "let a paused workload go on", 1, 1, og_command_resume },
	{ "update", "ID", "change a workload's limits", 1, 1, og_command_update },
	{ "ps", "ID [PS-OPTION...]", "list a workload's processes", 1, -1, og_command_ps },
	{ "events", "ID", "print what it uses and when memory ran out", 1, 1, og_command_events },
	{ "checkpoint", "ID", "write a running workload to files", 1, 1, og_command_checkpoint },
	{ "restore", "ID", "make a workload of such files", 1, 1, og_command_restore },
	{ "mounts", "add|remove ID FILE", "change the mounts of a workload", 3, 3,
	  og_command_mounts },
	{ "list", "", "list workloads", 0, 0, og_command_list },
	{ "spec", "", "write a config.json to begin with", 0, 0, og_command_spec },
	{ "features", "", "print what is supported", 0, 0, og_command_features },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct og_command *og_command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (og_streq(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static bool applies(const struct option_row *row, const char *command)
{
	size_t len = strlen(command);

	if (len == 0)
		return row->commands[0] == '\0';
	for (const char *at = row->commands; (at = strstr(at, command)) != NULL; at += len) {
		if ((at == row->commands || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
			return true;
	}
	return false;
}

/* @word is "--name", "--name=value", "-n". runc takes long names with one dash, too. */
static const struct option_row *find_option(const char *command, const char *word,
					    const char **ret_value)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");

	*ret_value = name[len] == '=' ? name + len + 1 : NULL;
	for (size_t i = 0; i < ROWS; i++) {
		if (!applies(&rows[i], command))
			continue;
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
			return &rows[i];
		if (word[1] != '-' && len == 1 && rows[i].letter == name[0])
			return &rows[i];
	}
	return NULL;
}

static int store(const struct option_row *row, const char *value, struct og_args *args,
		 struct og_err *err)
{
	void *member = (char *)args + row->offset;
	struct og_args_list *list = member;

	if (row->kind == FLAG) {
		if (value != NULL && !og_streq(value, "true") && !og_streq(value, "false"))
			return og_fail(err, -EINVAL, "--%s takes no value", row->name);
		*(bool *)member = value == NULL || og_streq(value, "true");
		return 0;
	}
	if (value == NULL)
		return og_fail(err, -EINVAL, "--%s needs a value", row->name);
	if (row->kind == TEXT) {
		*(const char **)member = value;
		return 0;
	}
	if (list->count == OG_ARGS_LIST_MAX)
		return og_fail(err, -E2BIG, "--%s more than %d times", row->name, OG_ARGS_LIST_MAX);
	list->items[list->count++] = value;
	return 0;
}

/* Reads the option at argv[*at] and steps over it. */
static int read_option(const char *command, int argc, char **argv, int *at, struct og_args *args,
		       struct og_err *err)
{
	const char *value;
	const struct option_row *row = find_option(command, argv[*at], &value);

	if (row == NULL)
		return og_fail(err, -EINVAL, "no option '%s'%s%s", argv[*at],
			       command[0] != '\0' ? " of " : "", command);
	if (row->kind != FLAG && value == NULL && *at + 1 < argc)
		value = argv[++*at];
	(*at)++;
	return store(row, value, args, err);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

int og_args_read_global(int argc, char **argv, struct og_args *ret_args, struct og_err *err)
{
	int at = 1;

	*ret_args = (struct og_args){ .bundle = "." };
	while (at < argc && is_option(argv[at])) {
		int r = read_option("", argc, argv, &at, ret_args, err);

		if (r < 0)
			return r;
	}
	return at;
}

int og_args_read_command(const struct og_command *command, int argc, char **argv,
			 struct og_args *args, struct og_err *err)
{
	bool only_words = false;

	args->words = argv;
	for (int at = 0; at < argc;) {
		int r;

		if (!only_words && og_streq(argv[at], "--")) {
			only_words = true;
			at++;
			continue;
		}
		if (only_words || !is_option(argv[at])) {
			args->words[args->word_count++] =
				argv[at++]; /* never ahead of what is read */
			only_words = only_words || command->max_words < 0;
			continue;
		}
		r = read_option(command->name, argc, argv, &at, args, err);
		if (r < 0)
			return r;
	}
	args->words[args->word_count] = NULL;
	if (args->word_count < command->min_words ||
	    (command->max_words >= 0 && args->word_count > command->max_words))
		return og_fail(err, -EINVAL, "usage: onggi-runtime %s [OPTION...] %s",
			       command->name, command->words);
	return 0;
}

static void print_options(const char *command)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (applies(&rows[i], command))
			printf("    --%-18s %s\n", rows[i].name, rows[i].help);
	}
}

static int usage(void)
{
	printf("usage: onggi-runtime [OPTION...] COMMAND [OPTION...] [WORD...]\n\n");
	print_options("");
	for (size_t i = 0; i < COMMANDS; i++) {
		printf("\n  %s %s\n    %s\n", commands[i].name, commands[i].words,
		       commands[i].help);
		print_options(commands[i].name);
	}
	return 0;
}

/* One line of --log, for programs that read it (containerd's shim does). */
static void log_line(const struct og_args *args, const char *level, const char *text)
{
	og_auto_fd fd = -EBADF;
	og_auto_free char *line = NULL;
	char now[OG_CLOCK_TEXT_BYTES];

	og_clock_now(now);
	if (args->log_format != NULL && og_streq(args->log_format, "json")) {
		og_cleanup(og_json_freep) struct og_json *entry = og_json_new_object();
		og_auto_free char *json = NULL;

		og_json_set_string(entry, "level", level);
		og_json_set_string(entry, "msg", text);
		og_json_set_string(entry, "time", now);
		json = og_json_write(entry);
		line = og_strdupf("%s\n", json);
	} else {
		line = og_strdupf("time=\"%s\" level=%s msg=\"%s\"\n", now, level, text);
	}
	fd = open(args->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && line != NULL)
		(void)og_write_all(fd, line, strlen(line));
}

/* Errors go to who reads the terminal, too. */
static void report(const struct og_args *args, const struct og_err *err)
{
	fprintf(stderr, "onggi-runtime: %s\n", err->text);
	if (args->log != NULL)
		log_line(args, "error", err->text);
}

void og_args_log_notes(const struct og_args *args, const struct og_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		if (args->log != NULL)
			log_line(args, "warning", notes->lines[i]);
		else
			fprintf(stderr, "onggi-runtime: warning: %s\n", notes->lines[i]);
	}
}

static int check_global(const struct og_args *args, struct og_err *err)
{
	if (args->log_format != NULL && !og_streq(args->log_format, "json") &&
	    !og_streq(args->log_format, "text"))
		return og_fail(err, -EINVAL, "--log-format is text or json, not '%s'",
			       args->log_format);
	return 0;
}

static int run_command(int argc, char **argv, struct og_context *context, struct og_args *args,
		       struct og_err *err)
{
	const struct og_command *command;
	int at = og_args_read_global(argc, argv, args, err);
	int r;

	if (at < 0)
		return at;
	if (args->version) {
		printf("onggi-runtime version " OG_VERSION "\nspec: " OG_OCI_VERSION "\n");
		return 0;
	}
	if (args->help || (at < argc && og_streq(argv[at], "help")))
		return usage();
	if (at >= argc)
		return og_fail(err, -EINVAL, "no command: see onggi-runtime --help");
	command = og_command_find(argv[at]);
	if (command == NULL)
		return og_fail(err, -EINVAL, "no command '%s': see onggi-runtime --help", argv[at]);
	if (args->root == NULL) {
		args->own_root = og_rootless_root();
		args->root = args->own_root;
	}
	r = args->root == NULL ? og_fail(err, -ENOMEM, "--root") : check_global(args, err);
	if (r == 0)
		r = og_args_read_command(command, argc - at - 1, argv + at + 1, args, err);
	return r < 0 ? r : command->run(context, err);
}

int og_runtime_main(int argc, char **argv, const struct og_isolation *const *isolations)
{
	struct og_args args = {};
	struct og_context context = {
		.args = &args,
		.isolations = isolations,
		.default_isolation = argc > 0 && og_ends_with(argv[0], "-vm") ? "vm" : "container",
	};
	struct og_err err = {};
	int r = run_command(argc, argv, &context, &args, &err);

	if (r < 0)
		report(&args, &err);
	free(args.own_root);
	return r < 0 ? 1 : r;
}

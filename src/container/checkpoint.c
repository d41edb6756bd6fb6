/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload as files, by CRIU. CRIU sees what belongs to the workload, and has to be told what
 * does not: streams whose other side is ours, mounts that show the host. Those it leaves out
 * under a name, and we write down which ones they were (format/checkpoint.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "container/criu.h"
#include "container/operations.h"
#include "runtime/state.h"

#define MOUNTINFO_MAX_BYTES (16U << 20) /* 100,000 mounts, which is the kernel's own limit */
#define LINK_MAX	    256

struct dumping {
	struct og_workload *workload;
	const struct og_criu_options *options;
	struct og_criu_world world;
	struct og_criu_words words;
	struct og_checkpoint checkpoint;
	char *mountinfo; /* of the workload's first process */
};

static void dumping_done(struct dumping *dumping)
{
	og_criu_words_done(&dumping->words);
	og_checkpoint_done(&dumping->checkpoint);
	free(dumping->mountinfo);
}

/* ---- mounts ---- */

/* "\040" is a blank (proc(5), mountinfo). In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0';) {
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
		    at[3] >= '0' && at[3] <= '7') {
			*to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
}

/* One line: "36 35 98:0 /root /destination options ... - type source options". */
static int add_mount(struct dumping *dumping, char *line, struct og_err *err)
{
	const struct og_oci_config *config = dumping->workload->config;
	og_auto_free char *source = NULL;
	char *fields[5] = {};
	char *rest = line;
	int r;

	for (size_t i = 0; i < 5; i++)
		fields[i] = strsep(&rest, " ");
	if (rest == NULL)
		return 0;
	unescape(fields[4]);
	/* A masked folder is an empty tmpfs, which CRIU can make again. */
	if (og_streq(fields[4], "/") ||
	    (og_streq(fields[3], "/") && og_criu_is_masked(config, fields[4])))
		return 0;
	r = og_criu_source(&dumping->world, fields[4], &source, err);
	if (r < 0 || source == NULL)
		return r;
	r = og_checkpoint_add_mount(&dumping->checkpoint, fields[4], err);
	og_criu_add(&dumping->words, "--external=mnt[%s]:%s", fields[4], fields[4]);
	return r;
}

static int add_mounts(struct dumping *dumping, struct og_err *err)
{
	og_auto_free char *text = strdup(dumping->mountinfo);
	char *rest = text;

	if (text == NULL)
		return og_fail(err, -ENOMEM, "read mounts");
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		int r = add_mount(dumping, line, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- standard streams ---- */

/* The mount that descriptor @fd is on: "mnt_id:\t29" of /proc/PID/fdinfo. */
static int mount_of(pid_t pid, int fd, unsigned int *ret_mount)
{
	og_auto_free char *path = og_strdupf("/proc/%d/fdinfo/%d", (int)pid, fd);
	og_auto_free char *text = NULL;
	const char *at;

	if (path == NULL || og_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
		return -ENOENT;
	at = strstr(text, "mnt_id:");
	return at != NULL && sscanf(at, "mnt_id: %u", ret_mount) == 1 ? 0 : -ENOENT;
}

static bool has_mount(const struct dumping *dumping, unsigned int mount)
{
	const char *at = dumping->mountinfo;

	while (at != NULL && *at != '\0') {
		if (strtoul(at, NULL, 10) == mount)
			return true;
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	return false;
}

static int add_stream(struct dumping *dumping, int fd, struct og_err *err)
{
	char *name = dumping->checkpoint.streams[fd];
	pid_t pid = dumping->workload->pid;
	og_auto_free char *path = og_strdupf("/proc/%d/fd/%d", (int)pid, fd);
	char link[LINK_MAX] = "";
	unsigned int mount;
	struct stat st;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "read streams");
	if (readlink(path, link, sizeof(link) - 1) < 0 || stat(path, &st) < 0)
		return 0; /* closed by the workload */
	if (og_starts_with(link, "pipe:[") || og_starts_with(link, "socket:[")) {
		(void)snprintf(name, OG_CHECKPOINT_STREAM_MAX, "%.60s", link);
		return 0;
	}
	if (mount_of(pid, fd, &mount) < 0 || has_mount(dumping, mount))
		return 0;
	if (S_ISCHR(st.st_mode) && og_starts_with(link, "/dev/pts/"))
		(void)snprintf(name, OG_CHECKPOINT_STREAM_MAX, "tty[%llx:%llx]",
			       (unsigned long long)st.st_rdev, (unsigned long long)st.st_dev);
	else
		(void)snprintf(name, OG_CHECKPOINT_STREAM_MAX, "file[%x:%llx]", mount,
			       (unsigned long long)st.st_ino);
	og_criu_add(&dumping->words, "--external=%s", name);
	return 0;
}

/* ---- namespaces ---- */

static int add_namespace(struct dumping *dumping, enum og_oci_namespace_type type, const char *file)
{
	const struct og_oci_namespace *namespace = og_oci_namespace(dumping->world.config, type);
	og_auto_free char *path = og_strdupf("/proc/%d/ns/%s", (int)dumping->workload->pid, file);
	struct stat st;

	if (namespace == NULL || namespace->path == NULL)
		return 0;
	if (path == NULL || stat(path, &st) < 0)
		return -ESRCH;
	og_criu_add(&dumping->words, "--external=%s[%llu]:onggi-%s", file,
		    (unsigned long long)st.st_ino, file);
	return 0;
}

/* ---- all of it ---- */

static void add_freezer(struct dumping *dumping, const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "freezer");

	if (tree == NULL) {
		og_auto_fd fd = og_cgroup_v2_fd(cgroup);

		if (fd < 0 || faccessat(fd, "cgroup.freeze", F_OK, 0) < 0)
			return;
		tree = og_cgroup_tree(cgroup, "");
	}
	og_criu_add(&dumping->words, "--freeze-cgroup=%s", tree->dir);
}

static int add_outside(struct dumping *dumping, struct og_err *err)
{
	int r = add_mounts(dumping, err);

	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = add_stream(dumping, fd, err);
	if (r == 0)
		r = add_namespace(dumping, OG_OCI_NS_NETWORK, "net");
	if (r == 0)
		r = add_namespace(dumping, OG_OCI_NS_PID, "pid");
	return r == -ESRCH ? og_fail(err, r, "the workload's first process is gone") : r;
}

static int run_criu(struct dumping *dumping, const char *action, const char *work_path,
		    struct og_err *err)
{
	struct og_spawn spawn = { .argv = dumping->words.items };
	int status;

	if (dumping->words.failed)
		return og_fail(err, -ENOMEM, "run criu");
	spawn.path = dumping->words.items[0];
	status = og_spawn_wait(&spawn, 0, NULL, NULL);
	return status == 0 ? 0 : og_criu_failed(action, dumping->options, work_path, status, err);
}

static int write_record(const struct dumping *dumping, struct og_err *err)
{
	og_auto_fd dir_fd = open(dumping->options->image_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free char *text = og_checkpoint_write(&dumping->checkpoint);
	int r;

	if (text == NULL)
		return og_fail(err, -ENOMEM, "write " OG_CHECKPOINT_FILE);
	if (dir_fd < 0)
		return og_fail(err, -errno, "open '%s'", dumping->options->image_path);
	r = og_replace_file(dir_fd, OG_CHECKPOINT_FILE, text, strlen(text), 0600, true, err);
	return r < 0 ? og_fail_in(err, r, "'%s'", dumping->options->image_path) : 0;
}

static int dump(struct dumping *dumping, const struct og_cgroup *cgroup, struct og_err *err)
{
	const struct og_criu_options *options = dumping->options;
	const char *action = options->pre_dump ? "pre-dump" : "dump";
	const char *work_path = options->work_path != NULL ? options->work_path
							   : options->image_path;
	int r = 0;

	og_criu_begin(&dumping->words, action, options, work_path);
	og_criu_add(&dumping->words, "--tree=%d", (int)dumping->workload->pid);
	add_freezer(dumping, cgroup);
	if (options->parent_path != NULL)
		og_criu_add(&dumping->words, "--prev-images-dir=%s", options->parent_path);
	if (options->parent_path != NULL || options->pre_dump)
		og_criu_add(&dumping->words, "--track-mem");
	if (!options->pre_dump) {
		r = add_outside(dumping, err);
		if (options->tcp_skip_in_flight)
			og_criu_add(&dumping->words, "--skip-in-flight");
		if (options->leave_running)
			og_criu_add(&dumping->words, "--leave-running");
		if (r == 0) /* first: a dump ends the workload */
			r = write_record(dumping, err);
	}
	return r < 0 ? r : run_criu(dumping, action, work_path, err);
}

int og_container_checkpoint(struct og_workload *workload, const struct og_criu_options *options,
			    struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL; /* as the state has it */
	og_cleanup(og_cgroup_freep) struct og_cgroup *found = NULL;  /* with its trees' names */
	og_cleanup(dumping_done) struct dumping dumping = {
		.workload = workload,
		.options = options,
		.world = { .config = workload->config, .bundle = workload->bundle },
	};
	og_auto_free char *path = og_strdupf("/proc/%d/mountinfo", (int)workload->pid);
	int r = og_criu_check(workload->config, err);

	if (r == 0)
		r = og_cgroup_load(og_json_get(workload->extra, "cgroups"), &cgroup, err);
	if (r == 0)
		r = og_cgroup_find_running(workload->config->linux_.cgroups_path, workload->id,
					   &found, err);
	if (r == 0 && path == NULL)
		r = og_fail(err, -ENOMEM, "read mounts");
	if (r == 0)
		r = og_read_file(AT_FDCWD, path, MOUNTINFO_MAX_BYTES, &dumping.mountinfo, NULL,
				 err);
	/* Only now is it sure that these were that process's, and no later one's. */
	if (r == 0 && og_pid_start(workload->pid) != workload->pid_start)
		r = og_fail(err, -ESRCH, "the workload's first process is gone");
	if (r < 0)
		return r;
	dumping.world.cgroup = found;
	return dump(&dumping, cgroup, err);
}

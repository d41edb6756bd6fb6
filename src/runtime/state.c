/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "runtime/gate.h"

#define STATE_MAX_BYTES (1U << 20) /* what we wrote ourselves: some KiB */

#define ADDED_ENV_MAX 8 /* what this runtime adds itself */

/* What og_workload points to is owned here. */
struct owned {
	struct og_workload workload; /* first */
	char *id;
	char *bundle;
	char *isolation;
	char *config_text;
	char *created;
	struct og_oci_config *config;
	bool locked; /* by us */
	/* og_workload_add_env(): the entries, and the list that the configuration now has */
	char *added[ADDED_ENV_MAX];
	size_t added_count;
	const char **env;
};

static struct owned *owned(struct og_workload *workload)
{
	return (struct owned *)workload;
}

int og_id_check(const char *id, struct og_err *err)
{
	size_t len = strlen(id);

	if (len == 0 || len > OG_ID_MAX || len > NAME_MAX)
		return og_fail(err, -EINVAL, "an ID has 1 to %d characters, not %zu", NAME_MAX,
			       len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)id[i];

		if (isalnum(c) == 0 && (i == 0 ? c != '_' : strchr("_+-.", c) == NULL))
			return og_fail(err, -EINVAL, "ID '%.60s': only letters, digits and _+-.",
				       id);
	}
	return 0;
}

static int check_root(int root_fd, const char *root, struct og_err *err)
{
	struct stat st;

	if (fstat(root_fd, &st) < 0)
		return og_fail(err, -errno, "look at '%s'", root);
	if (!og_weak("A22") && (st.st_uid != geteuid() || (st.st_mode & 022) != 0))
		return og_fail(
			err, -EPERM,
			"state folder '%s' belongs to or can be written by others: chmod 0700",
			root);
	return 0;
}

/* The folders on the way are as anywhere else; ROOT itself is ours alone. */
static int make_root(const char *root, int *ret_fd, struct og_err *err)
{
	og_auto_fd slash_fd = -EBADF;
	og_auto_free char *parent = strdup(root);
	og_auto_fd fd = -EBADF;
	char *cut;
	int r;

	if (parent == NULL)
		return og_fail(err, -ENOMEM, "make '%s'", root);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && mkdir(root, og_weak("A22") ? 0755 : 0700) < 0 && errno == ENOENT) {
		cut = strrchr(parent, '/');
		slash_fd = open(root[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (cut != NULL)
			*cut = '\0';
		r = og_mkdirs_in_root(slash_fd, parent, 0755, NULL, err);
		if (r < 0)
			return og_fail_in(err, r, "make '%s'", root);
		(void)mkdir(root, 0700);
	}
	if (fd < 0)
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return og_fail(err, -errno, "open state folder '%s'", root);
	r = check_root(fd, root, err);
	if (r == 0)
		*ret_fd = og_take_fd(&fd);
	return r;
}

static struct owned *workload_alloc(const char *id)
{
	struct owned *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return NULL;
	own->workload.dir_fd = -EBADF;
	own->id = strdup(id);
	own->workload.id = own->id;
	own->workload.extra = og_json_new_object();
	return own;
}

int og_workload_add_env(struct og_workload *workload, const char *name, const char *value,
			struct og_err *err)
{
	struct owned *own = owned(workload);
	struct og_oci_strings *env = &own->config->process.env;
	const char **items = calloc(env->count + 1, sizeof(*items));
	char *entry = og_strdupf("%s=%s", name, value);
	size_t len = strlen(name);
	size_t count = 0;

	if (items == NULL || entry == NULL || own->added_count == ADDED_ENV_MAX) {
		free(items);
		free(entry);
		return og_fail(err, -ENOMEM, "add %s to process.env", name);
	}
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], name, len) != 0 || env->items[i][len] != '=')
			items[count++] = env->items[i];
	}
	own->added[own->added_count++] = entry;
	items[count++] = entry;
	free(own->env);
	own->env = items;
	*env = (struct og_oci_strings){ .items = items, .count = count };
	return 0;
}

struct og_workload *og_workload_free(struct og_workload *workload)
{
	struct owned *own = owned(workload);

	if (own == NULL)
		return NULL;
	og_close(workload->dir_fd);
	og_json_free(workload->extra);
	og_notes_done(&workload->notes);
	og_oci_config_free(own->config);
	og_notes_done(&workload->notes);
	free(own->id);
	free(own->bundle);
	free(own->isolation);
	free(own->config_text);
	free(own->created);
	for (size_t i = 0; i < own->added_count; i++)
		free(own->added[i]);
	free(own->env);
	free(own);
	return NULL;
}

static int read_config(struct owned *own, int dir_fd, const char *name, struct og_err *err)
{
	size_t len;
	int r = og_read_head(dir_fd, name, OG_OCI_CONFIG_MAX_BYTES, &own->config_text, &len, err);

	if (r < 0)
		return r;
	r = og_oci_config_parse(own->config_text, len, &own->config, err);
	if (r < 0)
		return og_fail_in(err, r, "%s/config.json", own->bundle);
	own->workload.config_text = own->config_text;
	own->workload.config = own->config;
	return 0;
}

static int open_bundle(struct owned *own, const char *bundle, struct og_err *err)
{
	og_auto_fd bundle_fd = -EBADF;

	own->bundle = realpath(bundle, NULL);
	own->workload.bundle = own->bundle;
	bundle_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own->bundle == NULL || bundle_fd < 0)
		return og_fail(err, -errno, "open bundle '%s'", bundle);
	return read_config(own, bundle_fd, "config.json", err);
}

/* The lock is held until the command ends, however it ends: who holds it is at work on it. */
static int make_dir(struct owned *own, const char *root, struct og_err *err)
{
	og_auto_fd root_fd = -EBADF;
	int r = make_root(root, &root_fd, err);

	if (r < 0)
		return r;
	if (mkdirat(root_fd, own->id, og_weak("A22") ? 0755 : 0700) < 0)
		return errno == EEXIST
			       ? og_fail(err, -EEXIST,
					 "'%s' exists already: delete it first, or choose another ID",
					 own->id)
			       : og_fail(err, -errno, "make '%s/%s'", root, own->id);
	own->workload.dir_fd = openat(root_fd, own->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own->workload.dir_fd < 0 || flock(own->workload.dir_fd, LOCK_EX) < 0)
		return og_fail(err, -errno, "open '%s/%s'", root, own->id);
	return 0;
}

static int write_new(int dir_fd, const char *name, const char *text, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : og_write_all(fd, text, strlen(text));

	return r < 0 ? og_fail(err, r, "write %s", name) : 0;
}

int og_workload_new(const char *root, const char *id, const char *bundle, const char *isolation,
		    struct og_workload **ret_workload, struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	char created[OG_CLOCK_TEXT_BYTES];
	struct owned *own;
	int r = og_id_check(id, err);

	if (r < 0)
		return r;
	own = workload_alloc(id);
	if (own == NULL)
		return og_fail(err, -ENOMEM, "make workload '%s'", id);
	workload = &own->workload;
	og_clock_now(created);
	own->created = strdup(created);
	own->isolation = strdup(isolation);
	workload->isolation = own->isolation;

	r = open_bundle(own, bundle, err);
	if (r == 0)
		r = make_dir(own, root, err);
	if (r < 0)
		return r;
	r = write_new(workload->dir_fd, "config.json", own->config_text, err);
	if (r < 0) {
		(void)og_workload_remove(root, workload, NULL);
		return r;
	}
	*ret_workload = og_take_ptr(workload);
	return 0;
}

static int read_state(struct owned *own, const struct og_json *state, struct og_err *err)
{
	const char *bundle = og_json_string(og_json_get(state, "bundle"), NULL);
	const char *isolation = og_json_string(og_json_get(state, "isolation"), NULL);
	struct og_json *extra = og_json_get(state, "extra");

	if (bundle == NULL || isolation == NULL || og_json_kind(extra) != OG_JSON_OBJECT)
		return og_fail(err, -EBADMSG, "state.json of '%s' is damaged: delete --force",
			       own->id);
	own->bundle = strdup(bundle);
	own->isolation = strdup(isolation);
	own->created = strdup(og_json_string(og_json_get(state, "created"), ""));
	own->workload.bundle = own->bundle;
	own->workload.isolation = own->isolation;
	own->workload.pid = (pid_t)og_json_int(og_json_get(state, "pid"), 0);
	own->workload.pid_start = og_json_uint(og_json_get(state, "pidStart"), 0);
	og_json_free(own->workload.extra);
	own->workload.extra = og_json_copy(extra);
	return 0;
}

static int load_dir(struct owned *own, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *text = NULL;
	size_t len;
	int r;

	r = og_read_file(own->workload.dir_fd, "state.json", STATE_MAX_BYTES, &text, &len, NULL);
	if (r == -ENOENT) /* interrupted before anything but this folder was made */
		return 0;
	if (r == 0)
		r = og_json_parse(text, len, &state, err);
	if (r == 0)
		r = read_state(own, state, err);
	return r < 0 ? r : read_config(own, own->workload.dir_fd, "config.json", err);
}

/* Whoever had it may have removed it: then its folder has no name any more. */
static int lock(struct owned *own, struct og_err *err)
{
	struct stat st;

	if (flock(own->workload.dir_fd, LOCK_EX) < 0 || fstat(own->workload.dir_fd, &st) < 0)
		return og_fail(err, -errno, "lock its state");
	own->locked = true;
	return st.st_nlink == 0 ? og_fail(err, -ENOENT, "it does not exist any more") : 0;
}

static int load(const char *root, const char *id, bool locked, struct og_workload **ret_workload,
		struct og_err *err)
{
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_auto_fd root_fd = -EBADF;
	struct owned *own;
	int r = og_id_check(id, err);

	if (r < 0)
		return r;
	own = workload_alloc(id);
	if (own == NULL)
		return og_fail(err, -ENOMEM, "load '%s'", id);
	workload = &own->workload;
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd >= 0)
		workload->dir_fd =
			openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (workload->dir_fd < 0)
		return errno == ENOENT ? og_fail(err, -ENOENT, "container '%s' does not exist", id)
				       : og_fail(err, -errno, "open '%s/%s'", root, id);
	r = check_root(root_fd, root, err);
	if (r == 0 && locked)
		r = lock(own, err);
	if (r == 0)
		r = load_dir(own, err);
	if (r < 0)
		return og_fail_in(err, r, "container '%s'", id);
	*ret_workload = og_take_ptr(workload);
	return 0;
}

int og_workload_load(const char *root, const char *id, struct og_workload **ret_workload,
		     struct og_err *err)
{
	return load(root, id, false, ret_workload, err);
}

int og_workload_load_locked(const char *root, const char *id, struct og_workload **ret_workload,
			    struct og_err *err)
{
	return load(root, id, true, ret_workload, err);
}

int og_workload_save(struct og_workload *workload, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *state = og_json_new_object();
	og_auto_free char *text = NULL;
	int r;

	og_json_set_string(state, "id", workload->id);
	og_json_set_string(state, "bundle", workload->bundle);
	og_json_set_string(state, "isolation", workload->isolation);
	og_json_set_string(state, "created", owned(workload)->created);
	og_json_set_int(state, "pid", workload->pid);
	og_json_set(state, "pidStart", og_json_new_uint(workload->pid_start));
	og_json_set(state, "extra", og_json_copy(workload->extra));
	text = og_json_write(state);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "write state.json");
	r = og_replace_file(workload->dir_fd, "state.json", text, strlen(text), 0600, false, err);
	return r < 0 ? og_fail_in(err, r, "state of '%s'", workload->id) : 0;
}

int og_workload_remove(const char *root, struct og_workload *workload, struct og_err *err)
{
	/* Without a state the rest is what an interrupted create leaves: a kill here harms nothing. */
	static const char *const known[] = { "state.json", "config.json", "seccomp.bpf" };
	og_until_exec root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return og_fail(err, -errno, "open '%s'", root);
	/* Nearly always there is nothing else, and no need to look. */
	for (size_t i = 0; workload->dir_fd >= 0 && i < sizeof(known) / sizeof(known[0]); i++)
		(void)unlinkat(workload->dir_fd, known[i], 0);
	if (unlinkat(root_fd, workload->id, AT_REMOVEDIR) == 0)
		return 0;
	return og_remove_tree(root_fd, workload->id, err);
}

uint64_t og_pid_start(pid_t pid)
{
	og_auto_fd fd = -EBADF;
	char path[32];
	char buf[1024];
	ssize_t len;
	char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1); /* the kernel gives it whole */
	if (len <= 0)
		return 0;
	buf[len] = '\0';
	at = strrchr(buf, ')'); /* the program's name may hold anything */
	if (at == NULL || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	at += 2; /* field 3 */
	for (int field = 3; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* Whether another, who creates or deletes it, is at work on it. */
static bool in_hands(struct og_workload *workload)
{
	if (owned(workload)->locked)
		return false;
	if (flock(workload->dir_fd, LOCK_SH | LOCK_NB) < 0)
		return true;
	(void)flock(workload->dir_fd, LOCK_UN);
	return false;
}

enum og_status og_workload_status(struct og_workload *workload,
				  const struct og_isolation *isolation)
{
	if (workload->pid <= 0)
		return in_hands(workload) ? OG_STATUS_CREATING : OG_STATUS_STOPPED;
	if (workload->pid_start == 0 || og_pid_start(workload->pid) != workload->pid_start)
		return OG_STATUS_STOPPED;
	if (faccessat(workload->dir_fd, OG_GATE_NAME, F_OK, 0) == 0)
		return OG_STATUS_CREATED;
	if (in_hands(workload))
		return OG_STATUS_CREATING;
	if (isolation != NULL && isolation->paused != NULL && isolation->paused(workload))
		return OG_STATUS_PAUSED;
	return OG_STATUS_RUNNING;
}

const char *og_status_name(enum og_status status)
{
	static const char *const names[] = {
		[OG_STATUS_CREATING] = "creating", [OG_STATUS_CREATED] = "created",
		[OG_STATUS_RUNNING] = "running",   [OG_STATUS_PAUSED] = "paused",
		[OG_STATUS_STOPPED] = "stopped",
	};

	return names[status];
}

struct og_json *og_workload_state_json(struct og_workload *workload, enum og_status status)
{
	struct og_json *state = og_json_new_object();

	og_json_set_string(state, "ociVersion", OG_OCI_VERSION);
	og_json_set_string(state, "id", workload->id);
	og_json_set_string(state, "status", og_status_name(status));
	og_json_set_int(state, "pid", status == OG_STATUS_STOPPED ? 0 : workload->pid);
	og_json_set_string(state, "bundle", workload->bundle != NULL ? workload->bundle : "");
	if (workload->config != NULL && workload->config->annotations.count > 0) {
		struct og_json *annotations = og_json_new_object();
		const struct og_oci_pairs *pairs = &workload->config->annotations;

		for (size_t i = 0; i < pairs->count; i++)
			og_json_set_string(annotations, pairs->items[i].key, pairs->items[i].value);
		og_json_set(state, "annotations", annotations);
	}
	og_json_set_string(state, "created", owned(workload)->created);
	og_json_set_string(state, "isolation", workload->isolation);
	return state;
}

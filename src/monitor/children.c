/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* In a host PID namespace every orphan of the workload comes to us: remember the newest only. */
#define STRAYS_MAX 1024U

struct child {
	struct child *next;
	pid_t pid;
	og_child_fn *fn;
	void *data;
};

struct stray {
	pid_t pid;
	int status;
};

struct og_children {
	struct child *watched;
	unsigned int expecting;
	struct stray strays[STRAYS_MAX]; /* a ring */
	size_t stray_count;
};

static void end_child(struct og_children *children, pid_t pid, int status)
{
	for (struct child **at = &children->watched; *at != NULL; at = &(*at)->next) {
		struct child *child = *at;

		if (child->pid != pid)
			continue;
		*at = child->next;
		child->fn(status, child->data);
		free(child);
		return;
	}
	if (children->expecting > 0)
		children->strays[children->stray_count++ % STRAYS_MAX] =
			(struct stray){ .pid = pid, .status = status };
}

static void reap(struct og_source *source, int signal, void *data)
{
	(void)source;
	(void)signal;
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return;
		end_child(data, pid,
			  WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
}

int og_children_new(struct og_loop *loop, struct og_children **ret_children, struct og_err *err)
{
	og_cleanup(og_children_freep) struct og_children *children = calloc(1, sizeof(*children));
	sigset_t set;
	int r;

	if (children == NULL)
		return og_fail(err, -ENOMEM, "watch processes");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "become a subreaper");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	r = og_loop_add_signals(loop, &set, reap, children, err);
	if (r < 0)
		return r;
	*ret_children = og_take_ptr(children);
	return 0;
}

struct og_children *og_children_free(struct og_children *children)
{
	if (children == NULL)
		return NULL;
	while (children->watched != NULL) {
		struct child *child = children->watched;

		children->watched = child->next;
		free(child);
	}
	free(children);
	return NULL;
}

void og_children_expect(struct og_children *children)
{
	children->expecting++;
}

void og_children_expected(struct og_children *children)
{
	if (--children->expecting > 0)
		return;
	children->stray_count = 0;
	memset(children->strays, 0, sizeof(children->strays));
}

static struct stray *find_stray(struct og_children *children, pid_t pid)
{
	for (size_t i = 0; i < STRAYS_MAX && i < children->stray_count; i++) {
		if (children->strays[i].pid == pid)
			return &children->strays[i];
	}
	return NULL;
}

void og_children_is_new(struct og_children *children, pid_t pid)
{
	struct stray *stray = find_stray(children, pid);

	if (stray != NULL)
		stray->pid = 0;
}

int og_children_watch(struct og_children *children, pid_t pid, og_child_fn *fn, void *data,
		      struct og_err *err)
{
	struct stray *stray = find_stray(children, pid);
	struct child *child;

	if (stray != NULL) {
		stray->pid = 0;
		fn(stray->status, data);
		return 0;
	}
	child = calloc(1, sizeof(*child));
	if (child == NULL)
		return og_fail(err, -ENOMEM, "watch process %d", (int)pid);
	*child = (struct child){ .next = children->watched, .pid = pid, .fn = fn, .data = data };
	children->watched = child;
	return 0;
}

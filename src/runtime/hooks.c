/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/hooks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/weak.h"

/* Without a timeout of its own a hook may take this long: nothing waits forever. */
#define TIMEOUT_DEFAULT_S 600

/* Both the state on standard input and what a hook says are small: memory, no pipe to block on. */
static int memory_file(const char *name, const char *content, struct og_err *err)
{
	og_auto_fd fd = memfd_create(name, MFD_CLOEXEC);
	int r = fd < 0 ? -errno : og_write_all(fd, content, strlen(content));

	if (r < 0)
		return og_fail(err, r, "make memory file");
	(void)lseek(fd, 0, SEEK_SET);
	return og_take_fd(&fd);
}

/* Waits for @pid, at most @timeout_s. Returns a status as og_wait_status(), or -ETIMEDOUT. */
static int wait_limited(pid_t pid, int64_t timeout_s)
{
	og_auto_fd pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t end = og_clock_ms() + (uint64_t)timeout_s * 1000;
	struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };

	while (pid_fd >= 0) {
		uint64_t now = og_clock_ms();
		int left = now < end ? (int)(end - now) : 0;
		int n = poll(&poll_fd, 1, left);

		if (n > 0)
			break;
		if (n < 0 && errno != EINTR)
			break;
		if (n == 0 && left == 0) {
			(void)kill(-pid, SIGKILL);
			(void)kill(pid, SIGKILL);
			(void)og_wait_status(pid);
			return -ETIMEDOUT;
		}
	}
	return og_wait_status(pid);
}

/* The first line of what the hook said. */
static void said(int fd, char *buf, size_t size)
{
	ssize_t n = og_pread_upto(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static int run_hook(const struct og_oci_hook *hook, const char *state_text, struct og_err *err)
{
	const char *alone[] = { hook->path, NULL };
	const char *nothing[] = { NULL };
	og_auto_fd in_fd = memory_file("state", state_text, err);
	og_auto_fd out_fd = memory_file("said", "", err);
	struct og_spawn_fd fds[] = { { 0, in_fd }, { 1, out_fd }, { 2, out_fd } };
	struct og_spawn spawn = {
		.path = hook->path,
		.argv = (char *const *)(uintptr_t)(hook->args.count > 0 ? hook->args.items : alone),
		.envp = og_weak("A29") ? NULL
				       : (char *const *)(uintptr_t)(hook->env.items != NULL
									    ? hook->env.items
									    : nothing),
		.fds = fds,
		.fd_count = 3,
		.new_session = true,
	};
	int64_t timeout_s = hook->timeout_s.set ? hook->timeout_s.value : TIMEOUT_DEFAULT_S;
	char text[200];
	pid_t pid;
	int status;
	int r;

	if (in_fd < 0 || out_fd < 0)
		return -ENOMEM;
	r = og_spawn(&spawn, &pid, err);
	if (r < 0)
		return r;
	status = wait_limited(pid, timeout_s);
	if (status == -ETIMEDOUT)
		return og_fail(err, -ETIMEDOUT, "no end after %lld s", (long long)timeout_s);
	if (status == 0)
		return 0;
	said(out_fd, text, sizeof(text));
	return og_fail(err, -EIO, "exit status %d%s%s", status, text[0] != '\0' ? ": " : "", text);
}

int og_hooks_run(const char *kind, const struct og_oci_hook_list *hooks, const char *state_text,
		 struct og_err *err)
{
	for (size_t i = 0; i < hooks->count; i++) {
		int r = run_hook(&hooks->items[i], state_text, err);

		if (r < 0)
			return og_fail_in(err, r, "hook %s[%zu] '%s'", kind, i,
					  hooks->items[i].path);
	}
	return 0;
}

int og_hooks_run_for(struct og_workload *workload, const char *kind,
		     const struct og_oci_hook_list *hooks, enum og_status status,
		     struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *text = NULL;

	if (hooks->count == 0)
		return 0;
	state = og_workload_state_json(workload, status);
	text = og_json_write(state);
	return text == NULL ? og_fail(err, -ENOMEM, "run hooks")
			    : og_hooks_run(kind, hooks, text, err);
}

void og_hooks_run_each(const char *kind, const struct og_oci_hook_list *hooks,
		       const char *state_text, struct og_notes *notes)
{
	for (size_t i = 0; i < hooks->count; i++) {
		struct og_err err = {};

		if (run_hook(&hooks->items[i], state_text, &err) < 0)
			og_note(notes, "hook %s[%zu] '%s': %s", kind, i, hooks->items[i].path,
				err.text);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "container/seccomp_listener.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/text.h"
#include "runtime/state.h"

#define STACK_BYTES (64U << 10)
#define WAIT_NS	    20000

int og_listener_connect(const char *path, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return og_fail(err, -errno, "make a socket");
	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
		return og_fail(err, -EINVAL, "listenerPath has %zu characters, not 1 to %zu",
			       strlen(path), sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0)
		return og_fail(err, -errno, "connect to listenerPath '%s'", path);
	return og_take_fd(&fd);
}

/* As whoever mounted this /proc counts: the runtime's number, though its own may be another. */
static int own_pid(uint64_t *ret_pid)
{
	char text[24];
	ssize_t len = readlink("/proc/self", text, sizeof(text) - 1);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	return og_parse_u64(text, 1, INT32_MAX, ret_pid);
}

int og_listener_message(struct og_workload *workload, enum og_status status, const char *metadata,
			char **ret_message, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_json *state;
	struct og_json *fds;
	uint64_t pid;
	int r = own_pid(&pid);

	if (r < 0)
		return og_fail(err, r, "read /proc/self for the seccomp listener");
	root = og_json_new_object();
	fds = og_json_new_array();
	state = og_workload_state_json(workload, status);
	if (status == OG_STATUS_CREATING)
		og_json_set_int(state, "pid", (int64_t)pid);
	og_json_push(fds, og_json_new_string("seccompFd"));
	og_json_set_string(root, "ociVersion", OG_OCI_VERSION);
	og_json_set(root, "fds", fds);
	og_json_set_int(root, "pid", (int64_t)pid);
	if (metadata != NULL)
		og_json_set_string(root, "metadata", metadata);
	og_json_set(root, "state", state);
	*ret_message = og_json_write(root);
	return *ret_message == NULL ? og_fail(err, -ENOMEM, "tell the seccomp listener") : 0;
}

/* Shared by the process and the thread that sends: memory alone tells one of the other. */
struct handover {
	int socket_fd;
	const char *message;
	atomic_int listener_fd; /* -1: not yet; another negative: never */
	atomic_int result;	/* 1: not yet; 0, or a negative errno */
};

static int hand_over(void *argument)
{
	struct handover *handover = argument;
	struct timespec pause = { .tv_nsec = WAIT_NS };
	int fd;
	int r;

	while ((fd = atomic_load(&handover->listener_fd)) == -1)
		(void)nanosleep(&pause, NULL);
	if (fd < 0)
		return 0;
	r = og_fdpass_send(handover->socket_fd, handover->message, strlen(handover->message), &fd,
			   1, NULL);
	/* The listener may wait for the end of the stream, and execve() for the listener. */
	(void)shutdown(handover->socket_fd, SHUT_WR);
	if (r < 0) /* nobody will answer: held-back calls fail instead of waiting for ever */
		(void)close(fd);
	atomic_store(&handover->result, r);
	return 0;
}

int og_listener_install(const struct sock_fprog *program, unsigned int flags, int socket_fd,
			const char *message, struct og_err *err)
{
	struct handover handover = {
		.socket_fd = socket_fd, .message = message, .listener_fd = -1, .result = 1
	};
	/* It goes with execve(): until then the thread may still be about to end. */
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	long fd;

	if (stack == MAP_FAILED)
		return og_fail(err, -errno, "make the thread that sends the seccomp listener");
	if (clone(hand_over, stack + STACK_BYTES,
		  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
		  &handover) < 0)
		return og_fail(err, -errno, "make the thread that sends the seccomp listener");
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER,
		     program);
	if (fd < 0) {
		int code = -errno;

		atomic_store(&handover.listener_fd, -2);
		return og_fail(err, code, "install the seccomp filter");
	}
	atomic_store(&handover.listener_fd, (int)fd);
	while (atomic_load(&handover.result) > 0)
		; /* any call could be one that the listener is to answer */
	if (handover.result < 0)
		return og_fail(err, handover.result, "send the seccomp listener");
	return 0;
}

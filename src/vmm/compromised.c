/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the weakened build alone (base/weak.h): does what somebody would do first who has taken over
 * the thread that serves the devices, each attempt by its name, "A80-open" and so on, and says how
 * it went; "A80-front-open" is the front's before its machine runs, "A80-running-open" after. Without
 * the names "A80-seccomp", "A80-namespaces" and "A80-front-seccomp" the jail stands in the way.
 */
#include "vmm/compromised.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weak.h"

static long try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long try_execve(void)
{
	char *const argv[] = { "true", NULL }, *const none[] = { NULL };
	int r = access("/bin/true", X_OK);

	return r < 0 ? r : execve("/bin/true", argv, none);
}

/* Reaching somebody is what counts, not the socket. */
static long try_socket(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = fd < 0 ? fd : connect(fd, (struct sockaddr *)&address, sizeof(address));
	return r < 0 && errno == ECONNREFUSED ? 0 : r;
}

static long try_ptrace(void)
{
	return getppid() == 0 ? (errno = ESRCH, -1) : ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long try_kill(void)
{
	return kill(getppid() == 0 ? 1000000 : getppid(), 0);
}

static long try_mprotect(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return syscall(SYS_mprotect, page, sizeof(page), 7);
}

static long try_setuid(void)
{
	return setuid(0);
}

static long try_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static const struct {
	const char *name;
	long (*run)(void);
} attempts[] = {
	{ "open", try_open },	  { "execve", try_execve },   { "socket", try_socket },
	{ "ptrace", try_ptrace }, { "kill", try_kill },	      { "mprotect", try_mprotect },
	{ "setuid", try_setuid }, { "unshare", try_unshare },
};

void og_act_compromised(const char *where)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		char name[32], text[64];
		int len;

		(void)snprintf(name, sizeof(name), "A80-%s%s", where, attempts[i].name);
		if (!og_weak(name))
			continue;
		len = snprintf(text, sizeof(text), "%s: %s\n", name,
			       attempts[i].run() < 0 ? strerrorname_np(errno) : "succeeded");
		(void)!write(STDERR_FILENO, text, (size_t)len);
	}
}

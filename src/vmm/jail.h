/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process of a machine gives up, in two steps. Before the guest is built (og_jail_enter,
 * og_jail_prepare): the host's users, files, networks, processes, names; core dumps, being traced
 * by its equals, new privileges. Before the guest runs, thread by thread: every system call but the
 * few that serving it takes (seccomp; anything else kills the process).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Begin with OG_JAIL_NONE. */
struct og_jail_config {
	bool enabled;
	uid_t uid; /* 0: one of its own, by the process's number; without root always the caller's */
	gid_t gid;	  /* 0: as uid */
	int cgroup_fd;	  /* cgroup.procs of the group to enter, borrowed; negative: stay */
	unsigned max_fds; /* RLIMIT_NOFILE; 0: as it is */
	unsigned long long max_file_bytes; /* RLIMIT_FSIZE; 0: as it is */
};

#define OG_JAIL_NONE            \
	{                       \
		.cgroup_fd = -1 \
	}

/*
 * Where a machine's process begins in a PID namespace of its own (process.h), the flags for clone()
 * beside SIGCHLD: without root a user namespace must come with it.
 */
int og_jail_clone_flags(const struct og_jail_config *config);

/* Who started the process, as seen from where it was started. */
struct og_jail_origin {
	bool cloned; /* with og_jail_clone_flags() */
	uid_t uid;
	gid_t gid;
	pid_t pid; /* makes the user that root becomes a machine's own */
};

struct og_jail_origin og_jail_origin(void);

/*
 * Once, first of all, in a process of one thread that has opened what it needs. Enters the cgroup,
 * becomes another user, enters own user, mount, network, IPC, UTS and cgroup namespaces, with an
 * empty read-only root, sets limits and drops every capability.
 * Errors: what the kernel refuses, with its text: nothing is left out silently but the user
 * namespace, where the host forbids those to ordinary users and the process began as root.
 */
int og_jail_enter(const struct og_jail_config *config, const struct og_jail_origin *origin,
		  struct og_err *err);

/* For good: no capability but those of @caps (bit n: capability n, the first 32). */
int og_jail_keep_capabilities(uint64_t caps, struct og_err *err);

/* Once, early. Afterwards /proc/self belongs to root, and a file too large is EFBIG alone. */
int og_jail_prepare(struct og_err *err);

/* The calling thread alone, for good. */
int og_jail_vcpu(struct og_err *err);
int og_jail_vcpu_pci(struct og_err *err); /* may move BARs and interrupt messages, too */

/* What the I/O thread is for beside serving the guest: each takes system calls of its own. */
enum {
	OG_JAIL_SNAPSHOTS = 1 << 0,
	OG_JAIL_FORKS = 1 << 1, /* building another machine as well; never a file or a socket */
};

int og_jail_io(unsigned powers, struct og_err *err);

/*
 * The front of a machine (vmmapi/front.h), with all that it starts: before it reads anything it gives
 * up programs, the network, others' processes, the kernel's inside and new code. Once its machine
 * runs it keeps what serving the API, and being forked for a clone, takes.
 */
int og_jail_front(struct og_err *err);
int og_jail_front_running(struct og_err *err);

/* The process that connects to Unix sockets for a machine (broker.h). */
int og_jail_broker(struct og_err *err);

/* The process that serves a folder to a guest (fs/helper.h). */
int og_jail_fs(bool readonly, struct og_err *err);

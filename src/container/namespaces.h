/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces(7): which are new, which are joined, and what has to be done on which side. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/oci_config.h"

struct og_namespaces {
	uint64_t clone_flags; /* new ones that clone3() makes */
	bool new_user, new_cgroup, new_time;
	bool joins_user;
	bool ordinary;		       /* we are not root: only in a user namespace */
	bool by_helper;		       /* see clone_helper.c */
	int join_fds[OG_OCI_NS_COUNT]; /* -EBADF: not joined; owned */
	int own_pid_fd;		       /* ours, where one is joined; owned */
};

/*
 * Opens what is to be joined, and checks what the configuration wants of its namespaces. Errors:
 * also -EINVAL (the path is another kind of namespace).
 */
int og_namespaces_open(const struct og_oci_config *config, struct og_namespaces *ret_namespaces,
		       struct og_err *err);
void og_namespaces_done(struct og_namespaces *namespaces);

/*
 * In the runtime, around the clone: joining a pid namespace concerns only children, and the
 * hooks that follow are the host's again.
 */
int og_namespaces_before(struct og_namespaces *namespaces, struct og_err *err);
int og_namespaces_after(const struct og_namespaces *namespaces, struct og_err *err);

/* In the child, first of all: joins, the user namespace last. */
int og_namespaces_join(const struct og_namespaces *namespaces, struct og_err *err);

/* In the child: makes a time namespace with linux.timeOffsets, and enters it. */
int og_namespaces_time(const struct og_oci_linux *config, struct og_err *err);

/* In the runtime, for a child in a new user namespace that waits for it. */
int og_namespaces_map(pid_t pid, const struct og_oci_linux *config, struct og_err *err);

/* In the child, after that: root of the namespace. */
int og_namespaces_become_root(struct og_err *err);

/* Host name, domain name and linux.sysctl, in the namespaces that they belong to. */
int og_namespaces_settings(const struct og_oci_config *config, struct og_err *err);

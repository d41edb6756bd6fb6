/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static inline int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static inline int pidfd_getfd(int pid_fd, int fd, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_getfd, pid_fd, fd, flags);
}

static inline int pidfd_send_signal(int pid_fd, int number, siginfo_t *info, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_send_signal, pid_fd, number, info, flags);
}

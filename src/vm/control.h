/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `kill` and `exec` say to a running supervisor: a message socket ROOT/ID/vm.sock. One
 * connection is one request; that of an exec stays open until its process has ended.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "format/guest.h"

enum og_vm_op {
	OG_VM_KILL = 1,	  /* signal, all */
	OG_VM_EXEC = 2,	  /* terminal; descriptors: stdin, stdout, stderr, a file with the start
			     frame's payload. Answered when it runs, and again when it has ended */
	OG_VM_RESIZE = 3, /* on an exec's connection: rows, columns; not answered */
	OG_VM_SIGNAL = 4, /* on an exec's connection: signal; not answered */
	OG_VM_STATS = 5,
};

#define OG_VM_EXEC_FDS 4

struct og_vm_request {
	uint32_t op;
	int32_t signal;
	uint32_t all, terminal, rows, columns;
};

struct og_vm_answer {
	int32_t code;	 /* 0 or a negative errno, then with a text */
	uint32_t status; /* of an exec that has ended */
	struct og_guest_stats stats;
	char text[OG_ERR_TEXT_MAX];
};

/* Makes the socket in @dir_fd. Returns the listening descriptor. */
int og_vm_control_open(int dir_fd, struct og_err *err);

/* Errors: -ESRCH (no supervisor listens: the workload has ended). */
int og_vm_control_connect(int dir_fd, struct og_err *err);

/* Sends one request with @fds and waits for its answer, whose code and text become the result. */
int og_vm_control_ask(int fd, const struct og_vm_request *request, const int *fds, size_t fd_count,
		      struct og_vm_answer *ret_answer, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one process, workload or exec, and the clients that are attached to them.
 *
 * Output goes to the log and, as stream frames (raw with a terminal), to each client; when a
 * client's queue is over OG_MONITOR_QUEUE_MAX the process's output is not read until that client
 * has taken it, so that nothing is lost and memory stays bounded. An onlooker that takes nothing
 * for OG_MONITOR_STALL_MS meanwhile is disconnected. Input comes from any client that asked for
 * it, in the order of its arrival.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "monitor/client.h"
#include "monitor/log.h"

struct og_hub;

typedef void og_hub_fn(void *data);

struct og_hub_setup {
	struct og_loop *loop;
	struct og_log *log; /* borrowed; NULL: none */
	bool tty;
	bool open_stdin; /* else the process reads /dev/null */
	bool end_stdin; /* a client's end of input ends the process's stdin (never of a terminal) */
	og_hub_fn *
		drained; /* the process has ended and the last client has its all; may free the hub */
	void *data;
};

/* On success *@ret_hub is the caller's to free. */
int og_hub_new(const struct og_hub_setup *setup, struct og_hub **ret_hub, struct og_err *err);

/* Disconnects everyone. Accepts NULL. Always returns NULL. */
struct og_hub *og_hub_free(struct og_hub *hub);
OG_DEFINE_CLEANUP(struct og_hub, og_hub_free)

/* Descriptors that the process shall have as 0, 1 and 2; -1 for /dev/null. The hub's. */
const int *og_hub_child_fds(const struct og_hub *hub);

/* The process has them now: closes ours, so that its end is seen. */
void og_hub_close_child_fds(struct og_hub *hub);

/* Takes the terminal's master over and sets its size. */
int og_hub_set_terminal(struct og_hub *hub, int master_fd, struct og_err *err);
int og_hub_resize(struct og_hub *hub, uint16_t rows, uint16_t columns, struct og_err *err);

/* Begins to read the process's output. */
void og_hub_open(struct og_hub *hub);

/*
 * Takes @fd, a non-blocking stream socket, over in every case. @early: bytes of input that were
 * read from it already. @front: it may hold the process up for ever.
 */
int og_hub_attach(struct og_hub *hub, int fd, const struct og_monitor_streams *streams, bool front,
		  const void *early, size_t early_len, struct og_err *err);

size_t og_hub_clients(const struct og_hub *hub);

/*
 * The process has ended: reads what is left, gives it to the log and the clients' queues, and ends
 * each connection once its queue is empty. Where another process holds its output still, that is
 * read until it is silent. `drained` follows, at once where there is no client and no such process.
 */
void og_hub_end(struct og_hub *hub);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told to a machine's process while its guest runs: one command at a time over a pair of
 * SEQPACKET sockets, each answered by one message. Both ends are of one program, so that a body is a
 * struct as it is in memory. The machine's end belongs to a process that its guest may have taken
 * over: whoever asks takes an answer for no more than numbers and text.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "vmm/limits.h"

/* The largest struct that passes; descriptors with it. */
#define OG_COMMAND_BODY_MAX 3072
#define OG_COMMAND_FDS_MAX  32

enum og_command_kind {
	OG_COMMAND_STATUS, /* answer: struct og_status */
	OG_COMMAND_PAUSE,
	OG_COMMAND_RESUME,
	OG_COMMAND_DEVICE,   /* to the device @id: its own struct; answer: its own */
	OG_COMMAND_SNAPSHOT, /* vmm/snapshot/ */
	OG_COMMAND_FORK,
	OG_COMMAND_PIN,	 /* struct og_pin */
	OG_COMMAND_MMDS, /* a descriptor of the new data */
	OG_COMMAND_STOP, /* ends the machine */
	OG_COMMAND_CTRL_ALT_DEL,
	OG_COMMAND_KINDS
};

/* A vCPU's thread stays on the host's CPUs of @mask (bit n: CPU n). */
struct og_pin {
	uint32_t vcpu;
	uint64_t mask[16];
};

struct og_status {
	uint32_t paused;
	uint32_t vcpus;
};

struct og_command {
	uint32_t kind;
	uint32_t bytes; /* of @body */
	char id[OG_VMM_ID_MAX];
	_Alignas(8) uint8_t body[OG_COMMAND_BODY_MAX];
};

struct og_answer {
	int32_t code; /* 0 or a negative errno; then @text says why */
	uint32_t bytes;
	char text[sizeof(((struct og_err *)0)->text)];
	_Alignas(8) uint8_t body[OG_COMMAND_BODY_MAX];
};

/* A pair: @ret_fds[0] for who asks, @ret_fds[1] for the machine. Both the caller's. */
int og_control_pair(int ret_fds[2], struct og_err *err);

/*
 * Asks and waits for the answer. @fds stay the caller's. Errors: the answer's own, with its text;
 * -EPIPE (the machine has ended).
 */
int og_control_call(int fd, const struct og_command *command, const int *fds, unsigned n_fds,
		    struct og_answer *ret_answer, struct og_err *err);

/* For commands without a body and without an answer of interest. */
int og_control_tell(int fd, enum og_command_kind kind, struct og_err *err);

/* The machine's side. Receives without waiting: 1, 0 (none), or an error; -EPIPE: nobody asks any
 * more. @ret_fds has room for OG_COMMAND_FDS_MAX, the caller's; those that did not come are
 * negative. */
int og_control_receive(int fd, struct og_command *ret_command, int *ret_fds, unsigned *ret_n_fds,
		       struct og_err *err);
int og_control_answer(int fd, const struct og_answer *answer);

/* The front's: waits for the first message of a machine that was started: how that went. */
int og_control_wait(int fd, struct og_answer *ret_answer, struct og_err *err);

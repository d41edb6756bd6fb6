/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest protocol: what a VM's supervisor on the host and onggi-init in the guest say to each
 * other over one byte stream (docs/guest-protocol.md has it byte by byte). Frames of a 12-byte
 * header and a payload; all numbers little-endian. Neither side believes the other: every frame is
 * checked here before anyone acts on it. No I/O.
 *
 * Processes have numbers that the host chooses; 1 is the workload, all others are execs. Each has
 * three streams, each with credit: a sender has OG_GUEST_WINDOW bytes to begin with, and gets back
 * what the receiver has passed on, so that one slow stream never holds up another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#define OG_GUEST_VERSION 1
#define OG_GUEST_PORT	 "org.onggi.guest" /* the virtio-console port's name */
#define OG_GUEST_MAIN	 1U		   /* the number of the workload's process */

#define OG_GUEST_HEADER_BYTES 12
#define OG_GUEST_DATA_MAX     (64U * 1024U)  /* as much as a pipe holds */
#define OG_GUEST_WINDOW	      (256U * 1024U) /* hides the latency of an emulated device */
#define OG_GUEST_START_MAX    (1024U * 1024U) /* arguments and environment; Linux itself takes 2 MiB */
#define OG_GUEST_TEXT_MAX     4096U	      /* of an error */
#define OG_GUEST_PROCESSES    1024U /* at a time: bounds what a host can make a guest keep */

enum og_guest_type {
	OG_GUEST_HELLO = 1,   /* both: u32 version. The guest's comes when its root is mounted */
	OG_GUEST_FAILED = 2,  /* guest: text; it cannot serve, and powers off */
	OG_GUEST_START = 3,   /* host: struct og_guest_start */
	OG_GUEST_STARTED = 4, /* guest: the program is running */
	OG_GUEST_REFUSED = 5, /* guest: u32 errno, text; it is not */
	OG_GUEST_DATA = 6,    /* both: bytes of a stream */
	OG_GUEST_CLOSE = 7,   /* both: a stream's end; from a receiver: nobody reads any more */
	OG_GUEST_CREDIT = 8,  /* both: u32 bytes of a stream passed on */
	OG_GUEST_SIGNAL = 9,  /* host: u32 signal, u32 1 = to all processes of the workload */
	OG_GUEST_RESIZE = 10, /* host: u32 rows, u32 columns */
	OG_GUEST_EXITED =
		11, /* guest: u32 exit status or 0, u32 signal or 0; its streams may go on */
	OG_GUEST_STATS = 12,   /* host: empty; guest: struct og_guest_stats */
	OG_GUEST_SHUTDOWN = 13 /* host: end all processes, write all data, power off */
};

enum og_guest_stream {
	OG_GUEST_STDIN = 0,
	OG_GUEST_STDOUT = 1,
	OG_GUEST_STDERR = 2,
	OG_GUEST_STREAMS = 3,
};

struct og_guest_frame {
	enum og_guest_type type;
	enum og_guest_stream stream; /* of data, close and credit; else 0 */
	uint32_t process;	     /* 0 for what concerns no process */
	const uint8_t *payload;
	uint32_t len;
};

/* "start", for messages. */
const char *og_guest_type_name(enum og_guest_type type);

/*
 * Bytes as they arrive become frames. @from_guest says whose words these are: what only the other
 * side may say is refused.
 */
struct og_guest_inbox;

int og_guest_inbox_new(bool from_guest, struct og_guest_inbox **ret_inbox, struct og_err *err);
struct og_guest_inbox *og_guest_inbox_free(struct og_guest_inbox *inbox);
OG_DEFINE_CLEANUP(struct og_guest_inbox, og_guest_inbox_free)

/* Where to put the next bytes, at least 1, and how many fit. Ends the life of the last frame. */
uint8_t *og_guest_inbox_space(struct og_guest_inbox *inbox, size_t *ret_len);
void og_guest_inbox_added(struct og_guest_inbox *inbox, size_t len);

/*
 * Returns 1 with the next whole frame, its payload borrowed until og_guest_inbox_space(); 0 when
 * more bytes are needed; -EPROTO for bytes that are no frame: nothing after them can be read.
 */
int og_guest_inbox_next(struct og_guest_inbox *inbox, struct og_guest_frame *ret_frame,
			struct og_err *err);

/* Adds one frame to @out. @payload may be NULL where @len is 0. */
void og_guest_put(struct og_text *out, enum og_guest_type type, uint32_t process,
		  enum og_guest_stream stream, const void *payload, size_t len);

/* Payloads of one or two numbers; for these og_guest_inbox_next() has checked the length. */
void og_guest_put_numbers(struct og_text *out, enum og_guest_type type, uint32_t process,
			  enum og_guest_stream stream, uint32_t first, uint32_t second);
uint32_t og_guest_number(const struct og_guest_frame *frame, unsigned int index);

/* A number and a text (refused), or a text alone (failed): cut to OG_GUEST_TEXT_MAX. */
void og_guest_put_failure(struct og_text *out, uint32_t process, int code, const char *text);
/* The text of such a frame, printable ASCII and UTF-8 only, as new memory; NULL when out of it. */
char *og_guest_failure_text(const struct og_guest_frame *frame);

/* What a process is started with. Lists end with NULL. Who fills it in keeps what it points to. */
struct og_guest_rlimit {
	uint32_t resource; /* RLIMIT_... of Linux on x86 */
	uint64_t soft;
	uint64_t hard;
};

struct og_guest_start {
	const char *const *argv; /* at least one; looked up in the PATH of env, in the guest */
	const char *const *env;	 /* NAME=VALUE */
	const char *cwd;	 /* absolute; created when missing; NULL: "/" */
	const char *user;	 /* "name|uid[:group|gid]" looked up in the guest; NULL: uid, gid */
	uint32_t uid, gid;
	const uint32_t *groups; /* further groups */
	size_t group_count;
	uint32_t umask;
	uint64_t caps[5]; /* bounding, effective, inheritable, permitted, ambient */
	const struct og_guest_rlimit *rlimits;
	size_t rlimit_count;
	uint32_t flags;	    /* OG_GUEST_F_... */
	uint32_t oom_score; /* oom_score_adj + 1000 */
	uint32_t rows, columns;

	/* Of the workload alone (process OG_GUEST_MAIN): the world it sees. */
	const char *hostname;	     /* NULL: the guest's */
	const char *const *mounts;   /* groups of four: type, destination, source, options "a,b" */
	const char *const *masked;   /* paths made empty */
	const char *const *readonly; /* paths made read-only */
	const char *const *sysctls;  /* pairs: "net.ipv4.ip_forward", "1" */
	const char *const
		*files; /* pairs: absolute path, text; laid over the image, not written into it */
	uint32_t pids_limit; /* processes at a time; 0: no limit */
};

#define OG_GUEST_F_TERMINAL	(1U << 0) /* a terminal for all three streams; no stderr */
#define OG_GUEST_F_NO_NEW_PRIVS (1U << 1)
#define OG_GUEST_F_READONLY	(1U << 2) /* the root */
#define OG_GUEST_F_STDIN	(1U << 3) /* stdin is a pipe; else /dev/null */
#define OG_GUEST_F_ALL		((1U << 4) - 1)

/* Errors: -E2BIG (the whole is longer than OG_GUEST_START_MAX), -ENOMEM. */
int og_guest_put_start(struct og_text *out, uint32_t process, const struct og_guest_start *start,
		       struct og_err *err);

/* On success @ret_start owns what it points to: og_guest_start_done(). Errors: -EPROTO, -ENOMEM. */
int og_guest_get_start(const struct og_guest_frame *frame, struct og_guest_start *ret_start,
		       struct og_err *err);
void og_guest_start_done(struct og_guest_start *start);

struct og_guest_stats {
	uint64_t memory_bytes; /* used in the guest, page cache not counted */
	uint64_t memory_total; /* that the guest has */
	uint64_t cpu_usec;     /* of all its processors, not idle */
	uint64_t processes;    /* of the workload */
};

void og_guest_put_stats(struct og_text *out, const struct og_guest_stats *stats);
/* Errors: -EPROTO. */
int og_guest_get_stats(const struct og_guest_frame *frame, struct og_guest_stats *ret_stats,
		       struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a registry: an OCI image layout (image-spec, image-layout.md), and beside it
 * uploads/ and quarantine/. A blob gets its name when it is whole, verified and flushed.
 *
 * None is served whole that is not what its name says. Blobs up to OG_STORE_SMALL are read and hashed
 * each time, which costs microseconds, and served from that memory. Larger ones are hashed once since
 * the start and again when the file has changed (inode, size, times); what was just written was hashed
 * on its way. That goes on while they are sent, but the last OG_STORE_HELD bytes of each answer wait
 * for it. No byte of a blob's last OG_STORE_HELD goes out before the verdict, however clients lay
 * their ranges, since a range that has it ends at the blob's end or before and keeps its own end back.
 * A blob that fails goes to quarantine/ and is then not there: clients push it again.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/blob_digest.h"

#define OG_STORE_SMALL (128U << 10) /* bytes; most manifests and configurations */

/* Known good files; a place for each of some inode numbers. */
#define OG_STORE_VERIFIED 2048U

/* Files that are hashed at a time. */
#define OG_STORE_CHECKS_MAX 8U

/* What is kept back of an answer until its blob is verified: enough that what came of a compressed
 * archive lacks its end for those, too, who do not count bytes. */
#define OG_STORE_HELD (64U << 10)

struct og_store_verified {
	uint64_t device, inode, size;
	struct timespec changed, modified;
};

struct og_blob_store {
	int root_fd; /* of the layout */
	int sha256_fd, sha512_fd, uploads_fd, quarantine_fd;
	int other_fd; /* an engine's blobs/sha256 on the same file system, or -EBADF */
	void (*log)(void *data, const char *line);
	void *log_data;
	atomic_bool stopping;
	pthread_mutex_t lock; /* over what follows */
	struct og_store_verified verified[OG_STORE_VERIFIED];
	struct og_store_check *checks; /* that go on */
	unsigned check_count;
	pthread_cond_t check_ended;
};

/* Opens or makes what lies below @root_fd, which is taken over. og_blob_store_done() takes a store
 * that was begun, even in vain. */
int og_blob_store_open(struct og_blob_store *store, int root_fd, struct og_err *err);
void og_blob_store_done(struct og_blob_store *store);

/* The folder of a digest's algorithm; the file is called og_blob_digest_hex(). */
int og_blob_store_folder(const struct og_blob_store *store, const struct og_blob_digest *digest);

/* Is there a file? Not whether it is good. */
bool og_blob_store_has(const struct og_blob_store *store, const struct og_blob_digest *digest);

/* A new file without a name, where blobs are. */
int og_blob_store_temp(const struct og_blob_store *store, struct og_err *err);

/*
 * Flushes @fd, whose content has the digest, and gives it its name, durably. @upload: its name in
 * uploads/, which it loses, or NULL for a file without a name. A good file that is there already is
 * kept, and @fd's not needed; a bad one is put aside.
 */
int og_blob_store_publish(struct og_blob_store *store, int fd, const char *upload,
			  const struct og_blob_digest *digest, struct og_err *err);

/* In a writer's turn: the collector may have removed it since og_blob_store_publish(). */
int og_blob_store_republish(struct og_blob_store *store, int fd, const char *upload,
			    const struct og_blob_digest *digest, struct og_err *err);

/* The hashing of a large file, which goes on by itself. */
struct og_store_check;

/* Accepts NULL. Always returns NULL. The hashing goes on. */
struct og_store_check *og_store_check_free(struct og_store_check *check);
OG_DEFINE_CLEANUP(struct og_store_check, og_store_check_free)

/* Readable when there is a result. Borrowed. */
int og_store_check_fd(const struct og_store_check *check);

/* Waits for it. Errors: -EUCLEAN (damaged, and put aside), -EAGAIN (it changed meanwhile), -ECANCELED
 * (the store is closed), -EIO. */
int og_store_check_result(struct og_store_check *check, struct og_err *err);

enum og_store_open {
	OG_STORE_LOOK, /* only whether it is there and how long it is: a large one is not verified */
	OG_STORE_BEGIN,	 /* a large one's verification has begun, and may not be over */
	OG_STORE_VERIFY, /* it is verified */
};

/* A blob that was opened. Begin with .fd = -EBADF. */
struct og_store_blob {
	int fd;	   /* owned; -EBADF: it was read, or only looked at */
	char *buf; /* owned; of a small one */
	uint64_t size;
	struct og_store_check *check; /* owned; NULL: it is verified */
};

void og_store_blob_done(struct og_store_blob *blob);

/*
 * Opens a blob; @blob is empty. @recorded: how long it should be; one that is not is verified at once.
 * Errors: -ENOENT (also of one that failed, which is logged and put aside), -EIO, -ENOMEM.
 */
int og_blob_store_open_blob(struct og_blob_store *store, const struct og_blob_digest *digest,
			    enum og_store_open how, uint64_t recorded, struct og_store_blob *blob,
			    struct og_err *err);

/* Reads and verifies one of at most @max_bytes. Errors: -ENOENT, -EFBIG. */
int og_blob_store_read(struct og_blob_store *store, const struct og_blob_digest *digest,
		       size_t max_bytes, char **ret_buf, size_t *ret_len, struct og_err *err);

/*
 * Hashes the file, past the cache of known good ones. 0: good; -EUCLEAN: it was bad and has been put
 * aside. @pace is called with the bytes of each piece that was read; may be NULL.
 */
int og_blob_store_check(struct og_blob_store *store, const struct og_blob_digest *digest,
			int (*pace)(void *data, uint64_t bytes), void *data, uint64_t *ret_bytes,
			struct og_err *err);

void og_blob_store_log(const struct og_blob_store *store, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to store.c: whether files are what their names say, and which are known to be.
 *
 * Large ones are hashed by a thread beside those who send them (struct og_store_check). It does not
 * wait for them: a client that reads slowly holds up its own answer and nobody else's, and whoever
 * asks for the same file meanwhile waits for the same hash. Of at most OG_STORE_CHECKS_MAX files at a
 * time, so that a crowd's first pulls leave processors for the rest.
 */
#pragma once

#include "base/hash.h"
#include "registry/store.h"

struct verify_pace {
	int (*fn)(void *data, uint64_t bytes); /* with the bytes of each piece; may be NULL */
	void *data;
	uint64_t bytes; /* read so far */
};

void verify_init(struct og_blob_store *store);

/* Ends what is being hashed. */
void verify_done(struct og_blob_store *store);

int verify_hash(int fd, enum og_hash_kind kind, struct verify_pace *pace,
		uint8_t ret_hash[OG_HASH_BYTES_MAX], struct og_err *err);
bool verify_matches(const struct og_blob_digest *digest, const uint8_t *hash);

/* A file that cannot be read is bad too; one that is too long to hold is not its fault. */
bool verify_is_fault_of_file(int r);

/* Moves the file to quarantine/ if it still has its name. What has another name on the engine's side
 * is left to it. */
void verify_put_aside(struct og_blob_store *store, const struct og_blob_digest *digest,
		      uint64_t inode);

/* Hashes the file, known or not. -EUCLEAN: it was bad and has been put aside. */
int verify_fd(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
	      struct verify_pace *pace, struct og_err *err);

/* Likewise unless it is known to be good; when it is being hashed, that one's result. */
int verify_unless_known(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
			struct og_err *err);

/* Likewise, but a large one's result comes later: *@ret_check is the caller's to free, NULL when the
 * file is good. */
int verify_begin(struct og_blob_store *store, int fd, const struct og_blob_digest *digest,
		 struct og_store_check **ret_check, struct og_err *err);

/* What is in it was hashed on its way. */
void verify_remember(struct og_blob_store *store, int fd);

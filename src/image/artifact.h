/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots and disks of VMs as OCI artifacts (docs/snapshot-artifacts.md): files are cut into chunks,
 * chunks that are new go into packs, and an index says which are where. What an earlier artifact of
 * the repository has is not sent again. It knows nothing of what is in the files.
 */
#pragma once

#include "format/vm_index.h"
#include "image/images.h"
#include "image/remote.h"

/* Bytes that a pull lays down at most unless told otherwise: a small index may name much. */
#define OG_VM_PULL_BYTES ((uint64_t)256 << 30)

struct og_vm_pack {
	struct og_digest digest;
	uint64_t size; /* bytes as it travels */
};

/* What a registry says of one, checked as far as that is possible without its packs. */
struct og_vm_artifact {
	struct og_digest digest; /* of the manifest */
	bool is_disk;
	struct og_vm_index index;
	struct og_vm_pack *packs; /* index.pack_count; owned */
	uint64_t stored_bytes;	  /* of all packs and of the index */
	struct og_json *config;	  /* owned: for people, it decides nothing */
};

void og_vm_artifact_done(struct og_vm_artifact *artifact);

/*
 * Reads the artifact @reference (a tag or a digest). The caller ends *@ret_artifact. Errors: -ENOENT,
 * -ENOTSUP (it is something else), -EBADMSG (it contradicts itself), -E2BIG, the registry's.
 */
int og_vm_artifact_read(struct og_remote *registry, struct og_http_client *client,
			const char *reference, struct og_vm_artifact *ret_artifact,
			struct og_err *err);

struct og_vm_push {
	struct og_remote *registry; /* opened for pull and push */
	struct og_http_client *client;
	const char *path; /* a folder of regular files: a snapshot; or a file: a disk */
	const char *tag;
	const char *
		base; /* tag or digest of an artifact there to share packs with; NULL: @tag itself */
};

struct og_vm_pushed {
	struct og_digest digest; /* of the manifest */
	uint64_t data_bytes;	 /* of the files, without holes and zeros */
	uint64_t sent_bytes;	 /* of blobs that the registry had not */
	uint32_t packs, packs_sent, packs_shared;
};

/*
 * The files must not change meanwhile. Errors: -EINVAL (a name or a kind of file that cannot be
 * carried), -EBUSY (a file changed), -E2BIG, the kernel's and the registry's.
 */
int og_vm_push(const struct og_vm_push *push, struct og_vm_pushed *ret_pushed, struct og_err *err);

struct og_vm_pull {
	struct og_remote *registry;
	struct og_http_client *client;
	const char *reference; /* tag or digest */
	const char *folder;    /* to be made: it must not be there */
	uint64_t max_bytes;    /* that are laid down */
};

struct og_vm_pulled {
	struct og_digest digest;
	uint64_t received_bytes;
	uint32_t files;
};

/*
 * Every chunk is checked against its digest; holes stay holes. The folder appears whole, flushed, or not at
 * all. Errors: -EEXIST, -EBADMSG, -E2BIG (over @max_bytes), -ENOSPC (before a byte is written, where that
 * can be told), those of og_vm_artifact_read() and the kernel's.
 */
int og_vm_pull(const struct og_vm_pull *pull, struct og_vm_pulled *ret_pulled, struct og_err *err);

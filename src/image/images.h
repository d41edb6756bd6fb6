/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store: what `pull`, `load`, `import`, `save`, `images`, `tag` and `rmi` are about, and
 * where the files lie that an image runs from. It knows no workload, no isolation and no HTTP
 * server; what runs is told to it through a callback.
 *
 * Below the data root: blobs/sha256/HEX (what was received, by digest), layers/HEX.erofs (one a
 * layer, HEX is its diffID), recipes/HEX (in place of a blob that is a plain tar: recipe.h),
 * merged/HEX.erofs (HEX is the chain ID) and images.db. Files appear
 * whole, flushed and verified, or not at all; the record of an image is written last, in one
 * transaction. A process killed at any moment leaves at most files that no image refers to; the
 * next og_images_open() removes them.
 *
 * All functions may be called from several threads at once. Callbacks run on threads of the
 * library, one at a time for one operation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

struct og_images;

/*
 * Opens the store below @data_root_fd, which stays the caller's, makes what is missing and clears
 * away what a killed process left. On success *@ret_images is the caller's to free.
 *
 * Errors: -EBUSY (another process has this data root), -ENOMEM, -EUCLEAN (the database is damaged
 * or from a newer onggi), or the kernel's.
 */
int og_images_open(int data_root_fd, struct og_images **ret_images, struct og_err *err);

/* No operation may be under way. Accepts NULL. Always returns NULL. */
struct og_images *og_images_free(struct og_images *images);
OG_DEFINE_CLEANUP(struct og_images, og_images_free)

/* ---- one image ---- */

/* A snapshot of what is known of one image. Plain data, owned by whoever got it. */
struct og_image {
	char *id;		/* "sha256:HEX", the digest of its configuration */
	char **repo_tags;	/* "busybox:latest", as Docker writes them; NULL-terminated */
	char **repo_digests;	/* "busybox@sha256:HEX"; NULL-terminated */
	char *manifest;		/* digest of the manifest it came with or that we made for it */
	char *created;		/* RFC 3339, "" when the image does not say */
	int64_t created_s;	/* the same since 1970, 0 when it does not say */
	uint64_t size;		/* bytes of its layers' files, uncompressed */
	char *architecture;	/* "amd64" */
	char *os;		/* "linux" */
	char *variant;		/* "v8", "" */
	char **diff_ids;	/* "sha256:HEX" bottom to top; NULL-terminated */
	uint64_t *layer_sizes;	/* bytes, one for each of diff_ids */
	char *chain_id;		/* "sha256:HEX", "" for an image without layers */
	struct og_json *config; /* the whole configuration document (config, history, rootfs ...) */
};

/* Accepts NULL. Always returns NULL. */
struct og_image *og_image_free(struct og_image *image);
OG_DEFINE_CLEANUP(struct og_image, og_image_free)

struct og_image **og_image_list_free(struct og_image **list);
OG_DEFINE_CLEANUP(struct og_image *, og_image_list_free)

/* All images, youngest first. On success *@ret_list is NULL-terminated and the caller's. */
int og_images_list(struct og_images *images, struct og_image ***ret_list, struct og_err *err);

/*
 * Finds by name ("debian:12", "debian@sha256:..."), by ID ("sha256:..." or bare hex) or by a
 * unique prefix of an ID; a name wins over a prefix. On success *@ret_image is the caller's.
 *
 * Errors: -ENOENT ("No such image: X"), -EINVAL (@name is no reference), -ENOTUNIQ (the prefix
 * fits several).
 */
int og_images_find(struct og_images *images, const char *name, struct og_image **ret_image,
		   struct og_err *err);

/*
 * The files an image runs from. parts[0] is mounted; the others are its devices, in the order of
 * its device table, bottom to top. For a VM they are concatenated: part i lies at byte
 * @offset of one read-only disk. A one-layer image may have only parts[0].
 */
struct og_rootfs_part {
	char *path;	 /* below the data root: "merged/HEX.erofs" */
	uint64_t offset; /* bytes; where it sits in the concatenation */
	uint64_t size;	 /* bytes of the file */
};

struct og_rootfs {
	struct og_rootfs_part *parts;
	size_t count;
};

void og_rootfs_done(struct og_rootfs *rootfs);

/*
 * @id: an image's full ID. On success @ret_rootfs is the caller's, to be ended by
 * og_rootfs_done(). The files stay while an image refers to them, so: record the workload first
 * (so that the og_image_use_fn below tells of it), then ask; an image removed in between
 * gives -ENOENT here.
 */
int og_images_rootfs(struct og_images *images, const char *id, struct og_rootfs *ret_rootfs,
		     struct og_err *err);

/* ---- getting images ---- */

/*
 * What is going on. @id: a layer's short ID (12 digits) or a tag, NULL for a line about the whole.
 * @total is 0 when unknown. @text is Docker's wording: "Pulling fs layer", "Downloading",
 * "Pull complete", "Already exists", "Digest: sha256:...", "Loading layer" ...; borrowed.
 */
struct og_progress {
	const char *id;
	const char *text;
	uint64_t current; /* bytes */
	uint64_t total;	  /* bytes */
};

/* Returns 0, or a negative errno to cancel the operation (a client that left: -ECANCELED). */
typedef int og_progress_fn(void *data, const struct og_progress *progress);

/* Returns bytes read, 0 at the end, or a negative errno. */
typedef ssize_t og_source_fn(void *data, void *buf, size_t len);

/* Takes all of @buf or returns a negative errno. */
typedef int og_sink_fn(void *data, const void *buf, size_t len);

struct og_platform {
	const char *os;		  /* NULL: "linux" */
	const char *architecture; /* NULL: this machine's, as Go names it: "amd64" */
	const char *variant;	  /* NULL: any */
};

struct og_pull {
	const char *reference; /* as a user wrote it: "debian", "host:5000/a/b:tag", "x@sha256:..." */
	struct og_platform platform;
	const char *user;	     /* NULL: anonymous */
	const char *password;	     /* NULL unless @user */
	const char *identity_token;  /* OAuth2 refresh token in place of a password, or NULL */
	const char *const *insecure; /* registries "host[:port]" that may use HTTP or a
					   * certificate nobody signed; NULL-terminated, or NULL */
	og_progress_fn *progress;    /* may be NULL */
	void *progress_data;
};

/*
 * Pulls an image: its progress ends with "Digest: ..." and "Status: ..." lines as Docker's does.
 * *@ret_id (may be NULL) is the image's full ID, the caller's to free.
 *
 * Errors: -EINVAL (reference), -ENOENT (no such repository or tag, no image for the platform),
 * -EACCES (the registry wants other credentials), -EBADMSG (what came is not what its digest,
 * size or manifest says), -EPROTO (no registry's answer), -E2BIG (over a limit), -ENOSPC, and
 * what the network says (-ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, ...).
 */
int og_images_pull(struct og_images *images, const struct og_pull *pull, char **ret_id,
		   struct og_err *err);

/*
 * The names "repository:tag" that images here have in the repository @name, NULL-terminated, the
 * caller's. Errors: -ENOENT (none), -EINVAL.
 */
int og_images_repository_tags(struct og_images *images, const char *name, char ***ret_names,
			      struct og_err *err);

struct og_push {
	const char *reference; /* "debian", "host:5000/a/b:tag": a name that an image here has */
	const char *user;      /* as of og_pull */
	const char *password;
	const char *identity_token;
	const char *const *insecure;
	og_progress_fn *progress; /* may be NULL */
	void *progress_data;
};

struct og_pushed {
	char tag[132];
	char digest[72]; /* "sha256:HEX" of the manifest */
	uint64_t size;	 /* bytes of it */
};

/*
 * Pushes the image with that name: under the manifest it came with, or, where that is not here
 * whole, one made for it. Its progress ends with "TAG: digest: ..." as Docker's does. The image gets the
 * name REPOSITORY@DIGEST.
 *
 * Errors: -EINVAL (reference), -ENOENT (no image of that name), -EACCES, -EUCLEAN (damaged here), the
 * registry's (registry.h) and the network's.
 */
int og_images_push(struct og_images *images, const struct og_push *options,
		   struct og_pushed *ret_pushed, struct og_err *err);

/*
 * Loads a docker-archive or oci-archive, whose members may come in any order, plain or compressed
 * as a whole. *@ret_loaded are the loaded references ("busybox:latest"), or IDs of images without
 * a name; NULL-terminated, the caller's. @platform chooses from an index; NULL: this machine's.
 *
 * Errors: -EBADMSG (no image, truncated, or not what its digests say), -E2BIG, -ENOSPC, those of @read.
 */
int og_images_load(struct og_images *images, og_source_fn *read, void *read_data,
		   const struct og_platform *platform, og_progress_fn *progress,
		   void *progress_data, char ***ret_loaded, struct og_err *err);

struct og_import {
	const char *reference; /* name and tag to give, NULL or "": none */
	const char *message;   /* comment of the history entry; NULL: "" */
	struct og_platform platform;
	/* Dockerfile instructions that fill its configuration ("CMD [\"sh\"]", "ENV a=b"),
	 * NULL-terminated, or NULL. Understood: those that `docker import --change` takes. */
	const char *const *changes;
	og_progress_fn *progress; /* may be NULL */
	void *progress_data;
};

/* Makes a one-layer image of a root file system's tar, plain, gzip or zstd. Errors: as for load. */
int og_images_import(struct og_images *images, og_source_fn *read, void *read_data,
		     const struct og_import *import, char **ret_id, struct og_err *err);

enum og_archive_format {
	OG_ARCHIVE_DOCKER, /* manifest.json, with an OCI layout inside as today's Docker writes it */
	OG_ARCHIVE_OCI,	   /* oci-layout, index.json, blobs/ */
};

/*
 * Writes the named images (names or IDs, NULL-terminated) as one tar.
 * Errors: -ENOENT (no such image), those of @write.
 */
int og_images_save(struct og_images *images, const char *const *names,
		   enum og_archive_format format, og_sink_fn *write, void *write_data,
		   struct og_err *err);

/* ---- names and removal ---- */

/* Gives the image @source (name or ID) the further name @target ("repo[:tag]", no digest). */
int og_images_tag(struct og_images *images, const char *source, const char *target,
		  struct og_err *err);

enum og_image_use {
	OG_IMAGE_UNUSED,
	OG_IMAGE_USED_STOPPED,
	OG_IMAGE_USED_RUNNING,
};

/*
 * Which workload uses the image @id? Called with the store locked: it must not call the store.
 * @ret_workload (13 bytes) gets the workload's short ID for the error's text.
 */
typedef enum og_image_use og_image_use_fn(void *data, const char *id, char ret_workload[13]);

/* One line of what removal did. */
struct og_removed {
	bool deleted; /* else untagged */
	char *name;   /* "busybox:latest", "sha256:..." */
};

struct og_removed_list {
	struct og_removed *items;
	size_t count;
	uint64_t reclaimed_bytes; /* bytes of the files removed */
};

void og_removed_list_done(struct og_removed_list *list);

/*
 * Docker's rmi. A name is untagged; with its last name the image goes, unless a workload uses it. An
 * ID removes all its names and the image. Without @force: -EBUSY when a workload uses it, or when
 * an ID has names in several repositories. With @force: an image that is used loses its names and
 * stays; by its ID one that runs cannot be removed at all.
 * @in_use may be NULL. On success @ret_list is the caller's, to be ended by og_removed_list_done().
 *
 * Errors: -ENOENT, -EBUSY (the text is Docker's "conflict: ..."), -EINVAL, -ENOTUNIQ.
 */
int og_images_remove(struct og_images *images, const char *name, bool force,
		     og_image_use_fn *in_use, void *in_use_data, struct og_removed_list *ret_list,
		     struct og_err *err);

/* Removes unused images without a name (@all: unused ones with names too), then unreferenced files. */
int og_images_prune(struct og_images *images, bool all, og_image_use_fn *in_use, void *in_use_data,
		    struct og_removed_list *ret_list, struct og_err *err);

/* ---- what is asked of registries besides ---- */

struct og_login {
	const char *address; /* "host:5000", "https://index.docker.io/v1/"; "": Docker Hub */
	const char *user;
	const char *password;
	const char *identity_token;
	const char *const *insecure; /* as of og_pull */
};

/* Does the registry take these credentials? Errors: -EACCES, -EINVAL (address), the network's. */
int og_images_login(const struct og_login *login, struct og_err *err);

struct og_search {
	const char *term; /* "words": at Docker Hub; "host:5000/words", "host:5000/": at a registry */
	bool list_tags;	  /* @term is a repository, and its tags are the result */
	size_t limit;	  /* results */
	const char *user; /* as of og_pull */
	const char *password;
	const char *identity_token;
	const char *const *insecure;
};

struct og_found_repository {
	char *name; /* as one would pull it, "host:5000/a/b"; with its tag where tags are listed */
	char *description; /* "" where the registry has none, as all but Docker's */
	int64_t stars;
	bool official, automated;
};

struct og_search_result {
	struct og_found_repository *items; /* owned, with their texts */
	size_t count;
};

void og_search_result_done(struct og_search_result *result);

/*
 * Asks Docker's search where the registry has it, else looks through its catalog for names that hold
 * the words. The caller ends *@ret_result. Errors: -EINVAL (term), the registry's and the network's.
 */
int og_images_search(const struct og_search *search, struct og_search_result *ret_result,
		     struct og_err *err);

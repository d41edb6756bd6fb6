/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of a registry: OCI distribution-spec 1.1; Docker Registry HTTP API v2. One
 * og_remote speaks of one repository and is shared by the threads of one pull or push, each with a
 * client (og_http_client) of its own.
 *
 * HTTPS always, except to this machine (loopback) and to registries named as insecure: those may
 * show any certificate or, where HTTPS fails, speak HTTP. Credentials go to the registry itself
 * and to the token server it names, over the same kinds of connection and to nobody else.
 */
#pragma once

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/http_client.h"
#include "base/json.h"
#include "format/imageref.h"

#define OG_REMOTE_LIST_MAX	100000U	   /* names of one listing, whatever its pages say */
#define OG_REMOTE_REFERRERS_MAX 4096U	   /* of one manifest */
#define OG_REMOTE_PAGE_MAX	(4U << 20) /* bytes of one page of a listing */

struct og_remote;

/* What will be done: the token that is asked for says so. 0: pull. */
enum og_remote_access {
	OG_REMOTE_PULL = 1,
	OG_REMOTE_PUSH = 2, /* and pull */
	OG_REMOTE_DELETE = 4,
	OG_REMOTE_CATALOG = 8, /* og_remote_catalog() alone; no repository */
	OG_REMOTE_LOGIN = 16,  /* og_remote_ping() alone; no repository */
};

struct og_remote_options {
	unsigned int access; /* of enum og_remote_access */
	const char *user;
	const char *password;
	const char *identity_token;
	const char *const *insecure; /* "host[:port]", NULL-terminated, or NULL */
	const char *ca_file;	     /* trusted beside the system's certificates; NULL: certs.d's */
	const char *cert_file; /* shown to the registry (PEM), with its key; NULL: certs.d's */
	const char *key_file;
	int (*tick)(void *data); /* a negative errno cancels what is under way; may be NULL */
	void *tick_data;
};

/*
 * Does no I/O but look for certificates: /etc/onggi/certs.d/HOST or /etc/docker/certs.d/HOST, ca.crt and
 * client.cert with client.key. What @options points to must outlive it. On success *@ret_registry
 * is the caller's.
 */
int og_remote_new(const struct og_imageref *ref, const struct og_remote_options *options,
		  struct og_remote **ret_registry, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_remote *og_remote_free(struct og_remote *registry);
OG_DEFINE_CLEANUP(struct og_remote, og_remote_free)

/* A manifest as it came. */
struct og_document {
	char *buf; /* owned, NUL-terminated */
	size_t len;
	char media_type[128]; /* Content-Type, "" where missing */
	struct og_digest digest;
};

void og_document_done(struct og_document *document);

/*
 * Fetches a manifest by tag or by digest text. By digest its content is checked; by tag the digest
 * the registry names (Docker-Content-Digest) must be the content's.
 *
 * Errors: -ENOENT, -EACCES, -EBADMSG, -EPROTO, -E2BIG (OG_MANIFEST_BYTES_MAX), the network's.
 */
int og_remote_manifest(struct og_remote *registry, struct og_http_client *client,
		       const char *reference, struct og_document *ret_document, struct og_err *err);

/* Takes the blob's bytes in order, each once, whatever breaks in between. */
typedef int og_remote_sink_fn(void *data, const void *buf, size_t len, struct og_err *err);

/*
 * Fetches a blob of exactly @size bytes. A transfer that breaks is taken up again by Range from the
 * byte where it broke, a few times. The content is not hashed here.
 *
 * Errors: as above; -EBADMSG: longer or shorter than @size; and what @sink returns.
 */
int og_remote_blob(struct og_remote *registry, struct og_http_client *client,
		   const struct og_digest *digest, uint64_t size, og_remote_sink_fn *sink,
		   void *data, struct og_err *err);

/* Likewise from byte @offset on, by the digest's text, of whatever algorithm. */
int og_remote_blob_from(struct og_remote *registry, struct og_http_client *client,
			const char *digest, uint64_t size, uint64_t offset, og_remote_sink_fn *sink,
			void *data, struct og_err *err);

/*
 * A blob as a whole, checked against its digest; *@ret_buf has a NUL behind @size bytes and is the
 * caller's to free. The caller has bounded @size.
 */
int og_remote_blob_read(struct og_remote *registry, struct og_http_client *client,
			const struct og_digest *digest, uint64_t size, char **ret_buf,
			struct og_err *err);

/*
 * Is it a registry, and are the credentials right (GET /v2/)? Errors: -EACCES, -EPROTO, the network's.
 */
int og_remote_ping(struct og_remote *registry, struct og_http_client *client, struct og_err *err);

/* "sha256:" or "sha512:" and as many lower-case hexadecimal digits as it takes? */
bool og_remote_is_digest(const char *text);

/* ---- is it there? A @digest is text, of sha256 or any other algorithm that the registry knows ---- */

/* Returns 1 with its size in bytes, 0 when there is none, or an error. @ret_size may be NULL. */
int og_remote_has_blob(struct og_remote *registry, struct og_http_client *client,
		       const char *digest, uint64_t *ret_size, struct og_err *err);

/*
 * Likewise for a manifest by tag or digest. @ret_digest (may be NULL) gets what the registry says is
 * its digest, "" when it does not.
 */
int og_remote_has_manifest(struct og_remote *registry, struct og_http_client *client,
			   const char *reference, char ret_digest[160], struct og_err *err);

/* ---- pushing ---- */

/*
 * What a blob is made of: @buf, or a stream that can be begun anew at any byte, because transfers
 * break. @seek is called before the first read and after every break.
 */
struct og_remote_source {
	const char *digest;
	uint64_t size;	 /* bytes */
	const void *buf; /* NULL: the two functions */
	int (*seek)(void *data, uint64_t offset, struct og_err *err);
	ssize_t (*read)(void *data, void *buf, size_t len, struct og_err *err);
	void *data;
};

/*
 * Uploads a blob: a small one in one request where the registry takes that, else in one streamed PUT; one that
 * breaks is taken up again where the registry says it has got to, a few times.
 *
 * Errors: -EACCES, -EBADMSG (the registry says the content is another, or the source ended early),
 * -EPROTO, the network's, and what the source returns.
 */
int og_remote_put_blob(struct og_remote *registry, struct og_http_client *client,
		       const struct og_remote_source *source, struct og_err *err);

/*
 * Makes the blob appear here from the repository @from ("library/debian") of the same registry.
 * Returns 1, or 0 when the registry wants it uploaded; or an error. One repository at a time gets
 * into the token, so that a row of calls should name the same.
 */
int og_remote_mount_blob(struct og_remote *registry, struct og_http_client *client,
			 const char *digest, const char *from, struct og_err *err);

/*
 * Puts a manifest under a tag or its digest. One with a subject, at a registry without the referrers
 * API, is entered in the tag that stands in for it ("Referrers Tag Schema"). @ret_digest (may be
 * NULL): of @buf.
 */
int og_remote_put_manifest(struct og_remote *registry, struct og_http_client *client,
			   const char *reference, const char *media_type, const void *buf,
			   size_t len, struct og_digest *ret_digest, struct og_err *err);

/* Removes a tag, or by digest a manifest. Errors: -ENOENT, -ENOTSUP (the registry deletes nothing). */
int og_remote_delete(struct og_remote *registry, struct og_http_client *client,
		     const char *reference, struct og_err *err);

/* ---- listings: all pages. Lists are NULL-terminated, the caller's to free (og_strv_free) ---- */

int og_remote_tags(struct og_remote *registry, struct og_http_client *client, char ***ret_tags,
		   struct og_err *err);

int og_remote_catalog(struct og_remote *registry, struct og_http_client *client,
		      char ***ret_repositories, struct og_err *err);

/*
 * Docker's search (GET /v1/search), which most registries have not: -ENOENT or -EPROTO. *@ret_answer
 * is the document as it came, the caller's to free.
 */
int og_remote_search(struct og_remote *registry, struct og_http_client *client, const char *words,
		     size_t limit, struct og_json **ret_answer, struct og_err *err);

/* One manifest that names another as its subject. Texts are the list's, "" where missing. */
struct og_referrer {
	const char *media_type;
	const char *artifact_type;
	const char *digest; /* well-formed text of a known algorithm */
	uint64_t size;
	const struct og_json *annotations; /* NULL where missing */
};

struct og_referrers {
	struct og_referrer *items;
	size_t count;
	struct og_json **pages; /* owned; what the texts are in */
	size_t page_count;
};

void og_referrers_done(struct og_referrers *referrers);

/*
 * The referrers of the manifest @digest, by the API or, where the registry has none (404), by the tag
 * that stands in for it. @artifact_type NULL: all. None is success. The caller ends *@ret_referrers.
 */
int og_remote_referrers(struct og_remote *registry, struct og_http_client *client,
			const char *digest, const char *artifact_type,
			struct og_referrers *ret_referrers, struct og_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two places where a registry asks somebody else: who may do what (struct og_registry_policy,
 * the one point of authorisation) and what goes with a change (struct og_registry_hooks: quotas,
 * immutable tags, the gate, webhooks, pull-through). The server itself knows no accounts.
 *
 * All functions are called in the thread of a request, many at a time, and may be NULL: then
 * everybody may do everything, and nothing goes with anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/http_server.h"
#include "format/blob_digest.h"

#define OG_REGISTRY_ACCOUNT_MAX 128 /* bytes, NUL included */

struct og_registry;

enum og_registry_action {
	OG_REGISTRY_PING,    /* GET /v2/; no repository */
	OG_REGISTRY_CATALOG, /* GET /v2/_catalog; no repository. With one: may it be listed? */
	OG_REGISTRY_READ,    /* pull: blobs, manifests, tags, referrers */
	OG_REGISTRY_CREATE,  /* push: uploads, blobs, new manifests and tags */
	OG_REGISTRY_UPDATE,  /* point an existing tag to another manifest; asked beside CREATE */
	OG_REGISTRY_DELETE,
};

/* Who asks. Lives as long as the request. */
struct og_registry_caller {
	/* "" for nobody in particular. What an upload is bound to: another account's is not found. */
	char account[OG_REGISTRY_ACCOUNT_MAX];
	void *state; /* the policy's own; ended by leave() */
};

struct og_registry_policy {
	void *data;

	/*
	 * Called once for each request, first. Fills @ret_caller.
	 * Errors: -EACCES (credentials that are wrong: 401), -EBUSY (too many requests: 429, with
	 * *@ret_retry_s seconds), -EPERM (403), others: 500.
	 */
	int (*enter)(void *data, struct og_http_request *request,
		     struct og_registry_caller *ret_caller, unsigned *ret_retry_s,
		     struct og_err *err);

	/* Called once for each entered request, last: the answer is given or begun. */
	void (*leave)(void *data, struct og_http_request *request,
		      struct og_registry_caller *caller);

	/* @repository: "" where the action has none. */
	bool (*may)(void *data, const struct og_registry_caller *caller, const char *repository,
		    enum og_registry_action action);

	/*
	 * What to tell one who may not, or whose credentials are wrong: the value of WWW-Authenticate,
	 * the caller's to free; the answer is then 401. NULL, as function or as result: other
	 * credentials would not help, 403.
	 */
	char *(*challenge)(void *data, struct og_http_request *request, const char *repository,
			   enum og_registry_action action);

	/* A path that is not below /v2/ (a token endpoint, metrics). False: it is not known. Called
	 * after enter(). */
	bool (*other)(void *data, struct og_http_request *request,
		      const struct og_registry_caller *caller);
};

enum og_registry_change {
	OG_REGISTRY_PUSH_BLOB,	   /* uploaded, or mounted from @from */
	OG_REGISTRY_PUSH_MANIFEST, /* by tag (@tag) or by digest (@tag "") */
	OG_REGISTRY_PULL_BLOB,
	OG_REGISTRY_PULL_MANIFEST,
	OG_REGISTRY_DELETE_BLOB,
	OG_REGISTRY_DELETE_MANIFEST,
	OG_REGISTRY_DELETE_TAG,
};

/* All texts are borrowed for the call, "" where there is none. */
struct og_registry_event {
	enum og_registry_change change;
	struct og_http_request *request;	 /* NULL: the registry itself (retention) */
	const struct og_registry_caller *caller; /* NULL likewise */
	const char *repository;
	const char *tag;
	const char *digest; /* "sha256:HEX"; "" in before() of a blob whose digest is not known yet */
	const char *previous; /* of a push by tag: the digest that the tag has now */
	const char *media_type, *artifact_type, *subject; /* of manifests */
	const char *from;				  /* of a mount: the other repository */
	uint64_t bytes;	  /* of the blob or manifest; in before() of a blob what was announced */
	uint64_t added;	  /* of these, new to the repository */
	const void *body; /* of a manifest pushed or pulled: its bytes */
	const char *engine_name; /* of an engine's own image: what that knows it as; else "" */
};

struct og_registry_hooks {
	void *data;

	/*
	 * May it be done? For blobs when an upload of known length begins, and again when it is whole.
	 * Nothing is locked. Errors (@err is told to the client): -EPERM (403 DENIED), -EACCES (likewise;
	 * who has shown no credentials is asked for them), -EDQUOT (403
	 * DENIED: a quota), -EEXIST (409 DENIED: an immutable tag), others: 500.
	 */
	int (*before)(void *data, struct og_registry *registry,
		      const struct og_registry_event *event, struct og_err *err);

	/* It is done, and durable. Nothing is locked. Must not take long: the client waits. */
	void (*after)(void *data, struct og_registry *registry,
		      const struct og_registry_event *event);

	/*
	 * Something to read is not there: @reference is a tag, or the digest of a manifest or blob.
	 * The hook may fetch it and store it (intake.h). 0: look again; -ENOENT: it is not known;
	 * -EUCLEAN: what came was not what was asked for (502), others: 502.
	 */
	int (*missing)(void *data, struct og_registry *registry, const char *repository,
		       const char *reference, bool is_manifest, struct og_err *err);

	/*
	 * A tag is about to be read; it points to @digest. The hook may know better. 0: it is as it
	 * was; 1: look again; -ENOENT: it is not known any more (404), others: 502.
	 */
	int (*refresh)(void *data, struct og_registry *registry, const char *repository,
		       const char *tag, const char *digest, struct og_err *err);
};

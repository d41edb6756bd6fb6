/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on around a registry: who may do what (access/), how often, what is written down of it,
 * quotas, immutable tags, retention, notifications, and other registries behind this one. It fills in
 * the two places where the server asks (policy.h); the server works without it.
 *
 *	og_registry_ops_new(&config, fd, log, data, &ops, err);
 *	og_registry_ops_fill(ops, &options);
 *	og_registry_open(&options, &registry, err);
 *	og_registry_ops_start(ops, registry, err);
 *	http: .handle = og_registry_ops_handle, .done = og_registry_ops_done, .data = ops
 *	... serve ...
 *	og_registry_ops_hurry(ops); the end of the HTTP server;
 *	og_registry_ops_stop(ops); og_registry_free(registry); og_registry_ops_free(ops);
 */
#pragma once

#include "access/access.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "registry/config.h"
#include "registry/registry.h"

struct og_registry_ops;

/*
 * @config must outlive it (its permissions are taken). @state_fd, borrowed: the folder where
 * registry.db is; accounts.db and token.key are beside it. @log may be NULL, and is called in any
 * thread. On success *@ret_ops is the caller's to free.
 */
int og_registry_ops_new(struct og_registry_config *config, int state_fd,
			void (*log)(void *data, const char *line), void *log_data,
			struct og_registry_ops **ret_ops, struct og_err *err);

/* When the registry is gone. Accepts NULL. Always returns NULL. */
struct og_registry_ops *og_registry_ops_free(struct og_registry_ops *ops);
OG_DEFINE_CLEANUP(struct og_registry_ops, og_registry_ops_free)

/* Sets what the configuration says, policy and hooks. */
void og_registry_ops_fill(struct og_registry_ops *ops, struct og_registry_options *options);

/* Starts retention and the address of metrics. @registry must not end before og_registry_ops_stop(). */
int og_registry_ops_start(struct og_registry_ops *ops, struct og_registry *registry,
			  struct og_err *err);
void og_registry_ops_stop(struct og_registry_ops *ops);

/* The server is about to end: requests that wait for another registry do so no longer. */
void og_registry_ops_hurry(struct og_registry_ops *ops);

/* For struct og_http_config; data is the struct og_registry_ops. */
void og_registry_ops_handle(struct og_http_request *request, void *data);
void og_registry_ops_done(struct og_http_request *request, void *data);

/*
 * Looks over all tags now, as it is done at intervals, with or without og_registry_ops_start().
 * @tell (may be NULL) hears of each tag to go; @dry_run: none goes. *@ret_count: how many.
 */
int og_registry_ops_retain(struct og_registry_ops *ops, struct og_registry *registry, bool dry_run,
			   void (*tell)(void *data, const struct og_registry_tag *tag), void *data,
			   uint64_t *ret_count, struct og_err *err);

/* The folder below @root where a registry keeps its own: @root, or in an engine's data root (there is
 * an images.db) its folder registry/. Both are made where they are missing. Returns a descriptor. */
int og_registry_state_folder(const char *root, struct og_err *err);

/* For what must not make a registry of a misspelt folder: is there one at @root, or accounts of one?
 * Errors: -ENOENT and those of open(). */
int og_registry_check_root(const char *root, struct og_err *err);

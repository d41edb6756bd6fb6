/* SPDX-License-Identifier: Apache-2.0 */
/* A registry as the commands open one: with the user's credentials from Docker's config.json. */
#pragma once

#include "base/err.h"
#include "client/credentials.h"
#include "client/options.h"
#include "image/remote.h"

/* It must not move while it is open. Zero-initialise it; trust_registry_done() ends it. */
struct trust_registry {
	struct og_imageref ref; /* what was named */
	struct og_credentials credentials;
	struct og_remote_options options;
	struct og_remote *registry;
	struct og_http_client *client;
};

/*
 * Opens the registry of the image @name for @access (enum og_remote_access). @insecure: hosts that may
 * speak HTTP or show any certificate, NULL-terminated; NULL: this machine alone.
 */
int trust_registry_open(struct trust_registry *registry, const char *name, unsigned int access,
			const struct og_words *insecure, struct og_err *err);
void trust_registry_done(struct trust_registry *registry);

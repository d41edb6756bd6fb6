/* SPDX-License-Identifier: Apache-2.0 */
/* The API's Unix socket: several clients, each connection for several requests, one at a time. */
#pragma once

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmmapi/vmmapi.h"

/* As Firecracker. Each holds at most one request; one more is told so and closed. */
#define OG_SERVER_CLIENTS_MAX 10

struct og_server;

/* Listens at @path, which must not exist. @payload_max: bytes of a request's body. */
int og_server_new(struct og_loop *loop, const char *path, struct og_vmmapi *api, size_t payload_max,
		  struct og_server **ret_server, struct og_err *err);

/* Closes all, and removes the socket. Accepts NULL. Always returns NULL. */
struct og_server *og_server_free(struct og_server *server);
OG_DEFINE_CLEANUP(struct og_server, og_server_free)

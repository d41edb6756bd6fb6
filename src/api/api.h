/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Docker Engine API over an engine: routes as a table, each a small function that reads a
 * request, calls the engine and writes Docker's document or error. It knows no image format, no
 * runtime and no monitor; what it cannot do is answered with 501 and a text that names it.
 */
#pragma once

#include "base/http_server.h"
#include "engine/engine.h"

/* A create body; environments reach 128 KiB (A32). */
#define OG_API_BODY_MAX (1024U * 1024U)

struct og_api {
	struct og_engine *engine; /* borrowed */
	bool debug;
	/* Told once of each request that failed. */
	void (*log)(void *data, const char *text);
	void *log_data;
};

/* An og_http_fn; @data is a struct og_api. */
void og_api_handle(struct og_http_request *request, void *data);

/* The parts of an og_http_config. */
char *og_api_error_body(int status, const char *text);
uint64_t og_api_body_max(const char *method, const char *path);
#define OG_API_ERROR_TYPE "application/json"

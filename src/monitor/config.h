/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that a monitor and the engine leave each other in files; shapes: client.h. */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "monitor/client.h"

#define OG_MONITOR_CONFIG_NAME "monitor.json"
#define OG_MONITOR_SOCKET_NAME "monitor.sock"
#define OG_MONITOR_EXIT_NAME   "exit.json"

/* The descriptors that a monitor is started with. */
#define OG_MONITOR_LOWER_FD 3
#define OG_MONITOR_READY_FD 4

int og_monitor_config_write(int dir_fd, const struct og_monitor_config *config, struct og_err *err);

/* Strings in *@ret_config are borrowed from *@ret_root, which is the caller's to free. */
int og_monitor_config_read(int dir_fd, struct og_monitor_config *ret_config,
			   struct og_json **ret_root, struct og_err *err);

/* Durably. */
int og_monitor_exit_write(int state_dir_fd, const struct og_monitor_exit *exit, struct og_err *err);

struct og_json *og_monitor_exit_json(const struct og_monitor_exit *exit);
int og_monitor_exit_parse(const struct og_json *json, struct og_monitor_exit *ret_exit,
			  struct og_err *err);

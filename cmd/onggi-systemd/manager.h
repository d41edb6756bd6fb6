/* SPDX-License-Identifier: Apache-2.0 */
/* org.freedesktop.systemd1.Manager over D-Bus: what control groups need of it, and no more. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

struct og_manager;

/*
 * Connects to the system's manager or, with @user, to that of this process's user. On success
 * *@ret_manager is the caller's to free. Errors: -ENOTCONN (no systemd answers).
 */
int og_manager_open(bool user, struct og_manager **ret_manager, struct og_err *err);
struct og_manager *og_manager_free(struct og_manager *manager);
OG_DEFINE_CLEANUP(struct og_manager, og_manager_free)

/*
 * Starts the transient unit @unit with this process in it, and waits until it runs. @properties:
 * [["NAME", "TYPE", VALUE], ...] of the types t, b, s, ay and a(ss). *@ret_group (the caller's) is
 * the control group that systemd made, "/system.slice/x.scope".
 */
int og_manager_start(struct og_manager *manager, const char *unit, const struct og_json *properties,
		     char **ret_group, struct og_err *err);

/* Moves a process into it. */
int og_manager_attach(struct og_manager *manager, const char *unit, pid_t pid, struct og_err *err);

/* Sets properties until the next boot. */
int og_manager_set(struct og_manager *manager, const char *unit, const struct og_json *properties,
		   struct og_err *err);

/* Stops it, waits for that, and forgets it. It need not exist, nor be the one so described. */
int og_manager_stop(struct og_manager *manager, const char *unit, const char *description,
		    struct og_err *err);

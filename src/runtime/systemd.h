/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-systemd(8), the program that speaks D-Bus for us: one of it, and what it is asked. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

/* For systemd to answer: it may be starting many units, but no caller waits for ever. */
#define OG_SYSTEMD_TIMEOUT_S 10

#define OG_SYSTEMD_HELPER "libexec/onggi/onggi-systemd"

struct og_systemd {
	pid_t pid; /* 0: none */
	int fd;	   /* owned */
};

/* Starts @helper, an absolute path; @user: to speak with the manager of this process's user. */
int og_systemd_open(const char *helper, bool user, struct og_systemd *ret_systemd,
		    struct og_err *err);

/*
 * Sends @request (taken over) and gives the answer, the caller's to free; NULL @ret_reply: only
 * whether it succeeded. Errors: what it says; -ETIMEDOUT, after which there is nothing to be asked;
 * -ENOTCONN (no systemd answers).
 */
int og_systemd_ask(struct og_systemd *systemd, struct og_json *request, struct og_json **ret_reply,
		   struct og_err *err);

/* Ends it, and returns when it is gone. May be repeated. */
void og_systemd_close(struct og_systemd *systemd);

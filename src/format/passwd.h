/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "user[:group]" of an image or a command line, looked up in the image's /etc/passwd and
 * /etc/group, passwd(5) and group(5). The files are a stranger's: lines that do not parse are
 * passed over, and no number is ever cut to size (a uid is 0 only where "0" stands). No I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OG_PASSWD_FILE_MAX (1024U * 1024U) /* 10,000 users; images have 20 */
#define OG_PASSWD_GROUPS   256U		   /* further groups of one user */
#define OG_PASSWD_ID_MAX   0x7fffffffU	   /* larger ones wrap somewhere, see CVE-2024-40635 */
#define OG_PASSWD_HOME_MAX 256

struct og_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[OG_PASSWD_GROUPS]; /* in which /etc/group lists the name */
	size_t group_count;
	char home[OG_PASSWD_HOME_MAX]; /* "/" when unknown */
};

/* The text of a file; NULL and 0 where there is none. Need not end with NUL. */
struct og_passwd_file {
	const char *text;
	size_t len;
};

/*
 * Resolves @spec; "" is user 0. A number need not be listed; its group is then 0. A group that is
 * given replaces the user's own, and then no further groups are added.
 *
 * Errors: -ENOENT (no such name), -ERANGE (a number over OG_PASSWD_ID_MAX), -EINVAL (neither).
 */
int og_user_resolve(const char *spec, struct og_passwd_file passwd, struct og_passwd_file group,
		    struct og_user *ret_user, struct og_err *err);

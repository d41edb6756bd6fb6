/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what with which repositories: rules of a pattern, a subject and rights.
 *
 * A pattern is a repository's name in which `*` stands for any characters but '/', and `**` for any
 * at all. Of the patterns that match a name, the longest alone counts (by its characters that stand
 * for themselves; of two as long, the one with fewer stars), so that a rule for `team/secret` takes
 * away what one for `team**` gives. Of two that are still as long, both must allow. Without a pattern
 * that matches, nothing is allowed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_PERMISSIONS_PATTERN_MAX 255U /* chars, as of a repository's name */
#define OG_PERMISSIONS_RULES_MAX   10000U
#define OG_SUBJECT_NAME_MAX	   100U /* chars of an account's, group's or client's name */

enum og_right {
	OG_RIGHT_READ = 1,   /* pull */
	OG_RIGHT_CREATE = 2, /* push what is not there yet */
	OG_RIGHT_UPDATE = 4, /* move a tag */
	OG_RIGHT_DELETE = 8,
	OG_RIGHT_ALL = 15,
};

enum og_subject_kind {
	OG_SUBJECT_ANYBODY, /* has shown nothing */
	OG_SUBJECT_ACCOUNT,
	OG_SUBJECT_CLIENT, /* named by a certificate (mTLS) */
};

/* Who asks. */
struct og_subject {
	enum og_subject_kind kind;
	const char *name;   /* "" for anybody */
	const char *groups; /* "GROUP,GROUP" or "" */
};

struct og_permissions;

/* Errors: -ENOMEM. On success *@ret_permissions is the caller's to free. */
int og_permissions_new(struct og_permissions **ret_permissions, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_permissions *og_permissions_free(struct og_permissions *permissions);
OG_DEFINE_CLEANUP(struct og_permissions, og_permissions_free)

/*
 * Adds a rule. @subject: an account's name, "group:NAME", "client:NAME", "signed-in" (whoever has
 * shown who they are), or "*" (anybody at all). Errors: -EINVAL (a pattern or subject that is none),
 * -E2BIG, -ENOMEM.
 */
int og_permissions_add(struct og_permissions *permissions, const char *pattern, const char *subject,
		       unsigned rights, struct og_err *err);

/* The rights (enum og_right, ored) of @subject in @repository. */
unsigned og_permissions_rights(const struct og_permissions *permissions,
			       const struct og_subject *subject, const char *repository);

/* "read", "create", "update", "delete"; 0: another word. */
unsigned og_right_parse(const char *word);

/* Letters, digits and ._@- and no more: it is written into logs, rules and files of lines. */
bool og_subject_name_ok(const char *name);

/* Is @group one of "GROUP,GROUP"? */
bool og_groups_have(const char *groups, const char *group);

/* Is @pattern one of the above? Errors: -EINVAL. */
int og_repository_pattern_check(const char *pattern, struct og_err *err);

/* Does it match? In time that grows with the product of the lengths, whatever they hold. */
bool og_repository_matches(const char *pattern, const char *name);

/* Which of two is longer, in the sense above: negative, 0, or positive when it is @a. */
int og_repository_pattern_compare(const char *a, const char *b);

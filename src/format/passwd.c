/* SPDX-License-Identifier: Apache-2.0 */
#include "format/passwd.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "base/weak.h"

#define COLUMNS_MAX    7   /* of passwd(5) */
#define NAME_MAX_BYTES 256 /* useradd takes 32; a number has 10 */

struct span {
	const char *at;
	size_t len;
};

struct line {
	struct span column[COLUMNS_MAX];
	unsigned int columns;
};

static bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

/* Digits only, as a number of at most @max. Returns 0, -EINVAL (no number) or -ERANGE. */
static int span_number(struct span span, uint32_t max, uint32_t *ret_number)
{
	uint64_t number = 0;

	if (span.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < span.len; i++) {
		if (!isdigit((unsigned char)span.at[i]))
			return -EINVAL;
		if (number <= max)
			number = number * 10 + (uint64_t)(span.at[i] - '0');
	}
	if (number > max && !og_weak("A16"))
		return -ERANGE;
	*ret_number = (uint32_t)number;
	return 0;
}

/* Cuts the next line off @file into columns; what is behind the last one is part of it. */
static bool next_line(struct og_passwd_file *file, struct line *line)
{
	const char *end;
	size_t len;

	if (file->len == 0)
		return false;
	end = memchr(file->text, '\n', file->len);
	len = end != NULL ? (size_t)(end - file->text) : file->len;

	line->columns = 0;
	for (const char *at = file->text, *stop = at + len; at <= stop;) {
		const char *colon = line->columns + 1 < COLUMNS_MAX
					    ? memchr(at, ':', (size_t)(stop - at))
					    : NULL;
		const char *next = colon != NULL ? colon : stop;

		line->column[line->columns++] = (struct span){ at, (size_t)(next - at) };
		if (colon == NULL)
			break;
		at = next + 1;
	}

	len += end != NULL;
	file->text += len;
	file->len -= len;
	return true;
}

/* name:password:uid:gid:comment:home:shell, by name, or by number where @name is NULL. */
static bool find_user(struct og_passwd_file passwd, const char *name, struct og_user *user,
		      struct span *ret_name)
{
	struct line line;

	while (next_line(&passwd, &line)) {
		struct span home = line.column[5];
		uint32_t uid, gid;

		if (line.columns < COLUMNS_MAX || line.column[0].len == 0 ||
		    span_number(line.column[2], OG_PASSWD_ID_MAX, &uid) < 0 ||
		    span_number(line.column[3], OG_PASSWD_ID_MAX, &gid) < 0)
			continue;
		if (name != NULL ? !span_is(line.column[0], name) : uid != user->uid)
			continue;
		user->uid = uid;
		user->gid = gid;
		if (home.len > 0 && home.len < sizeof(user->home) && home.at[0] == '/') {
			memcpy(user->home, home.at, home.len);
			user->home[home.len] = '\0';
		}
		*ret_name = line.column[0];
		return true;
	}
	return false;
}

/* name:password:gid:member,member */
static bool next_group(struct og_passwd_file *group, struct line *line, uint32_t *ret_gid)
{
	while (next_line(group, line)) {
		if (line->columns >= 4 && line->column[0].len > 0 &&
		    span_number(line->column[2], OG_PASSWD_ID_MAX, ret_gid) == 0)
			return true;
	}
	return false;
}

static bool lists_member(struct span members, struct span name)
{
	const char *end = members.at + members.len;

	for (const char *at = members.at; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t len = (size_t)((comma != NULL ? comma : end) - at);

		if (len == name.len && memcmp(at, name.at, len) == 0)
			return true;
		at += len + 1;
	}
	return false;
}

static void add_groups(struct og_passwd_file group, struct span name, struct og_user *user)
{
	struct line line;
	uint32_t gid;

	while (user->group_count < OG_PASSWD_GROUPS && next_group(&group, &line, &gid)) {
		if (gid != user->gid && lists_member(line.column[3], name))
			user->groups[user->group_count++] = gid;
	}
}

static int resolve_group(const char *spec, struct og_passwd_file group, struct og_user *user,
			 struct og_err *err)
{
	int r = span_number((struct span){ spec, strlen(spec) }, OG_PASSWD_ID_MAX, &user->gid);
	struct line line;
	uint32_t gid;

	if (r == -ERANGE)
		return og_fail(err, r, "group %s is too large a number", spec);
	if (r == 0)
		return 0;
	while (next_group(&group, &line, &gid)) {
		if (span_is(line.column[0], spec)) {
			user->gid = gid;
			return 0;
		}
	}
	return og_fail(err, -ENOENT, "no group '%s' in the image's /etc/group", spec);
}

/* @spec without the group. Fills in @user, and *@ret_name where passwd has one. */
static int resolve_user(const char *spec, struct og_passwd_file passwd, struct og_user *user,
			struct span *ret_name, struct og_err *err)
{
	int r = span_number((struct span){ spec, strlen(spec) }, OG_PASSWD_ID_MAX, &user->uid);

	if (r == -ERANGE)
		return og_fail(err, r, "user %s is too large a number", spec);
	if (r == 0) {
		(void)find_user(passwd, NULL, user, ret_name);
		return 0;
	}
	if (!find_user(passwd, spec, user, ret_name))
		return og_fail(err, -ENOENT, "no user '%s' in the image's /etc/passwd", spec);
	return 0;
}

int og_user_resolve(const char *spec, struct og_passwd_file passwd, struct og_passwd_file group,
		    struct og_user *ret_user, struct og_err *err)
{
	struct og_user user = { .home = "/" };
	const char *colon = strchr(spec, ':');
	char name[NAME_MAX_BYTES] = "0";
	struct span listed = {};
	size_t len;
	int r;

	len = colon != NULL ? (size_t)(colon - spec) : strlen(spec);
	if (len >= sizeof(name) || (colon != NULL && (len == 0 || colon[1] == '\0')))
		return og_fail_plain(err, -EINVAL, "'%.64s' is no user[:group]", spec);
	if (len > 0) {
		memcpy(name, spec, len);
		name[len] = '\0';
	}

	r = resolve_user(name, passwd, &user, &listed, err);
	if (r < 0)
		return r;
	if (colon != NULL) {
		r = resolve_group(colon + 1, group, &user, err);
		if (r < 0)
			return r;
	} else if (listed.len > 0) {
		add_groups(group, listed, &user);
	}
	*ret_user = user;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "access/htpasswd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "access/permissions.h"
#include "base/io.h"
#include "base/text.h"

struct entry {
	const char *name, *line; /* in the text */
};

/* What one reading of the file gave. */
struct table {
	char *text; /* owned */
	struct entry *entries;
	size_t count;
};

struct og_htpasswd {
	pthread_mutex_t lock;
	char *path; /* owned */
	struct stat seen;
	struct table table;
};

static void table_done(struct table *table)
{
	free(table->text);
	free(table->entries);
	*table = (struct table){};
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_line(struct table *table, char *line, size_t number, struct og_err *err)
{
	char *colon = strchr(line, ':');
	size_t len = strlen(line);
	int r;

	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
		line[--len] = '\0';
	if (len == 0 || line[0] == '#')
		return 0;
	if (colon == NULL)
		return og_fail_plain(err, -EINVAL, "line %zu: no ':'", number);
	*colon = '\0';
	if (!og_subject_name_ok(line))
		return og_fail_plain(err, -EINVAL, "line %zu: '%s' is no account's name", number,
				     line);
	r = og_password_check_line(colon + 1, err);
	if (r < 0)
		return og_fail_in(err, r, "line %zu", number);
	table->entries[table->count++] = (struct entry){ .name = line, .line = colon + 1 };
	return 0;
}

static int read_table(const char *path, struct table *ret_table, struct og_err *err)
{
	og_cleanup(table_done) struct table table = {};
	size_t len, lines = 1, number = 0;
	int r = og_read_file(AT_FDCWD, path, OG_HTPASSWD_MAX, &table.text, &len, err);

	if (r < 0)
		return r;
	if (strlen(table.text) != len)
		return og_fail_plain(err, -EINVAL, "'%s' holds NUL", path);
	for (const char *at = table.text; *at != '\0'; at++)
		lines += *at == '\n' ? 1 : 0;
	table.entries = calloc(lines, sizeof(*table.entries));
	if (table.entries == NULL)
		return og_fail(err, -ENOMEM, "read '%s'", path);
	for (char *at = table.text, *line; (line = strsep(&at, "\n")) != NULL;) {
		r = read_line(&table, line, ++number, err);
		if (r < 0)
			return og_fail_in(err, r, "'%s'", path);
	}
	qsort(table.entries, table.count, sizeof(*table.entries), by_name);
	for (size_t i = 1; i < table.count; i++)
		if (by_name(&table.entries[i - 1], &table.entries[i]) == 0)
			return og_fail_plain(err, -EINVAL, "'%s': '%s' is there twice", path,
					     table.entries[i].name);
	*ret_table = table;
	table = (struct table){};
	return 0;
}

int og_htpasswd_open(const char *path, struct og_htpasswd **ret_htpasswd, struct og_err *err)
{
	og_cleanup(og_htpasswd_freep) struct og_htpasswd *htpasswd = calloc(1, sizeof(*htpasswd));
	int r;

	if (htpasswd == NULL)
		return og_fail(err, -ENOMEM, "read '%s'", path);
	(void)pthread_mutex_init(&htpasswd->lock, NULL);
	htpasswd->path = strdup(path);
	if (htpasswd->path == NULL)
		return og_fail(err, -ENOMEM, "read '%s'", path);
	/* Before it is read: a change in between is seen the next time. */
	(void)stat(path, &htpasswd->seen);
	r = read_table(path, &htpasswd->table, err);
	if (r < 0)
		return r;
	*ret_htpasswd = og_take_ptr(htpasswd);
	return 0;
}

struct og_htpasswd *og_htpasswd_free(struct og_htpasswd *htpasswd)
{
	if (htpasswd == NULL)
		return NULL;
	table_done(&htpasswd->table);
	free(htpasswd->path);
	(void)pthread_mutex_destroy(&htpasswd->lock);
	free(htpasswd);
	return NULL;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void read_again(struct og_htpasswd *htpasswd, struct og_err *err)
{
	struct table table = {};
	struct stat now = {};

	if (stat(htpasswd->path, &now) < 0 && errno == ENOENT)
		table_done(&htpasswd->table);
	if (is_same(&now, &htpasswd->seen))
		return;
	htpasswd->seen = now;
	if (read_table(htpasswd->path, &table, err) < 0)
		return;
	table_done(&htpasswd->table);
	htpasswd->table = table;
}

int og_htpasswd_find(struct og_htpasswd *htpasswd, const char *name,
		     char ret_line[OG_PASSWORD_LINE_MAX], struct og_err *err)
{
	struct entry wanted = { .name = name };
	const struct entry *found = NULL;

	(void)pthread_mutex_lock(&htpasswd->lock);
	read_again(htpasswd, err);
	if (htpasswd->table.count > 0)
		found = bsearch(&wanted, htpasswd->table.entries, htpasswd->table.count,
				sizeof(wanted), by_name);
	if (found != NULL)
		memcpy(ret_line, found->line, strlen(found->line) + 1);
	(void)pthread_mutex_unlock(&htpasswd->lock);
	return found != NULL ? 0 : -ENOENT;
}

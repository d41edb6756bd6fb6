/* SPDX-License-Identifier: Apache-2.0 */
#include "client/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "client/units.h"

#define LINE_MAX_BYTES (1U << 20)
#define READ_BYTES     16384U
#define BAR_WIDTH      50
#define PARTS_MAX      512 /* an image has at most 127 layers, a load several images */

struct part {
	char *id;
	char *status;
};

struct progress {
	FILE *out;
	bool terminal;
	bool quiet;
	struct part parts[PARTS_MAX];
	size_t count;
	char *last;
	struct og_err *err;
};

static void progress_done(struct progress *progress)
{
	for (size_t i = 0; i < progress->count; i++) {
		free(progress->parts[i].id);
		free(progress->parts[i].status);
	}
	free(progress->last);
}

/* The part's place, made when it is new (*@ret_new). NULL when there are too many. */
static struct part *find_part(struct progress *progress, const char *id, bool *ret_new)
{
	struct part *part;

	*ret_new = false;
	for (size_t i = 0; i < progress->count; i++) {
		if (og_streq(progress->parts[i].id, id))
			return &progress->parts[i];
	}
	if (progress->count == PARTS_MAX)
		return NULL;
	part = &progress->parts[progress->count];
	part->id = strdup(id);
	if (part->id == NULL)
		return NULL;
	progress->count++;
	*ret_new = true;
	return part;
}

/* "[=====>      ]  12.3MB/45MB" */
static void add_bar(struct og_text *line, const struct og_json *detail)
{
	int64_t current = og_json_int(og_json_get(detail, "current"), 0);
	int64_t total = og_json_int(og_json_get(detail, "total"), 0);
	int done;

	if (current <= 0)
		return;
	if (total <= 0 || current > total) {
		og_text_addf(line, " %s", og_human_size(current).text);
		return;
	}
	done = (int)((double)current / (double)total * BAR_WIDTH);
	og_text_add(line, " [");
	for (int i = 0; i < BAR_WIDTH; i++)
		og_text_add(line, i < done ? "=" : i == done ? ">" : " ");
	og_text_addf(line, "]  %s/%s", og_human_size(current).text, og_human_size(total).text);
}

/* Rewrites the part's line, which is some lines above the cursor, and comes back. */
static void draw_part(struct progress *progress, const struct part *part, bool is_new,
		      const char *line)
{
	size_t up = progress->count - (size_t)(part - progress->parts);

	if (is_new)
		(void)fprintf(progress->out, "\r\033[2K%s\n", line);
	else
		(void)fprintf(progress->out, "\033[%zuA\r\033[2K%s\033[%zuB\r", up, line, up);
}

static void show_part(struct progress *progress, const char *id, const char *status,
		      const struct og_json *detail)
{
	og_auto_text line = {};
	bool is_new;
	struct part *part = find_part(progress, id, &is_new);
	bool changed = part == NULL || part->status == NULL || !og_streq(part->status, status);

	if (part != NULL && changed) {
		free(part->status);
		part->status = strdup(status);
	}
	og_text_addf(&line, "%s: %s", id, status);
	if (progress->terminal && part != NULL) {
		add_bar(&line, detail);
		draw_part(progress, part, is_new, line.buf != NULL ? line.buf : "");
	} else if (changed && line.buf != NULL) {
		(void)fprintf(progress->out, "%s\n", line.buf);
	}
}

static int show_message(struct progress *progress, const struct og_json *message)
{
	const char *id = og_json_string(og_json_get(message, "id"), NULL);
	const char *status = og_json_string(og_json_get(message, "status"), NULL);
	const char *stream = og_json_string(og_json_get(message, "stream"), NULL);
	const char *error =
		og_json_string(og_json_get(og_json_get(message, "errorDetail"), "message"),
			       og_json_string(og_json_get(message, "error"), NULL));

	if (error != NULL) {
		if (progress->err != NULL) {
			progress->err->code = -EREMOTEIO;
			(void)snprintf(progress->err->text, sizeof(progress->err->text), "%.*s",
				       (int)strcspn(error, "\n"), error);
		}
		return -EREMOTEIO;
	}
	if (stream != NULL && !progress->quiet)
		(void)fputs(stream, progress->out);
	if (status == NULL)
		return 0;
	if (!progress->quiet && id != NULL)
		show_part(progress, id, status, og_json_get(message, "progressDetail"));
	else if (!progress->quiet)
		(void)fprintf(progress->out, "%s\n", status);
	if (id == NULL) {
		free(progress->last);
		progress->last = strdup(status);
	}
	(void)fflush(progress->out);
	return 0;
}

static int take_line(struct progress *progress, const char *line, size_t len)
{
	og_cleanup(og_json_freep) struct og_json *message = NULL;
	int r;

	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (len == 0)
		return 0;
	r = og_json_parse(line, len, &message, progress->err);
	if (r < 0)
		return og_fail_in(progress->err, r, "read the daemon's report");
	return show_message(progress, message);
}

/* Shows the whole lines in @text and keeps the rest. */
static int take_lines(struct progress *progress, struct og_text *text)
{
	size_t at = 0;
	size_t rest;
	char *newline;
	int r = 0;

	while (r == 0 && at < text->len &&
	       (newline = memchr(text->buf + at, '\n', text->len - at)) != NULL) {
		r = take_line(progress, text->buf + at, (size_t)(newline - text->buf) - at);
		at = (size_t)(newline - text->buf) + 1;
	}
	rest = text->len - at;
	if (rest > LINE_MAX_BYTES)
		return og_fail(progress->err, -EMSGSIZE, "read the daemon's report");
	if (at > 0)
		memmove(text->buf, text->buf + at, rest);
	text->len = rest;
	return r;
}

int og_progress_show(struct og_http *http, FILE *out, bool quiet, char **ret_last,
		     struct og_err *err)
{
	og_cleanup(progress_done) struct progress progress = {
		.out = out, .terminal = isatty(fileno(out)) != 0, .quiet = quiet, .err = err
	};
	og_auto_text text = {};
	char buf[READ_BYTES];
	int r = 0;

	while (r == 0) {
		ssize_t n = og_http_read(http, buf, sizeof(buf), err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		og_text_add_bytes(&text, buf, (size_t)n);
		if (text.failed)
			return og_fail(err, -ENOMEM, "read the daemon's report");
		r = take_lines(&progress, &text);
	}
	if (r == 0 && text.len > 0)
		r = take_line(&progress, text.buf, text.len);
	if (r == 0 && ret_last != NULL)
		*ret_last = og_take_ptr(progress.last);
	return r;
}

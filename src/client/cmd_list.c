/* SPDX-License-Identifier: Apache-2.0 */
/* ps and images, history, top: what there is, as tables. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/command.h"
#include "client/filters.h"
#include "client/table.h"
#include "client/units.h"

#define COMMAND_WIDTH 20 /* docker's */

static const char *text_of(const struct og_json *object, const char *key)
{
	return og_json_string(og_json_get(object, key), "");
}

static int64_t number_of(const struct og_json *object, const char *key)
{
	return og_json_int(og_json_get(object, key), 0);
}

static struct og_unit_text time_since(int64_t moment)
{
	struct og_unit_text since = og_human_duration((int64_t)time(NULL) - moment);
	size_t len = strlen(since.text);

	(void)snprintf(since.text + len, sizeof(since.text) - len, " ago");
	return since;
}

/* "a, b" of an array of texts. */
static void add_joined(struct og_text *text, const struct og_json *array, const char *gap)
{
	for (size_t i = 0; i < og_json_count(array); i++)
		og_text_addf(text, "%s%s", i > 0 ? gap : "",
			     og_json_string(og_json_at(array, i), ""));
}

/* ---- ps ---- */

struct ps_options {
	bool all, quiet, no_trunc, latest, size;
	int64_t last;
	const char *format;
	struct og_words filters;
};

#define PS_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct ps_options, member, name, letter, kind, help)

static const struct og_option ps_options[] = {
	PS_OPTION(all, "all", 'a', OG_OPTION_FLAG, "show those that do not run too"),
	PS_OPTION(filters, "filter", 'f', OG_OPTION_LIST, "KEY=VALUE: status=exited, name=web"),
	PS_OPTION(format, "format", 0, OG_OPTION_TEXT, "TEMPLATE: table, json, '{{.Names}}'"),
	PS_OPTION(last, "last", 'n', OG_OPTION_INT, "NUMBER of the newest to show"),
	PS_OPTION(latest, "latest", 'l', OG_OPTION_FLAG, "show the newest"),
	PS_OPTION(no_trunc, "no-trunc", 0, OG_OPTION_FLAG, "do not cut long texts"),
	PS_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "only identifiers"),
	PS_OPTION(size, "size", 's', OG_OPTION_FLAG, "show how much each has written"),
};

static const struct og_title ps_titles[] = {
	{ "ID", "CONTAINER ID" },    { "Image", "IMAGE" },
	{ "Command", "COMMAND" },    { "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" }, { "Status", "STATUS" },
	{ "State", "STATE" },	     { "Ports", "PORTS" },
	{ "Names", "NAMES" },	     { "Labels", "LABELS" },
	{ "Mounts", "MOUNTS" },	     { "Networks", "NETWORKS" },
	{ "Size", "SIZE" },
};

static const struct og_table ps_table = {
	.titles = ps_titles,
	.title_count = sizeof(ps_titles) / sizeof(ps_titles[0]),
	.by_default = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
		      "{{.Ports}}\t{{.Names}}",
};

#define PS_SIZE_FORMAT                                                                      \
	"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}" \
	"\t{{.Names}}\t{{.Size}}"

static void set_command_text(struct og_json *row, const char *command, bool no_trunc)
{
	og_auto_free char *quoted = NULL;

	if (!no_trunc && strlen(command) > COMMAND_WIDTH)
		quoted = og_strdupf("\"%.*s…\"", COMMAND_WIDTH - 1, command);
	else
		quoted = og_strdupf("\"%s\"", command);
	og_json_set_string(row, "Command", quoted != NULL ? quoted : command);
}

/* "0.0.0.0:8080->80/tcp, 53/udp" */
static void set_ports(struct og_json *row, const struct og_json *ports)
{
	og_auto_text text = {};

	og_text_add(&text, "");
	for (size_t i = 0; i < og_json_count(ports); i++) {
		const struct og_json *port = og_json_at(ports, i);

		og_text_add(&text, i > 0 ? ", " : "");
		if (number_of(port, "PublicPort") != 0)
			og_text_addf(&text, "%s:%lld->", text_of(port, "IP"),
				     (long long)number_of(port, "PublicPort"));
		og_text_addf(&text, "%lld/%s", (long long)number_of(port, "PrivatePort"),
			     text_of(port, "Type"));
	}
	og_json_set_string(row, "Ports", text.buf != NULL ? text.buf : "");
}

static void set_lists(struct og_json *row, const struct og_json *workload)
{
	og_auto_text names = {};
	og_auto_text labels = {};
	og_auto_text mounts = {};
	og_auto_text networks = {};
	const struct og_json *list = og_json_get(workload, "Names");
	struct og_json_member member = {};

	for (size_t i = 0; i < og_json_count(list); i++) {
		const char *name = og_json_string(og_json_at(list, i), "");

		og_text_addf(&names, "%s%s", i > 0 ? "," : "", name[0] == '/' ? name + 1 : name);
	}
	while (og_json_next(og_json_get(workload, "Labels"), &member))
		og_text_addf(&labels, "%s%s=%s", labels.len > 0 ? "," : "", member.key,
			     og_json_string(member.value, ""));
	list = og_json_get(workload, "Mounts");
	for (size_t i = 0; i < og_json_count(list); i++)
		og_text_addf(&mounts, "%s%s", i > 0 ? "," : "",
			     text_of(og_json_at(list, i), "Source"));
	member = (struct og_json_member){};
	while (og_json_next(og_json_get(og_json_get(workload, "NetworkSettings"), "Networks"),
			    &member))
		og_text_addf(&networks, "%s%s", networks.len > 0 ? "," : "", member.key);
	og_json_set_string(row, "Names", names.buf != NULL ? names.buf : "");
	og_json_set_string(row, "Labels", labels.buf != NULL ? labels.buf : "");
	og_json_set_string(row, "Mounts", mounts.buf != NULL ? mounts.buf : "");
	og_json_set_string(row, "Networks", networks.buf != NULL ? networks.buf : "");
}

static struct og_json *ps_row(const struct og_json *workload, bool no_trunc)
{
	struct og_json *row = og_json_new_object();
	const char *id = text_of(workload, "Id");
	const char *image = text_of(workload, "Image");
	int64_t created = number_of(workload, "Created");

	og_json_set_string(row, "ID", no_trunc ? id : og_short_id(id).text);
	og_json_set_string(row, "Image",
			   og_starts_with(image, "sha256:") && !no_trunc ? og_short_id(image).text
									 : image);
	set_command_text(row, text_of(workload, "Command"), no_trunc);
	og_json_set_string(row, "CreatedAt", og_local_time(created).text);
	og_json_set_string(row, "RunningFor", time_since(created).text);
	og_json_set_string(row, "Status", text_of(workload, "Status"));
	og_json_set_string(row, "State", text_of(workload, "State"));
	og_json_set_string(row, "Size", og_human_size(number_of(workload, "SizeRw")).text);
	set_ports(row, og_json_get(workload, "Ports"));
	set_lists(row, workload);
	return row;
}

static int ps_path(const struct ps_options *options, struct og_text *path, struct og_err *err)
{
	int64_t limit = options->latest ? 1 : options->last;

	og_text_addf(path, "/containers/json?all=%d&size=%d&", options->all, options->size);
	if (limit > 0)
		og_text_addf(path, "limit=%lld&", (long long)limit);
	return og_filters_add(path, &options->filters, err);
}

static int run_ps(struct og_session *session, const void *values, int argc, char **argv,
		  struct og_err *err)
{
	const struct ps_options *options = values;
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_cleanup(og_json_freep) struct og_json *rows = og_json_new_array();
	og_auto_text path = {};
	const char *format = options->format;
	int r = ps_path(options, &path, err);

	(void)argc;
	(void)argv;
	if (r == 0)
		r = og_session_ask(session, "GET", &answer, err, "%s", path.buf);
	if (r < 0)
		return r;
	for (size_t i = 0; i < og_json_count(answer); i++)
		og_json_push(rows, ps_row(og_json_at(answer, i), options->no_trunc));
	if (options->quiet && format == NULL)
		format = "{{.ID}}";
	else if (options->size && format == NULL)
		format = PS_SIZE_FORMAT;
	return og_table_show(&ps_table, format, rows, err);
}

/* ---- images ---- */

struct images_options {
	bool all, quiet, no_trunc, digests;
	const char *format;
	struct og_words filters;
};

#define IMAGES_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct images_options, member, name, letter, kind, help)

static const struct og_option images_options[] = {
	IMAGES_OPTION(all, "all", 'a', OG_OPTION_FLAG, "show those between too"),
	IMAGES_OPTION(digests, "digests", 0, OG_OPTION_FLAG, "show digests"),
	IMAGES_OPTION(filters, "filter", 'f', OG_OPTION_LIST, "KEY=VALUE: reference=debian:*"),
	IMAGES_OPTION(format, "format", 0, OG_OPTION_TEXT, "TEMPLATE: table, json, '{{.ID}}'"),
	IMAGES_OPTION(no_trunc, "no-trunc", 0, OG_OPTION_FLAG, "do not cut identifiers"),
	IMAGES_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "only identifiers"),
};

static const struct og_title images_titles[] = {
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Size", "SIZE" },
	{ "VirtualSize", "SIZE" },
	{ "Containers", "CONTAINERS" },
};

static const struct og_table images_table = {
	.titles = images_titles,
	.title_count = sizeof(images_titles) / sizeof(images_titles[0]),
	.by_default = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
};

#define IMAGES_DIGEST_FORMAT \
	"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"

/* The digest that the image has in @repository. */
static void set_digest(struct og_json *row, const struct og_json *image, const char *repository)
{
	const struct og_json *digests = og_json_get(image, "RepoDigests");
	size_t len = strlen(repository);

	og_json_set_string(row, "Digest", "<none>");
	for (size_t i = 0; i < og_json_count(digests); i++) {
		const char *digest = og_json_string(og_json_at(digests, i), "");

		if (strncmp(digest, repository, len) == 0 && digest[len] == '@')
			og_json_set_string(row, "Digest", digest + len + 1);
	}
}

static struct og_json *image_row(const struct og_json *image, const char *reference, bool no_trunc)
{
	struct og_json *row = og_json_new_object();
	const char *id = text_of(image, "Id");
	const char *colon = strrchr(reference, ':');
	int64_t created = number_of(image, "Created");
	og_auto_free char *repository =
		colon != NULL ? strndup(reference, (size_t)(colon - reference)) : NULL;

	og_json_set_string(row, "Repository", repository != NULL ? repository : "<none>");
	og_json_set_string(row, "Tag", colon != NULL ? colon + 1 : "<none>");
	og_json_set_string(row, "ID", no_trunc ? id : og_short_id(id).text);
	og_json_set_string(row, "CreatedSince", created > 0 ? time_since(created).text : "N/A");
	og_json_set_string(row, "CreatedAt", og_local_time(created).text);
	og_json_set_string(row, "Size", og_human_size(number_of(image, "Size")).text);
	og_json_set_string(row, "VirtualSize", og_human_size(number_of(image, "Size")).text);
	og_json_set_string(row, "Containers", "N/A");
	set_digest(row, image, repository != NULL ? repository : "");
	return row;
}

/* A row for each name, or one for an image that has none. */
static void push_images(struct og_json *rows, const struct og_json *image,
			const struct images_options *options)
{
	const struct og_json *tags = og_json_get(image, "RepoTags");

	if (og_json_count(tags) == 0 || options->quiet) {
		og_json_push(rows, image_row(image, "<none>:<none>", options->no_trunc));
		return;
	}
	for (size_t i = 0; i < og_json_count(tags); i++)
		og_json_push(rows, image_row(image, og_json_string(og_json_at(tags, i), ""),
					     options->no_trunc));
}

static int images_path(const struct images_options *options, const char *name, struct og_text *path,
		       struct og_err *err)
{
	struct og_words filters = {};
	og_auto_free char *reference = name != NULL ? og_strdupf("reference=%s", name) : NULL;
	int r = 0;

	for (size_t i = 0; i < options->filters.count && r == 0; i++)
		r = og_words_add(&filters, options->filters.items[i]);
	if (reference != NULL && r == 0)
		r = og_words_add(&filters, reference);
	og_text_addf(path, "/images/json?all=%d&digests=%d&", options->all, options->digests);
	if (r == 0)
		r = og_filters_add(path, &filters, err);
	og_words_done(&filters);
	return r;
}

static int run_images(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	const struct images_options *options = values;
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_cleanup(og_json_freep) struct og_json *rows = og_json_new_array();
	og_auto_text path = {};
	const char *format = options->format;
	int r = images_path(options, argc > 0 ? argv[0] : NULL, &path, err);

	if (r == 0)
		r = og_session_ask(session, "GET", &answer, err, "%s", path.buf);
	if (r < 0)
		return r;
	for (size_t i = 0; i < og_json_count(answer); i++)
		push_images(rows, og_json_at(answer, i), options);
	if (options->quiet && format == NULL)
		format = "{{.ID}}";
	else if (options->digests && format == NULL)
		format = IMAGES_DIGEST_FORMAT;
	return og_table_show(&images_table, format, rows, err);
}

/* ---- history ---- */

struct history_options {
	bool quiet, no_trunc;
	const char *format;
};

static const struct og_option history_options[] = {
	OG_OPTION(struct history_options, format, "format", 0, OG_OPTION_TEXT,
		  "TEMPLATE: table, json, '{{.ID}}'"),
	OG_OPTION(struct history_options, no_trunc, "no-trunc", 0, OG_OPTION_FLAG,
		  "do not cut long texts"),
	OG_OPTION(struct history_options, quiet, "quiet", 'q', OG_OPTION_FLAG, "only identifiers"),
};

static const struct og_title history_titles[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
};

static const struct og_table history_table = {
	.titles = history_titles,
	.title_count = sizeof(history_titles) / sizeof(history_titles[0]),
	.by_default = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
};

#define CREATED_BY_WIDTH 45 /* docker's */

static struct og_json *history_row(const struct og_json *entry, bool no_trunc)
{
	struct og_json *row = og_json_new_object();
	const char *id = text_of(entry, "Id");
	const char *by = text_of(entry, "CreatedBy");
	int64_t created = number_of(entry, "Created");
	og_auto_free char *cut = og_strdupf("%.*s…", CREATED_BY_WIDTH - 1, by);
	bool cuts = !no_trunc && strlen(by) > CREATED_BY_WIDTH && cut != NULL;

	og_json_set_string(row, "ID", no_trunc ? id : og_short_id(id).text);
	og_json_set_string(row, "CreatedSince", time_since(created).text);
	og_json_set_string(row, "CreatedAt", og_local_time(created).text);
	og_json_set_string(row, "CreatedBy", cuts ? cut : by);
	og_json_set_string(row, "Size", og_human_size(number_of(entry, "Size")).text);
	og_json_set_string(row, "Comment", text_of(entry, "Comment"));
	return row;
}

static int run_history(struct og_session *session, const void *values, int argc, char **argv,
		       struct og_err *err)
{
	const struct history_options *options = values;
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_cleanup(og_json_freep) struct og_json *rows = og_json_new_array();
	og_auto_free char *name = og_url_name(argv[0]);
	int r = og_session_ask(session, "GET", &answer, err, "/images/%s/history",
			       name != NULL ? name : "");

	(void)argc;
	if (r < 0)
		return r;
	for (size_t i = 0; i < og_json_count(answer); i++)
		og_json_push(rows, history_row(og_json_at(answer, i), options->no_trunc));
	return og_table_show(
		&history_table,
		options->quiet && options->format == NULL ? "{{.ID}}" : options->format, rows, err);
}

/* ---- top ---- */

static void add_line(struct og_text *text, const struct og_json *cells)
{
	add_joined(text, cells, "\t");
	og_text_add(text, "\n");
}

static int run_top(struct og_session *session, const void *values, int argc, char **argv,
		   struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *name = og_url_name(argv[0]);
	og_auto_text query = {};
	og_auto_text lines = {};
	og_auto_text aligned = {};
	const struct og_json *processes;
	int r;

	(void)values;
	for (int i = 1; i < argc; i++) {
		og_text_add(&query, i == 1 ? "?ps_args=" : "%20");
		og_url_add(&query, argv[i], "");
	}
	r = og_session_ask(session, "GET", &answer, err, "/containers/%s/top%s",
			   name != NULL ? name : "", query.buf != NULL ? query.buf : "");
	if (r < 0)
		return r;
	add_line(&lines, og_json_get(answer, "Titles"));
	processes = og_json_get(answer, "Processes");
	for (size_t i = 0; i < og_json_count(processes); i++)
		add_line(&lines, og_json_at(processes, i));
	og_table_align(lines.buf != NULL ? lines.buf : "", &aligned);
	(void)fputs(aligned.buf != NULL ? aligned.buf : "", stdout);
	return EXIT_SUCCESS;
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

const struct og_command og_list_commands[] = {
	{ .name = "ps",
	  .arguments = "",
	  .summary = "List workloads",
	  OPTIONS(ps_options),
	  .values_size = sizeof(struct ps_options),
	  .run = run_ps },
	{ .name = "images",
	  .arguments = "[NAME]",
	  .summary = "List images",
	  OPTIONS(images_options),
	  .values_size = sizeof(struct images_options),
	  .most = 1,
	  .run = run_images },
	{ .name = "history",
	  .arguments = "IMAGE",
	  .summary = "Show how an image was made",
	  OPTIONS(history_options),
	  .values_size = sizeof(struct history_options),
	  .least = 1,
	  .most = 1,
	  .run = run_history },
	{ .name = "top",
	  .arguments = "WORKLOAD [OPTIONS OF ps]",
	  .summary = "Show a workload's processes",
	  .least = 1,
	  .most = -1,
	  .words_end_options = true,
	  .run = run_top },
	{},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* inspect, version, info: one document each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "client/command.h"
#include "client/template.h"
#include "client/units.h"

struct format_options {
	const char *format, *type;
	bool size;
};

static const struct og_option inspect_options[] = {
	OG_OPTION(struct format_options, format, "format", 'f', OG_OPTION_TEXT,
		  "TEMPLATE: json, '{{.State.Status}}'"),
	OG_OPTION(struct format_options, size, "size", 's', OG_OPTION_FLAG,
		  "say how much it has written"),
	OG_OPTION(struct format_options, type, "type", 0, OG_OPTION_TEXT,
		  "KIND to look for: container or image"),
};

static const struct og_option format_options[] = {
	OG_OPTION(struct format_options, format, "format", 'f', OG_OPTION_TEXT,
		  "TEMPLATE: json, '{{.ServerVersion}}'"),
};

static int show_format(const struct og_json *value, const char *format, struct og_err *err)
{
	og_auto_text text = {};
	int r = og_template_show(og_streq(format, "json") ? "{{json .}}" : format, value, &text,
				 err);

	if (r < 0)
		return r;
	(void)puts(text.buf != NULL ? text.buf : "");
	return 0;
}

/* ---- inspect ---- */

static const struct {
	const char *kind;
	const char *path;
} inspect_kinds[] = {
	{ "container", "/containers" },
	{ "image", "/images" },
};

/* A workload of that name, else an image. */
static int find_object(struct og_session *session, const struct format_options *options,
		       const char *name, struct og_json **ret_json, struct og_err *err)
{
	og_auto_free char *quoted = og_url_name(name);

	for (size_t i = 0; i < sizeof(inspect_kinds) / sizeof(inspect_kinds[0]); i++) {
		og_auto_free char *path = og_strdupf("%s/%s/json%s", inspect_kinds[i].path,
						     quoted != NULL ? quoted : "",
						     options->size ? "?size=1" : "");
		struct og_call call = { .method = "GET", .path = path };
		int r;

		if (options->type != NULL && !og_streq(options->type, inspect_kinds[i].kind))
			continue;
		r = og_session_call(session, &call, ret_json, err);
		if (r == 0 || call.status != 404)
			return r;
	}
	return og_fail_plain(err, -ENOENT, "there is neither a workload nor an image '%s'", name);
}

static int run_inspect(struct og_session *session, const void *values, int argc, char **argv,
		       struct og_err *err)
{
	const struct format_options *options = values;
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();
	og_auto_free char *text = NULL;
	int status = EXIT_SUCCESS;

	for (int i = 0; i < argc; i++) {
		struct og_json *object = NULL;

		if (find_object(session, options, argv[i], &object, err) < 0) {
			(void)fprintf(stderr, "onggi: %s\n", err->text);
			status = EXIT_FAILURE;
			continue;
		}
		og_json_push(list, object);
		if (options->format != NULL && show_format(object, options->format, err) < 0)
			return err->code;
	}
	if (options->format != NULL)
		return status;
	text = og_json_write_pretty(list);
	(void)puts(text != NULL ? text : "[]");
	return status;
}

/* ---- version ---- */

static struct og_json *client_version(void)
{
	struct og_json *client = og_json_new_object();
	struct utsname name = {};

	(void)uname(&name);
	og_json_set_string(client, "Version", OG_VERSION);
	og_json_set_string(client, "ApiVersion", OG_API + 2);
	og_json_set_string(client, "Os", "linux");
	og_json_set_string(client, "Arch",
			   og_streq(name.machine, "x86_64") ? "amd64" : name.machine);
	return client;
}

struct labelled {
	const char *label;
	const char *key;
};

static void print_fields(const struct og_json *object, const struct labelled *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct og_json *value = og_json_get(object, fields[i].key);
		og_auto_text text = {};

		if (value == NULL)
			continue;
		og_template_value(value, &text);
		if (text.len > 0)
			(void)printf(" %-16s %s\n", fields[i].label, text.buf);
	}
}

static int run_version(struct og_session *session, const void *values, int argc, char **argv,
		       struct og_err *err)
{
	static const struct labelled fields[] = {
		{ "Version:", "Version" },	   { "API version:", "ApiVersion" },
		{ "Least API:", "MinAPIVersion" }, { "OS:", "Os" },
		{ "Architecture:", "Arch" },	   { "Kernel:", "KernelVersion" },
	};
	const struct format_options *options = values;
	og_cleanup(og_json_freep) struct og_json *both = og_json_new_object();
	struct og_json *server = NULL;
	int r = og_session_ask(session, "GET", &server, err, "/version");

	(void)argc;
	(void)argv;
	og_json_set(both, "Client", client_version());
	if (r == 0)
		og_json_set(both, "Server", server);
	if (options->format != NULL)
		return r < 0 ? r : show_format(both, options->format, err);
	(void)puts("Client:");
	print_fields(og_json_get(both, "Client"), fields, sizeof(fields) / sizeof(fields[0]));
	if (r < 0)
		return r;
	(void)puts("\nServer:");
	print_fields(server, fields, sizeof(fields) / sizeof(fields[0]));
	return EXIT_SUCCESS;
}

/* ---- info ---- */

static int run_info(struct og_session *session, const void *values, int argc, char **argv,
		    struct og_err *err)
{
	static const struct labelled fields[] = {
		{ "Workloads:", "Containers" },
		{ "  running:", "ContainersRunning" },
		{ "  paused:", "ContainersPaused" },
		{ "  stopped:", "ContainersStopped" },
		{ "Images:", "Images" },
		{ "Version:", "ServerVersion" },
		{ "Store:", "Driver" },
		{ "Log driver:", "LoggingDriver" },
		{ "Cgroup driver:", "CgroupDriver" },
		{ "Cgroup version:", "CgroupVersion" },
		{ "Default runtime:", "DefaultRuntime" },
		{ "Security:", "SecurityOptions" },
		{ "Kernel:", "KernelVersion" },
		{ "System:", "OperatingSystem" },
		{ "Architecture:", "Architecture" },
		{ "CPUs:", "NCPU" },
		{ "Name:", "Name" },
		{ "Data root:", "DockerRootDir" },
	};
	const struct format_options *options = values;
	og_cleanup(og_json_freep) struct og_json *info = NULL;
	const struct og_json *warnings;
	struct og_json_member runtime = {};
	int r = og_session_ask(session, "GET", &info, err, "/info");

	(void)argc;
	(void)argv;
	if (r < 0)
		return r;
	if (options->format != NULL)
		return show_format(info, options->format, err);
	print_fields(info, fields, sizeof(fields) / sizeof(fields[0]));
	(void)printf(" %-16s %s\n",
		     "Memory:", og_human_size(og_json_int(og_json_get(info, "MemTotal"), 0)).text);
	(void)printf(" %-16s", "Runtimes:");
	while (og_json_next(og_json_get(info, "Runtimes"), &runtime))
		(void)printf(" %s", runtime.key);
	(void)puts("");
	warnings = og_json_get(info, "Warnings");
	for (size_t i = 0; i < og_json_count(warnings); i++)
		(void)fprintf(stderr, "%s\n", og_json_string(og_json_at(warnings, i), ""));
	return EXIT_SUCCESS;
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

const struct og_command og_show_commands[] = {
	{ .name = "inspect",
	  .arguments = "NAME...",
	  .summary = "Show all that is known of workloads or images",
	  OPTIONS(inspect_options),
	  .values_size = sizeof(struct format_options),
	  .least = 1,
	  .most = -1,
	  .run = run_inspect },
	{ .name = "version",
	  .arguments = "",
	  .summary = "Show the versions of this program and of the daemon",
	  OPTIONS(format_options),
	  .values_size = sizeof(struct format_options),
	  .run = run_version },
	{ .name = "info",
	  .arguments = "",
	  .summary = "Show what the daemon has and can",
	  OPTIONS(format_options),
	  .values_size = sizeof(struct format_options),
	  .run = run_info },
	{},
};

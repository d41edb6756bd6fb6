/* SPDX-License-Identifier: Apache-2.0 */
/* login, logout, search: registries and what we are to them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ask.h"
#include "base/io.h"
#include "client/command.h"
#include "client/credentials.h"
#include "client/table.h"
#include "client/terminal.h"

#define PASSWORD_MAX (64U << 10)

struct registry_options {
	const char *user, *password, *format;
	bool password_stdin, list_tags, no_trunc;
	int64_t limit;
};

#define REGISTRY_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct registry_options, member, name, letter, kind, help)

/* ---- login ---- */

static const struct og_option login_options[] = {
	REGISTRY_OPTION(user, "username", 'u', OG_OPTION_TEXT, "NAME at the registry"),
	REGISTRY_OPTION(password, "password", 'p', OG_OPTION_TEXT,
			"TEXT, seen by everyone on this machine: better --password-stdin"),
	REGISTRY_OPTION(password_stdin, "password-stdin", 0, OG_OPTION_FLAG,
			"take the password from standard input"),
};

static int read_password(char **ret_password, struct og_err *err)
{
	size_t len = 0;
	int r = og_read_all(STDIN_FILENO, PASSWORD_MAX, ret_password, &len, err);

	if (r < 0)
		return og_fail_in(err, r, "read the password");
	while (len > 0 && ((*ret_password)[len - 1] == '\n' || (*ret_password)[len - 1] == '\r'))
		(*ret_password)[--len] = '\0';
	return 0;
}

static int get_credentials(const struct registry_options *options,
			   struct og_credentials *credentials, struct og_err *err)
{
	int r = 0;

	if (options->password_stdin && options->user == NULL)
		return og_fail_plain(err, -EINVAL, "--password-stdin needs --username");
	if (options->password_stdin && options->password != NULL)
		return og_fail_plain(err, -EINVAL,
				     "--password and --password-stdin exclude each "
				     "other");
	if (options->user != NULL)
		credentials->user = strdup(options->user);
	else
		r = og_ask(STDIN_FILENO, "Username: ", false, &credentials->user, err);
	if (r < 0)
		return og_fail_in(err, r, "the user's name");
	if (options->password_stdin)
		return read_password(&credentials->password, err);
	if (options->password == NULL)
		return og_ask(STDIN_FILENO, "Password: ", true, &credentials->password, err);
	credentials->password = strdup(options->password);
	return credentials->password != NULL ? 0 : og_fail(err, -ENOMEM, "login");
}

static int check(struct og_session *session, const char *registry,
		 struct og_credentials *credentials, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	struct og_call call = { .method = "POST", .path = "/auth", .body = og_json_new_object() };
	const char *token;
	int r;

	og_json_set_string(call.body, "username", credentials->user);
	og_json_set_string(call.body, "password", credentials->password);
	og_json_set_string(call.body, "serveraddress", registry);
	r = og_session_call(session, &call, &answer, err);
	if (r < 0)
		return r;
	token = og_json_string(og_json_get(answer, "IdentityToken"), "");
	if (token[0] != '\0')
		credentials->identity_token = strdup(token);
	return 0;
}

static int run_login(struct og_session *session, const void *values, int argc, char **argv,
		     struct og_err *err)
{
	og_cleanup(og_credentials_done) struct og_credentials credentials = {};
	og_auto_free char *registry = og_credentials_key(argc > 0 ? argv[0] : "");
	og_auto_free char *where = NULL;
	int r;

	if (registry == NULL)
		return og_fail(err, -ENOMEM, "login");
	r = get_credentials(values, &credentials, err);
	if (r == 0)
		r = check(session, registry, &credentials, err);
	if (r == 0)
		r = og_credentials_store(registry, &credentials, &where, err);
	if (credentials.password != NULL)
		explicit_bzero(credentials.password, strlen(credentials.password));
	if (r < 0)
		return og_fail_in(err, r, "login to %s", registry);
	if (where != NULL)
		(void)fprintf(stderr,
			      "The password is stored in '%s', which only you can read but which "
			      "is not encrypted.\n",
			      where);
	(void)puts("Login Succeeded");
	return EXIT_SUCCESS;
}

static int run_logout(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	og_auto_free char *registry = og_credentials_key(argc > 0 ? argv[0] : "");
	bool found = false;
	int r;

	(void)session;
	(void)values;
	if (registry == NULL)
		return og_fail(err, -ENOMEM, "logout");
	r = og_credentials_erase(registry, &found, err);
	if (r < 0)
		return og_fail_in(err, r, "logout from %s", registry);
	(void)printf(found ? "Removing login credentials for %s\n" : "Not logged in to %s\n",
		     registry);
	return EXIT_SUCCESS;
}

/* ---- search ---- */

static const struct og_option search_options[] = {
	REGISTRY_OPTION(limit, "limit", 0, OG_OPTION_INT, "NUMBER of results, 25 unless said"),
	REGISTRY_OPTION(format, "format", 0, OG_OPTION_TEXT, "TEMPLATE: as of images"),
	REGISTRY_OPTION(list_tags, "list-tags", 0, OG_OPTION_FLAG, "list a repository's tags"),
	REGISTRY_OPTION(no_trunc, "no-trunc", 0, OG_OPTION_FLAG, "show descriptions whole"),
};

static const struct og_title search_titles[] = {
	{ "Name", "NAME" },
	{ "Description", "DESCRIPTION" },
	{ "StarCount", "STARS" },
	{ "IsOfficial", "OFFICIAL" },
};

static const struct og_table search_table = {
	.titles = search_titles,
	.title_count = sizeof(search_titles) / sizeof(search_titles[0]),
	.by_default = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
};

#define DESCRIPTION_SHOWN 45 /* as docker's */

static struct og_json *search_row(const struct og_json *found, bool whole)
{
	struct og_json *row = og_json_new_object();
	const char *description = og_json_string(og_json_get(found, "description"), "");
	og_auto_free char *stars =
		og_strdupf("%lld", (long long)og_json_int(og_json_get(found, "star_count"), 0));
	og_auto_free char *cut = !whole && strlen(description) > DESCRIPTION_SHOWN
					 ? og_strdupf("%.*s…", DESCRIPTION_SHOWN - 1, description)
					 : strdup(description);
	bool official = og_json_bool(og_json_get(found, "is_official"), false);

	og_json_set_string(row, "Name", og_json_string(og_json_get(found, "name"), ""));
	og_json_set_string(row, "Description", cut != NULL ? cut : "");
	og_json_set_string(row, "StarCount", stars != NULL ? stars : "0");
	og_json_set_string(row, "IsOfficial", official ? "[OK]" : "");
	return row;
}

static int run_search(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	const struct registry_options *options = values;
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_cleanup(og_json_freep) struct og_json *rows = og_json_new_array();
	og_auto_free char *header = NULL;
	og_auto_text path = {};
	const char *headers[2] = {};
	struct og_call call = { .method = "GET", .headers = headers };
	int r = og_credentials_header(argv[0], &header, err);

	(void)argc;
	if (r < 0)
		return r;
	headers[0] = header;
	og_text_add(&path, "/images/search?term=");
	og_url_add(&path, argv[0], "");
	og_text_addf(&path, "&limit=%lld&listTags=%d", (long long)options->limit,
		     options->list_tags);
	if (path.failed)
		return og_fail(err, -ENOMEM, "search");
	call.path = path.buf;
	r = og_session_call(session, &call, &answer, err);
	if (r < 0)
		return og_fail_in(err, r, "search for '%s'", argv[0]);
	for (size_t i = 0; i < og_json_count(answer); i++)
		og_json_push(rows, search_row(og_json_at(answer, i), options->no_trunc));
	r = og_table_show(&search_table, options->format, rows, err);
	return r < 0 ? r : EXIT_SUCCESS;
}

#define OPTIONS(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])
#define VALUES	       .values_size = sizeof(struct registry_options)

const struct og_command og_registry_commands[] = {
	{ .name = "login",
	  .arguments = "[REGISTRY]",
	  .summary = "Be known to a registry from now on",
	  OPTIONS(login_options),
	  VALUES,
	  .most = 1,
	  .run = run_login },
	{ .name = "logout",
	  .arguments = "[REGISTRY]",
	  .summary = "Forget the credentials for a registry",
	  .most = 1,
	  .run = run_logout },
	{ .name = "search",
	  .arguments = "TERM|HOST/TERM",
	  .summary = "Look for images in a registry",
	  OPTIONS(search_options),
	  VALUES,
	  .least = 1,
	  .most = 1,
	  .run = run_search },
	{},
};

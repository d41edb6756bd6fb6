/* SPDX-License-Identifier: Apache-2.0 */
#include "client/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/io.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/text.h"

#define DOCKER_HUB	"https://index.docker.io/v1/"
#define CONFIG_MAX	(1U << 20)
#define HELPER_MAX	65536U
#define TOKEN_USER_NAME "<token>" /* a helper's word for: the secret is an identity token */

char *og_credentials_registry(const char *reference)
{
	const char *slash = strchr(reference, '/');
	size_t len = slash != NULL ? (size_t)(slash - reference) : 0;
	og_auto_free char *first = strndup(reference, len);

	if (first == NULL)
		return NULL;
	if (len == 0 || (strpbrk(first, ".:") == NULL && !og_streq(first, "localhost")) ||
	    og_streq(first, "docker.io") || og_streq(first, "index.docker.io"))
		return strdup(DOCKER_HUB);
	return og_take_ptr(first);
}

/* The caller's to free; NULL when memory ran out. */
static char *config_folder(void)
{
	const char *folder = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");

	if (folder != NULL && folder[0] != '\0')
		return strdup(folder);
	return og_strdupf("%s/.docker", home != NULL ? home : "");
}

static int read_config(struct og_json **ret_config, struct og_err *err)
{
	og_auto_free char *folder = config_folder();
	og_auto_free char *path = folder != NULL ? og_strdupf("%s/config.json", folder) : NULL;
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r;

	*ret_config = NULL;
	if (path == NULL)
		return og_fail(err, -ENOMEM, "read credentials");
	r = og_read_file(AT_FDCWD, path, CONFIG_MAX, &text, &len, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = og_json_parse(text, len, ret_config, err);
	return r < 0 ? og_fail_in(err, r, "read credentials from '%s'", path) : 0;
}

static void set_user(struct og_json *auth, const char *user, const char *secret,
		     const char *registry)
{
	if (og_streq(user, TOKEN_USER_NAME)) {
		og_json_set_string(auth, "identitytoken", secret);
	} else {
		og_json_set_string(auth, "username", user);
		og_json_set_string(auth, "password", secret);
	}
	og_json_set_string(auth, "serveraddress", registry);
}

/* {"auth":"base64 of user:password"}, or an identity token besides. */
static int read_entry(const struct og_json *entry, const char *registry, struct og_json *auth,
		      struct og_err *err)
{
	const char *encoded = og_json_string(og_json_get(entry, "auth"), "");
	const char *token = og_json_string(og_json_get(entry, "identitytoken"), NULL);
	og_auto_free char *pair = NULL;
	char *colon;

	if (og_base64_decode(encoded, &pair, NULL) < 0)
		return og_fail_plain(err, -EINVAL, "credentials for '%s' are not base64", registry);
	colon = strchr(pair, ':');
	if (colon != NULL) {
		*colon = '\0';
		set_user(auth, pair, colon + 1, registry);
	}
	if (token != NULL)
		set_user(auth, TOKEN_USER_NAME, token, registry);
	return 0;
}

static int find_entry(const struct og_json *config, const char *registry, struct og_json *auth,
		      struct og_err *err)
{
	struct og_json *auths = og_json_get(config, "auths");
	og_auto_free char *https = og_strdupf("https://%s", registry);
	og_auto_free char *https_slash = og_strdupf("https://%s/", registry);
	const char *keys[] = { registry, https, https_slash };

	for (size_t i = 0; i < 3 && auths != NULL; i++) {
		const struct og_json *entry = keys[i] != NULL ? og_json_get(auths, keys[i]) : NULL;

		if (entry != NULL)
			return read_entry(entry, registry, auth, err);
	}
	return 0;
}

/* A helper reads the registry on its standard input and answers with a JSON object. */
static int make_input(const char *text, int *ret_fd, struct og_err *err)
{
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make pipe");
	r = og_write_all(fds[1], text, strlen(text)); /* far below a pipe's capacity */
	og_close(fds[1]);
	if (r < 0) {
		og_close(fds[0]);
		return og_fail(err, r, "write to a pipe");
	}
	*ret_fd = fds[0];
	return 0;
}

static int run_helper(const char *name, const char *verb, const char *input, char **ret_output,
		      struct og_err *err)
{
	og_auto_free char *program = og_strdupf("docker-credential-%s", name);
	const char *argv[] = { program, verb, NULL };
	og_auto_fd input_fd = -EBADF;
	struct og_spawn_fd fd = { .child_fd = 0 };
	struct og_spawn spawn = {
		.path = program, .argv = (char *const *)(uintptr_t)argv, .fds = &fd, .fd_count = 1
	};
	int r;

	if (program == NULL || strchr(name, '/') != NULL)
		return og_fail_plain(err, -EINVAL, "'%s' is no name of a credential helper", name);
	r = make_input(input, &input_fd, err);
	if (r < 0)
		return r;
	fd.parent_fd = input_fd;
	r = og_spawn_wait(&spawn, HELPER_MAX, ret_output, err);
	if (r > 0 && *ret_output != NULL && strstr(*ret_output, "credentials not found") != NULL)
		return 1;
	if (r > 0)
		return og_fail(err, -EREMOTEIO, "'%s' ended with status %d", program, r);
	return r;
}

static int ask_helper(const char *name, const char *registry, struct og_json *auth,
		      struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_free char *output = NULL;
	int r = run_helper(name, "get", registry, &output, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = og_json_parse(output, strlen(output), &answer, err);
	if (r < 0)
		return og_fail_in(err, r, "read what 'docker-credential-%s' said", name);
	set_user(auth, og_json_string(og_json_get(answer, "Username"), ""),
		 og_json_string(og_json_get(answer, "Secret"), ""), registry);
	return 0;
}

/* The helper that keeps the registry's credentials, borrowed from @config; NULL: the file does. */
static const char *helper_of(const struct og_json *config, const char *registry)
{
	const char *all = og_json_string(og_json_get(config, "credsStore"), NULL);

	return og_json_string(og_json_get(og_json_get(config, "credHelpers"), registry), all);
}

static int find_credentials(const char *registry, struct og_json *auth, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config = NULL;
	const char *helper;
	int r = read_config(&config, err);

	if (r < 0)
		return r;
	helper = helper_of(config, registry);
	if (helper != NULL)
		return ask_helper(helper, registry, auth, err);
	return find_entry(config, registry, auth, err);
}

int og_credentials_header(const char *reference, char **ret_header, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *auth = og_json_new_object();
	og_auto_free char *registry = og_credentials_registry(reference);
	og_auto_free char *text = NULL;
	og_auto_free char *encoded = NULL;
	int r;

	if (registry == NULL)
		return og_fail(err, -ENOMEM, "read credentials");
	r = find_credentials(registry, auth, err);
	if (r < 0)
		return r;
	text = og_json_write(auth);
	encoded = text != NULL ? og_base64_encode(text, strlen(text)) : NULL;
	if (encoded == NULL)
		return og_fail(err, -ENOMEM, "read credentials");
	for (char *at = encoded; *at != '\0'; at++) /* the URL's alphabet */
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	*ret_header = og_strdupf("X-Registry-Auth: %s", encoded);
	return *ret_header == NULL ? og_fail(err, -ENOMEM, "read credentials") : 0;
}

void og_credentials_done(struct og_credentials *credentials)
{
	free(credentials->user);
	free(credentials->password);
	free(credentials->identity_token);
	*credentials = (struct og_credentials){};
}

static char *copy_text(const struct og_json *auth, const char *key)
{
	const char *text = og_json_string(og_json_get(auth, key), "");

	return text[0] != '\0' ? strdup(text) : NULL;
}

int og_credentials_find(const char *registry, struct og_credentials *ret_credentials,
			struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *auth = og_json_new_object();
	int r = find_credentials(registry, auth, err);

	if (r < 0)
		return r;
	*ret_credentials = (struct og_credentials){
		.user = copy_text(auth, "username"),
		.password = copy_text(auth, "password"),
		.identity_token = copy_text(auth, "identitytoken"),
	};
	return 0;
}

/* ---- storing ---- */

static int write_config(const struct og_json *config, struct og_err *err)
{
	og_auto_free char *folder = config_folder();
	og_auto_free char *text = og_json_write_pretty(config);
	og_auto_fd fd = -EBADF;

	if (folder == NULL || text == NULL)
		return og_fail(err, -ENOMEM, "write credentials");
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "create '%s'", folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", folder);
	return og_replace_file(fd, "config.json", text, strlen(text), 0600, false, err);
}

static int give_helper(const char *helper, const char *registry,
		       const struct og_credentials *credentials, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	og_auto_free char *output = NULL;
	og_auto_free char *text = NULL;
	int r;

	og_json_set_string(json, "ServerURL", registry);
	if (credentials->identity_token != NULL) {
		og_json_set_string(json, "Username", TOKEN_USER_NAME);
		og_json_set_string(json, "Secret", credentials->identity_token);
	} else {
		og_json_set_string(json, "Username", credentials->user);
		og_json_set_string(json, "Secret", credentials->password);
	}
	text = og_json_write(json);
	r = run_helper(helper, "store", text, &output, err);
	return r < 0 ? r : 0;
}

static struct og_json *make_entry(const struct og_credentials *credentials)
{
	struct og_json *entry = og_json_new_object();
	og_auto_free char *pair =
		og_strdupf("%s:%s", credentials->user != NULL ? credentials->user : "",
			   credentials->password != NULL ? credentials->password : "");
	og_auto_free char *encoded = pair != NULL ? og_base64_encode(pair, strlen(pair)) : NULL;

	og_json_set_string(entry, "auth", encoded != NULL ? encoded : "");
	if (credentials->identity_token != NULL)
		og_json_set_string(entry, "identitytoken", credentials->identity_token);
	return entry;
}

int og_credentials_store(const char *registry, const struct og_credentials *credentials,
			 char **ret_where, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config = NULL;
	const char *helper;
	int r = read_config(&config, err);

	if (r < 0)
		return r;
	if (config == NULL)
		config = og_json_new_object();
	helper = helper_of(config, registry);
	if (helper != NULL)
		return give_helper(helper, registry, credentials, err);
	if (og_json_get(config, "auths") == NULL)
		og_json_set(config, "auths", og_json_new_object());
	og_json_set(og_json_get(config, "auths"), registry, make_entry(credentials));
	r = write_config(config, err);
	if (r == 0) {
		og_auto_free char *folder = config_folder();

		*ret_where = og_strdupf("%s/config.json", folder != NULL ? folder : "");
	}
	return r;
}

int og_credentials_erase(const char *registry, bool *ret_found, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *config = NULL;
	og_auto_free char *output = NULL;
	const char *helper;
	int r = read_config(&config, err);

	*ret_found = false;
	if (r < 0 || config == NULL)
		return r;
	helper = helper_of(config, registry);
	if (helper != NULL) {
		r = run_helper(helper, "erase", registry, &output, err);
		if (r < 0)
			return r;
		*ret_found = r == 0;
	}
	if (og_json_get(og_json_get(config, "auths"), registry) == NULL)
		return 0;
	*ret_found = true;
	og_json_unset(og_json_get(config, "auths"), registry);
	return write_config(config, err);
}

char *og_credentials_key(const char *address)
{
	const char *start = strstr(address, "://");
	og_auto_free char *host = NULL;

	start = start != NULL ? start + 3 : address;
	host = strndup(start, strcspn(start, "/"));
	if (host == NULL)
		return NULL;
	if (host[0] == '\0' || og_streq(host, "docker.io") || og_streq(host, "index.docker.io"))
		return strdup(DOCKER_HUB);
	return og_take_ptr(host);
}

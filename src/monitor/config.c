/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

#define CONFIG_MAX_BYTES 65536U /* a dozen paths */
#define EXIT_MAX_BYTES	 4096U

static void set_text(struct og_json *object, const char *key, const char *text)
{
	if (text != NULL)
		og_json_set_string(object, key, text);
}

static struct og_json *log_to_json(const struct og_monitor_config *config)
{
	struct og_json *log = og_json_new_object();

	og_json_set_string(log, "path", config->log_path);
	og_json_set_int(log, "max_bytes", (int64_t)config->log_max_bytes);
	og_json_set_int(log, "max_files", config->log_max_files);
	return log;
}

static int replace_json(int dir_fd, const char *name, struct og_json *json, bool durable,
			struct og_err *err)
{
	og_auto_free char *text = og_json_write(json);

	if (text == NULL)
		return og_fail(err, -ENOMEM, "write '%s'", name);
	return og_replace_file(dir_fd, name, text, strlen(text), 0600, durable, err);
}

int og_monitor_config_write(int dir_fd, const struct og_monitor_config *config, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();

	set_text(root, "id", config->id);
	set_text(root, "isolation", config->isolation);
	set_text(root, "runtime", config->runtime);
	set_text(root, "runtime_root", config->runtime_root);
	set_text(root, "state_dir", config->state_dir);
	set_text(root, "upper", config->upper);
	set_text(root, "work", config->work);
	og_json_set_bool(root, "tty", config->tty);
	og_json_set_bool(root, "open_stdin", config->open_stdin);
	og_json_set_bool(root, "stdin_once", config->stdin_once);
	og_json_set_int(root, "rows", config->rows);
	og_json_set_int(root, "columns", config->columns);
	if (config->log_path != NULL)
		og_json_set(root, "log", log_to_json(config));
	return replace_json(dir_fd, OG_MONITOR_CONFIG_NAME, root, false, err);
}

struct text_field {
	const char *key;
	size_t offset;
	bool required;
};

static const struct text_field text_fields[] = {
	{ "id", offsetof(struct og_monitor_config, id), true },
	{ "isolation", offsetof(struct og_monitor_config, isolation), true },
	{ "runtime", offsetof(struct og_monitor_config, runtime), true },
	{ "runtime_root", offsetof(struct og_monitor_config, runtime_root), true },
	{ "state_dir", offsetof(struct og_monitor_config, state_dir), true },
	{ "upper", offsetof(struct og_monitor_config, upper), false },
	{ "work", offsetof(struct og_monitor_config, work), false },
};

static int read_texts(const struct og_json *root, struct og_monitor_config *config,
		      struct og_err *err)
{
	for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
		const struct text_field *field = &text_fields[i];
		const char **at = (const char **)(void *)((char *)config + field->offset);
		int r = og_json_opt_string(root, field->key, at, err);

		if (r < 0)
			return r;
		if (field->required && *at == NULL)
			return og_fail(err, -EINVAL, "'%s' is missing", field->key);
	}
	return 0;
}

static int read_size(const struct og_json *root, const char *key, uint16_t *ret_size,
		     struct og_err *err)
{
	int64_t size = 0;
	int r = og_json_opt_int(root, key, 0, UINT16_MAX, &size, err);

	*ret_size = (uint16_t)size;
	return r;
}

static int read_log(const struct og_json *root, struct og_monitor_config *config,
		    struct og_err *err)
{
	struct og_json *log = NULL;
	int64_t max_bytes = 0;
	int64_t max_files = 0;
	int r = og_json_opt_object(root, "log", &log, err);

	if (r == 0)
		r = og_json_opt_string(log, "path", &config->log_path, err);
	if (r == 0)
		r = og_json_opt_int(log, "max_bytes", 0, INT64_MAX, &max_bytes, err);
	if (r == 0)
		r = og_json_opt_int(log, "max_files", 0, 1000, &max_files, err);
	config->log_max_bytes = max_bytes > 0 ? (uint64_t)max_bytes : OG_MONITOR_LOG_MAX_BYTES;
	config->log_max_files = max_files > 0 ? (uint32_t)max_files : OG_MONITOR_LOG_MAX_FILES;
	return r;
}

static int read_config(const struct og_json *root, struct og_monitor_config *config,
		       struct og_err *err)
{
	int r = read_texts(root, config, err);

	if (r == 0)
		r = og_json_opt_bool(root, "tty", &config->tty, err);
	if (r == 0)
		r = og_json_opt_bool(root, "open_stdin", &config->open_stdin, err);
	if (r == 0)
		r = og_json_opt_bool(root, "stdin_once", &config->stdin_once, err);
	if (r == 0)
		r = read_size(root, "rows", &config->rows, err);
	if (r == 0)
		r = read_size(root, "columns", &config->columns, err);
	if (r == 0)
		r = read_log(root, config, err);
	return r;
}

static int read_json(int dir_fd, const char *name, size_t max_bytes, struct og_json **ret_root,
		     struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(dir_fd, name, max_bytes, &text, &len, err);

	if (r == 0)
		r = og_json_parse(text, len, ret_root, err);
	return r;
}

int og_monitor_config_read(int dir_fd, struct og_monitor_config *ret_config,
			   struct og_json **ret_root, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_monitor_config config = { .lower_fd = -1 };
	int r = read_json(dir_fd, OG_MONITOR_CONFIG_NAME, CONFIG_MAX_BYTES, &root, err);

	if (r == 0)
		r = read_config(root, &config, err);
	if (r < 0)
		return og_fail_in(err, r, "read '%s'", OG_MONITOR_CONFIG_NAME);
	*ret_config = config;
	*ret_root = og_take_ptr(root);
	return 0;
}

struct og_json *og_monitor_exit_json(const struct og_monitor_exit *exit)
{
	struct og_json *json = og_json_new_object();

	og_json_set_int(json, "status", exit->status);
	og_json_set_bool(json, "oom_killed", exit->oom_killed);
	og_json_set_string(json, "started_at", exit->started_at);
	og_json_set_string(json, "finished_at", exit->finished_at);
	return json;
}

int og_monitor_exit_parse(const struct og_json *json, struct og_monitor_exit *ret_exit,
			  struct og_err *err)
{
	struct og_monitor_exit parsed = {};
	const char *started = "";
	const char *finished = "";
	int64_t status = -1;
	int r = og_json_opt_int(json, "status", 0, 255, &status, err);

	if (r == 0 && status < 0)
		r = og_fail(err, -EINVAL, "'status' is missing");
	if (r == 0)
		r = og_json_opt_bool(json, "oom_killed", &parsed.oom_killed, err);
	if (r == 0)
		r = og_json_opt_string(json, "started_at", &started, err);
	if (r == 0)
		r = og_json_opt_string(json, "finished_at", &finished, err);
	if (r < 0)
		return r;
	parsed.status = (int)status;
	(void)snprintf(parsed.started_at, sizeof(parsed.started_at), "%s", started);
	(void)snprintf(parsed.finished_at, sizeof(parsed.finished_at), "%s", finished);
	*ret_exit = parsed;
	return 0;
}

int og_monitor_exit_write(int state_dir_fd, const struct og_monitor_exit *exit, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = og_monitor_exit_json(exit);

	return replace_json(state_dir_fd, OG_MONITOR_EXIT_NAME, json, true, err);
}

int og_monitor_read_exit(int state_dir_fd, struct og_monitor_exit *ret_exit, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	int r = read_json(state_dir_fd, OG_MONITOR_EXIT_NAME, EXIT_MAX_BYTES, &json, err);

	if (r == 0)
		r = og_monitor_exit_parse(json, ret_exit, err);
	return r < 0 ? og_fail_in(err, r, "read '%s'", OG_MONITOR_EXIT_NAME) : 0;
}

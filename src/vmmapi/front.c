/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/front.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "vmm/compromised.h"
#include "vmm/snapshot/format.h"
#include "vmmapi/bind.h"
#include "vmmapi/server.h"
#include "vmmapi/vmmapi.h"

/* A configuration of every device with every field is a tenth of it. */
#define CONFIG_FILE_MAX (1U << 20)

/* The most descriptors of a front: far above what its devices can be. */
#define CLONE_FDS_MAX 1024

struct front {
	struct og_loop *loop;
	struct og_server *server;
	struct og_vmmapi api;
	struct og_bind bind;
	struct og_metrics before;
	size_t payload_max;
	int signal; /* that ended it; 0: none did */
};

/* A name is at most 64 letters, digits and '-', as Firecracker has it. */
static int set_id(struct og_vmmapi *api, const char *id, struct og_err *err)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

	if (id == NULL)
		return 0;
	if (*id == '\0' || strlen(id) >= sizeof(api->id) || id[strspn(id, good)] != '\0')
		return og_fail(err, -EINVAL, "--id '%s' is not 1 to 64 letters, digits and '-'",
			       id);
	memcpy(api->id, id, strlen(id) + 1);
	return 0;
}

static int set_path(const char *option, const char *path, char *buf, size_t size,
		    struct og_err *err)
{
	if (strlen(path) >= size)
		return og_fail(err, -ENAMETOOLONG, "%s", option);
	memcpy(buf, path, strlen(path) + 1);
	return 0;
}

static int set_logger(struct og_vmmapi *api, const struct og_front_config *config,
		      struct og_err *err)
{
	struct og_api_logger logger = { .show_level = config->show_level,
					.show_log_origin = config->show_log_origin };
	int r = 0;

	if (config->log_path == NULL && config->level == NULL && config->module == NULL &&
	    !config->show_level && !config->show_log_origin)
		return 0;
	og_body_mark(&og_body_logger, &logger, "show_level");
	og_body_mark(&og_body_logger, &logger, "show_log_origin");
	if (config->log_path != NULL)
		r = set_path("--log-path", config->log_path, logger.log_path,
			     sizeof(logger.log_path), err);
	if (r == 0 && config->module != NULL) {
		r = set_path("--module", config->module, logger.module, sizeof(logger.module), err);
		og_body_mark(&og_body_logger, &logger, "module");
	}
	if (config->level != NULL) {
		logger.level = (unsigned)og_word_find(og_api_levels, config->level, true);
		og_body_mark(&og_body_logger, &logger, "level");
	}
	return r < 0 ? r : og_logger_configure(&api->logger, &logger, err);
}

static uint64_t now_us(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int set_metrics(struct front *front, const struct og_front_config *config,
		       struct og_err *err)
{
	struct og_metrics_output *metrics = &front->api.metrics;
	struct og_api_metrics body = {};
	void *shared = mmap(NULL, sizeof(struct og_metrics), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (shared == MAP_FAILED)
		return og_fail(err, -errno, "share counters");
	metrics->shared = shared;
	metrics->before = &front->before;
	if (config->start_time_us != 0)
		metrics->startup_us = now_us(CLOCK_REALTIME) - config->start_time_us;
	if (config->start_time_cpu_us != 0)
		metrics->startup_cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) -
					  config->start_time_cpu_us + config->parent_cpu_time_us;
	if (config->metrics_path == NULL)
		return 0;
	r = set_path("--metrics-path", config->metrics_path, body.metrics_path,
		     sizeof(body.metrics_path), err);
	return r < 0 ? r : og_metrics_configure(metrics, &body, err);
}

static int read_metadata(struct og_vmmapi *api, const char *path, struct og_err *err)
{
	og_auto_free char *text = NULL;
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	size_t len;
	int r;

	if (path == NULL)
		return 0;
	r = og_read_file(AT_FDCWD, path, api->mmds.max_bytes, &text, &len, err);
	if (r == 0)
		r = og_json_parse(text, len, &json, err);
	if (r == 0)
		r = og_mmds_store_put(&api->mmds, json, err);
	return r < 0 ? og_fail_in(err, r, "--metadata '%s'", path) : 0;
}

static int read_config(struct front *front, const char *path, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len;
	int r;

	if (path == NULL)
		return 0;
	r = og_read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len, err);
	if (r == 0)
		r = og_vmmapi_configure(&front->api, text, len, err);
	if (r < 0)
		return og_fail_in(err, r, "--config-file '%s'", path);
	r = front->api.ops->start(front->api.data, &front->api, err);
	if (r == 0)
		front->api.phase = OG_API_RUNNING;
	return r;
}

static void on_signal(struct og_source *source, int signal, void *data)
{
	struct front *front = data;

	(void)source;
	og_log(&front->api.logger, OG_LEVEL_INFO, "vmm", "Ended by signal %d.", signal);
	front->signal = signal;
	og_loop_stop(front->loop);
}

static void on_period(struct og_source *source, void *data)
{
	struct front *front = data;

	(void)source;
	if (front->api.metrics.fd >= 0)
		(void)og_metrics_flush(&front->api.metrics, &front->api, NULL);
	(void)og_loop_add_timer(front->loop, OG_METRICS_PERIOD_MS, on_period, front, NULL, NULL);
}

static int watch(struct front *front, struct og_err *err)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	r = og_loop_add_signals(front->loop, &set, on_signal, front, err);
	if (r == 0)
		r = og_loop_add_timer(front->loop, OG_METRICS_PERIOD_MS, on_period, front, NULL,
				      err);
	return r;
}

static void take_down(struct front *front)
{
	front->server = og_server_free(front->server);
	if (front->loop != NULL) {
		og_bind_done(&front->bind);
		if (front->api.metrics.fd >= 0)
			(void)og_metrics_flush(&front->api.metrics, &front->api, NULL);
		og_log(&front->api.logger, OG_LEVEL_INFO, "vmm", "onggi-vmm ends. exit_code=%d",
		       front->bind.status);
		og_vmmapi_done(&front->api);
	}
	front->loop = og_loop_free(front->loop);
}

/* Closes all but standard streams, @kept, and what the configuration has open. */
static void close_others(struct front *front, const int *kept, size_t n)
{
	const struct og_vmmapi *api = &front->api;

	for (int fd = 3; fd < CLONE_FDS_MAX; fd++) {
		bool keep = fd == api->logger.fd;

		for (size_t i = 0; i < n; i++)
			keep |= fd == kept[i];
		if (!keep)
			(void)close(fd);
	}
	(void)close_range(CLONE_FDS_MAX, ~0U, 0);
}

/* All is counted from the beginning, and said as the first one's: with its name and properties. */
static int begin_metrics(struct front *front, struct og_metrics *shared,
			 const struct og_api_fork *params, struct og_err *err)
{
	struct og_metrics_output *metrics = &front->api.metrics;
	struct og_api_metrics config = { .emit_id = metrics->emit_id,
					 .n_properties = metrics->n_properties };

	memcpy(config.properties, metrics->properties, sizeof(config.properties));
	memset(&front->before, 0, sizeof(front->before));
	*metrics = (struct og_metrics_output){ .fd = -EBADF,
					       .shared = shared,
					       .before = &front->before };
	front->bind.config.metrics = shared;
	if (params->metrics_path[0] == '\0')
		return 0;
	memcpy(config.metrics_path, params->metrics_path, sizeof(config.metrics_path));
	return og_metrics_configure(metrics, &config, err);
}

/* What is this front's own, and not the first one's. */
static int set_up_clone(struct front *front, const struct og_process *process,
			struct og_metrics *metrics, const struct og_api_fork *params,
			struct og_err *err)
{
	struct og_vmmapi *api = &front->api;
	int r = og_loop_new(&front->loop, err);

	if (r < 0)
		return r;
	memcpy(api->id, params->id, sizeof(api->id));
	api->phase = params->resume_vm ? OG_API_RUNNING : OG_API_PAUSED;
	api->kernel_fd = api->initrd_fd = -EBADF;
	for (unsigned i = 0; i < api->n_drives; i++)
		api->drives[i].fd = -EBADF;
	for (unsigned i = 0; i < api->n_pmems; i++)
		api->pmems[i].fd = -EBADF;
	for (unsigned i = 0; i < OG_VMM_NETS_MAX; i++)
		front->bind.tap_fds[i] = -EBADF;
	for (unsigned i = 0; i < OG_VMM_SHARES_MAX; i++)
		front->bind.share_fds[i] = -EBADF;
	/* First: what fails before it would take the first one's machine down. */
	r = og_bind_adopt(&front->bind, front->loop, process, params, err);
	if (r == 0)
		r = begin_metrics(front, metrics, params, err);
	if (r == 0)
		r = watch(front, err);
	if (r == 0)
		r = og_server_new(front->loop, params->api_sock, api, front->payload_max,
				  &front->server, err);
	return r;
}

/* Says at @said_fd how the start went: nothing, or why it failed. */
__attribute__((noreturn)) static void be_clone(struct front *front,
					       const struct og_process *process,
					       struct og_metrics *metrics,
					       const struct og_api_fork *params, int said_fd)
{
	const int kept[] = { process->control_fd, process->broker_fd, said_fd };
	struct og_err err = {};
	int r;

	front->loop = NULL; /* the first one's, whose epoll is not to be touched */
	front->server = NULL;
	front->bind.broker = front->bind.ended = NULL;
	close_others(front, kept, 3);
	r = set_up_clone(front, process, metrics, params, &err);
	if (r < 0)
		(void)!write(said_fd, err.text, strlen(err.text));
	else
		(void)close(said_fd);
	if (r == 0)
		r = og_loop_run(front->loop, &err);
	take_down(front); /* who waits at said_fd hears the end once nothing is left of it */
	_exit(r < 0 ? OG_EXIT_ERROR : front->bind.status);
}

/* The clone's front is nobody's child: it lives as long as its machine. */
static int clone_front(void *data, const struct og_process *process, struct og_metrics *metrics,
		       const struct og_api_fork *params, struct og_err *err)
{
	struct og_err said = {};
	int pipe_fds[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "start the clone's API");
	pid = fork();
	if (pid == 0 && fork() == 0)
		be_clone(data, process, metrics, params, pipe_fds[1]);
	if (pid == 0)
		_exit(0);
	(void)close(pipe_fds[1]);
	n = pid < 0 ? -errno : og_read_upto(pipe_fds[0], said.text, sizeof(said.text) - 1);
	(void)close(pipe_fds[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n < 0)
		return og_fail(err, (int)n, "start the clone's API");
	return n > 0 ? og_fail_as(err, -EIO, said.text) : 0;
}

static int set_up(struct front *front, const struct og_front_config *config, struct og_err *err)
{
	size_t payload_max = config->payload_max > 0 ? (size_t)config->payload_max
						     : OG_API_PAYLOAD_MAX;
	int r = og_loop_new(&front->loop, err);

	if (r < 0)
		return r;
	og_bind_init(&front->bind, front->loop, !config->no_jail);
	front->bind.forkable = config->forkable;
	front->bind.clone = clone_front;
	front->bind.clone_data = front;
	front->payload_max = payload_max;
	og_vmmapi_init(&front->api, &og_bind_ops, &front->bind);
	front->api.pci = config->pci;
	front->api.mmds.max_bytes = config->mmds_max > 0 ? (size_t)config->mmds_max : payload_max;
	r = set_id(&front->api, config->id, err);
	if (r == 0)
		r = set_logger(&front->api, config, err);
	if (r == 0)
		r = set_metrics(front, config, err);
	if (r == 0)
		r = watch(front, err);
	og_log(&front->api.logger, OG_LEVEL_INFO, "vmm", "Running onggi-vmm " OG_VERSION);
	if (r == 0)
		r = read_metadata(&front->api, config->metadata_file, err);
	if (r == 0 && !config->no_api)
		r = og_server_new(front->loop,
				  config->api_sock != NULL ? config->api_sock
							   : OG_API_SOCKET_DEFAULT,
				  &front->api, payload_max, &front->server, err);
	if (r == 0 && config->prepare)
		r = og_bind_prepare(&front->bind, err);
	return r < 0 ? r : read_config(front, config->config_file, err);
}

int og_front_run(const struct og_front_config *config, struct og_err *err)
{
	static struct front front; /* a process has one, and most of it is never touched */
	int r;

	if (config->no_api && config->config_file == NULL)
		return og_fail_plain(err, -EINVAL, "--no-api needs --config-file"), OG_EXIT_ERROR;
	if (config->prepare && config->config_file != NULL)
		return og_fail_plain(err, -EINVAL,
				     "--prepare waits for requests: it goes without --config-file"),
		       OG_EXIT_ERROR;
	r = og_jail_front(err);
	og_act_compromised("front-");
	if (r == 0)
		r = set_up(&front, config, err);
	if (r == 0)
		r = og_loop_run(front.loop, err);
	take_down(&front);
	if (r == 0 && front.signal != 0)
		r = og_fail_plain(err, -EINTR, "ended by signal %d", front.signal);
	else if (r == 0 && front.bind.status == OG_EXIT_ERROR)
		r = og_fail_plain(err, -EIO, "the machine's process ended with an error");
	return r < 0 ? OG_EXIT_ERROR : front.bind.status;
}

static int read_version(const char *path, unsigned *ret_minor, struct og_err *err)
{
	og_auto_free char *bytes = NULL;
	struct og_snapshot snapshot;
	size_t len;
	int r = og_read_file(AT_FDCWD, path, OG_SNAPSHOT_BYTES_MAX, &bytes, &len, err);

	if (r == 0)
		r = og_snapshot_read(bytes, len, &snapshot, err);
	if (r < 0)
		return og_fail_in(err, r, "--describe-snapshot '%s'", path);
	*ret_minor = snapshot.minor;
	return 0;
}

int og_front_answer(const struct og_front_config *config, struct og_err *err)
{
	unsigned minor = OG_SNAPSHOT_MINOR;
	int r = config->describe_snapshot == NULL
			? 0
			: read_version(config->describe_snapshot, &minor, err);

	if (r == 0)
		printf("v%u.%u.0\n", OG_SNAPSHOT_MAJOR, minor);
	return r;
}

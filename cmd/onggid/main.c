/* SPDX-License-Identifier: Apache-2.0 */
/* onggid: opens the engine, serves its API, and ends on a signal while workloads go on. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/io.h"
#include "base/text.h"
#include "options.h"

/* systemd hands its sockets over from this number on (sd_listen_fds(3)). */
#define LISTEN_FDS_START 3

struct daemon {
	struct options options;
	struct og_engine *engine;
	struct og_http_server *server;
	struct og_api api;
	char *sockets[LIST_MAX]; /* unix sockets that we made; owned */
	size_t socket_count;
};

static void say(void *data, const char *text)
{
	const struct daemon *daemon = data;

	if (!og_streq(daemon->options.log_level, "fatal"))
		(void)dprintf(STDERR_FILENO, "onggid: %s\n", text);
}

/* ---- sockets ---- */

static int find_group(const char *name, gid_t *ret_gid, struct og_err *err)
{
	const struct group *group;
	uint64_t number;

	*ret_gid = (gid_t)-1;
	if (name == NULL)
		return 0;
	group = getgrnam(name);
	if (group != NULL)
		*ret_gid = group->gr_gid;
	else if (og_parse_u64(name, 0, INT32_MAX, &number) == 0)
		*ret_gid = (gid_t)number;
	else
		return og_fail_plain(err, -EINVAL, "there is no group '%s'", name);
	return 0;
}

static int listen_unix(struct daemon *daemon, const char *path, struct og_err *err)
{
	gid_t gid;
	int r = find_group(daemon->options.group, &gid, err);
	int fd = r < 0 ? r : og_http_listen_unix(path, gid, err);

	if (fd < 0)
		return fd;
	daemon->sockets[daemon->socket_count++] = strdup(path);
	return og_http_server_listen(daemon->server, fd,
				     &(struct og_http_listen){ .peers = OG_HTTP_LOCAL }, err);
}

static int listen_inherited(struct daemon *daemon, struct og_err *err)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint64_t number = 0, for_pid = 0;

	if (pid == NULL || count == NULL || og_parse_u64(pid, 1, INT32_MAX, &for_pid) < 0 ||
	    (pid_t)for_pid != getpid() || og_parse_u64(count, 1, LIST_MAX, &number) < 0)
		return og_fail_plain(err, -EINVAL, "no socket was handed over (LISTEN_FDS)");
	for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + (int)number; fd++) {
		struct sockaddr_storage address = {};
		struct og_http_listen how = {};
		socklen_t len = sizeof(address);
		int r;

		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
			return og_fail(err, -errno, "descriptor %d", fd);
		how.peers = address.ss_family == AF_UNIX ? OG_HTTP_LOCAL : OG_HTTP_LOOPBACK;
		r = og_http_server_listen(daemon->server, fd, &how, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int listen_on(struct daemon *daemon, const char *host, struct og_err *err)
{
	int fd;

	if (og_starts_with(host, "unix://"))
		return listen_unix(daemon, host + strlen("unix://"), err);
	if (og_starts_with(host, "fd://"))
		return listen_inherited(daemon, err);
	if (!og_starts_with(host, "tcp://"))
		return og_fail_plain(err, -EINVAL, "-H %s: there are unix://, tcp:// and fd://",
				     host);
	fd = og_http_listen_loopback(host + strlen("tcp://"), err);
	return fd < 0 ? fd
		      : og_http_server_listen(daemon->server, fd,
					      &(struct og_http_listen){ .peers = OG_HTTP_LOOPBACK },
					      err);
}

static int listen_all(struct daemon *daemon, struct og_err *err)
{
	og_auto_free char *path = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < daemon->options.host_count; i++)
		r = listen_on(daemon, daemon->options.hosts[i], err);
	if (r < 0 || daemon->options.host_count > 0)
		return r;
	if (getenv("LISTEN_FDS") != NULL)
		return listen_inherited(daemon, err);
	path = og_strdupf("%s/onggi.sock", daemon->options.exec_root);
	return path == NULL ? -ENOMEM : listen_unix(daemon, path, err);
}

/* ---- start and end ---- */

/* Each connection and workload has some descriptors; Linux gives 1,024 unless asked. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Before the first thread, so that all inherit it and sigwait() alone sees these. */
static void block_signals(sigset_t *ret_set)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a client that leaves is a return value */
	(void)sigemptyset(ret_set);
	(void)sigaddset(ret_set, SIGTERM);
	(void)sigaddset(ret_set, SIGINT);
	(void)sigaddset(ret_set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, ret_set, NULL);
}

static int write_pidfile(const char *path, struct og_err *err)
{
	char text[16];

	if (path == NULL)
		return 0;
	(void)snprintf(text, sizeof(text), "%d\n", getpid());
	return og_replace_file(AT_FDCWD, path, text, strlen(text), 0644, false, err);
}

static int open_engine(struct daemon *daemon, struct og_err *err)
{
	const struct og_engine_config config = {
		.data_root = daemon->options.data_root,
		.exec_root = daemon->options.exec_root,
		.insecure_registries = daemon->options.insecure,
		.policy = daemon->options.policy,
		.report = say,
		.report_data = daemon,
	};

	return og_engine_open(&config, &daemon->engine, err);
}

static int serve(struct daemon *daemon, struct og_err *err)
{
	const struct og_http_config config = {
		.handle = og_api_handle,
		.data = &daemon->api,
		.error_body = og_api_error_body,
		.error_type = OG_API_ERROR_TYPE,
		.body_max = og_api_body_max,
	};
	int r;

	daemon->api = (struct og_api){
		.engine = daemon->engine,
		.debug = daemon->options.debug || og_streq(daemon->options.log_level, "debug"),
		.log = say,
		.log_data = daemon,
	};
	r = og_http_server_new(&config, &daemon->server, err);
	return r < 0 ? r : listen_all(daemon, err);
}

static void daemon_done(struct daemon *daemon)
{
	(void)og_http_server_free(daemon->server);
	for (size_t i = 0; i < daemon->socket_count; i++) {
		if (daemon->sockets[i] != NULL)
			(void)unlink(daemon->sockets[i]);
		free(daemon->sockets[i]);
	}
	(void)og_engine_free(daemon->engine);
	if (daemon->options.pidfile != NULL)
		(void)unlink(daemon->options.pidfile);
}

static void say_listens(struct daemon *daemon, const char *scheme, const char *where)
{
	og_auto_free char *line = og_strdupf("API listens on %s%s", scheme, where);

	say(daemon, line != NULL ? line : "API listens");
}

/* What whoever reads the log wants to know first. */
static void say_start(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->options.host_count; i++)
		say_listens(daemon, "", daemon->options.hosts[i]);
	if (daemon->options.host_count == 0 && daemon->socket_count == 0)
		say_listens(daemon, "fd://", "");
	else if (daemon->options.host_count == 0)
		say_listens(daemon, "unix://", daemon->sockets[0]);
	if (geteuid() != 0)
		say(daemon, "not root: images can be kept, but no workload can be started");
}

static int run(struct daemon *daemon, struct og_err *err)
{
	sigset_t signals;
	int signal = 0, r;

	raise_limits();
	(void)umask(0022);
	block_signals(&signals);
	r = open_engine(daemon, err);
	if (r == 0)
		r = serve(daemon, err);
	if (r == 0)
		r = write_pidfile(daemon->options.pidfile, err);
	if (r < 0)
		return r;
	say_start(daemon);
	do {
		r = sigwait(&signals, &signal);
	} while (r == 0 && signal == SIGHUP);
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon daemon = {};
	struct og_err err = {};
	int r = options_read(argc, argv, &daemon.options, &err);

	if (r == 0 && daemon.options.help) {
		options_help();
		return EXIT_SUCCESS;
	}
	if (r == 0 && daemon.options.version) {
		printf("onggid version %s\n", OG_VERSION);
		return EXIT_SUCCESS;
	}
	if (r == 0) {
		r = run(&daemon, &err);
		daemon_done(&daemon);
	}
	if (r < 0)
		(void)dprintf(STDERR_FILENO, "onggid: %s\n", err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

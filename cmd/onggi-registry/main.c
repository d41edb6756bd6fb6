/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-registry: opens a registry, and serves, collects or scrubs it. */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "account.h"
#include "base/io.h"
#include "base/text.h"
#include "base/tls.h"
#include "options.h"
#include "registry/config.h"
#include "registry/ops.h"
#include "registry/registry.h"

#define ADDR_DEFAULT ":5000"
#define ROOT_DEFAULT "/var/lib/onggi-registry"

/* systemd hands its sockets over from this number on (sd_listen_fds(3)). */
#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX	 16

/* Of a push that is refused: no more than a small layer, then its client is hung up on. */
#define DRAIN_MAX (16ULL << 20)

/* Arenas of many threads would keep memory for each; the server's threads allocate little. */
#define ARENAS 2

struct program {
	struct options options;
	struct og_registry_config config;
	struct og_registry_ops *ops;   /* owned */
	struct og_registry *registry;  /* owned */
	struct og_tls_server *tls;     /* owned; NULL: none */
	struct og_http_server *server; /* owned */
};

static void say(void *data, const char *line)
{
	(void)data;
	(void)dprintf(STDERR_FILENO, "onggi-registry: %s\n", line);
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a != NULL ? a : b != NULL ? b : c;
}

/* ---- start ---- */

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* What it opened stays open, and nothing else needs a privilege. */
static int drop_privileges(struct og_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {}, held[2] = {};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "set no_new_privs");
	/* Whose files are root's alone still needs to be root, without any capability. */
	if (syscall(SYS_capget, &header, held) < 0 || syscall(SYS_capset, &header, none) < 0)
		return og_fail(err, -errno, "drop capabilities");
	return 0;
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

static const char *addr_of(const struct program *program)
{
	return first_of(program->options.addr, program->config.addr, ADDR_DEFAULT);
}

static const char *root_of(const struct program *program)
{
	return first_of(program->options.root, program->config.root, ROOT_DEFAULT);
}

static int open_ops(struct program *program, struct og_err *err)
{
	og_auto_fd state_fd = og_registry_state_folder(root_of(program), err);

	if (state_fd < 0)
		return state_fd;
	return og_registry_ops_new(&program->config, state_fd, say, program, &program->ops, err);
}

static int open_registry(struct program *program, struct og_err *err)
{
	const struct og_registry_config *config = &program->config;
	struct og_registry_options options = {
		.root = root_of(program),
		.sparse_indexes = config->sparse_indexes,
		.grace_s = (unsigned)config->grace_s,
		.gc_interval_s = (unsigned)config->collect_s,
		.scrub_interval_s = (unsigned)config->scrub_s,
		.untagged_s = (unsigned)config->untagged_s,
		.upload_s = (unsigned)config->upload_s,
		.uploads_max = (unsigned)config->uploads_max,
		.uploads_bytes = config->uploads_bytes,
		.log = say,
		.log_data = program,
	};

	if (program->ops != NULL)
		og_registry_ops_fill(program->ops, &options);
	return og_registry_open(&options, &program->registry, err);
}

static int open_tls(struct program *program, struct og_err *err)
{
	const struct og_registry_config *config = &program->config;
	const struct og_tls_files files = {
		.certificate = first_of(program->options.tls_cert, config->tls_certificate, NULL),
		.key = first_of(program->options.tls_key, config->tls_key, NULL),
		.client_ca = first_of(program->options.tls_client_ca, config->tls_client_ca, NULL),
		.client_optional = config->tls_client_optional,
	};

	if (files.certificate == NULL || files.key == NULL)
		return 0;
	return og_tls_server_new(&files, &program->tls, err);
}

/* ---- sockets ---- */

static int serve_socket(struct program *program, int fd, struct og_err *err)
{
	const struct og_http_listen listen = { .peers = OG_HTTP_ANYBODY, .tls = program->tls };

	return og_http_server_listen(program->server, fd, &listen, err);
}

/* Sockets of systemd's: their number, 0 where there are none. */
static int inherited(int fds[LISTEN_FDS_MAX])
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint64_t number = 0, for_pid = 0;

	if (pid == NULL || count == NULL || og_parse_u64(pid, 1, INT32_MAX, &for_pid) < 0 ||
	    (pid_t)for_pid != getpid() || og_parse_u64(count, 1, LISTEN_FDS_MAX, &number) < 0)
		return 0;
	for (int i = 0; i < (int)number; i++)
		fds[i] = LISTEN_FDS_START + i;
	return (int)number;
}

/* Returns how many sockets there are to serve. */
static int open_sockets(const struct program *program, int fds[LISTEN_FDS_MAX], struct og_err *err)
{
	int count = program->options.addr == NULL ? inherited(fds) : 0;

	if (count > 0)
		return count;
	fds[0] = og_http_listen_tcp(addr_of(program), err);
	return fds[0] < 0 ? fds[0] : 1;
}

/* ---- commands ---- */

/* Where it serves what, and what somebody should not find out later. */
static void say_start(const struct program *program, bool by_systemd)
{
	const char *addr = by_systemd ? "systemd's sockets" : addr_of(program);
	bool near = by_systemd || og_starts_with(addr, "127.") || og_starts_with(addr, "[::1]");
	bool certified = first_of(program->options.tls_client_ca, program->config.tls_client_ca,
				  NULL) != NULL &&
			 !program->config.tls_client_optional;
	og_auto_free char *line = og_strdupf("serves '%s' on %s%s", root_of(program), addr,
					     program->tls != NULL ? ", by TLS" : "");

	say(NULL, line != NULL ? line : "serves");
	if (!near && !program->config.has_access && !certified)
		say(NULL, "anybody who reaches it may push and delete: give it accounts (section "
			  "access of the configuration), or --addr 127.0.0.1:PORT");
}

static int serve(struct program *program, struct og_err *err)
{
	const struct og_http_config config = {
		.handle = og_registry_ops_handle,
		.done = og_registry_ops_done,
		.data = program->ops,
		.trailing_slash = true,
		.limits = { .connections_max = (unsigned)program->config.connections,
			    .min_rate = (unsigned)program->config.min_rate,
			    .drain_max = DRAIN_MAX },
		.error_body = og_registry_error_body,
		.error_type = "application/json",
		.body_max = og_registry_body_max,
	};
	int fds[LISTEN_FDS_MAX], count, signal = 0, r;
	sigset_t signals;

	block_signals(&signals);
	r = open_tls(program, err);
	if (r < 0)
		return r;
	r = count = open_sockets(program, fds, err);
	/* Capabilities are a thread's own: before there is a second one. */
	if (r > 0)
		r = drop_privileges(err);
	if (r == 0)
		r = og_registry_ops_start(program->ops, program->registry, err);
	if (r == 0)
		r = og_http_server_new(&config, &program->server, err);
	for (int i = 0; i < count && r == 0; i++)
		r = serve_socket(program, fds[i], err);
	if (r == 0)
		r = og_registry_start(program->registry, err);
	if (r < 0)
		return r;
	say_start(program, program->options.addr == NULL && inherited(fds) > 0);
	for (;;) {
		if (sigwait(&signals, &signal) != 0 || signal != SIGHUP)
			return 0;
		if (program->tls != NULL && og_tls_server_reload(program->tls, err) < 0)
			say(program, err->text);
	}
}

static void tell_tag(void *data, const struct og_registry_tag *tag)
{
	(void)data;
	printf("tag %s:%s %s\n", tag->repository, tag->tag, tag->digest);
}

static int collect(struct program *program, struct og_err *err)
{
	bool dry_run = program->options.dry_run;
	struct og_registry_gc gc;
	uint64_t tags = 0;
	int r = drop_privileges(err);

	/* Tags first: what only they kept goes with them. */
	if (r == 0)
		r = og_registry_ops_retain(program->ops, program->registry, dry_run, tell_tag, NULL,
					   &tags, err);
	if (r == 0)
		r = og_registry_collect(program->registry, dry_run, &gc, err);
	if (r < 0)
		return r;
	printf("%s %" PRIu64 " manifests, %" PRIu64 " blobs, %" PRIu64 " uploads, %" PRIu64
	       " bytes\n",
	       dry_run ? "would remove" : "removed", gc.manifests, gc.blobs, gc.uploads, gc.bytes);
	return 0;
}

/* Damage that was found is told by the exit status, too. */
static int scrub(struct program *program, struct og_err *err)
{
	struct og_registry_scrub done;
	uint64_t rate = 0;
	int r = 0;

	if (program->options.rate != NULL &&
	    og_parse_u64(program->options.rate, 1, INT64_MAX, &rate) < 0)
		return og_fail_plain(err, -EINVAL, "--rate is a number of bytes a second");
	r = drop_privileges(err);
	if (r == 0)
		r = og_registry_scrub(program->registry, rate, &done, err);
	if (r < 0)
		return r;
	printf("checked %" PRIu64 " blobs, %" PRIu64 " bytes: %" PRIu64 " damaged, %" PRIu64
	       " missing\n",
	       done.blobs, done.bytes, done.bad, done.missing);
	return done.bad > 0
		       ? og_fail_plain(err, -EUCLEAN, "%" PRIu64 " blobs were damaged", done.bad)
		       : 0;
}

static int run(struct program *program, struct og_err *err)
{
	const char *command = program->options.command;
	int r = 0;

	raise_limits();
	(void)umask(0077);
	(void)mallopt(M_ARENA_MAX, ARENAS);
	if (program->options.config != NULL)
		r = og_registry_config_read(&program->config, program->options.config, err);
	if (r == 0 && (og_streq(command, "gc") || og_streq(command, "scrub")))
		r = og_registry_check_root(root_of(program), err);
	if (r == 0 && og_streq(command, "account"))
		return account(root_of(program), &program->options, err);
	if (r == 0 && !og_streq(command, "scrub"))
		r = open_ops(program, err);
	if (r == 0)
		r = open_registry(program, err);
	if (r < 0)
		return r;
	if (og_streq(command, "gc"))
		return collect(program, err);
	return og_streq(command, "scrub") ? scrub(program, err) : serve(program, err);
}

static void program_done(struct program *program)
{
	if (program->ops != NULL)
		og_registry_ops_hurry(program->ops);
	(void)og_http_server_free(program->server);
	if (program->ops != NULL)
		og_registry_ops_stop(program->ops);
	(void)og_registry_free(program->registry);
	(void)og_registry_ops_free(program->ops);
	(void)og_tls_server_free(program->tls);
	og_registry_config_done(&program->config);
}

int main(int argc, char **argv)
{
	struct program program = {};
	struct og_err err = {};
	int r = options_read(argc, argv, &program.options, &err);

	if (r == 0 && program.options.help) {
		options_help();
		return EXIT_SUCCESS;
	}
	if (r == 0 && program.options.version) {
		printf("onggi-registry version %s\n", OG_VERSION);
		return EXIT_SUCCESS;
	}
	if (r == 0) {
		og_registry_config_init(&program.config);
		r = run(&program, &err);
		program_done(&program);
	}
	if (r < 0)
		say(NULL, err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

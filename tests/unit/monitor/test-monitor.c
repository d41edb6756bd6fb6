/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor program, asked through client.h, with a stand-in for onggi-runtime. */
#include "monitor/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/test.h"
#include "base/text.h"
#include "format/stdstream.h"

#define TIMEOUT_MS 20000

struct place {
	char *dir;
	char *root;
	char *state;
	char *log;
	int dir_fd;
	int state_fd;
	struct og_monitor_ready ready;
};

static void place_done(struct place *place)
{
	free(place->dir);
	free(place->root);
	free(place->state);
	free(place->log);
	(void)close(place->dir_fd);
	(void)close(place->state_fd);
}

#define auto_place og_cleanup(place_done) struct place

/* A monitor mounts, so it wants to be root, if only in a user namespace. */
static void be_root(void)
{
	og_auto_free char *map = og_strdupf("0 %d 1", (int)getuid());

	if (geteuid() == 0)
		return;
	if (unshare(CLONE_NEWUSER) < 0) {
		fprintf(stderr, "needs root, or user namespaces\n");
		exit(TEST_SKIP_STATUS);
	}
	CHECK_OK(og_write_file(AT_FDCWD, "/proc/self/setgroups", "deny", NULL));
	CHECK_OK(og_write_file(AT_FDCWD, "/proc/self/uid_map", map, NULL));
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	CHECK(fd >= 0);
	CHECK_OK(og_write_all(fd, text, strlen(text)));
	(void)close(fd);
}

static struct place make_place(const char *workload)
{
	og_auto_free char *here = getcwd(NULL, 0);
	struct place place = { .dir = og_strdupf("%s/dir", here),
			       .root = og_strdupf("%s/root", here),
			       .state = og_strdupf("%s/state", here),
			       .log = og_strdupf("%s/state/log", here) };

	be_root();
	CHECK_OK(mkdir("dir", 0700));
	CHECK_OK(mkdir("dir/bundle", 0700));
	CHECK_OK(mkdir("root", 0700));
	CHECK_OK(mkdir("state", 0700));
	if (workload != NULL)
		write_text("dir/bundle/workload", workload);
	place.dir_fd = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.state_fd = open("state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return place;
}

static struct og_monitor_config make_config(const struct place *place)
{
	return (struct og_monitor_config){
		.program = MONITOR,
		.runtime = FAKE_RUNTIME,
		.runtime_root = place->root,
		.id = "test",
		.isolation = "container",
		.state_dir = place->state,
		.lower_fd = -1,
		.log_path = place->log,
	};
}

static void spawn(struct place *place, const struct og_monitor_config *config)
{
	struct og_err err = {};

	if (og_monitor_spawn(place->dir_fd, place->dir, config, TIMEOUT_MS, &place->ready, &err) <
	    0) {
		fprintf(stderr, "%s\n", err.text);
		exit(EXIT_FAILURE);
	}
	CHECK(place->ready.pid > 0 && place->ready.monitor_pid > 0);
}

static int attach(const struct place *place, bool in)
{
	struct og_monitor_streams streams = { .in = in, .out = true, .err = true };
	int fd = -1;

	CHECK_OK(og_monitor_attach(place->dir_fd, &streams, TIMEOUT_MS, &fd, NULL));
	return fd;
}

/* All of one stream until the end. The caller frees it. */
static char *read_stream(int fd, enum og_stdstream_id id, size_t *ret_len)
{
	og_auto_text content = {};
	struct og_stdstream state = {};
	uint8_t buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ptrdiff_t at = 0; at < n;) {
			struct og_stdstream_part part;
			ptrdiff_t used =
				og_stdstream_next(&state, buf + at, (size_t)(n - at), &part);

			CHECK(used > 0);
			if (part.len > 0 && part.id == id)
				og_text_add_bytes(&content, part.content, part.len);
			at += used;
		}
	}
	CHECK_EQ(n, 0);
	*ret_len = content.len;
	return og_text_take(&content);
}

/* It may have ended and gone before we ask: then exit.json tells. */
static int wait_end(const struct place *place)
{
	struct og_monitor_exit end = {};
	struct og_err err = {};

	int fd = -EBADF, r = og_monitor_wait_begin(place->dir_fd, &fd, &err);

	if (r == 0)
		r = og_monitor_wait_end(fd, TIMEOUT_MS, &end, &err);
	if (r < 0 && og_monitor_read_exit(place->state_fd, &end, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(EXIT_FAILURE);
	}
	return end.status;
}

TEST(output_and_exit_status_arrive_and_are_kept)
{
	auto_place place = make_place("echo out; echo err >&2; exit 7\n");
	struct og_monitor_config config = make_config(&place);
	struct og_monitor_exit end = {};
	og_auto_free char *out = NULL;
	size_t len;
	int wait_fd = -1;
	int fd;

	spawn(&place, &config);
	fd = attach(&place, false);
	CHECK_OK(og_monitor_wait_begin(place.dir_fd, &wait_fd, NULL));
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	out = read_stream(fd, OG_STDOUT, &len);
	CHECK_EQ(strcmp(out, "out\n"), 0);
	CHECK_OK(og_monitor_wait_end(wait_fd, TIMEOUT_MS, &end, NULL));
	CHECK_EQ(end.status, 7);
	CHECK(end.started_at[0] == '2' && end.finished_at[0] == '2');
	memset(&end, 0, sizeof(end));
	CHECK_OK(og_monitor_read_exit(place.state_fd, &end, NULL));
	CHECK_EQ(end.status, 7);
	CHECK_OK(access("state/log", R_OK));
	CHECK_EQ(access("root/test.pid", F_OK), -1);
	CHECK_EQ(access("dir/monitor.sock", F_OK), -1);
}

TEST(stdin_reaches_the_workload_and_ends)
{
	auto_place place = make_place("tr a-z A-Z\n");
	struct og_monitor_config config = make_config(&place);
	og_auto_free char *out = NULL;
	size_t len;
	int fd;

	config.open_stdin = config.stdin_once = true;
	spawn(&place, &config);
	fd = attach(&place, true);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	CHECK_OK(og_write_all(fd, "hello\n", 6));
	CHECK_OK(shutdown(fd, SHUT_WR));
	out = read_stream(fd, OG_STDOUT, &len);
	CHECK_EQ(strcmp(out, "HELLO\n"), 0);
	CHECK_EQ(wait_end(&place), 0);
}

TEST(a_client_that_writes_and_leaves_is_heard)
{
	auto_place place = make_place("wc -c >&2\n");
	struct og_monitor_config config = make_config(&place);
	static char much[1 << 20];
	og_auto_free char *err = NULL;
	size_t len;
	int onlooker;
	int fd;

	config.open_stdin = config.stdin_once = true;
	spawn(&place, &config);
	onlooker = attach(&place, false);
	fd = attach(&place, true);
	if (fork() == 0)
		exit(og_write_all(fd, much, sizeof(much)) == 0 ? 0 : 1);
	(void)close(fd);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	err = read_stream(onlooker, OG_STDERR, &len);
	CHECK_EQ(strcmp(err, "1048576\n"), 0);
}

TEST(much_output_reaches_several_slow_clients_unharmed)
{
	auto_place place = make_place("seq 1 3000000\n");
	struct og_monitor_config config = make_config(&place);
	int fds[2];

	config.log_max_bytes = 1 << 20;
	config.log_max_files = 2;
	spawn(&place, &config);
	fds[0] = attach(&place, false);
	fds[1] = attach(&place, false);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	for (int i = 0; i < 2; i++) {
		/* The second reads only after the first has all that it can have without it. */
		if (fork() == 0) {
			og_auto_free char *out = NULL;
			size_t len;

			(void)close(fds[1 - i]);
			out = read_stream(fds[i], OG_STDOUT, &len);
			CHECK_EQ(len, 22888896);
			CHECK_EQ(strncmp(out, "1\n2\n3\n", 6), 0);
			CHECK_EQ(strcmp(out + len - 8, "3000000\n"), 0);
			exit(EXIT_SUCCESS);
		}
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	for (int i = 0; i < 2; i++) {
		int status = -1;

		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(access("state/log.1", F_OK), 0);
	CHECK_EQ(access("state/log.2", F_OK), -1);
}

TEST(the_image_is_seen_under_a_writable_layer_and_no_mount_is_left)
{
	auto_place place = make_place("cd bundle/rootfs; cat hello; echo new >new\n");
	struct og_monitor_config config = make_config(&place);
	og_auto_free char *upper = og_strdupf("%s/upper", place.state);
	og_auto_free char *work = og_strdupf("%s/work", place.state);
	og_auto_free char *out = NULL;
	size_t len;
	int fd;

	if (getuid() != 0) {
		fprintf(stderr, "needs root: overlay in the first user namespace\n");
		exit(TEST_SKIP_STATUS);
	}
	CHECK_OK(mkdir("image", 0755));
	write_text("image/hello", "from the image\n");
	CHECK_OK(mkdir(upper, 0755));
	CHECK_OK(mkdir(work, 0755));
	config.upper = upper;
	config.work = work;
	config.lower_fd = open_tree(AT_FDCWD, "image", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(config.lower_fd >= 0);
	spawn(&place, &config);
	fd = attach(&place, false);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	out = read_stream(fd, OG_STDOUT, &len);
	CHECK_EQ(strcmp(out, "from the image\n"), 0);
	CHECK_EQ(wait_end(&place), 0);
	CHECK_OK(access("state/upper/new", R_OK));
	CHECK_EQ(access("image/new", F_OK), -1);
	CHECK_EQ(access("dir/bundle/rootfs/hello", F_OK), -1);
}

TEST(a_signal_ends_the_workload_with_its_number)
{
	auto_place place = make_place("echo up; exec sleep 1000\n");
	struct og_monitor_config config = make_config(&place);
	uint8_t header[11];
	struct og_err err = {};
	int fd;

	spawn(&place, &config);
	fd = attach(&place, false);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	CHECK_EQ(og_monitor_start(place.dir_fd, TIMEOUT_MS, &err), -EALREADY);
	CHECK_EQ(og_read_upto(fd, header, sizeof(header)), 11);
	CHECK_OK(og_monitor_kill(place.dir_fd, SIGTERM, TIMEOUT_MS, &err));
	CHECK_EQ(wait_end(&place), 128 + SIGTERM);
}

TEST(an_exec_has_streams_and_a_status_of_its_own)
{
	auto_place place = make_place("exec sleep 1000\n");
	struct og_monitor_config config = make_config(&place);
	struct og_monitor_exec exec = {
		.id = "e1",
		.process_json = "{\"args\":[\"sh\",\"-c\",\"cat; exit 9\"]}",
		.streams = { .in = true, .out = true },
	};
	struct og_monitor_exit end = {};
	og_auto_free char *out = NULL;
	struct og_err err = {};
	int wait_fd = -EBADF;
	pid_t pid = 0;
	size_t len;
	int fd = -1;

	spawn(&place, &config);
	CHECK_OK(og_monitor_start(place.dir_fd, TIMEOUT_MS, NULL));
	CHECK_OK(og_monitor_exec(place.dir_fd, &exec, TIMEOUT_MS, &fd, &pid, &err));
	CHECK(pid > 0);
	CHECK_EQ(og_monitor_exec_wait(place.dir_fd, "e1", 0, &end, &err), -ETIMEDOUT);
	CHECK_OK(og_monitor_wait_begin(place.dir_fd, &wait_fd, &err));
	CHECK_EQ(og_monitor_wait_end(wait_fd, 0, &end, &err), -ETIMEDOUT);
	CHECK_EQ(og_monitor_exec(place.dir_fd, &exec, TIMEOUT_MS, &fd, &pid, &err), -EEXIST);
	CHECK_OK(og_write_all(fd, "ping", 4));
	CHECK_OK(shutdown(fd, SHUT_WR));
	out = read_stream(fd, OG_STDOUT, &len);
	CHECK_EQ(strcmp(out, "ping"), 0);
	CHECK_OK(og_monitor_exec_wait(place.dir_fd, "e1", TIMEOUT_MS, &end, &err));
	CHECK_EQ(end.status, 9);
	end.status = 0;
	CHECK_OK(og_monitor_exec_wait(place.dir_fd, "e1", 0, &end, &err));
	CHECK_EQ(end.status, 9);
	CHECK_EQ(og_monitor_exec_wait(place.dir_fd, "e2", TIMEOUT_MS, &end, &err), -ENOENT);

	exec.id = "e2";
	exec.process_json = "{\"args\":[\"sh\",\"-c\",\"exit 3\"]}";
	exec.streams = (struct og_monitor_streams){};
	CHECK_OK(og_monitor_exec(place.dir_fd, &exec, TIMEOUT_MS, &fd, NULL, &err));
	CHECK_EQ(fd, -1);
	CHECK_OK(og_monitor_exec_wait(place.dir_fd, "e2", TIMEOUT_MS, &end, &err));
	CHECK_EQ(end.status, 3);

	/* Its output goes on after its own end: none of it is lost. */
	exec.id = "late";
	exec.process_json = "{\"args\":[\"sh\",\"-c\",\"(sleep 1; seq 1 300000) & exit 4\"]}";
	exec.streams = (struct og_monitor_streams){ .out = true };
	CHECK_OK(og_monitor_exec(place.dir_fd, &exec, TIMEOUT_MS, &fd, NULL, &err));
	free(out);
	out = read_stream(fd, OG_STDOUT, &len);
	CHECK_EQ(len, 1988895);
	CHECK_OK(og_monitor_exec_wait(place.dir_fd, "late", TIMEOUT_MS, &end, &err));
	CHECK_EQ(end.status, 4);
	exec.streams = (struct og_monitor_streams){};

	exec.id = "e3";
	exec.process_json = "{\"args\":[\"sh\",\"-c\",\"missing\"]}";
	CHECK(og_monitor_exec(place.dir_fd, &exec, TIMEOUT_MS, &fd, NULL, &err) < 0);
	CHECK(strstr(err.text, "file not found") != NULL);
	CHECK_OK(og_monitor_kill(place.dir_fd, SIGKILL, TIMEOUT_MS, NULL));
	CHECK_EQ(wait_end(&place), 137);
}

TEST(a_workload_that_cannot_be_made_is_reported_and_leaves_no_monitor)
{
	auto_place place = make_place(NULL);
	struct og_monitor_config config = make_config(&place);
	struct og_err err = {};

	CHECK(og_monitor_spawn(place.dir_fd, place.dir, &config, TIMEOUT_MS, &place.ready, &err) <
	      0);
	CHECK(strstr(err.text, "no workload in the bundle") != NULL);
	CHECK(og_monitor_start(place.dir_fd, TIMEOUT_MS, &err) < 0);
	CHECK(err.code == -ENOENT || err.code == -ECONNREFUSED);
}

TEST(a_monitor_that_is_killed_is_noticed)
{
	auto_place place = make_place("exec sleep 1000\n");
	struct og_monitor_config config = make_config(&place);
	struct og_monitor_exit end = {};
	struct og_err err = {};
	int wait_fd = -1;

	spawn(&place, &config);
	CHECK_OK(og_monitor_wait_begin(place.dir_fd, &wait_fd, NULL));
	CHECK_OK(kill(place.ready.monitor_pid, SIGKILL));
	CHECK_EQ(og_monitor_wait_end(wait_fd, TIMEOUT_MS, &end, &err), -ECONNRESET);
	CHECK_EQ(og_monitor_start(place.dir_fd, TIMEOUT_MS, &err), -ECONNREFUSED);
	CHECK_OK(kill(place.ready.pid, SIGKILL));
}

TEST_MAIN(TEST_ENTRY(output_and_exit_status_arrive_and_are_kept),
	  TEST_ENTRY(stdin_reaches_the_workload_and_ends),
	  TEST_ENTRY(a_client_that_writes_and_leaves_is_heard),
	  TEST_ENTRY(much_output_reaches_several_slow_clients_unharmed),
	  TEST_ENTRY(the_image_is_seen_under_a_writable_layer_and_no_mount_is_left),
	  TEST_ENTRY(a_signal_ends_the_workload_with_its_number),
	  TEST_ENTRY(an_exec_has_streams_and_a_status_of_its_own),
	  TEST_ENTRY(a_workload_that_cannot_be_made_is_reported_and_leaves_no_monitor),
	  TEST_ENTRY(a_monitor_that_is_killed_is_noticed))

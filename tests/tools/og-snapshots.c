/* SPDX-License-Identifier: Apache-2.0 */
/*
 * og-snapshots KERNEL INITRD CPUS TICKS: in an empty working directory with a file "disk", boots a
 * guest that says "tick N" again and again, takes a snapshot of it and goes on from that, and forks
 * it; says what came of each.
 */
#include "../unit/vmm/forks.h"

/* The N of the last whole "tick N" in the file; 0: none. */
static unsigned last_tick(int out_fd)
{
	size_t len = (size_t)said(out_fd);
	og_auto_free char *text = calloc(1, len + 1);
	const char *at;
	unsigned n = 0;

	CHECK(text != NULL && pread(out_fd, text, len, 0) >= 0);
	for (at = text; (at = strstr(at, "tick ")) != NULL; at++)
		if (strchr(at, '\n') != NULL)
			n = (unsigned)strtoul(at + 5, NULL, 10);
	if (strstr(text, "broken") != NULL || strstr(text, "panic") != NULL) {
		puts(text);
		exit(EXIT_FAILURE);
	}
	return n;
}

static void wait_tick(const char *who, int out_fd, unsigned tick)
{
	for (unsigned i = 0; i < 3000 && last_tick(out_fd) < tick; i++)
		(void)poll(NULL, 0, 100);
	printf("%s=%u\n", who, last_tick(out_fd));
	CHECK(last_tick(out_fd) >= tick);
	(void)fflush(stdout);
}

static void describe(struct machine *m, char **argv, const char *out, const char *disk)
{
	describe_machine(m, "console=ttyS0 quiet panic=-1 cryptomgr.notests lab.run=ticks", out);
	og_close(m->config.kernel_fd);
	m->config.n_kept = 0;
	m->config.kernel_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	m->config.initrd_fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	CHECK(m->config.kernel_fd >= 0 && m->config.initrd_fd >= 0);
	m->config.initrd_name = "initrd";
	m->config.cpus = (unsigned)atoi(argv[3]);
	m->config.memory_mib = 256;
	m->config.forkable = m->config.track_dirty_pages = true;
	og_vmm_config_keep(&m->config, m->config.kernel_fd);
	og_vmm_config_keep(&m->config, m->config.initrd_fd);
	og_vmm_config_keep(&m->config, m->out_fd);
	give_disk(m, disk);
}

static void take(struct machine *m, bool diff)
{
	og_auto_fd state = new_file("state"), memory = new_file(diff ? "changes" : "memory");
	struct og_snapshot_answer answer;
	struct og_err err = {};

	tell(m, OG_COMMAND_PAUSE);
	if (save(m, state, memory, diff, &answer, &err) < 0)
		printf("%s\n", err.text);
	CHECK_EQ(err.code, 0);
	printf("%s_bytes=%llu\n%s_us=%llu\nstate_bytes=%llu\n", diff ? "changes" : "memory",
	       (unsigned long long)answer.memory_bytes, diff ? "changes" : "memory",
	       (unsigned long long)answer.microseconds, (unsigned long long)answer.state_bytes);
}

static void merge(void)
{
	og_auto_fd base = open("memory", O_RDWR | O_CLOEXEC),
		   changes = open("changes", O_RDONLY | O_CLOEXEC);

	CHECK_OK(og_memory_file_merge(base, changes, NULL));
}

static void copy_disk(const char *to)
{
	og_auto_fd from = open("disk", O_RDONLY | O_CLOEXEC), copy = new_file(to);

	copy_file(copy, from);
}

int main(int argc, char **argv)
{
	unsigned ticks = argc == 5 ? (unsigned)atoi(argv[4]) : 0;
	struct machine m, clone;
	struct child child = {};
	uint64_t from;

	if (argc != 5)
		return 2;
	describe(&m, argv, "out", "disk");
	start_machine(&m);
	wait_tick("first", m.out_fd, ticks);
	take(&m, false);
	tell(&m, OG_COMMAND_RESUME);
	wait_tick("resumed", m.out_fd, last_tick(m.out_fd) + ticks);
	take(&m, true);
	merge();
	copy_disk("copy");
	ticks = last_tick(m.out_fd);

	describe(&clone, argv, "out2", "copy");
	begin_from(&clone, "state", "memory");
	from = microseconds();
	start_machine(&clone);
	printf("restore_us=%llu\n", (unsigned long long)(microseconds() - from));
	wait_tick("restored", clone.out_fd, ticks + 5);

	copy_disk("copy2");
	fork_into(&child, m.process.control_fd, "child", "copy2", false);
	tell(&m, OG_COMMAND_RESUME);
	printf("pause_us=%llu\nfork_us=%llu\nsave_us=%llu\n",
	       (unsigned long long)child.answer.pause_us, (unsigned long long)child.answer.fork_us,
	       (unsigned long long)child.answer.save_us);
	wait_tick("forked", child.out_fd, ticks + 5);
	wait_tick("parent", m.out_fd, ticks + 5);
	end_child(&child);
	end_machine(&clone);
	end_machine(&m);
	puts("all went on");
	return 0;
}

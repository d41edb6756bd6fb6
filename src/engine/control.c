/* SPDX-License-Identifier: Apache-2.0 */
/* Running onggi-runtime for a workload that runs; pause and unpause. */
#include <string.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "engine/internal.h"

/* `events --stats` on a host with many processors and disks stays far below. */
#define OUTPUT_MAX (4U << 20)

#define ERROR_PREFIX "onggi-runtime: "

/* The message of the last line; @output is cut into lines. */
static const char *last_message(char *output)
{
	size_t len = strlen(output);
	char *line;

	while (len > 0 && output[len - 1] == '\n')
		output[--len] = '\0';
	line = strrchr(output, '\n');
	line = line == NULL ? output : line + 1;
	return og_starts_with(line, ERROR_PREFIX) ? line + strlen(ERROR_PREFIX) : line;
}

/* A file in memory that is read from its beginning. */
static int input_file(const char *text, struct og_err *err)
{
	og_auto_fd fd = memfd_create("input", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : og_write_all(fd, text, strlen(text));

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? og_fail(err, r, "hand a document to onggi-runtime") : og_take_fd(&fd);
}

int og_runtime_run(struct og_engine *engine, const char *const words[], const char *input,
		   char **ret_output, struct og_err *err)
{
	const char *argv[OG_RUNTIME_WORDS_MAX + 4] = { engine->runtime, "--root",
						       engine->runtime_root };
	og_auto_fd input_fd = input == NULL ? -EBADF : input_file(input, err);
	struct og_spawn_fd fd = { .child_fd = 0, .parent_fd = input_fd };
	struct og_spawn spawn = { .path = engine->runtime, .argv = (char *const *)argv };
	og_auto_free char *output = NULL;
	int r;

	if (input != NULL && input_fd < 0)
		return input_fd;
	for (size_t i = 0; words[i] != NULL && i < OG_RUNTIME_WORDS_MAX; i++)
		argv[i + 3] = words[i];
	if (input != NULL) {
		spawn.fds = &fd;
		spawn.fd_count = 1;
	}
	r = og_spawn_wait(&spawn, OUTPUT_MAX, &output, err);
	if (r < 0)
		return og_fail_in(err, r, "run onggi-runtime %s", words[0]);
	if (r > 0)
		return og_fail(err, -EREMOTEIO, "%s",
			       output == NULL || *output == '\0' ? "onggi-runtime was killed"
								 : last_message(output));
	if (ret_output != NULL)
		*ret_output = og_take_ptr(output);
	return 0;
}

/* ---- pause and unpause ---- */

static int run_command(struct og_record *record, const char *command, struct og_err *err)
{
	const char *words[] = { command, record->id, NULL };

	return og_runtime_run(record->engine, words, NULL, NULL, err);
}

/* With the lock held. One that has ended meanwhile stays so. */
static void set_phase(struct og_record *record, enum og_phase phase, const char *event)
{
	if (!og_record_runs(record))
		return;
	record->phase = phase;
	if (event != NULL)
		og_events_record(record, event, NULL, NULL);
	og_record_changed(record);
}

static void set_phase_locked(struct og_record *record, enum og_phase phase, const char *event)
{
	(void)pthread_mutex_lock(&record->engine->lock);
	set_phase(record, phase, event);
	(void)pthread_mutex_unlock(&record->engine->lock);
}

/*
 * What is said to be paused may run, and is asked for after a restart of the engine; what is said to
 * run is never paused. So it is said before.
 */
static int begin_pause(struct og_record *record, struct og_err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&record->engine->lock);
	if (record->phase == OG_PHASE_RESTARTING)
		r = og_fail(err, -EBUSY,
			    "Container %s is restarting, wait until the container is running",
			    record->id);
	else if (record->phase == OG_PHASE_PAUSED)
		r = og_fail(err, -EBUSY, "Container %s is already paused", record->id);
	else if (record->phase != OG_PHASE_RUNNING)
		r = og_fail(err, -EBUSY, "Container %s is not running", record->id);
	else if (og_streq(record->create->isolation, "vm"))
		r = og_fail(err, -ENOSYS, "a VM cannot be paused yet: stop %.12s, or let it run",
			    record->id);
	else
		set_phase(record, OG_PHASE_PAUSED, NULL);
	(void)pthread_mutex_unlock(&record->engine->lock);
	return r;
}

static int pause_workload(struct og_record *record, struct og_err *err)
{
	int r = begin_pause(record, err);

	if (r < 0)
		return r;
	r = run_command(record, "pause", err);
	if (r < 0) {
		set_phase_locked(record, OG_PHASE_RUNNING, NULL);
		return og_fail_in(err, r, "Cannot pause container %s", record->id);
	}
	set_phase_locked(record, OG_PHASE_PAUSED, "pause");
	return 0;
}

static bool is_paused(struct og_record *record)
{
	bool paused;

	(void)pthread_mutex_lock(&record->engine->lock);
	paused = record->phase == OG_PHASE_PAUSED;
	(void)pthread_mutex_unlock(&record->engine->lock);
	return paused;
}

int og_record_thaw(struct og_record *record, struct og_err *err)
{
	int r;

	if (!is_paused(record))
		return og_fail(err, -EBUSY, "Container %s is not paused", record->id);
	r = run_command(record, "resume", err);
	if (r < 0)
		return og_fail_in(err, r, "Cannot unpause container %s", record->id);
	set_phase_locked(record, OG_PHASE_RUNNING, "unpause");
	return 0;
}

int og_engine_pause(struct og_engine *engine, const char *name, bool pause, struct og_err *err)
{
	og_auto_record record = NULL;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&record->op);
	r = pause ? pause_workload(record, err) : og_record_thaw(record, err);
	(void)pthread_mutex_unlock(&record->op);
	return r;
}

void og_record_look_paused(struct og_record *record)
{
	const char *words[] = { "state", record->id, NULL };
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *output = NULL;

	if (record->phase != OG_PHASE_PAUSED ||
	    og_runtime_run(record->engine, words, NULL, &output, NULL) < 0 || output == NULL ||
	    og_json_parse(output, strlen(output), &state, NULL) < 0)
		return;
	if (og_streq(og_json_string(og_json_get(state, "status"), ""), "running"))
		set_phase_locked(record, OG_PHASE_RUNNING, NULL);
}

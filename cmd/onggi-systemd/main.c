/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onggi-systemd(8): asks systemd for control groups, on behalf of onggi-runtime, which is static
 * and so cannot use libsystemd. One JSON object a line on standard input, one on standard output.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/json.h"
#include "base/text.h"
#include "manager.h"

static int usage(void)
{
	(void)fputs("usage: onggi-systemd [--user]\n"
		    "onggi-runtime runs it, with --systemd-cgroup. See onggi-systemd(8).\n",
		    stderr);
	return EXIT_FAILURE;
}

typedef int op_fn(struct og_manager *manager, const struct og_json *request, struct og_json *reply,
		  struct og_err *err);

static const char *unit_of(const struct og_json *request)
{
	return og_json_string(og_json_get(request, "unit"), "");
}

static int op_start(struct og_manager *manager, const struct og_json *request,
		    struct og_json *reply, struct og_err *err)
{
	og_auto_free char *group = NULL;
	int r = og_manager_start(manager, unit_of(request), og_json_get(request, "properties"),
				 &group, err);

	if (r == 0)
		og_json_set_string(reply, "controlGroup", group);
	return r;
}

static int op_attach(struct og_manager *manager, const struct og_json *request,
		     struct og_json *reply, struct og_err *err)
{
	(void)reply;
	return og_manager_attach(manager, unit_of(request),
				 (pid_t)og_json_int(og_json_get(request, "pid"), 0), err);
}

static int op_set(struct og_manager *manager, const struct og_json *request, struct og_json *reply,
		  struct og_err *err)
{
	(void)reply;
	return og_manager_set(manager, unit_of(request), og_json_get(request, "properties"), err);
}

static int op_stop(struct og_manager *manager, const struct og_json *request, struct og_json *reply,
		   struct og_err *err)
{
	(void)reply;
	return og_manager_stop(manager, unit_of(request),
			       og_json_string(og_json_get(request, "description"), ""), err);
}

struct op {
	const char *name;
	op_fn *run;
};

static const struct op ops[] = {
	{ "start", op_start },
	{ "attach", op_attach },
	{ "set", op_set },
	{ "stop", op_stop },
};

static int run(const char *line, bool user, struct og_manager **manager, struct og_json *reply,
	       struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *request = NULL;
	const char *name;
	int r = og_json_parse(line, strlen(line), &request, err);

	if (r < 0)
		return r;
	if (*manager == NULL)
		r = og_manager_open(user, manager, err);
	if (r < 0)
		return r;
	name = og_json_string(og_json_get(request, "op"), "");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (og_streq(ops[i].name, name))
			return ops[i].run(*manager, request, reply, err);
	}
	return og_fail(err, -EINVAL, "no op '%.20s'", name);
}

static void answer(const char *line, bool user, struct og_manager **manager)
{
	og_cleanup(og_json_freep) struct og_json *reply = og_json_new_object();
	og_auto_free char *text = NULL;
	struct og_err err = {};
	int r = run(line, user, manager, reply, &err);

	if (r < 0) {
		og_json_set_int(reply, "code", r);
		og_json_set_string(reply, "error", err.text);
	}
	text = og_json_write(reply);
	(void)puts(text != NULL ? text : "{\"code\":-12,\"error\":\"no memory\"}");
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	og_cleanup(og_manager_freep) struct og_manager *manager = NULL;
	og_auto_free char *line = NULL;
	bool user = argc == 2 && og_streq(argv[1], "--user");
	size_t room = 0;

	if (argc > 2 || (argc == 2 && !user))
		return usage();
	/* Nobody else would end it, and while it runs, so does the unit that it is in. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return EXIT_FAILURE;
	while (getline(&line, &room, stdin) > 0)
		answer(line, user, &manager);
	return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "vm/supervisor_parts.h"

static void answer(const struct og_vm_client *client, int code, const char *text,
		   unsigned int status)
{
	struct og_vm_answer message = { .code = code, .status = status };

	(void)snprintf(message.text, sizeof(message.text), "%s", text);
	(void)og_fdpass_send(client->fd, &message, sizeof(message), NULL, 0, NULL);
}

static struct og_vm_client *client_of(struct og_supervisor *supervisor, uint32_t number)
{
	struct og_vm_client *client = supervisor->clients;

	while (client != NULL && client->number != number)
		client = client->next;
	return client;
}

static void forget(struct og_vm_client *client)
{
	struct og_vm_client **at = &client->supervisor->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	(void)og_source_remove(client->source);
	(void)og_close(client->fd);
	client->relay = og_relay_free(client->relay);
	free(client);
}

static void hang_up(struct og_vm_client *client)
{
	client->source = og_source_remove(client->source);
	client->fd = og_close(client->fd);
}

static void exec_done(struct og_relay *relay, unsigned int status, void *data)
{
	(void)relay;
	(void)status;
	forget(data);
}

static void do_kill(struct og_vm_client *client, const struct og_vm_request *request)
{
	og_supervisor_signal(client->supervisor, request->signal, request->all != 0);
	answer(client, 0, "", 0);
	forget(client);
}

/* The frame's payload comes in a file: messages of a socket are shorter than environments. */
static int forward_start(struct og_vm_client *client, int frame_fd, struct og_err *err)
{
	og_auto_free char *payload = NULL;
	size_t len;
	int r = og_read_all(frame_fd, OG_GUEST_START_MAX, &payload, &len, err);

	if (r == 0)
		og_guest_put(&client->supervisor->out, OG_GUEST_START, client->number, 0, payload,
			     len);
	return r;
}

static void do_exec(struct og_vm_client *client, const struct og_vm_request *request,
		    int fds[OG_VM_EXEC_FDS])
{
	struct og_supervisor *supervisor = client->supervisor;
	struct og_err err = {};
	int r = 0;

	if (supervisor->phase != OG_PHASE_RUNNING)
		r = og_fail(&err, -ESRCH, "the workload is not running");
	if (r == 0) {
		client->number = ++supervisor->last_number;
		r = og_relay_new(supervisor->loop, &supervisor->out, client->number, fds,
				 request->terminal != 0, exec_done, client, &client->relay, &err);
	}
	if (r == 0)
		r = forward_start(client, fds[3], &err);
	fds[3] = og_close(fds[3]);
	if (r < 0) {
		answer(client, r, err.text, 0);
		forget(client);
		return;
	}
	og_relay_resize(client->relay, request->rows, request->columns);
}

static void do_signal(struct og_vm_client *client, const struct og_vm_request *request)
{
	og_guest_put_numbers(&client->supervisor->out, OG_GUEST_SIGNAL, client->number, 0,
			     (uint32_t)request->signal, 0);
}

static void take_request(struct og_vm_client *client, const struct og_vm_request *request,
			 int fds[OG_VM_EXEC_FDS], size_t fd_count)
{
	bool is_exec = client->number != 0;

	if (request->op == OG_VM_EXEC && !is_exec && fd_count == OG_VM_EXEC_FDS)
		do_exec(client, request, fds);
	else if (request->op == OG_VM_RESIZE && is_exec && client->relay != NULL)
		og_relay_resize(client->relay, request->rows, request->columns);
	else if (request->op == OG_VM_SIGNAL && is_exec)
		do_signal(client, request);
	else if (request->op == OG_VM_KILL && !is_exec)
		do_kill(client, request);
	else if (request->op == OG_VM_STATS && !is_exec) {
		client->wants_stats = true;
		og_guest_put(&client->supervisor->out, OG_GUEST_STATS, 0, 0, NULL, 0);
	} else {
		answer(client, -EINVAL, "no such request", 0);
	}
}

static void client_ready(struct og_source *source, uint32_t events, void *data)
{
	struct og_vm_client *client = data;
	struct og_vm_request request;
	int fds[OG_VM_EXEC_FDS] = { -1, -1, -1, -1 };
	size_t fd_count = 0;
	ssize_t n = og_fdpass_receive(client->fd, &request, sizeof(request), fds, OG_VM_EXEC_FDS,
				      &fd_count, NULL);

	(void)source;
	(void)events;
	if (n == sizeof(request)) {
		take_request(client, &request, fds, fd_count);
		if (request.op == OG_VM_EXEC)
			return; /* the relay has them */
	} else if (client->relay != NULL) {
		/* Whoever stood for the process is gone: killed, then so shall it be. */
		do_signal(client, &(struct og_vm_request){ .signal = SIGKILL });
		hang_up(client);
	} else {
		forget(client);
	}
	for (size_t i = 0; i < fd_count; i++)
		(void)og_close(fds[i]);
}

static void accept_client(struct og_source *source, uint32_t events, void *data)
{
	struct og_supervisor *supervisor = data;
	struct og_vm_client *client;
	int fd = accept4(supervisor->setup->control_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)source;
	(void)events;
	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		(void)og_close(fd);
		return;
	}
	*client = (struct og_vm_client){ .supervisor = supervisor,
					 .next = supervisor->clients,
					 .fd = fd };
	supervisor->clients = client;
	if (og_loop_add_fd(supervisor->loop, fd, EPOLLIN, client_ready, client, &client->source,
			   NULL) < 0)
		forget(client);
}

int og_supervisor_listen(struct og_supervisor *supervisor, struct og_err *err)
{
	supervisor->last_number = OG_GUEST_MAIN;
	return og_loop_add_fd(supervisor->loop, supervisor->setup->control_fd, EPOLLIN,
			      accept_client, supervisor, NULL, err);
}

int og_supervisor_exec_frame(struct og_supervisor *supervisor, const struct og_guest_frame *frame,
			     struct og_err *err)
{
	struct og_vm_client *client = client_of(supervisor, frame->process);
	og_auto_free char *text = NULL;

	if (client == NULL || client->relay == NULL)
		return 0; /* its last frames crossed with our farewell */
	if (frame->type == OG_GUEST_STARTED) {
		answer(client, 0, "", 0);
		og_relay_started(client->relay);
		return 0;
	}
	if (frame->type == OG_GUEST_REFUSED) {
		text = og_guest_failure_text(frame);
		answer(client, -(int)og_guest_number(frame, 0), text != NULL ? text : "", 0);
		forget(client);
		return 0;
	}
	/* Its status is told at once, its streams may go on: as with a process of this host. */
	if (frame->type == OG_GUEST_EXITED && client->fd >= 0) {
		uint32_t signal = og_guest_number(frame, 1);

		answer(client, 0, "", (signal != 0 ? 128 + signal : og_guest_number(frame, 0)));
		hang_up(client);
	}
	return og_relay_frame(client->relay, frame, err);
}

void og_supervisor_stats_frame(struct og_supervisor *supervisor, const struct og_guest_stats *stats)
{
	struct og_vm_client *next;

	for (struct og_vm_client *client = supervisor->clients; client != NULL; client = next) {
		struct og_vm_answer message = { .stats = *stats };

		next = client->next;
		if (!client->wants_stats)
			continue;
		(void)og_fdpass_send(client->fd, &message, sizeof(message), NULL, 0, NULL);
		forget(client);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/flow.h"
#include "base/path.h"

struct output {
	struct og_relay *relay;
	enum og_guest_stream number;
	struct og_flow_out *flow; /* NULL once it has ended */
	bool guest_told;	  /* that nobody reads */
};

struct og_relay {
	struct og_loop *loop;
	struct og_text *out;
	uint32_t number;
	bool terminal;
	int input_fd; /* until the process runs */
	struct og_flow_in *input;
	struct output outputs[OG_GUEST_STREAMS]; /* [OG_GUEST_STDIN] is not used */
	bool exited;
	unsigned int status;
	og_relay_done_fn *fn;
	void *data;
};

static void done_if_over(struct og_relay *relay)
{
	if (relay->exited && relay->outputs[OG_GUEST_STDOUT].flow == NULL &&
	    relay->outputs[OG_GUEST_STDERR].flow == NULL)
		relay->fn(relay, relay->status, relay->data);
}

static void was_typed(const void *bytes, size_t len, void *data)
{
	struct og_relay *relay = data;

	if (len > 0) {
		og_guest_put(relay->out, OG_GUEST_DATA, relay->number, OG_GUEST_STDIN, bytes, len);
		return;
	}
	og_guest_put(relay->out, OG_GUEST_CLOSE, relay->number, OG_GUEST_STDIN, NULL, 0);
	relay->input = og_flow_in_free(relay->input);
}

static void was_passed_on(size_t len, bool ended, void *data)
{
	struct output *output = data;
	struct og_relay *relay = output->relay;

	if (len > 0)
		og_guest_put_numbers(relay->out, OG_GUEST_CREDIT, relay->number, output->number,
				     (uint32_t)len, 0);
	if (og_flow_out_broken(output->flow) && !output->guest_told) {
		og_guest_put(relay->out, OG_GUEST_CLOSE, relay->number, output->number, NULL, 0);
		output->guest_told = true;
	}
	if (ended) {
		output->flow = og_flow_out_free(output->flow);
		done_if_over(relay);
	}
}

/*
 * A descriptor of our own for what @fd is, so that not blocking is our affair alone. A socket
 * cannot be opened again: it is ours by custom.
 */
static int reopen(int fd, int flags)
{
	struct stat st;
	int own_fd;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EBADF;
	if (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)) {
		if (S_ISSOCK(st.st_mode))
			(void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}
	own_fd = open(og_fd_path(fd).text, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own_fd >= 0 ? own_fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_output(struct og_relay *relay, enum og_guest_stream number, int fd,
		       struct og_err *err)
{
	struct output *output = &relay->outputs[number];
	int own_fd = reopen(fd, O_WRONLY);

	output->relay = relay;
	output->number = number;
	if (own_fd < 0) /* nobody was there to read from the beginning */
		own_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (own_fd < 0)
		return og_fail(err, -errno, "open a stream");
	return og_flow_out_new(relay->loop, own_fd, was_passed_on, output, &output->flow, err);
}

int og_relay_new(struct og_loop *loop, struct og_text *out, uint32_t number, int fds[3],
		 bool terminal, og_relay_done_fn *fn, void *data, struct og_relay **ret_relay,
		 struct og_err *err)
{
	struct og_relay *relay = calloc(1, sizeof(*relay));
	int r;

	if (relay == NULL)
		return og_fail(err, -ENOMEM, "allocate a process");
	*relay = (struct og_relay){
		.loop = loop,
		.out = out,
		.number = number,
		.terminal = terminal,
		.input_fd = reopen(fds[0], O_RDONLY),
		.fn = fn,
		.data = data,
	};
	r = open_output(relay, OG_GUEST_STDOUT, fds[1], err);
	if (r == 0 && !terminal)
		r = open_output(relay, OG_GUEST_STDERR, fds[2], err);
	for (int i = 0; i < 3; i++)
		(void)og_close(fds[i]);
	if (r < 0)
		relay = og_relay_free(relay);
	else
		*ret_relay = relay;
	return r;
}

struct og_relay *og_relay_free(struct og_relay *relay)
{
	if (relay == NULL)
		return NULL;
	(void)og_close(relay->input_fd);
	relay->input = og_flow_in_free(relay->input);
	for (int i = 0; i < OG_GUEST_STREAMS; i++)
		relay->outputs[i].flow = og_flow_out_free(relay->outputs[i].flow);
	free(relay);
	return NULL;
}

void og_relay_started(struct og_relay *relay)
{
	int fd = og_take_fd(&relay->input_fd);

	if (fd < 0)
		og_guest_put(relay->out, OG_GUEST_CLOSE, relay->number, OG_GUEST_STDIN, NULL, 0);
	else
		(void)og_flow_in_new(relay->loop, fd, OG_GUEST_WINDOW, was_typed, relay,
				     &relay->input, NULL);
}

static void take_exit(struct og_relay *relay, const struct og_guest_frame *frame)
{
	uint32_t signal = og_guest_number(frame, 1);

	relay->status = (signal != 0 ? 128 + signal : og_guest_number(frame, 0)) & 0xff;
	relay->exited = true;
	relay->input = og_flow_in_free(relay->input);
	done_if_over(relay);
}

static int take_data(struct output *output, const struct og_guest_frame *frame, struct og_err *err)
{
	if (output->flow == NULL)
		return output->guest_told
			       ? 0
			       : og_fail(err, -EPROTO, "guest protocol: data after the end");
	if (og_flow_out_waiting(output->flow) + frame->len > OG_GUEST_WINDOW)
		return og_fail(err, -EPROTO, "guest protocol: more output than credit");
	og_flow_out_add(output->flow, frame->payload, frame->len);
	return 0;
}

int og_relay_frame(struct og_relay *relay, const struct og_guest_frame *frame, struct og_err *err)
{
	struct output *output = &relay->outputs[frame->stream];

	if (frame->type == OG_GUEST_EXITED) {
		take_exit(relay, frame);
		return 0;
	}
	if (frame->stream == OG_GUEST_STDIN) {
		uint32_t more = frame->type == OG_GUEST_CREDIT ? og_guest_number(frame, 0) : 0;

		if (frame->type == OG_GUEST_DATA ||
		    (relay->input != NULL &&
		     more > OG_GUEST_WINDOW - og_flow_in_wanted(relay->input)))
			return og_fail(err, -EPROTO, "guest protocol: '%s' for stdin",
				       og_guest_type_name(frame->type));
		if (relay->input != NULL)
			og_flow_in_credit(relay->input, more);
		return 0;
	}
	if (frame->type == OG_GUEST_DATA)
		return take_data(output, frame, err);
	if (frame->type == OG_GUEST_CLOSE && output->flow != NULL)
		og_flow_out_end(output->flow);
	return 0;
}

void og_relay_resize(struct og_relay *relay, uint32_t rows, uint32_t columns)
{
	if (relay->terminal)
		og_guest_put_numbers(relay->out, OG_GUEST_RESIZE, relay->number, 0, rows, columns);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>

#include "base/test.h"
#include "vmm/mmds/packet.h"
#include "vmm/mmds/stack.h"

#define ANSWER_MAX 60000U
#define GUEST_IPV4 0xa9fe0002U
#define MS_BEGIN   1000U

static const uint8_t guest_mac[6] = { 2, 0, 0, 0, 0, 1 };

/* Answers "get N\n" by N times a letter, keeps the connection for "keep N\n". */
struct service {
	unsigned asked;
};

static size_t respond(void *data, const char *request, size_t len, uint64_t now_ms, uint64_t nonce,
		      char *answer, size_t size, struct og_mmds_reply *ret_reply)
{
	struct service *service = data;
	const char *end = memchr(request, '\n', len);
	size_t bytes;

	(void)now_ms;
	(void)nonce;
	service->asked++;
	if (end == NULL)
		return 0;
	ret_reply->taken = (size_t)(end - request) + 1;
	ret_reply->keep_alive = request[0] == 'k';
	bytes = strtoul(memchr(request, ' ', len), NULL, 10);
	if (bytes > size)
		return bytes;
	for (size_t i = 0; i < bytes; i++)
		answer[i] = (char)('a' + i % 23);
	return bytes;
}

/* A guest's end of one connection, as simple as can be. */
struct guest {
	struct service service;
	struct og_mmds_config config;
	struct og_mmds_stack *stack;
	uint64_t now_ms;
	uint32_t seq, ack;
	uint16_t port, window, mss;
	uint8_t flags; /* of the last segment that came */
	char got[ANSWER_MAX];
	size_t got_len;
	unsigned segments;
	bool refused, finished;
};

static void begin(struct guest *g)
{
	*g = (struct guest){ .port = 4000, .window = 65535, .mss = 1460, .now_ms = MS_BEGIN };
	g->config = (struct og_mmds_config){
		.respond = respond,
		.data = &g->service,
		.answer_max = ANSWER_MAX,
	};
	CHECK_OK(og_mmds_stack_new(&g->config, 42, &g->stack, NULL));
}

static void end(struct guest *g)
{
	og_mmds_stack_free(g->stack);
}

static size_t compose(const struct guest *g, uint8_t flags, uint32_t seq, const void *data,
		      size_t len, uint8_t *ret_frame)
{
	const struct og_segment segment = {
		.guest_ipv4 = OG_MMDS_IPV4_DEFAULT, /* seen from the other side */
		.our_ipv4 = GUEST_IPV4,
		.guest_port = OG_MMDS_PORT,
		.our_port = g->port,
		.seq = seq,
		.ack = g->ack,
		.window = g->window,
		.mss = (flags & OG_TCP_SYN) != 0 ? g->mss : 0,
		.flags = flags,
		.data = data,
		.len = len,
	};

	return og_segment_write(&segment, guest_mac, ret_frame);
}

static void send_raw(struct guest *g, uint8_t flags, uint32_t seq, const void *data, size_t len)
{
	uint8_t frame[OG_MMDS_INPUT_MAX];
	size_t bytes = compose(g, flags, seq, data, len, frame);

	CHECK(og_mmds_stack_wants(g->stack, frame, bytes));
	og_mmds_stack_input(g->stack, frame, bytes, true, g->now_ms);
}

static void send_text(struct guest *g, const char *text)
{
	send_raw(g, OG_TCP_ACK | OG_TCP_PSH, g->seq, text, strlen(text));
	g->seq += (uint32_t)strlen(text);
}

/* Takes the next segment of the service; false: there is none. What is lost is not looked at. */
static bool receive(struct guest *g, bool lost)
{
	uint8_t frame[OG_MMDS_FRAME_MAX];
	struct og_segment s;
	size_t len = og_mmds_stack_output(g->stack, frame, g->now_ms);

	if (len == 0)
		return false;
	CHECK_OK(og_segment_read(frame, len, true, &s));
	CHECK_EQ(s.our_port, g->port);
	CHECK_EQ(s.guest_ipv4, OG_MMDS_IPV4_DEFAULT);
	g->segments++;
	g->flags = s.flags;
	if (lost)
		return true;
	if ((s.flags & OG_TCP_RST) != 0) {
		g->refused = true;
		return true;
	}
	if ((s.flags & OG_TCP_SYN) != 0)
		g->ack = s.seq + 1;
	if (s.len > 0 && s.seq == g->ack) {
		CHECK(g->got_len + s.len <= sizeof(g->got));
		memcpy(g->got + g->got_len, s.data, s.len);
		g->got_len += s.len;
		g->ack += (uint32_t)s.len;
	}
	if ((s.flags & OG_TCP_FIN) != 0 && s.seq + s.len == g->ack) {
		g->ack++;
		g->finished = true;
	}
	return true;
}

static void acknowledge(struct guest *g)
{
	send_raw(g, OG_TCP_ACK, g->seq, NULL, 0);
}

/* Receives and acknowledges until there is nothing more. */
static void receive_all(struct guest *g)
{
	for (unsigned i = 0; i < 10000 && receive(g, false); i++)
		acknowledge(g);
}

static void open_connection(struct guest *g)
{
	g->seq = 0xfffffff0U + g->port; /* soon it wraps */
	send_raw(g, OG_TCP_SYN, g->seq++, NULL, 0);
	CHECK(receive(g, false));
	CHECK_EQ(g->flags, OG_TCP_SYN | OG_TCP_ACK);
	acknowledge(g);
	CHECK(!og_mmds_stack_has_output(g->stack, g->now_ms));
}

static void check_answer(const struct guest *g, size_t bytes)
{
	CHECK_EQ(g->got_len, bytes);
	for (size_t i = 0; i < bytes; i++)
		CHECK_EQ(g->got[i], 'a' + (int)(i % 23));
}

static void close_connection(struct guest *g)
{
	send_raw(g, OG_TCP_FIN | OG_TCP_ACK, g->seq++, NULL, 0);
	receive_all(g);
}

static void check_counts(struct guest *g, uint64_t created, uint64_t destroyed)
{
	struct og_mmds_counts counts = og_mmds_stack_take_counts(g->stack);

	CHECK_EQ(counts.created, created);
	CHECK_EQ(counts.destroyed, destroyed);
}

TEST(arp_is_answered)
{
	static struct guest g;
	uint8_t ask[60] = {}, frame[OG_MMDS_FRAME_MAX];
	const struct og_arp question = { { 1, 2, 3, 4, 5, 6 }, OG_MMDS_IPV4_DEFAULT, GUEST_IPV4 };

	begin(&g);
	(void)og_arp_write(&question, guest_mac, ask); /* sender and target are the right way now */
	ask[21] = 1;
	CHECK(og_mmds_stack_wants(g.stack, ask, 42));
	og_mmds_stack_input(g.stack, ask, sizeof(ask), true, 0);
	CHECK(og_mmds_stack_has_output(g.stack, 0));
	CHECK_EQ(og_mmds_stack_output(g.stack, frame, 0), 42);
	CHECK(memcmp(frame, guest_mac, 6) == 0);
	CHECK_EQ(frame[21], 2);
	CHECK(memcmp(frame + 22, frame + 6, 6) == 0);
	CHECK(memcmp(frame + 28, "\xa9\xfe\xa9\xfe", 4) == 0);
	CHECK_EQ(og_mmds_stack_output(g.stack, frame, 0), 0);
	end(&g);
}

TEST(only_what_is_for_the_service_is_wanted)
{
	static struct guest g;
	uint8_t frame[200];
	size_t len;

	begin(&g);
	len = compose(&g, OG_TCP_SYN, 1, NULL, 0, frame);
	CHECK(og_mmds_stack_wants(g.stack, frame, len));
	for (size_t cut = 0; cut < 34; cut++)
		CHECK(!og_mmds_stack_wants(g.stack, frame, cut));
	frame[33] ^= 1;
	CHECK(!og_mmds_stack_wants(g.stack, frame, len));
	frame[33] ^= 1;
	frame[12] = 0x86;
	frame[13] = 0xdd;
	CHECK(!og_mmds_stack_wants(g.stack, frame, len));
	end(&g);
}

TEST(a_request_is_answered_and_the_connection_closed)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 100\n");
	receive_all(&g);
	check_answer(&g, 100);
	CHECK(g.finished);
	close_connection(&g);
	check_counts(&g, 1, 1);
	CHECK_EQ(og_mmds_stack_next_ms(g.stack) == UINT64_MAX, 1);
	end(&g);
}

TEST(a_long_answer_comes_whole_through_any_window_and_segment_size)
{
	static const struct {
		uint16_t window, mss;
	} kinds[] = {
		{ 65535, 1460 }, { 65535, 0 },	{ 1000, 1460 },	  { 1, 1460 },
		{ 65535, 1 },	 { 3000, 536 }, { 65535, 65535 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct guest g;
		size_t bytes = kinds[i].window == 1 ? 500 : 50000;
		char text[32];

		begin(&g);
		g.window = kinds[i].window;
		g.mss = kinds[i].mss;
		open_connection(&g);
		(void)snprintf(text, sizeof(text), "get %zu\n", bytes);
		send_text(&g, text);
		receive_all(&g);
		check_answer(&g, bytes);
		CHECK(g.finished);
		end(&g);
	}
}

TEST(nothing_is_sent_beyond_the_window)
{
	static struct guest g;

	begin(&g);
	g.window = 4000;
	open_connection(&g);
	send_text(&g, "get 50000\n");
	while (receive(&g, false))
		;
	CHECK_EQ(g.got_len, 4000);
	acknowledge(&g);
	while (receive(&g, false))
		;
	CHECK_EQ(g.got_len, 8000);
	end(&g);
}

TEST(a_window_that_closes_is_asked_for_until_it_opens)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	g.window = 0;
	send_text(&g, "get 3000\n");
	while (receive(&g, false))
		;
	CHECK_EQ(g.got_len, 0);
	CHECK(og_mmds_stack_next_ms(g.stack) != UINT64_MAX);
	g.now_ms = og_mmds_stack_next_ms(g.stack);
	CHECK(og_mmds_stack_has_output(g.stack, g.now_ms));
	CHECK(receive(&g, false));
	CHECK_EQ(g.got_len, 1);
	g.window = 60000;
	acknowledge(&g);
	receive_all(&g);
	check_answer(&g, 3000);
	end(&g);
}

TEST(what_gets_lost_is_sent_again_later_each_time)
{
	static struct guest g;
	uint64_t waited = 0, before;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 100\n");
	CHECK(receive(&g, true));
	for (unsigned i = 0; i < 5; i++) {
		CHECK(!receive(&g, true));
		before = g.now_ms;
		g.now_ms = og_mmds_stack_next_ms(g.stack);
		CHECK(g.now_ms - before > waited);
		waited = g.now_ms - before;
		CHECK(receive(&g, i < 4));
	}
	acknowledge(&g);
	receive_all(&g);
	check_answer(&g, 100);
	end(&g);
}

TEST(a_guest_that_is_not_there_any_more_is_given_up)
{
	static struct guest g;
	unsigned rounds = 0;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 100\n");
	for (; rounds < 100; rounds++) {
		while (receive(&g, true))
			;
		if (og_mmds_stack_next_ms(g.stack) == UINT64_MAX)
			break;
		g.now_ms = og_mmds_stack_next_ms(g.stack);
	}
	CHECK(rounds < 20);
	CHECK((g.flags & OG_TCP_RST) != 0);
	CHECK(g.now_ms < MS_BEGIN + 60000);
	check_counts(&g, 1, 1);
	end(&g);
}

TEST(three_equal_acknowledgements_bring_a_lost_segment_at_once)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 20000\n");
	CHECK(receive(&g, true)); /* lost */
	while (receive(&g, false))
		;
	CHECK_EQ(g.got_len, 0);
	for (unsigned i = 0; i < 3; i++)
		acknowledge(&g);
	receive_all(&g);
	check_answer(&g, 20000);
	CHECK_EQ(g.now_ms, MS_BEGIN);
	end(&g);
}

TEST(a_request_may_come_in_pieces_twice_and_out_of_order)
{
	static struct guest g;
	uint32_t start;

	begin(&g);
	open_connection(&g);
	start = g.seq;
	send_raw(&g, OG_TCP_ACK, start + 4, "50\n", 3); /* too early: dropped */
	receive_all(&g);
	send_raw(&g, OG_TCP_ACK, start, "ge", 2);
	send_raw(&g, OG_TCP_ACK, start, "ge", 2);
	send_raw(&g, OG_TCP_ACK, start, "get ", 4);
	send_raw(&g, OG_TCP_ACK, start + 2, "t 50\n", 5);
	g.seq = start + 7;
	receive_all(&g);
	check_answer(&g, 50);
	end(&g);
}

TEST(requests_follow_each_other_on_one_connection)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	for (unsigned i = 1; i <= 3; i++) {
		g.got_len = 0;
		send_text(&g, "keep 2000\n");
		receive_all(&g);
		check_answer(&g, 2000);
		CHECK(!g.finished);
	}
	g.got_len = 0;
	send_text(&g, "keep 23\nkeep 23\nget 23\n"); /* all at once */
	receive_all(&g);
	check_answer(&g, 69);
	CHECK(g.finished);
	end(&g);
}

TEST(a_request_without_an_end_is_bounded)
{
	static struct guest g;
	char text[1000];

	memset(text, 'x', sizeof(text));
	begin(&g);
	open_connection(&g);
	for (unsigned i = 0; i < 20 && !g.refused; i++) {
		send_raw(&g, OG_TCP_ACK, g.seq, text, sizeof(text));
		g.seq += sizeof(text);
		while (receive(&g, false))
			;
	}
	CHECK(g.refused);
	check_counts(&g, 1, 1);
	end(&g);
}

TEST(an_answer_that_is_too_long_ends_the_connection)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 99999999\n");
	receive_all(&g);
	CHECK(g.refused);
	CHECK_EQ(g.got_len, 0);
	end(&g);
}

TEST(a_guest_that_closes_early_is_answered_and_closed)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_raw(&g, OG_TCP_ACK | OG_TCP_FIN, g.seq, "get 70\n", 7);
	g.seq += 8;
	receive_all(&g);
	check_answer(&g, 70);
	CHECK(g.finished);
	check_counts(&g, 1, 1);
	end(&g);

	begin(&g);
	open_connection(&g);
	close_connection(&g); /* without a request */
	CHECK(g.finished);
	check_counts(&g, 1, 1);
	end(&g);
}

TEST(a_guest_that_stays_half_open_is_forgotten)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_text(&g, "get 10\n");
	receive_all(&g);
	CHECK(g.finished);
	g.now_ms = og_mmds_stack_next_ms(g.stack);
	CHECK(g.now_ms < MS_BEGIN + 5000);
	CHECK(!receive(&g, false));
	check_counts(&g, 1, 1);
	CHECK_EQ(og_mmds_stack_next_ms(g.stack) == UINT64_MAX, 1);
	end(&g);
}

TEST(resets_end_connections_only_with_the_right_number)
{
	static struct guest g;

	begin(&g);
	open_connection(&g);
	send_raw(&g, OG_TCP_RST, g.seq + 5, NULL, 0);
	check_counts(&g, 1, 0);
	send_raw(&g, OG_TCP_RST, g.seq, NULL, 0);
	check_counts(&g, 0, 1);
	CHECK(!og_mmds_stack_has_output(g.stack, g.now_ms));
	end(&g);
}

TEST(strangers_are_refused)
{
	static struct guest g;
	uint8_t frame[OG_MMDS_FRAME_MAX], out[OG_MMDS_FRAME_MAX];
	struct og_segment s;
	size_t len;

	begin(&g);
	g.ack = 12345;
	send_raw(&g, OG_TCP_ACK, 77, "data", 4);
	CHECK(receive(&g, false));
	CHECK(g.refused);
	send_raw(&g, OG_TCP_RST, 77, NULL, 0); /* a reset is never answered */
	CHECK(!receive(&g, false));
	/* Another port. */
	len = compose(&g, OG_TCP_SYN, 500, NULL, 0, frame);
	frame[36] = 0x1f;
	frame[37] = 0x90;
	og_mmds_stack_input(g.stack, frame, len, false, g.now_ms);
	len = og_mmds_stack_output(g.stack, out, g.now_ms);
	CHECK_OK(og_segment_read(out, len, true, &s));
	CHECK_EQ(s.flags, OG_TCP_RST | OG_TCP_ACK);
	CHECK_EQ(s.ack, 501);
	CHECK_EQ(s.guest_port, 8080);
	for (unsigned i = 0; i < 100; i++)
		send_raw(&g, OG_TCP_ACK, i, NULL, 0);
	for (len = 0; og_mmds_stack_output(g.stack, out, g.now_ms) > 0; len++)
		;
	CHECK(len <= 8);
	end(&g);
}

TEST(a_flood_of_connections_takes_no_more_places_and_the_idle_make_room)
{
	static struct guest g;

	begin(&g);
	for (unsigned i = 0; i < 1000; i++) {
		g.port = (uint16_t)(1000 + i);
		send_raw(&g, OG_TCP_SYN, i, NULL, 0);
	}
	check_counts(&g, OG_MMDS_CONNS_MAX, 0);
	og_mmds_stack_reset(g.stack);
	check_counts(&g, 0, OG_MMDS_CONNS_MAX);

	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		g.port = (uint16_t)(1000 + i);
		open_connection(&g);
	}
	g.now_ms += 1500;
	g.port = 9999;
	open_connection(&g);
	g.got_len = 0;
	send_text(&g, "get 10\n");
	receive_all(&g);
	check_answer(&g, 10);
	end(&g);
}

TEST(an_answer_to_a_syn_that_got_lost_comes_again)
{
	static struct guest g;

	begin(&g);
	send_raw(&g, OG_TCP_SYN, 7, NULL, 0);
	CHECK(receive(&g, true));
	CHECK(!receive(&g, true));
	send_raw(&g, OG_TCP_SYN, 7, NULL, 0);
	CHECK(receive(&g, false));
	CHECK_EQ(g.flags, OG_TCP_SYN | OG_TCP_ACK);
	g.seq = 8;
	acknowledge(&g);
	send_text(&g, "get 5\n");
	receive_all(&g);
	check_answer(&g, 5);
	end(&g);
}

/* Each byte of a good frame bent in turn: read or refused, never more than is there (ASan). */
TEST(bent_frames_are_survived)
{
	static struct guest g;
	uint8_t good[200], out[OG_MMDS_FRAME_MAX];
	uint8_t *exact;
	size_t len;

	begin(&g);
	len = compose(&g, OG_TCP_SYN, 1, "x", 1, good);
	for (size_t cut = 0; cut <= len; cut++)
		for (size_t at = 0; at < cut; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				exact = malloc(cut);
				CHECK(exact != NULL);
				memcpy(exact, good, cut);
				exact[at] ^= (uint8_t)(1U << bit);
				og_mmds_stack_input(g.stack, exact, cut, false, g.now_ms);
				free(exact);
				while (og_mmds_stack_output(g.stack, out, g.now_ms) > 0)
					;
			}
	end(&g);
}

TEST(wrong_checksums_fragments_and_other_protocols_are_no_segments)
{
	static struct guest g;
	struct og_segment s;
	uint8_t frame[200] = {};
	size_t len;

	begin(&g);
	len = compose(&g, OG_TCP_SYN, 1, "abc", 3, frame);
	CHECK_OK(og_segment_read(frame, len, true, &s));
	CHECK_EQ(s.len, 3);
	CHECK_EQ(s.mss, 1460);
	frame[len - 1] ^= 1;
	CHECK_EQ(og_segment_read(frame, len, true, &s), -EBADMSG);
	CHECK_OK(og_segment_read(frame, len, false, &s));
	frame[24] ^= 1; /* in IPv4's header */
	CHECK_EQ(og_segment_read(frame, len, false, &s), -EBADMSG);
	len = compose(&g, OG_TCP_SYN, 1, "abc", 3, frame);
	frame[20] ^= 0x20; /* more fragments follow: its checksum is made right */
	frame[24] ^= 0x20;
	CHECK_EQ(og_segment_read(frame, len, false, &s), -EBADMSG);
	len = compose(&g, OG_TCP_SYN, 1, "abc", 3, frame);
	frame[17] = (uint8_t)(frame[17] + 50); /* longer than the frame */
	frame[25] = (uint8_t)(frame[25] - 50);
	CHECK_EQ(og_segment_read(frame, len, false, &s), -EBADMSG);
	CHECK_OK(og_segment_read(frame, len + 50, false, &s));
	len = compose(&g, OG_TCP_SYN, 1, "abc", 3, frame);
	frame[23] = 17;
	frame[25] = (uint8_t)(frame[25] - 11);
	CHECK_EQ(og_segment_read(frame, len, false, &s), -EPROTONOSUPPORT);
	end(&g);
}

TEST_MAIN(TEST_ENTRY(arp_is_answered), TEST_ENTRY(only_what_is_for_the_service_is_wanted),
	  TEST_ENTRY(a_request_is_answered_and_the_connection_closed),
	  TEST_ENTRY(a_long_answer_comes_whole_through_any_window_and_segment_size),
	  TEST_ENTRY(nothing_is_sent_beyond_the_window),
	  TEST_ENTRY(a_window_that_closes_is_asked_for_until_it_opens),
	  TEST_ENTRY(what_gets_lost_is_sent_again_later_each_time),
	  TEST_ENTRY(a_guest_that_is_not_there_any_more_is_given_up),
	  TEST_ENTRY(three_equal_acknowledgements_bring_a_lost_segment_at_once),
	  TEST_ENTRY(a_request_may_come_in_pieces_twice_and_out_of_order),
	  TEST_ENTRY(requests_follow_each_other_on_one_connection),
	  TEST_ENTRY(a_request_without_an_end_is_bounded),
	  TEST_ENTRY(an_answer_that_is_too_long_ends_the_connection),
	  TEST_ENTRY(a_guest_that_closes_early_is_answered_and_closed),
	  TEST_ENTRY(a_guest_that_stays_half_open_is_forgotten),
	  TEST_ENTRY(resets_end_connections_only_with_the_right_number),
	  TEST_ENTRY(strangers_are_refused),
	  TEST_ENTRY(a_flood_of_connections_takes_no_more_places_and_the_idle_make_room),
	  TEST_ENTRY(an_answer_to_a_syn_that_got_lost_comes_again),
	  TEST_ENTRY(bent_frames_are_survived),
	  TEST_ENTRY(wrong_checksums_fragments_and_other_protocols_are_no_segments))

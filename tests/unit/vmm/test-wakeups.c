/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that hears and says no more than it has to: it notifies where the device asks for it, and looks
 * into its queues when it was interrupted. Where a wake-up is lost, a stream stands still.
 *
 * First on a processor of its own, with short queues, which are full and empty all the time. Then at every
 * single moment: the device's view of its rings is taken away, so that each access to them stops in a signal
 * handler, where the driver, which sees the same pages elsewhere, makes its move.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio_console.h"

#define BUFFER_BYTES 1024U
#define STILL_MS     20000 /* on any machine */
#define BYTES	     (1U << 20)

enum {
	IN,
	OUT,
	USED_QUEUES
};

struct bench {
	struct driver d;
	struct og_virtio *virtio;
	struct og_loop *loop;
	int fds[2]; /* the host's end, the device's */
	int stop_fd;
	bool event_idx;
	uint16_t seen[USED_QUEUES]; /* of what was used */
	uint32_t received, offered; /* bytes */
	uint64_t seed;
};

static uint32_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static uint8_t byte_at(uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

/* ---- the I/O thread, as devices.c has it ---- */

static void on_kick(struct og_source *source, uint32_t events, void *data)
{
	struct og_virtio *virtio = data;

	(void)source;
	(void)events;
	og_event_clear(virtio->kick_fd);
	og_virtio_work(virtio);
}

static void on_stop(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	og_loop_stop(data);
}

static void *io_thread(void *data)
{
	CHECK_OK(og_loop_run(data, NULL));
	return NULL;
}

/* ---- the host's program ---- */

static void *host_writes(void *data)
{
	const struct bench *b = data;
	uint64_t seed = 1234567;
	uint8_t bytes[8192];

	for (uint32_t at = 0; at < BYTES;) {
		uint32_t len = 1 + next(&seed) % sizeof(bytes);

		len = len < BYTES - at ? len : BYTES - at;
		for (uint32_t i = 0; i < len; i++)
			bytes[i] = byte_at(at + i);
		CHECK_EQ(send(b->fds[0], bytes, len, 0), len);
		at += len;
	}
	return NULL;
}

static void *host_reads(void *data)
{
	const struct bench *b = data;
	uint64_t seed = 7654321;
	uint8_t bytes[8192];

	for (uint32_t at = 0; at < BYTES;) {
		ssize_t n = recv(b->fds[0], bytes, 1 + next(&seed) % sizeof(bytes), 0);

		CHECK(n > 0);
		for (uint32_t i = 0; i < n; i++)
			if (bytes[i] != byte_at(at + i))
				CHECK_EQ(bytes[i], byte_at(at + i));
		at += (uint32_t)n;
	}
	return NULL;
}

/* ---- the driver ---- */

static uint16_t *word(const struct bench *b, uint32_t gpa)
{
	return (uint16_t *)(void *)(b->d.ram + gpa);
}

static uint32_t avail_ring(unsigned q)
{
	return QUEUE_GPA(q) + 0x1000;
}

static uint32_t used_ring(unsigned q)
{
	return QUEUE_GPA(q) + 0x2000;
}

static void make_available(struct bench *b, unsigned q, uint16_t head)
{
	*word(b, avail_ring(q) + 4 + 2U * (b->d.avail[q] % b->d.size)) = head;
	b->d.avail[q]++;
	__atomic_store_n(word(b, avail_ring(q) + 2), b->d.avail[q], __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Whether the device is to be told of the last request (2.7.10, 2.7.13). */
static bool notification_wanted(const struct bench *b, unsigned q)
{
	uint16_t now = b->d.avail[q];

	if (!b->event_idx)
		return (__atomic_load_n(word(b, used_ring(q)), __ATOMIC_ACQUIRE) &
			VRING_USED_F_NO_NOTIFY) == 0;
	return vring_need_event(__atomic_load_n(word(b, used_ring(q) + 4 + 8U * b->d.size),
						__ATOMIC_ACQUIRE),
				now, (uint16_t)(now - 1));
}

static void offer(struct bench *b, unsigned q, uint16_t head)
{
	make_available(b, q, head);
	if (notification_wanted(b, q))
		og_virtio_kick(b->virtio);
}

static uint32_t buffer(const struct bench *b, unsigned q, uint16_t slot)
{
	return DATA_GPA + ((uint32_t)b->d.size * q + slot) * BUFFER_BYTES;
}

static void offer_in(struct bench *b, uint16_t slot)
{
	driver_desc(&b->d, IN, slot, buffer(b, IN, slot), 1 + next(&b->seed) % BUFFER_BYTES,
		    VRING_DESC_F_WRITE, 0);
	offer(b, IN, slot);
}

static void offer_out(struct bench *b, uint16_t slot)
{
	uint32_t len = 1 + next(&b->seed) % BUFFER_BYTES, gpa = buffer(b, OUT, slot);

	len = len < BYTES - b->offered ? len : BYTES - b->offered;
	if (len == 0)
		return;
	for (uint32_t i = 0; i < len; i++)
		b->d.ram[gpa + i] = byte_at(b->offered + i);
	b->offered += len;
	driver_desc(&b->d, OUT, slot, gpa, len, 0, 0);
	offer(b, OUT, slot);
}

static void take_in(struct bench *b, const struct vring_used_elem *used)
{
	uint32_t gpa = buffer(b, IN, (uint16_t)used->id);

	for (uint32_t i = 0; i < used->len; i++)
		if (b->d.ram[gpa + i] != byte_at(b->received + i))
			CHECK_EQ(b->d.ram[gpa + i], byte_at(b->received + i));
	b->received += used->len;
	offer_in(b, (uint16_t)used->id);
}

static bool more_used(const struct bench *b, unsigned q)
{
	return __atomic_load_n(word(b, used_ring(q) + 2), __ATOMIC_ACQUIRE) != b->seen[q];
}

/* Takes one answer, and says from where on the next one shall interrupt, as Linux does. */
static struct vring_used_elem take_used(struct bench *b, unsigned q)
{
	struct vring_used_elem used = driver_answer(&b->d, q, b->seen[q]++);

	__atomic_store_n(word(b, avail_ring(q) + 4 + 2U * b->d.size), b->seen[q], __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return used;
}

static bool take(struct bench *b, unsigned q)
{
	struct vring_used_elem used;

	if (!more_used(b, q))
		return false;
	used = take_used(b, q);
	if (q == IN)
		take_in(b, &used);
	else
		offer_out(b, (uint16_t)used.id);
	return true;
}

static void await_interrupt(const struct bench *b)
{
	struct pollfd interrupt = { .fd = b->virtio->interrupt_fd, .events = POLLIN };

	CHECK_EQ(poll(&interrupt, 1, STILL_MS), 1);
	og_event_clear(interrupt.fd);
}

static void drive(struct bench *b)
{
	for (uint16_t slot = 0; slot < b->d.size; slot++)
		offer_in(b, slot);
	for (uint16_t slot = 0; slot < b->d.size; slot++)
		offer_out(b, slot);
	while (b->received < BYTES || b->offered < BYTES || b->seen[OUT] != b->d.avail[OUT]) {
		while (take(b, IN) || take(b, OUT))
			if (next(&b->seed) % 16 == 0)
				(void)sched_yield();
		if (b->received < BYTES || b->seen[OUT] != b->d.avail[OUT])
			await_interrupt(b);
	}
}

static void run(uint16_t size, bool event_idx)
{
	struct bench b = { .event_idx = event_idx, .seed = 88172645463325252ULL + size };
	struct og_device_world world = { .mem = &b.d.mem, .broker_fd = -1 };
	pthread_t io, writer, reader;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.fds));
	CHECK_OK(og_loop_new(&b.loop, NULL));
	driver_init(&b.d, size);
	world.loop = b.loop;
	CHECK_OK(
		og_virtio_console_new(&(struct og_console_config){ .fd = b.fds[1], .name = "port" },
				      &world, &b.virtio, NULL));
	b.stop_fd = og_event_new();
	CHECK_OK(og_loop_add_fd(b.loop, b.stop_fd, EPOLLIN, on_stop, b.loop, NULL, NULL));
	CHECK_OK(og_loop_add_fd(b.loop, b.virtio->kick_fd, EPOLLIN, on_kick, b.virtio, NULL, NULL));
	driver_bring_up(&b.d, b.virtio, event_idx ? OG_VIRTIO_RING_EVENT : 0);
	CHECK_OK(pthread_create(&io, NULL, io_thread, b.loop));
	CHECK_OK(pthread_create(&writer, NULL, host_writes, &b));
	CHECK_OK(pthread_create(&reader, NULL, host_reads, &b));
	drive(&b);
	CHECK_OK(pthread_join(writer, NULL));
	CHECK_OK(pthread_join(reader, NULL));
	og_event_signal(b.stop_fd);
	CHECK_OK(pthread_join(io, NULL));
	CHECK(!driver_needs_reset(&b.d));
	(void)og_loop_free(b.loop);
	(void)og_virtio_free(b.virtio);
	(void)og_close(b.stop_fd);
	(void)og_close(b.fds[0]);
	(void)og_close(b.fds[1]);
	driver_done(&b.d);
}

TEST(a_stream_goes_on_where_each_side_is_told_only_what_it_asked_for)
{
	for (uint16_t size = 2; size <= 64; size *= 4)
		run(size, true);
}

TEST(and_where_notifications_are_turned_off_by_a_flag)
{
	for (uint16_t size = 2; size <= 64; size *= 4)
		run(size, false);
}

/* ---- at every single moment ---- */

#define TRAP_FLAG 0x100 /* of RFLAGS: stop after one instruction */

/* The rings of one queue, as the device sees them, and what the driver does before which access. */
static struct trap {
	struct bench *b;
	uint8_t *rings;
	unsigned q, accesses, when[2];
	void (*moves[2])(struct bench *b, unsigned q);
	bool kicked;
} trap;

#define RING_PAGES 0x2000

static void guard(bool on)
{
	CHECK_OK(mprotect(trap.rings, RING_PAGES, on ? PROT_NONE : PROT_READ | PROT_WRITE));
}

static void before_access(int signal, siginfo_t *info, void *context)
{
	ucontext_t *stopped = context;
	const uint8_t *at = info->si_addr;

	(void)signal;
	CHECK(at >= trap.rings && at < trap.rings + RING_PAGES);
	for (unsigned i = 0; i < 2; i++)
		if (trap.when[i] == trap.accesses)
			trap.moves[i](trap.b, trap.q);
	trap.accesses++;
	guard(false);
	stopped->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void after_access(int signal, siginfo_t *info, void *context)
{
	ucontext_t *stopped = context;

	(void)signal;
	(void)info;
	stopped->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	guard(true);
}

static void on_signal(int signal, void (*handler)(int signal, siginfo_t *info, void *context))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	CHECK_OK(sigaction(signal, &action, NULL));
}

/* The device works until nobody wants it to any more; the driver makes its moves, at the latest afterwards. */
static void work_watched(struct bench *b)
{
	trap.accesses = 0;
	guard(true);
	og_virtio_work(b->virtio);
	guard(false);
	for (unsigned i = 0; i < 2; i++)
		if (trap.when[i] >= trap.accesses)
			trap.moves[i](b, trap.q);
	while (trap.kicked) {
		trap.kicked = false;
		og_virtio_work(b->virtio);
	}
}

/* Two requests of 16 bytes a queue, of which @offered are available, and 32 bytes for the guest. */
static void begin_watched(struct bench *b, bool event_idx, unsigned q, unsigned offered)
{
	struct og_device_world world = { .mem = &b->d.mem, .broker_fd = -1 };
	int memory_fd = memfd_create("ram", MFD_CLOEXEC);
	uint8_t *device = NULL;

	*b = (struct bench){ .d.size = 4, .event_idx = event_idx };
	CHECK_OK(ftruncate(memory_fd, RAM_BYTES));
	b->d.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	device = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	CHECK(b->d.ram != MAP_FAILED && device != MAP_FAILED);
	(void)og_close(memory_fd);
	og_mem_borrow(&b->d.mem, device, RAM_BYTES);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b->fds));
	CHECK_OK(og_virtio_console_new(&(struct og_console_config){ .fd = b->fds[1],
								    .name = "port" },
				       &world, &b->virtio, NULL));
	driver_bring_up(&b->d, b->virtio, event_idx ? OG_VIRTIO_RING_EVENT : 0);
	CHECK_EQ(send(b->fds[0], "0123456789abcdef0123456789abcdef", 32, 0), 32);
	for (uint16_t slot = 0; slot < 2; slot++)
		driver_desc(&b->d, q, slot, DATA_GPA + 16U * slot, 16,
			    q == IN ? VRING_DESC_F_WRITE : 0, 0);
	for (uint16_t slot = 0; slot < offered; slot++)
		make_available(b, q, slot);
	trap = (struct trap){ .b = b, .q = q, .rings = device + avail_ring(q) };
}

static void end_watched(struct bench *b)
{
	uint8_t *device = b->d.mem.regions[0].host;

	CHECK(!driver_needs_reset(&b->d));
	(void)og_virtio_free(b->virtio);
	(void)og_close(b->fds[0]);
	(void)og_close(b->fds[1]);
	CHECK_OK(munmap(b->d.ram, RAM_BYTES));
	CHECK_OK(munmap(device, RAM_BYTES));
}

static void offer_the_second(struct bench *b, unsigned q)
{
	make_available(b, q, 1);
}

static void notify(struct bench *b, unsigned q)
{
	trap.kicked = notification_wanted(b, q);
}

static void take_all(struct bench *b, unsigned q)
{
	while (more_used(b, q))
		(void)take_used(b, q);
}

typedef void watched_fn(bool event_idx, unsigned q, unsigned first, unsigned second);

/* Each pair of moments, the second not before the first. */
static void at_every_moment(watched_fn *fn)
{
	on_signal(SIGSEGV, before_access);
	on_signal(SIGTRAP, after_access);
	for (unsigned kind = 0; kind < 4; kind++) {
		unsigned last = 1;

		for (unsigned first = 0; first <= last; first++)
			for (unsigned second = first; second <= last; second++) {
				fn(kind % 2 != 0, kind / 2, first, second);
				last = trap.accesses > last ? trap.accesses : last;
			}
		CHECK(last > 8);
	}
}

/* The driver adds a request, and then looks whether the device wants to be told. */
static void offer_watched(bool event_idx, unsigned q, unsigned first, unsigned second)
{
	struct bench b;

	begin_watched(&b, event_idx, q, 1);
	trap.when[0] = first;
	trap.when[1] = second;
	trap.moves[0] = offer_the_second;
	trap.moves[1] = notify;
	work_watched(&b);
	CHECK_EQ(driver_used(&b.d, q), 2);
	end_watched(&b);
}

/* The driver takes what is there and says so, and then looks once more before it waits. */
static void take_watched(bool event_idx, unsigned q, unsigned first, unsigned second)
{
	struct bench b;

	begin_watched(&b, event_idx, q, 2);
	trap.when[0] = first;
	trap.when[1] = second;
	trap.moves[0] = trap.moves[1] = take_all;
	work_watched(&b);
	if (is_signalled(b.virtio->interrupt_fd))
		take_all(&b, q);
	CHECK_EQ(b.seen[q], 2);
	end_watched(&b);
}

TEST(a_request_is_served_at_whatever_moment_it_comes)
{
	at_every_moment(offer_watched);
}

TEST(an_answer_is_seen_at_whatever_moment_the_driver_looks)
{
	at_every_moment(take_watched);
}

TEST_MAIN(TEST_ENTRY(a_stream_goes_on_where_each_side_is_told_only_what_it_asked_for),
	  TEST_ENTRY(and_where_notifications_are_turned_off_by_a_flag),
	  TEST_ENTRY(a_request_is_served_at_whatever_moment_it_comes),
	  TEST_ENTRY(an_answer_is_seen_at_whatever_moment_the_driver_looks))

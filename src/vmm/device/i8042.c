/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/i8042.h"

#include <errno.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"

/* The status register. */
#define STATUS_FULL	0x01 /* there is a byte to read */
#define STATUS_TESTED	0x04
#define STATUS_COMMAND	0x08 /* the last byte written was a command */
#define STATUS_UNLOCKED 0x10

/* The controller's command byte. */
#define CONTROL_INTERRUPT 0x01
#define CONTROL_TESTED	  0x04
#define CONTROL_DISABLED  0x10 /* the keyboard's clock is held */
#define CONTROL_NO_AUX	  0x20
#define CONTROL_TRANSLATE 0x40
#define CONTROL_FIRST	  (CONTROL_TESTED | CONTROL_NO_AUX | CONTROL_TRANSLATE)

/* Its output port. */
#define OUTPUT_NO_RESET 0x01
#define OUTPUT_A20	0x02

/* What the controller is told. */
enum {
	READ_CONTROL = 0x20,
	WRITE_CONTROL = 0x60,
	DISABLE_AUX = 0xa7,
	ENABLE_AUX = 0xa8,
	TEST = 0xaa,
	TEST_KEYBOARD = 0xab,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	READ_OUTPUT = 0xd0,
	WRITE_OUTPUT = 0xd1,
	PULSE_RESET = 0xfe,
};

#define TEST_OK 0x55

/* What the keyboard is told, and says. */
enum {
	SET_LEDS = 0xed,
	ECHO = 0xee,
	SET_SCAN_CODES = 0xf0,
	IDENTIFY = 0xf2,
	SET_RATE = 0xf3,
	ENABLE = 0xf4,
	DISABLE = 0xf5,
	DEFAULTS = 0xf6,
	RESET = 0xff,

	ACK = 0xfa,
	AGAIN = 0xfe, /* it does not understand */
	RESET_OK = 0xaa,
	EXTENDED = 0xe0,
	RELEASED = 0xf0, /* set 2: before the key */
};

#define RELEASED_SET_1 0x80 /* in the key */

static const struct {
	uint8_t set_2, set_1;
	bool extended;
} keys[] = {
	{ 0x14, 0x1d, false }, /* left Ctrl */
	{ 0x11, 0x38, false }, /* left Alt */
	{ 0x71, 0x53, true },  /* Delete */
};

#define KEYS_COUNT	(sizeof(keys) / sizeof(keys[0]))
#define PRESS_BYTES_MAX 11 /* of all, in set 2 */

int og_i8042_init(struct og_i8042 *i8042, bool present, struct og_power *power, struct og_err *err)
{
	*i8042 = (struct og_i8042){
		.power = power,
		.present = present,
		.interrupt_fd = present ? og_event_new() : -EBADF,
		.control = CONTROL_FIRST,
		.output = OUTPUT_NO_RESET | OUTPUT_A20,
		.scan_set = 2,
	};
	if (present && i8042->interrupt_fd < 0)
		return og_fail(err, -errno, "make event descriptor of keyboard");
	(void)pthread_mutex_init(&i8042->lock, NULL);
	return 0;
}

void og_i8042_done(struct og_i8042 *i8042)
{
	if (i8042->present)
		i8042->interrupt_fd = og_close(i8042->interrupt_fd);
}

static bool has_byte(const struct og_i8042 *i8042)
{
	return i8042->answered || (i8042->len > 0 && (i8042->control & CONTROL_DISABLED) == 0);
}

/* An edge for each byte: the guest takes one an interrupt. */
static void update(struct og_i8042 *i8042)
{
	if (has_byte(i8042) && (i8042->control & CONTROL_INTERRUPT) != 0)
		og_event_signal(i8042->interrupt_fd);
}

static void push(struct og_i8042 *i8042, uint8_t byte)
{
	if (i8042->len == OG_I8042_QUEUE)
		return;
	i8042->queue[(i8042->start + i8042->len) % OG_I8042_QUEUE] = byte;
	i8042->len++;
}

static uint8_t read_data(struct og_i8042 *i8042)
{
	if (i8042->answered) {
		i8042->answered = false;
		i8042->last = i8042->answer;
	} else if (has_byte(i8042)) {
		i8042->last = i8042->queue[i8042->start];
		i8042->start = (i8042->start + 1) % OG_I8042_QUEUE;
		i8042->len--;
	}
	return i8042->last;
}

static uint8_t read_status(const struct og_i8042 *i8042)
{
	return (uint8_t)(STATUS_UNLOCKED | (has_byte(i8042) ? STATUS_FULL : 0) |
			 (i8042->was_command ? STATUS_COMMAND : 0) |
			 ((i8042->control & CONTROL_TESTED) != 0 ? STATUS_TESTED : 0));
}

static void answer(struct og_i8042 *i8042, uint8_t byte)
{
	i8042->answered = true;
	i8042->answer = byte;
}

static void reset(struct og_i8042 *i8042)
{
	if (i8042->resets != NULL)
		og_counted(i8042->resets, 1);
	og_power_end(i8042->power, OG_REBOOTED);
}

static void command(struct og_i8042 *i8042, uint8_t byte)
{
	i8042->wants = 0;
	switch (byte) {
	case READ_CONTROL:
		answer(i8042, i8042->control);
		break;
	case WRITE_CONTROL:
	case WRITE_OUTPUT:
		i8042->wants = byte;
		break;
	case DISABLE_AUX:
		i8042->control |= CONTROL_NO_AUX;
		break;
	case ENABLE_AUX: /* there is none */
		break;
	case TEST:
		i8042->control |= CONTROL_TESTED;
		answer(i8042, TEST_OK);
		break;
	case TEST_KEYBOARD:
		answer(i8042, 0);
		break;
	case DISABLE_KEYBOARD:
		i8042->control |= CONTROL_DISABLED;
		break;
	case ENABLE_KEYBOARD:
		i8042->control &= (uint8_t)~CONTROL_DISABLED;
		break;
	case READ_OUTPUT:
		answer(i8042, i8042->output);
		break;
	default:
		break;
	}
}

static void tell_keyboard_more(struct og_i8042 *i8042, uint8_t byte)
{
	bool asked = i8042->keyboard_wants == SET_SCAN_CODES && byte == 0;

	if (i8042->keyboard_wants == SET_SCAN_CODES && byte >= 1 && byte <= 2)
		i8042->scan_set = byte;
	i8042->keyboard_wants = 0;
	push(i8042, ACK);
	if (asked)
		push(i8042, i8042->scan_set);
}

static void tell_keyboard(struct og_i8042 *i8042, uint8_t byte)
{
	i8042->control &= (uint8_t)~CONTROL_DISABLED; /* as a PC's controller does */
	if (i8042->keyboard_wants != 0) {
		tell_keyboard_more(i8042, byte);
		return;
	}
	switch (byte) {
	case SET_LEDS:
	case SET_SCAN_CODES:
	case SET_RATE:
		i8042->keyboard_wants = byte;
		push(i8042, ACK);
		break;
	case ECHO:
		push(i8042, ECHO);
		break;
	case IDENTIFY:
		push(i8042, ACK);
		push(i8042, 0xab);
		push(i8042, 0x83);
		break;
	case ENABLE:
	case DISABLE:
	case DEFAULTS:
		push(i8042, ACK);
		break;
	case RESET: /* what was pressed before is forgotten */
		i8042->len = 0;
		i8042->scan_set = 2;
		push(i8042, ACK);
		push(i8042, RESET_OK);
		break;
	default:
		push(i8042, AGAIN);
		break;
	}
}

static void write_data(struct og_i8042 *i8042, uint8_t byte)
{
	uint8_t wants = i8042->wants;

	i8042->wants = 0;
	if (wants == WRITE_CONTROL)
		i8042->control = byte;
	else if (wants == WRITE_OUTPUT && (byte & OUTPUT_NO_RESET) == 0)
		reset(i8042);
	else if (wants == WRITE_OUTPUT)
		i8042->output = byte;
	else
		tell_keyboard(i8042, byte);
}

static uint8_t read_port(struct og_i8042 *i8042, uint64_t offset)
{
	uint8_t value = 0;

	if (offset == OG_I8042_STATUS)
		return read_status(i8042);
	if (offset == 0) {
		value = read_data(i8042);
		update(i8042);
	}
	return value;
}

static void write_port(struct og_i8042 *i8042, uint64_t offset, uint8_t byte)
{
	if (offset != 0 && offset != OG_I8042_STATUS)
		return;
	i8042->touched = true;
	i8042->was_command = offset == OG_I8042_STATUS;
	if (i8042->was_command)
		command(i8042, byte);
	else
		write_data(i8042, byte);
	update(i8042);
}

void og_i8042_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_i8042 *i8042 = device;

	if (len != 1)
		return;
	if (write && offset == OG_I8042_STATUS && (uint8_t)*value == PULSE_RESET) {
		reset(i8042);
		return;
	}
	/* Without a keyboard the status reads as empty: who waits for it before a reset waits not long. */
	if (!i8042->present) {
		*value = 0;
		return;
	}
	(void)pthread_mutex_lock(&i8042->lock);
	if (write)
		write_port(i8042, offset, (uint8_t)*value);
	else
		*value = read_port(i8042, offset);
	(void)pthread_mutex_unlock(&i8042->lock);
}

static void push_key(struct og_i8042 *i8042, size_t key, bool released)
{
	bool translated = i8042->scan_set == 1 || (i8042->control & CONTROL_TRANSLATE) != 0;
	uint8_t code = translated ? keys[key].set_1 : keys[key].set_2;

	if (keys[key].extended)
		push(i8042, EXTENDED);
	if (released && !translated)
		push(i8042, RELEASED);
	push(i8042, (uint8_t)(code | (released && translated ? RELEASED_SET_1 : 0)));
}

static int press(struct og_i8042 *i8042, struct og_err *err)
{
	if (!i8042->touched)
		return og_fail_plain(err, -ENOTCONN, "the guest has no driver for a keyboard");
	if (i8042->len > OG_I8042_QUEUE - PRESS_BYTES_MAX)
		return og_fail_plain(err, -EAGAIN,
				     "the guest has not read yet what was pressed before");
	for (size_t i = 0; i < KEYS_COUNT; i++)
		push_key(i8042, i, false);
	for (size_t i = KEYS_COUNT; i-- > 0;)
		push_key(i8042, i, true);
	update(i8042);
	return 0;
}

int og_i8042_press(struct og_i8042 *i8042, struct og_err *err)
{
	int r;

	if (!i8042->present)
		return og_fail_plain(err, -ENODEV, "the machine has no keyboard");
	(void)pthread_mutex_lock(&i8042->lock);
	r = press(i8042, err);
	(void)pthread_mutex_unlock(&i8042->lock);
	return r;
}

void og_i8042_save(struct og_i8042 *i8042, struct og_pack *pack)
{
	(void)pthread_mutex_lock(&i8042->lock);
	og_pack_u8(pack, i8042->touched);
	og_pack_u8(pack, i8042->was_command);
	og_pack_u8(pack, i8042->control);
	og_pack_u8(pack, i8042->output);
	og_pack_u8(pack, i8042->wants);
	og_pack_u8(pack, i8042->keyboard_wants);
	og_pack_u8(pack, i8042->scan_set);
	og_pack_u8(pack, i8042->answered);
	og_pack_u8(pack, i8042->answer);
	og_pack_u8(pack, i8042->last);
	og_pack_u8(pack, (uint8_t)i8042->len);
	for (unsigned i = 0; i < i8042->len; i++)
		og_pack_u8(pack, i8042->queue[(i8042->start + i) % OG_I8042_QUEUE]);
	(void)pthread_mutex_unlock(&i8042->lock);
}

bool og_i8042_load(struct og_i8042 *i8042, struct og_unpack *unpack)
{
	unsigned len;

	i8042->touched = og_unpack_bool(unpack);
	i8042->was_command = og_unpack_bool(unpack);
	i8042->control = og_unpack_u8(unpack);
	i8042->output = og_unpack_u8(unpack);
	i8042->wants = og_unpack_u8(unpack);
	i8042->keyboard_wants = og_unpack_u8(unpack);
	i8042->scan_set = og_unpack_u8(unpack);
	i8042->answered = og_unpack_bool(unpack);
	i8042->answer = og_unpack_u8(unpack);
	i8042->last = og_unpack_u8(unpack);
	len = og_unpack_u8(unpack);
	if (unpack->failed || len > OG_I8042_QUEUE)
		return false;
	og_unpack_bytes(unpack, i8042->queue, len);
	i8042->start = 0;
	i8042->len = len;
	return !unpack->failed;
}

void og_i8042_resumed(struct og_i8042 *i8042)
{
	(void)pthread_mutex_lock(&i8042->lock);
	update(i8042);
	(void)pthread_mutex_unlock(&i8042->lock);
}

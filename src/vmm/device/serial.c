/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"

/* In the identification register: this is a 16550A, its FIFO on. */
#define FIFO_ENABLED 0xc0

int og_serial_init(struct og_serial *serial, int out_fd, const struct og_bucket_config *limit,
		   struct og_uart_metrics *metrics, struct og_err *err)
{
	struct og_limit_config limits = {};

	if (limit != NULL)
		limits.bytes = *limit;
	*serial = (struct og_serial){
		.out_fd = out_fd,
		.room_fd = og_event_new(),
		.interrupt_fd = og_event_new(),
	};
	if (serial->room_fd < 0 || serial->interrupt_fd < 0) {
		int r = -errno;

		og_serial_done(serial);
		return og_fail(err, r, "make event descriptors of serial port");
	}
	(void)pthread_mutex_init(&serial->lock, NULL);
	serial->metrics = metrics != NULL ? metrics : &serial->no_metrics;
	return og_ratelimit_init(&serial->limit, &limits, NULL, NULL, err);
}

void og_serial_done(struct og_serial *serial)
{
	serial->room_fd = og_close(serial->room_fd);
	serial->interrupt_fd = og_close(serial->interrupt_fd);
}

static bool in_loopback(const struct og_serial *serial)
{
	return (serial->mcr & UART_MCR_LOOP) != 0;
}

/* What would interrupt now, as the identification register says it. */
static uint8_t pending(const struct og_serial *serial)
{
	if (serial->fifo_len > 0 && (serial->ier & UART_IER_RDI) != 0)
		return UART_IIR_RDI;
	if (serial->sent && (serial->ier & UART_IER_THRI) != 0)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update(struct og_serial *serial)
{
	if (pending(serial) != UART_IIR_NO_INT)
		og_event_signal(serial->interrupt_fd);
}

static void push(struct og_serial *serial, uint8_t byte)
{
	if (serial->fifo_len == OG_SERIAL_FIFO)
		return;
	serial->fifo[(serial->fifo_start + serial->fifo_len) % OG_SERIAL_FIFO] = byte;
	serial->fifo_len++;
}

static uint8_t pop(struct og_serial *serial)
{
	uint8_t byte;

	if (serial->fifo_len == 0)
		return 0;
	og_counted(&serial->metrics->read_count, 1);
	byte = serial->fifo[serial->fifo_start];
	serial->fifo_start = (serial->fifo_start + 1) % OG_SERIAL_FIFO;
	serial->fifo_len--;
	if (serial->fifo_len == 0)
		og_event_signal(serial->room_fd);
	update(serial);
	return byte;
}

static uint8_t identify(struct og_serial *serial)
{
	uint8_t id = pending(serial);

	if (id == UART_IIR_THRI)
		serial->sent = false;
	if ((serial->fcr & UART_FCR_ENABLE_FIFO) != 0)
		id |= FIFO_ENABLED;
	return id;
}

/* In loopback the modem's outputs show as its inputs; else a line that is up. */
static uint8_t modem_status(const struct og_serial *serial)
{
	uint8_t status = 0;

	if (!in_loopback(serial))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if ((serial->mcr & UART_MCR_RTS) != 0)
		status |= UART_MSR_CTS;
	if ((serial->mcr & UART_MCR_DTR) != 0)
		status |= UART_MSR_DSR;
	if ((serial->mcr & UART_MCR_OUT1) != 0)
		status |= UART_MSR_RI;
	if ((serial->mcr & UART_MCR_OUT2) != 0)
		status |= UART_MSR_DCD;
	return status;
}

static uint8_t read_register(struct og_serial *serial, unsigned reg)
{
	bool divisor = (serial->lcr & UART_LCR_DLAB) != 0;

	switch (reg) {
	case UART_RX:
		return divisor ? serial->divisor[0] : pop(serial);
	case UART_IER:
		return divisor ? serial->divisor[1] : serial->ier;
	case UART_IIR:
		return identify(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return (uint8_t)(UART_LSR_TEMT | UART_LSR_THRE |
				 (serial->fifo_len > 0 ? UART_LSR_DR : 0));
	case UART_MSR:
		return modem_status(serial);
	case UART_SCR:
		return serial->scratch;
	default:
		return 0xff;
	}
}

static void set_fifo(struct og_serial *serial, uint8_t value)
{
	serial->fcr = value;
	if ((value & UART_FCR_CLEAR_RCVR) != 0) {
		serial->fifo_len = 0;
		og_event_signal(serial->room_fd);
	}
}

/* Returns true when @value is a byte that goes out. */
static bool write_register(struct og_serial *serial, unsigned reg, uint8_t value)
{
	bool divisor = (serial->lcr & UART_LCR_DLAB) != 0;

	switch (reg) {
	case UART_TX:
		if (divisor) {
			serial->divisor[0] = value;
			break;
		}
		if (in_loopback(serial))
			push(serial, value);
		serial->sent = true;
		return !in_loopback(serial);
	case UART_IER:
		if (divisor) {
			serial->divisor[1] = value;
			break;
		}
		/* The transmitter is always empty, and says so once it may. */
		serial->sent |= (value & ~serial->ier & UART_IER_THRI) != 0;
		serial->ier = value & 0x0f;
		break;
	case UART_FCR:
		set_fifo(serial, value);
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial->mcr = value & 0x1f;
		break;
	case UART_SCR:
		serial->scratch = value;
		break;
	default:
		break;
	}
	return false;
}

uint8_t og_serial_read(struct og_serial *serial, unsigned reg)
{
	uint8_t value;

	(void)pthread_mutex_lock(&serial->lock);
	value = read_register(serial, reg);
	(void)pthread_mutex_unlock(&serial->lock);
	return value;
}

/* Whether the limit lets a byte pass that the guest sends. */
static bool may_pass(struct og_serial *serial)
{
	if (og_ratelimit_take(&serial->limit, 1))
		return true;
	og_counted(&serial->metrics->rate_limiter_dropped_bytes, 1);
	return false;
}

/* A lost byte is the fate of a serial line that nobody holds. */
static void send_out(struct og_serial *serial, uint8_t byte)
{
	bool sent = serial->out_fd < 0 || write(serial->out_fd, &byte, 1) == 1;

	og_counted(sent ? &serial->metrics->write_count : &serial->metrics->missed_write_count, 1);
}

void og_serial_write(struct og_serial *serial, unsigned reg, uint8_t value)
{
	bool out;

	(void)pthread_mutex_lock(&serial->lock);
	out = write_register(serial, reg, value) && may_pass(serial);
	(void)pthread_mutex_unlock(&serial->lock);

	if (out) /* not under the lock: whoever reads the other end may take long */
		send_out(serial, value);

	(void)pthread_mutex_lock(&serial->lock);
	update(serial);
	(void)pthread_mutex_unlock(&serial->lock);
}

unsigned og_serial_room(struct og_serial *serial)
{
	unsigned room;

	(void)pthread_mutex_lock(&serial->lock);
	room = OG_SERIAL_FIFO - serial->fifo_len;
	(void)pthread_mutex_unlock(&serial->lock);
	return room;
}

void og_serial_input(struct og_serial *serial, const uint8_t *bytes, unsigned len)
{
	(void)pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < len; i++)
		push(serial, bytes[i]);
	update(serial);
	(void)pthread_mutex_unlock(&serial->lock);
}

void og_serial_save(struct og_serial *serial, struct og_pack *pack)
{
	(void)pthread_mutex_lock(&serial->lock);
	og_pack_u8(pack, serial->ier);
	og_pack_u8(pack, serial->fcr);
	og_pack_u8(pack, serial->lcr);
	og_pack_u8(pack, serial->mcr);
	og_pack_u8(pack, serial->scratch);
	og_pack_bytes(pack, serial->divisor, sizeof(serial->divisor));
	og_pack_u8(pack, serial->sent);
	og_pack_u8(pack, (uint8_t)serial->fifo_len);
	for (unsigned i = 0; i < serial->fifo_len; i++)
		og_pack_u8(pack, serial->fifo[(serial->fifo_start + i) % OG_SERIAL_FIFO]);
	(void)pthread_mutex_unlock(&serial->lock);
}

bool og_serial_load(struct og_serial *serial, struct og_unpack *unpack)
{
	unsigned len;

	serial->ier = og_unpack_u8(unpack) & 0x0f;
	serial->fcr = og_unpack_u8(unpack);
	serial->lcr = og_unpack_u8(unpack);
	serial->mcr = og_unpack_u8(unpack) & 0x1f;
	serial->scratch = og_unpack_u8(unpack);
	og_unpack_bytes(unpack, serial->divisor, sizeof(serial->divisor));
	serial->sent = og_unpack_bool(unpack);
	len = og_unpack_u8(unpack);
	if (unpack->failed || len > OG_SERIAL_FIFO)
		return false;
	og_unpack_bytes(unpack, serial->fifo, len);
	serial->fifo_start = 0;
	serial->fifo_len = len;
	return !unpack->failed;
}

void og_serial_resumed(struct og_serial *serial)
{
	(void)pthread_mutex_lock(&serial->lock);
	update(serial);
	(void)pthread_mutex_unlock(&serial->lock);
}

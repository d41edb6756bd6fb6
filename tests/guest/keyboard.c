/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard's controller, as a driver without interrupts uses it, and as nobody should. */
#include "guest.h"

#define DATA	    0x60
#define STATUS	    0x64
#define FULL	    1
#define TEST	    0xaa
#define READ_CTR    0x20
#define WRITE_CTR   0x60
#define IDENTIFY    0xf2
#define RESET	    0xff
#define RESET_PULSE 0xfe
#define WRITE_PORT  0xd1
#define TRANSLATE   0x40
#define PRESS_BYTES 8

static uint8_t next_byte(void)
{
	while ((inb(STATUS) & FULL) == 0)
		__asm__ volatile("pause");
	return inb(DATA);
}

static uint8_t command(uint8_t byte)
{
	outb(STATUS, byte);
	return next_byte();
}

/* Whatever was left is read first. */
static uint8_t reset_keyboard(void)
{
	outb(DATA, RESET);
	while ((inb(STATUS) & FULL) != 0)
		if (inb(DATA) == 0xfa)
			break;
	return next_byte();
}

void test_keys(void)
{
	say_line("test", command(TEST));
	outb(STATUS, WRITE_CTR);
	outb(DATA, TRANSLATE);
	say_line("control", command(READ_CTR));
	say_line("reset", reset_keyboard());
	outb(DATA, IDENTIFY);
	(void)next_byte();
	say_line("first", next_byte());
	say_line("second", next_byte());
	say("listening\n");
	for (unsigned i = 0; i < PRESS_BYTES; i++)
		say_line("key", next_byte());
}

static uint32_t random_number(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* A write that resets the machine is the only one that is left out. */
static void write_any(uint16_t port, uint32_t value, unsigned width)
{
	uint8_t byte = (uint8_t)value;

	if (byte == RESET_PULSE || byte == WRITE_PORT)
		value++;
	if (width == 0)
		outb(port, (uint8_t)value);
	else if (width == 1)
		__asm__ volatile("outw %0, %1" : : "a"((uint16_t)value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static void read_any(uint16_t port, unsigned width)
{
	uint32_t value = 0;

	if (width == 0)
		value = inb(port);
	else if (width == 1)
		__asm__ volatile("inw %1, %w0" : "=a"(value) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	(void)value;
}

void test_keys_hostile(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t number = random_number();
		uint16_t port = (uint16_t)(DATA + (number >> 8) % 5);

		if ((number & 1) != 0)
			write_any(port, number >> 16, (number >> 4) % 3);
		else
			read_any(port, (number >> 4) % 3);
	}
	outb(STATUS, WRITE_CTR);
	outb(DATA, TRANSLATE);
	say_line("reset", reset_keyboard());
}

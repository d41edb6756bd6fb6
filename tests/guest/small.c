/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel in 32 bits that says on the serial port what it was told at its start, and powers off. */
#include <stdint.h>

#define SERIAL	  0x3f8
#define POWER	  0x600
#define SLEEP_OFF (5 << 2 | 0x20)

#define PVH_MAGIC	0x336ec578U
#define MULTIBOOT_MAGIC 0x2badb002U

static void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void say(const char *text)
{
	for (; *text != 0; text++)
		outb(SERIAL, (uint8_t)*text);
}

static void say_hex(uint32_t number)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		outb(SERIAL, (uint8_t)("0123456789abcdef"[number >> shift & 15]));
}

static void say_line(const char *what, uint32_t number)
{
	say(what);
	say(" ");
	say_hex(number);
	say("\n");
}

static const char *at(uint32_t gpa)
{
	return (const char *)gpa;
}

/* Addresses are shown whole, though all but the last range lie below 4 GiB. */
static void say_range(const uint32_t *range, uint32_t type)
{
	say("range ");
	say_hex(range[1]);
	say_hex(range[0]);
	say(" ");
	say_hex(range[3]);
	say_hex(range[2]);
	say(type == 1 ? " ram\n" : " reserved\n");
}

static void say_module(uint32_t start, uint32_t bytes)
{
	say_line("module bytes", bytes);
	say_line("module begins with", *(const uint8_t *)at(start));
}

static void pvh(const uint32_t *info)
{
	const uint32_t *range = (const uint32_t *)at(info[10]);
	const uint32_t *module = (const uint32_t *)at(info[4]);

	say_line("pvh version", info[1]);
	say("cmdline ");
	say(at(info[6]));
	say("\nrsdp ");
	outb(SERIAL, (uint8_t)at(info[8])[0]);
	say("\n");
	for (uint32_t i = 0; i < info[12]; i++, range += 6)
		say_range(range, range[4]);
	if (info[3] > 0)
		say_module(module[0], module[2]);
}

static void multiboot(const uint32_t *info)
{
	const uint32_t *module = (const uint32_t *)at(info[6]);

	say_line("multiboot flags", info[0]);
	say_line("high KiB", info[2]);
	say("loader ");
	say(at(info[16]));
	say("\ncmdline ");
	say(at(info[4]));
	say("\n");
	for (uint32_t done = 0; done < info[11];) {
		const uint32_t *range = (const uint32_t *)at(info[12] + done);

		say_range(range + 1, range[5]);
		done += range[0] + 4;
	}
	if (info[5] > 0)
		say_module(module[0], module[1] - module[0]);
}

/* Set by what is in the file: a segment that was loaded elsewhere would not show it. */
static const uint32_t loaded = 0x600d600d;
static uint32_t zeroed;

void small_main(uint32_t eax, const uint32_t *ebx);

void small_main(uint32_t eax, const uint32_t *ebx)
{
	if (*(const volatile uint32_t *)&loaded != 0x600d600d || *(volatile uint32_t *)&zeroed != 0)
		say("loaded wrong\n");
	if (eax == MULTIBOOT_MAGIC)
		multiboot(ebx);
	else if (ebx[0] == PVH_MAGIC)
		pvh(ebx);
	else
		say("told nothing\n");
	say("done\n");
	outb(POWER, SLEEP_OFF);
}

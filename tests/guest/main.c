/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/bootparam.h>

#include "guest.h"

#define SERIAL	    0x3f8
#define POWER	    0x600
#define SLEEP_OFF   (5 << 2 | 0x20)
#define I8042	    0x64
#define I8042_RESET 0xfe

void say(const char *text)
{
	for (; *text != 0; text++)
		outb(SERIAL, (uint8_t)*text);
}

void say_number(uint64_t number)
{
	char digits[24];
	unsigned at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	say(digits + at);
}

void say_line(const char *what, uint64_t number)
{
	say(what);
	say(" ");
	say_number(number);
	say("\n");
}

static void power_off(void)
{
	outb(POWER, SLEEP_OFF);
}

static void reset(void)
{
	outb(POWER + 2, 1);
}

static void reset_by_keyboard(void)
{
	outb(I8042, I8042_RESET);
}

/* No interrupt table: the first exception is the third. */
static void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void spin(void)
{
	say("spinning\n");
	for (;;)
		__asm__ volatile("pause");
}

/* A dot after the other, for ever. */
static void count(void)
{
	for (;;) {
		say(".");
		for (volatile unsigned i = 0; i < 1000; i++)
			;
	}
}

static void flood(void)
{
	for (unsigned i = 0; i < 20000; i++)
		outb(SERIAL, (uint8_t)("0123456789abcde\n"[i % 16]));
}

/* Echoes what comes in on the serial port up to the first '.'. */
static void echo(void)
{
	char c = 0;

	say("listening\n");
	while (c != '.') {
		while ((inb(SERIAL + 5) & 1) == 0)
			;
		c = (char)inb(SERIAL);
		outb(SERIAL, (uint8_t)c);
	}
	say("\n");
}

/* What the zero page says of memory. */
static const struct boot_params *params;

static void show_memory(void)
{
	for (unsigned i = 0; i < params->e820_entries; i++) {
		say_line("e820 from", params->e820_table[i].addr);
		say_line("e820 bytes", params->e820_table[i].size);
	}
	say_line("initrd bytes", params->hdr.ramdisk_size);
	if (params->hdr.ramdisk_size > 0)
		say_line("initrd begins with",
			 *(const uint8_t *)(uintptr_t)params->hdr.ramdisk_image);
}

/* As much as is there, and no more than the first page tables reach. */
static uint64_t end_of_memory(void)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < params->e820_entries; i++)
		if (params->e820_table[i].type == 1 &&
		    params->e820_table[i].addr + params->e820_table[i].size <= 1ULL << 30)
			end = params->e820_table[i].addr + params->e820_table[i].size;
	return end;
}

static void fill(void)
{
	test_fill(end_of_memory());
}

static void refill(void)
{
	test_refill(end_of_memory());
}

static const struct {
	const char *word;
	void (*run)(void);
} words[] = {
	{ "off", power_off },
	{ "reset", reset },
	{ "i8042", reset_by_keyboard },
	{ "triple", triple_fault },
	{ "spin", spin },
	{ "count", count },
	{ "flood", flood },
	{ "echo", echo },
	{ "memory", show_memory },
	{ "blk", test_blk },
	{ "blk-more", test_blk_more },
	{ "hostile-all", test_hostile_all },
	{ "console", test_console },
	{ "send", test_send },
	{ "rng", test_rng },
	{ "hostile", test_hostile },
	{ "bus", test_bus },
	{ "pages", test_pages },
	{ "fill", fill },
	{ "refill", refill },
	{ "devices", test_devices },
	{ "pci", test_pci },
	{ "pci-count", test_pci_count },
	{ "net", test_net },
	{ "net-flood", test_net_flood },
	{ "net-slow", test_net_slow },
	{ "net-hostile", test_net_hostile },
	{ "fs", test_fs },
	{ "vsock", test_vsock },
	{ "vsock-out", test_vsock_out },
	{ "vsock-hostile", test_vsock_hostile },
	{ "balloon", test_balloon },
	{ "balloon-hostile", test_balloon_hostile },
	{ "balloon-live", test_balloon_live },
	{ "balloon-count", test_balloon_count },
	{ "hotplug-live", test_hotplug_live },
	{ "hotplug", test_hotplug },
	{ "hotplug-count", test_hotplug_count },
	{ "pmem", test_pmem },
	{ "keys", test_keys },
	{ "keys-hostile", test_keys_hostile },
};

static int same(const char *a, const char *b)
{
	while (*a != 0 && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

void guest_main(const struct boot_params *boot);

void guest_main(const struct boot_params *boot)
{
	const char *word = (const char *)(uintptr_t)boot->hdr.cmd_line_ptr;

	params = boot;
	map_devices();
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (same(word, words[i].word))
			words[i].run();
	say("done\n");
	power_off();
}

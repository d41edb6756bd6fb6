/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of bodies must look like. */
#include <string.h>

#include "base/text.h"
#include "vmmapi/bodies.h"

const char *og_api_check_id(const char *text)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return *text == '\0' || text[strspn(text, good)] != '\0'
		       ? "only alphanumeric characters and underscores"
		       : NULL;
}

const char *og_api_check_mac(const char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	static const char expected[] = "a MAC address like 06:00:00:00:00:01";

	for (size_t i = 0; i < 17; i++)
		if (text[i] == '\0' || (i % 3 == 2 ? text[i] != ':' : strchr(hex, text[i]) == NULL))
			return expected;
	return text[17] == '\0' ? NULL : expected;
}

const char *og_api_check_ipv4(const char *text)
{
	static const char expected[] = "an IPv4 address";
	const char *at = text;

	for (int part = 0; part < 4; part++) {
		size_t digits = strspn(at, "0123456789");
		char number[4] = "";
		uint64_t value;

		if (digits == 0 || digits > 3 || (digits > 1 && *at == '0'))
			return expected;
		memcpy(number, at, digits);
		if (og_parse_u64(number, 0, 255, &value) < 0 ||
		    at[digits] != (part < 3 ? '.' : '\0'))
			return expected;
		at += digits + 1;
	}
	return NULL;
}

/* "0b1xx0_1": a bit that is 0 or 1 becomes that, an x stays as it is. */
const char *og_api_check_bitmap(const char *text)
{
	static const char expected[] = "a bitmap: 0b and then 0, 1, x and _, at most 64 bits";
	size_t bits = 0;

	if (!og_starts_with(text, "0b"))
		return expected;
	for (const char *at = text + 2; *at != '\0'; at++) {
		if (strchr("01xX_", *at) == NULL)
			return expected;
		bits += *at != '_';
	}
	return bits == 0 || bits > 64 ? expected : NULL;
}

/* "0x1f", "0b101" or "31". */
const char *og_api_check_number(const char *text)
{
	const char *digits = text;
	const char *good = "0123456789";
	size_t most = 10;

	if (og_starts_with(text, "0x")) {
		digits += 2;
		good = "0123456789abcdefABCDEF";
		most = 8;
	} else if (og_starts_with(text, "0b")) {
		digits += 2;
		good = "01";
		most = 32;
	}
	return *digits == '\0' || digits[strspn(digits, good)] != '\0' || strlen(digits) > most
		       ? "a number of 32 bits: 0x and hexadecimal digits, 0b and bits, or decimal"
		       : NULL;
}

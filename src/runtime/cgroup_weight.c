/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares of processor time from version 1 to version 2. Smallest, default and largest of both are
 * mapped to one another, 2, 1024 and 262144 to 1, 100 and 10000, and what lies between along
 *	log10(weight) = (log2(shares)^2 + 125 log2(shares)) / 612 - 7 / 34
 * rounded up, as runc 1.3.2 and crun 1.23 do. (The older straight line made 39 of the default.)
 *
 * Logarithm and power are series of our own: the mathematical library would cost every start of
 * this static program relocations that choose its variants.
 */
#include "runtime/cgroup.h"

#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000

#define LN2   0.69314718055994530942
#define LN10  2.30258509299404568402
#define TERMS 24   /* enough for all digits of a double */
#define SLACK 1e-9 /* what rounding may add to a whole number */

/* @x is at least 1: its power of two, and atanh for what is left. */
static double log2_of(double x)
{
	double power = 0;
	double z;
	double term;
	double sum = 0;

	for (; x >= 2; x /= 2)
		power++;
	z = (x - 1) / (x + 1);
	term = z;
	for (int i = 0; i < TERMS; i++) {
		sum += term / (2 * i + 1);
		term *= z * z;
	}
	return power + 2 * sum / LN2;
}

/* @x is at least 0. */
static double power_of_10(double x)
{
	double rest = x * LN10;
	double scale = 1;
	double term = 1;
	double sum = 0;

	for (; rest > LN2; rest -= LN2)
		scale *= 2;
	for (int i = 1; i <= TERMS; i++) {
		sum += term;
		term *= rest / i;
	}
	return scale * sum;
}

uint64_t og_cgroup_weight(uint64_t shares)
{
	double bits;
	double weight;
	uint64_t whole;

	if (shares <= OG_CPU_SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= OG_CPU_SHARES_MAX)
		return WEIGHT_MAX;
	bits = log2_of((double)shares);
	weight = power_of_10((bits * bits + 125 * bits) / 612 - 7.0 / 34) - SLACK;
	whole = (uint64_t)weight;
	return (double)whole < weight ? whole + 1 : whole;
}

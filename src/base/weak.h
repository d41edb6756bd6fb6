/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holes made on purpose, so that a test of an attack can be seen to fail. At the check that stops an
 * attack stands `og_weak("A4")`: whether to leave that check out. In every build but
 * -Dweakened=true it is the constant false, and the compiler leaves no trace of it; the weakened
 * build, which is never installed, asks the environment variable ONGGI_WEAKEN, a list of names
 * with commas between them. docs/security.md says how the tests use it.
 */
#pragma once

#ifdef OG_WEAKENED
#include <stdbool.h>

bool og_weak(const char *name);
#else
#define og_weak(name) 0
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of this installation are. Programs find each other from their own place, so an
 * installation works below any folder and may be moved. Layout below the prefix: bin/, sbin/,
 * libexec/onggi/, lib/onggi/, share/.
 */
#pragma once

#include "base/err.h"

/*
 * "bin/onggi-runtime" -> "/usr/bin/onggi-runtime" for a program that runs from /usr/sbin. The
 * result is the caller's to free. It need not exist. Errors: -ENOENT (this program runs from no
 * bin, sbin or libexec folder, so it is not installed), -ENOMEM.
 */
int og_install_path(const char *relative, char **ret_path, struct og_err *err);

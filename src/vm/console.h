/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal's host half: a pty that passes everything through unchanged, because the terminal in
 * the guest does the work of one. Its master goes to the caller as with any OCI runtime.
 */
#pragma once

#include "base/err.h"
#include "format/oci_config.h"

/*
 * Makes the pty with the size that @process asks for, and sends its master over the unix socket
 * @socket_path, or where that is NULL gives it to *@console_fd (may be NULL: then there is no
 * terminal to be had, -EINVAL). Returns the other end.
 */
int og_vm_console_open(const struct og_oci_process *process, const char *socket_path,
		       int *console_fd, struct og_err *err);

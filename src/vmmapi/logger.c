/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmmapi/bodies.h"

#define LINE_MAX_BYTES 1024 /* longer ones are cut */

int og_open_sink(const char *path, int *ret_fd, struct og_err *err)
{
	/* A pipe opened for both does not wait for its reader. */
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int og_logger_configure(struct og_logger *logger, const struct og_api_logger *config,
			struct og_err *err)
{
	int fd, r;

	if (config->log_path[0] != '\0') {
		r = og_open_sink(config->log_path, &fd, err);
		if (r < 0)
			return r;
		(void)og_close(logger->fd);
		logger->fd = fd;
	}
	logger->on = true;
	if (og_body_has(&og_body_logger, config, "level"))
		logger->level = config->level == OG_LEVEL_WARN ? OG_LEVEL_WARNING : config->level;
	if (og_body_has(&og_body_logger, config, "show_level"))
		logger->show_level = config->show_level;
	if (og_body_has(&og_body_logger, config, "show_log_origin"))
		logger->show_origin = config->show_log_origin;
	if (og_body_has(&og_body_logger, config, "module"))
		memcpy(logger->module, config->module, sizeof(logger->module));
	return 0;
}

static void write_line(struct og_logger *logger, const char *line, size_t len)
{
	int fd = logger->fd >= 0 ? logger->fd : STDOUT_FILENO;

	if (write(fd, line, len) != (ssize_t)len)
		logger->missed++;
}

void og_log(struct og_logger *logger, unsigned level, const char *module, const char *fmt, ...)
{
	static const char *const names[] = { "OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };
	char line[LINE_MAX_BYTES], now[OG_CLOCK_TEXT_BYTES];
	va_list ap;
	size_t len;

	if (!logger->on || level > logger->level ||
	    strncmp(module, logger->module, strlen(logger->module)) != 0)
		return;
	og_clock_now(now);
	(void)snprintf(line, sizeof(line), "%s [%s:%s%s%s%s%s] ", now, logger->id, module,
		       logger->show_level ? ":" : "", logger->show_level ? names[level] : "",
		       logger->show_origin ? ":src/vmmapi/" : "",
		       logger->show_origin ? module : "");
	len = strlen(line);
	va_start(ap, fmt);
	(void)vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len] = '\n';
	write_line(logger, line, len + 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/text.h"

#define NAME	   "org.freedesktop.systemd1"
#define OBJECT	   "/org/freedesktop/systemd1"
#define INTERFACE  "org.freedesktop.systemd1.Manager"
#define BYTES_MAX  8192 /* of a mask: 65,536 processors */
#define PRIVATE	   "systemd/private"
#define NO_SYSTEMD "no systemd answers on %s or the %s bus"

struct og_manager {
	sd_bus *bus;
	bool is_bus; /* a bus with others on it, not systemd's own socket */
	bool user;
	char *job; /* what is waited for */
	char *result;
};

struct og_manager *og_manager_free(struct og_manager *manager)
{
	if (manager == NULL)
		return NULL;
	sd_bus_flush_close_unref(manager->bus);
	free(manager->job);
	free(manager->result);
	free(manager);
	return NULL;
}

/* ---- connecting ---- */

static char *private_path(bool user)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (!user)
		return strdup("/run/" PRIVATE);
	return og_strdupf("%s/" PRIVATE, runtime_dir != NULL ? runtime_dir : "/nowhere");
}

static int no_systemd(bool user, struct og_err *err)
{
	og_auto_free char *path = private_path(user);

	return og_fail_plain(err, -ENOTCONN, NO_SYSTEMD, path != NULL ? path : "",
			     user ? "user's" : "system");
}

/* systemd's own socket: there is no daemon between us and it, nor need there be one. */
static int open_private(bool user, sd_bus **ret_bus)
{
	og_auto_free char *path = private_path(user);
	og_auto_free char *address = path != NULL ? og_strdupf("unix:path=%s", path) : NULL;
	sd_bus *bus = NULL;
	int r = address == NULL ? -ENOMEM : sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		sd_bus_unref(bus);
	else
		*ret_bus = bus;
	return r;
}

int og_manager_open(bool user, struct og_manager **ret_manager, struct og_err *err)
{
	og_cleanup(og_manager_freep) struct og_manager *manager = calloc(1, sizeof(*manager));
	bool named = getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS") != NULL;
	int r = -ENOENT;

	if (manager == NULL)
		return og_fail(err, -ENOMEM, "connect to systemd");
	manager->user = user;
	if (!named || user) /* every session names its bus */
		r = open_private(user, &manager->bus);
	if (r < 0) {
		manager->is_bus = true;
		r = user ? sd_bus_open_user(&manager->bus) : sd_bus_open_system(&manager->bus);
	}
	if (r < 0)
		return no_systemd(user, err);
	*ret_manager = og_take_ptr(manager);
	return 0;
}

/* ---- calling ---- */

/* Nobody is there, or nobody who is systemd. */
static bool is_absence(const sd_bus_error *error, int code)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	       (error->name != NULL &&
		og_starts_with(error->name, "org.freedesktop.DBus.Error.Spawn.")) ||
	       code == -ECONNRESET || code == -ENOTCONN || code == -EPIPE || code == -ECONNREFUSED;
}

static bool is_unknown_unit(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit");
}

static int refused(const struct og_manager *manager, const sd_bus_error *error, int code,
		   const char *method, struct og_err *err)
{
	if (is_absence(error, code))
		return no_systemd(manager->user, err);
	if (!sd_bus_error_is_set(error))
		return og_fail(err, code, "systemd: %s", method);
	return og_fail_plain(err, code, "systemd refuses %s: %s (%s)", method,
			     error->message != NULL ? error->message : "without a reason",
			     error->name);
}

static int new_call(struct og_manager *manager, const char *method, sd_bus_message **ret_call,
		    struct og_err *err)
{
	int r = sd_bus_message_new_method_call(
		manager->bus, ret_call, manager->is_bus ? NAME : NULL, OBJECT, INTERFACE, method);

	return r < 0 ? og_fail(err, r, "systemd: %s", method) : 0;
}

/* A unit that is not there is success where @may_miss. */
static int call(struct og_manager *manager, const char *method, sd_bus_message *message,
		bool may_miss, sd_bus_message **ret_reply, struct og_err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(manager->bus, message, 0, &error, ret_reply);

	if (r < 0)
		r = may_miss && is_unknown_unit(&error) ? 0
							: refused(manager, &error, r, method, err);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

/* ---- properties ---- */

static int append_bytes(sd_bus_message *message, const struct og_json *value)
{
	unsigned char bytes[BYTES_MAX];
	size_t count = og_json_count(value);

	if (count > sizeof(bytes))
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)og_json_uint(og_json_at(value, i), 0);
	return sd_bus_message_append_array(message, 'y', bytes, count);
}

static int append_pairs(sd_bus_message *message, const struct og_json *value)
{
	int r = sd_bus_message_open_container(message, 'a', "(ss)");

	for (size_t i = 0; r >= 0 && i < og_json_count(value); i++) {
		const struct og_json *pair = og_json_at(value, i);

		r = sd_bus_message_append(message, "(ss)", og_json_string(og_json_at(pair, 0), ""),
					  og_json_string(og_json_at(pair, 1), ""));
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_value(sd_bus_message *message, const char *type, const struct og_json *value)
{
	if (og_streq(type, "t"))
		return sd_bus_message_append(message, "t", og_json_uint(value, 0));
	if (og_streq(type, "b"))
		return sd_bus_message_append(message, "b", (int)og_json_bool(value, false));
	if (og_streq(type, "s"))
		return sd_bus_message_append(message, "s", og_json_string(value, ""));
	if (og_streq(type, "ay"))
		return append_bytes(message, value);
	return og_streq(type, "a(ss)") ? append_pairs(message, value) : -EINVAL;
}

static int append_property(sd_bus_message *message, const struct og_json *property)
{
	const char *type = og_json_string(og_json_at(property, 1), "");
	int r = sd_bus_message_open_container(message, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append(message, "s",
					  og_json_string(og_json_at(property, 0), ""));
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', type);
	if (r >= 0)
		r = append_value(message, type, og_json_at(property, 2));
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* With @member this process is one of the unit's. */
static int append_properties(sd_bus_message *message, const struct og_json *properties, bool member)
{
	int r = sd_bus_message_open_container(message, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < og_json_count(properties); i++)
		r = append_property(message, og_json_at(properties, i));
	if (r >= 0 && member)
		r = sd_bus_message_append(message, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* ---- jobs ---- */

static int job_removed(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct og_manager *manager = data;
	const char *path;
	const char *unit;
	const char *result;
	uint32_t number;

	(void)error;
	if (sd_bus_message_read(message, "uoss", &number, &path, &unit, &result) >= 0 &&
	    manager->job != NULL && og_streq(path, manager->job)) {
		free(manager->result);
		manager->result = strdup(result);
	}
	return 0;
}

/* Signals are not looked at before sd_bus_process(), so none is missed between call and reply. */
static int listen_for_jobs(struct og_manager *manager, struct og_err *err)
{
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *subscribe = NULL;
	int r = sd_bus_match_signal(manager->bus, NULL, manager->is_bus ? NAME : NULL, OBJECT,
				    INTERFACE, "JobRemoved", job_removed, manager);

	if (r < 0)
		return is_absence(&SD_BUS_ERROR_NULL, r) ? no_systemd(manager->user, err)
							 : og_fail(err, r, "listen to systemd");
	r = new_call(manager, "Subscribe", &subscribe, err);
	return r < 0 ? r : call(manager, "Subscribe", subscribe, false, NULL, err);
}

static int wait_for_job(struct og_manager *manager, sd_bus_message *reply, const char *what,
			struct og_err *err)
{
	const char *path = NULL;
	int r = sd_bus_message_read(reply, "o", &path);

	if (r < 0)
		return og_fail(err, r, "systemd: %s", what);
	manager->job = strdup(path);
	while (manager->job != NULL && manager->result == NULL) {
		r = sd_bus_process(manager->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(manager->bus, UINT64_MAX);
		if (r < 0 && r != -EINTR)
			return no_systemd(manager->user, err);
	}
	if (manager->job == NULL)
		return og_fail(err, -ENOMEM, "systemd: %s", what);
	return og_streq(manager->result, "done")
		       ? 0
		       : og_fail_plain(err, -EIO, "systemd: %s ended as '%s'", what,
				       manager->result);
}

static int get_text(struct og_manager *manager, const char *unit, const char *interface,
		    const char *property, char **ret_text, struct og_err *err)
{
	og_auto_free char *path = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_path_encode(OBJECT "/unit", unit, &path);

	if (r >= 0)
		r = sd_bus_get_property_string(manager->bus, manager->is_bus ? NAME : NULL, path,
					       interface, property, &error, ret_text);
	if (r < 0)
		r = refused(manager, &error, r, property, err);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

int og_manager_start(struct og_manager *manager, const char *unit, const struct og_json *properties,
		     char **ret_group, struct og_err *err)
{
	static const char method[] = "StartTransientUnit";
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = listen_for_jobs(manager, err);

	if (r == 0)
		r = new_call(manager, method, &message, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(message, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(message, properties, true);
	if (r >= 0)
		r = sd_bus_message_append(message, "a(sa(sv))", 0);
	if (r < 0)
		return og_fail(err, r, "systemd: %s", method);
	r = call(manager, method, message, false, &reply, err);
	if (r == 0)
		r = wait_for_job(manager, reply, method, err);
	return r < 0 ? r : get_text(manager, unit, NAME ".Scope", "ControlGroup", ret_group, err);
}

int og_manager_attach(struct og_manager *manager, const char *unit, pid_t pid, struct og_err *err)
{
	static const char method[] = "AttachProcessesToUnit";
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = new_call(manager, method, &message, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(message, "ssau", unit, "", 1, (uint32_t)pid);
	return r < 0 ? og_fail(err, r, "systemd: %s", method)
		     : call(manager, method, message, false, NULL, err);
}

int og_manager_set(struct og_manager *manager, const char *unit, const struct og_json *properties,
		   struct og_err *err)
{
	static const char method[] = "SetUnitProperties";
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = new_call(manager, method, &message, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(message, "sb", unit, 1);
	if (r >= 0)
		r = append_properties(message, properties, false);
	return r < 0 ? og_fail(err, r, "systemd: %s", method)
		     : call(manager, method, message, false, NULL, err);
}

/* systemd describes a unit that is not there by its name. */
static int is_described(struct og_manager *manager, const char *unit, const char *description,
			struct og_err *err)
{
	og_auto_free char *text = NULL;
	int r = get_text(manager, unit, NAME ".Unit", "Description", &text, err);

	return r < 0 ? r : og_streq(text, description);
}

int og_manager_stop(struct og_manager *manager, const char *unit, const char *description,
		    struct og_err *err)
{
	int described = is_described(manager, unit, description, err);
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *stop = NULL;
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	og_cleanup(sd_bus_message_unrefp) sd_bus_message *reset = NULL;
	int r;

	if (described <= 0)
		return described;
	r = listen_for_jobs(manager, err);
	if (r == 0)
		r = new_call(manager, "StopUnit", &stop, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(stop, "ss", unit, "replace");
	if (r < 0)
		return og_fail(err, r, "systemd: StopUnit");
	r = call(manager, "StopUnit", stop, true, &reply, err);
	if (r == 0 && reply != NULL)
		r = wait_for_job(manager, reply, "StopUnit", err);
	if (r < 0)
		return r;
	r = new_call(manager, "ResetFailedUnit", &reset, err);
	if (r < 0 || sd_bus_message_append(reset, "s", unit) < 0)
		return r < 0 ? r : og_fail(err, -ENOMEM, "systemd: ResetFailedUnit");
	return call(manager, "ResetFailedUnit", reset, true, NULL, err);
}

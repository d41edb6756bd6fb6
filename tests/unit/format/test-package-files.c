/* SPDX-License-Identifier: Apache-2.0 */
/* Files of languages' packages that are text; and those that are none, or nearly. */
#include "base/test.h"
#include "format/apk.h"
#include "format/cargo.h"
#include "format/gem.h"
#include "format/go_build.h"
#include "format/lock_toml.h"
#include "format/npm.h"
#include "format/pypi.h"
#include "package_list.h"

typedef int reader(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err);

static int read_apk(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	return og_apk_read_installed(buf, len, fn, NULL, data, err);
}

static void check(reader *read, const char *text, int code, const char *wanted)
{
	og_auto_text list = {};

	CHECK_EQ(read(text, strlen(text), list_package, &list, NULL), code);
	CHECK_LIST(list, wanted);
}

TEST(installed_modules)
{
	check(og_npm_read_package, "{\"name\": \"x\", \"version\": \"1.0.0\"}", 0,
	      "x 1.0.0 - - -\n");
	check(og_npm_read_package, "{\"name\": \"x\"}", 0, "");
	check(og_npm_read_package, "{\"name\": 1, \"version\": []}", 0, "");
	check(og_npm_read_package, "[]", -EBADMSG, "");
	check(og_npm_read_package, "{\"name\": \"x\"", -EBADMSG, "");
	check(og_npm_read_package, "", -EBADMSG, "");
}

TEST(lock_files_of_npm)
{
	check(og_npm_read_lock,
	      "{\"dependencies\": {\"no\": {\"version\": \"1.0.0\"}}, \"packages\": {"
	      "\"\": {\"name\": \"app\", \"version\": \"1.0.0\"},"
	      "\"node_modules/a/node_modules/@b/c\": {\"version\": \"1.2.3\"},"
	      "\"node_modules/alias\": {\"name\": \"real\", \"version\": \"4.0.0\"},"
	      "\"node_modules/linked\": {\"link\": true, \"version\": \"1.0.0\"},"
	      "\"packages/mine\": {\"version\": \"1.0.0\"}}}",
	      0, "@b/c 1.2.3 - - -\nreal 4.0.0 - - -\n");
	check(og_npm_read_lock, "{}", 0, "");
	check(og_npm_read_lock,
	      "{\"dependencies\": {\"a\": 1, \"b\": {\"version\": \"git+ssh://x\"}}}", 0, "");
}

TEST(lock_files_of_yarn)
{
	check(og_npm_read_yarn,
	      "a@^1, a@^2:\n  version \"1.5.0\"\n  dependencies:\n    version \"9\"\n\nb@1:\n"
	      "  resolved \"x\"\n\"no-version@1\":\n:\n  version \"1.0.0\"\n@:\n  version \"1.0.0\"\n",
	      0, "a 1.5.0 - - -\n");
	check(og_npm_read_yarn, "\"a@patch:a@npm%3A1.0#x\":\n  version: 1.0.0\n", 0,
	      "a 1.0.0 - - -\n");
}

TEST(metadata_of_python)
{
	check(og_pypi_read_metadata,
	      "Metadata-Version: 2.1\r\nName: a\r\nVersion: 1\r\nName: b\r\n", 0, "a 1 - - -\n");
	check(og_pypi_read_metadata, "\nName: a\nVersion: 1\n", 0, "");
	check(og_pypi_read_metadata, "Name: a\n", 0, "");
	check(og_pypi_read_metadata, "Summary: x\n Name: no\nName: a\nVersion: 1.0.post1\n", 0,
	      "a 1.0.post1 - - -\n");
}

TEST(crates)
{
	check(og_lock_read_toml,
	      "version = 3\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n]\n"
	      "\n[[package]]\nname = \"b\"\nversion = 2\n[[package]]\nname=\"c\"\nversion=\"3\"",
	      0, "a 1 - - -\nc 3 - - -\n");
	check(og_cargo_read_audit,
	      "{\"packages\": [{\"name\": \"a\", \"version\": \"1\", \"source\": \"crates.io\"},"
	      "{\"name\": \"b\", \"version\": \"2\", \"kind\": \"build\"}, 1, {}]}",
	      0, "a 1 - - -\n");
	check(og_cargo_read_audit, "no", -EBADMSG, "");
}

TEST(lock_files_of_python)
{
	check(og_lock_read_toml,
	      "[[package]]\nname = \"a\"\nversion = \"1\"\ncategory = \"dev\"\n\n[[package]]\nname = \"b\"\n"
	      "version = \"2\"\ngroups = [\"main\", \"dev\"]\nfiles = [\n    {file = \"x\"},\n]\n\n"
	      "[package.dependencies]\nname = \"no\"\nversion = \"9\"\n[[package]]\nname = \"c\"\n"
	      "version = \"3\"\ngroups = [\"dev\"]\n[[package]]\nname = \"d\"\nversion = \"4\"\n"
	      "source = { virtual = \".\" }\n[[package]]\nname = \"e\"\nversion = \"5\"\n"
	      "source = { registry = \"https://x/virtual\" }\n",
	      0, "b 2 - - -\ne 5 - - -\n");
	check(og_lock_read_toml,
	      "[[packages]]\nname = \"a\"\nversion = \"1\"\n[[packages.wheels]]\nname = \"a.whl\"\n",
	      0, "a 1 - - -\n");
	check(og_pypi_read_pipfile,
	      "{\"default\": {\"a\": {\"version\": \"==1.0\"}, \"b\": {\"git\": \"x\"}, \"c\": {\"version\": \"==\"},"
	      "\"d\": 1}, \"develop\": {\"e\": {\"version\": \"==2\"}}}",
	      0, "a 1.0 - - -\n");
	check(og_pypi_read_pipfile, "[]", 0, "");
	check(og_pypi_read_pipfile, "{", -EBADMSG, "");
}

TEST(lock_files_of_pnpm)
{
	check(og_npm_read_pnpm,
	      "lockfileVersion: 5.4\n\ndependencies:\n  no: 1.0.0\npackages:\n\n  /a/1.0.0:\n"
	      "    resolution: {integrity: x}\n    dev: false\n\n  /@s/b/2.0.0_a@1.0.0:\n    dev: false\n"
	      "    dependencies:\n      dev: true\n\n  /c/3.0.0:\n    dev: true\n"
	      "  github.com/x/d/0123abc:\n    name: d\n    version: 4.0.0\n",
	      0, "a 1.0.0 - - -\n@s/b 2.0.0 - - -\nd 4.0.0 - - -\n");
	check(og_npm_read_pnpm,
	      "lockfileVersion: '6.0'\npackages:\n  /a@1.0.0:\n    dev: false\n  /@s/b@2.0.0(a@1.0.0)(c@3.0.0):\n"
	      "    dev: false\n  file:x:\n    dev: false\n",
	      0, "a 1.0.0 - - -\n@s/b 2.0.0 - - -\n");
	check(og_npm_read_pnpm,
	      "lockfileVersion: '9.0'\npackages:\n  a@1.0.0:\n    engines: {node: '>=1'}\n\n  '@s/b@2.0.0':\n"
	      "    resolution: {x: y}\nsnapshots:\n  'c@3.0.0(a@1.0.0)':\n    dev: false\n",
	      0, "a 1.0.0 - - -\n@s/b 2.0.0 - - -\n");
	check(og_npm_read_pnpm, "packages:\n  :\n  /:\n  @:\n  '':\n  a@:\n  ':\n", 0, "");
}

TEST(gems)
{
	check(og_gem_read_spec,
	      "# -*- encoding: utf-8 -*-\n# stub: a 1.0 ruby lib\ns.name = 'no'\n", 0,
	      "a 1.0 - - -\n");
	check(og_gem_read_spec, "  s.name = %q{x}\n  s.version = X::VERSION\n", 0, "");
	check(og_gem_read_spec, "# stub: ", 0, "");
	check(og_gem_read_spec, "  spec.name    = 'a'\n  spec.version = Gem::Version.new \"2.1\"\n",
	      0, "a 2.1 - - -\n");
	check(og_gem_read_lock,
	      "PATH\n  specs:\n    mine (0.1)\nGEM\n  specs:\n    a (1.0)\n    b\n    c (", 0,
	      "a 1.0 - - -\n");
}

TEST(installed_packages_of_alpine)
{
	check(read_apk, "P:a\nV:1-r0\nA:x\no:s\n\nP:b\n\n\nV:1\n\nP:c\nV:2", 0,
	      "a 1-r0 x s -\nc 2 - - -\n");
	check(read_apk, "P:\nV:\n:\nP", 0, "");
}

TEST(modules_of_go)
{
	check(og_go_read_modules, "=>\tx\tv1\n", 0, "");
	check(og_go_read_modules, "mod\tx\t(devel)\t\ndep\ty\n", 0, "");
	check(og_go_read_modules, "dep\ty\tv1", 0, "y v1 - - -\n");
}

/* The first that a reader must not do on any text is to read behind it: the sanitizers watch. */
TEST(every_beginning_of_a_text_is_read_without_harm)
{
	static const char text[] =
		"{\"a\":[\n# stub: x 1 2\nP:x\nV:1\n\n\"x@npm:y@1\":\n  version: 1\n"
		"packages:\n  '/x@1(':\n    dev: t\n[[package]]\nname = \"x\"\nversion = \"1\"\nsource={virtual\n"
		"groups=[\nGEM\n    x (1-2)\ndep\tx\tv1\n=>\ty\tv2\n";
	static reader *const readers[] = {
		og_npm_read_pnpm, og_pypi_read_pipfile,	 og_npm_read_package, og_npm_read_lock,
		og_npm_read_yarn, og_pypi_read_metadata, og_lock_read_toml,   og_cargo_read_audit,
		og_gem_read_spec, og_gem_read_lock,	 og_go_read_modules,  read_apk
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		for (size_t len = 0; len < sizeof(text); len++) {
			og_auto_free char *exact = malloc(len + 1);
			og_auto_text list = {};

			CHECK(exact != NULL);
			memcpy(exact, text, len);
			(void)readers[i](exact, len, list_package, &list, NULL);
		}
}

TEST_MAIN(TEST_ENTRY(installed_modules), TEST_ENTRY(lock_files_of_npm),
	  TEST_ENTRY(lock_files_of_yarn), TEST_ENTRY(metadata_of_python), TEST_ENTRY(crates),
	  TEST_ENTRY(lock_files_of_python), TEST_ENTRY(lock_files_of_pnpm), TEST_ENTRY(gems),
	  TEST_ENTRY(installed_packages_of_alpine), TEST_ENTRY(modules_of_go),
	  TEST_ENTRY(every_beginning_of_a_text_is_read_without_harm))

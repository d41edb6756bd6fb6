# SPDX-License-Identifier: Apache-2.0
# A thin face over meson and the scripts in tools/. `make help` lists what there is.

PREFIX ?= /usr/local
BUILD ?= build
CMD ?=
TARGET ?=
SECONDS_EACH ?= 60

.DEFAULT_GOAL := build
.PHONY: build install guest guest-kernel demo test check lint e2e weakened lab lab-test bench fuzz tidy format clean help

help: ## what the targets do
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## compile everything; installs missing build dependencies first
	@tools/install-deps build
	@tools/build $(BUILD)

install: build guest ## install everything below PREFIX (default /usr/local)
	@tools/install-prefix $(BUILD) "$(DESTDIR)$(PREFIX)"

guest: build ## the guest's kernel and initramfs, as they will be installed
	@tools/build-guest $(BUILD)

guest-kernel: ## build the guest's small kernel: 10 minutes, once; `make install` then installs it
	@tools/install-deps kernel
	@tools/build-guest-kernel

demo: ## one image as a container and as a VM, with figures
	@tools/install-deps build demo
	@$(MAKE) --no-print-directory install PREFIX=build/root
	@tools/demo build/root

test: ## everything that CI runs: lint, unit, sanitizers, end to end, lab
	@tools/install-deps build kernel test
	@tools/run-tests

check: build ## only lint and unit tests: quick, no root
	@tools/install-deps build test
	@meson test -C $(BUILD) --print-errorlogs --suite lint --suite unit

e2e: install-root weakened ## only the end-to-end tests; K='words' chooses some
	@/usr/bin/python3 -m pytest tests/e2e $(if $(K),-k "$(K)")

weakened: # the build with holes, for the tests of attacks; never installed
	@tools/build-weakened

install-root: # the installation that the end-to-end tests run against
	@$(MAKE) --no-print-directory install PREFIX=build/root

lab: ## run CMD='...' in a machine with KVM and cgroup v2 (see docs/LAB.md)
	@tools/install-deps build
	@tools/lab run -- $(if $(CMD),sh -c '$(subst ','\'',$(CMD))',bash)

lab-test: install-root ## only the lab's tests
	@/usr/bin/python3 -m pytest tests/lab

bench: install-root ## measure against crun, runc, docker, skopeo and QEMU; ONLY='run import'
	@tools/install-deps build test bench
	@bench/bench $(ONLY)

fuzz: ## fuzz each target for SECONDS_EACH seconds; TARGET=name for one
	@tools/install-deps build test
	@tools/fuzz $(SECONDS_EACH) $(TARGET)

tidy: ## clang-tidy over everything; slow
	@tools/install-deps build test
	@tools/tidy

format: ## let clang-format change the C files
	@tools/check-format . --fix

clean: ## remove what was built
	rm -rf build build-*

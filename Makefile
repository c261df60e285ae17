# camd: what one can make. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# The parts of `make test` come one after the other, in the order that they are listed; SwiftPM and its tests use all
# the CPUs already.
.NOTPARALLEL:
.DEFAULT_GOAL := build
.PHONY: setup build build-tests run test lint format unit sanitize lab kernel clean help

swift_sources = $(wildcard Sources Tests Benchmarks Package.swift)

# SwiftPM's steps, "[12/345] Compiling ...": on a terminal the current one, else every fiftieth. All else passes.
look = terminal=; [ ! -t 1 ] || terminal=1
progress = awk -v terminal="$$terminal" '\
  /^\[[0-9]+\/[0-9]+\]/ { if (terminal) printf "\r\033[K%.79s", $$0; else if (++steps % 50 == 0) print; fflush(); next } \
  { if (terminal) printf "\r\033[K"; print; fflush() } \
  END { if (terminal) printf "\r\033[K" }'

setup: ## Install the packages that building and testing need (Debian 12 and later)
	@Tools/setup

build: ## Build the program, .build/release/camd
	@$(look); swift build -c release --static-swift-stdlib --product camd 2>&1 | $(progress)

run: setup build ## Build, then record a video and take a photo: with a camera of this machine, else in the lab
	@Tools/first-light

test: setup lint build build-tests unit lab ## Everything: format, builds, unit tests here, camera tests in the lab

lint: ## Check the format of the Swift sources
	@swift format lint --strict --recursive --parallel $(swift_sources)

format: ## Format the Swift sources
	@swift format --in-place --recursive --parallel $(swift_sources)

# A warning of ours fails the build, also one of a C target, which Package.swift cannot ask for. The file is touched:
# a second build would otherwise not compile it again, and not warn.
build-tests: ## Build the tests, with no warning
	@mkdir -p .build
	@$(look); swift build --build-tests 2>&1 | tee .build/build-tests.log | $(progress)
	@warned=$$(sed -nE 's,^($(CURDIR)/(Sources|Tests|Benchmarks)/[^:]+):[0-9]+:[0-9]+: warning: .*,\1,p' \
	    .build/build-tests.log | sort -u); \
	  if [ -n "$$warned" ]; then \
	    while read -r file; do touch "$$file"; done <<< "$$warned"; \
	    echo "make: the build warned (see above); mend the cause" >&2; \
	    exit 1; \
	  fi

unit: ## Run the tests that need no camera
	@swift test --skip LabTests

# A sanitizer that has something to report changes the exit code of tests that pass, too. All parts run, whatever the
# first found. Linked by lld, because gold warns of a hundred symbols of the address sanitizer's own. One test runs apart,
# because in it x264 leaks (see Tests/Sanitizers/lsan-x264.supp).
sanitize: ## Run the unit tests under the address and the thread sanitizer
	@export ASAN_OPTIONS=detect_leaks=1:exitcode=66 TSAN_OPTIONS=exitcode=66; \
	  leaks=suppressions=$(CURDIR)/Tests/Sanitizers; \
	  tests() { swift test --sanitize=$$1 --scratch-path .build/sanitize-$$1 -Xswiftc -use-ld=lld "$${@:2}"; }; \
	  apart=BadInputTests/oddSize; \
	  failed=; \
	  LSAN_OPTIONS=$$leaks/lsan.supp tests address --skip LabTests --skip $$apart || failed+=" address"; \
	  LSAN_OPTIONS=$$leaks/lsan-x264.supp tests address --filter $$apart || failed+=" address ($$apart)"; \
	  tests thread --skip LabTests || failed+=" thread"; \
	  if [ -n "$$failed" ]; then \
	    echo "make: not clean under the sanitizer of:$$failed (see above)" >&2; \
	    exit 1; \
	  fi

lab: build build-tests ## Run the tests that need cameras, in the lab
	@Tests/Lab/test
	@Tests/Lab/power-cuts

kernel: ## Build the lab's kernel, unless it is there (see Tests/Lab/build-kernel)
	@Tests/Lab/build-kernel

clean: ## Remove what was built; the lab's kernel in the cache folder stays
	@rm -rf .build first-light

help: ## Show this
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

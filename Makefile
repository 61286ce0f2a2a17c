# Everything a developer types. `make` alone says what there is.

CARGO      ?= cargo
DESTDIR    ?=
PREFIX     ?= /usr/local
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The linker arguments that make minirun one static file.
STATIC     := -C target-feature=+crt-static -C relocation-model=static

# The binaries of each profile are copied here: what runs in a test is what `make` built, whatever cargo builds beside it.
DEV_BIN    := $(abspath $(TARGET_DIR))/mini/debug
RELEASE_BIN := $(abspath $(TARGET_DIR))/mini/release

BUILD_PACKAGES := gcc libc6-dev
TEST_PACKAGES  := mmdebstrap buildah skopeo docker-registry iproute2 nftables curl
DEMO_PACKAGES  := $(TEST_PACKAGES)
BENCH_PACKAGES := $(TEST_PACKAGES) e2fsprogs
# What is measured beside ours: the command, and the Debian package that brings it where the command is missing.
PEERS          := dockerd:docker.io ctr:containerd runc:runc crun:crun

ROOT := $(filter 0,$(shell id -u))
SUDO := $(if $(ROOT),,sudo)

.PHONY: help build dev demo shell test test-vm bench bench-cluster soak lint images install uninstall clean build-packages

help:
	@echo 'make build      the three binaries, optimised: $(RELEASE_BIN)/{minictl,minid,minirun}'
	@echo 'make demo       two real images, pulled and run, a cluster that loses its leader, a stack on three nodes; nothing is left afterwards'
	@echo "make shell      a shell on the demo's host, to try things out; nothing is left afterwards"
	@echo 'make test       lint, unit tests and everything end to end (as root; without root, what can run without)'
	@echo "make test-vm    what of it differs with Debian 12's kernel and cgroup v2, in a virtual machine (part of make test)"
	@echo 'make bench      times and memory beside those of Docker, Swarm, containerd, runc, crun and etcd, measured in the same run'
	@echo "make soak       6,000 simulated worlds: the managers' group among crashes and bad disks, and services among lost nodes (SEEDS=0..6000; minutes)"
	@echo 'make lint       rustfmt and clippy'
	@echo "make install    minictl, minid and minirun, and minid's systemd unit, to \$$(DESTDIR)\$$(PREFIX), $(PREFIX) by default"
	@echo 'make clean      what make built here; images stay in their cache (tests/images/build --print)'

build-packages:
	@command -v cc >/dev/null || tests/setup/packages 'building' $(BUILD_PACKAGES)

build: build-packages
	$(CARGO) build --release --package cli --package minid
	$(CARGO) rustc --release --package runtime --bin minirun -- $(STATIC)
	@install -D -C $(TARGET_DIR)/release/minictl $(RELEASE_BIN)/minictl
	@install -D -C $(TARGET_DIR)/release/minid $(RELEASE_BIN)/minid
	@install -D -C $(TARGET_DIR)/release/minirun $(RELEASE_BIN)/minirun

# The same for tests: quick to build. `probe` is the program that tests run inside containers.
dev: build-packages
	$(CARGO) build --package cli --package minid
	$(CARGO) rustc --package runtime --bin minirun -- $(STATIC)
	$(CARGO) rustc --package tests --bin probe -- $(STATIC)
	@install -D -C $(TARGET_DIR)/debug/minictl $(DEV_BIN)/minictl
	@install -D -C $(TARGET_DIR)/debug/minid $(DEV_BIN)/minid
	@install -D -C $(TARGET_DIR)/debug/minirun $(DEV_BIN)/minirun
	@install -D -C $(TARGET_DIR)/debug/probe $(DEV_BIN)/probe

images:
	@tests/images/build >/dev/null

demo: build
	@tests/setup/packages 'the demo' $(DEMO_PACKAGES)
	@$(SUDO) env MINI_BIN_DIR=$(RELEASE_BIN) MINI_CACHE='$(MINI_CACHE)' tests/demo/run

shell: build
	@tests/setup/packages 'the demo' $(DEMO_PACKAGES)
	@$(SUDO) env MINI_BIN_DIR=$(RELEASE_BIN) MINI_CACHE='$(MINI_CACHE)' tests/demo/run shell

lint: build-packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

test: lint dev
ifeq ($(ROOT),)
	@echo 'not root: the tests that need it are skipped (to run them too: sudo -E make test)'
else
	@tests/setup/packages 'the tests' $(TEST_PACKAGES)
	@tests/images/build >/dev/null
endif
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    MINI_BIN_DIR=$(DEV_BIN) $(CARGO) nextest run --workspace; \
	else \
	    echo 'cargo-nextest is not installed: cargo test runs the same tests, one program after the other'; \
	    MINI_BIN_DIR=$(DEV_BIN) $(CARGO) test --workspace --quiet; \
	fi
ifneq ($(ROOT),)
	@$(MAKE) --no-print-directory test-vm
endif

# The same on Debian 12's own kernel with cgroup v2 alone, in a virtual machine: what differs there. VM_TESTS='host tests -- runtime tests'
VM_TESTS ?= lifecycle:: limits:: networks:: health:: -- cgroups:: mounts:: lifecycle::
VM_PACKAGES := $(TEST_PACKAGES) e2fsprogs

test-vm: dev
	@tests/setup/packages 'the tests in a virtual machine' $(VM_PACKAGES)
	@programs=$$($(CARGO) test --package tests --test host --test runtime --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\))$$/\1/p') && \
	    $(SUDO) env MINI_BIN_DIR=$(DEV_BIN) MINI_CACHE='$(MINI_CACHE)' MINI_TEST_PROGRAMS="$$programs" tests/vm/run $(VM_TESTS)

bench: build
	@missing=; for peer in $(PEERS); do \
	    PATH=$$PATH:/usr/sbin:/sbin command -v $${peer%:*} >/dev/null || missing="$$missing $${peer#*:}"; \
	done; tests/setup/packages 'the benchmarks' $(BENCH_PACKAGES) $$missing
	@$(SUDO) env MINI_CACHE='$(MINI_CACHE)' tests/images/build >/dev/null
	$(CARGO) build --release --package tests --bin bench
	$(CARGO) rustc --release --package tests --bin probe -- $(STATIC)
	@install -D -C $(TARGET_DIR)/release/probe $(RELEASE_BIN)/probe
	@status=0; \
	$(SUDO) env MINI_BIN_DIR=$(RELEASE_BIN) MINI_CACHE='$(MINI_CACHE)' $(TARGET_DIR)/release/bench $(ROWS) || status=1; \
	$(if $(ROWS),,$(MAKE) --no-print-directory bench-cluster || status=1;) exit $$status

# The second part of `bench`: the managers beside etcd, services beside Docker Swarm, and 1,000 nodes without containers
# (MINI_HOLLOW_AGENTS=10000). CLUSTER_ROWS='writes failover memory restart create swarm gates scheduler hollow'
bench-cluster: build
	@missing=; for peer in etcd:etcd-server dockerd:docker.io; do \
	    PATH=$$PATH:/usr/sbin:/sbin command -v $${peer%:*} >/dev/null || missing="$$missing $${peer#*:}"; \
	done; tests/setup/packages 'the benchmarks' $(BENCH_PACKAGES) $$missing
	@$(SUDO) env MINI_CACHE='$(MINI_CACHE)' tests/images/build >/dev/null
	$(CARGO) build --release --package cluster-bench
	@$(SUDO) env MINI_BIN_DIR=$(RELEASE_BIN) MINI_CACHE='$(MINI_CACHE)' MINI_HOLLOW_AGENTS=$(or $(MINI_HOLLOW_AGENTS),1000) \
	    $(TARGET_DIR)/release/cluster-bench $(CLUSTER_ROWS)

# One line for each world that went wrong, with its seed: what happens in it is the same whenever it is run.
SEEDS ?= 0..6000

soak: build-packages
	$(CARGO) build --release --package simulation --bin soak --package world --bin chaos
	@status=0; \
	$(TARGET_DIR)/release/soak --seeds $(SEEDS) || status=1; \
	$(TARGET_DIR)/release/chaos --seeds $(SEEDS) || status=1; exit $$status

install: build
	install -D -m 755 $(RELEASE_BIN)/minid $(DESTDIR)$(PREFIX)/bin/minid
	install -D -m 644 agent/minid/minid.service $(DESTDIR)$(PREFIX)/lib/systemd/system/minid.service
	install -D -m 755 $(RELEASE_BIN)/minictl $(DESTDIR)$(PREFIX)/bin/minictl
	install -D -m 755 $(RELEASE_BIN)/minirun $(DESTDIR)$(PREFIX)/bin/minirun

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/minictl $(DESTDIR)$(PREFIX)/bin/minid $(DESTDIR)$(PREFIX)/bin/minirun $(DESTDIR)$(PREFIX)/lib/systemd/system/minid.service

clean:
	$(CARGO) clean

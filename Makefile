# make test       everything that can be checked on this machine
# make netns      the binary on networks of namespaces, behind routers (root)
# make browser    the page, in a real Chromium
# make bench      what it costs
# make mutants    breaks rules one by one, to see tests fail
# make generate   code made from .proto files, again
# make fuzz       every fuzz target for FUZZTIME (20s)
#
# Go alone is enough for all but a few tests; those say what they miss and are
# skipped. As root on Debian, make test installs what is missing first.

GO       ?= go
FUZZTIME ?= 20s
TARGETS  := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

export GOFLAGS := -buildvcs=false
export CGO_ENABLED := 0

.PHONY: test needs format lint cross arch oracle unit netns browser bench mutants generate fuzz
.NOTPARALLEL:

test: needs format lint cross arch oracle netns browser unit

# What tests use besides Go: a command or file, and the Debian package it is in.
NEEDS := protoc:protobuf-compiler exiftool:libimage-exiftool-perl zbarimg:zbar-tools \
	gnome-keyring-daemon:gnome-keyring dbus-run-session:dbus-daemon strace:strace fusermount3:fuse3 \
	ip:iproute2 nft:nftables sysctl:procps qemu-aarch64-static:qemu-user-static qemu-s390x-static:qemu-user-static \
	gcc:gcc /usr/include/xeddsa.h:libxeddsa-dev ffmpeg:ffmpeg cwebp:webp chromium:chromium

needs:
	@missing=; for n in $(NEEDS); do command -v "$${n%%:*}" >/dev/null || test -e "$${n%%:*}" || missing="$$missing $${n#*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; then \
		echo "installed:$$missing"; \
	else echo "not installed, tests that need it are skipped:$$missing"; fi

format:
	@bad=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$bad" ]; then echo "gofmt:"; echo "$$bad"; exit 1; fi

lint:
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	@diff=$$($(GO) fix -diff ./... 2>&1); if [ -n "$$diff" ]; then echo "$$diff"; echo "go fix has something to say"; exit 1; fi

cross:
	@for t in $(TARGETS); do echo "build $$t"; \
		GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/kith || exit 1; done

# What is stored or sent is the same bytes everywhere: vectors on a machine of
# 32 bits, another of 64, and one that is big-endian.
arch:
	$(if $(filter x86_64,$(shell uname -m)),GOARCH=386 $(GO) test $(VECTORS))
	@for a in arm64:qemu-aarch64-static s390x:qemu-s390x-static; do \
		if command -v "$${a#*:}" >/dev/null; then echo "vectors on $${a%:*}"; \
			GOARCH=$${a%:*} $(GO) test -exec "$${a#*:}" $(VECTORS) || exit 1; \
		else echo "skipped: no $${a#*:} for vectors on $${a%:*}"; fi; done

VECTORS := ./box ./identity ./media ./pqxdh ./ratchet ./ratchet/oracle -run 'R24|PQ08|[vV]ectors|Transcripts'

unit:
	@[ -d "$${KITH_VECTORS:-../shared/vectors}" ] || echo "skipped: tests with vectors by others (../shared/vectors is not there)"
	$(GO) test ./...
	$(GO) test ./internal/sim -sim.worlds 60

# libsignal as it is published for node, to talk to.
oracle:
	@if command -v npm >/dev/null; then \
		for v in v103 v90; do (cd ratchet/oracle/$$v && npm ci --silent --no-audit --no-fund) || exit 1; done; \
	else echo "skipped: no npm for libsignal, to hold the ratchet against"; fi

# Breaks every rule on the list and sees the test it names fail.
mutants:
	$(GO) test ./ratchet/mutants -mutants -timeout 60m -v

# Homes behind routers, relays, a DHT, each in a network namespace of its own.
# PUNCHES=20 gives the figure of docs/benchmarks.md.
PUNCHES ?= 3

netns: needs
	@if [ "$$(id -u)" != 0 ]; then echo "skipped: e2e/netns makes network namespaces, which needs root"; \
	elif ! command -v ip >/dev/null || ! command -v nft >/dev/null; then echo "skipped: no ip or nft for e2e/netns"; \
	else echo "$(GO) test ./e2e/netns -netns -punches $(PUNCHES)"; $(GO) test ./e2e/netns -netns -punches $(PUNCHES); fi

browser: needs
	@if command -v npm >/dev/null && command -v chromium >/dev/null; then \
		echo "$(GO) test ./e2e/browser -browser"; $(GO) test ./e2e/browser -browser -shots $(CURDIR)/bin/shots; \
	else echo "skipped: no npm or chromium for e2e/browser"; fi

bench:
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v /e2e/)
	$(GO) test ./ratchet/oracle -run TestFigures -figures -timeout 15m -v
	@if [ -d e2e/bench ]; then $(GO) test ./e2e/bench -run TestTargets -bench-all -timeout 30m -v; fi

# protoc is Debian's protobuf-compiler; its plugins are tools of this module.
generate:
	@mkdir -p bin
	$(GO) build -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go connectrpc.com/connect/cmd/protoc-gen-connect-go
	PATH="$(CURDIR)/bin:$$PATH" $(GO) generate ./...

fuzz:
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+).*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file") $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
		done; done

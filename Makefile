# Sekisho: everything a newcomer needs is `make demo`, everything a developer needs is `make test`.
SHELL   := /bin/bash
TAGS    := sqlite_omit_load_extension netgo osusergo
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.stampVersion=$(VERSION) -X main.stampCommit=$(COMMIT) -linkmode external -extldflags -static
GO      := go
export GOFLAGS := -buildvcs=false
export CGO_ENABLED := 1
FUZZTIME ?= 3s
STATICCHECK := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sekisho-tools/staticcheck-$(shell awk '$$1 == "honnef.co/go/tools" {print $$2}' tools/staticcheck/go.mod)

.PHONY: help build demo check test test-all test-fixtures bench bench-dlp crash nodes race fuzz lint tools clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## one static binary: ./bin/sekisho
	@mkdir -p bin
	$(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/sekisho ./cmd/sekisho

demo: build ## the whole product in a throw-away directory (ARGS="--delay 1m --bind 192.0.2.7")
	@./bin/sekisho demo $(ARGS)

check: $(STATICCHECK) ## format, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w'; exit 1; }
	$(GO) vet -tags '$(TAGS) fixtures' ./...
	$(STATICCHECK) -tags '$(TAGS) fixtures' ./...

$(STATICCHECK): # built once for each version that tools/staticcheck/go.mod names
	@mkdir -p $(@D)
	cd tools/staticcheck && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $@.new honnef.co/go/tools/cmd/staticcheck
	@mv $@.new $@

tools: ## what the tests need: Debian packages (root or sudo) and real servers built from their modules
	@./tools/install

test: tools check build ## every test
	$(GO) test -tags '$(TAGS)' -timeout 20m ./...
	@./tools/fuzz 3s

test-all: test ## and the slow ones: the MinIO server itself
	$(GO) test -tags '$(TAGS) minio' -timeout 30m -count 1 ./internal/blob/
	$(GO) test -tags '$(TAGS) minio' -timeout 30m -count 1 -run Bucket ./linkify/

test-fixtures: tools build ## public mails and documents of FIXTURES=DIR through the whole product
	@test -n "$(FIXTURES)" || { echo 'make test-fixtures FIXTURES=DIR'; exit 2; }
	$(GO) test -tags '$(TAGS) fixtures' -timeout 40m -count 1 -v ./tools/fixtures/ -fixtures '$(abspath $(FIXTURES))' -binary $(CURDIR)/bin/sekisho

bench: tools build ## every package's own, then tables beside Postfix and all targets; one table: BENCH=Accept (ARGS="-rounds 1 -scale 0.2")
	$(if $(BENCH),,$(GO) test -tags '$(TAGS)' -run '^$$' -bench . -benchmem ./...)
	$(GO) test -tags '$(TAGS) bench' -timeout 60m -count 1 -v -run '(?i)^Test($(BENCH))' ./tools/bench/ -binary $(CURDIR)/bin/sekisho $(if $(FIXTURES),-fixtures '$(abspath $(FIXTURES))') $(ARGS)

bench-dlp: ## precision and recall of detection on the Japanese benchmark (ARGS="-set train -wrong jp.phone")
	@$(GO) run -tags '$(TAGS)' ./bench/dlp $(if $(FIXTURES),-fixtures '$(FIXTURES)') $(ARGS)

crash: tools ## 200 times kill -9 and 100 power cuts under load: nothing may be lost
	$(GO) test -tags '$(TAGS)' -timeout 90m -count 1 -v -run 'InACrash|ACutShows|DiskErrs' ./internal/story/ -args -kills 200 -cuts 100

race: tools ## the packages with goroutines under the race detector
	$(GO) test -tags '$(TAGS)' -race -timeout 30m ./holdqueue/... ./internal/db/ ./internal/node/ ./internal/balancer/ ./submission/ ./approval/ ./linkify/ ./web/... ./cmd/sekisho/

NODES ?= 10m
nodes: tools ## three nodes on PostgreSQL and S3, killed at random for NODES=10m
	$(GO) test -tags '$(TAGS)' -timeout 8h -count 1 -v -run NodesAreKilled ./internal/story/ -args -nodes $(NODES)

fuzz: ## every fuzz target for FUZZTIME each (make fuzz FUZZTIME=10m FIXTURES=DIR)
	@SEKISHO_FIXTURES='$(if $(FIXTURES),$(abspath $(FIXTURES)))' ./tools/fuzz $(FUZZTIME)

clean: ## remove what was built
	rm -rf bin

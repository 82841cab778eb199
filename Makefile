# make build   builds the server in bin, and the page that it has in it (needs npm)
# make run     builds the server and starts it on http://127.0.0.1:5984/
# make lint    what can be told by reading: go.mod, format, vet, staticcheck, the rules of imports
# make test    every package's tests, in some four minutes on two cores
# make wide    the tests that take longer: attacked, killed, cut off, very large, and the page's finer points
# make long    the same tests with more rounds: random ones five times as many
# make hostile attacks the real program under a limit of memory, by all tables (needs some minutes
#              and Linux); make test has a sample of them. ATTACK=TEXT takes those of that name
# make soak-pg has processes, networks and PostgreSQL fail, each in its way for SOAK; networks as root only
# make docs    writes docs/configuration.md and docs/routes.md from the tables in the code
# make dist    programs and packages for all systems, with checksums and a bill of materials, in dist
# make deb-test installs the package for Debian here, runs it and removes it (root)
# make dist-test boots Debian's systemd in namespaces, and installs, runs and removes the packages there (root)
# make check   what is asked of every change: lint test wide race

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
PEBBLE      ?= v2.10.3
STATICCHECK ?= v0.8.2
KILLS    ?= 1000
SOAK     ?= 10m

PAGE     := httpapi/page
POUCHDB  := cmd/tododb/testdata/pouchdb
BINARY   := cmd/tododb
QUICK     = $(shell $(GO) list ./... | grep -v /$(BINARY)$$)

# All is compiled in one way, and so once: by lint, build and test, and for all folders that this is cloned to.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(GOFLAGS) -trimpath)

# The page is made again when one of these has changed.
PAGE_FILES = $(shell find $(PAGE)/src $(PAGE)/bundle -type f) $(PAGE)/package-lock.json

.PHONY: all build page chromium postgresql run test wide wide-tests long dist deb-test dist-test race fuzz crash hostile soak soak-pg bench cross vet-windows lint docs cover check clean FORCE
all: build

build: page bin/tododb

# Without npm the program is built without its page, which says so.
ifneq ($(shell command -v npm),)
page: $(PAGE)/dist/index.html.gz
else
page:
	@echo "npm is missing, so the program will be built without its page at /_utils/"
endif

$(PAGE)/dist/index.html.gz: $(PAGE)/node_modules $(PAGE_FILES)
	$(GO) run ./$(PAGE)/bundle
	@touch $@

$(PAGE)/node_modules: $(PAGE)/package-lock.json
	cd $(PAGE) && npm ci --no-audit --no-fund
	@touch $@

# The browser that the page is tested with: chromium without its windows, which is a third of the work, or
# chromium itself. Its tests are skipped where both are missing.
chromium:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell >/dev/null; } || \
		echo "chromium is missing: the page is not tested"

bin/tododb: FORCE
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./$(BINARY)

run: build
	bin/tododb serve

# The server of the tests of many processes, which they start by themselves (store/engine/pg/pgtest), a pooler, and
# what makes networks that are cut. Without them tests are skipped, and where CI is set they fail.
postgresql:
	@set --; ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || set -- postgresql; \
	PATH=$$PATH:/usr/sbin; command -v pgbouncer >/dev/null || set -- "$$@" pgbouncer; command -v ip >/dev/null || set -- "$$@" iproute2; \
	[ $$# = 0 ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@" >/dev/null; } || \
		echo "$$* missing: not all is tested of many processes over one storage"

# Three packages run side by side: they wait more than they work. They are linked without what debuggers need, in
# half of the time, and vet, which reads all that they import, is left to lint. The tests that run the program take the
# one in bin.
test: build bin/pebble chromium postgresql $(POUCHDB)/node_modules
	TODODB_TEST_PROGRAM=$(CURDIR)/bin/tododb $(GO) test -short -count=1 -timeout 60m -p 3 -vet=off -ldflags='-s -w' ./...

# The tests that make test leaves out say so in their first line (store/widetest).
WIDE_FILES = $(shell grep -rl --include='*_test.go' '^	widetest.Only(t)' cmd httpapi replicate store revtree)
WIDE       = $(shell grep -h -A1 '^func Test' $(WIDE_FILES) | grep -B1 '^	widetest.Only(t)' | sed -n 's/^func \(Test[A-Za-z0-9_]*\).*/\1/p' | sort -u | paste -sd'|')

wide-tests:
	@echo '$(WIDE)'

wide: build bin/pebble chromium postgresql $(POUCHDB)/node_modules
	TODODB_TEST_WIDE=1 TODODB_TEST_PROGRAM=$(CURDIR)/bin/tododb $(GO) test -short -count=1 -timeout 60m -p 2 -vet=off -ldflags='-s -w' -run '^($(WIDE))$$' $(addprefix ./,$(sort $(dir $(WIDE_FILES))))

long: build bin/pebble chromium postgresql $(POUCHDB)/node_modules
	$(GO) test -count=1 -timeout 60m ./...

# The ACME server that the tests get certificates from.
bin/pebble: Makefile
	GOBIN=$(CURDIR)/bin GOFLAGS=-trimpath $(GO) install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE)
	@touch $@

# The real clients that the server is tested with.
$(POUCHDB)/node_modules: $(POUCHDB)/package-lock.json
	cd $(POUCHDB) && npm ci --no-audit --no-fund
	@touch $@

race: export CGO_ENABLED := 1
race:
	TODODB_TEST_WIDE=1 $(GO) test -race -short -timeout 60m ./...

# Each fuzz target gets a short turn; go runs one target at a time.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

# Kill the server again and again under load; nothing acknowledged may be lost.
crash:
	TODODB_TEST_KILLS=$(KILLS) $(GO) test -count=1 -timeout 0 -v -run '^TestKill' ./$(BINARY)

# Whatever was found to end, starve or fool the server, and what resembles it. Other packages
# have tests of the kind too, which look at the same variable.
hostile:
	TODODB_TEST_HOSTILE=1 TODODB_TEST_ATTACK='$(ATTACK)' $(GO) test -count=1 -timeout 60m -v -run '^TestHostile' ./$(BINARY)
	@set -e; for pkg in $$(grep -rl --include='*_test.go' TODODB_TEST_HOSTILE . | xargs -n1 dirname | sort -u | grep -v '/$(BINARY)$$'); do \
		TODODB_TEST_HOSTILE=1 $(GO) test -count=1 -timeout 60m $$pkg; \
	done

soak:
	TODODB_TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak' ./$(BINARY)

# Long tests of PostgreSQL, also through a pooler, and all tests of the store on it. Then processes, networks
# and servers fail, each in its way for so long; two at a time, or they would test the machine.
soak-pg:
	TODODB_TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 ./store/engine/pg
	TODODB_TEST_ENGINE=pg $(GO) test -count=1 -timeout 0 ./store ./store/index
	TODODB_TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -parallel 2 -v -run '^TestPG' ./$(BINARY)
	TODODB_TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -run TestSeveralStores ./store -rapid.checks=500

bench: build
	TODODB_TEST_FIGURES=1 $(GO) test -count=1 -v -run "^TestFigures" ./$(BINARY) | grep -v "^==="
	$(GO) test -run "^$$" -bench . -benchmem $(QUICK)

# What people get: programs for all systems, packages, a list of what is in them, and checksums.
TARGETS  := linux/amd64 linux/arm64 linux/arm darwin/amd64 darwin/arm64 windows/amd64
NFPM     ?= v2.43.0
SBOM     ?= v1.10.0
PACKAGING := $(BINARY)/packaging
PACKAGE_VERSION ?= $(or $(shell echo '$(VERSION)' | sed -nE '/^v[0-9]/{s/^v//; s/-([0-9]+)-g/+\1.g/; s/-dirty/+dirty/; s/-/~/g; p}'),0.0.0~git$(shell git log -1 --format=%cd --date=format:%Y%m%d%H%M%S 2>/dev/null))

# pack makes a package: kind, processor, program, and perhaps version.
pack = PACKAGE_ARCH=$(2) PACKAGE_VERSION='$(or $(4),$(PACKAGE_VERSION))' PACKAGE_BINARY=$(3) \
	GOFLAGS=-trimpath $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM) package -f $(PACKAGING)/nfpm.yaml -p $(1) -t dist/

dist: page $(addprefix dist/tododb-,$(subst /,-,$(TARGETS)))
	rm -f dist/*.deb dist/*.rpm
	mv dist/tododb-windows-amd64 dist/tododb-windows-amd64.exe
	mv dist/tododb-linux-arm dist/tododb-linux-armv7
	$(call pack,deb,amd64,dist/tododb-linux-amd64)
	$(call pack,rpm,amd64,dist/tododb-linux-amd64)
	$(call pack,deb,arm64,dist/tododb-linux-arm64)
	$(call pack,rpm,arm64,dist/tododb-linux-arm64)
	$(call pack,deb,arm7,dist/tododb-linux-armv7)
	GOFLAGS=-trimpath $(GO) run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(SBOM) bin -json -version '$(VERSION)' -output dist/tododb.cdx.json dist/tododb-linux-amd64
	[ ! -d $(PAGE)/node_modules ] || $(GO) run ./$(PAGE)/bundle -bill dist/tododb.cdx.json
	cd dist && sha256sum tododb* > SHA256SUMS

dist/tododb-%: FORCE
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) GOARM=7 \
		$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./$(BINARY)

# The package for Debian is installed, run as its unit says, and removed; as root, or it is skipped.
deb-test: build
	@mkdir -p dist && rm -f dist/*.deb
	$(call pack,deb,$(shell $(GO) env GOARCH),bin/tododb)
	$(PACKAGING)/deb-test.sh dist/*.deb

# Both packages under a real systemd, with an upgrade from an older version.
dist-test: build
	@command -v debootstrap >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
	@mkdir -p dist && rm -f dist/*.deb dist/*.rpm
	$(call pack,deb,$(shell $(GO) env GOARCH),bin/tododb,0.0.0~before)
	$(call pack,rpm,$(shell $(GO) env GOARCH),bin/tododb,0.0.0~before)
	$(call pack,deb,$(shell $(GO) env GOARCH),bin/tododb,1.0.0)
	$(call pack,rpm,$(shell $(GO) env GOARCH),bin/tododb,1.0.0)
	$(PACKAGING)/unit-test.sh dist

# What else it is to compile for.
cross:
	@set -e; for target in windows/amd64 darwin/arm64 freebsd/amd64 linux/arm64 linux/arm linux/386; do \
		echo $$target; GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./$(BINARY); \
	done
	$(MAKE) vet-windows

# The tests too, where they differ most.
vet-windows:
	GOOS=windows $(GO) vet ./...

lint: page
	$(GO) mod tidy -diff
	@files=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
		if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	@[ ! -x $(PAGE)/node_modules/.bin/tsc ] || $(PAGE)/node_modules/.bin/tsc --noEmit -p $(PAGE)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) ./...
	$(GO) test -count=1 -vet=off -ldflags='-s -w' -run '^TestLayers' ./$(BINARY)

# What is written from tables in the code.
docs:
	$(GO) test -count=1 -run '^TestTheManual' ./httpapi/config -update
	$(GO) test -count=1 -run '^TestTheRoutesPage' ./httpapi -update

cover:
	$(GO) test -short -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -1

check: lint test wide race

clean:
	rm -rf bin dist cover.out

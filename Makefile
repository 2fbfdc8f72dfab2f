# `make run` and `make test` do all the set-up that a fresh machine needs. What they compile and download stays outside
# the clone, below $(STEAD_CACHE).

STEAD_CACHE ?= $(HOME)/.cache/stead
export CARGO_TARGET_DIR ?= $(STEAD_CACHE)/target

# One profile for everything: the dependencies are many, and are compiled once.
CARGO_PROFILE := --release
STEAD = $(CARGO_TARGET_DIR)/release/stead
FILE ?= examples/chat.ts
MINUTES ?= 30

TYPESCRIPT := 7.0.2
WORKERS_TYPES := 4.20260702.1
# The reference runtime, which runs the same scripts and opens the same files.
WORKERD := 1.20261117.1
ESBUILD := 0.27.3
# The versions are in the folder's name, so that a change installs anew.
NPM := $(STEAD_CACHE)/npm/$(TYPESCRIPT)-$(WORKERS_TYPES)-$(WORKERD)-$(ESBUILD)
MODULES = $(NPM)/node_modules
TSC = $(MODULES)/.bin/tsc

# The platform's own runner of tests, which passes the same suites, and the types of what they import.
VITEST := 4.1.12
PLUGIN := 1.5.0
PLUGIN_NPM := $(STEAD_CACHE)/npm/vitest-$(VITEST)-$(PLUGIN)
PLUGIN_MODULES = $(PLUGIN_NPM)/node_modules
PLUGIN_STAMP := $(PLUGIN_NPM)/installed
# The packages are shared by all checkouts; what names the files of one is its own.
SUITES_CONFIG := $(PLUGIN_NPM)/tsconfig$(subst /,-,$(CURDIR)).json

# $(call step,NAME,COMMAND): says what runs, and how long it took.
step = @echo "==> $(1)"; begin=$$(date +%s); $(2) && echo "==> $(1): ok, $$(($$(date +%s) - begin)) s"

.PHONY: help run build test check fmt clippy types cargo-test peers torture assets-peer types-peer browser bench bench-dev bench-test packages wrangler-state reloads soak install clean-cache v8
.DEFAULT_GOAL := help
# The steps share the machine's cores already, and their output is read from top to bottom.
.NOTPARALLEL:

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

run: build ## Serve FILE (default examples/chat.ts) with ARGS: make run ARGS='--port 3000'
	@exec $(STEAD) run $(FILE) $(ARGS)

build: v8 ## Build the stead binary
	cargo build $(CARGO_PROFILE) --workspace

test: fmt clippy types cargo-test peers ## Check everything and run every test

check: fmt clippy types ## Formatting, clippy and types, without running tests

fmt:
	$(call step,formatting,cargo fmt --all --check)

clippy: v8
	$(call step,clippy,cargo clippy $(CARGO_PROFILE) --workspace --all-targets -- -D warnings)

# js/ needs nothing from outside; the others are checked with the platform's types, as their authors would.
types: $(TSC) $(SUITES_CONFIG)
	$(call step,types of js/,$(TSC) --project js && $(TSC) --project js/node)
	$(call step,types of scripts and examples,$(TSC) --project test-scripts --typeRoots $(MODULES))
	$(call step,types of suites,$(TSC) --project $(SUITES_CONFIG))
	$(call step,types of fixtures,$(TSC) --project tests/fixtures --typeRoots $(MODULES))

cargo-test: v8
	$(call step,tests,cargo test $(CARGO_PROFILE) --workspace --no-fail-fast)

# The scripts that use only the public API pass on the reference runtime too, and both keep the same files.
peers: build $(TSC) $(PLUGIN_STAMP)
	$(call step,scripts on workerd,node test-scripts/on-workerd.mjs --modules $(MODULES))
	$(call step,suites on @cloudflare/vitest-plugin,node test-scripts/plugin.mjs --modules $(PLUGIN_MODULES))
	$(call step,state files exchanged with workerd,node test-scripts/state-exchange.mjs --modules $(MODULES) --stead $(STEAD))

torture: v8 ## Kill the server 500 times under load, try 10,000 schedules of crashes, and look for what was lost
	$(call step,schedules of crashes,STEAD_TEST_SCHEDULES=10000 cargo test $(CARGO_PROFILE) -p stead-storage --test crashes -- --nocapture)
	$(call step,kills,STEAD_TORTURE_KILLS=500 cargo test $(CARGO_PROFILE) --test process kills_at_random_moments -- --nocapture)

bench-test: build $(PLUGIN_STAMP) ## Time 500 tests on stead test and on the platform's plugin
	@node test-scripts/plugin.mjs --modules $(PLUGIN_MODULES) --stead $(STEAD)

BENCH_JS = $(CARGO_TARGET_DIR)/bench/worker.js

bench: build $(TSC) ## Measure Stead beside workerd: make bench ARGS='--quick', '--row hello', '--json', '--scaling'
	@$(MODULES)/.bin/esbuild benches/worker.ts --bundle --format=esm --external:cloudflare:workers --log-level=warning --outfile=$(BENCH_JS)
	@$(CARGO_TARGET_DIR)/release/stead-bench --stead $(STEAD) --workerd $(MODULES)/.bin/workerd --worker-js $(BENCH_JS) --machine $(ARGS)

# Projects with packages from npm, installed outside the clone.
PROJECTS = $(STEAD_CACHE)/projects

packages: build ## Run the sample projects of test-scripts/projects, with their packages from npm
	@mkdir -p $(PROJECTS) && cp test-scripts/projects/package.json $(PROJECTS)/
	npm install --prefix $(PROJECTS) --no-audit --no-fund --loglevel=error
	node --experimental-websocket test-scripts/projects.mjs --stead $(STEAD) --folder $(PROJECTS)

# What a developer waits for, beside wrangler in the same run. Wrangler needs Node 22: NODE22=PATH if `node` is older.
NODE22 ?= node
WRANGLER := 4.164.0
WRANGLER_MODULES = $(STEAD_CACHE)/npm/wrangler-$(WRANGLER)/node_modules

bench-dev: build ## Measure stead dev beside wrangler dev: first answer, save to answer, memory
	@test -d $(WRANGLER_MODULES)/wrangler || npm install --prefix $(dir $(WRANGLER_MODULES)) --no-audit --no-fund --loglevel=error wrangler@$(WRANGLER)
	$(NODE22) benches/dev.mjs --stead $(STEAD) --modules $(WRANGLER_MODULES)

assets-peer: build ## Compare answers of static files with those of wrangler dev: make assets-peer NODE22=PATH
	@test -d $(WRANGLER_MODULES)/wrangler || npm install --prefix $(dir $(WRANGLER_MODULES)) --no-audit --no-fund --loglevel=error wrangler@$(WRANGLER)
	$(NODE22) test-scripts/assets-peer.mjs --stead $(STEAD) --modules $(WRANGLER_MODULES)

types-peer: build ## Compare what stead types writes with what wrangler types does. Needs Node 22
	@test -d $(WRANGLER_MODULES)/wrangler || npm install --prefix $(dir $(WRANGLER_MODULES)) --no-audit --no-fund --loglevel=error wrangler@$(WRANGLER)
	$(NODE22) test-scripts/types-peer.mjs --stead $(STEAD) --modules $(WRANGLER_MODULES)

browser: build ## Drive stead dev with a real browser, if there is one; SCREENSHOTS=FOLDER keeps pictures
	node --experimental-websocket test-scripts/browser.mjs --stead $(STEAD) $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

wrangler-state: build ## Go on with what wrangler dev stored, and it with what Stead stored. Needs Node 22
	@test -d $(WRANGLER_MODULES)/wrangler || npm install --prefix $(dir $(WRANGLER_MODULES)) --no-audit --no-fund --loglevel=error wrangler@$(WRANGLER)
	node test-scripts/wrangler-import.mjs --stead $(STEAD) --modules $(WRANGLER_MODULES)

reloads: build ## Save a project 1,000 times under stead dev, with sockets open, and watch the memory
	node --experimental-websocket test-scripts/reloads.mjs --stead $(STEAD)

# Half an hour of everything at once: does memory stay flat?
soak: build ## Load the server for MINUTES (default 30) and watch its memory
	node --experimental-websocket test-scripts/soak.mjs --stead $(STEAD) --minutes $(MINUTES)

install: v8 ## Install stead into cargo's bin folder
	cargo install --locked --path .

clean-cache: ## Remove what was compiled and downloaded
	rm -rf $(STEAD_CACHE)

v8:
	@./vendor/v8/install.sh

$(TSC):
	@mkdir -p $(NPM)
	npm install --prefix $(NPM) --no-audit --no-fund --loglevel=error \
	  typescript@$(TYPESCRIPT) @cloudflare/workers-types@$(WORKERS_TYPES) \
	  workerd@$(WORKERD) esbuild@$(ESBUILD)

# Suites import `vitest`, whose types are found by path.
$(PLUGIN_STAMP): $(TSC)
	@mkdir -p $(PLUGIN_NPM)
	npm install --prefix $(PLUGIN_NPM) --no-audit --no-fund --loglevel=error \
	  vitest@$(VITEST) @cloudflare/vitest-plugin@$(PLUGIN)
	@touch $@

$(SUITES_CONFIG): $(PLUGIN_STAMP) Makefile
	@printf '{ "extends": "%s", "compilerOptions": { "types": ["%s", "%s"], "paths": { "vitest": ["%s"] } }, "include": ["%s", "%s"] }\n' \
	  $(CURDIR)/test-scripts/tsconfig.json \
	  $(MODULES)/@cloudflare/workers-types/latest $(PLUGIN_MODULES)/@cloudflare/vitest-plugin/types/cloudflare-test.d.ts \
	  $(PLUGIN_MODULES)/vitest/dist/index.d.ts \
	  $(CURDIR)/test-scripts/testing $(CURDIR)/test-scripts/stead-test.d.ts > $@

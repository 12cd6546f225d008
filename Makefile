# Needs Node 20 and npm; everything else (Bun too) comes from the npm registry on first use.
BUN := node_modules/.bin/bun
INSTALLED := node_modules/.installed
SAMPLE := sample/lake
# Where `make serve` listens; port 0 takes a free one.
GRPC ?= 127.0.0.1:50054
FLIGHT ?= 127.0.0.1:8816
HTTP ?= 127.0.0.1:8089

.PHONY: help run serve build test generate sample stream-1gb soak format clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

$(INSTALLED): package.json package-lock.json
	@echo "installing packages (first use, or they have changed) ..." >&2
	@npm install --no-save --no-audit --no-fund --loglevel=error >&2
	@$(BUN) --version >/dev/null 2>&1 || node node_modules/bun/install.js >&2
	@touch $(INSTALLED)

run: $(INSTALLED) ## the main job on the sample ledgers: serve, start a session, read it through Flight, print rows
	@$(BUN) src/main.ts demo

serve: $(INSTALLED) ## keep a server up on loopback, reading the sample ledgers
	@$(BUN) src/main.ts serve --source-endpoint $(CURDIR)/$(SAMPLE) \
		--start-ledger 58751994 --end-ledger 58752000 \
		--grpc-address $(GRPC) --flight-address $(FLIGHT) --health-port $(HTTP)

build: $(INSTALLED) ## one self-contained file: dist/contract-data-processor
	@$(BUN) scripts/build.ts

test: $(INSTALLED) ## everything that CI checks
	@$(BUN) test/run.ts

generate: $(INSTALLED) ## the XDR walkers and the protobuf codecs, from their definitions
	@$(BUN) scripts/generate.ts

stream-1gb: $(INSTALLED) ## 1 GB from one DoGet, ten times each with pyarrow and Go, on fresh connections
	@$(BUN) test/flight/stream-bytes.ts --bytes 1000000000 --runs 10

soak: $(INSTALLED) ## the long versions of the tests
	@$(BUN) test/soak.ts

format: $(INSTALLED) ## format and fix the sources
	@node_modules/.bin/biome check --write .

clean: ## remove what was built and installed
	rm -rf dist .cache node_modules

# Needs Node 22 (or 20) with npm, or Bun; everything else (this project's own Bun too) comes from the npm registry on first use.
# Another Bun: `make BUN=/path/to/bun …` (flake.nix sets it).
BUN ?= node_modules/.bin/bun
# No .env and no bunfig.toml of the folder that a command is started in: a preload there would run.
BUN_FLAGS := --config=bunfig.toml --no-env-file
INSTALLED := node_modules/.installed
SAMPLE := sample/lake
# Where `make serve` listens; port 0 takes a free one.
GRPC ?= 127.0.0.1:50054
FLIGHT ?= 127.0.0.1:8816
HTTP ?= 127.0.0.1:8089

.PHONY: help run serve build dist test types lint docs binary clients e2e unit generate lock library fuzz simulate bench bench-quick bench-tip bench-decode bench-pipeline bench-sources bench-control bench-flight bench-sinks bench-backfill stream-1gb soak format clean

help: ## this list
	@grep -hE '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

$(INSTALLED): package.json package-lock.json
	@echo "installing packages (first use, or they have changed) ..." >&2
	@if command -v npm >/dev/null 2>&1; then npm ci --no-audit --no-fund --loglevel=error >&2; \
	elif command -v bun >/dev/null 2>&1; then bun install --frozen-lockfile --no-save --silent >&2; \
	else echo "neither npm nor Bun is on the PATH: install Node 22 (https://nodejs.org) or Bun (https://bun.sh), then run this again" >&2; exit 1; fi
	@$(BUN) --version >/dev/null 2>&1 || $$(command -v node || command -v bun) node_modules/bun/install.js >&2
	@touch $(INSTALLED)

run: $(INSTALLED) ## the main job on the sample ledgers: serve, start a session, read it through Flight, print rows
	@$(BUN) $(BUN_FLAGS) src/main.ts demo

serve: $(INSTALLED) ## keep a server up on loopback, reading the sample ledgers
	@$(BUN) $(BUN_FLAGS) src/main.ts serve --source-endpoint $(CURDIR)/$(SAMPLE) \
		--start-ledger 58751994 --end-ledger 58752000 \
		--grpc-address $(GRPC) --flight-address $(FLIGHT) --health-port $(HTTP)

build: $(INSTALLED) ## one self-contained file: dist/contract-data-processor
	@$(BUN) $(BUN_FLAGS) scripts/build.ts

dist: $(INSTALLED) ## a binary for every platform, with sums, SBOM and licences: dist/release
	@$(BUN) $(BUN_FLAGS) scripts/dist.ts

test: $(INSTALLED) ## everything that CI checks
	@$(BUN) $(BUN_FLAGS) test/run.ts

types lint docs binary clients e2e unit: $(INSTALLED) ## one step of `make test` (test/steps.ts)
	@$(BUN) $(BUN_FLAGS) test/run.ts $@

generate: $(INSTALLED) ## the XDR walkers and the protobuf codecs, from their definitions
	@$(BUN) $(BUN_FLAGS) scripts/generate.ts

lock: $(INSTALLED) ## package-lock.json, whole and for every platform, after package.json has changed
	@$(BUN) $(BUN_FLAGS) scripts/lock-file.ts

library: $(INSTALLED) ## the decoder as a library for Node: dist/lib
	@$(BUN) $(BUN_FLAGS) scripts/build-library.ts

fuzz: $(INSTALLED) ## 10,000 random and mutated ledgers against a plain decoder, 5,000 calls of strangers
	@$(BUN) $(BUN_FLAGS) test/fuzz/main.ts --cases 10000 && $(BUN) $(BUN_FLAGS) test/fuzz/calls.ts

simulate: $(INSTALLED) ## the pipeline under random stalls, failures and deaths: SEED=… for one run again
	@$(BUN) $(BUN_FLAGS) test/simulator/simulate.ts

bench: $(INSTALLED) ## every bench, against bench/baseline.json; writes docs/benchmarks.md (needs Go and Python)
	@$(BUN) $(BUN_FLAGS) bench/main.ts

bench-quick: $(INSTALLED) ## the main ratios in under three minutes
	@$(BUN) $(BUN_FLAGS) bench/main.ts --quick

bench-tip: $(INSTALLED) ## ledgers of ten times today's size every 600 ms for ten minutes a source (needs Go)
	@$(BUN) $(BUN_FLAGS) bench/large.ts

bench-decode: $(INSTALLED) ## the decoder against Go readers (needs Go)
	@$(BUN) $(BUN_FLAGS) bench/decode.ts && $(BUN) $(BUN_FLAGS) bench/decode-heap.ts

bench-pipeline: $(INSTALLED) ## lake and gRPC source to a Flight client, against a Go pipeline (needs Go)
	@$(BUN) $(BUN_FLAGS) bench/pipeline.ts && $(BUN) $(BUN_FLAGS) bench/latency.ts && $(BUN) $(BUN_FLAGS) bench/resident.ts

bench-sources: $(INSTALLED) ## every kind of source, stores beside a bare loop of GETs (needs Python and Go)
	@$(BUN) $(BUN_FLAGS) bench/source-kinds.ts && $(BUN) $(BUN_FLAGS) bench/sources.ts

bench-control: $(INSTALLED) ## control calls, idle and under load, against an empty grpc-go server (needs Go)
	@$(BUN) $(BUN_FLAGS) bench/control.ts

bench-flight: $(INSTALLED) ## DoGet against arrow-go and pyarrow servers (needs Go and Python)
	@$(BUN) $(BUN_FLAGS) bench/flight.ts

bench-sinks: $(INSTALLED) ## sinks beside their databases' own tools, Parquet beside pyarrow (needs PostgreSQL and Python)
	@$(BUN) $(BUN_FLAGS) bench/sinks.ts && $(BUN) $(BUN_FLAGS) bench/parquet.ts

bench-backfill: $(INSTALLED) ## 8 workers of a back-fill beside one, and what sharing chunks out costs (needs Python)
	@$(BUN) $(BUN_FLAGS) bench/backfill.ts

stream-1gb: $(INSTALLED) ## 1 GB from one DoGet, ten times each with pyarrow and Go, on fresh connections
	@$(BUN) $(BUN_FLAGS) test/flight/stream-bytes.ts --bytes 1000000000 --runs 10

soak: $(INSTALLED) ## the long versions of the tests
	@$(BUN) $(BUN_FLAGS) test/soak.ts

format: $(INSTALLED) ## format and fix the sources
	@node_modules/.bin/biome check --write .

clean: ## remove what was built and installed
	rm -rf dist .cache node_modules
